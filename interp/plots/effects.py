"""Layer × head maps of what ablating each head costs."""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.heads import HEAD
from interp.plots.heat_map import grid_of, heat_map, label_outer, scale, shapes_by_site, thin_ticks
from interp.plots.labels import name_run, wrapped
from interp.plots.style import (
    COLUMN_WIDTH,
    FULL_WIDTH,
    SIZES_OF_CHANGE,
    add_colour_bar,
    add_note,
    check_table,
    floats,
    metric_label,
    new_figure,
    nothing_to_show,
    styled,
)


@styled
def effect_map(effects: pd.DataFrame) -> Figure:
    """What ablating each head costs: one map per metric (row), ablation (column) and site; positive: the head helped.

    Colours diverge around 0 for metrics with a sign (those with any p, or a negative effect), and start at 0 for
    sizes of a change. A dot marks q ≤ 0.05. `effects` needs: site layer head ablation metric effect p q.
    """
    check_table(effects, "effects", [*HEAD, "ablation", "metric", "effect", "p", "q"])
    effects = effects[effects["effect"].notna()]
    if effects.empty:
        return nothing_to_show("no effect of any ablation was measured")
    metrics, ablations = list(dict.fromkeys(effects["metric"])), list(dict.fromkeys(effects["ablation"]))
    shapes = shapes_by_site(effects)
    sites = list(shapes)
    layers = max(shape[0] for shape in shapes.values())
    rows = [(metric, site) for metric in metrics for site in sites]
    # one ablation of several sites: the sites stand side by side
    beside_each_other = len(ablations) == 1 and len(sites) > 1
    across = len(sites) if beside_each_other else len(ablations)
    rows = [(metric, sites) for metric in metrics] if beside_each_other else rows
    width = COLUMN_WIDTH if across == 1 else FULL_WIDTH
    cell = min(0.2, max(0.1, (width - 1) / across / max(shape[1] for shape in shapes.values())), 3 / layers)
    figure = new_figure(width, len(rows) * max(layers * cell + 0.45, 1.5) + 0.45)

    grid = figure.subplots(len(rows), across, squeeze=False)
    drawn = []
    for metric in metrics:
        of_metric = effects[effects["metric"] == metric]
        values = floats(of_metric["effect"])
        signed = metric not in SIZES_OF_CHANGE and bool(of_metric["p"].notna().any() or (values < 0).any())
        norm, colours = scale(values, signed=signed)
        metric_axes = [grid[row] for row, (name, _) in enumerate(rows) if name == metric]
        for (site, ablation), axes in zip(product(sites, ablations), np.concatenate(metric_axes), strict=True):
            here = of_metric[(of_metric["site"] == site) & (of_metric["ablation"] == ablation)]
            heat_map(axes, grid_of(here, floats(here["effect"]), shapes[site]), norm, colours)
            title = f"{ablation} ablation" if len(sites) == 1 else f"{ablation} ablation, {site}"
            axes.set_title(wrapped(title, (width - 1.2) * 72 / across - 18))
            drawn.append((axes, shapes[site]))
            sure = here[floats(here["q"]) <= 0.05]
            axes.scatter(sure["head"], sure["layer"], s=5, color="black", edgecolors="white", linewidths=0.4)
        label = f"effect on {metric_label(metric)}"
        tall = len(metric_axes) * layers * cell
        if tall < 2:
            label = label.replace(" on ", " on\n").replace(" (", "\n(").replace(", ", ",\n")
        bar_height = min(tall, 2.2)
        beside = {"shrink": bar_height / tall, "aspect": bar_height * 10}
        add_colour_bar(figure, list(np.concatenate(metric_axes)), norm, colours, label, **beside)

    label_outer(list(grid.flat), across)
    name_run(figure, effects)
    notes = ["Positive: the head helped. Dot: q ≤ 0.05."] if effects["p"].notna().any() else []
    if effects["metric"].isin(SIZES_OF_CHANGE).any():
        notes += ["Sizes of a change have no sign and no test."]
    if effects["metric"].eq("kl").any():
        notes += ["kl is minus the divergence from the intact model, so its effect is the divergence itself."]
    add_note(figure, notes)
    figure.lay_out()
    for axes, shape in drawn:
        thin_ticks(axes, shape)
    return figure
