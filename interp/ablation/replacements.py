"""What takes the place of a head's output z: nothing, or what it writes on average."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from interp.metrics import precise
from interp.types import Batch, Head, HeadModel, HeadOutput, Site, Tap

Means = Mapping[tuple[Site, int], Float[Tensor, "head d_head"]]

Silencer = Callable[[Head], Tap]
"""From a head to the tap that replaces its z."""

Replacement = Callable[[HeadModel, Iterable[Batch]], Silencer]
"""Prepares a silencer for a model; a replacement that is measured on a corpus reads it here, in one pass."""


def zero(model: HeadModel, batches: Iterable[Batch]) -> Silencer:  # noqa: ARG001 - nothing has to be measured
    """z becomes 0 (Michel et al. 2019, section 2.3)."""
    return lambda head: _replace(head, torch.zeros_like)


def mean(model: HeadModel, batches: Iterable[Batch]) -> Silencer:
    """z becomes its mean over all non-padding positions of the corpus."""
    means = mean_outputs(model, batches)
    return lambda head: _replace(head, lambda z: means[head.site, head.layer][head.head].to(z).expand_as(z))


def mean_outputs(model: HeadModel, batches: Iterable[Batch]) -> Means:
    """Every head's mean z over all non-padding tokens, special ones included; summed in float64."""
    sums: dict[tuple[Site, int], Tensor] = {}
    count = 0

    def add(site: Site, layer: int, z: HeadOutput, mask: Tensor) -> None:
        total = precise(z[mask]).sum(0)
        sums[site, layer] = sums[site, layer] + total if (site, layer) in sums else total

    for batch in batches:
        model.run(batch, z=partial(add, mask=batch.mask), logits=False)
        count += int(batch.mask.sum())
    return {place: total / count for place, total in sums.items()}


def _replace(head: Head, by: Callable[[Tensor], Tensor]) -> Tap:
    def tap(site: Site, layer: int, z: Tensor) -> Tensor | None:
        if (site, layer) != (head.site, head.layer):
            return None
        z = z.clone()
        z[:, :, head.head] = by(z[:, :, head.head])
        return z

    return tap
