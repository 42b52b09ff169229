"""What does every number mean? The card of every definition id, and every column; no model, no corpus is looked at."""

from collections.abc import Mapping
from textwrap import shorten, wrap
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import LINES, table_lines
from interp.api import columns, definitions
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings

WIDTH = 96
"""Letters of a line that a terminal has room for, beside a name."""


def run(
    model: None = None,  # noqa: ARG001
    corpus: None = None,  # noqa: ARG001
    *,
    table: str | None = None,
    progress: Progress = silent,  # noqa: ARG001
) -> Findings:
    """The cards, and the columns of all tables or of the one that is named, as they are in the code.

    Raises `InterpError` for a name that no table has.
    """
    return Findings({"definitions": definitions(), "columns": columns(table)})


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:  # noqa: ARG001
    """Cards are read, not drawn."""
    return {}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Every definition id by its family, and how many columns every table has; of one table its columns."""
    described = tables["columns"]
    return _of_table(described) if len(set(described.table)) == 1 else _of_all(tables["definitions"], described)


def _of_all(cards: pd.DataFrame, described: pd.DataFrame) -> list[str]:
    families: dict[str, list[str]] = {}
    for name in cards.definition:
        family, _, short = name.partition("/")
        families.setdefault(family, []).append(short)
    verdict = f"{len(cards)} definitions in {len(families)} families; definitions.csv has the card of each"
    lines = [f"{verdict} (formula, exclusions, baseline, source)."]
    rows = [(family, part) for family, names in families.items() for part in _wrapped(names)]
    shown = [("" if n and rows[n - 1][0] == family else f"{family}/", part) for n, (family, part) in enumerate(rows)]
    counts = [f"{name} {count}" for name, count in described.table.value_counts(sort=False).items()]
    named = _wrapped(counts)
    lines += table_lines(shown, LINES - len(named) - 3, "definitions.csv")
    lines.append(
        f"{len(described)} columns in {len(counts)} tables; columns.csv has type, unit and meaning of each, and "
        "table=NAME prints those of one:"
    )
    return [*lines, *(f"    {part}" for part in named)]


def _of_table(described: pd.DataFrame) -> list[str]:
    """Every column with as much of its meaning as a line holds, and its unit."""
    name = described.table.iloc[0]
    lines = [f"The {len(described)} columns of the table {name}; columns.csv has all of each, also what is allowed:"]
    rows: Any = described.itertuples()
    listed = [
        (row.column, row.type, shorten(row.meaning, WIDTH, placeholder=" …"), "" if row.unit == "none" else row.unit)
        for row in rows
    ]
    return [*lines, *table_lines(listed, LINES - 3, "columns.csv", header=("column", "type", "meaning", "unit"))]


def _wrapped(names: list[str]) -> list[str]:
    """The names after commas, in lines of a width that a terminal has."""
    return wrap(", ".join(names), WIDTH, break_long_words=False, break_on_hyphens=False)
