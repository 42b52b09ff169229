"""The local kernels of all heads as one map."""

import numpy as np
import pandas as pd
from matplotlib.colors import PowerNorm
from matplotlib.figure import Figure

from interp.heads import HEAD, head_name
from interp.plots.labels import name_run
from interp.plots.style import (
    FULL_WIDTH,
    PALETTE,
    SEQUENTIAL,
    add_colour_bar,
    add_note,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    styled,
)

ROWS_A_COLUMN = 80
"""Heads one above the other; of more, only every second, … is named."""


@styled
def kernel_map(kernel: pd.DataFrame, shape: pd.DataFrame) -> Figure:
    """Mean attention by offset, one row per head, and beside it how much of the variance in the window offset explains.

    Grey: offsets that a head cannot see. `kernel` needs: site layer head offset value. `shape` needs: definition site
    layer head value ci_low ci_high, of which the rows `kernel/explained` are drawn.
    """
    check_table(kernel, "kernel", [*HEAD, "offset", "value"])
    check_table(shape, "shape", [*HEAD, "definition", "value", "ci_low", "ci_high"])
    if kernel["value"].isna().all():
        return nothing_to_show("no head has a kernel")
    heads = list(dict.fromkeys(kernel[HEAD].itertuples(index=False, name=None)))
    row = {head: number for number, head in enumerate(heads)}
    largest = int(kernel["offset"].abs().max())
    offsets = np.arange(-largest, largest + 1)
    grid = np.full((len(heads), len(offsets)), np.nan)
    places = [row[head] for head in kernel[HEAD].itertuples(index=False, name=None)]
    grid[places, kernel["offset"].to_numpy(int) + largest] = floats(kernel["value"])

    figure = new_figure(FULL_WIDTH, min(0.095 * len(heads), 8.5) + 1.4)
    axes, beside = figure.subplots(1, 2, sharey=True, width_ratios=(3, 1))
    # most of a kernel is near zero: the root of the attention keeps it visible
    norm = PowerNorm(0.5, 0, max(float(np.nanmax(grid)), 1e-6))
    edges = np.arange(len(offsets) + 1) - largest - 0.5, np.arange(len(heads) + 1) - 0.5
    axes.pcolormesh(*edges, np.ma.masked_invalid(grid), norm=norm, cmap=SEQUENTIAL, linewidth=0, rasterized=True)
    axes.set_ylim(len(heads) - 0.5, -0.5)
    step = -(-len(heads) // ROWS_A_COLUMN)
    axes.set_yticks(range(0, len(heads), step), [head_name(*head) for head in heads[::step]], fontsize=6)
    ticks = [offset for offset in offsets.tolist() if offset % (5 if largest >= 5 else 1) == 0]
    axes.set_xticks(ticks, [f"{offset:+d}".replace("-", "−").replace("+0", "0") for offset in ticks])
    axes.set(xlabel="offset of the key (tokens)", ylabel="head", title="mean attention")

    explained = shape[shape["definition"].str.startswith("kernel/explained@")]
    explained = explained[[head in row for head in explained[HEAD].itertuples(index=False, name=None)]]
    at = [row[head] for head in explained[HEAD].itertuples(index=False, name=None)]
    beside.hlines(at, floats(explained["ci_low"]), floats(explained["ci_high"]), color="0.6", linewidth=0.8)
    beside.scatter(floats(explained["value"]), at, s=6, color=PALETTE["positional"], linewidths=0, zorder=3)
    beside.set(xlim=(-0.02, 1.02), xlabel="share of variance", title="explained by offset")
    beside.tick_params(axis="y", length=0, labelleft=False)
    for place in (number for number in range(1, len(heads)) if heads[number][:2] != heads[number - 1][:2]):
        for drawn in (axes, beside):
            drawn.axhline(place - 0.5, color="0.4", linewidth=0.4)
    below = {"location": "bottom", "shrink": 0.6, "aspect": 30, "pad": 0.01}
    add_colour_bar(figure, [axes], norm, SEQUENTIAL, "mean attention (colours by its square root)", **below)
    notes = ["Lines part layers. A bar is the 95 % interval."]
    name_run(figure, kernel)
    add_note(figure, [*notes, "Grey: an offset that the head cannot see."] if np.isnan(grid).any() else notes)
    return figure
