"""Fold attention into sums per role, head and block while a corpus streams by; no pattern is ever kept."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Num
from scipy.sparse import csr_array
from torch import Tensor

from interp.roles.guesses import ALL_GUESSES, credit
from interp.sights import Sights, Visible, visible_keys
from interp.sums import RoleLabel, RoleSums
from interp.types import BLOCKS, Batch, Head, HeadModel, Pattern, Role, Sight, Site, Watchable

TIE = 1e-6
"""Candidates whose attention is within this of the largest share the hit."""


@runtime_checkable
class Tally(Protocol):
    """What a pass over a corpus feeds: each batch once, then each layer's pattern of it."""

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Prepare for a batch."""
        ...

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Fold in one layer's attention on that batch, of all its heads or of some from the `first` on."""
        ...


def stream(model: HeadModel, batches: Iterable[Batch], *tallies: Tally) -> None:
    """One pass over the corpus: every tally sees every layer's pattern once; the language head is not run."""

    def look(site: Site, layer: int, first: int, pattern: Tensor) -> None:
        for tally in tallies:
            tally.update(site, layer, pattern, first)

    def tap(site: Site, layer: int, pattern: Tensor) -> None:
        look(site, layer, 0, pattern)

    for batch in batches:
        visible = visible_keys(model, batch)
        for tally in tallies:
            tally.begin(batch, visible)
        if isinstance(model, Watchable):
            model.watch(batch, look)
        else:
            model.run(batch, pattern=tap, logits=False)


@dataclass(frozen=True, eq=False)
class View:
    """What the queries of one batch could choose from, over tokens, words or mentions.

    `candidates` are the keys a query may be judged on. `rows` and `columns` turn token attention into word attention
    (mean over the tokens of the word attending, sum over the tokens of the word attended to); `None` over tokens.
    """

    candidates: Bool[Tensor, "batch query key"]
    queries: Bool[Tensor, "batch query"]
    owned: Int[Tensor, "batch key"]
    rows: Float[Tensor, "batch pos query"] | None = None
    columns: Float[Tensor, "batch other_pos key"] | None = None

    def attention(self, pattern: Pattern) -> Float[Tensor, "batch head asking asked"]:
        """The pattern in this view's unit, 0 on all but candidates.

        Over words (Clark et al. 2019, section 4.1) it is not renormalised; of tokens all that have any are candidates.
        """
        if self.rows is None or self.columns is None:
            return pattern.float()
        # the heads of a row share its columns: as rows of one product they need no copies of them
        on_words = (pattern.float().flatten(1, 2) @ self.columns).unflatten(1, pattern.shape[1:3])
        return (self.rows.mT[:, None] @ on_words).mul_(self.weight)

    @cached_property
    def weight(self) -> Float[Tensor, "batch 1 query key"]:
        """1 for candidates, else 0: to multiply is several times faster than to choose."""
        return self.candidates[:, None].float()

    def choice(self, attention: Float[Tensor, "batch head query key"]) -> Float[Tensor, "batch head query key"]:
        """The attention that keys compete with: below any of it where there is no candidate."""
        return attention if self.rows is None else attention + (self.weight - 1)


ViewOf = Callable[[Batch, Bool[Tensor, "batch query key"], Site], View]
"""From a batch and what its queries see to what they choose from."""


def token_view(batch: Batch, visible: Bool[Tensor, "batch query key"], site: Site = "self") -> View:
    """All visible keys, itself and special tokens too; special tokens are keys, never queries."""
    asking, asked = batch.asking(site), batch.asked(site)
    queries = written_next(asking.mask & ~asking.special) if site == "cross" else asking.mask & ~asking.special
    return View(visible, queries, torch.ones_like(asked.tokens))


def word_view(batch: Batch, visible: Bool[Tensor, "batch query key"], site: Site = "self") -> View:
    """The other aligned words all of whose tokens the query's last token can see.

    At `cross` the attention of a word of the target is that of the positions where its tokens are written.
    """
    asking, asked = batch.asking(site), batch.asked(site)
    columns = _held(asked.word, asked.governor.shape[1])
    rows = _held(asking.word, asking.governor.shape[1]) if asking is not asked else columns
    if site == "cross":
        rows = written_next(rows)
    owned = columns.sum(1)
    place = torch.arange(rows.shape[1], device=rows.device)
    last = torch.where(rows, place[None, :, None], -1).amax(1).clamp(min=0)
    seen_from_last = visible.gather(1, last[:, :, None].expand(-1, -1, visible.shape[2])).float()
    seen = (seen_from_last @ columns.float()).round().long()
    queries = rows.any(1)
    candidates = (seen == owned[:, None, :]) & (owned > 0)[:, None, :] & queries[:, :, None]
    if asking is asked:
        candidates &= ~torch.eye(candidates.shape[1], dtype=torch.bool, device=candidates.device)
    weights = rows.float() / rows.sum(1).clamp(min=1)[:, None, :]
    return View(candidates, queries, owned, weights, columns.float())


