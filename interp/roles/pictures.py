"""Heads that attend to a neighbouring patch: the convolution that attention can learn (Cordonnier et al. 2020)."""

from functools import partial

import torch
from jaxtyping import Bool
from torch import Tensor

from interp.roles.definition import Definition
from interp.types import Batch, Role

NEIGHBOURS = {"above": (-1, 0), "below": (1, 0), "left": (0, -1), "right": (0, 1)}
"""How many rows down and columns to the right of the query each lies."""


def pictures() -> tuple[Role, ...]:
    """The patches above, below, left and right."""
    return tuple(neighbour(name) for name in NEIGHBOURS)


def neighbour(name: str) -> Role:
    """The patch beside the query's on this side, none beyond the edge: `left` is `offset-1`, but for a row's first."""
    down, across = NEIGHBOURS[name]
    targets = partial(_targets, down=down, across=across)
    return Role(name, "pictures", "token", "mass", f"pictures/{name}@1", ("uniform",), targets)


def _targets(batch: Batch, down: int, across: int) -> Bool[Tensor, "batch query key"]:
    patch = batch.word >= 0
    if batch.grid is None:
        return torch.zeros_like(patch)[:, :, None] & patch[:, None, :]
    row, column = batch.word // batch.grid[1], batch.word % batch.grid[1]
    there = (row[:, None, :] == row[:, :, None] + down) & (column[:, None, :] == column[:, :, None] + across)
    return there & patch[:, :, None] & patch[:, None, :]


DEFINITIONS = tuple(
    Definition(
        id=f"pictures/{name}@1",
        role=name,
        family="pictures",
        unit="token",
        statistic="mass",
        formula=f"mean over patches q of A[q, k], k the patch {down:+d} rows down and {across:+d} columns to the right",
        exclusions="No query where that patch lies beyond the edge; [CLS] is no query.",
        baseline="uniform: one over the visible keys",
        source="Cordonnier et al. 2020 (attention that expresses a convolution).",
    )
    for name, (down, across) in NEIGHBOURS.items()
)
