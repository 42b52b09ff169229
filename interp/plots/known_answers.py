"""How a method does on heads whose roles are known."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.plots.captions import add_caption, how_many
from interp.plots.labels import legend_above
from interp.plots.style import (
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

SHARES = {"recall": ("positional", "o"), "precision": ("lexical", "D")}
"""By share: the family whose colour it has, and its mark."""


@styled
def known_answers(table: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """Recall and precision of every role, with 95 % intervals; one panel per kind of planted model.

    `table` needs: kind role found missed false, and precision and recall with their `_low` and `_high`.
    """
    check_table(table, "known_answers", ["kind", "role", "found", "missed", "false"])
    check_table(table, "known_answers", [f"{name}{end}" for name in SHARES for end in ("", "_low", "_high")])
    planted = table[table[["found", "missed", "false"]].sum(axis=1) > 0]
    if planted.empty:
        return nothing_to_show("no role was planted that could be tested, and none was found", style)
    kinds = list(dict.fromkeys(planted["kind"]))
    most = int(planted.groupby("kind").size().max())
    across = 1 if style.is_narrow else min(len(kinds), 3)
    figure = new_figure(style, -(-len(kinds) // across) * (0.2 * most + 0.4) + 0.6)
    for axes, kind in zip(panels(figure, len(kinds), across, sharex=True), kinds, strict=True):
        rows = planted[planted["kind"] == kind].iloc[::-1]
        for shift, (name, (family, mark)) in zip((0.15, -0.15), SHARES.items(), strict=True):
            colour = style.family_colour(family)
            value, low, high = (floats(rows[f"{name}{end}"]) for end in ("", "_low", "_high"))
            place = np.arange(len(rows)) + shift
            axes.hlines(place, low, high, color=colour, linewidth=1)
            axes.plot(value, place, mark, color=colour, markersize=3, label=name)
        found = [f"{short(role)} ({n})" for role, n in zip(rows["role"], rows["found"] + rows["missed"], strict=True)]
        axes.set_yticks(np.arange(len(rows)), found)
        axes.set(title=kind, xlim=(-0.02, 1.02), xlabel="share")
    legend_above(figure, table.drop(columns="model", errors="ignore"), *figure.axes[0].get_legend_handles_labels())
    notes = ["In brackets: how often the role was planted and could be tested. Lines: exact 95 % intervals."]
    planted_roles = int((planted["found"] + planted["missed"])[planted["role"] != "all"].sum())
    shows = (
        "How many planted roles are found (recall), and how many of those found were planted (precision), as shares."
    )
    add_caption(figure, table, shows, [how_many(planted_roles, "planted roles")], notes)
    return figure
