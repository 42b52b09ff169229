"""Several runs beside one another: the best head of each role in each, and where effects of heads differ."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.heads import HEAD, head_name
from interp.plots.labels import dot, legend_above
from interp.plots.style import (
    FULL_WIDTH,
    OTHER_FAMILY,
    PALETTE,
    add_note,
    check_table,
    floats,
    metric_label,
    new_figure,
    nothing_to_show,
    short,
    styled,
)

COLOURS = [*(PALETTE[family] for family in ("positional", "lexical", "syntax", "coreference", "copying")), OTHER_FAMILY]
MOST_RUNS = len(COLOURS)
MOST_ROWS = 30


@styled
def compared_roles(table: pd.DataFrame) -> Figure:
    """The lift of each role's best head in every run with its 95 % interval; filled where the head has the role.

    `table` needs: run role site lift ci_low ci_high has_role.
    """
    needed = ["run", "role", "site", "lift", "ci_low", "ci_high", "has_role"]
    check_table(table.drop(columns=["run", "model", "corpus", "seed"], errors="ignore"), "compared_roles", needed[1:])
    runs = list(dict.fromkeys(table["run"]))
    drawn = table[table["run"].isin(runs[:MOST_RUNS]) & table["lift"].notna()]
    if drawn.empty:
        return nothing_to_show("no role has a lift in any run")
    by_role = drawn.groupby(["role", "site"], sort=False)["lift"].max().sort_values(ascending=False, kind="stable")
    rows = list(by_role.index[:MOST_ROWS])[::-1]
    figure = new_figure(FULL_WIDTH, 0.1 * len(rows) * (1 + min(len(runs), MOST_RUNS)) / 2 + 1.2)
    axes = figure.subplots()
    for place, run in enumerate(runs[:MOST_RUNS]):
        here = drawn[drawn["run"] == run].drop_duplicates(["role", "site"]).set_index(["role", "site"])
        here = here.reindex(pd.MultiIndex.from_tuples(rows, names=["role", "site"]))
        up = np.arange(len(rows)) + _shift(place, min(len(runs), MOST_RUNS))
        axes.hlines(up, floats(here["ci_low"]), floats(here["ci_high"]), color=COLOURS[place], linewidth=0.8)
        faces = [COLOURS[place] if has is True else "white" for has in here["has_role"]]
        axes.scatter(
            floats(here["lift"]), up, s=10, facecolors=faces, edgecolors=COLOURS[place], linewidths=0.8, zorder=3
        )
    axes.axvline(0, color="0.7", linewidth=0.6, zorder=0)
    axes.set_yticks(
        np.arange(len(rows)), [short(role if site == "self" else f"{role} ({site})") for role, site in rows]
    )
    axes.set(xlabel="lift of the best head on the held-out split", ylim=(-0.7, len(rows) - 0.3))
    _legend(figure, runs, [dot("black", "has the role"), dot("black", "without the role", filled=False)])
    _left_out(figure, len(by_role) - len(rows), "roles with smaller lifts", len(runs))
    return figure


@styled
def compared_effects(table: pd.DataFrame) -> Figure:
    """The differences from the first run that are largest, with their 95 % intervals, of the first metric and ablation.

    `table` needs: run site layer head ablation metric difference difference_low difference_high.
    """
    needed = [*HEAD, "ablation", "metric", "difference", "difference_low", "difference_high"]
    check_table(table.drop(columns=["run", "model", "corpus", "seed"], errors="ignore"), "compared_effects", needed)
    known = table[table["difference"].notna()]
    if known.empty:
        return nothing_to_show("no effect was measured in two runs")
    ablation, metric = known[["ablation", "metric"]].iloc[0]
    runs = list(dict.fromkeys(table["run"]))
    known = known[(known["ablation"] == ablation) & (known["metric"] == metric) & known["run"].isin(runs[:MOST_RUNS])]
    by_head = known.assign(size=known["difference"].abs()).groupby(HEAD, sort=False)["size"].max()
    rows = list(by_head.sort_values(ascending=False, kind="stable").index[:MOST_ROWS])[::-1]
    figure = new_figure(FULL_WIDTH, 0.12 * len(rows) * min(len(runs), MOST_RUNS) / 2 + 1.2)
    axes = figure.subplots()
    for place, run in enumerate(runs[:MOST_RUNS]):
        here = known[known["run"] == run].set_index(HEAD).reindex(pd.MultiIndex.from_tuples(rows, names=HEAD))
        up = np.arange(len(rows)) + _shift(place, min(len(runs), MOST_RUNS))
        low, high = floats(here["difference_low"]), floats(here["difference_high"])
        axes.hlines(up, low, high, color=COLOURS[place], linewidth=0.8)
        axes.scatter(floats(here["difference"]), up, s=10, color=COLOURS[place], linewidths=0, zorder=3)
    axes.axvline(0, color="0.7", linewidth=0.6, zorder=0)
    axes.set_yticks(np.arange(len(rows)), [head_name(*head) for head in rows])
    axes.set_xlabel(f"effect less that in {short(runs[0])}: {ablation} ablation, {metric_label(str(metric))}")
    axes.set_ylim(-0.7, len(rows) - 0.3)
    _legend(figure, runs, [], first=1)
    _left_out(figure, len(by_head) - len(rows), "heads with smaller differences", len(runs))
    return figure


def _shift(place: int, count: int) -> float:
    """How far above or below its row a run stands."""
    return 0.0 if count < 2 else 0.5 * (0.5 - place / (count - 1))


def _legend(figure: Figure, runs: list[str], others: list, first: int = 0) -> None:
    named = [dot(COLOURS[place], short(run)) for place, run in enumerate(runs[:MOST_RUNS])][first:]
    legend_above(figure, pd.DataFrame(), [*named, *others], handletextpad=0.1)


def _left_out(figure: Figure, rows: int, what: str, runs: int) -> None:
    notes = [f"Left out: {rows} {what}."] if rows > 0 else []
    add_note(figure, [*notes, *([f"Left out: {runs - MOST_RUNS} runs."] if runs > MOST_RUNS else [])])
