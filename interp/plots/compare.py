"""Several runs beside one another: the best head of each role in each, and where effects of heads differ."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from interp.heads import HEAD, head_name
from interp.plots.captions import add_caption, counted, how_many
from interp.plots.labels import dot, legend_above
from interp.plots.style import (
    PAGE,
    PaperFigure,
    Style,
    check_table,
    floats,
    metric_label,
    new_figure,
    nothing_to_show,
    short,
    styled,
)

MARKS = "os^Dv"
"""The marks of the first, second, … run: as many as a style has colours for them."""
MOST_ROWS = 30


@styled
def compared_roles(table: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The lift of each role's best head in every run with its 95 % interval; filled where the head has the role.

    Of more than five runs the first five, of more than thirty roles those with the largest lifts in any run; what is
    left out is said. `table` needs: run role site lift ci_low ci_high has_role n.
    """
    _check(table, "compared_roles", ["role", "site", "lift", "ci_low", "ci_high", "has_role", "n"])
    runs = list(dict.fromkeys(table["run"]))
    shown = table[table["run"].isin(runs[: len(MARKS)]) & table["lift"].notna()]
    if shown.empty:
        return nothing_to_show("no role has a lift in any run", style)
    by_role = shown.groupby(["role", "site"], sort=False)["lift"].max().sort_values(ascending=False, kind="stable")
    rows = list(by_role.index[:MOST_ROWS])[::-1]
    figure, axes = _rows(style, rows, runs)
    for place, run in enumerate(runs[: len(MARKS)]):
        here = shown[shown["run"] == run].drop_duplicates(["role", "site"]).set_index(["role", "site"])
        here = here.reindex(pd.MultiIndex.from_tuples(rows, names=["role", "site"]))
        filled = [has is True for has in here["has_role"]]
        _dots(axes, here, "lift", ("ci_low", "ci_high"), place, _shift(place, len(runs)), filled, style)
    names = [role if site == "self" else f"{role} ({site})" for role, site in rows]
    axes.set_yticks(np.arange(len(rows)), [short(name) for name in names])
    axes.set_xlabel("lift of the best head, held-out split")
    shape = [dot("black", "has the role"), dot("black", "without the role", filled=False)]
    _legend(figure, runs, shape, style)
    drawn = shown.set_index(["role", "site"]).loc[rows]
    shows = (
        "The best head of every role in every run, chosen on the discovery split; bars are 95 % intervals of its lift."
    )
    counts = [how_many(len(rows), "roles"), counted(drawn, "queries a role and run")]
    add_caption(
        figure, pd.DataFrame(), shows, counts, _left_out(len(by_role) - len(rows), "roles with smaller lifts", runs)
    )
    return figure


@styled
def compared_effects(table: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The differences from the first run that are largest, with their 95 % intervals, of the first metric and ablation.

    `table` needs: run site layer head ablation metric n difference difference_low difference_high.
    """
    _check(
        table,
        "compared_effects",
        [*HEAD, "ablation", "metric", "n", "difference", "difference_low", "difference_high"],
    )
    known = table[table["difference"].notna()]
    if known.empty:
        return nothing_to_show("no effect was measured in two runs", style)
    ablation, metric = known[["ablation", "metric"]].iloc[0]
    runs = list(dict.fromkeys(table["run"]))
    of_one = known[(known["ablation"] == ablation) & (known["metric"] == metric)]
    shown = of_one[of_one["run"].isin(runs[: len(MARKS)])]
    by_head = shown.assign(size=shown["difference"].abs()).groupby(HEAD, sort=False)["size"].max()
    rows = list(by_head.sort_values(ascending=False, kind="stable").index[:MOST_ROWS])[::-1]
    figure, axes = _rows(style, rows, runs)
    for place, run in enumerate(runs[: len(MARKS)]):
        here = shown[shown["run"] == run].set_index(HEAD).reindex(pd.MultiIndex.from_tuples(rows, names=HEAD))
        filled = [True] * len(rows)
        shift = _shift(place - 1, len(runs) - 1)
        _dots(axes, here, "difference", ("difference_low", "difference_high"), place, shift, filled, style)
    axes.set_yticks(np.arange(len(rows)), [head_name(*head) for head in rows])
    unit = metric_label(str(metric))
    axes.set_xlabel(
        f"difference of effects on {unit}" if style.is_narrow else f"effect on {unit}, less that in the first run"
    )
    _legend(figure, runs, [], style, first=1)
    shows = (
        f"Effects of {ablation} ablation on {unit}, less those of the same heads in {short(runs[0])}, with paired 95 % "
        "intervals where the documents are the same."
    )
    counts = [how_many(len(rows), "heads"), counted(shown, "documents")]
    add_caption(
        figure,
        pd.DataFrame(),
        shows,
        counts,
        _left_out(len(by_head) - len(rows), "heads with smaller differences", runs),
    )
    return figure


def _check(table: pd.DataFrame, name: str, columns: list[str]) -> None:
    """As `check_table`, which would refuse several runs; here they are what is shown."""
    check_table(table.drop(columns=["model", "corpus", "seed"], errors="ignore").head(0), name, ["run", *columns])


def _rows(style: Style, rows: list[Any], runs: list[str]) -> tuple[PaperFigure, Axes]:
    """A figure with a row for each of these, high enough for the runs beside one another in it."""
    figure = new_figure(style, (0.1 + 0.05 * min(len(runs), len(MARKS))) * len(rows) + 1.3)
    axes = figure.subplots()
    axes.axvline(0, color="0.7", linewidth=0.6, zorder=0)
    axes.set_ylim(-0.7, len(rows) - 0.3)
    axes.tick_params(axis="y", length=0)
    for row in range(1, len(rows)):
        axes.axhline(row - 0.5, color="0.92", linewidth=0.5, zorder=0)
    return figure, axes


def _dots(
    axes: Axes,
    here: pd.DataFrame,
    number: str,
    interval: tuple[str, str],
    place: int,
    shift: float,
    filled: list[bool],
    style: Style,
) -> None:
    """The numbers of one run and their intervals, a little above or below the middle of their rows."""
    colour, up = style.series[place], np.arange(len(here)) + shift
    axes.hlines(up, floats(here[interval[0]]), floats(here[interval[1]]), color=colour, linewidth=0.8)
    faces = [colour if is_filled else "white" for is_filled in filled]
    look = {"s": 10, "edgecolors": colour, "linewidths": 0.8, "zorder": 3, "marker": MARKS[place]}
    axes.scatter(floats(here[number]), up, facecolors=faces, **look)


def _shift(place: int, count: int) -> float:
    """How far above or below the middle of its row a run stands, of so many."""
    count = min(count, len(MARKS))
    return 0.0 if count < 2 else 0.5 * (0.5 - place / (count - 1))


def _legend(figure: PaperFigure, runs: list[str], others: list[Line2D], style: Style, first: int = 0) -> None:
    shown = list(enumerate(runs[: len(MARKS)]))[first:]
    named = [dot(style.series[place], short(run), marker=MARKS[place]) for place, run in shown]
    legend_above(figure, pd.DataFrame(), [*named, *others], handletextpad=0.1)


def _left_out(rows: int, what: str, runs: list[str]) -> list[str]:
    notes = [f"Left out: {rows} {what}."] if rows > 0 else []
    return [*notes, *([f"Left out: {len(runs) - len(MARKS)} runs."] if len(runs) > len(MARKS) else [])]
