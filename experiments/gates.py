"""Which heads are kept if gates at all heads are trained at once, and what is the model good for with these alone?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import cut, interval, name_of, signed, table_lines, unsigned
from experiments.pruning_curve import half
from interp import plots
from interp.ablation import pruning
from interp.ablation.effects import MetricsOf, measure_effects
from interp.ablation.gates import Training, check_strengths, judge, kept_heads, train_gates
from interp.ablation.plan import Plan
from interp.api import findings
from interp.corpora.encoding import encode
from interp.errors import COUNT, Range
from interp.plots.style import PAGE, Style
from interp.progress import AboutTheWhole, Progress, silent
from interp.results import Findings
from interp.sums import KeptSums
from interp.tables import (
    gate_agreement_table,
    gate_curve_table,
    gate_head_table,
    gate_table,
    gate_training_table,
)
from interp.types import Corpus, Head, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    strengths: Sequence[float],
    seeds: Annotated[int, COUNT],
    steps: Annotated[int, COUNT],
    documents: Annotated[int, COUNT],
    rate: Annotated[float, Range(False, 0, above=True)],
    draws: Annotated[int, COUNT],
    plan: Plan,
    metrics: MetricsOf,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Gates are trained on one half of the documents (even blocks), and what they keep is judged on the other (odd).

    Each half takes half of `ablation.limit`, and measures for itself what the replacement needs. The model's first
    metric is trained on. In the same way the order of single-head effects (estimates, where the plan asks for them) is
    chosen on the first half alone.
    """
    check_strengths(strengths)
    encoded = encode(model, corpus)
    select, confirm = pruning.halves(encoded)
    plan = replace(plan, limit=half(plan.limit), sets=None)
    chosen = metrics(model)
    # what is kept decides what is ablated on the other half
    whole = AboutTheWhole(progress)
    training = Training(steps, documents, rate)
    settings: dict[str, Any] = {"strengths": strengths, "seeds": seeds, "training": training, "seed": seed}
    trained, without_value = train_gates(model, select, plan, chosen[0], **settings, progress=whole)
    found = measure_effects(model, select, plan, chosen, seed=seed, min_blocks=min_blocks, progress=whole)
    effects = found.table[found.table["metric"] == found.table["metric"].iloc[0]]
    order = pruning.lowest_first("effect", effects, "effect")
    kept = kept_heads(model.heads, trained, order, pruning.at_random(model.heads, draws, seed))

    sums = judge(model, confirm, kept, plan, chosen, seed=seed, progress=progress)
    progress.measured()
    places = zip(effects["site"], effects["layer"], effects["head"], strict=True)
    effect_of = dict(zip((Head(*place) for place in places), effects["effect"], strict=True))
    tables = {
        "gate_curve": gate_curve_table(sums, seed=seed, min_blocks=min_blocks),
        "gate_heads": gate_head_table(model.heads, trained, effect_of),
        "gate_agreement": gate_agreement_table(trained),
        "gates": gate_table(model.heads, trained),
        "gate_training": gate_training_table(trained),
    }
    too_short = {f"documents_without_{one.metric}": one.left_out for one in sums}
    too_short[f"documents_without_{chosen[0].name}"] += without_value
    return findings(model, encoded, seed, tables, (*found.notes, *missing_intervals(sums, min_blocks)), too_short)


