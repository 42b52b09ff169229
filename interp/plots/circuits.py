"""A circuit judged: what its first heads have alone; and the circuit less some heads beside the model less them."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from interp.plots.captions import add_caption, counted
from interp.plots.labels import legend_above
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
    styled,
)

MARKS = {"none": "o", "random": "s", "greedy": "^"}


@styled
def circuit_curve(curve: pd.DataFrame, areas: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """Each ranking's faithfulness against the share of heads left, with its areas in the legend; random ones grey.

    `curve` needs: ranking draw share_left n faithfulness ci_low ci_high; `areas`: ranking draw cpr cmd.
    """
    check_table(curve, "circuit_curve", ["ranking", "draw", "share_left", "n", "faithfulness", "ci_low", "ci_high"])
    check_table(areas, "circuit_areas", ["ranking", "draw", "cpr", "cmd"])
    if not curve["faithfulness"].notna().any():
        return nothing_to_show("no document has a value of the metric", style)
    figure = new_figure(style, 3.2)
    axes = figure.subplots()
    handles, names, number = [], [], 0
    for (ranking, _), line in curve.groupby(["ranking", "draw"], sort=False, dropna=False):
        is_random = bool(line["draw"].notna().any())
        share, value = floats(line["share_left"]), floats(line["faithfulness"])
        look = {"color": BASELINE, "linewidth": 0.7} if is_random else {
            "color": style.series[number % len(style.series)], "linestyle": LINES[number % len(LINES)], "linewidth": 1.2
        }  # fmt: skip
        (drawn,) = axes.plot(share, value, marker="" if is_random else "o", markersize=2.5, **look)
        if not is_random:
            low, high = floats(line["ci_low"]), floats(line["ci_high"])
            axes.fill_between(share, low, high, alpha=0.15, color=look["color"], linewidth=0)
            number += 1
        name = _with_areas(str(ranking), areas)
        if name not in names:
            handles, names = [*handles, drawn], [*names, name]
    axes.axhline(1, color="0.4", linewidth=0.6)
    axes.axhline(0, color="0.4", linewidth=0.6)
    axes.set(xlabel="share of heads left", ylabel="faithfulness: (F(C) − F(∅)) / (F(M) − F(∅))")
    axes.xaxis.set_major_formatter(PercentFormatter(1))
    legend_above(figure, curve, handles, names)
    add_caption(
        figure, curve, "What the first heads of each ranking have of the behaviour when all other heads are replaced.",
        [counted(curve, "prompts")], ["Shades: 95 % intervals over blocks of prompts. Grey: random rankings."],
    )  # fmt: skip
    figure.lay_out()
    return figure


@styled
def circuit_completeness(table: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The circuit without each subset of its heads against the model without it; on the line it is complete.

    `table` needs: kind circuit model_without metric n.
    """
    check_table(table, "circuit_completeness", ["kind", "circuit", "model_without", "metric", "n"])
    if not table["circuit"].notna().any():
        return nothing_to_show("no document has a value of the metric", style)
    figure = new_figure(style, 3.4)
    axes = figure.subplots()
    handles, names = [], []
    for number, (kind, mark) in enumerate(MARKS.items()):
        rows = table[table["kind"] == kind]
        if len(rows):
            look = {"marker": mark, "s": 20, "color": style.series[number]}
            handles.append(axes.scatter(floats(rows["model_without"]), floats(rows["circuit"]), **look))
            names.append("whole circuit" if kind == "none" else f"without {kind} subsets")
    every = np.concatenate([floats(table["circuit"]), floats(table["model_without"])])
    ends = [np.nanmin(every), np.nanmax(every)]
    axes.plot(ends, ends, color="0.4", linewidth=0.6)
    metric = metric_label(str(table["metric"].iloc[0]))
    axes.set(xlabel=f"model without K: {metric}", ylabel="circuit without K")
    legend_above(figure, table, handles, names)
    add_caption(
        figure, table, "The circuit without a subset K of its heads, against the model without the same heads.",
        [counted(table, "prompts")], ["Line: where a complete circuit lies."],
    )  # fmt: skip
    figure.lay_out()
    return figure


def _with_areas(ranking: str, areas: pd.DataFrame) -> str:
    row = areas[(areas["ranking"] == ranking) & areas["draw"].isna()]
    if row.empty:
        return ranking
    return f"{ranking}: CPR {row['cpr'].iloc[0]:.2f}, CMD {row['cmd'].iloc[0]:.2f}"
