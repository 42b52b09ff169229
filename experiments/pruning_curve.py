"""How many heads can go? Ablate more and more of them together, in several orders, and measure what is left."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import interval, signed, table_lines
from interp import plots
from interp.ablation import pruning
from interp.ablation.effects import MetricsOf, measure_effects
from interp.ablation.plan import Plan
from interp.api import RolesOf, findings, tally_roles
from interp.corpora.encoding import encode
from interp.errors import COUNT, InterpError, closest
from interp.plots.style import PAGE, Style
from interp.progress import AboutTheWhole, Progress, silent
from interp.results import Findings
from interp.sums import PruningSums
from interp.tables import area_table, curve_table, joint_effect_table, score_table
from interp.types import Corpus, EncodedCorpus, HeadModel, Role


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesOf,
    role: str | None,
    steps: Annotated[int, COUNT._replace(lowest=2)],
    seeds: Annotated[int, COUNT],
    plan: Plan,
    metrics: MetricsOf,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Every order is chosen on one half of the documents (even blocks), every curve drawn on the other (odd blocks).

    Each half takes half of `ablation.limit`, and measures for itself what the replacement needs. An estimate, where
    the plan asks for one, is an order of its own, beside that of the effects.
    """
    asked = None if role is None else find_role(role, roles(corpus), corpus)
    encoded = encode(model, corpus)
    select, confirm = pruning.halves(encoded)
    # sets of its own are what the curve is about
    plan = replace(plan, limit=half(plan.limit), sets=None)
    plans = {"effect": replace(plan, estimate=None), plan.estimate or "effect": plan}
    # the orders decide what is ablated on the other half
    whole = AboutTheWhole(progress)
    measured = {
        name: measure_effects(model, select, one, metrics, seed=seed, min_blocks=min_blocks, progress=whole)
        for name, one in plans.items()
    }
    found = measured["effect"]
    # as in the atlas, the first metric decides
    orders = [
        pruning.lowest_first(name, one.table[one.table.metric == one.table.metric.iloc[0]], "effect")
        for name, one in measured.items()
    ]
    if asked is not None:
        orders.append(order_by_role(model, select, asked, whole))
    orders += pruning.at_random(model.heads, seeds, seed)

    sums = pruning.prune(model, confirm, orders, plan, metrics, steps=steps, seed=seed, progress=progress)
    progress.measured()
    tables = {
        "pruning_curve": curve_table(sums, seed=seed, min_blocks=min_blocks),
        "pruning_area": area_table(sums, seed=seed, min_blocks=min_blocks),
        "joint_effects": joint_effect_table(sums, seed=seed, min_blocks=min_blocks),
    }
    notes = dict.fromkeys(line for one in measured.values() for line in one.notes)
    too_short = {f"documents_without_{one.metric}": one.left_out for one in sums}
    both = {name: count + found.skipped.get(name, 0) for name, count in too_short.items()}
    return findings(model, encoded, seed, tables, (*notes, *missing_intervals(sums, min_blocks)), both)


def find_role(name: str, roles: Sequence[Role], corpus: Corpus) -> Role:
    """The role of this name. Raises `InterpError` where the corpus cannot be asked for it."""
    known = {role.name: role for role in roles}
    if name not in known:
        raise InterpError(
            f"pruning.role={name} is not among the roles that {corpus.name!r} is asked for. {closest(name, known)}"
        )
    return known[name]


def order_by_role(model: HeadModel, select: EncodedCorpus, role: Role, progress: Progress) -> pruning.Order:
    """The heads that the role fits worst first, by their lift."""
    # the seed is for intervals, and none is looked at
    scores = score_table(tally_roles(model, select, role, progress=progress), seed=0)
    lifts = scores[scores.split == "select"]
    if lifts.empty:
        raise InterpError(
            f"pruning.role={role.name} is never asked on the {len(select)} documents that the order is chosen on. "
            "Choose another role, or give more documents."
        )
    return pruning.lowest_first(role.name, lifts, "lift")


def half(limit: int | None) -> int | None:
    """Half of the documents, one at least; all where there is no limit."""
    return None if limit is None else max(1, limit // 2)


def missing_intervals(sums: Sequence[PruningSums], min_blocks: int) -> tuple[str, ...]:
    """What there is to say where the half that is measured is too small for intervals."""
    fewest = min(int((one.n > 0).sum()) for one in sums)
    if fewest >= min_blocks:
        return ()
    return (
        f"No intervals: the half that the curve is drawn on has documents in {fewest} blocks of source documents, and "
        f"an interval needs {min_blocks}. More source documents, or a higher ablation.limit, do it.",
    )


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """The curve of every order, and what heads cost together against what each costs alone."""
    return {
        "pruning_curve": plots.pruning_curve(tables["pruning_curve"], tables["pruning_area"], style=style),
        "joint_effects": plots.joint_effects(tables["joint_effects"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The area of each order, against the random ones, and how all heads together compare with their sum."""
    areas, joint = (tables[name][is_summed_up(tables[name])] for name in ("pruning_area", "joint_effects"))
    every = list(areas.groupby(["ablation", "metric"], sort=False))
    lines = []
    for (ablation, metric), table in every[:3]:
        together = joint[(joint.metric == metric) & (joint.ablation == ablation) & (joint.heads_left == 0)].iloc[0]
        lines += _of_metric(table, together)
    return [*lines, *([f"… and {len(every) - 3} more metrics in pruning_area.csv"] if len(every) > 3 else [])]


def _of_metric(table: pd.DataFrame, together: Any) -> list[str]:
    """The best order as the verdict, every order with its area, and what all heads together cost."""
    what, rows = f"area under {table.metric.iloc[0]}", table.sort_values("area", ascending=False, kind="stable")
    best = rows.to_dict("records")[0]
    listed = [
        (_order(row), f"{signed(row['area'], 4)}{interval(row['ci_low'], row['ci_high'], 4)}", against_random(row))
        for row in rows.to_dict("records")
    ]
    return [
        f"Best order to ablate heads in: {_order(best)}, {what} {listed[0][1]}"
        + (f", {listed[0][2]}" if listed[0][2] else "")
        + f" ({table.ablation.iloc[0]} ablation, {table.n.max()} documents). All orders:",
        *table_lines(listed, 8, "pruning_area.csv"),
        f"    All heads ablated together cost {signed(together.joint_effect, 4)}"
        f"{interval(together.ci_low, together.ci_high, 4)}; their effects alone add up to "
        f"{signed(together.sum_of_effects, 4)}.",
    ]


def _order(row: Mapping[Any, Any]) -> str:
    return "random (mean)" if row["order"] == "random" else str(row["order"])


def against_random(row: Mapping[Any, Any]) -> str:
    """`+0.0123 [+0.0110, +0.0136] against random`; nothing for random orders themselves."""
    if pd.isna(row["difference"]):
        return ""
    ends = interval(row["difference_ci_low"], row["difference_ci_high"], 4)
    return f"{signed(row['difference'], 4)}{ends} against random"


def is_summed_up(table: pd.DataFrame) -> pd.Series:
    """The rows of orders that are not random, and those of the mean over the random ones."""
    return table.order_seed.isna()
