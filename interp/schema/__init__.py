"""What every column of every table means, in one place: the experiments, the pages, a run's README and a test read it.

A table of one's own has nothing here, and needs nothing: its columns are then listed without a word.
"""

import pandas as pd

from interp.errors import InterpError, closest
from interp.schema import (
    of_ablation,
    of_behaviours,
    of_causes,
    of_checks,
    of_comparisons,
    of_diversity,
    of_examples,
    of_explanations,
    of_gates,
    of_heads,
    of_meanings,
    of_patching,
    of_probe,
    of_roles,
    of_verification,
)
from interp.schema.form import Column as Column
from interp.schema.form import Table as Table
from interp.schema.form import problems

TABLES: dict[str, Table] = {
    table.name: table
    for part in (
        of_roles,
        of_ablation,
        of_gates,
        of_heads,
        of_explanations,
        of_behaviours,
        of_causes,
        of_patching,
        of_diversity,
        of_probe,
        of_examples,
        of_comparisons,
        of_checks,
        of_verification,
        of_meanings,
    )
    for table in part.TABLES
}
"""Every table that an experiment or a function of `interp` gives, by name."""


def table_named(name: str) -> Table:
    """What there is to say of a table. Raises `InterpError` for a name that none has."""
    if not isinstance(name, str) or name not in TABLES:
        raise InterpError(f"table={name} is the name of no table. {closest(name, TABLES)}")
    return TABLES[name]


def check_columns(name: str, table: pd.DataFrame) -> list[str]:
    """Where a table is not what is told of it, a line each: columns missing or not told of, of another kind, values.

    Of a kind: text, whole number, number, true or false. Of values: those that are not allowed, and empty cells where
    none may be. Raises `InterpError` for a table that nothing is told of.
    """
    return problems(table, table_named(name))


def column_table(name: str | None = None) -> pd.DataFrame:
    """The table `columns`: one row per table and column, of all tables or of the one that is named."""
    tables = TABLES.values() if name is None else [table_named(name)]
    rows = [
        (table.name, one.name, one.kind, one.unit, one.meaning, one.holds, one.empty, one.only)
        for table in tables
        for one in table.columns
    ]
    return pd.DataFrame(rows, columns=[column.name for column in TABLES["columns"].columns])
