"""What two computations of a table have in common: planted differences, each of which is found and named."""

import numpy as np
import pandas as pd
import pytest

from interp.tables.verify import verify_table

TABLE = pd.DataFrame(
    {"role": ["a", "b", None], "lift": [0.5, np.nan, -0.25], "n": pd.array([1, None, 3], dtype="Int64"),
     "large": [1e6, 2e6, np.inf], "has": [True, False, True]}
)  # fmt: skip


def verdicts(changed: pd.DataFrame | None) -> dict[str, str]:
    now = {} if changed is None else {"scores": changed}
    return dict(verify_table({"scores": TABLE}, now)[["column", "verdict"]].itertuples(index=False, name=None))


def test_the_same_is_the_same() -> None:
    table = verify_table({"scores": TABLE}, {"scores": TABLE.copy()})
    assert set(table.verdict) == {"same"} and (table.differing == 0).all() and len(table) == 5


@pytest.mark.parametrize(
    ("column", "row", "value", "verdict", "largest"),
    [
        ("lift", 0, 0.5 + 9e-7, "arithmetic", 9e-7),
        ("lift", 0, 0.5 + 2e-6, "differs", 2e-6),
        ("lift", 1, 0.0, "differs", np.nan),
        ("lift", 2, np.nan, "differs", np.nan),
        ("large", 0, 1e6 + 0.9, "arithmetic", 0.9),
        ("large", 0, 1e6 + 1.1, "differs", 1.1),
        ("large", 2, 1e9, "differs", np.nan),
        ("n", 0, 2, "differs", 1.0),
        ("n", 1, 2, "differs", np.nan),
        ("role", 0, "A", "differs", np.nan),
        ("role", 2, "", "differs", np.nan),
        ("has", 1, True, "differs", np.nan),
    ],
)
def test_one_changed_cell_is_found(column: str, row: int, value: object, verdict: str, largest: float) -> None:
    changed = TABLE.copy()
    changed.loc[row, column] = value  # pyright: ignore[reportArgumentType, reportCallIssue]
    table = verify_table({"scores": TABLE}, {"scores": changed}).set_index("column")
    assert table.loc[column, "verdict"] == verdict and table.loc[column, "differing"] == 1
    assert table.loc[column, "largest_difference"] == pytest.approx(largest, rel=1e-3, nan_ok=True)
    assert set(table.drop(column).verdict) == {"same"}


def test_tables_rows_and_columns_that_are_not_there_are_found() -> None:
    assert verdicts(TABLE.drop(columns="n"))["n"] == "differs"
    assert verdicts(TABLE.assign(new=1.0))["new"] == "differs"
    assert verdicts(TABLE.head(2)) == {"(table)": "differs"}
    assert verdicts(None) == {"(table)": "differs"}
    extra = verify_table({}, {"scores": TABLE})
    assert extra.verdict.tolist() == ["differs"]
    assert verify_table({"scores": None}, {"scores": TABLE}).verdict.tolist() == ["differs"]
