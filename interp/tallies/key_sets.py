"""Roles that ask every query of a document for the same words, such as all punctuation: summed by products.

A query has as many targets as there are such words, which as a list would be longer than everything else.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.attention.words import Words
from interp.devices import precise
from interp.roles.baselines import SPREAD
from interp.tallies.segment_sums import SegmentSums
from interp.types import BLOCKS, Batch, Role

MANY = 8
"""Words of a document that a role must ask for on average; fewer are faster asked one by one."""


@dataclass(frozen=True, eq=False)
class KeySets:
    """The words that each of some roles asks for, and how many of them each query is asked for, 0 for none."""

    numbers: tuple[int, ...]
    keys: Bool[Tensor, "role batch key"]
    count: Int[Tensor, "role batch query"]

    def slots(self, block: Int[Tensor, " batch"], asks: Bool[Tensor, "role batch query"]) -> Int[Tensor, " asked"]:
        """The slot of each query that asks: the role's number times the number of blocks, plus the block."""
        role, row, _ = asks.nonzero().unbind(1)
        return torch.tensor(self.numbers, device=role.device)[role] * BLOCKS + block[row]

    def credit(
        self, baseline: str, candidates: Bool[Tensor, "batch query key"], owned: Int[Tensor, "batch key"]
    ) -> Float[Tensor, " asked"]:
        """What a baseline that spreads evenly earns with all targets of each query that asks, in float64."""
        weight = owned if baseline == "uniform_tokens" else torch.ones_like(owned)
        # whole numbers, exact in float32
        among = candidates.float()
        of_all = (among @ weight[:, :, None].float())[None, ..., 0]
        of_targets = (among @ (self.keys * weight).permute(1, 2, 0).float()).permute(2, 0, 1)
        asks = self.count > 0
        return precise(of_targets)[asks] / precise(of_all.expand_as(of_targets))[asks]


def find_key_sets(
    batch: Batch,
    candidates: Bool[Tensor, "batch query key"],
    queries: Bool[Tensor, "batch query"],
    roles: Mapping[int, Role],
) -> KeySets | None:
    """Those of these roles, over words, that mark the same keys for every query; None where none does."""
    found = {number: keys for number, role in roles.items() if (keys := _same_for_all(role, batch)) is not None}
    if not found:
        return None
    keys = torch.stack(list(found.values()))
    is_asked = queries & (candidates.sum(-1) >= 2)
    count = (candidates.float() @ keys.permute(1, 2, 0).float()).long().permute(2, 0, 1)
    return KeySets(tuple(found), keys, count * is_asked)


def _same_for_all(role: Role, batch: Batch) -> Bool[Tensor, "batch key"] | None:
    """The keys that it marks for every query; None where they are few or may be others, or hits are what counts."""
    if role.statistic != "mass" or role.reflexive or not set(role.baselines) <= set(SPREAD):
        return None
    marked = role.targets(batch)
    # one row in memory that stands for all
    if not marked.shape[1] or marked.stride(1) != 0:
        return None
    keys = marked[:, 0]
    return keys if keys.sum() >= MANY * len(keys) else None


class KeySums:
    """Adds up what some queries give to key sets, wherever the first tokens of words meet."""

    def __init__(self, sets: KeySets, words: Words, block: Int[Tensor, " batch"], start: int, stop: int) -> None:
        asking, answering = words.asking, words.asked
        key_word, word = answering.word.clamp(min=0), asking.word[:, start:stop].clamp(min=0)
        every = (len(sets.numbers), -1, -1)
        # nothing is on tokens that begin no word
        keys = sets.keys.gather(2, key_word.expand(*every))
        # all words last, so that one product gives what is on them, too
        self._keys = torch.cat([keys, torch.ones_like(keys[:1])]).transpose(0, 1).float().contiguous()
        count = sets.count.gather(2, word.expand(*every)) * asking.begins[:, start:stop]
        self._count = count.permute(1, 2, 0)[:, None]
        item = (count > 0).flatten().nonzero()[:, 0]
        self._slots = SegmentSums(sets.slots(block, count > 0), item, count.numel())

    def add_attention(
        self,
        mass: Float[Tensor, "slot head"],
        on_words: Float[Tensor, "slot head"],
        attention: Float[Tensor, "row head query key"],
    ) -> None:
        """What is on the sets, and on all words."""
        found = self._on_sets(attention)
        self._slots.add(mass, self._by_query(found[..., :-1]))
        self._slots.add(on_words, self._by_query(found[..., -1:].expand_as(found[..., :-1])))

    def add_hits(
        self,
        hits: Float[Tensor, "slot head"],
        chosen: Float[Tensor, "row head query key"],
        sharing: Float[Tensor, "row head query"],
        any_is: Bool[Tensor, "row head query"],
    ) -> None:
        """The share of the keys chosen that are in the sets; `any_is` where so little attention is that any key is."""
        count = torch.where(any_is[..., None], self._count, self._on_sets(chosen)[..., :-1])
        self._slots.add(hits, self._by_query(precise(count) / precise(sharing)[..., None]))

    def _on_sets(self, attention: Float[Tensor, "row head query key"]) -> Float[Tensor, "row head query set"]:
        # set by set in memory, which is four times as fast
        keys = self._keys[:, :, : attention.shape[3]].mT
        return (attention.flatten(1, 2) @ keys).unflatten(1, attention.shape[1:3])

    @staticmethod
    def _by_query(values: Float[Tensor, "row head query role"]) -> Float[Tensor, "role_row_query head"]:
        return values.permute(3, 0, 2, 1).flatten(0, 2)
