"""How far roles hang on choices, how reliable their scores are, and which heads of two models are alike."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.plots.labels import legend_above
from interp.plots.style import (
    BASELINE,
    COLUMN_WIDTH,
    FULL_WIDTH,
    OTHER_FAMILY,
    PALETTE,
    add_note,
    check_table,
    families_in,
    family_colour,
    floats,
    new_figure,
    nothing_to_show,
    short,
    styled,
)

COLOURS = [*(PALETTE[family] for family in ("positional", "lexical", "syntax", "coreference", "copying")), OTHER_FAMILY]
MOST_ROWS = 45


@styled
def sensitivity(table: pd.DataFrame) -> Figure:
    """The share of heads whose set of roles flips with each choice; filled: of all heads, hollow: of those with a role.

    `table` needs: factor level share_flipped share_flipped_with_role jaccard.
    """
    check_table(table, "sensitivity", ["factor", "level", "share_flipped", "share_flipped_with_role", "jaccard"])
    if table["share_flipped"].isna().all():
        return nothing_to_show("no choice was changed")
    figure = new_figure(FULL_WIDTH, 0.17 * len(table) + 1.0)
    axes = figure.subplots()
    rows = np.arange(len(table))[::-1]
    factors = list(dict.fromkeys(table["factor"]))
    colours = [COLOURS[factors.index(factor) % len(COLOURS)] for factor in table["factor"]]
    axes.hlines(rows, 0, floats(table["share_flipped_with_role"]), color="0.85", linewidth=0.8, zorder=0)
    axes.scatter(floats(table["share_flipped"]), rows, c=colours, s=14, label="of all heads")
    hollow = floats(table["share_flipped_with_role"])
    axes.scatter(hollow, rows, facecolors="white", edgecolors=colours, s=14, label="of heads with a role either way")
    for row, jaccard in zip(rows, floats(table["jaccard"]), strict=True):
        agrees = "–" if np.isnan(jaccard) else f"{jaccard:.2f}"
        axes.annotate(agrees, (1.0, row), xycoords=("axes fraction", "data"), xytext=(4, 0),
                      textcoords="offset points", va="center", fontsize=6, annotation_clip=False)  # fmt: skip
    axes.annotate(
        "Jaccard", (1.0, 1.0), xycoords="axes fraction", xytext=(4, 2), textcoords="offset points", fontsize=6
    )
    names = [f"{factor}: {level}" for factor, level in zip(table["factor"], table["level"], strict=True)]
    axes.set_yticks(rows, [short(name.replace("aggregation: ", "")) for name in names])
    axes.set(xlabel="share of heads whose set of roles flips", ylim=(-0.7, len(table) - 0.3))
    axes.set_xlim(left=-0.01)
    legend_above(figure, table, *axes.get_legend_handles_labels())
    return figure


@styled
def reliability(table: pd.DataFrame) -> Figure:
    """Each role's split-half reliability over heads, with its 95 % interval; the roles with the most queries, sorted.

    `table` needs: role family n reliability ci_low ci_high.
    """
    check_table(table, "reliability", ["role", "family", "n", "reliability", "ci_low", "ci_high"])
    shown = table[table["reliability"].notna()]
    if shown.empty:
        return nothing_to_show("no role was scored on both halves for three heads or more")
    left_out = max(len(shown) - MOST_ROWS, 0)
    shown = shown.nlargest(MOST_ROWS, "n").sort_values("reliability", kind="stable")
    rows = np.arange(len(shown))
    figure = new_figure(FULL_WIDTH, 0.155 * len(shown) + 0.9)
    axes = figure.subplots()
    colours = [family_colour(family) for family in shown["family"]]
    axes.hlines(rows, floats(shown["ci_low"]), floats(shown["ci_high"]), color=colours, linewidth=0.8)
    axes.scatter(floats(shown["reliability"]), rows, c=colours, s=12)
    for family in families_in(shown["family"]):
        axes.plot([], [], "o", color=family_colour(family), markersize=3, label=family)
    axes.set_yticks(rows, [short(role) for role in shown["role"]])
    axes.set(xlabel="split-half reliability over heads (Spearman–Brown)", ylim=(-0.8, len(shown) - 0.2))
    legend_above(figure, shown, *axes.get_legend_handles_labels(), handletextpad=0.1)
    add_note(figure, [f"{left_out} rarer roles are in the table alone."] if left_out else [])
    return figure


@styled
def matching(matched: pd.DataFrame, nulls: pd.DataFrame) -> Figure:
    """The mean similarity of matched heads, against what matching gives where there is nothing to match.

    `matched` needs: by similarity null p; `nulls` needs: by null similarity.
    """
    check_table(matched, "matching", ["by", "null", "similarity", "p"])
    check_table(nulls, "matching_null", ["by", "null", "similarity"])
    kinds = list(dict.fromkeys(matched["by"]))
    if not kinds:
        return nothing_to_show("no two sets of heads were matched")
    figure = new_figure(COLUMN_WIDTH * max(len(kinds), 1), 2.6)
    names = list(dict.fromkeys(nulls["null"]))
    marks: dict[str, Any] = {}
    for axes, by in zip(figure.subplots(1, len(kinds), squeeze=False)[0], kinds, strict=True):
        here = nulls[nulls["by"] == by]
        for null, rows in here.groupby("null", sort=False):
            values, colour = floats(rows["similarity"]), COLOURS[names.index(null) % len(COLOURS)]
            if len(values) > 1:
                *_, marks[str(null)] = axes.hist(values, bins=20, color=BASELINE, alpha=0.7)
            else:
                marks[str(null)] = axes.axvline(values[0], color=colour, linestyle="--")
        measured = floats(matched.loc[matched["by"] == by, "similarity"])[0]
        marks["matched"] = axes.axvline(measured, color="black", linewidth=1.4)
        axes.set(xlabel="mean similarity of matched heads", title=f"by {by}", yticks=[])
    legend_above(figure, matched, list(marks.values()), list(marks))
    return figure
