"""Heads that stand in for each other: direct beside total effects, and how joint effects differ from single ones."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.heads import HEAD, head_name
from interp.plots.captions import add_caption, counted
from interp.plots.heat_map import heat_map, scale
from interp.plots.labels import legend_above, name_run
from interp.plots.style import (
    BASELINE,
    PAGE,
    Style,
    add_colour_bar,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    styled,
)

MOST = 24
"""Heads that are shown."""


@styled
def self_repair(table: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """Of every replaced head what it adds directly, and what is lost without it, with 95 % intervals.

    `table` needs: site layer head n direct total and the ends of both, NAME_low and NAME_high.
    """
    ends = [f"{name}{end}" for name in ("direct", "total") for end in ("", "_low", "_high")]
    check_table(table, "self_repair", [*HEAD, "n", *ends])
    if table.empty:
        return nothing_to_show("no head was replaced", style)
    shown = table.head(MOST)
    figure = new_figure(style, 0.26 * len(shown) + 1.0)
    axes = figure.subplots()
    place, handles = np.arange(len(shown)), []
    for name, colour, mark, shift in (("direct", BASELINE, "s", -0.14), ("total", style.series[0], "o", 0.14)):
        axes.hlines(
            place + shift, floats(shown[f"{name}_low"]), floats(shown[f"{name}_high"]), color=colour, linewidth=1
        )
        handles.append(axes.scatter(floats(shown[name]), place + shift, color=colour, marker=mark, s=14))
    axes.axvline(0, color="0.4", linewidth=0.6)
    axes.set_yticks(place, [f"head {head_name(*row)}" for row in shown[HEAD].itertuples(index=False, name=None)])
    axes.set_ylim(len(shown) - 0.4, -0.6)
    axes.set_xlabel("effect on the logit difference (nats)")
    legend_above(figure, table, handles, ["direct: what it adds itself", "total: what is lost without it"])
    notes = [f"{len(table) - len(shown)} other heads not shown."] if len(table) > len(shown) else []
    add_caption(
        figure, table, "What each head adds directly to the logit difference, and what replacing it costs.",
        [counted(table, "prompts")], ["Bars: 95 % intervals over blocks of prompts.", *notes],
    )  # fmt: skip
    figure.lay_out()
    return figure


@styled
def interaction_map(table: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """Of every pair of heads the joint effect less the sum of single ones; a dot where q ≤ 0.05.

    `table` needs: heads size n interaction q.
    """
    check_table(table, "interactions", ["heads", "size", "n", "interaction", "q"])
    pairs = table[table["size"] == 2]
    if pairs.empty or not pairs["interaction"].notna().any():
        return nothing_to_show("no pair of heads was replaced", style)
    names = list(dict.fromkeys(head for heads in pairs["heads"] for head in heads.split()))[:MOST]
    cells, sure = np.full((len(names), len(names)), np.nan), list[tuple[int, int]]()
    for heads, value, q in pairs[["heads", "interaction", "q"]].itertuples(index=False, name=None):
        one, other = heads.split()
        if one in names and other in names:
            place = names.index(other), names.index(one)
            cells[place] = value
            sure += [place] if q <= 0.05 else []
    figure = new_figure(style, min(0.3 * len(names), 0.8 * style.inches) + 1.2)
    axes = figure.subplots()
    norm, colours = scale(cells[np.isfinite(cells)], signed=True)
    heat_map(axes, cells, norm, colours)
    if sure:
        axes.scatter([c for _, c in sure], [r for r, _ in sure], s=6, color="black", edgecolors="white", linewidths=0.4)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_ticks(range(len(names)), names)
    axes.tick_params(axis="x", rotation=90)
    axes.set(xlabel="head", ylabel="other head")
    add_colour_bar(figure, [axes], norm, colours, "joint − single effects (nats)")
    name_run(figure, table)
    add_caption(
        figure, table, "How much more two heads cost together than the sum of what each costs alone.",
        [counted(pairs, "prompts")], ["Dot: q ≤ 0.05."] if sure else [],
    )  # fmt: skip
    figure.lay_out()
    return figure
