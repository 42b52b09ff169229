"""Candidate keys per query, and attention aggregated to tokens, words or mentions."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.types import Batch, Pattern, Site


@dataclass(frozen=True, eq=False)
class Candidates:
    """What the queries of one batch could choose from, over tokens, words or mentions.

    `candidates` are the keys a query may be judged on. `rows` and `columns` turn token attention into word attention
    (mean over the tokens of the word attending, sum over the tokens of the word attended to); `None` over tokens.
    If `transposed`, a query is answered by the attention that it gets, and its candidates are those that give it;
    if `excludes_special`, some tokens that have attention are no candidates.
    """

    candidates: Bool[Tensor, "batch query key"]
    queries: Bool[Tensor, "batch query"]
    owned: Int[Tensor, "batch key"]
    rows: Float[Tensor, "batch pos query"] | None = None
    columns: Float[Tensor, "batch other_pos key"] | None = None
    transposed: bool = False
    excludes_special: bool = False

    def attention(self, pattern: Pattern) -> Float[Tensor, "batch head asking asked"]:
        """The pattern in this view's unit, 0 on all but candidates.

        Over words (Clark et al. 2019, section 4.1) it is not renormalised; of tokens all that have any are candidates,
        unless the view is narrowed.
        """
        if self.rows is None or self.columns is None:
            return pattern.float() * self.weight if self.excludes_special else pattern.float()
        if self._groups is not None:
            by_words = self._groups.summed(pattern.float())
            return by_words.mT if self.transposed else by_words
        # the heads of a row share its columns: as rows of one product they need no copies of them
        on_words = (pattern.float().flatten(1, 2) @ self.columns).unflatten(1, pattern.shape[1:3])
        by_words = self.rows.mT[:, None] @ on_words
        return by_words.mT * self.weight if self.transposed else by_words.mul_(self.weight)

    @cached_property
    def _groups(self) -> "_Groups | None":
        """To add up by index instead of by products of matrices, which is many times faster in long texts.

        Only where no token is in two groups, and not on accelerators, which would add in no fixed order.
        """
        if self.rows is None or self.columns is None or self.rows.device.type != "cpu":
            return None
        query_side, key_side = _grouped(self.rows), _grouped(self.columns)
        if query_side is None or key_side is None:
            return None
        allowed = self.weight.mT if self.transposed else self.weight
        return _Groups(
            query_side[0], key_side[0], query_side[1][:, None, :, None] * key_side[1][:, None, None, :] * allowed
        )

    @cached_property
    def weight(self) -> Float[Tensor, "batch 1 query key"]:
        """1 for candidates, else 0: to multiply is several times faster than to choose."""
        return self.candidates[:, None].float()

    def choice(self, attention: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
        """The attention that keys compete with: below any of it where there is no candidate."""
        return attention if self.rows is None and not self.excludes_special else attention + (self.weight - 1)


@dataclass(frozen=True, eq=False)
class _Groups:
    """The group of every token that asks or is asked, one past the last for none; `scale` weights pairs of groups."""

    query_side: Int[Tensor, "batch pos"]
    key_side: Int[Tensor, "batch other_pos"]
    scale: Float[Tensor, "batch 1 query key"]

    def summed(self, pattern: Float[Tensor, "batch head pos other_pos"]) -> Float[Tensor, "batch head query key"]:
        """Over the tokens of each pair of groups."""
        batch, heads, _, other = pattern.shape
        queries, keys = self.scale.shape[2:]
        query = self.query_side[:, None, :, None].expand(pattern.shape)
        by_query = pattern.new_zeros(batch, heads, queries + 1, other).scatter_add_(2, query, pattern)[:, :, :queries]
        key = self.key_side[:, None, None, :].expand(by_query.shape)
        sums = pattern.new_zeros(batch, heads, queries, keys + 1).scatter_add_(3, key, by_query)
        return sums[..., :keys] * self.scale


def _grouped(
    weights: Float[Tensor, "batch pos group"],
) -> tuple[Int[Tensor, "batch pos"], Float[Tensor, "batch group"]] | None:
    """The group of every token and the weight of a group's tokens, if each is in one at most and they weigh alike."""
    is_held = weights > 0
    scale = weights.amax(1)
    if (is_held.sum(2) > 1).any() or (is_held & (weights != scale[:, None])).any():
        return None
    return torch.where(is_held.any(2), is_held.int().argmax(2), weights.shape[2]), scale


CandidatesOf = Callable[[Batch, Bool[Tensor, "batch query key"], Site], Candidates]
"""From a batch and what its queries see to what they choose from."""


def token_candidates(batch: Batch, visible: Bool[Tensor, "batch query key"], site: Site = "self") -> Candidates:
    """All visible keys, itself and special tokens too; special tokens are keys, never queries."""
    query_side, key_side = batch.query_side(site), batch.key_side(site)
    queries = (
        written_next(query_side.mask & ~query_side.special)
        if site == "cross"
        else query_side.mask & ~query_side.special
    )
    return Candidates(visible, queries, torch.ones_like(key_side.tokens))


