"""Where the largest attention falls, and how large it is (Voita et al. 2019, sections 4 and 5.3)."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool
from torch import Tensor

from interp.attention.visibility import Visible
from interp.folds import State
from interp.roles.lexical import MOST_FREQUENT
from interp.sums import NumberSums
from interp.tallies.definitions import CONFIDENCE, RAREST, RAREST_TWO
from interp.tallies.numbers import NumberFold
from interp.tallies.roles import TIE
from interp.types import Batch, Head, Pattern, Site


class ConfidenceTally:
    """The largest attention of every query on a token that is not special, averaged over the queries."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.heads = tuple(heads)
        self._fold = NumberFold((CONFIDENCE.id,), self.heads)
        self._sites: list[Site] = list(dict.fromkeys(head.site for head in self.heads))

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Note who asks, and whom."""
        self._block = batch.block
        self._asked = {site: batch.key_side(site).mask & ~batch.key_side(site).special for site in self._sites}
        self._asking: dict[Site, Tensor] = {}
        for (site, _), seen in visible.items():
            query_side = batch.query_side(site).mask & ~batch.query_side(site).special
            sees_any = (seen & self._asked[site][:, None, :]).any(-1)
            self._asking[site] = query_side & sees_any

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's largest weights."""
        largest = (pattern.float() * self._asked[site][:, None, None, :]).amax(-1)
        query_side = self._asking[site][:, None].expand_as(largest)
        total, n = (largest * query_side).sum(-1), query_side.sum(-1)
        self._fold.add(Head(site, layer, first), self._block, total[None], n[None])

    def state(self) -> State:
        """That of its sums."""
        return self._fold.state()

    def restore(self, state: State) -> None:
        """Go on from there."""
        self._fold.restore(state)

    def sums(self) -> NumberSums:
        """Everything folded in so far, per block."""
        return self._fold.sums()


class RarestTally:
    """In how many documents the token that gets the most attention is the rarest, or one of the two rarest.

    Only documents count whose rarest token has `most_frequent` more frequent ones in the corpus. At `cross`, where
    queries and keys are of two texts, it counts nothing.
    """

    def __init__(self, heads: Sequence[Head], most_frequent: int = MOST_FREQUENT) -> None:
        self.heads, self.most_frequent = tuple(heads), most_frequent
        self._fold = NumberFold((RAREST.id, RAREST_TWO.id), self.heads)
        self._sites: list[Site] = list(dict.fromkeys(head.site for head in self.heads if head.site != "cross"))

    def begin(self, batch: Batch, visible: Visible) -> None:  # noqa: ARG002 - the seam's shape
        """Find the rarest tokens, and the documents where the rarest is rare at all."""
        self._block = batch.block
        self._own: dict[Site, Tensor] = {}
        self._targets: dict[Site, Bool[Tensor, "definition batch pos"]] = {}
        self._counts: dict[Site, Bool[Tensor, " batch"]] = {}
        for site in self._sites:
            side = batch.key_side(site)
            rank = torch.full_like(side.tokens, -1) if side.rank is None else side.rank
            rarest = rank.amax(1, keepdim=True)
            second = rank.masked_fill(rank == rarest, -1).amax(1, keepdim=True)
            is_rarest = (rank == rarest) & (rank >= 0)
            self._own[site] = side.mask & ~side.special
            self._targets[site] = torch.stack([is_rarest, is_rarest | ((rank == second) & (second >= 0))])
            self._counts[site] = rarest[:, 0] >= self.most_frequent

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's documents."""
        if site not in self._own:
            return
        own, counts = self._own[site], self._counts[site]
        received = torch.einsum("bhqk,bq->bhk", pattern.float(), own.float())
        received = received.masked_fill(~own[:, None, :], -1)
        chosen = (received >= received.amax(-1, keepdim=True) - TIE).double()
        share = torch.einsum("bhk,dbk->dbh", chosen, self._targets[site].double()) / chosen.sum(-1)
        total = share * counts[:, None]
        n = counts[None, :, None].expand(total.shape).long()
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
