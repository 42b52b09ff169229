"""What a model is good for with the heads that trained gates keep, beside as many chosen otherwise; which these are."""

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from interp.heads import HEAD
from interp.plots.captions import add_caption, counted, heads_in, how_many
from interp.plots.heat_map import grid_of, heat_map, label_outer, shapes_by_site, thin_ticks
from interp.plots.labels import legend_above, name_run, wrapped
from interp.plots.pruning import MARKS, VALUES
from interp.plots.style import (
    BASELINE,
    PAGE,
    SEQUENTIAL,
    Style,
    add_colour_bar,
    check_table,
    floats,
    metric_label,
    new_figure,
    nothing_to_show,
    panels,
    styled,
)

CHOICE = ["chosen_by", "strength", "gate_seed", "draw", "ablation", "metric"]


@styled
def gate_curve(curve: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The metric against the number of heads kept: by gates, by the order of single-head effects, and at random.

    A mark is one training, and its shape the strength λ; bars and shades are 95 % intervals; grey dots are single
    random draws. One panel per metric. `curve` needs: chosen_by strength gate_seed draw ablation metric heads_kept n
    value ci_low ci_high.
    """
    check_table(curve, "gate_curve", [*CHOICE, "heads_kept", "n", "value", "ci_low", "ci_high"])
    curve = curve[curve["value"].notna()]
    if curve.empty:
        return nothing_to_show("no document has a value of the metric", style)
    names = list(curve[["ablation", "metric"]].drop_duplicates().itertuples(index=False, name=None))
    across = 1 if style.is_narrow else min(len(names), 2)
    figure = new_figure(style, -(-len(names) // across) * 2.9 + 0.6)
    strengths = sorted(curve["strength"].dropna().unique())
    for (ablation, metric), axes in zip(names, panels(figure, len(names), across), strict=True):
        here = curve[(curve["ablation"] == ablation) & (curve["metric"] == metric)]
        _random(axes, here[here["chosen_by"] == "random"])
        _with_ends(axes, here[here["chosen_by"] == "effect"], style.series[1], "s", style)
        for place, strength in enumerate(strengths):
            of_strength = here[(here["chosen_by"] == "gates") & (here["strength"] == strength)]
            _with_ends(axes, of_strength, style.series[0], MARKS[place % len(MARKS)], style, filled=True)
        for name, line in (("all", "-"), ("none", ":")):
            for value in floats(here.loc[here["chosen_by"] == name, "value"]):
                axes.axhline(value, color="0.5", linewidth=0.6, linestyle=line, zorder=0)
        axes.set(xlabel="heads kept", ylabel=f"{VALUES.get(metric) or metric_label(metric)},\n{ablation} ablation")
        most = floats(here["heads_kept"]).max()
        axes.set_xlim(-0.03 * most, 1.03 * most)
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    handles = [
        *(
            Line2D([], [], color=style.series[0], marker=MARKS[place % len(MARKS)], linestyle="", markersize=4.5)
            for place in range(len(strengths))
        ),
        Line2D([], [], color=style.series[1], marker="s", markerfacecolor="white", linewidth=0.9, markersize=3.2),
        Line2D([], [], color=BASELINE, linewidth=1.2),
        Line2D([], [], color="0.5", linewidth=0.6),
        Line2D([], [], color="0.5", linewidth=0.6, linestyle=":"),
    ]
    labels = [
        *(f"gates, λ = {strength:g}" for strength in strengths),
        *("largest single-head effects", "random heads (mean)", "all heads", "no head"),
    ]
    legend_above(figure, curve, handles, labels, handlelength=2.2)
    trainings = len(curve.loc[curve["chosen_by"] == "gates", ["strength", "gate_seed"]].drop_duplicates())
    notes = ["All documents are of the held-out split; gates were trained, and effects measured, on the other."]
    notes += ["Bars and shade: 95 % intervals."] if curve["ci_low"].notna().any() else []
    notes += ["Grey dots: single random draws."] if curve["draw"].notna().any() else []
    shows = "What is left of the model with the heads that trained gates keep, and with as many chosen otherwise."
    add_caption(figure, curve, shows, [counted(curve, "documents"), how_many(trainings, "trainings")], notes)
    return figure


def _random(axes: Axes, table: pd.DataFrame) -> None:
    single = table[table["draw"].notna()]
    look: dict[str, Any] = {"s": 3, "color": BASELINE, "alpha": 0.5, "linewidths": 0}
    axes.scatter(floats(single["heads_kept"]), floats(single["value"]), zorder=1, **look)
    mean = table[table["draw"].isna()].drop_duplicates("heads_kept").sort_values("heads_kept")
    kept = floats(mean["heads_kept"])
    axes.plot(kept, floats(mean["value"]), color=BASELINE, linewidth=1.2, zorder=1.5)
    low, high = floats(mean["ci_low"]), floats(mean["ci_high"])
    axes.fill_between(kept, low, high, color=BASELINE, alpha=0.15, linewidth=0)


def _with_ends(axes: Axes, table: pd.DataFrame, colour: str, mark: str, style: Style, *, filled: bool = False) -> None:
    """Marks with the bars of their intervals; of an order, which has one value for a number of heads, with a line."""
    if not filled:
        table = table.drop_duplicates("heads_kept").sort_values("heads_kept")
    kept, value = floats(table["heads_kept"]), floats(table["value"])
    axes.vlines(kept, floats(table["ci_low"]), floats(table["ci_high"]), color=colour, linewidth=0.8, zorder=2)
    face = colour if filled else "white"
    size = (3.6 if style.is_narrow else 4.5) if filled else 3.2
    look: dict[str, Any] = {"marker": mark, "markersize": size, "markerfacecolor": face, "markeredgewidth": 0.7}
    axes.plot(kept, value, color=colour, linestyle="" if filled else "-", linewidth=0.9, zorder=3 + filled, **look)


@styled
def gate_maps(heads: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """How often each head is kept over the seeds, layers down and heads across, a map for each strength λ.

    `heads` needs: strength site layer head seeds share_kept.
    """
    check_table(heads, "gate_heads", ["strength", *HEAD, "seeds", "share_kept"])
    if heads.empty:
        return nothing_to_show("no gate was trained", style)
    by_strength = {float(strength): rows for strength, rows in heads.groupby("strength", sort=True)}  # pyright: ignore[reportArgumentType]
    shapes = shapes_by_site(heads)
    names = [(strength, site) for strength in by_strength for site in shapes]
    across = min(len(names), 2 if style.is_narrow else 4)
    layers, wide = (max(shape[place] for shape in shapes.values()) for place in (0, 1))
    cell = min(0.2, max(0.08, (style.inches - 1) / across / wide), 3 / layers)
    figure = new_figure(style, -(-len(names) // across) * (max(layers * cell, 0.7) + 0.5) + 0.9)
    drawn, norm = panels(figure, len(names), across), Normalize(0, 1)
    for axes, (strength, site) in zip(drawn, names, strict=True):
        here = by_strength[strength][by_strength[strength]["site"] == site]
        heat_map(axes, grid_of(here, floats(here["share_kept"]), shapes[site]), norm, SEQUENTIAL)
        title = " ".join([f"λ = {strength:g}", *([site] if len(shapes) > 1 else [])])
        axes.set_title(wrapped(title, style.inches * 72 / across - 15))
    label_outer(drawn, across)
    add_colour_bar(figure, drawn, norm, SEQUENTIAL, "share of seeds that keep the head")
    name_run(figure, heads)
    shows = "How often each head is kept by trained gates, over the seeds of the training, for each strength λ."
    seeds = how_many(int(heads["seeds"].max()), "seeds")
    add_caption(figure, heads, shows, [heads_in(heads), seeds])
    figure.lay_out()
    for axes, (_, site) in zip(drawn, names, strict=True):
        thin_ticks(axes, shapes[site])
    return figure
