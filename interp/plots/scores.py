"""The best head of every role against the baselines that it has to beat."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from interp.heads import HEAD, head_name
from interp.plots.captions import add_caption, counted, how_many
from interp.plots.labels import dot, legend_above
from interp.plots.style import (
    BASELINE,
    PAGE,
    Style,
    check_table,
    families_in,
    floats,
    marker,
    new_figure,
    nothing_to_show,
    short,
    styled,
    text_width,
)
from interp.tables.best_heads import best_heads as choose_heads

MOST_ROWS = 50
ANNOTATION = "0.25"
"""The colour of the annotation baseline, a cross beside the best baseline's stroke."""


@styled
def best_heads(scores: pd.DataFrame, roles: pd.DataFrame | None = None, *, style: Style = PAGE) -> Figure:
    """For each site and role over words judged by hits (relations, coreference), the head best on select, on confirm.

    A mark is the head's hit rate, with the 95 % interval of its lift: filled where the head has the role (`roles`
    assigns it), hollow where it was tested and has not. A grey stroke: the best baseline; a cross: the annotation
    baseline.
    Roles that could not be tested (no p) are counted in the note, not drawn. Sorted by lift; of more than fifty rows,
    those of heads that have the role and then those with the most queries.

    `scores` needs: role family site layer head split n hit word_mass (empty for token roles) baseline baseline_name
    lift ci_low ci_high p; if they are there, `statistic` and `lift_pos`. `roles` needs: role site layer head; without
    it no dot is hollow.
    """
    check_table(scores, "scores", [*HEAD, "role", "family", "split", "n", "hit", "baseline", "baseline_name"])
    check_table(scores, "scores", ["lift", "ci_low", "ci_high", "p", "word_mass"])
    words = scores[scores["word_mass"].notna() & scores["lift"].notna()]
    # tables of earlier versions have hits alone over words
    words = words[words["statistic"] == "hit"] if "statistic" in words else words
    best = choose_heads(words)
    if best.empty:
        return nothing_to_show("no role over words was scored on both splits of the corpus", style)
    tested = best[best["p"].notna()]
    if tested.empty:
        return nothing_to_show(
            "no role over words had enough queries and blocks of source documents to be tested", style
        )
    shown = tested.assign(has_role=_has_role(tested, roles))
    shown = shown.sort_values(["has_role", "n"], ascending=False, kind="stable").head(MOST_ROWS)
    shown = shown.sort_values("lift", kind="stable")

    figure = new_figure(style, 0.15 * len(shown) + 1.5)
    axes = figure.subplots()
    has_annotation = _draw_rows(axes, shown, style)
    axes.set_yticks(np.arange(len(shown)), [short(_spell_out(role)) for role in shown["role"]])
    axes.set(xlim=(-0.015, 1.015), ylim=(-0.7, len(shown) - 0.3))
    bar = "(bar: best baseline + 95 % interval of the lift)"
    axes.set_xlabel("hit rate on the held-out split" if style.is_narrow else f"hit rate on the held-out split {bar}")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
    columns = {
        "head": [head_name(*place) for place in shown[HEAD].itertuples(index=False)],
        "best baseline": [short(baseline) for baseline in shown["baseline_name"]],
        "n": [f"{n:,}" for n in shown["n"]],
    }
    if style.is_narrow:
        del columns["best baseline"]
    _columns_beside(axes, columns)
    legend_above(figure, scores, _legend(shown, roles is not None, has_annotation, style), handletextpad=0.1)
    untested, one_split = len(best) - len(tested), len(words[["role", "site"]].drop_duplicates()) - len(best)
    notes = _notes(has_annotation, len(tested) - len(shown), untested, one_split)
    shows = (
        "The best head of every role over words against the best baseline, in hits (shares of queries); " + bar[1:-1]
    )
    counts = [how_many(len(shown), "roles"), counted(shown, "queries a role")]
    add_caption(figure, scores, f"{shows}.", counts, notes)
    return figure


