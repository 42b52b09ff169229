"""What takes the place of a head's output z: nothing, or what it writes on average."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from interp.types import Batch, Head, HeadModel, HeadOutput, Site, Tap

Means = Mapping[tuple[Site, int], Float[Tensor, "head d_head"]]

Replacement = Callable[[Head], Tap]
"""From a head to the tap that silences it."""


def zero() -> Replacement:
    """z becomes 0 (Michel et al. 2019, section 2.3)."""
    return lambda head: _replace(head, lambda z: torch.zeros_like(z))


def mean(means: Means) -> Replacement:
    """z becomes its mean over all non-padding positions of the corpus; see `mean_outputs`."""
    return lambda head: _replace(head, lambda z: means[head.site, head.layer][head.head].to(z).expand_as(z))


def mean_outputs(model: HeadModel, batches: Iterable[Batch]) -> Means:
    """Every head's mean z over all non-padding tokens, special ones included; summed in float64."""
    sums: dict[tuple[Site, int], Tensor] = {}
    count = 0

    def add(site: Site, layer: int, z: HeadOutput, mask: Tensor) -> None:
        total = z[mask].double().sum(0)
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
