"""Sums of many numbers into few slots, in float64, where the numbers are."""

import numpy as np
import torch
from jaxtyping import Float, Int, Num
from scipy.sparse import csr_array
from torch import Tensor

from interp.devices import on_processor


def summing_device(device: torch.device) -> torch.device:
    """Where numbers of this device are summed: there, unless it has no float64 (mps)."""
    return torch.device("cpu") if device.type == "mps" else device


class SegmentSums:
    """Adds up the rows of a tensor by slot: row i, or row `item[i]`, goes to `slot[i]`; slots ascend.

    On processors by a product with a sparse matrix, which adds in the order of the items; on accelerators by
    `index_add_`.
    """

    def __init__(self, slot: Int[Tensor, " item"], item: Int[Tensor, " item"] | None = None, items: int = 0) -> None:
        self._slot, self._item = slot.to(summing_device(slot.device)), item
        self._items = len(slot) if item is None else items
        self._matrices: dict[str, csr_array] = {}
        if not on_processor(self._slot.device):
            return
        slots = self._slot.numpy()
        begins = np.flatnonzero(np.diff(slots, prepend=-1))
        self._present = slots[begins]
        self._ends = np.append(begins, len(slots)).astype(np.int32)
        self._columns = _counting(len(slots)) if item is None else item.cpu().numpy().astype(np.int32)

    def __len__(self) -> int:
        return len(self._slot)

    def add(self, table: Float[Tensor, "slot column"], values: Num[Tensor, "item column"]) -> None:
        """Add the values, each exactly as a float64, to the rows of the table that they belong to."""
        if not len(self._slot):
            return
        if on_processor(table.device):
            self._multiply(table, values.cpu().double().numpy())
        else:
            values = values.to(table.device)
            values = values if self._item is None else values.index_select(0, self._item.to(table.device))
            table.index_add_(0, self._slot, values.double())

    def add_counts(self, table: Float[Tensor, "slot column"], marks: Float[Tensor, "item column"]) -> None:
        """Add zeros and ones: of fewer than 2^24 a float32 is exact."""
        if on_processor(marks.device) and 0 < len(self._slot) < 2**24:
            self._multiply(table, marks.numpy())
        else:
            self.add(table, marks)

    def add_some(
        self,
        table: Float[Tensor, "slot column"],
        some: Int[Tensor, " chosen"],
        values: Float[Tensor, "chosen column"],
    ) -> None:
        """Add the values of some items only, which are given in ascending order."""
        SegmentSums(self._slot.index_select(0, some.to(self._slot.device))).add(table, values)

    def _multiply(self, table: Tensor, values: np.ndarray) -> None:
        kind = values.dtype.str
        if kind not in self._matrices:
            ones = _ones(len(self._columns), kind)
            shape = (len(self._present), self._items)
            self._matrices[kind] = csr_array((ones, self._columns, self._ends), shape=shape)
        # the slots that are present occur once
        table.numpy()[self._present] += self._matrices[kind] @ values


_KEPT: dict[str, np.ndarray] = {}


def _counting(length: int) -> np.ndarray:
    """0, 1, 2, …; all of them share their memory."""
    if len(_KEPT.get("counting", ())) < length:
        _KEPT["counting"] = np.arange(length, dtype=np.int32)
    return _KEPT["counting"][:length]


def _ones(length: int, dtype: str) -> np.ndarray:
    if len(_KEPT.get(dtype, ())) < length:
        _KEPT[dtype] = np.ones(length, dtype=dtype)
    return _KEPT[dtype][:length]
