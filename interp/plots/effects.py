"""Layer × head maps of what ablating each head costs."""

from itertools import product

import pandas as pd
from matplotlib.figure import Figure

from interp.heads import HEAD
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
from interp.plots.style import (
    PAGE,
    SIZES_OF_CHANGE,
    Style,
    add_colour_bar,
    check_table,
    floats,
    metric_label,
    new_figure,
    nothing_to_show,
    styled,
)


@styled
def effect_map(effects: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """What ablating each head costs: one map per metric (row), ablation (column) and site; positive: the head helped.

    Colours diverge around 0 for metrics with a sign (those with any p, or a negative effect), and start at 0 for
    sizes of a change. A dot marks q ≤ 0.05, a dash what is negative. `effects` needs: site layer head ablation metric
    effect p q.
    """
    check_table(effects, "effects", [*HEAD, "ablation", "metric", "effect", "p", "q"])
    effects = effects[effects["effect"].notna()]
    if effects.empty:
        return nothing_to_show("no effect of any ablation was measured", style)
    metrics, ablations = list(dict.fromkeys(effects["metric"])), list(dict.fromkeys(effects["ablation"]))
    shapes = shapes_by_site(effects)
    sites = list(shapes)
    layers, heads = max(shape[0] for shape in shapes.values()), max(shape[1] for shape in shapes.values())
    maps = list(product(sites, ablations))
    # one ablation of several sites: the sites stand side by side
    across = min(len(sites) if len(ablations) == 1 else len(ablations), 2 if style.is_narrow else 4)
    rows = -(-len(maps) // across)
    # a map that stands alone is no wider than its cells need
    cell = min(0.2, max(0.1, (style.inches - 1) / across / heads), 3 / layers)
    figure = new_figure(style, len(metrics) * rows * max(layers * cell + 0.45, 1.5) + 0.45)

    grid = figure.subplots(len(metrics) * rows, across, squeeze=False)
    drawn, has_negative = [], False
    for number, metric in enumerate(metrics):
        of_metric = effects[effects["metric"] == metric]
        values = floats(of_metric["effect"])
        signed = metric not in SIZES_OF_CHANGE and bool(of_metric["p"].notna().any() or (values < 0).any())
        norm, colours = scale(values, signed=signed)
        places = list(grid[number * rows : (number + 1) * rows].flat)
        for axes in places[len(maps) :]:
            axes.set_axis_off()
        for (site, ablation), axes in zip(maps, places, strict=False):
            here = of_metric[(of_metric["site"] == site) & (of_metric["ablation"] == ablation)]
            cells = grid_of(here, floats(here["effect"]), shapes[site])
            heat_map(axes, cells, norm, colours)
            title = f"{ablation} ablation" if len(sites) == 1 else f"{ablation} ablation, {site}"
            axes.set_title(wrapped(title, (style.inches - 1.2) * 72 / across - 18))
            drawn.append((axes, shapes[site]))
            sure = here[floats(here["q"]) <= 0.05]
            axes.scatter(sure["head"], sure["layer"], s=5, color="black", edgecolors="white", linewidths=0.4)
            has_negative |= signed and mark_negative(axes, cells, norm)
        label = f"effect on {metric_label(metric)}"
        tall = rows * min(layers * cell, 8 / len(metrics) / rows - 0.45)
        if tall < 2:
            label = label.replace(" on ", " on\n").replace(" (", "\n(").replace(", ", ",\n")
        bar_height = min(tall, 2.2)
        beside = {"shrink": bar_height / tall, "aspect": bar_height * 10}
        add_colour_bar(figure, places, norm, colours, label, **beside)

    label_outer(list(grid.flat), across)
    name_run(figure, effects)
    notes = ["Positive: the head helped. Dot: q ≤ 0.05."] if effects["p"].notna().any() else []
    notes += [NEGATIVE] if has_negative else []
    if effects["metric"].isin(SIZES_OF_CHANGE).any():
        notes += ["Sizes of a change have no sign and no test."]
    if effects["metric"].eq("kl").any():
        notes += ["kl is minus the divergence from the intact model, so its effect is the divergence itself."]
    shows = "What ablating each head costs, layers down and heads across; 95 % intervals are in the table effects."
    add_caption(figure, effects, shows, [heads_in(effects), counted(effects, "documents")], notes)
    figure.lay_out()
    for axes, shape in drawn:
        thin_ticks(axes, shape)
    return figure
