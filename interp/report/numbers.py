"""Numbers as a page has them: short, and never NaN, which JSON has no word for."""

import math
from typing import Any

import numpy as np
import pandas as pd


def rounded(value: Any) -> float:
    """Four digits that count."""
    return float(f"{float(value):.4g}")


def plain(value: Any) -> Any:
    """A cell of a table: a text, a truth, a whole number, a number of four digits that count, or None."""
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        number = float(value)
        return rounded(number) if math.isfinite(number) else None if math.isnan(number) else str(number)
    return str(value)


def records(table: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows, each by the names of its columns, which are texts in every table of a run."""
    return [dict(zip(map(str, table.columns), row, strict=True)) for row in table.itertuples(index=False, name=None)]
