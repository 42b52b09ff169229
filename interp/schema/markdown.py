"""Columns as a table in Markdown, and names and texts on their way there."""

import re
from collections.abc import Iterable

from interp.schema.form import Column
from interp.text.printable import printable

PLAIN = re.compile(r"[A-Za-z0-9_.+/@-]+")
"""A name that may stand between backticks."""


def column_lines(columns: Iterable[Column]) -> list[str]:
    """The lines of a table with a row for each column."""
    lines = ["| column | type | unit | meaning | allowed | empty |", "|---|---|---|---|---|---|"]
    for one in columns:
        meaning = f"{one.meaning} (only with `{one.only}`)" if one.only else one.meaning
        cells = map(in_cell, (one.kind, one.unit, meaning, one.holds, one.empty))
        lines.append(f"| {' | '.join([code(one.name), *cells])} |")
    return lines


def code(name: str) -> str:
    """A name as code; one that would break out of it, escaped."""
    return f"`{name}`" if PLAIN.fullmatch(name) else escaped(name)


def escaped(text: str) -> str:
    """A text from elsewhere as Markdown that shows just this text, in one line; also in a cell of a table."""
    return re.sub(r"([\\`*_\[\]<>|&~#$!])", r"\\\1", " ".join(printable(text).split()))


def in_cell(text: str) -> str:
    """A text of the project's own, which may hold code, in a table's cell."""
    return text.replace("|", r"\|")


def sentence(text: str) -> str:
    """What stands after a colon as a sentence of its own."""
    return f"{text[:1].upper()}{text[1:]}."