def _has_role(best: pd.DataFrame, roles: pd.DataFrame | None) -> np.ndarray:
    """Whether each row's head was assigned this very role; without `roles` all are drawn alike."""
    if roles is None:
        return np.ones(len(best), dtype=bool)
    check_table(roles, "roles", [*HEAD, "role"])
    assigned = set(roles[["role", *HEAD]].itertuples(index=False, name=None))
    return np.array([row in assigned for row in best[["role", *HEAD]].itertuples(index=False, name=None)], dtype=bool)


def _draw_rows(axes: Axes, shown: pd.DataFrame, style: Style) -> bool:
    """The dots and bars, a row each; whether any row has an annotation baseline."""
    rows = np.arange(len(shown))
    hit, baseline = floats(shown["hit"]), floats(shown["baseline"])
    # an interval of the lift, moved to the hit rate, may leave what a rate can be
    low, high = (np.clip(baseline + floats(shown[end]), 0, 1) for end in ("ci_low", "ci_high"))
    for family in families_in(shown["family"]):
        colour = style.family_colour(family)
        for has_role in (True, False):
            here = ((shown["family"] == family) & (shown["has_role"] == has_role)).to_numpy()
            if not here.any():
                continue
            axes.hlines(rows[here], low[here], high[here], linewidth=1.2, color=colour)
            axes.scatter(
                hit[here], rows[here], s=16, linewidths=0.8, zorder=4, edgecolors=colour,
                facecolors=colour if has_role else "white", label=f"hit, {family}", marker=marker(family),
            )  # fmt: skip
    axes.scatter(baseline, rows, s=16, color=BASELINE, linewidths=1.4, zorder=2, marker="|", label="best baseline")
    if "lift_pos" not in shown:
        return False
    annotation = hit - floats(shown["lift_pos"])
    axes.scatter(
        annotation, rows, s=9, marker="x", color=ANNOTATION, linewidths=0.8, zorder=3, label="annotation baseline"
    )
    return bool(np.isfinite(annotation).any())


def _spell_out(role: str) -> str:
    role = role.replace(".to_governor", " → governor").replace(".to_dependent", " → dependents")
    family, _, kind = role.partition(".")
    if family != "coref":
        return role
    kinds = {"antecedent": "mention → antecedents", "choice": "pronoun → one of the names"}
    return kinds.get(kind, f"{kind} → antecedents")


def _columns_beside(axes: Axes, columns: dict[str, list[str]]) -> None:
    """Text to the right of each row, like the columns of a table."""
    x = 8.0
    for title, texts in columns.items():
        right = title == "n"
        width = max(text_width(text, 6.5) for text in [*texts, title])
        at = x + width if right else x
        for row, text in enumerate([*texts, title]):
            axes.annotate(
                text, (1, row), (at, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
                ha="right" if right else "left", va="center", fontsize=6.5, annotation_clip=False,
            )  # fmt: skip
        x += width + 12


def _legend(shown: pd.DataFrame, roles_known: bool, has_annotation: bool, style: Style) -> list:
    families = families_in(shown["family"])
    handles = [dot(style.family_colour(family), f"head, {family}", marker=marker(family)) for family in families]
    if roles_known:
        handles += [dot("black", "has the role"), dot("black", "tested, without the role", filled=False)]
    handles += [dot(BASELINE, "best baseline", marker="|")]
    return handles + ([dot(ANNOTATION, "annotation baseline", marker="x")] if has_annotation else [])


def _notes(has_annotation: bool, left_out: int, untested: int, one_split: int) -> list[str]:
    notes = ["Heads and baselines are chosen on the discovery (select) split, drawn as measured on the held-out one."]
    if has_annotation:
        notes.append("The annotation baseline knows the gold parts of speech (guess_pos in the table).")
    if untested:
        notes.append(f"Untested (too few queries or blocks of documents), and left out: {untested}.")
    if left_out:
        notes.append(f"Left out without the role, with the fewest queries: {left_out}.")
    return [*notes, f"Scored on one split only: {one_split}."] if one_split else notes
