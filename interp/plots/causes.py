"""Patching: maps of how much each head, or each path to a receiver, carries, and the largest with intervals."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.heads import HEAD, head_name
from interp.plots.captions import add_caption, counted, how_many
from interp.plots.head_maps import head_maps
from interp.plots.labels import name_run
from interp.plots.style import PAGE, PALETTE, Style, check_table, floats, new_figure, nothing_to_show, panels, styled

LISTED = 10
"""Heads that the bars of one panel name."""
SHARE = "share of clean − corrupted"
SETTING = ["direction", "part", "position"]
RECEIVER = ["receiver", "receiver_input"]
NOTHING = "nothing was measured"


@styled
def patching_maps(patching: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """How much each head carries, a map for each direction, part and position.

    `patching` needs: direction part position site layer head n effect q.
    """
    check_table(patching, "patching", [*SETTING, *HEAD, "n", "effect", "q"])
    if patching.empty:
        return nothing_to_show(NOTHING, style)
    shows = "How much of the logit difference between clean and corrupted text goes with each head that is patched."
    maps = {_setting(name): rows for name, rows in patching.groupby(SETTING, sort=False)}
    return head_maps(maps, "effect", SHARE, signed=True, style=style, counts="prompts", shows=shows)


@styled
def patching_bars(patching: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The heads with the largest effects of each direction, part and position, with 95 % intervals.

    `patching` needs: direction part position site layer head n effect ci_low ci_high.
    """
    check_table(patching, "patching", [*SETTING, *HEAD, "n", "effect", "ci_low", "ci_high"])
    if patching.empty:
        return nothing_to_show(NOTHING, style)
    return _bars(
        {_setting(name): rows for name, rows in patching.groupby(SETTING, sort=False)}, patching, style,
        "The heads that carry most of the logit difference between clean and corrupted text when patched.", "heads",
    )  # fmt: skip


@styled
def path_maps(paths: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """How much each sender carries to a receiver, a map of senders for each receiver.

    `paths` needs: receiver receiver_input site layer head n effect q.
    """
    check_table(paths, "paths", [*RECEIVER, *HEAD, "n", "effect", "q"])
    if paths.empty:
        return nothing_to_show(NOTHING, style)
    maps = {_receiver(name): rows for name, rows in paths.groupby(RECEIVER, sort=False)}
    shows = "How much of the logit difference between clean and corrupted text goes along the path from each head."
    return head_maps(maps, "effect", SHARE, signed=True, style=style, counts="prompts", shows=shows)


@styled
def path_bars(paths: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The senders with the largest effects through each receiver, with 95 % intervals.

    `paths` needs: receiver receiver_input site layer head n effect ci_low ci_high.
    """
    check_table(paths, "paths", [*RECEIVER, *HEAD, "n", "effect", "ci_low", "ci_high"])
    if paths.empty:
        return nothing_to_show(NOTHING, style)
    return _bars(
        {_receiver(name): rows for name, rows in paths.groupby(RECEIVER, sort=False)}, paths, style,
        "The heads from which most of the logit difference between the texts goes along the path.", "paths",
    )  # fmt: skip


def _bars(parts: dict[str, pd.DataFrame], table: pd.DataFrame, style: Style, shows: str, what: str) -> Figure:
    across = 1 if style.is_narrow else min(len(parts), 2)
    shown = {
        name: rows.dropna(subset="effect").sort_values("effect", key=abs, ascending=False, kind="stable").head(LISTED)
        for name, rows in parts.items()
    }
    longest = max(len(rows) for rows in shown.values())
    if not longest:
        return nothing_to_show("the texts have the same answers, so that there is nothing to share", style)
    figure = new_figure(style, -(-len(parts) // across) * (0.17 * longest + 0.75) + 0.4)
    for axes, (name, rows) in zip(panels(figure, len(parts), across), shown.items(), strict=True):
        rows = rows.sort_values("effect", ascending=False, kind="stable")
        place, value = np.arange(len(rows)), floats(rows["effect"])
        axes.barh(place, value, color=PALETTE["positional"], height=0.7)
        axes.hlines(place, floats(rows["ci_low"]), floats(rows["ci_high"]), color="black", linewidth=0.7)
        axes.set_yticks(place, [head_name(*head) for head in rows[HEAD].itertuples(index=False)])
        axes.axvline(0, color="0.4", linewidth=0.6)
        axes.set_ylim(longest - 0.4, -0.6)
        axes.set_xlabel(SHARE)
        axes.set_title(name)
    name_run(figure, table)
    left = len(table) - sum(len(rows) for rows in shown.values())
    notes = [f"{how_many(left, f'other {what}')} not shown."] if left else []
    add_caption(
        figure, table, shows, [counted(table, "prompts")], ["Lines: 95 % intervals over blocks of prompts.", *notes]
    )
    figure.lay_out()
    return figure


def _setting(name: object) -> str:
    direction, part, position = map(str, name)  # pyright: ignore[reportArgumentType]
    return f"{direction}, {part}" + ("" if position == "all" else f" at {position}")


def _receiver(name: object) -> str:
    receiver, read = map(str, name)  # pyright: ignore[reportArgumentType]
    return "to the output" if receiver == "output" else f"to {read} of {receiver}"
