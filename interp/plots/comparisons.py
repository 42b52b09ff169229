"""Heads against baselines, roles against effects, and attention against attention weighted by norm."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import Bbox

from interp.heads import HEAD, head_name
from interp.plots.style import (
    FULL_WIDTH,
    GUESS,
    SEQUENTIAL,
    SMALL,
    PaperFigure,
    add_colour_bar,
    add_note,
    check_table,
    families_in,
    family_colour,
    floats,
    metric_label,
    new_figure,
    nothing_to_show,
    panels,
    short,
    styled,
    text_width,
)
from interp.tables.best_heads import SINKS
from interp.tables.best_heads import best_heads as choose_heads
from interp.tables.effects import NOTHING

MOST_ROWS = 40


@styled
def best_heads(scores: pd.DataFrame) -> Figure:
    """For each site and role over words judged by hits (relations, coreference), the head best on select, on confirm.

    A dot is the head's hit rate, with the 95 % interval of its lift; the grey dot is the best baseline; sorted by lift.
    Lighter: too few queries or blocks to be tested (no p). `scores` needs: role family site layer head split n hit
    word_mass (empty for token roles) baseline baseline_name lift ci_low ci_high p; `statistic`, if it is there.
    """
    check_table(scores, "scores", [*HEAD, "role", "family", "split", "n", "hit", "baseline", "baseline_name"])
    check_table(scores, "scores", ["lift", "ci_low", "ci_high", "p", "word_mass"])
    words = scores[scores["word_mass"].notna() & scores["lift"].notna()]
    # tables of earlier versions have hits alone over words
    words = words[words["statistic"] == "hit"] if "statistic" in words else words
    best = choose_heads(words)
    if best.empty:
        return nothing_to_show("no role over words was scored on both halves of the corpus")
    asked = words[["role", "site"]].drop_duplicates()
    left_out, one_half = max(len(best) - MOST_ROWS, 0), len(asked) - len(best)
    best = best.nlargest(MOST_ROWS, "n").sort_values("lift", kind="stable")
    rows = np.arange(len(best))

    figure = new_figure(FULL_WIDTH, 0.155 * len(best) + 1.1)
    axes = figure.subplots()
    testable = best["p"].notna().to_numpy()
    hit, baseline = floats(best["hit"]), floats(best["baseline"])
    # an interval of the lift, moved to the hit rate, may leave what a rate can be
    low, high = (np.clip(baseline + floats(best[end]), 0, 1) for end in ("ci_low", "ci_high"))
    for family in families_in(best["family"]):
        for sure in (True, False):
            here = (best["family"] == family).to_numpy() & (testable == sure)
            look = {"color": family_colour(family), "alpha": 1.0 if sure else 0.4}
            axes.hlines(rows[here], low[here], high[here], linewidth=1.2, **look)
            axes.scatter(hit[here], rows[here], s=16, linewidths=0, zorder=3, label=f"hit, {family}", **look)
    for sure in (True, False):
        here = testable == sure
        axes.scatter(baseline[here], rows[here], s=12, color=GUESS, alpha=1.0 if sure else 0.4, linewidths=0, zorder=2)

    axes.set_yticks(rows, [short(_spell_out(role)) for role in best["role"]])
    axes.set(
        ylim=(-0.7, len(best) - 0.3),
        xlabel="hit rate on the confirm half (bar: best baseline + 95 % interval of the lift)",
    )
    axes.set_xlim(-0.015, 1.015)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="0.9", linewidth=0.5)
    axes.set_axisbelow(True)
    columns = {
        "head": [head_name(*place) for place in best[HEAD].itertuples(index=False)],
        "best baseline": [short(baseline) for baseline in best["baseline_name"]],
        "n": [f"{n:,}" for n in best["n"]],
    }
    _columns_beside(axes, columns, testable)
    _legend(figure, best, testable)

    notes = ["Head: chosen on the select half. Grey: the best baseline, also chosen on select."]
    notes += [f"{left_out} more with fewer queries are left out."] if left_out else []
    notes += [f"{one_half} more were scored on one half only."] if one_half else []
    add_note(figure, notes)
    return figure


def _spell_out(role: str) -> str:
    role = role.replace(".to_governor", " → governor").replace(".to_dependent", " → dependents")
    family, _, kind = role.partition(".")
    if family != "coref":
        return role
    kinds = {"antecedent": "mention → antecedents", "choice": "pronoun → one of the names"}
    return kinds.get(kind, f"{kind} → antecedents")


def _columns_beside(axes: Axes, columns: dict[str, list[str]], testable: np.ndarray) -> None:
    """Text to the right of each row, like the columns of a table."""
    x = 8.0
    for title, texts in columns.items():
        right = title == "n"
        width = max(text_width(str(text), 6.5) for text in [*texts, title])
        at = x + width if right else x
        for row, text in enumerate([*texts, title]):
            colour = "black" if row == len(texts) or testable[row] else "0.55"
            axes.annotate(
                str(text), (1, row), (at, 0), xycoords=axes.get_yaxis_transform(), textcoords="offset points",
                ha="right" if right else "left", va="center", fontsize=6.5, color=colour, annotation_clip=False,
            )  # fmt: skip
        x += width + 12


def _legend(figure: Figure, best: pd.DataFrame, testable: np.ndarray) -> None:
    families = families_in(best["family"])
    handles = [_dot(family_colour(family), f"head, {family}") for family in families] + [_dot(GUESS, "best baseline")]
    if not testable.all():
        handles += [_dot(family_colour(families[0]), "lighter: too few queries or blocks to be tested", 0.4)]
    figure.legend(handles=handles, loc="outside upper left", ncols=len(handles), handletextpad=0.1, columnspacing=1.2)


def _dot(colour: str, label: str, alpha: float = 1.0) -> Line2D:
    """A dot for a legend."""
    look = {"marker": "o", "markersize": 4, "markeredgewidth": 0, "linestyle": ""}
    return Line2D([], [], color=colour, alpha=alpha, label=label, **look)


@styled
def role_against_effect(atlas: pd.DataFrame) -> Figure:
    """The lift of each head's best role on confirm against what ablating it costs, coloured by the role's family.

    Hollow where that role is `first`, `self` or `separator`: the head has no other. The ten heads with the largest
    effects and the five with the largest lifts are named, where there is room. One panel per ablation and metric.
    `atlas` needs: site layer head best_role best_family best_lift metric ablation effect.
    """
    check_table(atlas, "atlas", [*HEAD, "best_role", "best_family", "best_lift", "metric", "ablation", "effect"])
    atlas = atlas[atlas["effect"].notna()]
    both = atlas[atlas["best_lift"].notna()]
    if both.empty:
        return nothing_to_show("no head has both a scored role and a measured effect")
    names = list(both[["metric", "ablation"]].drop_duplicates().itertuples(index=False, name=None))
    across = min(len(names), 2)
    figure = new_figure(FULL_WIDTH if across == 2 else 5.0, -(-len(names) // across) * 3.2 + 0.4)
    drawn = panels(figure, len(names), across)
    labels = []
    for axes, (metric, ablation) in zip(drawn, names, strict=True):
        here = both[(both["metric"] == metric) & (both["ablation"] == ablation)]
        labels.append(_scatter(axes, here))
        axes.axhline(0, color="0.7", linewidth=0.6, zorder=0)
        axes.axvline(0, color="0.7", linewidth=0.6, zorder=0)
        axes.set_xlabel("lift of its best role over the best baseline (confirm half)")
        axes.set_ylabel(f"effect of {ablation} ablation on {metric_label(metric)}")
        axes.margins(0.08)

    families = families_in(both["best_family"].fillna("unclassified"))
    dots = [_dot(family_colour(family), family) for family in families]
    figure.legend(handles=dots, loc="outside upper left", ncols=len(dots), handletextpad=0.1, columnspacing=1.2)
    unscored = atlas.loc[atlas["best_lift"].isna(), HEAD].drop_duplicates().shape[0]
    notes = [f"{unscored} heads without any scored role are not drawn."] if unscored else []
    if both["best_role"].isin(SINKS).any():
        notes += [f"Hollow: a head with no role but {', '.join(SINKS[:-1])} or {SINKS[-1]}."]
    if both["best_role"].eq("unclassified").any():
        notes += ["Of a head without a role: the largest lift of any role."]
    add_note(figure, notes)
    figure.lay_out()
    for axes, here in zip(drawn, labels, strict=True):
        _name_heads(figure, axes, here, "best_lift", "effect")
    return figure


def _scatter(axes: Axes, heads: pd.DataFrame) -> pd.DataFrame:
    """The dots, unclassified heads underneath; returned: the heads to name, the most important first."""
    for family in reversed(families_in(heads["best_family"].fillna("unclassified"))):
        here = heads[heads["best_family"].fillna("unclassified") == family]
        rests = here["best_role"].isin(SINKS)
        look = {"s": 14, "edgecolors": family_colour(family), "alpha": 0.85}
        for some, filling, width in ((here[~rests], family_colour(family), 0), (here[rests], "none", 0.8)):
            if len(some):
                axes.scatter(some["best_lift"], some["effect"], facecolors=filling, linewidths=width, **look)
    largest = heads[heads["effect"].abs() > NOTHING].sort_values("effect", key=abs, ascending=False)[:10]
    return pd.concat([largest, heads.nlargest(5, "best_lift")]).drop_duplicates(HEAD)


def _name_heads(figure: PaperFigure, axes: Axes, heads: pd.DataFrame, across: str, up: str) -> None:
    """Each name beside its dot, on the first side where it covers neither a dot nor another name."""
    scale = figure.dpi / 72
    all_points = np.concatenate([np.asarray(dots.get_offsets()) for dots in axes.collections])
    points = axes.transData.transform(all_points)
    room, taken = axes.get_window_extent(), []
    for site, layer, head, x, y in heads[[*HEAD, across, up]].itertuples(index=False):
        name = head_name(site, layer, head)
        width, height = text_width(name) * scale, SMALL * scale
        at = axes.transData.transform((x, y))
        for right, above in [(1, 0), (-1, 0), (0, 1), (0, -1), (1, 1), (-1, 1), (1, -1), (-1, -1)]:
            centre = at + np.array([right * (width / 2 + 3.5 * scale), above * (height / 2 + 3 * scale)])
            box = Bbox.from_bounds(centre[0] - width / 2, centre[1] - height / 2, width, height)
            inside = box.x0 > room.x0 and box.x1 < room.x1 and box.y0 > room.y0 and box.y1 < room.y1
            if inside and not box.padded(2 * scale).count_contains(points) and not box.count_overlaps(taken):
                taken.append(box)
                axes.annotate(
                    name, (x, y), tuple((centre - at) / scale), textcoords="offset points", ha="center", va="center",
                    fontsize=SMALL, color="0.15",
                ).set_in_layout(False)  # fmt: skip
                break


PLACES = {
    "previous": "the previous token",
    "self": "the token itself",
    "first": "the first token",
    "separator": "later special tokens",
    "diagonal": "the source token on the diagonal",
    "source_first": "the first token of the source",
    "source_end": "the end of the source",
    "aligned": "the words it is aligned with",
}
"""The columns of `anatomy` that have a twin `…_by_norm`, spelled out."""


@styled
def attention_by_norm(anatomy: pd.DataFrame) -> Figure:
    """Each head's mean attention on a place against the same weighted by the norms of the vectors it adds up.

    One panel per place; on the dashed line weighting changes nothing, below it the head looks at vectors that are
    small. The six heads that change most are named, where there is room. `anatomy` needs: site layer head previous
    self first separator diagonal source_first source_end aligned, each of the last eight with its twin `…_by_norm`.
    """
    check_table(anatomy, "anatomy", [*HEAD, *PLACES, *(f"{place}_by_norm" for place in PLACES)])
    places = [place for place in PLACES if anatomy[place].notna().any()]
    if not places:
        return nothing_to_show("no token was asked where it looks")
    across = min(len(places), 2)
    figure = new_figure(FULL_WIDTH * 0.85, -(-len(places) // across) * 2.5 + 0.4)
    drawn = panels(figure, len(places), across)
    norm = Normalize(0, max(int(anatomy["layer"].max()), 1))
    for axes, place in zip(drawn, places, strict=True):
        axes.axline((0, 0), slope=1, color="0.7", linewidth=0.6, linestyle="--", zorder=0)
        axes.scatter(
            anatomy[place], anatomy[f"{place}_by_norm"], s=14, c=anatomy["layer"], norm=norm, cmap=SEQUENTIAL,
            edgecolors="0.3", linewidths=0.3,
        )  # fmt: skip
        axes.set_title(f"on {PLACES[place]}")
        top = 1.08 * float(np.nanmax(anatomy[[place, f"{place}_by_norm"]].to_numpy(dtype=float), initial=0.05))
        axes.set(
            xlabel="attention", ylabel="attention weighted by norm", xlim=(-0.04 * top, top), ylim=(-0.04 * top, top)
        )
    ticks = {"shrink": 0.4, "aspect": 20, "ticks": MaxNLocator(integer=True, nbins=6)}
    add_colour_bar(figure, drawn, norm, SEQUENTIAL, "layer", **ticks)
    add_note(
        figure, ["Means over the tokens (aligned: words) that can see such a place; special tokens are never asked."]
    )
    figure.lay_out()
    for axes, place in zip(drawn, places, strict=True):
        apart = (anatomy[place] - anatomy[f"{place}_by_norm"]).abs()
        _name_heads(figure, axes, anatomy.loc[apart.nlargest(6).index], place, f"{place}_by_norm")
    return figure
