"""Ablate every head in turn and measure what the model loses, in block sums."""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.ablation.budget import Budget, budget_for
from interp.ablation.fast_engine import measure_fast
from interp.ablation.plain_engine import measure_plain
from interp.ablation.replacements import Substitute
from interp.ablation.totals import Totals
from interp.attention.nan_checks import insist_on_finite_values
from interp.corpora.batching import Group
from interp.corpora.expansions import parts
from interp.devices import tokens_for
from interp.errors import InterpError, closest
from interp.folds import Folds
from interp.progress import Progress, silent
from interp.sums import EffectSums
from interp.types import Batch, Expansion, Head, HeadModel, Metric, Resumable

ENGINES = ("auto", "fast", "plain")
"""Only the rest of the network for each head, a whole forward pass for each, or the first of them that fits."""

PRECISIONS = ("float32", "delta", "bfloat16")
"""Exact; bfloat16 on the difference from the clean run only; bfloat16 throughout, on GPUs that have it."""

TOKENS_A_SWEEP = 512
"""Padded tokens of a batch that is swept: the engine stacks several variants of it to fill a pass."""

TOKENS_A_PART = 512
"""Padded tokens of the rows of an expansion that are swept together: a long document has many masked copies."""


def tokens_a_sweep(model: HeadModel) -> int:
    """Padded tokens of a batch that is swept on this model's device."""
    return tokens_for(model.device, TOKENS_A_SWEEP)


class Measured(NamedTuple):
    """One metric of some documents: of the intact model, and with each set of heads ablated."""

    before: Float[Tensor, " document"]
    after: Float[Tensor, "set document"]
    tokens: Int[Tensor, " document"]
    """Scored tokens."""
    block: Int[Tensor, " document"]


def sweep(
    model: HeadModel,
    batches: Sequence[Batch | Group],
    substitute: Substitute,
    metrics: Sequence[Metric],
    *,
    ablation: str,
    sets: Mapping[tuple[str, int, int], Sequence[Head]] | None = None,
    engine: str = "auto",
    precision: str = "float32",
    name: str = "ablation",
    progress: Progress = silent,
) -> list[EffectSums]:
    """Returns one `EffectSums` per metric; effect = intact − ablated, so a positive one means that the head helped.

    `sets` are heads ablated together, under what stands for them in the sums: without any, every head alone. A document
    without a value (NaN) is left out of n and counted. `name` is that of the pass over the batches. Raises
    `InterpError` as `ablated_metrics` does.
    """
    chosen = alone(model.heads) if sets is None else sets
    together = list(chosen.values())
    totals, budget = [Totals(list(chosen)) for _ in metrics], budget_for(model.device)
    for batch in progress(batches, name, Folds(*totals)):
        measured = ablated_metrics(
            model, batch, substitute, together, metrics, engine=engine, precision=precision, budget=budget
        )
        for total, one in zip(totals, measured, strict=True):
            total.add(*one)
    return [total.sums(ablation, one.name, signed=one.signed) for total, one in zip(totals, metrics, strict=True)]


def alone(heads: Sequence[Head]) -> dict[tuple[str, int, int], tuple[Head]]:
    """Every head as a set of its own."""
    return {(head.site, head.layer, head.head): (head,) for head in heads}


def ablated_metrics(
    model: HeadModel,
    batch: Batch | Group,
    substitute: Substitute,
    sets: Sequence[Sequence[Head]],
    metrics: Sequence[Metric],
    *,
    engine: str = "auto",
    precision: str = "float32",
    budget: Budget | None = None,
) -> list[Measured]:
    """Each metric of each document with each set of heads ablated.

    Metrics that read documents otherwise than as they stand need a group, from which batches are made. The `budget` is
    what is left of it after earlier batches. Raises `ModelError` where the network
    gives what is not finite, and `InterpError` where they are given a batch, for an engine or a
    precision that is not known or does not fit, and where a document does not fit into memory.
    """
    budget = budget or budget_for(model.device)
    fast = runs_fast(model, engine, precision)
    found: dict[int, Measured] = {}
    for rows, numbers in expansions_of(batch, metrics):
        of_expansion = [metrics[number] for number in numbers]
        some = [rows] if of_expansion[0].expansion is None else parts(rows, TOKENS_A_PART)
        measured = [_of_rows(model, part, substitute, sets, of_expansion, fast, precision, budget) for part in some]
        before, after = (torch.cat(of_parts, dim=-1) for of_parts in zip(*measured, strict=True))
        for number, metric, intact, ablated in zip(numbers, of_expansion, before, after, strict=True):
            found[number] = Measured(
                combined(metric, intact, rows), combined(metric, ablated, rows), *weights(metric, rows)
            )
    return [found[number] for number in range(len(metrics))]


