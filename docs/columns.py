"""Writes docs/columns.md, what every column of every table means: python docs/columns.py."""

from pathlib import Path

from interp.schema import TABLES
from interp.schema.markdown import code, column_lines, in_cell, sentence

ABOUT = """# Columns of all tables

What every column of every table means. `python -m experiments experiment=definitions` has the same as the table
`columns`, `interp.columns("roles")` of one table, and the README.md of a run's folder of the tables that are there.
Written by `python docs/columns.py`.

Where nothing stands under *allowed*, any value of the type may be; where nothing stands under *empty*, no cell is, and
else it says when one is. The tables of `interp.load_runs` begin with one more column, `run`: the folder of the run.
"""


def page() -> str:
    """The page, in Markdown."""
    lines = [ABOUT]
    for table in TABLES.values():
        lines += [f"## {code(table.name)}", "", in_cell(sentence(table.meaning)), "", *column_lines(table.columns), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    (Path(__file__).parent / "columns.md").write_text(page(), encoding="utf-8")
