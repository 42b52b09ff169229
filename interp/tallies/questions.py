"""What roles ask of the heads that see alike in one batch, laid out so that a layer's attention answers them at once.

A question is a target of a role: a (row, query, key). Questions that are answered by the same view of the attention,
over the same queries of the batch, are answered together.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.tallies.segment_sums import SegmentSums
from interp.types import Pattern

TIE = 1e-6
"""Candidates whose attention is within this of the largest share the hit."""

KEPT = 2**19
"""Numbers of places that are kept from layer to layer (2 MiB); more are counted anew."""


@dataclass(frozen=True, eq=False)
class Sums:
    """What is summed up, per slot (a role's number times the number of blocks, plus the block) and head; float64."""

    hit: Float[Tensor, "slot head"]
    mass: Float[Tensor, "slot head"]
    word_mass: Float[Tensor, "slot head"]

    def of(self, columns: slice) -> "Sums":
        """Those of some heads."""
        return Sums(self.hit[:, columns], self.mass[:, columns], self.word_mass[:, columns])


@dataclass(frozen=True, eq=False)
class Questions:
    """Questions on the queries of a batch from `start` to `stop`, sorted by slot.

    `attention` makes the view of a pattern of these queries: [row, head, query, key], or without rows. `row` is the
    place of each question's query among all of these, row after row, `key` its target. `scored` marks the queries that
    any role asks. Where keys may have attention that are no candidates, or not all that have none are, `choices` counts
    the candidates of every query. Over words `on_words` adds up, for each role, what is on all candidates.
    """

    start: int
    stop: int
    attention: Callable[[Pattern], Tensor]
    row: Int[Tensor, " question"]
    key: Int[Tensor, " question"]
    slots: SegmentSums
    scored: Bool[Tensor, " query"]
    choices: Int[Tensor, " query"] | None = None
    on_words: SegmentSums | None = None
    _places: dict[tuple[int, ...], Tensor] = field(default_factory=dict)

    def answer(self, sums: Sums, pattern: Pattern) -> None:
        """Add hits and attention mass on the targets of these heads, from a pattern of these queries."""
        attention = self.attention(pattern)
        attention = attention if attention.dim() == 4 else attention[None]
        heads, largest = attention.shape[1], attention.amax(-1)
        enough = largest - TIE
        values = attention.reshape(-1).index_select(0, self._place(attention.shape)).view(-1, heads)
        self.slots.add(sums.mass, values)
        # counted in float: torch compares and adds floats several times faster than truth values
        is_hit = torch.ge(values, _by_query(enough).index_select(0, self.row), out=torch.empty_like(values))
        chosen = torch.ge(attention, enough[..., None], out=torch.empty_like(attention))
        sharing = _by_query(chosen.sum(-1))
        if self.choices is not None:
            # so little attention that what has none shares, too, of which candidates alone count
            sharing = torch.where(_by_query(largest) <= TIE, self.choices[:, None].to(sharing), sharing)
        self._add_hits(sums.hit, is_hit, sharing)
        if self.on_words is not None:
            self.on_words.add(sums.word_mass, _by_query(attention.sum(-1)))

    def _add_hits(self, table: Tensor, is_hit: Tensor, sharing: Float[Tensor, "query head"]) -> None:
        """Shares in float64, like those of the baselines: a head that does as one does has a lift of exactly 0."""
        shared = ((sharing > 1).any(-1) & self.scored).index_select(0, self.row)
        (some,) = shared.nonzero(as_tuple=True)
        if len(some):
            shares = sharing.index_select(0, self.row.index_select(0, some)).to(table.device).double()
            self.slots.add_some(table, some, is_hit.index_select(0, some).to(table.device).double() / shares)
            is_hit = is_hit.index_fill_(0, some, 0)
        self.slots.add_counts(table, is_hit)

    def _place(self, shape: tuple[int, ...]) -> Int[Tensor, " question_and_head"]:
        """Where the attention on each target lies in a tensor of this shape, head after head."""
        shape = tuple(shape)
        known = self._places.get(shape)
        if known is None:
            _, heads, queries, keys = shape
            row = torch.div(self.row, queries, rounding_mode="floor")
            first = (self.row + row * (queries * (heads - 1))) * keys + self.key
            head = torch.arange(heads, device=first.device, dtype=first.dtype) * (queries * keys)
            known = (first[:, None] + head).flatten()
            if len(known) <= KEPT:
                self._places[shape] = known
        return known


def _by_query(values: Float[Tensor, "row head query"]) -> Float[Tensor, "row_query head"]:
    return values.transpose(1, 2).flatten(0, 1).contiguous()
