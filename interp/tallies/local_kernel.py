"""The local kernel of each head: how much attention the tokens around get, by their offset from the one that asks."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from interp.attention.visibility import MaskGroups, Visible
from interp.folds import State, restore_to, state_of
from interp.sums import KernelSums
from interp.types import BLOCKS, Batch, Head, MaskGroup, Pattern, Site

TABLES = ("_queries", "_n", "_total", "_square")


class KernelTally:
    """Sums of attention and of its square, by offset of the key; of all heads but those of cross-attention."""

    def __init__(self, heads: Sequence[Head], groups: MaskGroups, reach: int = 10) -> None:
        self.heads = tuple(head for head in heads if head.site != "cross")
        self.offsets = tuple(range(-reach, reach + 1))
        self._groups = groups
        self._number = {head: number for number, head in enumerate(self.heads)}
        shape = (len(self.heads), len(self.offsets), BLOCKS)
        self._queries = np.zeros((len(self.heads), BLOCKS), dtype=np.int64)
        self._n = np.zeros(shape, dtype=np.int64)
        self._total, self._square = np.zeros(shape), np.zeros(shape)
        self._pairs: dict[MaskGroup, list[Bool[Tensor, "batch place"]]] = {}
        self._asking: dict[MaskGroup, Bool[Tensor, "batch query"]] = {}

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Mark the pairs of a token that asks and a key that it can see, one list per offset."""
        self._block = batch.block.cpu().numpy()
        for group, seen in visible.items():
            if group[0] == "cross":
                continue
            side = batch.query_side(group[0])
            self._asking[group] = side.mask & ~side.special
            pairs = seen & self._asking[group][:, :, None]
            self._pairs[group] = [along(pairs, by) for by in self.offsets]

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's attention."""
        if site == "cross":
            return
        start, group = self._number[Head(site, layer, first)], self._groups[site, layer]
        rows = slice(start, start + pattern.shape[1])
        np.add.at(self._queries[rows].T, self._block, self._asking[group].sum(1).cpu().numpy()[:, None])
        for place, (by, pairs) in enumerate(zip(self.offsets, self._pairs[group], strict=True)):
            weights = along(pattern, by).double() * pairs[:, None]
            self._add(self._n[rows, place], pairs.sum(1).cpu().numpy()[:, None])
            self._add(self._total[rows, place], weights.sum(-1).cpu().numpy())
            self._add(self._square[rows, place], weights.square().sum(-1).cpu().numpy())

    def state(self) -> State:
        """Everything folded in so far."""
        return state_of(self, TABLES)

    def restore(self, state: State) -> None:
        """Go on from there."""
        restore_to(self, TABLES, state)

    def sums(self) -> KernelSums:
        """Everything folded in so far."""
        heads = tuple((head.site, head.layer, head.head) for head in self.heads)
        parts = (self._queries.copy(), self._n.copy(), self._total.copy(), self._square.copy())
        return KernelSums(heads, self.offsets, *parts)

    def _add(self, table: np.ndarray, values: np.ndarray) -> None:
        np.add.at(table.T, self._block, values)


def along(
    values: Float[Tensor, "*rest query key"] | Bool[Tensor, "*rest query key"], by: int
) -> Float[Tensor, "*rest place"] | Bool[Tensor, "*rest place"]:
    """The diagonal of the pairs (q, q + by), for all q that have such a key; none where the text is shorter."""
    size = values.shape[-1]
    if abs(by) >= size:
        return values[..., 0, :0]
    return values.diagonal(by, -2, -1)