def expansions_of(batch: Batch | Group, metrics: Sequence[Metric]) -> Iterator[tuple[Batch, list[int]]]:
    """What has to be read, and the numbers of the metrics that read it."""
    for expansion in dict.fromkeys(metric.expansion for metric in metrics):
        numbers = [number for number, metric in enumerate(metrics) if metric.expansion is expansion]
        yield _rows(batch, expansion, metrics[numbers[0]]), numbers


def combined(metric: Metric, values: Float[Tensor, "*set row"], rows: Batch) -> Float[Tensor, "*set document"]:
    """A metric of each document, from that of its rows."""
    return values if metric.combine is None else metric.combine(values, rows)


def weights(metric: Metric, rows: Batch) -> tuple[Int[Tensor, " document"], Int[Tensor, " document"]]:
    """Each document's scored tokens, over all its rows, and its block."""
    tokens = metric.scored_tokens(rows.written)
    if metric.expansion is None:
        return tokens, rows.block
    _, place, count = torch.unique_consecutive(rows.document, return_inverse=True, return_counts=True)
    return tokens.new_zeros(len(count)).index_add(0, place, tokens), rows.block[count.cumsum(0) - 1]


def runs_fast(model: HeadModel, engine: str = "auto", precision: str = "float32") -> bool:
    """Whether the fast engine is asked for and can be had. Raises `InterpError` where it is asked for and cannot."""
    if engine not in ENGINES:
        raise InterpError(f"ablation.engine={engine} is not known. {closest(engine, ENGINES)}")
    if precision not in PRECISIONS:
        raise InterpError(f"ablation.precision={precision} is not known. {closest(precision, PRECISIONS)}")
    fits = isinstance(model, Resumable) and model.resumable
    if engine == "fast" and not fits:
        raise InterpError(
            f"ablation.engine=fast runs the network from a layer on, which {model.name!r} does not offer. "
            "Allowed for it: ablation.engine=plain (the same numbers, slower); or model.backend=attention."
        )
    fast = fits and engine != "plain"
    if precision != "float32" and not fast:
        raise InterpError(
            f"ablation.precision={precision} belongs to the fast engine, and this sweep runs the plain one. "
            "Allowed: ablation.precision=float32; or model.backend=attention and ablation.engine=auto."
        )
    return fast


def _of_rows(
    model: HeadModel,
    rows: Batch,
    substitute: Substitute,
    sets: Sequence[Sequence[Head]],
    metrics: Sequence[Metric],
    fast: bool,
    precision: str,
    budget: Budget,
) -> tuple[Float[Tensor, "metric row"], Float[Tensor, "metric set row"]]:
    def measure(tokens: int) -> tuple[Tensor, Tensor]:
        # a batch that is itself too large is taken in parts
        measured = [some(part, tokens) for part in parts(rows, tokens)]
        before, after = (torch.cat(of_parts, dim=-1) for of_parts in zip(*measured, strict=True))
        return before, after

    def some(part: Batch, tokens: int) -> tuple[Tensor, Tensor]:
        if fast and isinstance(model, Resumable):
            found = measure_fast(model, part, substitute(part), sets, metrics, tokens=tokens, precision=precision)
        else:
            found = measure_plain(model, part, substitute(part), sets, metrics)
        insist_on_finite_values(model, part, metrics, sets, *found)
        return found

    return budget.within(measure, smallest=rows.tokens.shape[1])


def _rows(batch: Batch | Group, expansion: Expansion | None, metric: Metric) -> Batch:
    """What metrics of one expansion read."""
    if isinstance(batch, Group):
        return batch.batch() if expansion is None else expansion(batch.encoded, batch.documents, batch.model)
    if expansion is not None:
        raise InterpError(
            f"{metric.name} reads copies of the documents, and the sweep was given batches, from which none can be "
            "made. Allowed: the groups of interp.corpora.batching.batches."
        )
    return batch
