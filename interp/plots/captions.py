"""What stands below a figure: its caption in a paper, and small print in a figure that is as wide as a page."""

import re
import textwrap
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from interp.heads import HEAD
from interp.plots.style import SMALL, PaperFigure, floats
from interp.text.printable import printable

FILE = "figures/captions.md"
"""Where a run writes them."""

MARKUP = re.compile(r"([\\`*_<>\[\]#|])")


def add_caption(
    figure: PaperFigure, table: pd.DataFrame, shows: str, counts: Sequence[str], notes: Sequence[str] = ()
) -> None:
    """The figure's caption: which run, what is shown, how many (n), and how it is read.

    `counts` are parts such as `72 heads`; empty ones are left out. A figure as wide as a page has n and the notes in
    small print, too; the layout makes room for it.
    """
    n = f"n: {', '.join(part for part in counts if part)}."
    of_run = [
        str(table[name].dropna().iloc[0]) for name in ("model", "corpus", "behaviour") if name in table and len(table)
    ]
    figure.caption = " ".join([*([f"{' on '.join(of_run)}."] if of_run else []), shows, n, *notes])
    if not figure.style.is_narrow:
        text = textwrap.fill(" ".join([n, *notes]), int(figure.get_figwidth() * 22))
        figure.supxlabel(text, x=0.01, ha="left", fontsize=SMALL, color="0.3")


def heads_in(table: pd.DataFrame) -> str:
    """`72 heads`."""
    return how_many(len(table[HEAD].drop_duplicates()), "heads")


def counted(table: pd.DataFrame, what: str, column: str = "n") -> str:
    """`60 to 3,393 queries`, from the least to the most of the column; nothing where the table does not say."""
    values = floats(table[column].dropna()) if column in table else []
    if not len(values):
        return ""
    low, high = int(min(values)), int(max(values))
    return how_many(low, what) if low == high else f"{low:,} to {high:,} {what}"


def how_many(count: int, what: str) -> str:
    """`1 head`, `72 heads`, `1 query a role`: `what` is in the plural, in which its first noun is put."""
    if count == 1:
        what = re.sub(r"\bcorpora\b|\b(\w+?)(ies|s)\b", _singular, what, count=1)
    return f"{count:,} {what}"


def _singular(plural: re.Match[str]) -> str:
    return "corpus" if plural[1] is None else plural[1] + ("y" if plural[2] == "ies" else "")


def caption_texts(figures: Mapping[str, Figure]) -> dict[str, str]:
    """The captions of these figures as one text in Markdown, by the name of its file; none where nothing is drawn."""
    captions = {name: figure.caption for name, figure in figures.items() if isinstance(figure, PaperFigure)}
    parts = [f"## {_plain(name)}\n\n{_plain(caption)}\n" for name, caption in captions.items()]
    return {FILE: "\n".join(["# Captions\n", *parts])} if parts else {}


def _plain(text: str) -> str:
    """A text in which no name of a model or a word of a corpus is markup."""
    return MARKUP.sub(r"\\\1", printable(text))
