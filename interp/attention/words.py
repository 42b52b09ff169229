"""Attention added up to words by index: at each word's first token, to which its other tokens are added.

In float32 as a sum over the tokens in their order. Most words are one token, so that little is moved.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.buffers import Buffer
from interp.devices import on_processor
from interp.types import Batch, Pattern, Site

Rank = tuple[Int[Tensor, " token"], Int[Tensor, " token"], Int[Tensor, " token"]]
"""Rows, words, and the tokens that are the second (third, …) of these words."""

Added = tuple[Tensor, Tensor, Tensor]
"""To which token is added which; with the rows that they lie in, or with 1s, and 0s where a row has no more of them."""


@dataclass(frozen=True, eq=False)
class WordTokens:
    """Which tokens each word of a batch owns: `word[b, t]` is that of token t, -1 for none."""

    word: Int[Tensor, "batch pos"]
    width: int

    @cached_property
    def count(self) -> Int[Tensor, "batch word"]:
        """How many tokens each word owns."""
        return self._per_word(0).scatter_add_(1, self._place, torch.ones_like(self.word))[:, : self.width]

    @cached_property
    def first(self) -> Int[Tensor, "batch word"]:
        """The first token of each word; past the end where it owns none."""
        return self._ends("amin", self.word.shape[1])

    @cached_property
    def last(self) -> Int[Tensor, "batch word"]:
        """The last token of each word; 0 where it owns none."""
        return self._ends("amax", 0)

    @cached_property
    def begins(self) -> Bool[Tensor, "batch pos"]:
        """Whether each token is the first of its word."""
        place = torch.arange(self.word.shape[1], device=self.word.device)
        return (self.word >= 0) & (self.first.gather(1, self.word.clamp(min=0)) == place)

    @cached_property
    def more(self) -> tuple[Rank, ...]:
        """The second tokens of all words that have one, then the third ones, and so on."""
        row, token = (self.word >= 0).nonzero().unbind(1)
        word = self.word[row, token]
        # tokens of one word side by side, in their order
        key = row * self.width + word
        order = key.argsort(stable=True)
        place = torch.arange(len(key), device=key.device)
        begins = torch.cat([place[:1] == 0, key[order][1:] != key[order][:-1]])
        rank = torch.empty_like(key).index_copy_(0, order, place - torch.where(begins, place, 0).cummax(0).values)
        found = []
        for number in range(1, 1 + int(rank.amax()) if len(rank) else 0):
            (at,) = (rank == number).nonzero(as_tuple=True)
            found.append((row[at], word[at], token[at]))
        return tuple(found)

    @cached_property
    def _place(self) -> Int[Tensor, "batch pos"]:
        return torch.where(self.word >= 0, self.word, self.width)

    def _per_word(self, value: int) -> Int[Tensor, "batch word_or_none"]:
        return torch.full((len(self.word), self.width + 1), value, device=self.word.device)

    def _ends(self, which: str, nothing: int) -> Int[Tensor, "batch word"]:
        token = torch.arange(self.word.shape[1], device=self.word.device).expand_as(self.word)
        return self._per_word(nothing).scatter_reduce_(1, self._place, token, which)[:, : self.width]


@dataclass(frozen=True, eq=False)
class Words:
    """The words of both sides, and which words a query may be judged on."""

    candidates: Bool[Tensor, "batch query key"]
    queries: Bool[Tensor, "batch query"]
    asking: WordTokens
    asked: WordTokens


def aligned_words(batch: Batch, visible: Bool[Tensor, "batch query key"], site: Site = "self") -> Words:
    """From words to the other aligned words all of whose tokens the query's last token can see.

    At `cross` the attention of a word of the target is that of the positions where its tokens are written.
    """
    query_side, key_side = batch.query_side(site), batch.key_side(site)
    asked = WordTokens(key_side.word, key_side.governor.shape[1])
    asking = asked
    if query_side is not key_side or site == "cross":
        asking = WordTokens(written_by(query_side, site), query_side.governor.shape[1])
    queries = asking.count > 0
    from_last = visible.gather(1, asking.last[:, :, None].expand(-1, -1, visible.shape[2]))
    first = asked.first.clamp(max=visible.shape[2] - 1)
    candidates = from_last.gather(2, first[:, None, :].expand(-1, from_last.shape[1], -1))
    for row, word, token in asked.more:
        candidates[row, :, word] &= from_last[row, :, token]
    candidates &= (asked.count > 0)[:, None, :]
    candidates &= queries[:, :, None]
    if query_side is key_side:
        candidates.diagonal(dim1=1, dim2=2).fill_(False)
    return Words(candidates, queries, asking, asked)


def written_by(side: Batch, site: Site) -> Int[Tensor, "batch pos"]:
    """The word that the query at each token stands for: at `cross` that of the token which is written there."""
    if site != "cross":
        return side.word
    return torch.cat([side.word[:, 1:], torch.full_like(side.word[:, :1], -1)], dim=1)


class WordAttention:
    """Turns the patterns of some queries into those of the words among them, where the first tokens of words meet.

    `asked` are the words that shall attend; all tokens of those that begin among the queries from `start` to `stop` are
    among them. Attention is the mean over the tokens of the word attending of the sum over those of the word attended
    to (Clark et al. 2019, section 4.1), 0 on all but candidates. Rows of tokens that begin no word mean nothing.
    """

    def __init__(self, words: Words, asked: Bool[Tensor, "batch word"], start: int, stop: int) -> None:
        asking, answering = words.asking, words.asked
        word, key_word = asking.word[:, start:stop].clamp(min=0), answering.word.clamp(min=0)
        # every token of a word weighs what its first one does
        attends = (asking.word[:, start:stop] >= 0) & asked.gather(1, word)
        by_query = words.candidates.gather(1, word[:, :, None].expand(-1, -1, words.candidates.shape[2]))
        allowed = by_query.gather(2, key_word[:, None].expand(-1, word.shape[1], -1))
        allowed &= attends[:, :, None] & answering.begins[:, None]
        last = answering.last.gather(1, key_word)
        self._reach = 1 + int(torch.where(allowed.any(1), last, 0).amax())
        """Nothing is asked of later keys, as before the last query of a causal model."""
        self._allowed = allowed[:, None, :, : self._reach].contiguous()
        self._share = 1 / asking.count.gather(1, word).clamp(min=1).float()[:, None, :, None]
        self._rows: list[Added] = []
        for row, at, token in asking.more:
            first = asking.first[row, at]
            here = asked[row, at] & (first >= start) & (first < stop)
            if here.any():
                self._rows.append((row[here], first[here] - start, token[here] - start))
        ranks = answering.more
        if ranks and on_processor(ranks[0][0].device):
            # which adds in the order given, so that all may be added at once
            row, at, token = (torch.cat(parts) for parts in zip(*ranks, strict=True))
            order = row.argsort(stable=True)
            ranks = ((row[order], at[order], token[order]),)
        self._columns = [one for rank in ranks if (one := self._padded(answering, *rank)) is not None]

    def _padded(self, words: WordTokens, row: Tensor, word: Tensor, token: Tensor) -> Added | None:
        """Of each row: first tokens of words that have one more, that token, and 1; filled up with zeros."""
        near = token < self._reach
        row, word, token = row[near], word[near], token[near]
        if not len(row):
            return None
        rows, device = len(words.word), row.device
        column = torch.arange(len(row), device=device) - torch.searchsorted(row, row)
        width = int(torch.bincount(row, minlength=rows).amax())
        to, come = (torch.zeros(rows, width, dtype=torch.long, device=device) for _ in range(2))
        there = torch.zeros(rows, width, device=device)
        to[row, column], come[row, column], there[row, column] = words.first[row, word], token, 1
        return to[:, None, None], come[:, None, None], there[:, None, None]

    def __call__(self, pattern: Pattern, buffer: Buffer) -> Float[Tensor, "batch head query reached"]:
        """Word attention of these words, in the buffer; keys after the last one that is asked for are left out."""
        pattern = pattern[..., : self._reach]
        batch, heads, queries, keys = pattern.shape
        # made anew for each look, which costs little beside it, and of long texts would be as large as a pattern
        weight = self._allowed.float().mul_(self._share)
        found = torch.mul(pattern, weight, out=buffer.of(pattern.shape, pattern, torch.float32))
        for to, come, there in self._columns:
            further = pattern.gather(3, come.expand(batch, heads, queries, -1)).float()
            further *= weight.gather(3, to.expand(batch, 1, queries, -1)).mul_(there)
            found.scatter_add_(3, to.expand(further.shape), further)
        by_row, head = found.view(-1, keys), torch.arange(heads, device=found.device)[:, None]
        for row, to, come in self._rows:
            place = (row * heads + head) * queries
            by_row.index_add_(0, (place + to).flatten(), by_row.index_select(0, (place + come).flatten()))
        return found
