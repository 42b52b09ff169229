"""What all figures share: one style, one palette, names of heads, and a figure that says why it is empty."""

import textwrap
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
from matplotlib import colormaps, rc_context
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from interp.errors import InterpError
from interp.tables.effects import SIZES_OF_CHANGE as SIZES_OF_CHANGE
from interp.tables.effects import UNITS as UNITS

FULL_WIDTH = 7.0
"""Inches: the text width of a paper; `COLUMN_WIDTH` is one of its two columns."""
COLUMN_WIDTH = 3.4

SMALL = 6.0
"""Points: nothing in a figure is smaller."""

LONGEST_LABEL = 120.0
"""Points that a word, a tag or a role's name may take in a figure."""

STYLE: dict[Any, Any] = {
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "savefig.dpi": 300,
    "font.family": "DejaVu Sans",
    "font.size": 7,
    "text.usetex": False,
    "text.parse_math": False,  # a word of a corpus may hold dollar signs
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "legend.fontsize": 6.5,
    "legend.title_fontsize": 6.5,
    "legend.frameon": False,
}

PALETTE = {
    "positional": "#0072B2",
    "copying": "#E69F00",
    "syntax": "#009E73",
    "coreference": "#CC79A7",
    "lexical": "#D55E00",
    "pictures": "#F0E442",
    "unclassified": "#999999",
}
"""One colour a family in every figure, from Okabe and Ito's set for all kinds of colour vision."""
OTHER_FAMILY = "#56B4E9"
BASELINE = "#8C8C8C"

# Evenly perceived steps from near white; the dark end is cut off, so that a black outline shows on every cell.
ROCKET = ["#FAEBDD", "#F7C7A8", "#F6A178", "#F37852", "#EB483E", "#D3214B", "#AF1759", "#841E5A", "#5C1E51"]
SEQUENTIAL = LinearSegmentedColormap.from_list("rocket", ROCKET).with_extremes(bad="0.88")
DIVERGING = colormaps["RdBu"].with_extremes(bad="0.88")


@contextmanager
def _in_style() -> Iterator[None]:
    with rc_context(STYLE), warnings.catch_warnings():
        # a letter that no font here has is drawn as a box; the tables have it
        warnings.filterwarnings("ignore", message="Glyph .* missing from|Matplotlib currently does not support")
        yield


styled = _in_style()
"""Decorator: the function draws in `STYLE`, whatever the user's own settings are, and leaves those alone."""


class PaperFigure(Figure):
    """A figure that is saved in `STYLE` however it is saved, and shows itself in a notebook without pyplot."""

    blank: str | None = None
    """Why it shows nothing but words (`nothing_to_show`); a run does not save such a figure, and says so."""

    def savefig(self, fname: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """As matplotlib's: what is only decided while drawing (fonts in a PDF, late tick labels) follows `STYLE`."""
        with _in_style():
            super().savefig(fname, **kwargs)

    def draw(self, renderer: Any) -> None:
        """As matplotlib's, in `STYLE`."""
        with _in_style():
            super().draw(renderer)

    def lay_out(self) -> None:
        """Settle the layout now, so that what comes next can ask how much room there is."""
        with _in_style():
            self.draw_without_rendering()

    def _repr_png_(self) -> bytes:
        png = BytesIO()
        self.savefig(png, format="png", dpi=150)
        return png.getvalue()


def new_figure(width: float, height: float) -> PaperFigure:
    """An empty figure of that many inches that makes room for its own labels."""
    return PaperFigure(figsize=(width, height), layout="constrained")


@styled
def nothing_to_show(reason: str) -> PaperFigure:
    """A small figure that says in words why there is no other."""
    figure = new_figure(COLUMN_WIDTH, 1.0)
    figure.blank = reason
    figure.text(0.5, 0.5, textwrap.fill(f"nothing to show: {reason}", 55), ha="center", va="center", color="0.3")
    return figure


def blank_reason(figure: Figure) -> str | None:
    """Why a figure shows nothing but words; `None` where it shows something."""
    return figure.blank if isinstance(figure, PaperFigure) else None


def add_note(figure: Figure, sentences: Sequence[str]) -> None:
    """Small print under the figure; the layout makes room for it."""
    if sentences:
        text = textwrap.fill(" ".join(sentences), int(figure.get_figwidth() * 22))
        figure.supxlabel(text, x=0.01, ha="left", fontsize=SMALL, color="0.3")


def add_colour_bar(
    figure: Figure, axes: list[Axes], norm: Normalize, colours: Colormap, label: str, **kwargs: Any
) -> None:
    """A thin colour bar beside the axes (or `location="bottom"`) that says what the colours mean."""
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=axes, label=label, **kwargs)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.tick_params(length=2)


def family_colour(family: object) -> str:
    """The family's colour, also for a family of the user's own (one colour) and for none (grey)."""
    return PALETTE.get(family, OTHER_FAMILY) if isinstance(family, str) else PALETTE["unclassified"]


def families_in(column: pd.Series) -> list[str]:
    """The families that occur, in the palette's order, the user's own after those."""
    present = set(column.dropna())
    return [family for family in PALETTE if family in present] + sorted(present - set(PALETTE))


def metric_label(metric: str) -> str:
    """The metric with its unit, where it is one of ours."""
    return f"{metric} ({UNITS[metric]})" if metric in UNITS else metric


def check_table(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
    """An error that names the columns that are missing, or the runs that are stacked: one figure shows one run."""
    missing = [column for column in columns if column not in table]
    if missing:
        raise InterpError(f"The table {name} lacks: {', '.join(missing)}. It needs: {', '.join(columns)}.")
    for column in ("run", "model", "corpus", "seed"):
        values = [str(value) for value in table[column].dropna().unique()] if column in table else []
        if len(values) > 1:
            raise InterpError(
                f"The table {name} holds several runs ({column}: {', '.join(values[:5])}), and a figure shows one. "
                f'Select it first: {name}[{name}["{column}"] == …].'
            )


@lru_cache(maxsize=4096)
@styled
def text_width(text: str, size: float = SMALL) -> float:
    """Points that a line of text takes."""
    font = FontProperties(family=STYLE["font.family"], size=size)
    return float(text_to_path.get_text_width_height_descent(text, font, ismath=False)[0])


def short(name: object) -> str:
    """A name from a corpus as a label: one that is longer than any figure has room for is cut."""
    text = str(name)
    # a hundred letters are too many in any font
    fitting = cut_to_fit(text[:100], LONGEST_LABEL)
    return text if fitting == text else f"{fitting}…"


def cut_to_fit(text: str, width: float) -> str:
    """The longest beginning of the text that fits into so many points."""
    while text and text_width(text) > width:
        text = text[:-1]
    return text


def axes_points(axes: Axes) -> tuple[float, float]:
    """Width and height of the axes in points, after `lay_out`."""
    box, dpi = axes.get_window_extent(), axes.get_figure(root=True).dpi  # type: ignore[union-attr]
    return box.width / dpi * 72, box.height / dpi * 72


def panels(figure: Figure, count: int, across: int, **kwargs: Any) -> list[Axes]:
    """So many axes in rows; the places left over stay empty."""
    rows = -(-count // across)
    grid = figure.subplots(rows, across, squeeze=False, **kwargs)
    for axes in grid.flat[count:]:
        axes.set_axis_off()
    return list(grid.flat[:count])


def floats(column: pd.Series) -> np.ndarray:
    """The column as floats, what is empty as NaN, whatever kind of empty it was."""
    return pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
