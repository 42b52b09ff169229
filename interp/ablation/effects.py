"""What the model loses without each head, as a table: exactly, until enough is known, or estimated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
import torch

from interp import metrics as known_metrics
from interp.ablation.early_stopping import settle
from interp.ablation.estimates import ESTIMATES, estimate_sums, fitting
from interp.ablation.plan import MEAN, Plan
from interp.ablation.precision import slower_than_exact
from interp.ablation.replacements import Substitute, named
from interp.ablation.sets import head_sets
from interp.ablation.sweep import runs_fast, sweep, tokens_a_sweep
from interp.corpora.batching import batches, evenly_spaced
from interp.corpora.memory import heads_of_a_layer, require_room_for
from interp.errors import InterpError
from interp.folds import Collected
from interp.heads import HEAD
from interp.progress import Progress, silent
from interp.sums import EffectSums
from interp.tables import effect_table
from interp.tables.blocks import effect_block_table
from interp.types import EncodedCorpus, Head, HeadModel, Metric

MetricsOf = Callable[[HeadModel], Sequence[Metric]]


@dataclass(frozen=True)
class Effects:
    """The table `effects` without the columns that say where it comes from, and what has to be said about it."""

    table: pd.DataFrame
    skipped: Mapping[str, int]
    notes: tuple[str, ...] = ()
    sets: pd.DataFrame | None = None
    """The table `sets`, one row per set of heads and metric, where any were asked for."""
    blocks: pd.DataFrame | None = None
    """The table `effect_blocks`, where every head was measured on every document."""

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All of them by name."""
        every = {"effects": self.table, "sets": self.sets, "effect_blocks": self.blocks}
        return {name: table for name, table in every.items() if table is not None}


