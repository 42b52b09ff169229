"""The tables of a run that is computed again: column by column, and what is not as it was recorded."""

from interp.schema.form import Column, Table, count, text
from interp.schema.recurring import NOT_NEGATIVE

VERIFY = Table(
    "verify",
    "whether a run that is computed again gives the same: a row per column of every table",
    (
        text("table", "name of the table"),
        text("column", "name of the column; `(table)` where the whole table cannot be compared by columns"),
        count("rows", "rows", "rows that the recorded table has"),
        count("differing", "rows", "those that are not the same to the last bit"),
        Column(
            "largest_difference",
            "number",
            "that of the column",
            "the largest difference of two numbers in it",
            NOT_NEGATIVE,
            "the column holds no numbers, or a number stands beside none",
        ),
        text(
            "verdict",
            "the same; or other numbers by arithmetic alone, at most 1e-6 apart; or differs",
            ("same", "arithmetic", "differs"),
        ),
    ),
)
CIRCUMSTANCES = Table(
    "circumstances",
    "what is not as the run has recorded it: a row each",
    (
        text("kind", "what sort of thing it is: data, files, settings, versions or the machine"),
        text("name", "what it is called"),
        text("recorded", "what the run has recorded", empty="it has recorded nothing"),
        text("now", "what it is now", empty="it is gone"),
    ),
)

TABLES = (VERIFY, CIRCUMSTANCES)
