"""What is left of a model while more and more of its heads are ablated, and how effects add up."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import PercentFormatter

from interp.plots.captions import add_caption, counted, how_many
from interp.plots.labels import legend_above, name_run, wrapped
from interp.plots.style import (
    BASELINE,
    LINES,
    PAGE,
    Style,
    check_table,
    floats,
    metric_label,
    new_figure,
    nothing_to_show,
    panels,
    points,
    styled,
)

ORDER = ["order", "order_seed", "ablation", "metric"]
MARKS = ("o", "s", "^", "D", "v", "P")
"""Of the orders that are not random, as they come; random ones are grey and have none."""

ESTIMATES = {"gauss_newton": "estimate (Gauss–Newton)", "gate_gradient": "gradient of the gates"}
"""What an order goes by, where its name in the table does not say it."""

VALUES = {
    "embedding_cosine": "embedding_cosine (1: as the intact model)",
    "kl": "kl (minus the divergence from the\nintact model in nats per token; 0: as it)",
}
"""Metrics whose own values have another unit than their effects, or a sign that has to be said."""


@styled
def pruning_curve(curve: pd.DataFrame, areas: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """Each order's metric against the share of heads left, which falls to the right; its area in the legend.

    A shade is the 95 % interval; thin grey lines are single random orders. One panel per ablation and metric. `curve`
    needs: order order_seed ablation metric share_left value ci_low ci_high; `areas`: order order_seed ablation metric
    area ci_low ci_high.
    """
    check_table(curve, "pruning_curve", [*ORDER, "share_left", "value", "ci_low", "ci_high"])
    check_table(areas, "pruning_area", [*ORDER, "area", "ci_low", "ci_high"])
    curve = curve[curve["value"].notna()]
    if curve.empty:
        return nothing_to_show("no document has a value of the metric", style)
    names = list(curve[["ablation", "metric"]].drop_duplicates().itertuples(index=False, name=None))
    across = 1 if style.is_narrow else min(len(names), 2)
    figure = new_figure(style, -(-len(names) // across) * 2.9 + 0.4)
    for (ablation, metric), axes in zip(names, panels(figure, len(names), across), strict=True):
        here = curve[(curve["ablation"] == ablation) & (curve["metric"] == metric)]
        of_panel = areas[(areas["ablation"] == ablation) & (areas["metric"] == metric)]
        for order, look, summed_up, lines in _orders(here, style):
            name = _area_label(order, of_panel, style.inches * 72 / across - 185) if summed_up else None
            for line in lines:
                share = floats(line["share_left"])
                axes.plot(share, floats(line["value"]), label=name, **look)
                if summed_up:
                    low, high = floats(line["ci_low"]), floats(line["ci_high"])
                    axes.fill_between(share, low, high, color=look["color"], alpha=0.15, linewidth=0)
        axes.set(
            xlabel="share of heads left", ylabel=f"{VALUES.get(metric) or metric_label(metric)},\n{ablation} ablation"
        )
        axes.set_xlim(1.02, -0.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        title = "lowest … first: area under the curve" + (" [95 %]" if of_panel["ci_low"].notna().any() else "")
        axes.legend(
            loc="lower left", bbox_to_anchor=(0, 1.01), borderaxespad=0, handlelength=2.6, title=title, alignment="left"
        )
    notes = ["All documents are of the held-out split, on which no order was chosen."]
    notes += ["Shades: 95 % intervals."] if curve["ci_low"].notna().any() else []
    shows = "What is left of the model while more and more heads are ablated, in several orders."
    add_caption(figure, curve, shows, _counts(curve), [*notes, *_note_on_random(curve)])
    name_run(figure, curve)
    return figure


@styled
def joint_effects(joint: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """What heads cost together, and the sum of what each costs alone, as more and more are ablated; a panel per order.

    A shade is the 95 % interval of the joint effect; thin grey lines are single random orders. A row of panels per
    ablation and metric. `joint` needs: order order_seed ablation metric share_left sum_of_effects joint_effect ci_low
    ci_high.
    """
    check_table(joint, "joint_effects", [*ORDER, "share_left", "sum_of_effects", "joint_effect", "ci_low", "ci_high"])
    joint = joint[joint["joint_effect"].notna()]
    if joint.empty:
        return nothing_to_show("no document has a value of the metric", style)
    names = list(joint[["ablation", "metric"]].drop_duplicates().itertuples(index=False, name=None))
    orders = list(dict.fromkeys(joint["order"]))
    across = min(len(orders), 2 if style.is_narrow else 4)
    rows = -(-len(orders) // across)
    figure = new_figure(style, len(names) * rows * 1.75 + 0.9)
    grid = figure.subplots(len(names) * rows, across, squeeze=False, sharex=True)
    for row, (ablation, metric) in enumerate(names):
        here = joint[(joint["ablation"] == ablation) & (joint["metric"] == metric)]
        places = list(grid[row * rows : (row + 1) * rows].flat)
        for axes in places[len(orders) :]:
            axes.set_axis_off()
        for axes, (order, of_order) in zip(places, here.groupby("order", sort=False), strict=False):
            _together_and_alone(axes, of_order, style)
            axes.set_title(wrapped(_by(str(order)), style.inches * 72 / across - 35))
            axes.set_xlim(1.02, -0.02)
            axes.xaxis.set_major_formatter(PercentFormatter(1))
            axes.axhline(0, color="0.8", linewidth=0.5, zorder=0)
        # one scale, so that orders can be compared
        for axes in places[1 : len(orders)]:
            axes.sharey(places[0])
        places[0].autoscale_view()
        label = f"cost in {metric_label(metric)}, {ablation} ablation"
        for axes in places[::across]:
            axes.set_ylabel(wrapped(label, 100.0, 7.0) if axes.axison else "")
    for axes in grid[-1]:
        axes.set_xlabel("share of heads left")
    together, alone = (
        Line2D([], [], color="black", marker="o", markersize=2.8, linewidth=1.2),
        Line2D([], [], color="0.35", linestyle="--", linewidth=1.0),
    )
    legend_above(
        figure, joint, [together, alone], ["ablated together", "sum of what each costs alone"], handlelength=2.6
    )
    notes = [
        "Where heads together cost more than the sum, they stand in for each other; where they cost less, they work in "
        "series or nothing is left to lose. The size of a change (embedding_cosine, kl) also exceeds the sum where "
        "heads write alike."
    ]
    notes += ["Shades: 95 % intervals of the joint cost."] if joint["ci_low"].notna().any() else []
    shows = "What heads cost when they are ablated together, beside the sum of what each costs alone, order by order."
    add_caption(figure, joint, shows, _counts(joint), [*notes, *_note_on_random(joint)])
    return figure


def _together_and_alone(axes: Axes, table: pd.DataFrame, style: Style) -> None:
    """One order: both costs against the share of heads that are left; single random orders underneath."""
    for _, look, summed_up, lines in _orders(table, style):
        for line in lines:
            left, together = floats(line["share_left"]), floats(line["joint_effect"])
            if not summed_up:
                axes.plot(left, together, **look)
                continue
            axes.plot(left, floats(line["sum_of_effects"]), color="0.35", linestyle="--", linewidth=1.0)
            axes.plot(left, together, color="black", linewidth=1.2, marker="o", markersize=2.8)
            low, high = floats(line["ci_low"]), floats(line["ci_high"])
            axes.fill_between(left, low, high, color="black", alpha=0.15, linewidth=0)


def _orders(table: pd.DataFrame, style: Style) -> Iterator[tuple[str, dict[str, Any], bool, list[pd.DataFrame]]]:
    """Name, look, whether it is summed up, and the lines: single random orders first, underneath all others."""
    random = table["order"] == "random"
    single = table[random & table["order_seed"].notna()]
    thin = {"color": BASELINE, "linewidth": 0.5, "alpha": 0.6}
    yield "random", thin, False, [line for _, line in single.groupby("order_seed", sort=False)]
    if (random & table["order_seed"].isna()).any():
        yield "random", {"color": BASELINE, "linewidth": 1.2}, True, [table[random & table["order_seed"].isna()]]
    for place, order in enumerate(table.loc[~random, "order"].unique()):
        look: dict[str, Any] = {"color": style.series[place % len(style.series)], "marker": MARKS[place % len(MARKS)]}
        look |= {"linestyle": LINES[place % len(LINES)], "linewidth": 1.2, "markersize": 2.8}
        yield order, look, True, [table[table["order"] == order]]


def _by(order: str) -> str:
    """What an order goes by, in words: `lowest effect first`."""
    return "in random order" if order == "random" else f"lowest {ESTIMATES.get(order, order)} first"


def _area_label(order: str, areas: pd.DataFrame, room: float) -> str:
    """`effect: 0.93 [0.92, 0.94]`; the name cut to fit into so many points."""
    name = wrapped(
        "random (mean)" if order == "random" else ESTIMATES.get(order, order), room, points("legend.fontsize")
    )
    row = areas[(areas["order"] == order) & areas["order_seed"].isna()]
    if row.empty:
        return name
    area, low, high = (float(floats(row[column])[0]) for column in ("area", "ci_low", "ci_high"))
    interval = "" if np.isnan(low) else f" [{low:.3f}, {high:.3f}]"
    return f"{name}: " + f"{area:.3f}{interval}".replace("-", "−")


def _counts(table: pd.DataFrame) -> list[str]:
    return [counted(table, "documents"), how_many(table["order"].nunique(), "orders")]


def _note_on_random(table: pd.DataFrame) -> list[str]:
    single = table.loc[table["order"] == "random", "order_seed"].nunique()
    return [f"Thin lines: {single} random orders; the line of random orders is their mean."] if single else []
