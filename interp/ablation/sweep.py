"""Silence every head in turn and measure what the model loses, in block sums."""

from collections.abc import Iterable, Sequence

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from interp.ablation import engine, plain
from interp.ablation.replacements import Silencer
from interp.errors import InterpError, closest
from interp.sums import EffectSums
from interp.types import BLOCKS, Batch, Head, HeadModel, Metric, Resumable

ENGINES = ("auto", "fast", "plain")
"""Only the rest of the network for each head, a whole forward pass for each, or the first of them that fits."""


def sweep(
    model: HeadModel,
    batches: Iterable[Batch],
    silence: Silencer,
    metrics: Sequence[Metric],
    *,
    ablation: str,
    heads: Sequence[Head] | None = None,
    using: str = "auto",
) -> list[EffectSums]:
    """Returns one `EffectSums` per metric; effect = intact − ablated, so a positive one means that the head helped.

    A document without a value (NaN) is left out of n and counted. Raises `InterpError` for an engine that is not known
    or that the model does not fit.
    """
    chosen = tuple(model.heads if heads is None else heads)
    sets = [(head,) for head in chosen]
    totals = [_Totals(len(chosen)) for _ in metrics]
    fast = runs_fast(model, using)
    for batch in batches:
        if fast and isinstance(model, Resumable):
            before, after = engine.measure(model, batch, silence(batch), sets, metrics)
        else:
            before, after = plain.measure(model, batch, silence(batch), sets, metrics)
        for number, metric in enumerate(metrics):
            totals[number].add(before[number], after[number], metric.scored_tokens(batch), batch.block)
    places = tuple((head.site, head.layer, head.head) for head in chosen)
    return [total.sums(ablation, metric, places) for total, metric in zip(totals, metrics, strict=True)]


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
