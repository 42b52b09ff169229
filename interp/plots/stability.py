"""How far roles hang on choices, how reliable their scores are, and which heads of two models are alike."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.plots.captions import add_caption, counted, how_many
from interp.plots.labels import dot, legend_above
from interp.plots.style import (
    BASELINE,
    LINES,
    OTHER_FAMILY,
    PAGE,
    Style,
    check_table,
    families_in,
    floats,
    marker,
    new_figure,
    nothing_to_show,
    panels,
    short,
    styled,
)

MOST_ROWS = 45


@styled
def sensitivity(table: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The share of heads whose set of roles flips with each choice; filled: of all heads, hollow: of those with a role.

    `table` needs: factor level share_flipped share_flipped_with_role jaccard.
    """
    check_table(table, "sensitivity", ["factor", "level", "share_flipped", "share_flipped_with_role", "jaccard"])
    if table["share_flipped"].isna().all():
        return nothing_to_show("no choice was changed", style)
    figure = new_figure(style, 0.17 * len(table) + 1.0)
    axes = figure.subplots()
    rows = np.arange(len(table))[::-1]
    factors = list(dict.fromkeys(table["factor"]))
    kinds = [*style.series, OTHER_FAMILY]
    colours = [kinds[factors.index(factor) % len(kinds)] for factor in table["factor"]]
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
    for row in np.flatnonzero(table["factor"].to_numpy()[1:] != table["factor"].to_numpy()[:-1]):
        axes.axhline(rows[row] - 0.5, color="0.85", linewidth=0.5, zorder=0)
    shows = "The share of heads whose set of roles flips when one choice is made otherwise."
    notes = [
        "Jaccard: how far the sets of roles agree. All heads of the model are counted, so shares have no interval."
    ]
    add_caption(figure, table, shows, [counted(table, "heads", "heads"), how_many(len(table), "choices")], notes)
    return figure


@styled
def reliability(table: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """Each role's split-half reliability over heads, with its 95 % interval; the roles with the most queries, sorted.

    `table` needs: role family n reliability ci_low ci_high.
    """
    check_table(table, "reliability", ["role", "family", "n", "reliability", "ci_low", "ci_high"])
    shown = table[table["reliability"].notna()]
    if shown.empty:
        return nothing_to_show("no role was scored on both halves for three heads or more", style)
    left_out = max(len(shown) - MOST_ROWS, 0)
    shown = shown.nlargest(MOST_ROWS, "n").sort_values("reliability", kind="stable")
    rows = np.arange(len(shown))
    figure = new_figure(style, 0.155 * len(shown) + 0.9)
    axes = figure.subplots()
    dots = []
    for family in families_in(shown["family"]):
        here, colour = (shown["family"] == family).to_numpy(), style.family_colour(family)
        low, high, value = (floats(shown[name])[here] for name in ("ci_low", "ci_high", "reliability"))
        axes.hlines(rows[here], low, high, color=colour, linewidth=0.8)
        axes.scatter(value, rows[here], color=colour, s=12, marker=marker(family))
        dots.append(dot(colour, family, marker=marker(family)))
    axes.set_yticks(rows, [short(role) for role in shown["role"]])
    of_what = "split-half reliability over heads"
    axes.set_xlabel(f"{of_what}\n(Spearman–Brown)" if style.is_narrow else f"{of_what} (Spearman–Brown)")
    axes.set_ylim(-0.8, len(shown) - 0.2)
    legend_above(figure, shown, dots, handletextpad=0.1)
    notes = ["Bars: 95 % intervals.", *([f"{left_out} rarer roles are in the table alone."] if left_out else [])]
    shows = "How reliable each role's scores are: one half of the documents against the other, over heads."
    counts = [counted(shown, "heads", "heads"), counted(shown, "queries a role")]
    add_caption(figure, shown, shows, counts, notes)
    return figure


@styled
def matching(matched: pd.DataFrame, nulls: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The mean similarity of matched heads, against what matching gives where there is nothing to match.

    `matched` needs: by similarity null p; `nulls` needs: by null similarity.
    """
    check_table(matched, "matching", ["by", "null", "similarity", "p"])
    check_table(nulls, "matching_null", ["by", "null", "similarity"])
    kinds = list(dict.fromkeys(matched["by"]))
    if not kinds:
        return nothing_to_show("no two sets of heads were matched", style)
    across = 1 if style.is_narrow else 2
    figure = new_figure(style, 0.5 + 2.1 * -(-len(kinds) // across))
    names = list(dict.fromkeys(nulls["null"]))
    marks: dict[str, Any] = {}
    for axes, by in zip(panels(figure, len(kinds), across), kinds, strict=True):
        here = nulls[nulls["by"] == by]
        for null, rows in here.groupby("null", sort=False):
            values, place = floats(rows["similarity"]), names.index(null)
            if len(values) > 1:
                *_, marks[str(null)] = axes.hist(values, bins=20, color=BASELINE, alpha=0.7)
            else:
                colour, dashes = style.series[place % len(style.series)], LINES[1 + place % (len(LINES) - 1)]
                marks[str(null)] = axes.axvline(values[0], color=colour, linestyle=dashes)
        measured = floats(matched.loc[matched["by"] == by, "similarity"])[0]
        marks["matched"] = axes.axvline(measured, color="black", linewidth=1.4)
        axes.set(xlabel="mean similarity of matched heads (1: alike)", title=f"by {by}", yticks=[])
    legend_above(figure, matched, list(marks.values()), list(marks))
    shows = "The mean similarity of heads that are matched one to one, and what matching gives by chance."
    counts = [counted(matched, "heads", "heads"), counted(matched, "heads of the other", "other_heads")]
    counts += [how_many(len(nulls), "draws of nulls")]
    add_caption(figure, matched, shows, counts, ["Grey: how often a null has such a mean."])
    return figure
