"""Silence every head in turn and measure what the model loses, in block sums."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.ablation import engine, plain
from interp.ablation.replacements import Silencer
from interp.corpora.batching import Group
from interp.corpora.readings import parts
from interp.errors import InterpError, closest
from interp.sums import EffectSums
from interp.types import BLOCKS, Batch, Head, HeadModel, Metric, Reading, Resumable

ENGINES = ("auto", "fast", "plain")
"""Only the rest of the network for each head, a whole forward pass for each, or the first of them that fits."""

TOKENS_A_PART = 512
"""Padded tokens of the rows of a reading that are swept together: a long document has many masked copies."""


def sweep(
    model: HeadModel,
    batches: Iterable[Batch | Group],
    silence: Silencer,
    metrics: Sequence[Metric],
    *,
    ablation: str,
    heads: Sequence[Head] | None = None,
    using: str = "auto",
) -> list[EffectSums]:
    """Returns one `EffectSums` per metric; effect = intact − ablated, so a positive one means that the head helped.

    A document without a value (NaN) is left out of n and counted. Metrics that read documents otherwise than as they
    stand need groups, from which batches are made. Raises `InterpError` where they are given batches, and for an
    engine that is not known or that the model does not fit.
    """
    chosen = tuple(model.heads if heads is None else heads)
    sets = [(head,) for head in chosen]
    totals = [_Totals(len(chosen)) for _ in metrics]
    fast = runs_fast(model, using)
    for batch in batches:
        for reading in dict.fromkeys(metric.reading for metric in metrics):
            numbers = [number for number, metric in enumerate(metrics) if metric.reading is reading]
            of_reading = [metrics[number] for number in numbers]
            rows = _rows(batch, reading, of_reading)
            before, after = of_documents(model, rows, silence, sets, of_reading, fast=fast)
            for place, number in enumerate(numbers):
                tokens, block = _per_document(rows, metrics[number])
                totals[number].add(before[place], after[place], tokens, block)
    places = tuple((head.site, head.layer, head.head) for head in chosen)
    return [total.sums(ablation, metric, places) for total, metric in zip(totals, metrics, strict=True)]


def of_documents(
    model: HeadModel,
    rows: Batch,
    silence: Silencer,
    sets: Sequence[Sequence[Head]],
    metrics: Sequence[Metric],
    *,
    fast: bool,
) -> tuple[Float[Tensor, "metric document"], Float[Tensor, "metric variant document"]]:
    """Every metric of every document, of the intact model and with each set of heads silenced.

    `rows` are what the metrics, all of one reading, read: documents as they stand, or copies of them, some at a time.
    """
    some = [rows] if metrics[0].reading is None else parts(rows, TOKENS_A_PART)
    measured = [_of_rows(model, part, silence, sets, metrics, fast) for part in some]
    before, after = (torch.cat(values, dim=-1) for values in zip(*measured, strict=True))
    combined = [
        (intact, ablated) if metric.combine is None else (metric.combine(intact, rows), metric.combine(ablated, rows))
        for metric, intact, ablated in zip(metrics, before, after, strict=True)
    ]
    return torch.stack([intact for intact, _ in combined]), torch.stack([ablated for _, ablated in combined])


def _of_rows(
    model: HeadModel,
    rows: Batch,
    silence: Silencer,
    sets: Sequence[Sequence[Head]],
    metrics: Sequence[Metric],
    fast: bool,
) -> tuple[Float[Tensor, "metric row"], Float[Tensor, "metric variant row"]]:
    if fast and isinstance(model, Resumable):
        return engine.measure(model, rows, silence(rows), sets, metrics)
    return plain.measure(model, rows, silence(rows), sets, metrics)


def _rows(batch: Batch | Group, reading: Reading | None, metrics: Sequence[Metric]) -> Batch:
    """What metrics of one reading read."""
    if isinstance(batch, Group):
        return batch.batch() if reading is None else reading(batch.encoded, batch.documents, batch.model)
    if reading is not None:
        raise InterpError(
            f"{metrics[0].name} reads copies of the documents, and the sweep was given batches, from which none can be "
            "made. Allowed: the groups of interp.corpora.batching.batches."
        )
    return batch


def _per_document(rows: Batch, metric: Metric) -> tuple[Int[Tensor, " document"], Int[Tensor, " document"]]:
    """Each document's scored tokens, over all its rows, and its block."""
    tokens = metric.scored_tokens(rows)
    if metric.reading is None:
        return tokens, rows.block
    _, place, count = torch.unique_consecutive(rows.document, return_inverse=True, return_counts=True)
    return tokens.new_zeros(len(count)).index_add(0, place, tokens), rows.block[count.cumsum(0) - 1]


def runs_fast(model: HeadModel, using: str = "auto") -> bool:
    """Whether the fast engine is asked for and can be had. Raises `InterpError` where it is asked for and cannot."""
    if using not in ENGINES:
        raise InterpError(f"ablation.engine={using} is not known. {closest(using, ENGINES)}")
    fits = isinstance(model, Resumable) and model.resumable
    if using == "fast" and not fits:
        raise InterpError(
            f"ablation.engine=fast runs the network from a layer on, which {model.name!r} does not offer. "
            "Allowed for it: ablation.engine=plain (the same numbers, slower); or model.backend=attention."
        )
    return fits and using != "plain"


class _Totals:
    """Block sums of one metric."""

    def __init__(self, heads: int) -> None:
        self.n, self.tokens = (np.zeros(BLOCKS, dtype=np.int64) for _ in range(2))
        self.left_out = 0
        self.intact = np.zeros(BLOCKS)
        self.ablated, self.effect, self.effect_by_token = (np.zeros((heads, BLOCKS)) for _ in range(3))

    def add(
        self,
        before: Float[Tensor, " batch"],
        after: Float[Tensor, "head batch"],
        tokens: Int[Tensor, " batch"],
        block: Int[Tensor, " batch"],
    ) -> None:
        scored = ~before.isnan().cpu().numpy()
        self.left_out += int((~scored).sum())
        blocks, weights = block.cpu().numpy()[scored], tokens.cpu().numpy()[scored]
        intact = before.cpu().double().numpy()[scored]
        ablated = after.cpu().double().numpy()[:, scored]
        np.add.at(self.n, blocks, 1)
        np.add.at(self.tokens, blocks, weights)
        np.add.at(self.intact, blocks, intact)
        for table, values in (
            (self.ablated, ablated),
            (self.effect, intact - ablated),
            (self.effect_by_token, (intact - ablated) * weights),
        ):
            np.add.at(table.T, blocks, values.T)

    def sums(self, ablation: str, metric: Metric, heads: tuple[tuple[str, int, int], ...]) -> EffectSums:
        return EffectSums(
            ablation=ablation,
            metric=metric.name,
            signed=metric.signed,
            heads=heads,
            n=self.n,
            tokens=self.tokens,
            intact=self.intact,
            ablated=self.ablated,
            effect=self.effect,
            effect_by_token=self.effect_by_token,
            left_out=self.left_out,
        )
