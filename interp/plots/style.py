"""What all figures share: how they look, one palette, and a figure that says why it is empty."""

import textwrap
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache, wraps
from io import BytesIO
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd
from matplotlib import colormaps, rc_context, rcParams
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from interp.errors import InterpError
from interp.tables.effects import SIZES_OF_CHANGE as SIZES_OF_CHANGE
from interp.tables.effects import UNITS as UNITS

WIDTHS = {"column": 3.4, "page": 7.0}
"""Inches: one of a journal's two columns, and both."""

MOST_HEIGHT = 9.0
"""Inches: what a page has room for above a caption."""

SMALL = 6.0
"""Points: nothing in a figure is smaller."""

LONGEST_LABEL = 120.0
"""Points that a word, a tag or a role's name may take in a figure."""

LOOKS: dict[str, Any] = {
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "savefig.dpi": 300,
    "font.family": ["DejaVu Sans"],
    "font.size": 7,
    "text.usetex": False,
    "text.parse_math": False,  # a word of a corpus may hold dollar signs
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "hatch.linewidth": 0.5,
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
"""matplotlib's settings of every figure; a theme adds to them and changes them."""

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
MARKERS = {
    "positional": "o",
    "copying": "s",
    "syntax": "^",
    "coreference": "D",
    "lexical": "v",
    "pictures": "P",
    "unclassified": "o",
}
"""One mark a family, so that no figure is in need of colours."""
OTHER_FAMILY, OTHER_MARKER = "#56B4E9", "X"
BASELINE = "#8C8C8C"
LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1)), (0, (4, 1, 1, 1)), (0, (7, 1.5)), (0, (2, 1)))
"""Dashes of the first, second, … of several curves."""

# Evenly perceived steps from near white; the dark end is cut off, so that a black outline shows on every cell.
ROCKET = ["#FAEBDD", "#F7C7A8", "#F6A178", "#F37852", "#EB483E", "#D3214B", "#AF1759", "#841E5A", "#5C1E51"]
SEQUENTIAL = LinearSegmentedColormap.from_list("rocket", ROCKET).with_extremes(bad="0.88")
DIVERGING = colormaps["RdBu"].with_extremes(bad="0.88")


@dataclass(frozen=True)
class Style:
    """How figures look: how wide they are, and what a theme of one's own changes (`interp.plots.theme.read_style`).

    Pictures depend on it, numbers never do.
    """

    width: str = "page"
    looks: Mapping[str, Any] = field(default_factory=dict)
    """matplotlib's settings, over `LOOKS`."""
    colours: Mapping[str, str] = field(default_factory=dict)
    """Of families of roles, over `PALETTE`."""

    @property
    def inches(self) -> float:
        """The width of a figure."""
        return WIDTHS[self.width]

    @property
    def is_narrow(self) -> bool:
        """Whether the figure is for one of two columns, where small print has no room."""
        return self.width == "column"

    @property
    def series(self) -> list[str]:
        """Colours of the first, second, … of several kinds that are no families, in lightness far apart."""
        return [self.family_colour(name) for name in ("positional", "copying", "syntax", "lexical", "coreference")]

    def family_colour(self, family: object) -> str:
        """The family's colour, also for a family of the user's own (one colour) and for none (grey)."""
        known = {**PALETTE, **self.colours}
        return known.get(family, OTHER_FAMILY) if isinstance(family, str) else known["unclassified"]

    @contextmanager
    def in_use(self) -> Iterator[None]:
        """Figures are drawn, laid out and saved so, whatever the user's own settings are; those are left alone."""
        with rc_context({**LOOKS, **self.looks}), warnings.catch_warnings():  # pyright: ignore[reportArgumentType]
            # a letter that no font here has is drawn as a box; the tables have it
            warnings.filterwarnings("ignore", message="Glyph .* missing from|Matplotlib currently does not support")
            yield


PAGE = Style()

Given = ParamSpec("Given")
Drawn = TypeVar("Drawn")


def styled(draw: Callable[Given, Drawn]) -> Callable[Given, Drawn]:
    """Decorator: the function draws in the `style` that it is given, by name."""

    @wraps(draw)
    def drawn(*args: Given.args, **kwargs: Given.kwargs) -> Drawn:
        style = kwargs.get("style", PAGE)
        assert isinstance(style, Style)
        with style.in_use():
            return draw(*args, **kwargs)

    return drawn


