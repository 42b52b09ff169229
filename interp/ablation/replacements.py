"""What takes the place of a head's output z: nothing, what it writes on average or elsewhere, or uniform attention."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.attention.nan_checks import finite_z
from interp.attention.visibility import mask_groups, visible_keys
from interp.corpora.batching import batches, collate
from interp.errors import InterpError, closest
from interp.folds import State
from interp.metrics import precise
from interp.progress import Progress, silent
from interp.types import Batch, EncodedCorpus, Head, HeadModel, HeadOutput, Pattern, Place, Site, Tap


@dataclass(frozen=True, eq=False)
class Substitution:
    """On one batch: from a layer's activation, `z` or `pattern`, to what takes its place, for all heads at once."""

    kind: Literal["pattern", "z"]
    replace: Callable[[Site, int, Tensor], Tensor]


Substitute = Callable[[Batch], Substitution]

Replacement = Callable[[HeadModel, EncodedCorpus, int, Progress], Substitute]
"""From a model, the whole corpus and a seed: what has to be measured on the corpus is measured here, in such passes."""


def zero(model: HeadModel, encoded: EncodedCorpus, seed: int = 0, progress: Progress = silent) -> Substitute:  # noqa: ARG001 - nothing to measure
    """z becomes 0 (Michel et al. 2019, section 2.3)."""
    return lambda _batch: Substitution("z", lambda _site, _layer, z: torch.zeros_like(z))


def mean(model: HeadModel, encoded: EncodedCorpus, seed: int = 0, progress: Progress = silent) -> Substitute:  # noqa: ARG001 - nothing is drawn
    """z becomes its mean over all non-padding positions of the corpus."""
    means = mean_outputs(model, encoded, progress)
    return lambda _batch: Substitution("z", lambda site, layer, z: means[site, layer].to(z).expand_as(z))


def resample(model: HeadModel, encoded: EncodedCorpus, seed: int = 0, progress: Progress = silent) -> Substitute:  # noqa: ARG001 - donors run when they are needed
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
            # z may lie where its layer does, elsewhere than the batch
            place = torch.arange(z.shape[1], device=donors.tokens.device)
            index = place[None, :] % donors.query_side(site).mask.sum(1, keepdim=True)[row]
            return written[site, layer][row].gather(1, index[:, :, None, None].expand_as(z)).to(z)

        return Substitution("z", replace)

    return substitute


def uniform(model: HeadModel, encoded: EncodedCorpus, seed: int = 0, progress: Progress = silent) -> Substitute:  # noqa: ARG001 - nothing is measured or drawn
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


def mean_outputs(
    model: HeadModel, encoded: EncodedCorpus, progress: Progress = silent
) -> dict[tuple[Site, int], Float[Tensor, "head d_head"]]:
    """Every head's mean z over all non-padding tokens, special ones included; summed in float64.

    Of the whole corpus, whoever asks. Raises `ModelError` where a head writes what is not finite.
    """
    sums = _Sums()

    def add(site: Site, layer: int, z: HeadOutput, batch: Batch) -> None:
        total = precise(z[batch.query_side(site).mask]).sum(0)
        if not total.isfinite().all():
            finite_z(model, batch, site, layer, z)
        sums.add((site, layer), total, int(batch.query_side(site).mask.sum()))

    for group in progress(batches(encoded, model), "mean outputs", sums, whole=True):
        batch = group.batch()
        model.run(batch, z=partial(add, batch=batch), logits=False)
    return sums.means()


class _Sums:
    """Sums of z by layer, and how many tokens they are of."""

    def __init__(self) -> None:
        self._total: dict[Place, Tensor] = {}
        self._count: dict[Place, int] = {}

    def add(self, place: Place, total: Tensor, count: int) -> None:
        self._total[place] = self._total[place].to(total) + total if place in self._total else total
        self._count[place] = self._count.get(place, 0) + count

    def means(self) -> dict[Place, Tensor]:
        return {place: total / self._count[place] for place, total in self._total.items()}

    def state(self) -> State:
        totals = {f"total {site} {layer}": total.cpu().numpy() for (site, layer), total in self._total.items()}
        return totals | {f"count {site} {layer}": np.asarray(n) for (site, layer), n in self._count.items()}

    def restore(self, state: State) -> None:
        self._total, self._count = {}, {}
        for name, array in state.items():
            what, site, layer = name.split()
            place: Any = (site, int(layer))
            if what == "total":
                self._total[place] = torch.from_numpy(array)
            else:
                self._count[place] = int(array)
