"""Fold attention into sums per role, head and block while a corpus streams by; no pattern is ever kept."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.roles.guesses import ALL_GUESSES, guessed_words
from interp.sums import RoleLabel, RoleSums
from interp.types import BLOCKS, Batch, Head, HeadModel, Pattern, Role, Site

TIE = 1e-6
"""Candidates whose attention is within this of the largest share the hit."""


@runtime_checkable
class Tally(Protocol):
    """What a pass over a corpus feeds: each batch once, then each layer's pattern of it."""

    def begin(self, batch: Batch, visible: Bool[Tensor, "batch query key"]) -> None:
        """Prepare for a batch."""
        ...

    def update(self, site: Site, layer: int, pattern: Pattern) -> None:
        """Fold in one layer's attention on that batch."""
        ...


def stream(model: HeadModel, batches: Iterable[Batch], *tallies: Tally) -> None:
    """One pass over the corpus: every tally sees every layer's pattern once; the language head is not run."""

    def fold(site: Site, layer: int, pattern: Tensor) -> None:
        for tally in tallies:
            tally.update(site, layer, pattern)

    for batch in batches:
        visible = model.visible(batch)
        for tally in tallies:
            tally.begin(batch, visible)

        model.run(batch, pattern=fold, logits=False)


@dataclass(frozen=True, eq=False)
class View:
    """What the queries of one batch could choose from, over tokens or words.

    `candidates` are the keys a query may be judged on. `rows` and `columns` turn token attention into word attention
    (mean over the tokens of the word attending, sum over the tokens of the word attended to); `None` over tokens.
    """

    candidates: Bool[Tensor, "batch query key"]
    queries: Bool[Tensor, "batch query"]
    owned: Int[Tensor, "batch key"]
    rows: Float[Tensor, "batch pos query"] | None = None
    columns: Float[Tensor, "batch pos key"] | None = None

    def attention(self, pattern: Pattern) -> Float[Tensor, "batch head asking asked"]:
        """The pattern in this view's unit; over words (Clark et al. 2019, section 4.1) it is not renormalised."""
        if self.rows is None or self.columns is None:
            return pattern.float()
        return self.rows.mT[:, None] @ pattern.float() @ self.columns[:, None]


def token_view(batch: Batch, visible: Bool[Tensor, "batch query key"]) -> View:
    """All visible keys, itself and special tokens too; special tokens are keys, never queries."""
    return View(visible, batch.mask & ~batch.special, torch.ones_like(batch.tokens))


def word_view(batch: Batch, visible: Bool[Tensor, "batch query key"]) -> View:
    """The other aligned words all of whose tokens the query's last token can see."""
    width = batch.governor.shape[1]
    held = batch.word[:, :, None] == torch.arange(width, device=batch.word.device)
    owned = held.sum(1)
    place = torch.arange(batch.tokens.shape[1], device=batch.word.device)
    last = torch.where(held, place[None, :, None], -1).amax(1).clamp(min=0)
    columns = held.float()
    seen_from_last = visible.gather(1, last[:, :, None].expand(-1, -1, visible.shape[2])).float()
    seen = (seen_from_last @ columns).round().long()
    aligned = owned > 0
    candidates = (seen == owned[:, None, :]) & aligned[:, None, :] & aligned[:, :, None]
    candidates &= ~torch.eye(width, dtype=torch.bool, device=candidates.device)
    return View(candidates, aligned, owned, columns / owned.clamp(min=1)[:, None, :], columns)


@dataclass(frozen=True, eq=False)
class _Questions:
    """The scored queries of all roles of one unit on one batch: (row, query, slot), and (row, query, key, slot) pairs.

    A slot is a role's number times the number of blocks, plus the block.
    """

    view: View
    query: Int[Tensor, "scored 3"]
    pair: Int[Tensor, "target 4"]