def measure_effects(
    model: HeadModel,
    encoded: EncodedCorpus,
    plan: Plan = MEAN,
    metrics: MetricsOf | Sequence[Metric] = known_metrics.automatic,
    *,
    seed: int = 0,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> Effects:
    """Every head alone, as `of_heads` says, and the plan's sets of heads together, as `of_sets` says."""
    chosen = metrics(model) if callable(metrics) else metrics
    if plan.sets is not None:
        # a set that is none is said before hours of ablating heads
        head_sets(plan.sets, model.heads)
    found = of_heads(model, encoded, plan, chosen, seed=seed, min_blocks=min_blocks, progress=progress)
    if plan.sets is None:
        return found
    sums, by_name = of_sets(model, encoded, plan, chosen, seed=seed, progress=progress)
    table = effect_table(sums, seed=seed, min_blocks=min_blocks)
    return replace(found, sets=_named_sets(table, by_name, found.table))


def of_heads(
    model: HeadModel,
    encoded: EncodedCorpus,
    plan: Plan,
    metrics: Sequence[Metric],
    *,
    seed: int = 0,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> Effects:
    """One row per head and metric: effect = intact − ablated, averaged over documents.

    What a replacement measures, it measures on the whole corpus. Lower `plan.precision` adds the column `error`,
    |effect − exact effect| over `plan.sample` documents; where that takes longer than the exact sweep, this runs, the
    error is 0, and a note says so. `plan.until` and `plan.top` stop early (see
    `interp.ablation.early_stopping`), with the first metric only. `plan.estimate` adds the column `rank_agreement`,
    Spearman's with the exact effects of `plan.sample` documents. Raises `InterpError` for a plan that the model does
    not allow.
    """
    _check_model(plan, model)
    runs_fast(model, plan.engine, plan.precision)  # an error comes before anything is measured
    why_exact = _slower_than_exact(model, plan, progress)
    if why_exact:
        exact_plan = replace(plan, precision="float32")
        found = of_heads(model, encoded, exact_plan, metrics, seed=seed, min_blocks=min_blocks, progress=progress)
        return replace(found, table=found.table.assign(error=0.0), notes=(*found.notes, why_exact))
    require_room_to_ablate(model, encoded, plan)
    substitute = named(plan.replacement)[1](model, encoded, seed, progress)
    documents = evenly_spaced(len(encoded), plan.limit)
    sample = [documents[i] for i in evenly_spaced(len(documents), plan.sample)]
    if plan.estimate is not None:
        label = plan.estimate if plan.estimate == "gate_gradient" else f"{plan.estimate} of {plan.name}"
        label, fitted = f"{label} (estimate)", fitting(plan.estimate, metrics)
        # what is differentiated is kept for every layer: small batches, as in a sweep
        groups = batches(encoded, model, documents=documents, tokens=tokens_a_sweep(model))
        sums = estimate_sums(
            model, groups, substitute, fitted, estimate=plan.estimate, ablation=label, seed=seed, progress=progress
        )
        exact = _swept(model, encoded, substitute, fitted, plan, sample, progress=progress)
        table, swept = (effect_table(one, seed=seed, min_blocks=min_blocks) for one in (sums, exact))
        table, notes = _with_agreement(table, swept, plan.estimate, metrics, len(sample))
        return Effects(table, _without_value(sums), notes)
    if plan.until is not None or plan.top is not None:
        table = settle(model, encoded, substitute, metrics[0], plan, documents=documents, seed=seed, progress=progress)
        found = Effects(table, {}, _notes_of_stopping(table, len(documents), metrics))
    else:
        sums = _swept(model, encoded, substitute, metrics, plan, documents, progress=progress)
        table = effect_table(sums, seed=seed, min_blocks=min_blocks)
        found = Effects(table, _without_value(sums), blocks=effect_block_table(sums))
    if plan.precision == "float32":
        return found
    low, exact = (
        _swept(model, encoded, substitute, metrics, one, sample, progress=progress)
        for one in (plan, replace(plan, precision="float32"))
    )
    note = f"precision={plan.precision} ran: `error` is |effect − exact effect| over {len(sample)} documents."
    table = found.table.merge(_errors(low, exact), on=[*HEAD, "metric"], how="left", validate="many_to_one")
    return replace(found, table=table, notes=(*found.notes, note))


def of_sets(
    model: HeadModel,
    encoded: EncodedCorpus,
    plan: Plan,
    metrics: Sequence[Metric],
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[list[EffectSums], dict[str, tuple[Head, ...]]]:
    """Sums of the plan's sets, the heads of each ablated together and exactly; and the heads of each by its name.

    In the sums ("set", number, 0) stands for a set. Raises `InterpError` for what is no set of the model's heads.
    """
    by_name = head_sets("layers" if plan.sets is None else plan.sets, model.heads)
    require_room_to_ablate(model, encoded, plan)
    groups = batches(encoded, model, documents=evenly_spaced(len(encoded), plan.limit), tokens=tokens_a_sweep(model))
    sets = {("set", number, 0): heads for number, heads in enumerate(by_name.values())}
    substitute = named(plan.replacement)[1](model, encoded, seed, progress)
    settings = {"engine": plan.engine, "name": f"sets ({plan.name})", "progress": progress}
    return sweep(model, groups, substitute, metrics, ablation=plan.name, sets=sets, **settings), by_name


def require_room_to_ablate(model: HeadModel, encoded: EncodedCorpus, plan: Plan) -> None:
    """Raises `CorpusError` where all heads of a layer, laid open, do not fit: only zero in the fast engine opens none.

    Raises `InterpError` for an engine that does not fit the model.
    """
    if plan.name != "zero" or not runs_fast(model, plan.engine):
        require_room_for(model, encoded, heads_of_a_layer(model))


def _swept(
    model: HeadModel,
    encoded: EncodedCorpus,
    substitute: Substitute,
    metrics: Sequence[Metric],
    plan: Plan,
    documents: Sequence[int],
    *,
    progress: Progress,
) -> list[EffectSums]:
    """Every head ablated in turn on these documents."""
    return sweep(
        model,
        batches(encoded, model, documents=documents, tokens=tokens_a_sweep(model)),
        substitute,
        metrics,
        ablation=plan.name,
        engine=plan.engine,
        precision=plan.precision,
        name=f"ablation ({plan.name})",
        progress=progress,
    )


def _slower_than_exact(model: HeadModel, plan: Plan, progress: Progress) -> str:
    """What there is to say where lower precision takes longer here than none; it is measured once, and kept."""
    if plan.precision == "float32":
        return ""
    found = Collected()
    for precision in progress([plan.precision], "precision", found, whole=True):
        found.add(0, why=slower_than_exact(model, precision) or "")
    return found.texts("why")[0]


def _with_agreement(
    table: pd.DataFrame, exact: pd.DataFrame, estimate: str, metrics: Sequence[Metric], sample: int
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """The estimate beside how far it ranks heads as the exact effects of a sample of documents do; and what to say."""
    names = list(dict.fromkeys(table.metric))
    agreement = {name: _agreement(table[table.metric == name], exact[exact.metric == name]) for name in names}
    notes = [
        f"{table.ablation.iloc[0]} of {metric}: Spearman's rank agreement with the exact effects on {sample} documents "
        f"is {rank:.2f}."
        for metric, rank in agreement.items()
    ]
    notes += [f"{estimate} is not for {one.name}, which is left out." for one in metrics if one.name not in names]
    notes.append(f"It costs about {ESTIMATES[estimate].forwards} forward passes for all heads.")
    return table.assign(rank_agreement=table.metric.map(agreement)), tuple(notes)


def _named_sets(table: pd.DataFrame, sets: Mapping[str, Sequence[Head]], heads: pd.DataFrame) -> pd.DataFrame:
    """The rows of sets under their names, beside the sum of the effects of their heads alone."""
    names, members = list(sets), list(sets.values())
    alone = heads.set_index([*HEAD, "metric"]).effect
    written = [" ".join(head.name.replace(" ", ":") for head in some) for some in members]
    sums = [
        sum(alone.get((*head, metric), float("nan")) for head in members[number])
        for number, metric in zip(table.layer, table.metric, strict=True)
    ]
    rows = table.assign(
        set=[names[number] for number in table.layer],
        heads=[written[number] for number in table.layer],
        size=[len(members[number]) for number in table.layer],
        sum_of_effects=sums,
    )
    return rows[["set", "heads", "size", *[name for name in table if name not in HEAD], "sum_of_effects"]]


def _agreement(estimated: pd.DataFrame, exact: pd.DataFrame) -> float:
    """Spearman's correlation of the sizes: a gate's gradient has no sign."""
    both = estimated.merge(exact, on=HEAD, suffixes=("_estimated", "_exact"), validate="one_to_one")
    return float(both.effect_estimated.abs().corr(both.effect_exact.abs(), method="spearman"))


def _errors(low: Sequence[EffectSums], exact: Sequence[EffectSums]) -> pd.DataFrame:
    """How far the mean effects of each head lie apart, on the same documents."""
    return pd.concat(
        pd.DataFrame(
            {
                **{key: [head[place] for head in one.heads] for place, key in enumerate(HEAD)},
                "metric": one.metric,
                "error": abs(one.effect.sum(axis=1) - other.effect.sum(axis=1)) / max(one.n.sum(), 1),
            }
        )
        for one, other in zip(low, exact, strict=True)
    )


def _notes_of_stopping(table: pd.DataFrame, documents: int, metrics: Sequence[Metric]) -> tuple[str, ...]:
    note = (
        f"Approximate: heads were settled after {table.n.min()} to {table.n.max()} of {documents} documents, "
        f"{table.n.sum() / (len(table) * documents):.0%} of all."
    )
    others = ", ".join(metric.name for metric in metrics[1:])
    return (note, f"Only {metrics[0].name} was measured, not {others}.") if others else (note,)


def _without_value(sums: Sequence[EffectSums]) -> dict[str, int]:
    """How many documents were too short for each metric."""
    return {f"documents_without_{one.metric}": one.left_out for one in sums}


def _check_model(plan: Plan, model: HeadModel) -> None:
    """Raises `InterpError` for the first setting that this model, or its device, does not allow."""
    if plan.top is not None and plan.top > len(model.heads):
        raise InterpError(f"ablation.top={plan.top}. Allowed: null, or 1 to {len(model.heads)}, the number of heads.")
    if plan.precision == "bfloat16" and not (model.device.type == "cuda" and torch.cuda.is_bf16_supported()):
        raise InterpError(
            f"ablation.precision=bfloat16 is for GPUs that have it, and this is {model.device}. "
            "Allowed here: float32, or delta (bfloat16 on the difference from the clean run)."
        )
