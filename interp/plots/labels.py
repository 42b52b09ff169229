"""Labels that cover nothing: the run's name, legends that fit, titles on several lines, names of heads beside dots."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.transforms import Bbox

from interp.heads import HEAD, head_name
from interp.plots.style import SMALL, PaperFigure, cut_to_fit, points, short, text_width

TITLE, LEGEND = "axes.titlesize", "legend.fontsize"
MARK = 34.0
"""Points that a legend gives to a mark and to the gaps around it."""


def name_run(figure: Figure, table: pd.DataFrame) -> None:
    """The run's name above the figure; where a legend stands there, `legend_above` takes it."""
    if name := run_name(figure, table):
        figure.suptitle(name, x=0.01, ha="left", fontsize=points(TITLE), color="0.3")


def run_name(figure: Figure, table: pd.DataFrame) -> str:
    """`minilm on en_ewt-ud-test`, as far as the table says; `check_table` sees that it is one run."""
    present = [table[name].dropna() for name in ("model", "corpus", "behaviour") if name in table]
    name = " on ".join(short(values.iloc[0]) for values in present if len(values))
    return cut_to_fit(name, figure.get_figwidth() * 72 / points(TITLE) * SMALL - 10)


def wrapped(text: str, width: float, size: float | None = None) -> str:
    """The text on as many lines as keep it within so many points; a longer word stands alone, cut to fit.

    `size` is that of a title where none is given.
    """
    size, lines = size or points(TITLE), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and text_width(longer, size) > width:
            lines.append(word)
        else:
            lines[-1] = longer
    fitting = (cut_to_fit(line, width / size * SMALL) for line in lines)
    return "\n".join(part if part == line else f"{part[:-1]}…" for part, line in zip(fitting, lines, strict=True))


def dot(colour: str, label: str, *, filled: bool = True, marker: str = "o") -> Line2D:
    """A dot for a legend."""
    look = {"marker": marker, "markersize": 4, "markeredgewidth": 0.8, "linestyle": ""}
    return Line2D([], [], color=colour, markerfacecolor=colour if filled else "white", label=label, **look)


def legend_above(
    figure: Figure, table: pd.DataFrame, handles: Sequence[Any], labels: Sequence[str] | None = None, **kwargs: Any
) -> None:
    """The run's name and one legend above all axes, in as many columns as the figure is wide enough for."""
    names = [str(handle.get_label()) for handle in handles] if labels is None else list(labels)
    across = max(
        (n for n in range(1, len(names) + 1) if _columns_width(names, n) <= figure.get_figwidth() * 72), default=1
    )
    placed = {"loc": "outside upper left", "ncols": across, "columnspacing": 1.2}
    legend = figure.legend(handles, names, title=run_name(figure, table), alignment="left", **placed, **kwargs)
    legend.get_title().set(fontsize=points(TITLE), color="0.3")


def _columns_width(names: Sequence[str], count: int) -> float:
    """Points that a legend takes in so many columns, which are filled from top to bottom."""
    columns = np.array_split(np.array([text_width(name, points(LEGEND)) for name in names]), count)
    return float(sum(column.max() + MARK for column in columns))


def name_heads(figure: PaperFigure, axes: Axes, heads: pd.DataFrame, across: str, up: str) -> None:
    """Each name beside its dot, on the first side where it covers neither a dot nor another name; else none."""
    scale = figure.dpi / 72
    all_points = np.concatenate(
        [np.asarray(dots.get_offsets()) for dots in axes.collections if isinstance(dots, PathCollection)]
    )
    dots_at = axes.transData.transform(all_points)
    room, taken = axes.get_window_extent(), []
    for site, layer, head, x, y in heads[[*HEAD, across, up]].itertuples(index=False):
        name = head_name(site, layer, head)
        width, height = text_width(name) * scale, SMALL * scale
        at = axes.transData.transform((x, y))
        for right, above in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]:
            centre = at + np.array([right * (width / 2 + 3.5 * scale), above * (height / 2 + 3 * scale)])
            box = Bbox.from_bounds(centre[0] - width / 2, centre[1] - height / 2, width, height)
            inside = box.x0 > room.x0 and box.x1 < room.x1 and box.y0 > room.y0 and box.y1 < room.y1
            if (
                inside
                and not box.padded(2 * scale).count_contains(dots_at)
                and not box.padded(1.5 * scale).count_overlaps(taken)
            ):
                taken.append(box)
                axes.annotate(
                    name, (x, y), tuple((centre - at) / scale), textcoords="offset points", ha="center", va="center",
                    fontsize=SMALL, color="0.15",
                ).set_in_layout(False)  # fmt: skip
                break
