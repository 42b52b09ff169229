"""What roles ask of the heads that see alike in one batch, laid out so that a layer's attention answers them at once.

A question is a target of a role: a (row, query, key). Questions that are answered by the same view of the attention,
over the same queries of the batch, are answered together.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.buffers import Buffer
from interp.tallies.key_sets import KeySums
from interp.tallies.segment_sums import SegmentSums
from interp.types import Pattern

TIE = 1e-6
"""Candidates whose attention is within this of the largest share the hit."""


@dataclass(eq=False)
class Sums:
    """What is summed up, per slot (a role's number times the number of blocks, plus the block) and head; float64."""

    hit: Float[Tensor, "slot head"]
    mass: Float[Tensor, "slot head"]
    word_mass: Float[Tensor, "slot head"]

    def of(self, columns: slice) -> "Sums":
        """Those of some heads."""
        return Sums(self.hit[:, columns], self.mass[:, columns], self.word_mass[:, columns])


@dataclass(frozen=True)
class Room:
    """What is written for every layer, and read at once."""

    attention: Buffer = field(default_factory=Buffer)
    chosen: Buffer = field(default_factory=Buffer)


@dataclass(frozen=True, eq=False)
class Questions:
    """Questions on the queries of a batch from `start` to `stop`, sorted by slot.

    `attention` makes the view of a pattern of these queries, [row, head, query, key], in a buffer if need be. `row` is
    the place of each question's query among all of these, row after row, `key` its target. `scored` marks the queries
    that any role asks. Where keys may have attention that are no candidates, or not all that have none are, `choices`
    counts the candidates of every query. Over words `on_words` adds up, for each role, what is on all candidates, and
    `on_sets` answers roles that ask every query for the same words.
    """

    start: int
    stop: int
    attention: Callable[[Pattern, Buffer], Tensor]
    row: Int[Tensor, " question"]
    key: Int[Tensor, " question"]
    slots: SegmentSums
    scored: Bool[Tensor, " query"]
    choices: Int[Tensor, "batch asking"] | None = None
    on_words: SegmentSums | None = None
    on_sets: KeySums | None = None
    _places: dict[tuple[int, int, int], tuple[Tensor, Tensor]] = field(default_factory=dict)

    def answer(self, sums: Sums, pattern: Pattern, room: Room) -> None:
        """Add hits and attention mass on the targets of these heads, from a pattern of these queries."""
        attention = self.attention(pattern, room.attention)
        largest = _largest(attention)
        enough = largest - TIE
        # counted in float: torch compares and adds floats several times faster than truth values
        chosen = room.chosen.of(attention.shape, attention, attention.dtype)
        torch.ge(attention, enough[..., None], out=chosen)
        sharing, any_is = chosen.sum(-1), largest <= TIE
        if self.choices is not None:
            # so little attention that what has none shares, too, of which candidates alone count
            sharing = torch.where(any_is, self.choices[:, None].to(sharing), sharing)
        if self.on_sets is not None:
            self.on_sets.add_attention(sums.mass, sums.word_mass, attention)
            self.on_sets.add_hits(sums.hit, chosen, sharing, any_is)
        if not len(self.row):
            return
        values = self._on_targets(attention)
        self.slots.add(sums.mass, values)
        is_hit = torch.ge(values, _by_query(enough).index_select(0, self.row), out=torch.empty_like(values))
        self._add_hits(sums.hit, is_hit, _by_query(sharing))
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

    def _on_targets(self, attention: Float[Tensor, "row head query key"]) -> Float[Tensor, "question head"]:
        """The attention of every head on each target.

        Looked up row by row and head by head: a thread that reads what others wrote slows down their next writing.
        """
        rows, heads, queries, keys = attention.shape
        known = self._places.get((rows, queries, keys))
        if known is None:
            known = self._places[rows, queries, keys] = self._places_in(rows, queries, keys)
        place, order = known
        found = attention.flatten(2).gather(2, place[:, None].expand(-1, heads, -1))
        by_question = found.transpose(1, 2).flatten(0, 1)
        return by_question.contiguous() if rows == 1 else by_question.index_select(0, order)

    def _places_in(
        self, rows: int, queries: int, keys: int
    ) -> tuple[Int[Tensor, "row most"], Int[Tensor, " question"]]:
        """Where each row's targets lie among its queries and keys, filled up; and where in this each question is."""
        row, query = torch.div(self.row, queries, rounding_mode="floor").long(), self.row % queries
        count = torch.bincount(row, minlength=rows)
        by_row = row.argsort(stable=True)
        number = torch.empty_like(row)
        first = count.cumsum(0) - count
        number[by_row] = torch.arange(len(row), device=row.device) - first[row[by_row]]
        place = torch.zeros(rows, int(count.amax()), dtype=torch.long, device=row.device)
        place[row, number] = query * keys + self.key.long()
        return place, row * place.shape[1] + number


def _largest(attention: Float[Tensor, "row head query key"]) -> Float[Tensor, "row head query"]:
    """Of each query; what torch cannot take 32 at a time it takes one by one, so that the last ones are read twice."""
    whole = attention.shape[-1] // 32 * 32
    if whole in {0, attention.shape[-1]}:
        return attention.amax(-1)
    return torch.maximum(attention[..., :whole].amax(-1), attention[..., -32:].amax(-1))


def _by_query(values: Float[Tensor, "row head query"]) -> Float[Tensor, "row_query head"]:
    return values.transpose(1, 2).flatten(0, 1).contiguous()
