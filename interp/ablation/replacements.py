"""What takes the place of a head's output z: nothing, what it writes on average or elsewhere, or uniform attention."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.attention.nan_checks import finite_z
from interp.attention.visibility import mask_groups, visible_keys
from interp.corpora.batching import batches, collate, read_batches
from interp.errors import InterpError, closest
from interp.metrics import precise
from interp.types import Batch, EncodedCorpus, Head, HeadModel, HeadOutput, Pattern, Site, Tap


@dataclass(frozen=True, eq=False)
class Substitution:
    """On one batch: from a layer's activation, `z` or `pattern`, to what takes its place, for all heads at once."""

    kind: Literal["pattern", "z"]
    replace: Callable[[Site, int, Tensor], Tensor]


Substitute = Callable[[Batch], Substitution]

Replacement = Callable[[HeadModel, EncodedCorpus, int], Substitute]
"""From a model, the whole corpus and a seed: what has to be measured on the corpus is measured here."""


def zero(model: HeadModel, encoded: EncodedCorpus, seed: int = 0) -> Substitute:  # noqa: ARG001 - nothing to measure
    """z becomes 0 (Michel et al. 2019, section 2.3)."""
    return lambda _batch: Substitution("z", lambda _site, _layer, z: torch.zeros_like(z))


def mean(model: HeadModel, encoded: EncodedCorpus, seed: int = 0) -> Substitute:  # noqa: ARG001 - nothing is drawn
    """z becomes its mean over all non-padding positions of the corpus."""
    means = mean_outputs(model, encoded)
    return lambda _batch: Substitution("z", lambda site, layer, z: means[site, layer].to(z).expand_as(z))


def resample(model: HeadModel, encoded: EncodedCorpus, seed: int = 0) -> Substitute:
    """z becomes that of the next document in a seeded cycle, position by position, repeated where that is shorter.

    The cycle is `default_rng(seed).permutation` of all documents of the corpus, whichever of them are swept. Every row
    of an expansion (masked copies, both sentences of a pair) takes from the next document as it stands.
    """
    cycle = np.random.default_rng(seed).permutation(len(encoded))
    after = dict(zip(cycle.tolist(), np.roll(cycle, -1).tolist(), strict=True))

    def substitute(batch: Batch) -> Substitution:
        # rows of one document share a donor, which runs once
        documents, row = batch.document.unique(return_inverse=True)
        donors = collate(encoded, [after[document] for document in documents.tolist()], model)
        written: dict[tuple[Site, int], Tensor] = {}

        def keep(site: Site, layer: int, z: HeadOutput) -> None:
            written[site, layer] = finite_z(model, donors, site, layer, z)

        model.run(donors, z=keep, logits=False)

        def replace(site: Site, layer: int, z: HeadOutput) -> HeadOutput:
            place = torch.arange(z.shape[1], device=z.device)
            index = place[None, :] % donors.query_side(site).mask.sum(1, keepdim=True)[row]
            return written[site, layer][row].gather(1, index[:, :, None, None].expand_as(z)).to(z)

        return Substitution("z", replace)

    return substitute


def uniform(model: HeadModel, encoded: EncodedCorpus, seed: int = 0) -> Substitute:  # noqa: ARG001 - nothing is drawn
    """z becomes what the head would write if it attended alike to all that it can see."""

    def substitute(batch: Batch) -> Substitution:
        groups, even = mask_groups(model), {}
        for group, visible in visible_keys(model, batch).items():
            seen = visible[:, None]
            even[group] = seen / seen.sum(-1, keepdim=True).clamp(min=1)

        def replace(site: Site, layer: int, pattern: Pattern) -> Pattern:
            return even[groups[site, layer]].to(pattern).expand_as(pattern)

        return Substitution("pattern", replace)

    return substitute


REPLACEMENTS: dict[str, Replacement] = {"zero": zero, "mean": mean, "resample": resample, "uniform": uniform}


def named(replacement: str | Replacement) -> tuple[str, Replacement]:
    """A replacement and its name. Raises `InterpError` for one that is not known."""
    if isinstance(replacement, str):
        if replacement not in REPLACEMENTS:
            raise InterpError(f"The replacement {replacement!r} is not known. {closest(replacement, REPLACEMENTS)}")
        return replacement, REPLACEMENTS[replacement]
    # behind a partial, such as a configuration makes, stands the function that has the name
    return getattr(getattr(replacement, "func", replacement), "__name__", "custom"), replacement


def tap_of(substitution: Substitution, heads: Sequence[Head]) -> Tap:
    """The tap, of the substitution's kind, that replaces these heads' activations and leaves all others."""
    axis = 1 if substitution.kind == "pattern" else 2

    def tap(site: Site, layer: int, activation: Tensor) -> Tensor | None:
        here = [head.head for head in heads if (head.site, head.layer) == (site, layer)]
        if not here:
            return None
        index = torch.tensor(here, device=activation.device)
        by = substitution.replace(site, layer, activation).index_select(axis, index)
        return activation.index_copy(axis, index, by.to(activation))

    return tap


def mean_outputs(model: HeadModel, encoded: EncodedCorpus) -> dict[tuple[Site, int], Float[Tensor, "head d_head"]]:
    """Every head's mean z over all non-padding tokens, special ones included; summed in float64.

    Raises `ModelError` where a head writes what is not finite.
    """
    sums: dict[tuple[Site, int], Tensor] = {}

    def add(site: Site, layer: int, z: HeadOutput, batch: Batch) -> None:
        total = precise(z[batch.query_side(site).mask]).sum(0)
        if not total.isfinite().all():
            finite_z(model, batch, site, layer, z)
        sums[site, layer] = sums[site, layer] + total if (site, layer) in sums else total

    count: dict[Site, int] = {head.site: 0 for head in model.heads}
    for batch in read_batches(batches(encoded, model)):
        model.run(batch, z=partial(add, batch=batch), logits=False)
        for site in count:
            count[site] += int(batch.query_side(site).mask.sum())
    return {(site, layer): total / count[site] for (site, layer), total in sums.items()}
