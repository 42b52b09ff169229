"""The local kernels of all heads as one map."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from interp.heads import HEAD, head_name
from interp.plots.captions import add_caption, counted, heads_in
from interp.plots.labels import name_run, wrapped
from interp.plots.style import (
    MOST_HEIGHT,
    PAGE,
    SEQUENTIAL,
    SMALL,
    Style,
    add_colour_bar,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    styled,
)

AROUND = 1.5
"""Inches of the figure beside the rows: titles, labels, the colour bar and the notes."""
LINE = SMALL + 0.8
"""Points that the name of a head takes."""
MOST_ROWS = 200
"""Heads one above the other, where several columns of them have room."""

Place = tuple[str, int, int]


@styled
def kernel_map(kernel: pd.DataFrame, shape: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """Mean attention by offset, one row per head, and beside it how much of the variance in the window offset explains.

    Only offsets that some head can see are drawn: of a causal model those to the left. Many heads stand in several
    columns, and layers are named where there is no room for heads. On sequences that are repeated
    (`corpus=repeats shapes.reach=60`) induction heads have a stripe at the length of a sequence, less one.
    `kernel` needs: site layer head offset value. `shape` needs: definition site layer head value ci_low ci_high, of
    which the rows `kernel/explained` are drawn.
    """
    check_table(kernel, "kernel", [*HEAD, "offset", "value"])
    check_table(shape, "shape", [*HEAD, "definition", "value", "ci_low", "ci_high"])
    if kernel["value"].isna().all():
        return nothing_to_show("no head has a kernel", style)
    heads: list[Place] = list(dict.fromkeys(kernel[HEAD].itertuples(index=False, name=None)))
    seen = kernel.loc[kernel["value"].notna(), "offset"]
    offsets = np.arange(int(seen.min()), int(seen.max()) + 1)
    columns = _columns(heads, 1 if len(heads) <= MOST_ROWS / 2 else 2 if style.is_narrow or len(heads) <= 400 else 4)
    most = max(len(column) for column in columns)
    figure = new_figure(style, min(max(most * 0.095, 1.2), MOST_HEIGHT - AROUND) + AROUND)
    grid = figure.subplots(1, 2 * len(columns), squeeze=False, width_ratios=(3, 1.2) * len(columns))[0]
    # most of a kernel is near zero: the root of the attention keeps it visible
    norm = PowerNorm(0.5, 0, max(float(np.nanmax(floats(kernel["value"]))), 1e-6))
    explained = shape[shape["definition"].str.startswith("kernel/explained@")]
    named = bool((figure.get_figheight() - AROUND) * 72 / most >= LINE * 0.95)
    has_blind = False
    for number, (column, axes, beside) in enumerate(zip(columns, grid[::2], grid[1::2], strict=True)):
        row = {head: place for place, head in enumerate(column)}
        cells = np.full((len(column), len(offsets)), np.nan)
        here = kernel[[head in row for head in kernel[HEAD].itertuples(index=False, name=None)]]
        here = here[here["offset"].isin(offsets)]
        at = [row[head] for head in here[HEAD].itertuples(index=False, name=None)]
        cells[at, here["offset"].to_numpy(int) - offsets[0]] = floats(here["value"])
        has_blind |= bool(np.isnan(cells).any())
        edges = np.append(offsets, offsets[-1] + 1) - 0.5, np.arange(len(column) + 1) - 0.5
        axes.pcolormesh(*edges, np.ma.masked_invalid(cells), norm=norm, cmap=SEQUENTIAL, linewidth=0, rasterized=True)
        axes.xaxis.set_major_locator(MaxNLocator(max(6 // len(columns), 2), integer=True))
        axes.xaxis.set_major_formatter(lambda offset, _: f"{offset:+.0f}".replace("-", "−").replace("+0", "0"))
        axes.set_xlim(edges[0][0], edges[0][-1])
        _name_rows(axes, column, named=named)
        axes.set_ylabel(("head" if named else "layer (its heads from top to bottom)") if number == 0 else "")

        of_column = explained[[head in row for head in explained[HEAD].itertuples(index=False, name=None)]]
        at = [row[head] for head in of_column[HEAD].itertuples(index=False, name=None)]
        beside.hlines(at, floats(of_column["ci_low"]), floats(of_column["ci_high"]), color="0.6", linewidth=0.8)
        size = 6 if named else 2.5
        beside.scatter(floats(of_column["value"]), at, s=size, color=style.series[0], linewidths=0, zorder=3)
        beside.set(xlim=(-0.05, 1.05), xticks=[0, 1], yticks=[])
        for drawn in (axes, beside):
            drawn.set_ylim(len(column) - 0.5, -0.5)
            for place in (p for p in range(1, len(column)) if column[p][:2] != column[p - 1][:2]):
                drawn.axhline(place - 0.5, color="0.4", linewidth=0.4)
        if len(columns) == 1:
            axes.set_title("mean attention")
            beside.set_title("variance\nexplained" if style.is_narrow else "explained by offset")
            axes.set_xlabel("offset of the key (tokens)")
            beside.set_xlabel("share" if style.is_narrow else "share of variance")
    if len(columns) > 1:
        for axes, beside in zip(grid[::2], grid[1::2], strict=True):
            axes.set_title("attention", fontsize=7)
            beside.set_title("explained" if len(columns) == 2 and not style.is_narrow else "expl.", fontsize=7)
            axes.set_xlabel("offset")
            beside.set_xlabel("share")
    below = {"location": "bottom", "shrink": 0.6 if not style.is_narrow else 0.9, "aspect": 30, "pad": 0.01}
    label = wrapped("mean attention (colours by its square root)", style.inches * 72 - 60, 7.0)
    add_colour_bar(figure, list(grid), norm, SEQUENTIAL, label, **below)
    name_run(figure, kernel)
    notes = ["Lines part layers. Right: the share of the variance in the window that the offset explains."]
    notes += ["A bar is its 95 % interval."] if explained["ci_low"].notna().any() else []
    notes += ["Grey: an offset that the head cannot see."] if has_blind else []
    shows = "Mean attention by the offset of the key from the query in tokens, a row per head."
    counts = [heads_in(kernel), counted(kernel[kernel["value"].notna()], "queries a cell")]
    add_caption(figure, kernel, shows, counts, notes)
    return figure


def _columns(heads: list[Place], count: int) -> list[list[Place]]:
    """The heads in so many columns, none of which begins within a layer."""
    layers: dict[tuple[str, int], list[Place]] = {}
    for head in heads:
        layers.setdefault(head[:2], []).append(head)
    parts = np.array_split(np.arange(len(layers)), min(count, len(layers)))
    every = list(layers.values())
    return [[head for layer in part for head in every[layer]] for part in parts]


def _name_rows(axes: Axes, heads: list[Place], *, named: bool) -> None:
    """The name of every head; where there is no room for them, the number of every layer at its middle."""
    if named:
        axes.set_yticks(range(len(heads)), [head_name(*head) for head in heads], fontsize=SMALL)
        return
    layers: dict[tuple[str, int], list[int]] = {}
    for row, head in enumerate(heads):
        layers.setdefault(head[:2], []).append(row)
    names = [str(layer) if site == "self" else f"{site} {layer}" for site, layer in layers]
    axes.set_yticks([float(np.mean(rows)) for rows in layers.values()], names)
    axes.tick_params(axis="y", length=0)
