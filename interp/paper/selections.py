"""What a paper shows of a run's tables: which rows, which columns, and what is bold."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from interp.heads import HEAD, head_name
from interp.paper.escaping import escaped
from interp.paper.latex import WIDEST, Column, PaperTable, digits_of, estimate, number, probability, width, words
from interp.tables.best_heads import best_heads
from interp.tables.effects import UNITS

MOST = 30
"""Rows of a table in a paper."""

BESIDE = (
    *("scores", "power", "given", "marks", "planted_strength", "planted_effects", "planted_heads", "calibration_heads"),
    *("prompts", "attribution_by_key"),
    *("null_lifts", "null_p_curve", "matches", "matching_null", "pruning_curve", "joint_effects", "copying"),
    *("gates", "gate_heads", "gate_training"),
    *(
        "copying_agreement",
        "kernel",
        "attention",
        "definitions",
        "role_blocks",
        "effect_blocks",
        "head_distances",
        "head_map",
        "verify",
        "circumstances",
        *("role_ablation_draws", "circuit_completeness", "circuit_curve", "changed_heads"),
    ),
)
"""Tables that stand behind others: their rows are too many for a paper, and the figures show them."""

STAR = r"$^\star$"
"""Beside a role that its head has."""

ABOUT = ("model", "corpus", "behaviour", "seed")
"""Columns that say where a table comes from: in its caption, where they are the same in every row."""

MEASURES = {
    "entropy": "nats",
    "entropy_without_first": "nats",
    "mean_distance": "tokens",
    "null_attention": "share of attention",
    "mass": "share of attention",
    "word_mass": "share of attention",
    "hit": "share of queries",
    "share": "share",
    "width": "offsets",
}
"""Units of columns, beside their names; those of effects go by their metric (`interp.tables.effects.UNITS`)."""

WHAT = {
    "atlas": "Roles and effects of the heads whose ablation costs most",
    "sets": "Heads ablated together",
    "anatomy": "What heads are made of and write",
    "shape": "The heads with the largest value of each number that describes attention",
    "ability": "What the model answers to the prompts, and to the corrupted texts",
    "attribution": "The components that add most to the logit difference of right and wrong answer",
    "patching": "The heads with which most of the logit difference between clean and corrupted texts goes",
    "paths": "The paths along which most of the logit difference between clean and corrupted texts goes",
    "measures": "How far what heads attend to, write and cause rank them alike",
    "explanations": "How much competing rules explain of each head",
    "adds": "What each family of rules adds to what is explained of a head",
    "cards": "The rules that explain each head best",
    "probe": "How many governors a parser finds that knows attention, words or distances",
    "probe_weights": "What the parser of all heads makes of each head's attention",
    "diversity": "How far apart heads of a layer and of several layers are, and the effective number of heads",
    "tags": "Share of each head's attention from all words on each part of speech, the largest shares",
    "copying_spread": "How far published scores of the same heads differ",
    "nulls": "Roles found by null models, beside the real one",
    "known_answers": "Planted roles found, missed and falsely found",
    "random_init": "Roles found in networks with random weights",
    "calibration": "Share of 95\\,\\% intervals that hold the true value",
    "null_p": "p-values where there is nothing to find",
    "sensitivity": "Heads whose roles change with one choice",
    "reliability": "Split-half reliability of role scores over heads",
    "matching": "Similarity of matched heads, beside its null",
    "pruning_area": "Area under the pruning curve of each order",
    "role_ablation": "Heads of roles replaced together, beside controls",
    "circuit": "A circuit, and random sets of its size, with all other heads replaced",
    "circuit_minimality": "What each head of the circuit changes",
    "circuit_areas": "Areas of the faithfulness curve over heads",
    "interactions": "Joint effects of heads less the sum of single ones",
    "self_repair": "Direct and total effects of heads",
    "gate_curve": "The model with the heads that trained gates keep, and with as many chosen otherwise",
    "gate_agreement": "How far trainings of gates with other seeds keep the same heads",
    "candidates": "Attention from the query to each candidate, the largest",
    "compared_runs": "The runs that are compared",
    "compared_roles": "The best head of each role in each run, and its lift less that in the first run",
    "compared_heads": "The same heads in each run, and their lifts less those in the first run",
    "compared_effects": "Effects of ablating the same heads in each run, and the effects less those in the first run",
    "study": "Published claims, and what this run measured",
}
"""First words of captions."""

_OF_LIFTS = [
    *("role", *HEAD, "run", "n", "lift", "ci_low", "ci_high"),
    *("difference", "difference_low", "difference_high"),
]
COLUMNS_OF = {
    "atlas": [
        *(*HEAD, "best_role", "best_lift", "effect", "ci_low", "ci_high", "q"),
        *("entropy", "mean_distance", "null_attention", "explained", "first_rule", "agreement"),
    ],
    "anatomy": [
        *(*HEAD, "n", "share", "share_ci_low", "share_ci_high", "written", "written_ci_low", "written_ci_high"),
        *("copying", "qk_rank", "ov_rank", "previous", "previous_by_norm"),
    ],
    "attribution": ["component", "layer", "head", "n", "value", "ci_low", "ci_high", "p", "q"],
    "patching": ["direction", "part", "position", *HEAD, "n", "effect", "ci_low", "ci_high", "p", "q"],
    "paths": ["receiver", "receiver_input", *HEAD, "n", "effect", "ci_low", "ci_high", "p", "q"],
    "measures": ["first", "second", "heads", "rank_correlation", "ci_low", "ci_high"],
    "explanations": [*HEAD, "n", "explained", "ci_low", "ci_high", "entropy", "left"],
    "adds": ["family", "null", *HEAD, "n", "adds", "ci_low", "ci_high", "p", "q"],
    "probe": [
        *("probe", "null_seed", "heads", "weights", "n", "uas", "ci_low", "ci_high"),
        *("over_right", "over_right_low", "over_right_high", "log_likelihood"),
    ],
    "diversity": ["null", "null_seed", "site", "measure", "layer", "heads", "n", "value", "ci_low", "ci_high"],
    "tags": [*HEAD, "to_tag", "n", "share", "expected", "excess", "ci_low", "ci_high"],
    "copying_spread": ["role", *HEAD, "lowest", "highest", "spread", "variants", "above", "flips"],
    "reliability": ["role", "family", "heads", "n", "reliability", "ci_low", "ci_high"],
    "nulls": ["null", "null_seed", "tests", "heads_with_role", "roles", "largest_lift", "largest_chosen_lift"],
    "compared_runs": ["run", "model", "corpus", "documents", "seed", "heads", "heads_with_role", "roles"],
    "compared_roles": _OF_LIFTS,
    "compared_heads": _OF_LIFTS,
    "compared_effects": [
        *(*HEAD, "metric", "run", "n", "effect", "ci_low", "ci_high"),
        *("difference", "difference_low", "difference_high"),
    ],
    "role_ablation": [
        *("role", "control", "replacement", "metric", "size", "n", "effect", "ci_low", "ci_high"),
        *("difference", "difference_low", "difference_high", "verdict"),
    ],
    "gate_curve": [
        *("metric", "strength", "gate_seed", "heads_kept", "n", "value", "ci_low", "ci_high"),
        *("over_effect", "over_effect_low", "over_effect_high"),
        *("over_random", "over_random_low", "over_random_high"),
    ],
    "pruning_area": [
        *("metric", "order", "order_seed", "n", "area", "ci_low", "ci_high"),
        *("difference", "difference_ci_low", "difference_ci_high"),
    ],
}
"""Of tables with many columns, those that a paper would show."""

FIRST_BY = {
    "atlas": "effect",
    "anatomy": "share",
    "adds": "adds",
    "attribution": "value",
    "patching": "effect",
    "paths": "effect",
    "explanations": "explained",
    "candidates": "mass",
    "probe": "uas",
    "probe_weights": "to_governor",
    "sets": "effect",
    "copying_spread": "spread",
}
"""Which column says what comes first, the largest; other tables keep the order that they have."""

GROUPED_BY = {"shape": "definition"}
"""Of these the first few rows of each group, by `value`."""


def shown_in_papers(tables: Mapping[str, pd.DataFrame], classify: Mapping[str, Any]) -> dict[str, PaperTable]:
    """What a paper shows, by the name of its file; `classify` are the criteria of the run."""
    shown: dict[str, PaperTable] = {}
    for name, table in tables.items():
        if name in BESIDE or table.empty:
            continue
        if name == "roles":
            if "scores" in tables:
                shown[name] = roles_of_a_paper(tables["scores"], table, classify)
        elif name == "effects":
            shown[name] = effects_of_a_paper(table, float(classify.get("alpha", 0.05)))
        else:
            shown[name] = any_table(name, table)
    return shown


def roles_of_a_paper(scores: pd.DataFrame, roles: pd.DataFrame, classify: Mapping[str, Any]) -> PaperTable:
    r"""The best head of each role: chosen on select, every number from confirm (`interp.tables.best_heads`).

    Roles that could be tested, the largest lift first. Bold: q ≤ alpha (with max-T: the corrected p), and, where there
    is an annotation baseline, the interval of the lift over it above zero. A star: the head has the role.
    """
    alpha = float(classify.get("alpha", 0.05))
    is_max_t = classify.get("correction") == "max_t"
    best = best_heads(scores)
    tested = best[best["p"].notna()]
    # where nothing could be tested, what was measured
    found = tested if len(tested) else best
    keys = ["role", *HEAD]
    assigned = set(roles.loc[roles["role"] != "unclassified", keys].itertuples(index=False, name=None))
    rows: list[Any] = list(found.head(MOST).itertuples())
    has_annotation = any(not pd.isna(row.lift_pos) for row in rows)
    corrected, symbol = ("p_max_t", r"p_{\max T}") if is_max_t else ("q", "q")

    def has_role(row: Any) -> bool:
        return (row.role, row.site, row.layer, row.head) in assigned

    def is_bold(row: Any) -> bool:
        value = getattr(row, corrected)
        return not pd.isna(value) and value <= alpha and (pd.isna(row.lift_pos) or row.lift_pos_low > 0)

    def score(row: Any) -> str:
        by_hit = row.statistic == "hit"
        return f"{number(row.hit if by_hit else row.mass)}{'' if by_hit else '$^m$'}"

    columns = [
        Column("Role", lambda row: words(row.role) + (STAR if has_role(row) else ""), True, True),
        Column("Head", _head),
        Column("$n$", lambda row: f"{row.n:,}"),
        Column("Score", score),
        Column("Baseline", lambda row: f"{number(row.baseline)} {words(row.baseline_name)}", is_text=True),
        Column(r"Lift [95\,\%]", lambda row: estimate(row.lift, row.ci_low, row.ci_high), is_claim=True),
        Column(f"${symbol}$", lambda row: probability(getattr(row, corrected))),
    ]
    if has_annotation:
        columns += [
            Column(
                r"Over annotation [95\,\%]", lambda row: estimate(row.lift_pos, row.lift_pos_low, row.lift_pos_high)
            ),
        ]
    correction = "max-T over all heads and roles" if is_max_t else "Benjamini--Hochberg over all heads and roles"
    over = ", and the interval of the lift over the annotation baseline, where there is one, lies above zero"
    caption = (
        f"Best head of each role{_where(scores)}: chosen on one half of the source documents, measured on the other, "
        "over $n$ scored queries. Score: share of queries whose largest attention is on a target, or ($^m$) attention "
        "on targets, as a share. Lift: score less the best baseline without a model, with its 95\\,\\% interval over "
        f"blocks of source documents. ${symbol}$: one-sided sign flips, {correction}. "
        f"Bold: ${symbol} \\le {alpha:g}${over if has_annotation else ''}. "
        f"{STAR}: the head meets all criteria of the role."
    )
    untested = len(best) - len(tested) if len(tested) else 0
    left = [f"{len(found) - len(rows)} more roles with smaller lifts"] if len(found) > len(rows) else []
    left += [f"{untested} roles that could not be tested"] if untested else []
    left += ["all heads that are not the best of a role", "which annotation baseline it is"]
    return PaperTable(rows, columns, caption, is_bold, f"{', '.join(left)}: scores.csv and roles.csv.")


def effects_of_a_paper(effects: pd.DataFrame, alpha: float) -> PaperTable:
    """The heads whose ablation costs most, of each ablation and metric.

    Bold: q ≤ alpha. What has no test (metrics that measure the size of a change, sweeps that stop early) is never bold.
    """
    groups = ["ablation", "metric"]
    most = max(MOST // max(len(effects[groups].drop_duplicates()), 1), 3)
    ranked = effects[effects["effect"].notna()].sort_values("effect", ascending=False, kind="stable")
    order = {pair: place for place, pair in enumerate(effects[groups].drop_duplicates().itertuples(False, None))}
    kept = ranked.groupby(groups, sort=False).head(most)
    kept = kept.assign(place=[order[pair] for pair in kept[groups].itertuples(False, None)])
    kept = kept.sort_values("place", kind="stable").head(max(MOST, 3 * len(order)))
    digits = {
        str(metric): digits_of(pd.concat([rows["effect"], rows["ci_low"], rows["ci_high"]]))
        for metric, rows in kept.groupby("metric")
    }
    with_error = "error" in kept and bool(kept["error"].notna().any())
    columns = [
        Column("Head", _head, is_text=True, is_claim=True),
        Column("$n$", lambda row: number(row.n, 0)),
        Column("Intact", lambda row: number(row.intact, 3)),
        Column(
            r"Effect [95\,\%]",
            lambda row: estimate(row.effect, row.ci_low, row.ci_high, digits[row.metric]),
            is_claim=True,
        ),
        *([Column("Error", lambda row: number(row.error, 4))] if with_error else []),
        Column("$q$", lambda row: probability(row.q)),
    ]
    caption = (
        f"The heads whose ablation costs most{_where(effects)}. Effect: the metric of the intact model less that of "
        "the model without the head, the mean over $n$ documents, with its 95\\,\\% interval over blocks of source "
        "documents; positive: the head helped. $q$: two-sided sign flips, Benjamini--Hochberg over all tests. "
        f"Bold: $q \\le {alpha:g}$; nothing is bold where there is no test."
    )
    left = len(effects) - len(kept)
    return PaperTable(
        list(kept.itertuples()),
        columns,
        caption,
        lambda row: not pd.isna(row.q) and row.q <= alpha,
        f"{left} rows of heads with smaller effects: effects.csv." if left else "",
        lambda row: f"Ablation {words(row.ablation)}, effect on {metric_with_unit(row.metric)}",
    )


def any_table(name: str, table: pd.DataFrame) -> PaperTable:
    """Any other table: its first rows, and columns as far as the page is wide; a head is one column; none is bold.

    A number has its interval beside it (the columns `ci_low ci_high` after it, or `NAME_low NAME_high`).
    """
    kept = _first_rows(name, table)
    wanted = [column for column in COLUMNS_OF.get(name, list(kept)) if column in kept]
    same = [column for column in ABOUT if column in wanted and _is_same(kept[column])]
    empty = [column for column in wanted if kept[column].isna().all()]
    rows = kept.to_dict("records")
    named = _columns(kept[[column for column in wanted if column not in (*same, *empty)]])
    ends = np.cumsum([width(rows, column) for column in named.values()])
    fitting = max(int((ends <= 1.2 * WIDEST).sum()), 1)
    left = [f"{len(table) - len(kept)} of {len(table)} rows"] if len(kept) < len(table) else []
    unseen = [*list(named)[fitting:], *(column for column in kept if column not in wanted)]
    left += [f"the columns {', '.join(unseen)}"] if unseen else []
    brackets = " Brackets: 95\\,\\% intervals." if any("95" in column.heading for column in named.values()) else ""
    caption = f"{WHAT.get(name, f'The table {escaped(name)}')}{_where(kept)}.{brackets} Nothing is bold."
    shown = list(named.values())[:fitting]
    return PaperTable(rows, shown, caption, left_out=f"{'; '.join(left)}: {name}.csv." if left else "")


def metric_with_unit(metric: Any) -> str:
    """The metric as LaTeX, with the unit of an effect on it where it is known."""
    return f"{words(metric)} ({escaped(UNITS[metric])})" if metric in UNITS else words(metric)


def _first_rows(name: str, table: pd.DataFrame) -> pd.DataFrame:
    if name in GROUPED_BY and "value" in table:
        groups = table[GROUPED_BY[name]].nunique()
        most = max(MOST // max(groups, 1), 1)
        ranked = table.sort_values("value", ascending=False, kind="stable")
        kept = ranked.groupby(GROUPED_BY[name], sort=False).head(most)
        return table.loc[[place for _, rows in kept.groupby(GROUPED_BY[name], sort=True) for place in rows.index]]
    if name == "tags" and {"from_tag", "share", "to_tag"} <= set(table):
        overall = table[table["from_tag"] == "any"].sort_values("share", ascending=False, kind="stable")
        return overall.drop_duplicates("to_tag").head(MOST)
    if name == "nulls" and "family" in table and (table["family"] == "all").any():
        return table[table["family"] == "all"].head(MOST)
    if name == "gate_curve" and "chosen_by" in table:
        return table[table["chosen_by"] == "gates"].head(MOST)
    by = FIRST_BY.get(name)
    if by is not None and by in table and len(table) > MOST:
        return table.sort_values(by, ascending=False, kind="stable").head(MOST)
    return table.head(MOST)


def _columns(table: pd.DataFrame) -> dict[str, Column]:
    """Every column that is shown, by its name: a head is one, and so is a number with the ends of its interval."""
    names = [str(name) for name in table]
    ends: dict[str, tuple[str, str]] = {}
    for place, low in enumerate(names):
        high = f"{low.removesuffix('low')}high"
        if not low.endswith("low") or high not in names:
            continue
        stems = [low.removesuffix(end) for end in ("_ci_low", "_low") if low.endswith(end)]
        own = [stem for stem in stems if stem in names]
        before = [name for name in names[:place] if not name.endswith(("low", "high"))][-1:]
        for number_of in (own or before)[:1]:
            ends.setdefault(number_of, (low, high))
    hidden = {end for pair in ends.values() for end in pair}
    is_of_heads = set(HEAD) <= set(names)
    found: dict[str, Column] = {}
    for name in names:
        if is_of_heads and name == "site":
            found["head"] = Column("Head", lambda row: escaped(head_name(row["site"], row["layer"], row["head"])), True)
        elif name not in hidden and not (is_of_heads and name in HEAD):
            found[name] = _column(name, table, ends.get(name))
    return found


def _column(name: str, table: pd.DataFrame, ends: tuple[str, str] | None) -> Column:
    values = table[name]
    heading = escaped(name.replace("_", " "))
    if name in MEASURES:
        heading += f" ({MEASURES[name]})"
    if not pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        return Column(heading, lambda row: words(_cut(row[name])), is_text=True)
    if name in ("p", "q", "p_max_t") or name.startswith(("p_", "q_")) or name.endswith(("_p", "_q")):
        return Column(heading, lambda row: probability(row[name]))
    if pd.api.types.is_integer_dtype(values):
        return Column(heading, lambda row: number(row[name], 0))
    digits = digits_of(values.astype(float))
    if ends is None:
        return Column(heading, lambda row: number(row[name], digits))
    low, high = ends
    return Column(rf"{heading} [95\,\%]", lambda row: estimate(row[name], row[low], row[high], digits))


def _cut(value: Any, most: int = 32) -> Any:
    return f"{value[: most - 1]}…" if isinstance(value, str) and len(value) > most else value


def _head(row: Any) -> str:
    return escaped(head_name(row.site, row.layer, row.head))


def _where(table: pd.DataFrame) -> str:
    """`(model MODEL, corpus CORPUS)`, as far as they are the same in every row."""
    found = {name: table[name].iloc[0] for name in ABOUT if name in table and _is_same(table[name])}
    named = [
        f"{name} \\texttt{{{escaped(str(found[name]))}}}" for name in ("model", "corpus", "behaviour") if name in found
    ]
    return f" ({', '.join(named)})" if named else ""


def _is_same(column: pd.Series) -> bool:
    """Whether every row has the same."""
    return len(column) > 0 and len(column.drop_duplicates()) == 1
