"""Numbers of documents and heads, folded into sums per block of documents."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from interp.folds import State, restore_to, state_of
from interp.sums import NumberSums
from interp.types import BLOCKS, Head

TABLES = ("_n", "_total", "_over")


class NumberFold:
    """Sums of several numbers of every head, and of the counts that they are means over; in float64.

    `ratios` are divided by other sums than the counts, which `add` is then given.
    """

    def __init__(self, definitions: Sequence[str], heads: Sequence[Head], *, ratios: bool = False) -> None:
        self.definitions, self.heads = tuple(definitions), tuple(heads)
        self._number = {head: number for number, head in enumerate(self.heads)}
        shape = (len(self.definitions), len(self.heads), BLOCKS)
        self._n, self._total = np.zeros(shape, dtype=np.int64), np.zeros(shape)
        self._over = np.zeros(shape) if ratios else None

    def add(
        self,
        first: Head,
        block: Int[Tensor, " batch"],
        total: Float[Tensor, "definition batch head"],
        n: Int[Tensor, "definition batch head"],
        over: Float[Tensor, "definition batch head"] | None = None,
    ) -> None:
        """Add what the documents of a batch give for the `first` head and those after it.

        Raises `ValueError` for ratios without what they are divided by, and for means with it.
        """
        if (self._over is None) != (over is None):
            raise ValueError("ratios are added with what they are divided by (over), and means without")
        start = self._number[first]
        rows, place = slice(start, start + total.shape[2]), block.cpu().numpy()
        parts = [(self._total, total.cpu().double()), (self._n, n.cpu())]
        if self._over is not None and over is not None:
            parts.append((self._over, over.cpu().double()))
        for table, values in parts:
            # [definition, head, block] seen with blocks first, for documents to be added to their own
            np.add.at(table[:, rows].transpose(2, 0, 1), place, values.numpy().transpose(1, 0, 2))

    def state(self) -> State:
        """Everything folded in so far."""
        return state_of(self, TABLES)

    def restore(self, state: State) -> None:
        """Go on from there."""
        restore_to(self, TABLES, state)

    def sums(self) -> NumberSums:
        """Everything folded in so far."""
        heads = tuple((head.site, head.layer, head.head) for head in self.heads)
        over = None if self._over is None else self._over.copy()
        return NumberSums(self.definitions, heads, self._n.copy(), self._total.copy(), over)
