"""What replacing a role's heads does under every replacement, beside what the same does to other heads."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.plots.captions import add_caption, counted, how_many
from interp.plots.labels import legend_above
from interp.plots.style import (
    BASELINE,
    PAGE,
    Style,
    check_table,
    floats,
    metric_label,
    new_figure,
    nothing_to_show,
    panels,
    short,
    styled,
)

ITSELF = "none"
MARKS = ("o", "s", "^", "D", "v", "P", "X")
MOST = 4
"""Roles, and controls of a role, that are shown."""


@styled
def role_ablation(table: pd.DataFrame, draws: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """A panel for each role: the effect on the first metric with its interval, by replacement and by whose heads.

    Grey ticks are single random sets. `table` needs: role control replacement metric n effect ci_low ci_high; `draws`:
    role replacement metric effect.
    """
    needed = ["role", "control", "replacement", "metric", "n", "effect", "ci_low", "ci_high"]
    check_table(table, "role_ablation", needed)
    check_table(draws, "role_ablation_draws", ["role", "replacement", "metric", "effect"])
    if table.empty:
        return nothing_to_show("nothing was measured", style)
    metric = table["metric"].iloc[0]
    table, draws = (one[one["metric"] == metric] for one in (table, draws))
    every, replacements = list(dict.fromkeys(table["role"])), list(dict.fromkeys(table["replacement"]))
    roles, across = every[:MOST], 1 if style.is_narrow else min(len(every), 2)
    kinds = list(dict.fromkeys(_kind(control) for control in table["control"]))[: len(MARKS)]
    figure = new_figure(style, -(-len(roles) // across) * (0.28 * len(replacements) + 0.9) + 0.8)
    handles = {}
    for role, axes in zip(roles, panels(figure, len(roles), across, sharex=False), strict=True):
        here = table[table["role"] == role]
        own_draws = draws[draws["role"] == role]
        place = {replacement: number for number, replacement in enumerate(replacements)}
        axes.scatter(
            floats(own_draws["effect"]), [place[one] + _offset("random", kinds) for one in own_draws["replacement"]],
            marker="|", s=18, color="0.75", linewidths=0.6, zorder=1,
        )  # fmt: skip
        for number, kind in enumerate(kinds):
            rows = here[[_kind(control) == kind for control in here["control"]]]
            at = np.array([place[one] for one in rows["replacement"]]) + _offset(kind, kinds)
            colour = style.series[0] if kind == ITSELF else BASELINE if kind == "random" else "0.25"
            axes.hlines(at, floats(rows["ci_low"]), floats(rows["ci_high"]), color=colour, linewidth=0.9, zorder=2)
            handles[kind] = axes.scatter(
                floats(rows["effect"]), at, marker=MARKS[number], s=14, color=colour, zorder=3, linewidths=0
            )
        axes.axvline(0, color="0.4", linewidth=0.6, zorder=0)
        axes.set_yticks(range(len(replacements)), replacements)
        axes.set_ylim(len(replacements) - 0.4, -0.6)
        axes.set_title(short(role))
        axes.set_xlabel(f"effect on {metric_label(str(metric))}")
    legend_above(figure, table, list(handles.values()), [_named(kind) for kind in handles])
    left = len(every) - len(roles)
    add_caption(
        figure, table, "What replacing the heads of a role does, beside what replacing other heads does.",
        [counted(table, "documents")],
        [
            "Bars: 95 % intervals over blocks of documents. Positive: the heads helped.",
            "Grey ticks: single random sets of as many heads of the same layers.",
            *([f"{how_many(left, 'roles')} not shown."] if left else []),
        ],
    )  # fmt: skip
    figure.lay_out()
    return figure


def _kind(control: str) -> str:
    """Of a control its kind: the heads of any other role are one."""
    return "heads of another role" if control.startswith("heads of ") else control


def _named(kind: str) -> str:
    return {ITSELF: "the role's heads", "random": "random heads (mean)", "as loud": "heads that write as much"}.get(
        kind, kind
    )


def _offset(kind: str, kinds: list[str]) -> float:
    """Where in the row of its replacement a kind stands."""
    return 0.5 * (kinds.index(kind) / max(len(kinds) - 1, 1) - 0.5) if kind in kinds else 0.0
