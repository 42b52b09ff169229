"""A map of a model: layers down, heads across, a colour a head. Shared by roles, effects and anatomy."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize, TwoSlopeNorm

from interp.plots.style import DIVERGING, SEQUENTIAL, axes_points, points, text_width

TICK = "xtick.labelsize"

CLEAR = 0.1
"""From which part of a scale on a cell is marked as negative: what is nearer to zero is nearly white."""

NEGATIVE = f"A dash: negative, by {CLEAR:.0%} of the scale or more."


def shape_of(table: pd.DataFrame) -> tuple[int, int]:
    """How many layers and heads the table speaks of."""
    return int(table["layer"].max()) + 1, int(table["head"].max()) + 1


def shapes_by_site(table: pd.DataFrame) -> dict[str, tuple[int, int]]:
    """Of every site, in the table's order."""
    return {str(site): shape_of(here) for site, here in table.groupby("site", sort=False)}


def grid_of(table: pd.DataFrame, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The values by layer and head; NaN where the table has no row."""
    grid = np.full(shape, np.nan)
    grid[table["layer"].to_numpy(int), table["head"].to_numpy(int)] = values
    return grid


def largest_size(values: np.ndarray, least: float = 1e-6) -> float:
    """The upper end of a colour scale, also where all values are zero."""
    return max(float(np.nanmax(np.abs(values), initial=0)), least)


def scale(values: np.ndarray, *, signed: bool) -> tuple[Normalize, Colormap]:
    """Colours that diverge around 0 for numbers with a sign, and start at 0 for sizes."""
    top = largest_size(values)
    return (TwoSlopeNorm(0, -top, top), DIVERGING) if signed else (Normalize(0, top), SEQUENTIAL)


def heat_map(axes: Axes, values: np.ndarray, norm: Normalize, colours: Colormap) -> None:
    """The map itself, layer 0 on top, grey where there is no number; `thin_ticks` once its size is known."""
    layers, heads = values.shape
    edges = np.arange(heads + 1) - 0.5, np.arange(layers + 1) - 0.5
    axes.pcolormesh(*edges, np.ma.masked_invalid(values), norm=norm, cmap=colours, edgecolors="white", linewidth=0.3)
    axes.invert_yaxis()
    axes.set_xticks([0, heads - 1])
    axes.set_yticks([0, layers - 1])
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def mark_negative(axes: Axes, values: np.ndarray, norm: Normalize) -> bool:
    """A dash in every cell that is clearly below zero, which colours alone do not say in grey; whether there is any."""
    top = float(norm.vmax or 0)
    rows, columns = np.nonzero(np.nan_to_num(values) < -CLEAR * top)
    for dark, colour in ((True, "white"), (False, "0.2")):
        here = (values[rows, columns] < -0.6 * top) == dark
        axes.hlines(rows[here], columns[here] - 0.28, columns[here] + 0.28, color=colour, linewidth=0.8, zorder=1.5)
    return bool(len(rows))


def thin_ticks(axes: Axes, shape: tuple[int, int]) -> None:
    """Every, every second, … layer and head is numbered, so that numbers do not touch; after `lay_out`."""
    layers, heads = shape
    width, height = axes_points(axes)
    axes.set_xticks(range(0, heads, _step(heads, width / heads, text_width(str(heads - 1), points(TICK)) + 3)))
    axes.set_yticks(range(0, layers, _step(layers, height / layers, points(TICK) + 1)))


def label_outer(drawn: list[Axes], across: int) -> None:
    """`layer` and `head` once a row and once a column, on panels that are drawn."""
    for number, axes in enumerate(drawn):
        is_left = number % across == 0 or not drawn[number - 1].axison
        is_lowest = number + across >= len(drawn) or not drawn[number + across].axison
        axes.set_ylabel("layer" if is_left and axes.axison else "")
        axes.set_xlabel("head" if is_lowest and axes.axison else "")


def _step(count: int, room: float, needed: float) -> int:
    """The first of 1, 2, 4, … that leaves a number the points that it needs."""
    return next((step for step in (1, 2, 4, 8, 16, 32) if step * room >= needed), count)