def missing_intervals(sums: Sequence[KeptSums], min_blocks: int) -> tuple[str, ...]:
    """What there is to say where the half that judges is too small for intervals."""
    fewest = min(int((one.n > 0).sum()) for one in sums)
    if fewest >= min_blocks:
        return ()
    return (
        f"No intervals: the half that gates are judged on has documents in {fewest} blocks of source documents, and an "
        f"interval needs {min_blocks}. More source documents, or a higher ablation.limit, do it.",
    )


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """What is left with so many heads, chosen in three ways; and how often each head is kept."""
    return {
        "gate_curve": plots.gate_curve(tables["gate_curve"], style=style),
        "gate_heads": plots.gate_maps(tables["gate_heads"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """How gates compare with the order of effects and with chance, how far seeds agree, and what all of them keep."""
    curve = tables["gate_curve"]
    metrics = list(dict.fromkeys(curve["metric"]))
    lines = [_verdict(curve[curve["metric"] == metric]) for metric in metrics[:3]]
    lines += [f"… and {len(metrics) - 3} more metrics in gate_curve.csv"] if len(metrics) > 3 else []
    of_first = curve[curve["metric"] == metrics[0]]
    intact, empty = (of_first[of_first["chosen_by"] == name].iloc[0] for name in ("all", "none"))
    lines += [f"{metrics[0]} with all heads {unsigned(intact['value'], 4)}, with none {unsigned(empty['value'], 4)}:"]
    rows: Any = of_first[of_first["chosen_by"] == "gates"].itertuples()
    listed = [
        (
            f"{row.strength:g}", str(row.gate_seed), str(row.heads_kept),
            unsigned(row.value, 4) + interval(row.ci_low, row.ci_high, 4),
            signed(row.over_effect, 4) + interval(row.over_effect_low, row.over_effect_high, 4),
            signed(row.over_random, 4) + interval(row.over_random_low, row.over_random_high, 4),
        )
        for row in rows
    ]  # fmt: skip
    header = ("λ", "seed", "heads kept", "gates [95 %]", "over the order of effects", "over random heads")
    lines += table_lines(listed, 12, "gate_curve.csv", header=header)
    return [*lines, *_agreement(tables["gate_agreement"]), *_always_kept(tables["gate_heads"])]


def _verdict(curve: pd.DataFrame) -> str:
    gates = curve[curve["chosen_by"] == "gates"]
    better, worse, than_chance = (
        int((gates[column] * sign > 0).sum())
        for column, sign in (("over_effect_low", 1), ("over_effect_high", -1), ("over_random_low", 1))
    )
    first = curve.iloc[0]
    if gates["ci_low"].isna().all():
        return (
            "Nothing can be said of heads kept by gates against others: there are too few blocks for intervals "
            f"({first['metric']}, {first['ablation']} ablation, {first['n']} held-out documents)."
        )
    return (
        f"Heads kept by gates do better than as many by their single effects in {better} of {len(gates)} trainings, "
        f"worse in {worse}, and better than random heads in {than_chance} (intervals without zero; {first['metric']}, "
        f"{first['ablation']} ablation, {first['n']} held-out documents)."
    )


def _agreement(agreement: pd.DataFrame) -> list[str]:
    rows: Any = agreement.itertuples()
    listed = [
        (
            f"{row.strength:g}",
            f"{row.fewest_kept}–{row.most_kept}",
            "one seed, or none keeps a head"
            if pd.isna(row.jaccard)
            else f"{row.jaccard:.2f} ({row.lowest:.2f} to {row.highest:.2f})",
            "–" if pd.isna(row.chance) else f"{row.chance:.2f}",
        )
        for row in rows
    ]
    header = ("λ", "heads kept", "overlap of seeds (Jaccard)", "by chance")
    return ["How far seeds keep the same heads:", *table_lines(listed, 6, "gate_agreement.csv", header=header)]


def _always_kept(heads: pd.DataFrame) -> list[str]:
    """The heads that every seed keeps, at the largest λ where there are any."""
    always = heads[heads["times_kept"] == heads["seeds"]]
    if always.empty:
        return ["No head is kept by every seed at any λ."]
    here = always[always["strength"] == always["strength"].max()].sort_values("effect", ascending=False, kind="stable")
    rows: Any = here.itertuples()
    names = cut([name_of(row) for row in rows], 20, "gate_heads.csv")
    return [f"Kept by every seed at λ = {here['strength'].iloc[0]:g}: {', '.join(names)}."]
