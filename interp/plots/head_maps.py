"""Layer × head maps of one number, one for each of several tables, side by side."""

import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from interp.plots.captions import add_caption, counted, heads_in
from interp.plots.heat_map import (
    NEGATIVE,
    grid_of,
    heat_map,
    label_outer,
    mark_negative,
    scale,
    shapes_by_site,
    thin_ticks,
)
from interp.plots.labels import name_run, wrapped
from interp.plots.style import SEQUENTIAL, Style, add_colour_bar, floats, new_figure, panels


def head_maps(
    tables: dict[str, pd.DataFrame],
    column: str,
    label: str,
    *,
    signed: bool,
    style: Style,
    shows: str,
    counts: str = "queries a head",
) -> Figure:
    """A map for each table and site, each with its own colours where they are several."""
    first, every = next(iter(tables.values())), pd.concat(tables.values(), ignore_index=True)
    # one may be of fewer layers than another
    shapes = shapes_by_site(every)
    names = [(name, site) for name in tables for site in shapes]
    most = 2 if style.is_narrow else 3
    across = min(len(names), most)
    layers, heads = (max(shape[place] for shape in shapes.values()) for place in (0, 1))
    cell = min(0.2, max(0.1, (style.inches - 1) / across / heads), 3 / layers)
    figure = new_figure(style, -(-len(names) // across) * (max(layers * cell, 0.7) + 0.85) + 0.5)
    drawn, has_negative, has_dots = panels(figure, len(names), across), False, False
    for axes, (name, site) in zip(drawn, names, strict=True):
        here = tables[name][tables[name]["site"] == site]
        values = floats(here[column])
        norm, colours = scale(values, signed=True) if signed else (Normalize(0, 1), SEQUENTIAL)
        cells = grid_of(here, values, shapes[site])
        heat_map(axes, cells, norm, colours)
        has_negative |= mark_negative(axes, cells, norm)
        if "q" in here:
            sure = here[floats(here["q"]) <= 0.05]
            axes.scatter(sure["head"], sure["layer"], s=5, color="black", edgecolors="white", linewidths=0.4)
            has_dots |= len(sure) > 0
        title = " ".join(part for part in (name, site if len(shapes) > 1 else "") if part)
        axes.set_title(wrapped(title, style.inches * 72 / across - 30))
        below = {"location": "bottom", "shrink": 0.8, "aspect": 25, "pad": 0.03}
        ticks = MaxNLocator(3 if style.is_narrow or across > 1 else 5)
        add_colour_bar(figure, [axes], norm, colours, label, ticks=ticks, **below)
    label_outer(drawn, across)
    name_run(figure, first)
    notes = (["Dot: q ≤ 0.05."] if has_dots else []) + ([NEGATIVE] if has_negative else [])
    add_caption(figure, first, shows, [heads_in(every), counted(every, counts)], notes)
    figure.lay_out()
    for axes, (_, site) in zip(drawn, names, strict=True):
        thin_ticks(axes, shapes[site])
    return figure
