"""Whether intervals hold the truth as often as they say, and whether p is uniform where there is nothing to find."""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from interp.plots.labels import legend_above
from interp.plots.style import (
    BASELINE,
    FULL_WIDTH,
    PALETTE,
    add_note,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    panels,
    styled,
)

COLOURS = [PALETTE[family] for family in ("positional", "lexical", "syntax", "coreference", "copying")]
NULLS = {
    "exchange": "exchanges answers with the baseline",
    "document": "as often right as the baseline in the document",
    "population": "as often right as the baseline on the whole",
}


@styled
def coverage(table: pd.DataFrame) -> Figure:
    """The share of 95 % intervals that held the truth, against non-empty blocks; one panel per statistic.

    A coloured dot is one kind of head at one accuracy, its bar the 95 % interval of the share; the black dot is over
    all of them. `table` needs: statistic role kind accuracy split blocks coverage share_low share_high.
    """
    check_table(table, "calibration", ["statistic", "role", "kind", "accuracy", "split", "blocks"])
    check_table(table, "calibration", ["coverage", "share_low", "share_high"])
    shown = table[(table["role"] == "any") & (table["split"] == "any")]
    if shown.empty:
        return nothing_to_show("no corpus that was drawn had enough blocks for an interval")
    classes = list(dict.fromkeys(shown["blocks"]))
    statistics = list(dict.fromkeys(shown["statistic"]))
    figure = new_figure(FULL_WIDTH, 2.7)
    for axes, statistic in zip(panels(figure, len(statistics), len(statistics), sharey=True), statistics, strict=True):
        here = shown[shown["statistic"] == statistic]
        axes.axhspan(0.93, 0.97, color="0.93", zorder=0)
        axes.axhline(0.95, color="0.6", linewidth=0.6, linestyle="--", zorder=0)
        kinds = [kind for kind in dict.fromkeys(here["kind"]) if kind != "any"]
        conditions = here.loc[here["kind"] != "any", ["kind", "accuracy"]].drop_duplicates()
        shifts = np.linspace(-0.3, 0.3, max(len(conditions), 2))
        labelled = set()
        for shift, (kind, accuracy) in zip(shifts, conditions.itertuples(index=False, name=None), strict=False):
            rows = here[(here["kind"] == kind) & (here["accuracy"] == accuracy)]
            colour = COLOURS[kinds.index(kind) % len(COLOURS)]
            name = None if kind in labelled else kind.replace("_", " ")
            labelled.add(kind)
            _dots(axes, rows, classes, shift, colour, name, 2.2)
        _dots(axes, here[here["kind"] == "any"], classes, 0.42, "black", "all", 3.2)
        axes.set(xlabel="non-empty blocks of the split", title=f"95 % intervals of {statistic}")
        axes.set_xticks(range(len(classes)), classes)
    figure.axes[0].set_ylabel("share that held the truth")
    legend_above(figure, table, *figure.axes[0].get_legend_handles_labels(), handletextpad=0.2)
    add_note(
        figure, ["Dots of one colour: accuracies from low to high. Grey: 93 % to 97 %. Bars: sampling of corpora."]
    )
    return figure


def _dots(
    axes: Axes, rows: pd.DataFrame, classes: list[str], shift: float, colour: str, name: str | None, size: float
) -> None:
    x = np.array([classes.index(blocks) for blocks in rows["blocks"]]) + shift
    axes.vlines(x, floats(rows["share_low"]), floats(rows["share_high"]), color=colour, linewidth=0.6)
    axes.plot(x, floats(rows["coverage"]), "o", color=colour, markersize=size, label=name)


@styled
def null_p(curve: pd.DataFrame) -> Figure:
    """The share of p-values up to each level, under nulls; on the diagonal where p is uniform; a column per split.

    `curve` needs: ties null split level share share_low share_high.
    """
    check_table(curve, "null_p_curve", ["ties", "null", "split", "level", "share", "share_low", "share_high"])
    if curve.empty:
        return nothing_to_show("no corpus that was drawn could be tested")
    splits = list(dict.fromkeys(curve["split"]))
    shown = list(product(dict.fromkeys(curve["ties"]), splits))
    figure = new_figure(FULL_WIDTH, 0.4 + 2.4 * len(shown) / len(splits))
    for axes, (ties, split) in zip(panels(figure, len(shown), len(splits), sharey=True), shown, strict=True):
        axes.axline((0, 0), slope=1, color=BASELINE, linewidth=0.6, linestyle="--", zorder=0)
        here = curve[(curve["ties"] == ties) & (curve["split"] == split)]
        for number, (null, rows) in enumerate(here.groupby("null", sort=False)):
            colour, level = COLOURS[number % len(COLOURS)], floats(rows["level"])
            axes.plot(level, floats(rows["share"]), color=colour, linewidth=1.0, label=NULLS.get(str(null), str(null)))
            axes.fill_between(
                level, floats(rows["share_low"]), floats(rows["share_high"]), color=colour, alpha=0.2, linewidth=0
            )
        axes.set(xlabel="level", title=f"{split}, ties {ties}", xlim=(0, 1), ylim=(0, 1), aspect="equal")
        if split == splits[0]:
            axes.set_ylabel("share of p ≤ level")
    handles, names = figure.axes[0].get_legend_handles_labels()
    legend_above(figure, curve, handles, names)
    notes = [
        "Below the diagonal: fewer small p-values than uniform, a test on the safe side. Counted: p as in every table, "
        "with all sign vectors whose sum equals the observed one; broken: with a random part of them."
    ]
    add_note(figure, notes)
    return figure
