"""What each head does against what it is for: roles beside effects."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from interp.heads import HEAD
from interp.plots.captions import add_caption, counted, heads_in
from interp.plots.labels import dot, legend_above, name_heads
from interp.plots.style import (
    PAGE,
    Style,
    check_table,
    dot_size,
    families_in,
    floats,
    marker,
    metric_label,
    new_figure,
    nothing_to_show,
    panels,
    styled,
)
from interp.tables.best_heads import SINKS
from interp.tables.effects import NOTHING


@styled
def role_against_effect(atlas: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The lift of each head's best role on confirm against what ablating it costs, coloured by the role's family.

    Hollow where that role is `first`, `self` or `separator`: the head has no other. The ten heads with the largest
    effects and the five with the largest lifts are named, where there is room, with the 95 % intervals of their effects
    (`ci_low`, `ci_high`, where the table has them). One panel per ablation and metric.
    `atlas` needs: site layer head best_role best_family best_lift metric ablation effect.
    """
    check_table(atlas, "atlas", [*HEAD, "best_role", "best_family", "best_lift", "metric", "ablation", "effect"])
    atlas = atlas[atlas["effect"].notna()]
    both = atlas[atlas["best_lift"].notna()]
    if both.empty:
        return nothing_to_show("no head has both a scored role and a measured effect", style)
    names = list(both[["metric", "ablation"]].drop_duplicates().itertuples(index=False, name=None))
    across = 1 if style.is_narrow else min(len(names), 2)
    figure = new_figure(style, -(-len(names) // across) * (2.4 if style.is_narrow else 3.2) + 0.4)
    drawn = panels(figure, len(names), across)
    labels = []
    for axes, (metric, ablation) in zip(drawn, names, strict=True):
        here = both[(both["metric"] == metric) & (both["ablation"] == ablation)]
        labels.append(_scatter(axes, here, style))
        axes.axhline(0, color="0.7", linewidth=0.6, zorder=0)
        axes.axvline(0, color="0.7", linewidth=0.6, zorder=0)
        axes.set_xlabel("lift of its best role over the best baseline\n(held-out split)")
        axes.set_ylabel(f"effect of {ablation} ablation\non {metric_label(metric)}")
        axes.margins(0.08)

    families = families_in(both["best_family"].fillna("unclassified"))
    dots = [dot(style.family_colour(family), family, marker=marker(family)) for family in families]
    legend_above(figure, atlas, dots, handletextpad=0.1)
    unscored = atlas.loc[atlas["best_lift"].isna(), HEAD].drop_duplicates().shape[0]
    notes = [f"{unscored} heads without any scored role are not drawn."] if unscored else []
    if both["best_role"].isin(SINKS).any():
        notes += [f"Hollow: a head with no role but {', '.join(SINKS[:-1])} or {SINKS[-1]}."]
    if both["best_role"].eq("unclassified").any():
        notes += ["Of a head without a role: the largest lift of any role."]
    if any("ci_low" in named and named["ci_low"].notna().any() for named in labels):
        notes += ["Bars: 95 % intervals of the effects of heads that stand out."]
    shows = "What each head does against what it is for: the effect of ablating it, and the lift of its best role."
    add_caption(figure, atlas, shows, [heads_in(both), counted(both, "documents")], notes)
    figure.lay_out()
    for axes, here in zip(drawn, labels, strict=True):
        name_heads(figure, axes, here, "best_lift", "effect")
    return figure


def _scatter(axes: Axes, heads: pd.DataFrame, style: Style) -> pd.DataFrame:
    """The dots, unclassified heads underneath; returned: the heads to name, the most important first."""
    for family in reversed(families_in(heads["best_family"].fillna("unclassified"))):
        here = heads[heads["best_family"].fillna("unclassified") == family]
        rests = here["best_role"].isin(SINKS)
        colour = style.family_colour(family)
        look = {"s": dot_size(heads), "edgecolors": colour, "alpha": 0.85, "marker": marker(family)}
        for some, filling, width in ((here[~rests], colour, 0), (here[rests], "none", 0.8)):
            if len(some):
                axes.scatter(some["best_lift"], some["effect"], facecolors=filling, linewidths=width, **look)
    largest = heads[heads["effect"].abs() > NOTHING].sort_values("effect", key=abs, ascending=False)[:10]
    named = pd.concat([largest, heads.nlargest(5, "best_lift")]).drop_duplicates(HEAD)
    if "ci_low" in named:
        ends = floats(named["ci_low"]), floats(named["ci_high"])
        axes.vlines(floats(named["best_lift"]), *ends, color="0.6", linewidth=0.6, zorder=0.5)
    return named