def mention_view(batch: Batch, visible: Bool[Tensor, "batch query key"], site: Site = "self") -> View:
    """From pronouns to the other mentions all of whose tokens the pronoun's last token can see, on either side.

    The tokens of a mention are those of its words that stand in no shorter mention: attention to *his* in *his mother*
    is not attention to the mother. A mention in which the pronoun stands is none of its candidates.
    """
    side = batch.asking(site)
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
    return View(candidates, queries, owned, weights, held.float())


def written_next(marked: Bool[Tensor, "batch pos *rest"]) -> Bool[Tensor, "batch pos *rest"]:
    """Where the next token is marked: a decoder writes a token at the position before it."""
    return torch.cat([marked[:, 1:], torch.zeros_like(marked[:, :1])], dim=1)


def _held(word: Int[Tensor, "batch pos"], width: int) -> Bool[Tensor, "batch pos word"]:
    return word[:, :, None] == torch.arange(width, device=word.device)


class _Slots:
    """Sums per slot: a role's number times the number of blocks, plus the block."""

    def __init__(self, slot: Int[Tensor, " item"]) -> None:
        slots, items = slot.cpu().numpy(), np.arange(len(slot))
        is_present = np.bincount(slots) > 0
        self.present, place = np.flatnonzero(is_present), np.cumsum(is_present) - 1
        self._matrix = csr_array((np.ones(len(slots)), (place[slots], items)), shape=(len(self.present), len(slots)))

    def add(self, table: np.ndarray, columns: slice, values: Tensor) -> None:
        """Add the values [item, column], in float64, to the rows of the table that they belong to."""
        if len(self.present):
            table[self.present, columns] += self._matrix @ values.cpu().double().numpy()


@dataclass(frozen=True, eq=False)
class _Questions:
    """What the roles of a unit ask of a batch: scored queries (row, query), and (row, query, key) on their targets."""

    view: View
    query: Int[Tensor, "scored 2"]
    pair: Int[Tensor, "target 3"]
    slot_of_query: _Slots
    slot_of_pair: _Slots


