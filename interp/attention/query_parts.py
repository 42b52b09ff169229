"""Cuts the queries of long texts into parts whose attention is looked at together, and no word into two."""

import torch
from jaxtyping import Int
from torch import Tensor

from interp.attention.words import written_by
from interp.devices import tokens_for
from interp.types import Batch, Site

WEIGHTS_A_PART = 2**22
"""Attention weights of a layer that are looked at together on a processor (16 MiB): a look has its price, too."""

FEWEST_QUERIES = 128
"""Products of fewer queries at a time are slower."""


def part_starts(batch: Batch, site: Site, heads: int) -> tuple[int, ...]:
    """The first query of each part, where a layer of so many heads is looked at part by part; at least (0,)."""
    side, keys = batch.query_side(site), batch.key_side(site).tokens.shape[1]
    rows, queries = side.tokens.shape
    at_once = tokens_for(side.tokens.device, WEIGHTS_A_PART) // max(1, rows * heads * keys)
    most = max(FEWEST_QUERIES, at_once)
    if queries <= most:
        return (0,)
    allowed = _borders(written_by(side, site)).tolist()
    starts, last = [0], 0
    for here in [*allowed, queries]:
        # the last border that is near enough
        if here - starts[-1] > most and last > starts[-1]:
            starts.append(last)
        last = here
    return tuple(starts)


def _borders(word: Int[Tensor, "batch pos"]) -> Int[Tensor, " border"]:
    """The places before which no word has begun that goes on there, in any row."""
    place = torch.arange(word.shape[1], device=word.device).expand_as(word)
    owner = torch.where(word >= 0, word, int(word.amax()) + 1)
    last = torch.full_like(word, -1)[:, :1].expand(-1, int(owner.amax()) + 1).clone()
    last = last.scatter_reduce_(1, owner, place, "amax").gather(1, owner)
    reach = torch.where(word >= 0, last, -1).cummax(1).values
    return ((reach[:, :-1] <= place[:, :-1]).all(0).nonzero()[:, 0]) + 1
