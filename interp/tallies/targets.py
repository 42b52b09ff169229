"""The targets that roles mark in a batch, as a list: a few roles at a time, so that no mask of all of them is held."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.types import BLOCKS, Batch, Role

MARKS_AT_ONCE = 2**22
"""Marks of several roles that are held at the same time (4 MiB)."""


@dataclass(frozen=True, eq=False)
class Targets:
    """Every (row, query, key) that a role marks, sorted by slot: the role's number times the blocks, plus the block.

    Within a slot they are sorted by row, query and key. `begins` marks the first target of each role's query.
    """

    slot: Int[Tensor, " target"]
    pair: Int[Tensor, "target 3"]
    begins: Bool[Tensor, " target"]

    def some(self, chosen: Bool[Tensor, " target"]) -> "Targets":
        """Those of some queries."""
        return Targets(self.slot[chosen], self.pair[chosen], self.begins[chosen])


def find_targets(
    batch: Batch,
    candidates: Bool[Tensor, "batch query key"],
    queries: Bool[Tensor, "batch query"],
    roles: Mapping[int, Role],
    *,
    crossing: bool,
) -> Targets:
    """Targets that are candidates, of queries that have at least two to choose from, by the roles' numbers.

    Within one text the query itself is a target of reflexive roles only.
    """
    is_asked = queries & (candidates.sum(-1) >= 2)
    allowed = candidates & is_asked[:, :, None]
    others = allowed
    if not crossing:
        others = allowed.clone()
        others.diagonal(dim1=1, dim2=2).fill_(False)
    listed, at_once = list(roles.items()), max(1, MARKS_AT_ONCE // max(1, allowed.numel()))
    found = [torch.zeros(0, 4, dtype=torch.long, device=allowed.device)]
    for first in range(0, len(listed), at_once):
        some = listed[first : first + at_once]
        marked = torch.stack([role.targets(batch) for _, role in some])
        for place, (_, role) in enumerate(some):
            marked[place] &= allowed if role.reflexive else others
        found.append(marked.nonzero())
        found[-1][:, 0] += first
    where = torch.cat(found)
    number = torch.tensor([number for number, _ in listed], dtype=torch.long, device=where.device)
    slot, pair = number[where[:, 0]] * BLOCKS + batch.block[where[:, 1]], where[:, 1:]
    if (slot[1:] < slot[:-1]).any():
        order = slot.argsort(stable=True)
        slot, pair = slot[order], pair[order]
    begins = torch.ones_like(slot, dtype=torch.bool)
    begins[1:] = (slot[1:] != slot[:-1]) | (pair[1:, :2] != pair[:-1, :2]).any(1)
    return Targets(slot, pair, begins)
