"""How much the text changes where a head attends (Vig & Belinkov 2019, section 5.1.2): two passes over the corpus."""

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.attention.visibility import Visible
from interp.folds import State, restore_to, state_of
from interp.sums import NumberSums
from interp.tallies.definitions import VARIABILITY, VARIABILITY_WITHOUT_FIRST
from interp.tallies.numbers import NumberFold
from interp.types import Batch, Head, Pattern, Site

FIRST = 10
"""Tokens at the beginning of a document that are looked at: enough documents are as long."""


class MeanPattern:
    """The first pass: every head's mean attention among the first tokens of a document."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.heads = tuple(heads)
        self._number = {head: number for number, head in enumerate(self.heads)}
        self._total = torch.zeros(len(self.heads), FIRST, FIRST, dtype=torch.float64)
        self._documents = torch.zeros(len(self.heads), dtype=torch.float64)

    def begin(self, batch: Batch, visible: Visible) -> None:  # noqa: ARG002 - the seam's shape
        """Note which documents are long enough."""
        self._batch = batch

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's patterns."""
        start = self._number[Head(site, layer, first)]
        rows = slice(start, start + pattern.shape[1])
        kept = long_enough(self._batch, site)
        if kept.any():
            self._total[rows] += pattern[kept, :, :FIRST, :FIRST].double().sum(0).cpu()
            self._documents[rows] += kept.sum().cpu()

    def state(self) -> State:
        """Sums, and how many documents they are of."""
        return state_of(self, ("_total", "_documents"))

    def restore(self, state: State) -> None:
        """Go on from there."""
        restore_to(self, ("_total", "_documents"), state)

    def means(self) -> Float[Tensor, "head query key"]:
        """Every head's mean pattern; NaN where no document was long enough."""
        return self._total / self._documents[:, None, None]


class VariabilityTally:
    """The second pass: how far each document's attention lies from that mean, as a share of all attention.

    Once of whole rows, and once without the first token, as Vig and Belinkov have it.
    """

    def __init__(self, mean: MeanPattern) -> None:
        self.heads = mean.heads
        self._mean = mean.means().float()
        self._number = {head: number for number, head in enumerate(self.heads)}
        self._fold = NumberFold((VARIABILITY.id, VARIABILITY_WITHOUT_FIRST.id), self.heads, ratios=True)

    def begin(self, batch: Batch, visible: Visible) -> None:  # noqa: ARG002 - the seam's shape
        """Note which documents are long enough."""
        self._batch = batch

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's distances from the mean."""
        head = Head(site, layer, first)
        kept = long_enough(self._batch, site)
        if not kept.any():
            return
        start = self._number[head]
        mean = self._mean[start : start + pattern.shape[1]].to(pattern.device)
        attention = pattern[kept, :, :FIRST, :FIRST].float()
        by_key = (attention - mean).abs().sum(2) / 2
        away = torch.stack([by_key.sum(-1), by_key[..., 1:].sum(-1)])
        n = torch.full_like(away, FIRST, dtype=torch.long)
        over = torch.stack([torch.full_like(away[0], FIRST), attention[..., 1:].sum((2, 3))])
        self._fold.add(head, self._batch.block[kept], away, n, over)

    def state(self) -> State:
        """That of its sums."""
        return self._fold.state()

    def restore(self, state: State) -> None:
        """Go on from there."""
        self._fold.restore(state)

    def sums(self) -> NumberSums:
        """Everything folded in so far, per block."""
        return self._fold.sums()


def long_enough(batch: Batch, site: Site) -> Bool[Tensor, " batch"]:
    """The documents that have so many tokens, on both sides."""
    return (batch.query_side(site).mask.sum(1) >= FIRST) & (batch.key_side(site).mask.sum(1) >= FIRST)
