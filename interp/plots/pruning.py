"""What is left of a model while more and more of its heads are ablated, and how effects add up."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from interp.plots.labels import legend_above, name_run, wrapped
from interp.plots.style import (
    BASELINE,
    FULL_WIDTH,
    PALETTE,
    add_note,
    check_table,
    floats,
    metric_label,
    new_figure,
    nothing_to_show,
    panels,
    styled,
)

ORDER = ["order", "order_seed", "ablation", "metric"]
COLOURS = [PALETTE[family] for family in ("positional", "lexical", "syntax", "coreference", "copying")]
"""Of the orders that are not random, as they come; random ones are grey."""

VALUES = {
    "embedding_cosine": "embedding_cosine (1: as the intact model)",
    "kl": "kl (minus the divergence from the\nintact model in nats per token; 0: as it)",
}
"""Metrics whose own values have another unit than their effects, or a sign that has to be said."""


@styled
def pruning_curve(curve: pd.DataFrame, areas: pd.DataFrame) -> Figure:
    """Each order's metric against the share of heads left, which falls to the right; its area in the legend.

    A shade is the 95 % interval; thin grey lines are single random orders. One panel per ablation and metric. `curve`
    needs: order order_seed ablation metric share_left value ci_low ci_high; `areas`: order order_seed ablation metric
    area ci_low ci_high.
    """
    check_table(curve, "pruning_curve", [*ORDER, "share_left", "value", "ci_low", "ci_high"])
    check_table(areas, "pruning_area", [*ORDER, "area", "ci_low", "ci_high"])
    curve = curve[curve["value"].notna()]
    if curve.empty:
        return nothing_to_show("no document has a value of the metric")
    figure, drawn = _panels_of(curve, 2.9)
    for (ablation, metric), axes in drawn.items():
        here = curve[(curve["ablation"] == ablation) & (curve["metric"] == metric)]
        of_panel = areas[(areas["ablation"] == ablation) & (areas["metric"] == metric)]
        for order, colour, summed_up, lines in _orders(here):
            name = _area_label(order, of_panel) if summed_up else None
            for line in lines:
                share, value = floats(line["share_left"]), floats(line["value"])
                _line(axes, share, value, colour, summed_up, name)
                if summed_up:
                    low, high = floats(line["ci_low"]), floats(line["ci_high"])
                    axes.fill_between(share, low, high, color=colour, alpha=0.15, linewidth=0)
        axes.set(
            xlabel="share of heads left", ylabel=f"{VALUES.get(metric) or metric_label(metric)},\n{ablation} ablation"
        )
        axes.set_xlim(1.02, -0.02)
        axes.xaxis.set_major_formatter(PercentFormatter(1))
        _areas_above(axes, "area under the curve [95 % interval]" if of_panel["ci_low"].notna().any() else "area")
    notes = ["All documents are of the held-out half, on which no order was chosen."]
    add_note(figure, [*notes, *_note_on_random(curve)])
    name_run(figure, curve)
    return figure


@styled
def joint_effects(joint: pd.DataFrame) -> Figure:
    """What the heads of each step cost together, against the sum of what each costs alone; grey: equal.

    A bar is the 95 % interval of the joint effect; thin grey lines are single random orders. One panel per ablation and
    metric. `joint` needs: order order_seed ablation metric heads_left sum_of_effects joint_effect ci_low ci_high.
    """
    check_table(joint, "joint_effects", [*ORDER, "heads_left", "sum_of_effects", "joint_effect", "ci_low", "ci_high"])
    joint = joint[joint["joint_effect"].notna()]
    if joint.empty:
        return nothing_to_show("no document has a value of the metric")
    figure, drawn = _panels_of(joint, 2.9)
    for (ablation, metric), axes in drawn.items():
        here = joint[(joint["ablation"] == ablation) & (joint["metric"] == metric)]
        for order, colour, summed_up, lines in _orders(here):
            name = _order_label(order) if summed_up else None
            for line in lines:
                alone, together = floats(line["sum_of_effects"]), floats(line["joint_effect"])
                _line(axes, alone, together, colour, summed_up, name)
                if summed_up:
                    axes.vlines(alone, floats(line["ci_low"]), floats(line["ci_high"]), color=colour, linewidth=0.8)
        axes.margins(0.05)
        axes.axline((0, 0), slope=1, color="0.7", linewidth=0.6, linestyle="--", zorder=0)
        axes.set(xlabel="sum of what each head costs alone", ylabel="cost of ablating them together")
        axes.set_title(wrapped(f"cost in {metric_label(metric)}, {ablation} ablation", 190.0), pad=4)
    _orders_above(figure, drawn, joint)
    notes = [
        "Above the dashed line (equal), heads stand in for each other; below it, they work in series or nothing is "
        "left to lose. The size of a change (embedding_cosine, kl) also exceeds the sum where heads write alike."
    ]
    add_note(figure, [*notes, *_note_on_random(joint)])
    return figure


def _panels_of(table: pd.DataFrame, height: float) -> tuple[Figure, dict[tuple[str, str], Axes]]:
    """A panel per ablation and metric, as the table has them."""
    names = list(table[["ablation", "metric"]].drop_duplicates().itertuples(index=False, name=None))
    across = min(len(names), 2)
    figure = new_figure(FULL_WIDTH if across == 2 else 4.5, -(-len(names) // across) * height + 0.4)
    return figure, dict(zip(names, panels(figure, len(names), across), strict=True))


def _orders(table: pd.DataFrame) -> Iterator[tuple[str, str, bool, list[pd.DataFrame]]]:
    """Name, colour, whether it is drawn in full, and the lines: single random orders first, underneath all others."""
    random = table["order"] == "random"
    single = table[random & table["order_seed"].notna()]
    yield "random", BASELINE, False, [line for _, line in single.groupby("order_seed", sort=False)]
    if (random & table["order_seed"].isna()).any():
        yield "random", BASELINE, True, [table[random & table["order_seed"].isna()]]
    for number, order in enumerate(table.loc[~random, "order"].unique()):
        yield order, COLOURS[number % len(COLOURS)], True, [table[table["order"] == order]]


def _line(axes: Axes, x: np.ndarray, y: np.ndarray, colour: str, in_full: bool, name: str | None) -> None:
    if in_full:
        axes.plot(x, y, color=colour, label=name, linewidth=1.2, marker="o", markersize=2.8)
    else:
        axes.plot(x, y, color=colour, linewidth=0.5, alpha=0.6)


def _order_label(order: str) -> str:
    return "random (mean)" if order == "random" else order


def _area_label(order: str, areas: pd.DataFrame) -> str:
    """`effect: 0.93 [0.92, 0.94]`."""
    row = areas[(areas["order"] == order) & areas["order_seed"].isna()]
    if row.empty:
        return _order_label(order)
    area, low, high = (float(floats(row[column])[0]) for column in ("area", "ci_low", "ci_high"))
    interval = "" if np.isnan(low) else f" [{low:.3f}, {high:.3f}]"
    return f"{_order_label(order)}: " + f"{area:.3f}{interval}".replace("-", "−")


def _orders_above(figure: Figure, drawn: dict[tuple[str, str], Axes], table: pd.DataFrame) -> None:
    """One legend for all panels, which have the same orders: inside them it would cover points."""
    handles, names = next(iter(drawn.values())).get_legend_handles_labels()
    legend_above(figure, table, handles, names, handlelength=1.6)


def _areas_above(axes: Axes, title: str) -> None:
    axes.legend(
        loc="lower left", bbox_to_anchor=(0, 1.01), borderaxespad=0, handlelength=1.6, title=title, alignment="left"
    )


def _note_on_random(table: pd.DataFrame) -> list[str]:
    single = table.loc[table["order"] == "random", "order_seed"].nunique()
    return [f"Thin lines: {single} random orders."] if single else []
