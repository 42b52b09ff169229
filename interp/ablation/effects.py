"""What the model loses without each head, as a table: exactly, until enough is known, or estimated."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
import torch

from interp import metrics as known_metrics
from interp.ablation import replacements
from interp.ablation.early_stopping import settle
from interp.ablation.estimates import ESTIMATES, estimate_sums, fitting
from interp.ablation.replacements import Replacement, Substitute
from interp.ablation.sets import HeadSets, head_sets
from interp.ablation.sweep import runs_fast, sweep, sweep_sets
from interp.corpora.batching import batches, evenly_spaced
from interp.corpora.memory import heads_of_a_layer, require_room_for
from interp.devices import tokens_for
from interp.errors import InterpError, closest
from interp.progress import Progress, silent
from interp.sums import EffectSums
from interp.tables import effect_table
from interp.types import EncodedCorpus, Head, HeadModel, Metric

MetricsOf = Callable[[HeadModel], Sequence[Metric]]

REPLACEMENTS: dict[str, Replacement] = {
    "zero": replacements.zero,
    "mean": replacements.mean,
    "resample": replacements.resample,
    "uniform": replacements.uniform,
}

TOKENS_A_SWEEP = 512
"""Padded tokens of a batch that is swept: the engine stacks several variants of it to fill a pass."""

HEAD = ["site", "layer", "head"]


@dataclass(frozen=True)
class Effects:
    """The table `effects` without the columns that say where it comes from, and what has to be said about it."""

    table: pd.DataFrame
    skipped: Mapping[str, int]
    said: tuple[str, ...] = ()
    sets: pd.DataFrame | None = None
    """The table `sets`, one row per set of heads and metric, where any were asked for."""

    @property
    def tables(self) -> dict[str, pd.DataFrame]:
        """All of them by name."""
        return {"effects": self.table} if self.sets is None else {"effects": self.table, "sets": self.sets}


Exact = Callable[[Sequence[int], str], list[EffectSums]]
"""Every head silenced in turn on these documents, with this precision."""


def measure(model: HeadModel, encoded: EncodedCorpus, *, sets: HeadSets | None = None, **settings: Any) -> Effects:
    """Every head alone, as `of_heads` says, and `sets` of heads together, as `of_sets` says, with the same settings."""
    found = of_heads(model, encoded, **settings)
    if sets is None:
        return found
    shared = ("replacement", "metrics", "limit", "engine", "seed", "min_blocks", "progress")
    same = {name: settings[name] for name in shared if name in settings}
    return replace(found, sets=of_sets(model, encoded, sets, found.table, **same))


def of_heads(
    model: HeadModel,
    encoded: EncodedCorpus,
    *,
    replacement: str | Replacement = "mean",
    metrics: MetricsOf | Sequence[Metric] = known_metrics.automatic,
    limit: int | None = None,
    engine: str = "auto",
    precision: str = "float32",
    until: float | None = None,
    top: int | None = None,
    margin: float = 0.05,
    estimate: str | None = None,
    sample: int = 32,
    seed: int = 0,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> Effects:
    """One row per head and metric: effect = intact − ablated, averaged over documents.

    `limit` takes that many documents, evenly spaced; what a replacement measures, it measures on the whole corpus.
    Lower `precision` adds the column `error`, |effect − exact effect| over `sample` documents. `until` and `top` stop
    early (see `interp.ablation.early_stopping`), with the first metric only. `estimate` estimates instead, and adds the
    column `rank_agreement`, Spearman's with the exact effects of `sample` documents. Raises `InterpError` for a setting
    that is not known, does not fit the model, or does not go with another.
    """
    _check(limit, until, top, margin, estimate, sample, precision, model)
    name, prepare = named(replacement)
    chosen = metrics(model) if callable(metrics) else metrics
    require_room_to_ablate(model, encoded, name, engine)
    substitute = prepare(model, encoded, seed)
    documents = evenly_spaced(len(encoded), limit)
    few = [documents[i] for i in evenly_spaced(len(documents), sample)]
    exact = partial(_exact, model, encoded, substitute, chosen, name, engine=engine, progress=progress)
    if estimate is not None:
        return _estimated(
            model, encoded, substitute, chosen, name, exact, few, documents, estimate, seed, min_blocks, progress
        )
    if until is not None or top is not None:
        tokens = tokens_for(model.device, TOKENS_A_SWEEP)
        table = settle(
            model, encoded, substitute, chosen[0], name, documents=documents, tokens=tokens, until=until, top=top,
            margin=margin, seed=seed, engine=engine, precision=precision, progress=progress,
        )  # fmt: skip
        found = Effects(table, {}, _said_of_stopping(table, len(documents), chosen))
    else:
        sums = exact(documents, precision)
        found = Effects(effect_table(sums, seed=seed, min_blocks=min_blocks), _without_value(sums))
    if precision == "float32":
        return found
    errors = _errors(exact(few, precision), exact(few, "float32"))
    said = f"precision={precision}: `error` is |effect − exact effect| over {len(few)} documents."
    table = found.table.merge(errors, on=[*HEAD, "metric"], how="left", validate="many_to_one")
    return Effects(table, found.skipped, (*found.said, said))


def of_sets(
    model: HeadModel,
    encoded: EncodedCorpus,
    sets: HeadSets,
    alone: pd.DataFrame,
    *,
    replacement: str | Replacement = "mean",
    metrics: MetricsOf | Sequence[Metric] = known_metrics.automatic,
    limit: int | None = None,
    engine: str = "auto",
    seed: int = 0,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> pd.DataFrame:
    """One row per set and metric, its heads silenced together and exactly, beside the sum of their effects `alone`.

    Raises `InterpError` for what is no set of the model's heads, and as `of_heads` does.
    """
    name, prepare = named(replacement)
    chosen = metrics(model) if callable(metrics) else metrics
    by_name = head_sets(sets, model.heads)
    require_room_to_ablate(model, encoded, name, engine)
    documents = evenly_spaced(len(encoded), checked_limit(limit))
    groups = progress(
        batches(encoded, model, documents=documents, tokens=tokens_for(model.device, TOKENS_A_SWEEP)), f"sets ({name})"
    )
    places = [("set", number, 0) for number in range(len(by_name))]
    sums = sweep_sets(
        model, groups, prepare(model, encoded, seed), list(by_name.values()), chosen, ablation=name, places=places,
        engine=engine,
    )  # fmt: skip
    return _named_sets(effect_table(sums, seed=seed, min_blocks=min_blocks), by_name, alone)


def named(replacement: str | Replacement) -> tuple[str, Replacement]:
    """A replacement and its name. Raises `InterpError` for one that is not known."""
    if isinstance(replacement, str):
        if replacement not in REPLACEMENTS:
            raise InterpError(f"The replacement {replacement!r} is not known. {closest(replacement, REPLACEMENTS)}")
        return replacement, REPLACEMENTS[replacement]
    # behind a partial, such as a configuration makes, stands the function that has the name
    return getattr(getattr(replacement, "func", replacement), "__name__", "custom"), replacement


def require_room_to_ablate(model: HeadModel, encoded: EncodedCorpus, replacement: str, engine: str) -> None:
    """Raises `CorpusError` where all heads of a layer, laid open, do not fit: only zero in the fast engine opens none.

    Raises `InterpError` for an engine that is not known or does not fit the model.
    """
    if replacement != "zero" or not runs_fast(model, engine):
        require_room_for(model, encoded, heads_of_a_layer(model))


def checked_limit(limit: int | None) -> int | None:
    """The limit as it is given. Raises `InterpError` for none at all."""
    if limit is not None and limit < 1:
        raise InterpError(f"ablation.limit={limit}. Allowed: null (all documents) or a whole number of 1 or more.")
    return limit


def _exact(
    model: HeadModel,
    encoded: EncodedCorpus,
    substitute: Substitute,
    metrics: Sequence[Metric],
    name: str,
    documents: Sequence[int],
    precision: str,
    *,
    engine: str,
    progress: Progress,
) -> list[EffectSums]:
    groups = progress(
        batches(encoded, model, documents=documents, tokens=tokens_for(model.device, TOKENS_A_SWEEP)),
        f"ablation ({name})",
    )
    return sweep(model, groups, substitute, metrics, ablation=name, engine=engine, precision=precision)


def _estimated(
    model: HeadModel,
    encoded: EncodedCorpus,
    substitute: Substitute,
    metrics: Sequence[Metric],
    name: str,
    exact: Exact,
    few: Sequence[int],
    documents: Sequence[int],
    estimate: str,
    seed: int,
    min_blocks: int,
    progress: Progress,
) -> Effects:
    """The estimate on all documents, and how far it ranks heads as the exact effects of a few do."""
    fitted = fitting(estimate, metrics)
    label = f"{estimate} of {name} (estimate)" if estimate != "gate_gradient" else f"{estimate} (estimate)"
    groups = progress(batches(encoded, model, documents=documents), label)
    sums = estimate_sums(model, groups, substitute, fitted, estimate=estimate, ablation=label, seed=seed)
    table = effect_table(sums, seed=seed, min_blocks=min_blocks)
    swept = effect_table(exact(few, "float32"), seed=seed, min_blocks=min_blocks)
    agreement = {
        metric.name: _agreement(table[table.metric == metric.name], swept[swept.metric == metric.name])
        for metric in fitted
    }
    table["rank_agreement"] = table.metric.map(agreement)
    left_out = [metric.name for metric in metrics if metric not in fitted]
    said = [
        f"{label} of {metric}: Spearman's rank agreement with the exact effects on {len(few)} documents is {rank:.2f}."
        for metric, rank in agreement.items()
    ]
    said += [f"{estimate} is not for {metric}, which is left out." for metric in left_out]
    forwards = ESTIMATES[estimate].forwards
    return Effects(table, _without_value(sums), (*said, f"It costs about {forwards} forward passes for all heads."))


def _named_sets(table: pd.DataFrame, sets: Mapping[str, Sequence[Head]], heads: pd.DataFrame) -> pd.DataFrame:
    """The rows of sets under their names, beside the sum of the effects of their heads alone."""
    names, members = list(sets), list(sets.values())
    alone = heads.set_index([*HEAD, "metric"]).effect
    written = [" ".join(_written(head) for head in some) for some in members]
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


def _written(head: Head) -> str:
    place = f"{head.layer}.{head.head}"
    return place if head.site == "self" else f"{head.site}:{place}"


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


def _said_of_stopping(table: pd.DataFrame, documents: int, metrics: Sequence[Metric]) -> tuple[str, ...]:
    said = (
        f"Approximate: heads were settled after {table.n.min()} to {table.n.max()} of {documents} documents, "
        f"{table.n.sum() / (len(table) * documents):.0%} of all."
    )
    others = ", ".join(metric.name for metric in metrics[1:])
    return (said, f"Only {metrics[0].name} was measured, not {others}.") if others else (said,)


def _without_value(sums: Sequence[EffectSums]) -> dict[str, int]:
    """How many documents were too short for each metric."""
    return {f"documents_without_{one.metric}": one.left_out for one in sums}


def _check(
    limit: int | None,
    until: float | None,
    top: int | None,
    margin: float,
    estimate: str | None,
    sample: int,
    precision: str,
    model: HeadModel,
) -> None:
    """Raises `InterpError` for the first setting that cannot be, or does not go with another."""
    checked_limit(limit)
    if sample < 1:
        raise InterpError(f"ablation.sample={sample}. Allowed: a whole number of 1 or more.")
    if until is not None and not until > 0:
        raise InterpError(f"ablation.until={until}. Allowed: null, or a share of the largest effect, above 0.")
    if top is not None and not 1 <= top <= len(model.heads):
        raise InterpError(f"ablation.top={top}. Allowed: null, or 1 to {len(model.heads)}, the number of heads.")
    if not margin >= 0:
        raise InterpError(f"ablation.margin={margin}. Allowed: 0 or more, a share of the largest effect.")
    asked = {"until": until, "top": top, "estimate": estimate}
    given = [f"ablation.{setting}={value}" for setting, value in asked.items() if value is not None]
    if len(given) > 1:
        raise InterpError(f"{' and '.join(given)} are different ways to need less work. Give one of them.")
    if estimate is not None and precision != "float32":
        raise InterpError(f"ablation.precision={precision} is for sweeps, not for ablation.estimate={estimate}.")
    if precision == "bfloat16" and not (model.device.type == "cuda" and torch.cuda.is_bf16_supported()):
        raise InterpError(
            f"ablation.precision=bfloat16 is for GPUs that have it, and this is {model.device}. "
            "Allowed here: float32, or delta (bfloat16 on the difference from the clean run)."
        )
