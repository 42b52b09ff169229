"""What heads' attention is made of: a stacked bar for every head, how much is explained, and what each family adds."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from interp.heads import HEAD
from interp.plots.captions import add_caption, counted, heads_in
from interp.plots.head_maps import head_maps
from interp.plots.heat_map import label_outer, shapes_by_site, thin_ticks
from interp.plots.labels import legend_above
from interp.plots.style import (
    PAGE,
    Style,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    panels,
    styled,
)

OF_FAMILY = {"position": "positional", "tag": "lexical", "lexical": "pictures"}
"""Families of rules that have the colour of another family of roles; special tokens have that of none."""
HATCHES = {
    "special": "",
    "position": "",
    "copying": "oo",
    "lexical": "....",
    "tag": "////",
    "syntax": "",
    "coreference": "xxxx",
}
OWN_HATCHES = ("++", "--", "||", "**", "\\\\\\\\")
"""Of families of one's own, one after the other: they have one colour."""
HIGH = 0.84
"""Of a row, what a bar of all attention takes."""


@styled
def share_bars(explanations: pd.DataFrame, shares: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """A bar for every head, layers down and heads across: the share of each family of rules, grey what is even.

    `explanations` needs: site layer head n; `shares`: site layer head family share.
    """
    check_table(explanations, "explanations", [*HEAD, "n"])
    check_table(shares, "shares", [*HEAD, "family", "share"])
    if shares.empty:
        return nothing_to_show("no head attends from any word", style)
    shapes = shapes_by_site(explanations)
    across = 1 if len(shapes) == 1 else min(len(shapes), 2)
    layers = max(shape[0] for shape in shapes.values())
    figure = new_figure(style, -(-len(shapes) // across) * min(0.42 * layers + 0.4, 8.0) + 0.7)
    drawn = panels(figure, len(shapes), across)
    there = set(shares["family"])
    own = sorted(there - {*HATCHES, "uniform"})
    hatches = HATCHES | {family: OWN_HATCHES[place % len(OWN_HATCHES)] for place, family in enumerate(own)}
    families = [family for family in hatches if family in there]
    for axes, (site, shape) in zip(drawn, shapes.items(), strict=True):
        here = shares[shares["site"] == site].pivot_table("share", HEAD[1:], "family", "sum", fill_value=0.0)
        layer, head = (here.index.get_level_values(name).to_numpy(float) for name in ("layer", "head"))
        # the bottom of a bar is below the middle of its row, on an axis that points down
        bottom = layer + HIGH / 2
        for family in [*families, "uniform"]:
            part = floats(here[family]) * HIGH if family in here else np.zeros(len(here))
            look: dict[str, Any] = {"color": "0.88"} if family == "uniform" else _look(family, hatches[family], style)
            axes.bar(head, -part, bottom=bottom, width=0.8, linewidth=0, **look)
            bottom = bottom - part
        axes.set(xlim=(-0.6, shape[1] - 0.4), ylim=(shape[0] - 0.4, -0.6))
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_title(site if len(shapes) > 1 else "")
    label_outer(drawn, across)
    handles = [Patch(label=family, linewidth=0, **_look(family, hatches[family], style)) for family in families]
    legend_above(figure, explanations, [*handles, Patch(label="evenly on all cells", color="0.88")])
    shows = (
        "What each head's attention is made of, on the held-out split: shares of families of rules that compete for it."
    )
    add_caption(figure, explanations, shows, [heads_in(explanations), counted(explanations, "queries a head")])
    figure.lay_out()
    for axes, shape in zip(drawn, shapes.values(), strict=True):
        thin_ticks(axes, shape)
    return figure


def _look(family: str, hatch: str, style: Style) -> dict[str, Any]:
    return {
        "facecolor": style.family_colour(OF_FAMILY.get(family, family)),
        "hatch": hatch,
        "edgecolor": "white",
    }


@styled
def explained_map(explanations: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """How much of each head's attention the rules explain, layers down and heads across; a dash where it is below 0.

    `explanations` needs: site layer head n explained.
    """
    check_table(explanations, "explanations", [*HEAD, "n", "explained"])
    known = explanations[explanations["explained"].notna()]
    if known.empty:
        return nothing_to_show("the attention of every head is even", style)
    return head_maps({"": known}, "explained", "explained", signed=False, style=style, shows=_EXPLAINED)


@styled
def adds_maps(adds: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """What each family of rules adds to all others, a map each; a dot where q ≤ .05.

    `adds` needs: site layer head family null n adds q.
    """
    if adds.empty:
        return nothing_to_show("there is one family of rules only", style)
    check_table(adds, "adds", [*HEAD, "family", "null", "n", "adds", "q"])
    known = adds[(adds["null"] == "none") & adds["adds"].notna()]
    if known.empty:
        return nothing_to_show("the attention of every head is even", style)
    by_family = {str(family): rows for family, rows in known.groupby("family", sort=False)}
    return head_maps(by_family, "adds", "added to what is explained", signed=True, style=style, shows=_ADDS)


_EXPLAINED = (
    "How much of what there is to explain of each head's attention competing rules explain, on the held-out split: "
    "1 is as well as any model could, 0 no better than even attention."
)
_ADDS = "What each family of rules adds to all others, in shares of what there is to explain, on the held-out split."