class PaperFigure(Figure):
    """A figure that is saved in its style however it is saved, and shows itself in a notebook without pyplot."""

    style: Style = PAGE
    caption: str = ""
    """What stands below it in a paper: what is shown, how many, in which units, and what the marks mean."""
    blank: str | None = None
    """Why it shows nothing but words (`nothing_to_show`); a run does not save such a figure, and says so."""

    def savefig(self, fname: Any, **kwargs: Any) -> None:  # type: ignore[override]
        """As matplotlib's: what is only decided while drawing (fonts in a PDF, late tick labels) follows the style."""
        with self.style.in_use():
            super().savefig(fname, **kwargs)

    def draw(self, renderer: Any) -> None:
        """As matplotlib's, in the style."""
        with self.style.in_use():
            super().draw(renderer)

    def lay_out(self) -> None:
        """Settle the layout now, so that what comes next can ask how much room there is."""
        with self.style.in_use():
            self.draw_without_rendering()

    def _repr_png_(self) -> bytes:
        png = BytesIO()
        self.savefig(png, format="png", dpi=150)
        return png.getvalue()


def new_figure(style: Style, height: float) -> PaperFigure:
    """An empty figure of the style's width that makes room for its own labels; no higher than a page."""
    figure = PaperFigure(figsize=(style.inches, min(height, MOST_HEIGHT)), layout="constrained")
    figure.style = style
    return figure


def nothing_to_show(reason: str, style: Style) -> PaperFigure:
    """A small figure that says in words why there is no other."""
    figure = new_figure(style, 1.0)
    figure.blank = reason
    words = textwrap.fill(f"nothing to show: {reason}", int(style.inches * 16))
    figure.text(0.5, 0.5, words, ha="center", va="center", color="0.3")
    return figure


def blank_reason(figure: Figure) -> str | None:
    """Why a figure shows nothing but words; `None` where it shows something."""
    return figure.blank if isinstance(figure, PaperFigure) else None


def add_colour_bar(
    figure: Figure, axes: list[Axes], norm: Normalize, colours: Colormap, label: str, **kwargs: Any
) -> None:
    """A thin colour bar beside the axes (or `location="bottom"`) that says what the colours mean."""
    bar = figure.colorbar(ScalarMappable(norm, colours), ax=axes, label=label, **kwargs)
    bar.outline.set_visible(False)  # type: ignore[operator]
    bar.ax.tick_params(length=2)


def marker(family: object) -> str:
    """The family's mark, also for a family of the user's own, and for none."""
    return MARKERS.get(family, OTHER_MARKER) if isinstance(family, str) else MARKERS["unclassified"]


def families_in(column: pd.Series) -> list[str]:
    """The families that occur, in the palette's order, the user's own after those."""
    present = set(column.dropna())
    return [family for family in PALETTE if family in present] + sorted(present - set(PALETTE))


def dot_size(heads: pd.DataFrame) -> float:
    """Square points of a dot: smaller where hundreds would cover one another."""
    return 14.0 if len(heads) <= 300 else 6.0


def metric_label(metric: str) -> str:
    """The metric with its unit, where it is one of ours."""
    return f"{metric} ({UNITS[metric]})" if metric in UNITS else metric


def check_table(table: pd.DataFrame, name: str, columns: Sequence[str]) -> None:
    """An error that names the columns that are missing, or the runs that are stacked: one figure shows one run."""
    missing = [column for column in columns if column not in table]
    if missing:
        raise InterpError(f"The table {name} lacks: {', '.join(missing)}. It needs: {', '.join(columns)}.")
    for column in ("run", "model", "corpus", "behaviour", "seed"):
        values = [str(value) for value in table[column].dropna().unique()] if column in table else []
        if len(values) > 1:
            raise InterpError(
                f"The table {name} holds several runs ({column}: {', '.join(values[:5])}), and a figure shows one. "
                f'Select it first: {name}[{name}["{column}"] == …].'
            )


def points(setting: str) -> float:
    """The size of one of matplotlib's settings (`axes.titlesize`), which may say `large`."""
    settings: Any = rcParams
    return FontProperties(size=settings[setting]).get_size_in_points()


def text_width(text: str, size: float = SMALL) -> float:
    """Points that a line of text takes, in the font that is in use."""
    return _text_width(text, size, tuple(rcParams["font.family"]))


@lru_cache(maxsize=4096)
def _text_width(text: str, size: float, family: tuple[str, ...]) -> float:
    font = FontProperties(family=list(family), size=size)
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