class RoleTally:
    """Hits and attention mass on every role's targets, and what every guess would have earned on the same queries.

    A query counts for a role when a target is left that it can see and is not the query itself, and when it has at
    least two candidates to choose from.
    """

    def __init__(self, roles: Sequence[Role], heads: Sequence[Head]) -> None:
        self.roles, self.heads = tuple(roles), tuple(heads)
        slots, count = len(self.roles) * BLOCKS, len(self.heads)
        self._number = {head: number for number, head in enumerate(self.heads)}
        self._n = torch.zeros(slots, dtype=torch.long)
        self._hit, self._mass, self._word_mass = (torch.zeros(slots, count, dtype=torch.float64) for _ in range(3))
        self._guess = torch.zeros(len(ALL_GUESSES), slots, dtype=torch.float64)
        self._questions: list[_Questions] = []

    def begin(self, batch: Batch, visible: Bool[Tensor, "batch query key"]) -> None:
        """Find the scored queries of this batch, count them, and let the guesses answer them."""
        self._questions = []
        for unit, view_of in (("token", token_view), ("word", word_view)):
            if any(role.unit == unit for role in self.roles):
                view = view_of(batch, visible)
                questions = self._ask(batch, view, unit)
                self._questions.append(questions)
                self._n += torch.bincount(questions.query[:, 2], minlength=len(self._n)).cpu()
                self._answer_by_guess(batch, questions, unit)

    def update(self, site: Site, layer: int, pattern: Pattern) -> None:
        """Add one layer's hits and mass on the questions asked in `begin`."""
        first = self._number[Head(site, layer, 0)]
        columns = slice(first, first + pattern.shape[1])
        for questions in self._questions:
            view = questions.view
            attention = view.attention(pattern)
            row, query, key, slot = questions.pair.unbind(1)
            on_target = attention[row, :, query, key]
            choice = attention.masked_fill(~view.candidates[:, None], -torch.inf)
            best = choice.amax(-1)
            sharing = (choice >= best[..., None] - TIE).sum(-1)
            # shares in float64, like those of the guesses: a head that does as a guess does has a lift of exactly 0
            hits = (on_target >= best[row, :, query] - TIE).cpu().double() / sharing[row, :, query].cpu()
            self._add(self._hit, columns, slot, hits)
            self._add(self._mass, columns, slot, on_target)
            if view.rows is not None:
                row, query, slot = questions.query.unbind(1)
                on_words = (attention * view.candidates[:, None]).sum(-1)
                self._add(self._word_mass, columns, slot, on_words[row, :, query])

    def sums(self) -> RoleSums:
        """Everything folded in so far, as arrays."""
        shape = (len(self.roles), BLOCKS)

        def by_role(table: Tensor) -> np.ndarray:
            return table.reshape(*shape, -1).permute(0, 2, 1).numpy().copy()

        word_mass, guess = by_role(self._word_mass), by_role(self._guess.T)
        for number, role in enumerate(self.roles):
            if role.unit == "token":
                word_mass[number] = np.nan
            guess[number, [name not in role.guesses for name in ALL_GUESSES]] = np.nan
        labels = tuple(RoleLabel(r.name, r.family, r.unit, r.statistic, r.definition, r.guesses) for r in self.roles)
        return RoleSums(
            roles=labels,
            heads=tuple((head.site, head.layer, head.head) for head in self.heads),
            guesses=ALL_GUESSES,
            n=self._n.reshape(shape).numpy().copy(),
            hit=by_role(self._hit),
            mass=by_role(self._mass),
            word_mass=word_mass,
            guess=guess,
        )

    def _ask(self, batch: Batch, view: View, unit: str) -> _Questions:
        query_parts: list[Tensor] = []
        pair_parts: list[Tensor] = []
        enough = view.queries & (view.candidates.sum(-1) >= 2)
        itself = torch.eye(view.candidates.shape[1], dtype=torch.bool, device=batch.tokens.device)
        for number, role in enumerate(self.roles):
            if role.unit != unit:
                continue
            targets = role.targets(batch) & view.candidates & enough[:, :, None]
            if not role.reflexive:
                targets = targets & ~itself
            pairs = targets.nonzero()
            queries = targets.any(-1).nonzero()
            pair_parts.append(torch.cat([pairs, (number * BLOCKS + batch.block[pairs[:, 0]])[:, None]], 1))
            query_parts.append(torch.cat([queries, (number * BLOCKS + batch.block[queries[:, 0]])[:, None]], 1))
        return _Questions(view, torch.cat(query_parts), torch.cat(pair_parts))

    def _answer_by_guess(self, batch: Batch, questions: _Questions, unit: str) -> None:
        row, query, key, slot = questions.pair.unbind(1)
        view = questions.view
        wanted = {name for role in self.roles if role.unit == unit for name in role.guesses}
        for number, name in enumerate(ALL_GUESSES):
            if name not in wanted:
                continue
            if name == "uniform":
                chosen, on_target = view.candidates, torch.ones_like(slot)
            else:
                chosen = guessed_words(name, batch, view.candidates, view.owned)
                on_target = chosen[row, query, key]
            # at least one where the guess is on the target; in float64, so that ties are ties
            shared = chosen.sum(-1)[row, query].clamp(min=1)
            earned = on_target.cpu().double() / shared.cpu()
            self._guess[number].index_add_(0, slot.cpu(), earned)

    def _add(self, table: Tensor, columns: slice, slot: Tensor, values: Tensor) -> None:
        table[:, columns].index_add_(0, slot.cpu(), values.cpu().double())


class ShapeTally:
    """How spread out each head's attention is and how far it goes, averaged over the real tokens that ask.

    `entropy` is −Σ a ln a in nats over all visible keys; `mean_distance` is Σ a |query − key| in tokens.
    """

    def __init__(self, heads: Sequence[Head]) -> None:
        self.heads = tuple(heads)
        self._number = {head: number for number, head in enumerate(self.heads)}
        self._entropy, self._distance = (torch.zeros(len(self.heads), dtype=torch.float64) for _ in range(2))
        self._count = 0
        self._asking = torch.zeros(0, 0)
        self._apart = torch.zeros(0, 0)

    def begin(self, batch: Batch, visible: Bool[Tensor, "batch query key"]) -> None:  # noqa: ARG002 - the seam's shape
        """Note which tokens ask: all but special tokens and padding."""
        self._asking = (batch.mask & ~batch.special).float()
        self._count += int(self._asking.sum())
        place = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)
        self._apart = (place[:, None] - place[None, :]).abs().float()

    def update(self, site: Site, layer: int, pattern: Pattern) -> None:
        """Add one layer's entropies and distances."""
        first = self._number[Head(site, layer, 0)]
        columns = slice(first, first + pattern.shape[1])
        entropy = torch.special.entr(pattern.float()).sum(-1)
        distance = (pattern.float() * self._apart).sum(-1)
        self._entropy[columns] += torch.einsum("bhq,bq->h", entropy, self._asking).cpu().double()
        self._distance[columns] += torch.einsum("bhq,bq->h", distance, self._asking).cpu().double()

    def means(self) -> tuple[Float[np.ndarray, " head"], Float[np.ndarray, " head"]]:
        """Mean entropy (nats) and mean distance (tokens) of every head."""
        return (self._entropy / max(self._count, 1)).numpy(), (self._distance / max(self._count, 1)).numpy()
