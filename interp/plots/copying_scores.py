"""Several scores of the same heads, side by side."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.heads import HEAD, head_name
from interp.plots.captions import add_caption, counted, heads_in
from interp.plots.labels import legend_above
from interp.plots.style import (
    OTHER_FAMILY,
    PAGE,
    Style,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    panels,
    short,
    styled,
)

MARKS = ("o", "s", "^", "D", "v", "P", "X")
MOST_HEADS = 8


@styled
def score_variants(scores: pd.DataFrame, threshold: float, *, style: Style = PAGE) -> Figure:
    """Every score of the heads that stand highest by any, one panel per role; a bar is the 95 % interval.

    The dashed line is the threshold. `scores` needs: role definition site layer head value ci_low ci_high.
    """
    check_table(scores, "scores", [*HEAD, "role", "definition", "value", "ci_low", "ci_high"])
    scores = scores[scores["value"].notna()]
    if scores.empty:
        return nothing_to_show("no head has a score", style)
    scores = scores.assign(variant=_variants(scores))
    roles, variants = list(dict.fromkeys(scores["role"])), list(dict.fromkeys(scores["variant"]))
    across = 1 if style.is_narrow else min(len(roles), 3)
    figure = new_figure(style, -(-len(roles) // across) * (0.24 * MOST_HEADS + 0.45) + 0.85)
    drawn, colours = panels(figure, len(roles), across, sharex=True), [*style.series, OTHER_FAMILY, "black"]
    for axes, role in zip(drawn, roles, strict=True):
        of_role = scores[scores["role"] == role]
        best = of_role.sort_values("value", ascending=False, kind="stable").drop_duplicates(HEAD).head(MOST_HEADS)
        place = {tuple(head): row for row, head in enumerate(best[HEAD].itertuples(index=False, name=None))}
        shown = of_role[[tuple(head) in place for head in of_role[HEAD].itertuples(index=False, name=None)]]
        rows = np.array([place[tuple(head)] for head in shown[HEAD].itertuples(index=False, name=None)], dtype=float)
        for number, variant in enumerate(variants):
            here = (shown["variant"] == variant).to_numpy()
            # beside one another, so that equal scores hide none
            at = rows[here] + (number - (len(variants) - 1) / 2) * 0.09
            one, colour = shown[here], colours[number % len(colours)]
            axes.hlines(at, floats(one["ci_low"]), floats(one["ci_high"]), color=colour, linewidth=0.7)
            mark = {"marker": MARKS[number % len(MARKS)], "s": 9, "color": colour, "linewidths": 0, "zorder": 3}
            axes.scatter(floats(one["value"]), at, label=variant, **mark)
        axes.axvline(threshold, color="0.6", linewidth=0.6, linestyle="--", zorder=0)
        for row in range(1, len(place)):
            axes.axhline(row - 0.5, color="0.92", linewidth=0.5, zorder=0)
        axes.set_yticks(range(len(place)), [head_name(*head) for head in place])
        axes.set_ylim(len(place) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.set_title(short(role))
        axes.set_xlabel("score (share of attention)" if axes in drawn[-across:] else "")
        axes.set_ylabel("head" if axes in drawn[::across] else "")
    marks, names = max((axes.get_legend_handles_labels() for axes in drawn), key=lambda found: len(found[1]))
    legend_above(figure, scores, marks, names, handletextpad=0.1)
    notes = [f"The heads highest by any score. Dashed: the threshold {threshold:g}. Bars: 95 % intervals."]
    shows = "Published ways to score the same heads, side by side."
    add_caption(figure, scores, shows, [heads_in(scores), counted(scores, "sequences a score")], notes)
    return figure


def _variants(scores: pd.DataFrame) -> pd.Series:
    """`tl-mul` of `copying/induction-tl-mul@1`."""
    return scores["definition"].str.replace(r"^\w+/[^-]+-(.*)@\d+$", r"\1", regex=True)
