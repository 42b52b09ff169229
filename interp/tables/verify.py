"""Are two computations of the same tables the same? Column by column: to the last bit, by arithmetic, or not."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd

COLUMNS = ["table", "column", "rows", "differing", "largest_difference", "verdict"]

TOLERANCE = 1e-6
"""What another order of adding up, or another processor, may change; of a number larger than 1, so much of it."""

SAME, ARITHMETIC, DIFFERS = "same", "arithmetic", "differs"
WHOLE = "(table)"
"""In the place of a column: what is said of the whole table."""


def verify_table(recorded: Mapping[str, pd.DataFrame | None], now: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """The table `verify`: one row per column of every table, or one per table that cannot be compared by columns.

    `differing` of `rows` rows are not the same to the last bit, NaN beside NaN being the same; `largest_difference` is
    that of numbers. `verdict`: `same`; `arithmetic`, where no number is further off than 1e-6 (of a number larger than
    1: than this share of it); else `differs`. A recorded table that is `None` cannot be read.
    """
    rows: list[tuple[str, str, int, int, float, str]] = []
    for name in sorted(recorded.keys() | now.keys()):
        before, after = recorded.get(name), now.get(name)
        if before is None or after is None or len(before) != len(after):
            counts = [0 if table is None else len(table) for table in (before, after)]
            rows.append((name, WHOLE, counts[0], max(abs(counts[0] - counts[1]), 1), np.nan, DIFFERS))
            continue
        for column in dict.fromkeys([*map(str, before), *map(str, after)]):
            if column not in before or column not in after:
                rows.append((name, column, len(before), len(before), np.nan, DIFFERS))
            else:
                rows.append((name, column, len(before), *_compared(before[column], after[column])))
    return pd.DataFrame(rows, columns=COLUMNS).astype({"largest_difference": float})


def _compared(before: pd.Series, after: pd.Series) -> tuple[int, float, str]:
    if not (_is_number(before) and _is_number(after)):
        unlike = [
            _is_missing(one) != _is_missing(other) or (not _is_missing(one) and one != other)
            for one, other in zip(before.astype(object), after.astype(object), strict=True)
        ]
        return sum(unlike), np.nan, DIFFERS if any(unlike) else SAME
    old, new = (column.to_numpy(dtype=np.float64, na_value=np.nan) for column in (before, after))
    unlike = ~((old == new) | (np.isnan(old) & np.isnan(new)))
    if not unlike.any():
        return 0, 0.0, SAME
    with np.errstate(invalid="ignore"):
        apart = np.abs(old - new)[unlike]
        allowed = TOLERANCE * np.maximum(1.0, np.abs(old)[unlike])
        # a number beside none, or beside infinity, is no arithmetic
        is_near = bool((np.isfinite(apart) & (apart <= allowed)).all())
    known = apart[np.isfinite(apart)]
    return int(unlike.sum()), float(known.max()) if known.size else np.nan, ARITHMETIC if is_near else DIFFERS


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _is_missing(value: object) -> bool:
    return value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value))
