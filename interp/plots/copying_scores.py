"""Several scores of the same heads, side by side."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.heads import HEAD, head_name
from interp.plots.labels import legend_above
from interp.plots.style import (
    FULL_WIDTH,
    PALETTE,
    add_note,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    panels,
    short,
    styled,
)

MARKS = ("o", "s", "^", "D", "v", "P", "X")
COLOURS = [*list(PALETTE.values())[:5], "#56B4E9", "black"]
MOST_HEADS = 8


@styled
def score_variants(scores: pd.DataFrame, threshold: float) -> Figure:
    """Every score of the heads that stand highest by any, one panel per role; a bar is the 95 % interval.

    The dashed line is the threshold. `scores` needs: role definition site layer head value ci_low ci_high.
    """
    check_table(scores, "scores", [*HEAD, "role", "definition", "value", "ci_low", "ci_high"])
    scores = scores[scores["value"].notna()]
    if scores.empty:
        return nothing_to_show("no head has a score")
    scores = scores.assign(variant=_variants(scores))
    roles, variants = list(dict.fromkeys(scores["role"])), list(dict.fromkeys(scores["variant"]))
    figure = new_figure(FULL_WIDTH, 0.24 * MOST_HEADS + 1.3)
    drawn = panels(figure, len(roles), len(roles), sharex=True)
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
            one, colour = shown[here], COLOURS[number % len(COLOURS)]
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
        axes.set_xlabel("score")
    drawn[0].set_ylabel("head")
    marks, names = max((axes.get_legend_handles_labels() for axes in drawn), key=lambda found: len(found[1]))
    legend_above(figure, scores, marks, names, handletextpad=0.1)
    add_note(figure, [f"The heads highest by any score. Dashed: the threshold {threshold:g}."])
    return figure


def _variants(scores: pd.DataFrame) -> pd.Series:
    """`tl-mul` of `copying/induction-tl-mul@1`."""
    return scores["definition"].str.replace(r"^\w+/[^-]+-(.*)@\d+$", r"\1", regex=True)
