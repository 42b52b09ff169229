"""What was published beside what was measured, claim by claim."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from interp.plots.captions import add_caption, counted, how_many
from interp.plots.labels import wrapped
from interp.plots.style import (
    BASELINE,
    PAGE,
    SMALL,
    Style,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    styled,
)

VERDICTS = {
    "pass": ("#0072B2", "o"),
    "fail": ("#D55E00", "X"),
    "not measured": (BASELINE, "+"),
    "no number": (BASELINE, "x"),
}
"""Colours of verdicts, which differ in lightness as well, and marks."""

LINE = 0.115
"""Inches of a line of small text."""
MOST_LINES = 70
LIMIT = 5.0
"""Tolerances: a claim that is missed by more is drawn at the edge."""


@styled
def claims(study: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """A row per claim: the published value with its tolerance in grey, the measured one as a mark.

    Numbers of different units share no axis, so each row is drawn on its own scale: the distance from the published
    value in tolerances, cut at five. Of more claims than a page has room for, those that failed come first.
    `study` needs: claim published measured tolerance verdict head.
    """
    check_table(study, "study", ["claim", "published", "measured", "tolerance", "verdict", "head"])
    if study.empty:
        return nothing_to_show("the study makes no claim", style)
    room = (style.inches * 72) * (0.42 if style.is_narrow else 0.55)
    shown = _that_fit(study, room)
    labels = [wrapped(str(claim), room, SMALL) for claim in shown["claim"]]
    heights = [LINE * (label.count("\n") + 1) + 0.055 for label in labels]
    # the middle of every row, the first on top
    rows = sum(heights) - np.cumsum(heights) + np.array(heights) / 2
    published, measured, tolerance = (floats(shown[name]) for name in ("published", "measured", "tolerance"))
    apart = np.clip((measured - published) / np.where(tolerance > 0, tolerance, 1.0), -LIMIT, LIMIT)

    figure = new_figure(style, sum(heights) + 0.9)
    axes = figure.subplots()
    axes.axvspan(-1, 1, color="0.92", zorder=0)
    axes.axvline(0, color="0.6", linewidth=0.6)
    for verdict, (colour, mark) in VERDICTS.items():
        here = (shown["verdict"] == verdict).to_numpy()
        at = np.where(np.isnan(apart), 0, apart)
        axes.scatter(at[here], rows[here], s=16, color=colour, marker=mark, linewidths=0.8, zorder=3)
    axes.set_yticks(rows, labels, fontsize=SMALL)
    axes.set(xlim=(-LIMIT - 0.4, LIMIT + 0.4), ylim=(0, sum(heights)))
    axes.set_xlabel(
        "measured − published,\nin tolerances" if style.is_narrow else "measured − published, in tolerances"
    )
    right = axes.secondary_yaxis("right")
    right.set_yticks(rows, [_numbers(p, m) for p, m in zip(published, measured, strict=True)], fontsize=SMALL)
    right.tick_params(length=0)
    axes.tick_params(axis="y", length=0)
    present = [verdict for verdict in VERDICTS if (shown["verdict"] == verdict).any()]
    handles = [
        Line2D([], [], marker=mark, linestyle="", markersize=4, color=colour, label=verdict)
        for verdict, (colour, mark) in VERDICTS.items()
        if verdict in present
    ]
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=min(len(present), 2))
    notes = [
        "Grey: the tolerance. On the right: published / measured. Marks at the edge are five tolerances off or more."
    ]
    if len(study) > len(shown):
        notes.append(f"{how_many(len(study) - len(shown), 'claims')} more are in the table study.")
    shows = "A paper's claims beside what this run measured, a row each, as distances in tolerances."
    add_caption(
        figure, study, shows, [how_many(len(study), "claims"), counted(study, "queries or documents a claim")], notes
    )
    return figure


def _that_fit(study: pd.DataFrame, room: float) -> pd.DataFrame:
    """All claims where there is room; else as many as fit, those that failed first, in their order."""
    lines = np.array([wrapped(str(claim), room, SMALL).count("\n") + 1.5 for claim in study["claim"]])
    if lines.sum() <= MOST_LINES:
        return study
    by_verdict = np.argsort((study["verdict"] != "fail").to_numpy(), kind="stable")
    kept = by_verdict[np.cumsum(lines[by_verdict]) <= MOST_LINES]
    return study.iloc[np.sort(kept)]


def _numbers(published: float, measured: float) -> str:
    return " / ".join("–" if np.isnan(one) else f"{one:.3g}" for one in (published, measured))
