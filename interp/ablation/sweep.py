"""Silence every head in turn and measure what the model loses, in block sums."""

from collections.abc import Iterable, Sequence

from jaxtyping import Float
from torch import Tensor

from interp.ablation import engine, plain
from interp.ablation.replacements import Silencer
from interp.ablation.totals import Totals
from interp.errors import InterpError, closest
from interp.sums import EffectSums
from interp.types import Batch, Head, HeadModel, Metric, Resumable

ENGINES = ("auto", "fast", "plain")
"""Only the rest of the network for each head, a whole forward pass for each, or the first of them that fits."""

PRECISIONS = ("float32", "delta", "bfloat16")
"""Exact; bfloat16 on the difference from the clean run only; bfloat16 throughout, on GPUs that have it."""


def sweep(
    model: HeadModel,
    batches: Iterable[Batch],
    silence: Silencer,
    metrics: Sequence[Metric],
    *,
    ablation: str,
    heads: Sequence[Head] | None = None,
    using: str = "auto",
    precision: str = "float32",
) -> list[EffectSums]:
    """Returns one `EffectSums` per metric; effect = intact − ablated, so a positive one means that the head helped.

    A document without a value (NaN) is left out of n and counted. Raises `InterpError` for an engine that is not known
    or that the model does not fit.
    """
    chosen = tuple(model.heads if heads is None else heads)
    totals = [Totals(chosen) for _ in metrics]
    for batch in batches:
        before, after = silenced(model, batch, silence, chosen, metrics, using=using, precision=precision)
        for number, metric in enumerate(metrics):
            totals[number].add(before[number], after[number], metric.scored_tokens(batch), batch.block)
    return [total.sums(ablation, one.name, signed=one.signed) for total, one in zip(totals, metrics, strict=True)]


def silenced(
    model: HeadModel,
    batch: Batch,
    silence: Silencer,
    heads: Sequence[Head],
    metrics: Sequence[Metric],
    *,
    using: str = "auto",
    precision: str = "float32",
) -> tuple[Float[Tensor, "metric batch"], Float[Tensor, "metric head batch"]]:
    """Every metric of every document of a batch, of the intact model and without each head; raises as `sweep` does."""
    sets = [(head,) for head in heads]
    if runs_fast(model, using, precision) and isinstance(model, Resumable):
        return engine.measure(model, batch, silence(batch), sets, metrics, precision=precision)
    return plain.measure(model, batch, silence(batch), sets, metrics)


def runs_fast(model: HeadModel, using: str = "auto", precision: str = "float32") -> bool:
    """Whether the fast engine is asked for and can be had. Raises `InterpError` where it is asked for and cannot."""
    if using not in ENGINES:
        raise InterpError(f"ablation.engine={using} is not known. {closest(using, ENGINES)}")
    if precision not in PRECISIONS:
        raise InterpError(f"ablation.precision={precision} is not known. {closest(precision, PRECISIONS)}")
    fits = isinstance(model, Resumable) and model.resumable
    if using == "fast" and not fits:
        raise InterpError(
            f"ablation.engine=fast runs the network from a layer on, which {model.name!r} does not offer. "
            "Allowed for it: ablation.engine=plain (the same numbers, slower); or model.backend=attention."
        )
    fast = fits and using != "plain"
    if precision != "float32" and not fast:
        raise InterpError(
            f"ablation.precision={precision} belongs to the fast engine, and this sweep runs the plain one. "
            "Allowed: ablation.precision=float32; or model.backend=attention and ablation.engine=auto."
        )
    return fast