def own_token_candidates(batch: Batch, visible: Bool[Tensor, "batch query key"], site: Site = "self") -> Candidates:
    """All visible keys but special tokens."""
    view, own = token_candidates(batch, visible, site), ~batch.key_side(site).special
    return replace(view, candidates=view.candidates & own[:, None, :], excludes_special=True)


def word_candidates(batch: Batch, visible: Bool[Tensor, "batch query key"], site: Site = "self") -> Candidates:
    """The other aligned words all of whose tokens the query's last token can see.

    At `cross` the attention of a word of the target is that of the positions where its tokens are written.
    """
    query_side, key_side = batch.query_side(site), batch.key_side(site)
    columns = _held(key_side.word, key_side.governor.shape[1])
    rows = _held(query_side.word, query_side.governor.shape[1]) if query_side is not key_side else columns
    if site == "cross":
        rows = written_next(rows)
    owned = columns.sum(1)
    place = torch.arange(rows.shape[1], device=rows.device)
    last = torch.where(rows, place[None, :, None], -1).amax(1).clamp(min=0)
    seen_from_last = visible.gather(1, last[:, :, None].expand(-1, -1, visible.shape[2])).float()
    seen = (seen_from_last @ columns.float()).round().long()
    queries = rows.any(1)
    candidates = (seen == owned[:, None, :]) & (owned > 0)[:, None, :] & queries[:, :, None]
    if query_side is key_side:
        candidates &= ~torch.eye(candidates.shape[1], dtype=torch.bool, device=candidates.device)
    weights = rows.float() / rows.sum(1).clamp(min=1)[:, None, :]
    return Candidates(candidates, queries, owned, weights, columns.float())


def mention_candidates(batch: Batch, visible: Bool[Tensor, "batch query key"], site: Site = "self") -> Candidates:
    """From pronouns to the other mentions all of whose tokens the pronoun's last token can see, on either side.

    The tokens of a mention are those of its words that stand in no shorter mention: attention to *his* in *his mother*
    is not attention to the mother. A mention in which the pronoun stands is none of its candidates.
    """
    side = batch.query_side(site)
    start, end, _, kind = side.mention.unbind(-1)
    pronoun = kind == (side.kinds.index("pronoun") if "pronoun" in side.kinds else -2)
    word = side.word[:, :, None]
    inside = (word >= start[:, None]) & (word < end[:, None]) & (word >= 0)
    length = torch.where(inside, (end - start)[:, None], side.word.shape[1] + word.amax() + 1)
    held = inside & (length == length.amin(-1, keepdim=True))
    owned = held.sum(1)
    place = torch.arange(held.shape[1], device=held.device)
    last = torch.where(held, place[None, :, None], 0).amax(1)
    seen_from_last = visible.gather(1, last[:, :, None].expand(-1, -1, visible.shape[2])).float()
    seen = (seen_from_last @ held.float()).round().long() == owned[:, None, :]
    apart = (end[:, None, :] <= start[:, :, None]) | (start[:, None, :] >= end[:, :, None])
    queries = pronoun & (owned > 0)
    candidates = seen & apart & (owned > 0)[:, None, :] & ~pronoun[:, None, :] & queries[:, :, None]
    weights = held.float() / owned.clamp(min=1)[:, None, :]
    return Candidates(candidates, queries, owned, weights, held.float())


def first_token_candidates(batch: Batch, visible: Bool[Tensor, "batch query key"], site: Site = "self") -> Candidates:
    """As over words, but a word attends as the first of its tokens does, not as their mean."""
    view = word_candidates(batch, visible, site)
    assert view.rows is not None
    return replace(view, rows=((view.rows > 0) & (view.rows.cumsum(1) == view.rows)).float())


def column_candidates(batch: Batch, visible: Bool[Tensor, "batch query key"], site: Site = "self") -> Candidates:
    """Over words, read down the columns: a query's candidates are the words that can see it."""
    view = word_candidates(batch, visible, site)
    candidates = view.candidates.mT
    return replace(view, candidates=candidates, queries=candidates.any(-1), transposed=True)


CANDIDATES: dict[tuple[str, str], Callable[[Batch, Tensor, Site], Candidates]] = {
    ("token", "rows"): token_candidates,
    ("token", "own"): own_token_candidates,
    ("word", "rows"): word_candidates,
    ("word", "first"): first_token_candidates,
    ("word", "columns"): column_candidates,
    ("mention", "rows"): mention_candidates,
}
"""By unit and view of a role."""


def written_next(marked: Bool[Tensor, "batch pos *rest"]) -> Bool[Tensor, "batch pos *rest"]:
    """Where the next token is marked: a decoder writes a token at the position before it."""
    return torch.cat([marked[:, 1:], torch.zeros_like(marked[:, :1])], dim=1)


def _held(word: Int[Tensor, "batch pos"], width: int) -> Bool[Tensor, "batch pos word"]:
    return word[:, :, None] == torch.arange(width, device=word.device)
