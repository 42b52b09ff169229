"""Attention added up to words by index: of each word the first token, then what its other tokens add.

In float32 as a sum over the tokens in their order, in reading and in writing much less than a product with a matrix.
"""

from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.types import Batch, Pattern, Site

Rank = tuple[Int[Tensor, " token"], Int[Tensor, " token"], Int[Tensor, " token"]]
"""Rows, words, and the tokens that are the second (third, …) of these words."""


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


class WordRows:
    """Turns the patterns of some queries into those of the words among them, and of the words that can be asked.

    `row` and `word` are the words that ask, in the order in which they are wanted; all their tokens are among the
    queries from `start` on. Attention is the mean over the tokens of the word attending of the sum over those
    of the word attended to (Clark et al. 2019, section 4.1), 0 on all but candidates.
    """

    def __init__(self, words: Words, row: Int[Tensor, " asking"], word: Int[Tensor, " asking"], start: int) -> None:
        asking, asked = words.asking, words.asked
        self._row, self._first = row, asking.first[row, word] - start
        number = torch.full((len(asking.word), asking.width), -1, device=row.device)
        number[row, word] = torch.arange(len(row), device=row.device)
        self._more: list[Rank] = []
        for at_row, at_word, token in asking.more:
            to = number[at_row, at_word]
            known = to >= 0
            if known.any():
                self._more.append((at_row[known], to[known], token[known] - start))
        # of a batch of one, all rows have the same keys
        self._alone = len(asked.word) == 1
        of = row[:1] if self._alone else row
        keys = asked.first.clamp(max=asked.word.shape[1] - 1)
        self._keys = keys[of][None]
        self._more_keys = [self._padded(rank, keys, of) for rank in asked.more]
        share = 1 / asking.count[row, word].float()
        self.weight = words.candidates[row, word].float().mul_(share[:, None])

    @staticmethod
    def _padded(rank: Rank, first: Tensor, of: Int[Tensor, " asking"]) -> tuple[Tensor, Tensor, Tensor]:
        """For each word that asks: the first tokens of the words that have one more, that token, and 1; else 0s."""
        row, word, token = rank
        rows = len(first)
        column = torch.arange(len(row), device=row.device) - torch.searchsorted(row, row)
        width = int(torch.bincount(row, minlength=rows).amax())
        to, come = (torch.zeros(rows, width, dtype=torch.long, device=row.device) for _ in range(2))
        there = torch.zeros(rows, width, device=row.device)
        to[row, column], come[row, column], there[row, column] = first[row, word], token, 1
        return to[of][None], come[of][None], there[of][None]

    def __call__(self, pattern: Pattern) -> Float[Tensor, "head asking asked"]:
        """Word attention of these words: one row for each that asks, one column for each word of its document."""
        _, heads, queries, keys = pattern.shape
        rows, head = pattern.reshape(-1, keys), torch.arange(heads, device=pattern.device)[:, None]

        def tokens(row: Tensor, token: Tensor) -> Float[Tensor, "head token key"]:
            return rows.index_select(0, ((row * heads + head) * queries + token).flatten()).unflatten(0, (heads, -1))

        by_query = tokens(self._row, self._first)
        for row, to, token in self._more:
            by_query.index_add_(1, to, tokens(row, token))
        for to, come, there in self._more_keys:
            shape = (heads, by_query.shape[1], to.shape[2])
            further = by_query.gather(2, come.expand(shape)).mul_(there)
            by_query.scatter_add_(2, to.expand(shape), further)
        return by_query.gather(2, self._keys.expand(heads, by_query.shape[1], -1)).mul_(self.weight)
