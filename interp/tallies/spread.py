"""How spread out each head's attention is, how far it goes, and how much of it rests on the first token."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.attention.visibility import Visible
from interp.folds import State
from interp.sums import NumberSums
from interp.tallies.definitions import DISTANCE, DISTANCE_WITHOUT_FIRST, ENTROPY, ENTROPY_WITHOUT_FIRST, NULL
from interp.tallies.numbers import NumberFold
from interp.types import Batch, Head, Pattern, Site

MOST_ON_FIRST = 0.9
"""A row with more on the first token has too little left to have a shape (Vig & Belinkov 2019, footnote 4)."""


class ShapeTally:
    """How spread out each head's attention is and how far it goes, averaged over the real tokens that ask.

    `entropy` is −Σ a ln a in nats over all visible keys; `mean_distance` is Σ a |query − key| in tokens, each counted
    on its own side.
    """

    def __init__(self, heads: Sequence[Head]) -> None:
        self.heads = tuple(heads)
        self._fold = NumberFold((ENTROPY.id, DISTANCE.id), self.heads)
        self._sites: list[Site] = list(dict.fromkeys(head.site for head in self.heads))
        self._asking: dict[Site, Float[Tensor, "batch query"]] = {}
        self._apart: dict[Site, Tensor] = {}

    def begin(self, batch: Batch, visible: Visible) -> None:  # noqa: ARG002 - the seam's shape
        """Note which tokens ask: all but special tokens and padding."""
        self._block = batch.block
        for site in self._sites:
            query_side, asked = batch.query_side(site), batch.key_side(site)
            self._asking[site] = (query_side.mask & ~query_side.special).float()
            query, key = (torch.arange(side.tokens.shape[1], device=side.tokens.device) for side in (query_side, asked))
            self._apart[site] = (query[:, None] - key[None, :]).abs().float()

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's entropies and distances."""
        weights, query_side = pattern.float(), self._asking[site]
        distance = torch.einsum("bhqk,qk->bhq", weights, self._apart[site])
        rows = torch.stack([entropy_of(weights), distance])
        total = torch.einsum("dbhq,bq->dbh", rows, query_side)
        self._fold.add(Head(site, layer, first), self._block, total, _each(query_side.sum(1), total))

    def state(self) -> State:
        """That of its sums."""
        return self._fold.state()

    def restore(self, state: State) -> None:
        """Go on from there."""
        self._fold.restore(state)

    def sums(self) -> NumberSums:
        """Everything folded in so far, per block."""
        return self._fold.sums()

    def means(self) -> tuple[Float[np.ndarray, " head"], Float[np.ndarray, " head"]]:
        """Mean entropy (nats) and mean distance (tokens) of every head."""
        sums = self.sums()
        entropy, distance = sums.total.sum(-1) / np.maximum(sums.n.sum(-1), 1)
        return entropy, distance


class FirstTokenTally:
    """Attention to the first token, and the entropy of what is left without it."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.heads = tuple(heads)
        self._fold = NumberFold((NULL.id, ENTROPY_WITHOUT_FIRST.id), self.heads)
        self._sites: list[Site] = list(dict.fromkeys(head.site for head in self.heads))
        self._asking: dict[Site, Float[Tensor, "batch query"]] = {}

    def begin(self, batch: Batch, visible: Visible) -> None:  # noqa: ARG002 - the seam's shape
        """Note which tokens ask: all but special tokens, padding and the first one itself."""
        self._block = batch.block
        for site in self._sites:
            side = batch.query_side(site)
            query_side = side.mask & ~side.special
            if site != "cross":
                query_side = query_side & (torch.arange(query_side.shape[1], device=query_side.device) > 0)
            self._asking[site] = query_side.float()

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's attention to the first token, and its other entropies."""
        on_first, rest = pattern[..., 0].float(), pattern[..., 1:].float()
        query_side = self._asking[site][:, None].expand_as(on_first)
        kept = query_side * (on_first <= MOST_ON_FIRST)
        others = rest.sum(-1, keepdim=True)
        # a lone first token leaves nothing: no key, no entropy
        kept = kept * (others[..., 0] > 0)
        entropy = entropy_of(rest / others.clamp(min=torch.finfo(torch.float32).tiny))
        total = torch.stack([(on_first * query_side).sum(-1), (entropy * kept).sum(-1)])
        n = torch.stack([query_side.sum(-1), kept.sum(-1)]).round().long()
        self._fold.add(Head(site, layer, first), self._block, total, n)

    def state(self) -> State:
        """That of its sums."""
        return self._fold.state()

    def restore(self, state: State) -> None:
        """Go on from there."""
        self._fold.restore(state)

    def sums(self) -> NumberSums:
        """Everything folded in so far, per block."""
        return self._fold.sums()

    def null_attention(self) -> Float[np.ndarray, " head"]:
        """The mean attention of every head on the first token; NaN where no other token asked."""
        sums = self.sums()
        n = sums.n[0].sum(-1)
        return sums.total[0].sum(-1) / np.where(n > 0, n, np.nan)


class DistanceTally:
    """How far attention goes that does not rest on the first token: one ratio over all of it."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.heads = tuple(heads)
        self._fold = NumberFold((DISTANCE_WITHOUT_FIRST.id,), self.heads, ratios=True)

    def begin(self, batch: Batch, visible: Visible) -> None:  # noqa: ARG002 - the seam's shape
        """Note which batch the patterns are of."""
        self._batch = batch

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's attention, and the same by distance."""
        side, (queries, keys) = self._batch.query_side(site), pattern.shape[2:]
        query, key = (torch.arange(size, device=pattern.device) for size in (queries, keys))
        query_side = side.mask & ~side.special & ((query > 0) | (site == "cross"))
        attention = pattern[..., 1:].float() * query_side[:, None, :, None]
        apart = (query[:, None] - key[None, 1:]).abs().float()
        over, total = attention.sum((2, 3)), torch.einsum("bhqk,qk->bh", attention, apart)
        n = query_side.sum(1)[:, None].expand_as(over)
        self._fold.add(Head(site, layer, first), self._batch.block, total[None], n[None], over[None])

    def state(self) -> State:
        """That of its sums."""
        return self._fold.state()

    def restore(self, state: State) -> None:
        """Go on from there."""
        self._fold.restore(state)

    def sums(self) -> NumberSums:
        """Everything folded in so far, per block."""
        return self._fold.sums()


def entropy_of(weights: Float[Tensor, "*row key"]) -> Float[Tensor, "*row"]:
    """−Σ a ln a of every row, in nats."""
    # with x ln x at 0 taken just above it; torch's own entr is three times slower
    return -(weights.clamp(min=torch.finfo(torch.float32).tiny).log_().mul_(weights).sum(-1))


def _each(
    count: Float[Tensor, " batch"], total: Float[Tensor, "definition batch head"]
) -> Int[Tensor, "definition batch head"]:
    """The same count for every number and head."""
    return count.round().long()[None, :, None].expand_as(total)


def shapes_of_heads(shape: ShapeTally, first: FirstTokenTally) -> pd.DataFrame:
    """One row per head: `entropy` (nats), `mean_distance` (tokens), and `null_attention`, that on the first token."""
    entropy, distance = shape.means()
    heads = pd.DataFrame([tuple(head) for head in shape.heads], columns=["site", "layer", "head"])
    return heads.assign(entropy=entropy, mean_distance=distance, null_attention=first.null_attention())