class RoleTally:
    """Hits and attention mass on every role's targets, and what every guess would have earned on the same queries.

    A query counts for a role when a target is left that it can see and is not the query itself, and when it has at
    least two candidates to choose from. `words` is what word attention is made by, `word_view` unless another is given.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        heads: Sequence[Head],
        sights: Sights | None = None,
        *,
        words: ViewOf | None = None,
    ) -> None:
        self.heads = tuple(heads)
        self._word_view = words or word_view
        self._sight: Sights = sights or {(head.site, head.layer): (head.site, 0) for head in self.heads}
        present = dict.fromkeys(self._sight.values())
        self._rows = [(role, sight) for role in roles for sight in present if sight[0] in role.sites]
        self.roles = tuple(role for role, _ in self._rows)
        self.guesses = tuple(name for name in ALL_GUESSES if any(name in role.guesses for role in self.roles))
        slots, count = len(self.roles) * BLOCKS, len(self.heads)
        self._number = {head: number for number, head in enumerate(self.heads)}
        self._n = np.zeros((slots, 1))
        self._hit, self._mass, self._word_mass = (np.zeros((slots, count)) for _ in range(3))
        self._guess = np.zeros((slots, len(self.guesses)))
        self._questions: dict[Sight, list[_Questions]] = {}

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Find the scored queries of this batch, count them, and let the guesses answer them."""
        self._questions = {sight: list(self._all_questions(batch, sight, seen)) for sight, seen in visible.items()}
        for questions in self._questions.values():
            for asked in questions:
                asked.slot_of_query.add(self._n, slice(1), torch.ones(len(asked.query), 1))

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's hits and mass on the questions asked in `begin`."""
        columns = _columns(self._number[Head(site, layer, first)], pattern)
        for questions in self._questions[self._sight[site, layer]]:
            view = questions.view
            attention = view.attention(pattern)
            row, query, key = questions.pair.unbind(1)
            on_target = attention[row, :, query, key]
            choice = view.choice(attention)
            enough = choice.amax(-1) - TIE
            # counted in float: torch compares and adds floats several times faster than truth values
            sharing = torch.ge(choice, enough[..., None], out=torch.empty_like(choice)).sum(-1)
            # shares in float64, like those of the guesses: a head that does as a guess does has a lift of exactly 0
            is_hit = (on_target >= _of_queries(enough, row, query)).cpu().double()
            hits = is_hit / _of_queries(sharing, row, query).cpu()
            questions.slot_of_pair.add(self._hit, columns, hits)
            questions.slot_of_pair.add(self._mass, columns, on_target)
            if view.rows is not None:
                questions.slot_of_query.add(
                    self._word_mass, columns, _of_queries(attention.sum(-1), *questions.query.unbind(1))
                )

    def sums(self) -> RoleSums:
        """Everything folded in so far, as arrays."""
        shape = (len(self.roles), BLOCKS)

        def by_role(table: np.ndarray) -> np.ndarray:
            return table.reshape(*shape, -1).transpose(0, 2, 1).copy()

        word_mass, guess = by_role(self._word_mass), by_role(self._guess)
        for number, role in enumerate(self.roles):
            if role.unit == "token":
                word_mass[number] = np.nan
            guess[number, [name not in role.guesses for name in self.guesses]] = np.nan
        labels = tuple(RoleLabel(r.name, r.family, r.unit, r.statistic, r.definition, r.guesses) for r in self.roles)
        return RoleSums(
            roles=labels,
            heads=tuple((head.site, head.layer, head.head) for head in self.heads),
            guesses=self.guesses,
            n=self._n.reshape(shape).astype(np.int64),
            hit=by_role(self._hit),
            mass=by_role(self._mass),
            word_mass=word_mass,
            guess=guess,
            asked=np.array([[self._sight[head[:2]] == sight for head in self.heads] for _, sight in self._rows]),
        )

    def _all_questions(self, batch: Batch, sight: Sight, seen: Bool[Tensor, "batch query key"]) -> Iterator[_Questions]:
        """What the roles of each unit ask of the heads of one sight."""
        site = sight[0]
        # within one side everything but the attention is as in a model that has no other
        side = batch if site == "cross" else batch.asking(site)
        for unit, view_of in (("token", token_view), ("word", self._word_view), ("mention", mention_view)):
            asking = {n: role for n, (role, at) in enumerate(self._rows) if (role.unit, at) == (unit, sight)}
            if asking:
                questions = self._ask(side, view_of(batch, seen, site), asking, crossing=site == "cross")
                self._answer_by_guess(side, questions, asking)
                yield questions

    def _ask(self, batch: Batch, view: View, asking: Mapping[int, Role], *, crossing: bool) -> _Questions:
        allowed = view.candidates & (view.candidates.sum(-1, keepdim=True) >= 2) & view.queries[:, :, None]
        others = allowed
        if not crossing:
            others = allowed & ~torch.eye(allowed.shape[1], dtype=torch.bool, device=allowed.device)
        targets = [role.targets(batch) & (allowed if role.reflexive else others) for role in asking.values()]
        role, *pair = torch.stack(targets).nonzero().unbind(1)
        slot = torch.tensor(list(asking), device=role.device)[role] * BLOCKS + batch.block[pair[0]]
        # the targets of one query follow one another
        same_role, same_row, same_query = (one[1:] == one[:-1] for one in (role, *pair[:2]))
        first = torch.cat([torch.ones_like(role[:1], dtype=torch.bool), ~(same_role & same_row & same_query)])
        query = torch.stack(pair[:2], dim=1)[first]
        return _Questions(view, query, torch.stack(pair, dim=1), _Slots(slot[first]), _Slots(slot))

    def _answer_by_guess(self, batch: Batch, questions: _Questions, asking: Mapping[int, Role]) -> None:
        wanted = {guess for role in asking.values() for guess in role.guesses}
        nothing, view = torch.zeros(len(questions.pair), dtype=torch.float64), questions.view
        earned = [
            credit(guess, batch, questions.pair, view.candidates, view.owned) if guess in wanted else nothing
            for guess in self.guesses
        ]
        questions.slot_of_pair.add(self._guess, slice(None), torch.stack(earned, dim=1))


def _of_queries(
    values: Num[Tensor, "batch head query"], row: Int[Tensor, " item"], query: Int[Tensor, " item"]
) -> Num[Tensor, "item head"]:
    """`values[row, :, query]`, several times faster."""
    return values.transpose(1, 2).flatten(0, 1).contiguous().index_select(0, row * values.shape[2] + query)


def _columns(first: int, pattern: Pattern) -> slice:
    return slice(first, first + pattern.shape[1])
