"""What was published beside what was measured, claim by claim."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from interp.plots.style import BASELINE, FULL_WIDTH, SMALL, check_table, floats, new_figure, nothing_to_show, styled

VERDICTS = {"pass": "#0072B2", "fail": "#D55E00", "not measured": BASELINE, "no number": BASELINE}
"""Colours of verdicts, which differ in lightness as well."""


@styled
def claims(study: pd.DataFrame) -> Figure:
    """A row per claim: the published value with its tolerance in grey, the measured one as a dot.

    Numbers of different units share no axis, so each row is drawn on its own scale: the distance from the published
    value in tolerances, cut at five. `study` needs: claim published measured tolerance verdict head.
    """
    check_table(study, "study", ["claim", "published", "measured", "tolerance", "verdict", "head"])
    if study.empty:
        return nothing_to_show("the study makes no claim")
    rows = np.arange(len(study))[::-1]
    published, measured, tolerance = (floats(study[name]) for name in ("published", "measured", "tolerance"))
    unit = np.where(tolerance > 0, tolerance, 1.0)
    apart = np.clip((measured - published) / unit, -5, 5)

    figure = new_figure(FULL_WIDTH, 0.17 * len(study) + 0.9)
    axes = figure.subplots()
    axes.axvspan(-1, 1, color="0.92", zorder=0)
    axes.axvline(0, color="0.6", linewidth=0.6)
    for verdict, colour in VERDICTS.items():
        here = (study["verdict"] == verdict).to_numpy()
        at = np.where(np.isnan(apart), 0, apart)
        marker = "o" if verdict in ("pass", "fail") else "x"
        axes.scatter(at[here], rows[here], s=14, color=colour, marker=marker, zorder=3)
    axes.set_yticks(rows, [str(claim) for claim in study["claim"]], fontsize=SMALL)
    axes.set_xlim(-5.4, 5.4)
    axes.set_xlabel("measured − published, in tolerances")
    right = axes.secondary_yaxis("right")
    right.set_yticks(rows, [_numbers(p, m) for p, m in zip(published, measured, strict=True)], fontsize=SMALL)
    right.tick_params(length=0)
    axes.tick_params(axis="y", length=0)
    shown = [verdict for verdict in VERDICTS if (study["verdict"] == verdict).any()]
    handles = [Line2D([], [], marker="o", linestyle="", markersize=4, color=VERDICTS[one], label=one) for one in shown]
    axes.legend(handles=handles, loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(shown), frameon=False)
    return figure


def _numbers(published: float, measured: float) -> str:
    return " / ".join("–" if np.isnan(number) else f"{number:.3g}" for number in (published, measured))
