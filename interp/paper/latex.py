r"""A table in LaTeX, with rules of booktabs: it compiles as it is, by `\input`, in any engine.

\usepackage{booktabs}  …  \input{tables/roles}
"""

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from interp.paper.escaping import escaped, in_comment

NOTHING = "--"
"""A cell without a number."""

WIDTH = 80
"""Letters beside one another in a line of LaTeX's article in `\\footnotesize`; a wider table has `\\scriptsize`."""
WIDEST = 86
"""The same in `\\scriptsize`."""

COLUMN = 42
"""The same in one of two columns: a table that is wider spans both, where a paper has two."""

_COMMAND = re.compile(r"\\[a-zA-Z]+(\{\})?|[{}$^\\]")


@dataclass(frozen=True)
class Column:
    """One column: its heading in LaTeX, and the LaTeX of each row's cell; numbers stand to the right."""

    heading: str
    cell: Callable[[Any], str]
    is_text: bool = False
    is_claim: bool = False
    """Whether it is bold where its row is."""


@dataclass(frozen=True)
class PaperTable:
    """What a paper shows of a table: the rows (of `itertuples`), the columns, and which rows are bold by which rule."""

    rows: Sequence[Any]
    columns: Sequence[Column]
    caption: str
    """In LaTeX; the rule of what is bold stands in it."""
    is_bold: Callable[[Any], bool] = lambda row: False  # noqa: ARG005
    left_out: str = ""
    """What of the run's table is not here, and the file that has it."""
    groups: Callable[[Any], str] | None = None
    """The heading, in LaTeX, of the rows that have it together."""


def as_latex(name: str, table: PaperTable, *, made_by: str, made_from: str) -> str:
    r"""The file `tables/NAME.tex`: how to use it and what it leaves out, as comments, then the floating table.

    `made_from` are the files with every row, `made_by` what has made them. The label is `tab:NAME`.
    """
    comments = [
        f"{made_by}, from {made_from} of this folder, which have every row and digit.",
        rf"Needs \usepackage{{booktabs}}; then \input{{tables/{name}}}. For pdflatex, xelatex and lualatex.",
        "Letters that pdflatex has no glyph for stand as their code points, such as U+0645.",
        f"Left out: {table.left_out}" if table.left_out else "Nothing is left out.",
    ]
    across = sum(map(partial(width, table.rows), table.columns))
    size = r"\footnotesize" if across <= WIDTH else r"\scriptsize"
    environment = "table*" if max([across, *_heading_widths(table)]) > COLUMN else "table"
    layout = "".join("l" if column.is_text else "r" for column in table.columns)
    return "\n".join(
        [
            *(f"% {in_comment(comment)}" for comment in comments),
            rf"\begin{{{environment}}}[tbp]",
            rf"  \caption{{{table.caption}}}",
            rf"  \label{{tab:{name}}}",
            r"  \centering\smallskip",
            rf"  {size}\setlength{{\tabcolsep}}{{3pt}}",
            # one that is wider than the text stands out on both sides
            rf"  \makebox[\linewidth][c]{{\begin{{tabular}}{{@{{}}{layout}@{{}}}}",
            r"    \toprule",
            f"    {' & '.join(column.heading for column in table.columns)} \\\\",
            r"    \midrule",
            *_rows(table),
            r"    \bottomrule",
            r"  \end{tabular}}",
            rf"\end{{{environment}}}",
            "",
        ]
    )


def _heading_widths(table: PaperTable) -> list[int]:
    """Letters of the headings that rows have together."""
    return [len(_COMMAND.sub("", table.groups(row))) for row in table.rows] if table.groups is not None else []


def width(rows: Sequence[Any], column: Column) -> int:
    """About how many letters a column takes, with the space beside it."""
    return 2 + max(len(_COMMAND.sub("", text)) for text in (column.heading, *map(column.cell, rows)))


def _rows(table: PaperTable) -> list[str]:
    lines: list[str] = []
    heading = None
    for row in table.rows:
        if table.groups is not None and table.groups(row) != heading:
            lines += [r"    \addlinespace"] if heading is not None else []
            heading = table.groups(row)
            lines.append(rf"    \multicolumn{{{len(table.columns)}}}{{@{{}}l@{{}}}}{{{heading}}} \\")
        is_bold = table.is_bold(row)
        cells = [
            bold(column.cell(row)) if is_bold and column.is_claim else column.cell(row) for column in table.columns
        ]
        lines.append(f"    {' & '.join(cells)} \\\\")
    return lines


def bold(cell: str) -> str:
    r"""The cell in bold, its signs of mathematics too.

    >>> bold("$-$0.08")
    '{\\boldmath\\bfseries $-$0.08}'
    """
    return rf"{{\boldmath\bfseries {cell}}}" if cell else cell


def number(value: Any, digits: int = 2, *, sign: bool = False) -> str:
    r"""`0.74`, with its sign `+0.74` or `$-$0.08`; what these digits would show as zero and is not, with its power.

    >>> number(-0.08), number(0.0004), number(float("nan")), number(0.5, sign=True)
    ('$-$0.08', '$4.0\\times10^{-4}$', '--', '+0.50')
    """
    if pd.isna(value):
        return NOTHING
    if math.isinf(value):
        return r"$\infty$" if value > 0 else r"$-\infty$"
    if 0 < abs(value) < 0.5 * 10**-digits:
        mantissa, _, power = f"{value:.1e}".partition("e")
        return rf"${mantissa}\times10^{{{int(power)}}}$"
    shown = f"{abs(value):,.{digits}f}"
    before = "$-$" if value < 0 else "+" if sign and value > 0 else ""
    return f"{before}{shown}"


def estimate(value: Any, low: Any, high: Any, digits: int = 2, *, sign: bool = False) -> str:
    """`0.74 [0.70, 0.78]`, or the number alone where it has no interval.

    >>> estimate(0.74, 0.7, 0.78)
    '0.74 [0.70, 0.78]'
    """
    if pd.isna(low) or pd.isna(high):
        return number(value, digits, sign=sign)
    ends = ", ".join(number(end, digits, sign=sign) for end in (low, high))
    return f"{number(value, digits, sign=sign)} [{ends}]"


def probability(value: Any) -> str:
    r"""Of p and q: three digits, and a power of ten where these would show less than a tenth of a percent.

    >>> probability(0.013), probability(2e-05)
    ('0.013', '$2.0\\times10^{-5}$')
    """
    if pd.isna(value) or value == 0 or value >= 0.001:
        return number(value, 3)
    mantissa, _, power = f"{value:.1e}".partition("e")
    return rf"${mantissa}\times10^{{{int(power)}}}$"


def digits_of(values: pd.Series) -> int:
    """How many digits after the point show two that count of the middle one of these numbers: 2 to 4."""
    sizes = values.abs()[lambda size: (size > 0) & size.notna() & (size != math.inf)]
    return 2 if sizes.empty else min(max(1 - math.floor(math.log10(sizes.median())), 2), 4)


def words(value: Any) -> str:
    """A text of the run's tables, as it is there."""
    return NOTHING if pd.isna(value) or value == "" else escaped(str(value))
