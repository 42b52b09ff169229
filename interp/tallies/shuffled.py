"""Null model: attention rows permuted over visible keys, entropy preserved."""

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.attention.visibility import MaskGroups, Visible
from interp.tallies.stream import Tally
from interp.types import Batch, MaskGroup, Pattern, Site

SITES = ("self", "encoder", "decoder", "cross")


class ShuffledRows:
    """A tally that shows another one patterns whose rows are shuffled: entropy stays, and where it attends is chance.

    Every row has a draw of its own, from `seed`, the document, the head and the query alone: the batches a corpus is
    read in change nothing. What goes to no token (`HasSinks`) stays there.
    """

    def __init__(self, inner: Tally, groups: MaskGroups, seed: int) -> None:
        self.inner, self._groups, self._seed = inner, groups, seed
        self._documents: list[int] = []
        self._visible: dict[MaskGroup, Bool[Tensor, "batch query key"]] = {}

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Note what could be seen."""
        self._documents, self._visible = batch.document.tolist(), dict(visible)
        self.inner.begin(batch, visible)

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Shuffle and hand on."""
        visible = self._visible[self._groups[site, layer]]
        drawn = [self._draw(document, site, layer, first, pattern.shape[1:]) for document in self._documents]
        lot = torch.from_numpy(np.stack(drawn)).to(pattern.device)
        self.inner.update(site, layer, shuffled(pattern, visible, lot), first)

    def _draw(self, document: int, site: Site, layer: int, first: int, shape: torch.Size) -> np.ndarray:
        """A number for each head, query and key, the same for every padding."""
        heads, queries, keys = shape
        drawn = np.empty(shape, dtype=np.float32)
        for head in range(heads):
            rng = np.random.default_rng((self._seed, document, SITES.index(site), layer, first + head))
            drawn[head] = _square(rng, queries, keys)
        return drawn


def _square(rng: np.random.Generator, queries: int, keys: int) -> np.ndarray:
    """Uniform numbers [query, key], ring after ring, so that a larger array holds the smaller one in its corner."""
    size = max(queries, keys)
    flat = rng.random(size * size, dtype=np.float32)
    query, key = np.ogrid[:queries, :keys]
    ring = np.maximum(query, key)
    return flat[ring * ring + np.where(key == ring, query, ring + 1 + key)]


def shuffled(pattern: Pattern, visible: Bool[Tensor, "batch query key"], lot: Tensor) -> Pattern:
    """Each row's weights on its visible keys in the order that `lot` (any numbers, like the pattern) gives them."""
    hidden = ~visible[:, None].expand_as(pattern)
    taken: Int[Tensor, "batch head query key"] = lot.masked_fill(hidden, 2.0).argsort(-1)
    place = hidden.to(torch.uint8).argsort(dim=-1, stable=True)
    moved = torch.zeros_like(pattern).scatter(-1, place, pattern.gather(-1, taken))
    return torch.where(hidden, pattern, moved)
