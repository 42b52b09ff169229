"""One whole forward pass per set of ablated heads: slow, for every model, and what the engine is held against."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from interp.ablation.replacements import Substitution, tap_of
from interp.types import Batch, Head, HeadModel, Metric


def measure_plain(
    model: HeadModel,
    batch: Batch,
    substitution: Substitution,
    sets: Sequence[Sequence[Head]],
    metrics: Sequence[Metric],
) -> tuple[Float[Tensor, "metric batch"], Float[Tensor, "metric variant batch"]]:
    """Every metric of every document, of the intact model and with each set of heads ablated."""
    logits = any(metric.language for metric in metrics)
    intact = model.run(batch, logits=logits)
    before = torch.stack([metric.measure(intact, batch.written, intact) for metric in metrics])
    after = [
        torch.stack([metric.measure(output, batch.written, intact) for metric in metrics])
        for heads in sets
        for output in [model.run(batch, **{substitution.kind: tap_of(substitution, heads)}, logits=logits)]
    ]
    return before, torch.stack(after, dim=1)
