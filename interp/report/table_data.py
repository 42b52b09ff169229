"""A run's tables as a page has them: the rows that fit, and how many there are in all."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from interp.report.numbers import plain
from interp.results import file_name

ROWS = 300
"""Of each table."""

EVERYWHERE = ("model", "corpus", "behaviour", "seed")
"""Columns that are the same in every row: the head of the page has them."""

FIRST = ("study", "atlas", "roles", "effects")
NOT_LISTED = ("example_offsets",)


def table_data(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Name, columns and the first rows of every table, the most telling tables first."""
    names = [name for name in FIRST if name in tables] + [name for name in tables if name not in FIRST]
    return [_listed(name, tables[name]) for name in names if name not in NOT_LISTED]


def _listed(name: str, table: pd.DataFrame) -> dict[str, Any]:
    total = len(table)
    what = f"the first {ROWS} of {total:,} rows" if total > ROWS else f"{total:,} rows"
    if name == "scores" and total > ROWS:
        # the half that decides, best first
        table = table[table["split"] == "confirm"].sort_values("lift", ascending=False, kind="stable")
        what = f"the {min(ROWS, len(table))} largest lifts of the held-out split, of {total:,} rows"
    shown = table.head(ROWS).drop(columns=[column for column in EVERYWHERE if column in table])
    rows = [[plain(value) for value in row] for row in shown.itertuples(index=False, name=None)]
    return {
        "name": name,
        "file": f"{file_name(name)}.csv",
        "what": what,
        "columns": [str(c) for c in shown],
        "rows": rows,
    }
