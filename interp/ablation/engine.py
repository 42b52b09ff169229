"""Silence every head in turn and measure what the model loses: the plain, exact reference."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.ablation.replacements import Silencer
from interp.sums import EffectSums
from interp.types import BLOCKS, Batch, Head, HeadModel, Metric, Output


def sweep(
    model: HeadModel,
    batches: Iterable[Batch],
    silence: Silencer,
    metrics: Sequence[Metric],
    *,
    ablation: str,
    heads: Sequence[Head] | None = None,
) -> list[EffectSums]:
    """One whole forward pass per head and batch; a document without a value (NaN) is left out of n and counted.

    Returns one `EffectSums` per metric; effect = intact − ablated, so a positive one means that the head helped.
    """
    chosen = tuple(model.heads if heads is None else heads)
    totals = [_Totals(len(chosen)) for _ in metrics]
    wants_logits = any(metric.language for metric in metrics)
    for batch in batches:
        intact = model.run(batch, logits=wants_logits)
        before = [metric.measure(intact, batch, intact) for metric in metrics]
        after = _measure_each(model, batch, intact, chosen, silence, metrics, wants_logits)
        for number, metric in enumerate(metrics):
            totals[number].add(before[number], after[number], metric.scored_tokens(batch), batch.block)
    places = tuple((head.site, head.layer, head.head) for head in chosen)
    return [total.sums(ablation, metric, places) for total, metric in zip(totals, metrics, strict=True)]


def _measure_each(
    model: HeadModel,
    batch: Batch,
    intact: Output,
    heads: Sequence[Head],
    silence: Silencer,
    metrics: Sequence[Metric],
    wants_logits: bool,
) -> Float[Tensor, "metric head batch"]:
    values = [
        torch.stack([metric.measure(output, batch, intact) for metric in metrics])
        for head in heads
        for output in [model.run(batch, z=silence(head), logits=wants_logits)]
    ]
    return torch.stack(values, dim=1)


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
