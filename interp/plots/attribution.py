"""A logit difference taken apart: maps of what heads and layers add, and the components that add most."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.heads import HEAD
from interp.plots.captions import add_caption, counted, how_many
from interp.plots.head_maps import head_maps
from interp.plots.labels import name_run
from interp.plots.style import (
    PAGE,
    PALETTE,
    Style,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    styled,
)

LISTED = 20
"""Components that the bars name."""


@styled
def attribution_map(attribution: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """What each head adds to the logit difference at the last position, layers down and heads across.

    `attribution` needs: component site layer head n value q.
    """
    check_table(attribution, "attribution", ["component", *HEAD, "n", "value", "q"])
    heads = attribution[attribution["component"] == "head"]
    if heads.empty:
        return nothing_to_show("the model has no heads", style)
    return head_maps(
        {"": heads}, "value", "added to the logit difference (nats)", signed=True, style=style, counts="prompts",
        shows="What each head adds directly to the logit difference of right and wrong answer, through the final norm.",
    )  # fmt: skip


@styled
def attribution_bars(attribution: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The components that add most to the logit difference, or take most from it, with 95 % intervals.

    `attribution` needs: component layer head n value ci_low ci_high.
    """
    check_table(attribution, "attribution", ["component", "layer", "head", "n", "value", "ci_low", "ci_high"])
    if attribution.empty:
        return nothing_to_show("nothing was measured", style)
    ranked = attribution.sort_values("value", key=abs, ascending=False, kind="stable")
    shown = ranked.head(LISTED).sort_values("value", ascending=False, kind="stable")
    figure = new_figure(style, 0.17 * len(shown) + 0.8)
    axes = figure.subplots()
    place, value = np.arange(len(shown)), floats(shown["value"])
    colours = [PALETTE["positional"] if name == "head" else "0.75" for name in shown["component"]]
    axes.barh(place, value, color=colours, height=0.7)
    axes.hlines(place, floats(shown["ci_low"]), floats(shown["ci_high"]), color="black", linewidth=0.7)
    axes.set_yticks(place, [component_name(*row) for row in shown[["component", "layer", "head"]].to_numpy()])
    axes.set_xlabel("added to the logit difference (nats)")
    axes.axvline(0, color="0.4", linewidth=0.6)
    axes.set_ylim(len(shown) - 0.4, -0.6)
    name_run(figure, attribution)
    left = len(attribution) - len(shown)
    notes = [f"{how_many(left, 'other components')} not shown."] if left else []
    shows = "The components that add most to the logit difference of right and wrong answer, or take most from it."
    add_caption(
        figure, attribution, shows, [counted(attribution, "prompts")],
        ["Bars: 95 % intervals over blocks of prompts. Grey: no head.", *notes],
    )  # fmt: skip
    figure.lay_out()
    return figure


def component_name(component: str, layer: int, head: int) -> str:
    """`head 23.3`, `MLP 29`, `embedding`."""
    if component == "head":
        return f"head {layer}.{head}"
    name = {"mlp": "MLP"}.get(component, component.replace("_", " "))
    return name if layer < 0 else f"{name} {layer}"
