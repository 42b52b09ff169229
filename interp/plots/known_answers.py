"""How a method does on heads whose roles are known."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

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

SHARES = {"recall": PALETTE["positional"], "precision": PALETTE["lexical"]}


@styled
def known_answers(table: pd.DataFrame) -> Figure:
    """Recall and precision of every role, with 95 % intervals; one panel per kind of planted model.

    `table` needs: kind role found missed false, and precision and recall with their `_low` and `_high`.
    """
    check_table(table, "known_answers", ["kind", "role", "found", "missed", "false"])
    check_table(table, "known_answers", [f"{name}{end}" for name in SHARES for end in ("", "_low", "_high")])
    planted = table[table[["found", "missed", "false"]].sum(axis=1) > 0]
    if planted.empty:
        return nothing_to_show("no role was planted that could be tested, and none was found")
    kinds = list(dict.fromkeys(planted["kind"]))
    most = int(planted.groupby("kind").size().max())
    figure = new_figure(FULL_WIDTH, 0.2 * most + 1.0)
    for axes, kind in zip(panels(figure, len(kinds), len(kinds), sharex=True), kinds, strict=True):
        rows = planted[planted["kind"] == kind].iloc[::-1]
        for shift, (name, colour) in zip((0.15, -0.15), SHARES.items(), strict=True):
            value, low, high = (floats(rows[f"{name}{end}"]) for end in ("", "_low", "_high"))
            place = np.arange(len(rows)) + shift
            axes.hlines(place, low, high, color=colour, linewidth=1)
            axes.plot(value, place, "o", color=colour, markersize=3, label=name)
        found = [f"{short(role)} ({n})" for role, n in zip(rows["role"], rows["found"] + rows["missed"], strict=True)]
        axes.set_yticks(np.arange(len(rows)), found)
        axes.set(title=kind, xlim=(-0.02, 1.02))
    legend_above(figure, table.drop(columns="model", errors="ignore"), *figure.axes[0].get_legend_handles_labels())
    add_note(figure, ["In brackets: how often the role was planted and could be tested. Lines: exact 95 % intervals."])
    return figure
