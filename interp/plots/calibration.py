"""Whether intervals hold the truth as often as they say, and whether p is uniform where there is nothing to find."""

from itertools import product
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from interp.plots.captions import add_caption, counted
from interp.plots.labels import legend_above, wrapped
from interp.plots.style import (
    BASELINE,
    LINES,
    PAGE,
    Style,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    panels,
    styled,
)

MARKS = ("s", "^", "D", "v", "P")
NULLS = {
    "exchange": "exchanges answers with the baseline",
    "document": "as often right as the baseline in the document",
    "population": "as often right as the baseline on the whole",
}


@styled
def coverage(table: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The share of 95 % intervals that held the truth, against non-empty blocks; one panel per statistic.

    A coloured dot is one kind of head at one accuracy, its bar the 95 % interval of the share; the black dot is over
    all of them. `table` needs: statistic role kind accuracy split blocks coverage share_low share_high.
    """
    check_table(table, "calibration", ["statistic", "role", "kind", "accuracy", "split", "blocks"])
    check_table(table, "calibration", ["coverage", "share_low", "share_high"])
    shown = table[(table["role"] == "any") & (table["split"] == "any")]
    if shown.empty:
        return nothing_to_show("no corpus that was drawn had enough blocks for an interval", style)
    classes = list(dict.fromkeys(shown["blocks"]))
    statistics = list(dict.fromkeys(shown["statistic"]))
    across = 1 if style.is_narrow else len(statistics)
    figure = new_figure(style, 0.5 + 2.2 * -(-len(statistics) // across))
    drawn = panels(figure, len(statistics), across, sharey=True)
    for axes, statistic in zip(drawn, statistics, strict=True):
        here = shown[shown["statistic"] == statistic]
        axes.axhspan(0.93, 0.97, color="0.93", zorder=0)
        axes.axhline(0.95, color="0.6", linewidth=0.6, linestyle="--", zorder=0)
        kinds = [kind for kind in dict.fromkeys(here["kind"]) if kind != "any"]
        conditions = here.loc[here["kind"] != "any", ["kind", "accuracy"]].drop_duplicates()
        shifts = np.linspace(-0.3, 0.3, max(len(conditions), 2))
        labelled = set()
        for shift, (kind, accuracy) in zip(shifts, conditions.itertuples(index=False, name=None), strict=False):
            rows = here[(here["kind"] == kind) & (here["accuracy"] == accuracy)]
            kind_number = kinds.index(kind) % len(MARKS)
            look = {"color": style.series[kind_number], "marker": MARKS[kind_number], "markersize": 2.2}
            name = None if kind in labelled else kind.replace("_", " ")
            labelled.add(kind)
            _dots(axes, rows, classes, shift, name, look)
        over_all = {"color": "black", "marker": "o", "markersize": 3.2}
        _dots(axes, here[here["kind"] == "any"], classes, 0.42, "all", over_all)
        axes.set_title(f"95 % intervals of {statistic}")
        axes.set_xlabel("non-empty blocks of the split" if axes in drawn[-across:] else "")
        axes.set_ylabel("share that held the truth" if axes in drawn[::across] else "")
        axes.set_xticks(range(len(classes)), classes)
    legend_above(figure, table, *figure.axes[0].get_legend_handles_labels(), handletextpad=0.2)
    notes = [
        "Marks of one kind: accuracies from low to high. Grey band: 93 % to 97 %. Bars: 95 % intervals of the "
        "share, over the corpora that were drawn."
    ]
    shows = "The share of 95 % intervals that held the truth, by the number of blocks of documents."
    counts = [counted(shown, "intervals a mark", "intervals"), counted(shown, "corpora drawn", "corpora")]
    add_caption(figure, table, shows, counts if any(counts) else [f"{len(shown)} marks"], notes)
    return figure


def _dots(
    axes: Axes, rows: pd.DataFrame, classes: list[str], shift: float, name: str | None, look: dict[str, Any]
) -> None:
    x = np.array([classes.index(blocks) for blocks in rows["blocks"]]) + shift
    axes.vlines(x, floats(rows["share_low"]), floats(rows["share_high"]), color=look["color"], linewidth=0.6)
    axes.plot(x, floats(rows["coverage"]), linestyle="", label=name, **look)


@styled
def null_p(curve: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The share of p-values up to each level, under nulls; on the diagonal where p is uniform; a column per split.

    `curve` needs: ties null split level share share_low share_high.
    """
    check_table(curve, "null_p_curve", ["ties", "null", "split", "level", "share", "share_low", "share_high"])
    if curve.empty:
        return nothing_to_show("no corpus that was drawn could be tested", style)
    splits = list(dict.fromkeys(curve["split"]))
    shown = list(product(dict.fromkeys(curve["ties"]), splits))
    across = len(splits) if style.is_narrow else min(len(shown), 4)
    each = style.inches / across
    figure = new_figure(style, 1.2 + (min(each, 2.4) + 0.3) * -(-len(shown) // across))
    drawn = panels(figure, len(shown), across, sharey=True)
    for axes, (ties, split) in zip(drawn, shown, strict=True):
        axes.axline((0, 0), slope=1, color=BASELINE, linewidth=0.6, linestyle="--", zorder=0)
        here = curve[(curve["ties"] == ties) & (curve["split"] == split)]
        for number, (null, rows) in enumerate(here.groupby("null", sort=False)):
            colour, level = style.series[number % len(style.series)], floats(rows["level"])
            look: dict[str, Any] = {"color": colour, "linewidth": 1.0, "linestyle": LINES[number % len(LINES)]}
            axes.plot(level, floats(rows["share"]), label=NULLS.get(str(null), str(null)), **look)
            axes.fill_between(
                level, floats(rows["share_low"]), floats(rows["share_high"]), color=colour, alpha=0.2, linewidth=0
            )
        axes.set(xlim=(0, 1), ylim=(0, 1), aspect="equal")
        axes.set_title(wrapped(f"{split}, ties {ties}", each * 72 - 40))
        axes.set_xlabel("level" if axes in drawn[-across:] else "")
        axes.set_ylabel("share of p ≤ level" if axes in drawn[::across] else "")
    handles, names = figure.axes[0].get_legend_handles_labels()
    legend_above(figure, curve, handles, names)
    notes = [
        "Below the diagonal: fewer small p-values than uniform, a test on the safe side. Counted: p as in every table, "
        "with all sign vectors whose sum equals the observed one; broken: with a random part of them."
    ]
    shows = "The share of p-values up to each level where there is nothing to find; on the diagonal p is uniform."
    counts = [f"{curve['level'].nunique()} levels", f"{curve['null'].nunique()} nulls"]
    add_caption(figure, curve, shows, counts, [*notes, "Shades: 95 % intervals over the corpora that were drawn."])
    return figure
