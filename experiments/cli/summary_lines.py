"""How numbers, tables and long lists are written in a run's summary.

A summary is the verdict in its first line, then what it rests on: at most `LINES` lines, in aligned columns; of long
lists the first few, and the file that has the others.
"""

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any

import pandas as pd

from interp.documents import Corpus
from interp.heads import head_name

LINES = 40
"""The most lines that a summary has."""


def cut(items: Sequence[str], most: int, where: str) -> list[str]:
    """The first `most` items and `… and N more in scores.csv`, indented as they are; all where only one is left out."""
    if len(items) <= most + 1:
        return list(items)
    indent = items[0][: len(items[0]) - len(items[0].lstrip())]
    return [*items[:most], f"{indent}… and {len(items) - most} more in {where}"]


def table_lines(
    rows: Sequence[Sequence[str]], most: int, where: str, *, header: Sequence[str] = (), indent: str = "    "
) -> list[str]:
    """The first `most` rows, aligned under their header, and how many more there are where; see `cut`."""
    above = [header] if header else []
    lines = aligned([*above, *rows[: most + 1]], indent)
    unseen = [""] * (len(rows) - most - 1)
    return [*lines[: len(above)], *cut([*lines[len(above) :], *unseen], most, where)]


def shortened(note: str, most: int = 8, where: str = "manifest.json") -> str:
    """A note whose list of names, after commas, is cut where it is long: the manifest has every note in full."""
    names = note.split(", ")
    # what is said after the list stays
    names[-1], end, rest = names[-1].partition(". ")
    return note if len(names) <= most + 4 else f"{', '.join(cut(names, most, where))}.{end and ' '}{rest}"


def aligned(rows: Sequence[Sequence[str]], indent: str = "    ") -> list[str]:
    """A line per row, its columns under each other, each as wide as its longest entry; shorter rows end sooner."""
    widths = [max(map(len, column)) for column in zip_longest(*rows, fillvalue="")]
    return [indent + "  ".join(map(str.ljust, row, widths)).rstrip() for row in rows]


def signed(value: Any, digits: int = 2) -> str:
    """`+0.25`; one that these digits would show as zero and is not with its power of ten; never `nan` or `inf`."""
    if pd.isna(value):
        return "no value"
    if math.isinf(value):
        return "no finite value"
    hidden = 0 < abs(value) < 0.5 * 10**-digits
    # of minus zero, plus zero
    return f"{value:+.1e}" if hidden else f"{value + 0.0:+.{digits}f}"


def unsigned(value: Any, digits: int = 2) -> str:
    """The same without the plus: `0.25`, beside an interval that says small ends as exactly."""
    return signed(value, digits).removeprefix("+")


def interval(low: Any, high: Any, digits: int = 2) -> str:
    """` [low, high]`, or nothing where there is no interval."""
    return "" if pd.isna(low) or pd.isna(high) else f" [{signed(low, digits)}, {signed(high, digits)}]"


def more_sources(corpus: Corpus) -> str:
    """How to come by more source documents than a corpus has, as a sentence."""
    if corpus.generated:
        return "More documents do it: a larger corpus.documents (or corpus.limit)."
    if corpus.cut == "first":
        return "More source documents do it: the first N documents of a file come from few, corpus.limit=N from more."
    if corpus.cut == "limit":
        return "More source documents do it: a larger corpus.limit."
    return "More source documents do it."


def name_of(row: Any) -> str:
    """The name of the head that a row of a table is about, such as `3.1` or `cross 3.1`."""
    return head_name(row.site, row.layer, row.head)
