"""Fold attention into sums per role, head and block while a corpus streams by; no pattern is ever kept."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.attention.candidates import CANDIDATES, Candidates, CandidatesOf, word_candidates
from interp.attention.query_parts import part_starts
from interp.attention.visibility import MaskGroups, Visible
from interp.attention.words import WordAttention, Words, aligned_words
from interp.buffers import Buffer
from interp.devices import cut
from interp.folds import State, restore_to, state_of
from interp.roles.annotation_baselines import annotation_credit, is_held_against
from interp.roles.baselines import ALL_BASELINES, credit
from interp.sums import RoleLabel, RoleSums
from interp.tallies.key_sets import KeySets, KeySums, find_key_sets
from interp.tallies.questions import TIE as TIE
from interp.tallies.questions import Questions, Room, Sums
from interp.tallies.segment_sums import SegmentSums, summing_device
from interp.tallies.targets import Targets, find_targets
from interp.types import BLOCKS, Batch, Head, MaskGroup, Pattern, Role, Site

BY_PARTS = (("token", "rows"), ("token", "own"), ("word", "rows"))
"""Units and views of which the attention of some queries can be looked at without that of the others."""

TABLES, SUMS = ("_n", "_baseline", "_annotation"), ("hit", "mass", "word_mass")
"""What a tally adds up: of the questions, and of the heads' answers."""


class RoleTally:
    """Hits and attention mass on every role's targets, and what every baseline would have earned on the same queries.

    A query counts for a role when a target is left that it can see and is not the query itself, and when it has at
    least two candidates to choose from. `annotation_baselines` are the names of those that stand beside the baseline
    (`interp.roles.annotation_baselines.annotation_baselines`); without them nothing is held against any.
    `words` is what word attention is made by, `word_candidates` unless another is given.
    """

    def __init__(
        self,
        roles: Sequence[Role],
        heads: Sequence[Head],
        groups: MaskGroups | None = None,
        annotation_baselines: Sequence[str] = (),
        *,
        words: CandidatesOf | None = None,
    ) -> None:
        self.heads = tuple(heads)
        self._words = words
        self._group: MaskGroups = groups or {(head.site, head.layer): (head.site, 0) for head in self.heads}
        present = dict.fromkeys(self._group.values())
        self._rows = [(role, group) for role in roles for group in present if group[0] in role.sites]
        self.roles = tuple(role for role, _ in self._rows)
        self.baselines = tuple(name for name in ALL_BASELINES if any(name in role.baselines for role in self.roles))
        slots, count = len(self.roles) * BLOCKS, len(self.heads)
        self._number = {head: number for number, head in enumerate(self.heads)}
        self._n = np.zeros(slots)
        layers = Counter((head.site, head.layer) for head in self.heads)
        self._heads_together = max(layers.values(), default=1)
        self._sums = Sums(*(torch.zeros(slots, count, dtype=torch.float64) for _ in range(3)))
        self._annotation_baselines = tuple(annotation_baselines)
        self._baseline, self._annotation = (
            torch.zeros(slots, len(names), dtype=torch.float64)
            for names in (self.baselines, self._annotation_baselines)
        )
        held = [[is_held_against(role, name) for name in self._annotation_baselines] for role in self.roles]
        self._held = np.array(held, dtype=bool).reshape(len(self.roles), -1)
        self._questions: dict[MaskGroup, list[Questions]] = {}
        self._room = Room()
        self._takes_parts = words is None and all((role.unit, role.view) in BY_PARTS for role in self.roles)
        self.starts: Mapping[Site, tuple[int, ...]] = {}

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Find the scored queries of this batch, count them, and let the baselines answer them."""
        self._move_to(summing_device(batch.tokens.device))
        sites: list[Site] = list(dict.fromkeys(site for site, _ in visible))
        self.starts = {
            site: part_starts(batch, site, self._heads_together) if self._takes_parts else (0,) for site in sites
        }
        self._questions = {group: list(self._all_questions(batch, group, seen)) for group, seen in visible.items()}

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0, query: int = 0) -> None:
        """Add one layer's hits and mass on the questions asked in `begin`, from the queries from `query` on."""
        start = self._number[Head(site, layer, first)]
        sums = self._sums.of(slice(start, start + pattern.shape[1]))
        for asked in self._questions[self._group[site, layer]]:
            if query <= asked.start and asked.stop <= query + pattern.shape[2]:
                asked.answer(sums, pattern[:, :, asked.start - query : asked.stop - query], self._room)

    def _move_to(self, device: torch.device) -> None:
        if self._baseline.device != device:
            self._sums = Sums(*(table.to(device) for table in (self._sums.hit, self._sums.mass, self._sums.word_mass)))
            self._baseline, self._annotation = self._baseline.to(device), self._annotation.to(device)

    def state(self) -> State:
        """Everything folded in so far: all of it are sums."""
        return {**state_of(self, TABLES), **state_of(self._sums, SUMS)}

    def restore(self, state: State) -> None:
        """Go on from there."""
        restore_to(self, TABLES, state)
        restore_to(self._sums, SUMS, state)

    def sums(self) -> RoleSums:
        """Everything folded in so far, as arrays."""
        shape = (len(self.roles), BLOCKS)

        def by_role(table: Tensor) -> np.ndarray:
            return table.cpu().numpy().reshape(*shape, -1).transpose(0, 2, 1).copy()

        word_mass, baseline, annotation = (
            by_role(table) for table in (self._sums.word_mass, self._baseline, self._annotation)
        )
        for number, role in enumerate(self.roles):
            if role.unit == "token":
                word_mass[number] = np.nan
            baseline[number, [name not in role.baselines for name in self.baselines]] = np.nan
        annotation[~self._held] = np.nan
        labels = tuple(RoleLabel(r.name, r.family, r.unit, r.statistic, r.definition, r.baselines) for r in self.roles)
        return RoleSums(
            roles=labels,
            heads=tuple((head.site, head.layer, head.head) for head in self.heads),
            baselines=self.baselines,
            n=self._n.reshape(shape).astype(np.int64),
            hit=by_role(self._sums.hit),
            mass=by_role(self._sums.mass),
            word_mass=word_mass,
            baseline=baseline,
            applies_to=np.array([[self._group[head[:2]] == group for head in self.heads] for _, group in self._rows]),
            annotation_baselines=self._annotation_baselines,
            annotation=annotation if self._annotation_baselines else None,
        )

    def _all_questions(
        self, batch: Batch, group: MaskGroup, seen: Bool[Tensor, "batch query key"]
    ) -> Iterator[Questions]:
        """What the roles ask of the heads of one mask group, by unit, view and part of the queries."""
        site = group[0]
        # within one side everything but the attention is as in a model that has no other
        side = batch if site == "cross" else batch.query_side(site)
        cuts = cut(self.starts[site], seen.shape[1])
        for kind, candidates_of in CANDIDATES.items():
            here = {n: role for n, (role, at) in enumerate(self._rows) if at == group}
            roles = {n: role for n, role in here.items() if (role.unit, role.view) == kind}
            if not roles:
                continue
            if candidates_of is word_candidates and self._words is None:
                words = aligned_words(batch, seen, site)
                sets = find_key_sets(side, words.candidates, words.queries, roles)
                listed = {n: role for n, role in roles.items() if sets is None or n not in sets.numbers}
                targets = self._count(side, words.candidates, words.queries, words.asked.count, listed, site)
                if sets is not None:
                    self._count_sets(sets, words, batch.block, roles)
                yield from (_of_words(words, targets, sets, batch.block, *one) for one in cuts)
            else:
                made_by = self._words if candidates_of is word_candidates and self._words else candidates_of
                view = made_by(batch, seen, site)
                targets = self._count(side, view.candidates, view.queries, view.owned, roles, site)
                yield from (_of_view(view, targets, *one) for one in cuts)

    def _count(
        self,
        batch: Batch,
        candidates: Bool[Tensor, "batch query key"],
        queries: Bool[Tensor, "batch query"],
        owned: Int[Tensor, "batch key"],
        roles: Mapping[int, Role],
        site: Site,
    ) -> Targets:
        """Find what these roles ask, count their queries, and let the baselines answer."""
        targets = find_targets(batch, candidates, queries, roles, crossing=site == "cross")
        self._n += np.bincount(targets.slot[targets.begins].cpu().numpy(), minlength=len(self._n))
        slots = SegmentSums(targets.slot)
        wanted = {baseline for role in roles.values() for baseline in role.baselines}
        places = [place for place, baseline in enumerate(self.baselines) if baseline in wanted]
        if places:
            names = [self.baselines[place] for place in places]
            earned = [credit(name, batch, targets.pair, candidates, owned) for name in names]
            table = self._baseline.new_zeros(len(self._baseline), len(places))
            slots.add(table, torch.stack(earned, dim=1))
            self._baseline[:, places] += table
        if self._held[list(roles)].any():
            slots.add(self._annotation, annotation_credit(self._annotation_baselines, batch, targets.pair))
        return targets

    def _count_sets(self, sets: KeySets, words: Words, block: Int[Tensor, " batch"], roles: Mapping[int, Role]) -> None:
        """The same of roles that ask every query for the same words."""
        slot = sets.slots(block, sets.count > 0)
        self._n += np.bincount(slot.cpu().numpy(), minlength=len(self._n))
        slots = SegmentSums(slot)
        for name in dict.fromkeys(baseline for number in sets.numbers for baseline in roles[number].baselines):
            place = self.baselines.index(name)
            earned = sets.credit(name, words.candidates, words.asked.count)[:, None]
            slots.add(self._baseline[:, place : place + 1], earned)


def _of_view(view: Candidates, targets: Targets, start: int, stop: int) -> Questions:
    """Questions about tokens, or about what a view makes of the whole pattern."""
    candidates, first = view.candidates, 0
    if view.rows is None:
        # queries are tokens, some of which may be looked at alone
        targets, candidates, first = _within(targets, start, stop), candidates[:, start:stop], start
    row, query, key = targets.pair.unbind(1)
    queries = candidates.shape[1]
    place = row * queries + query - first
    scored = torch.zeros(len(view.candidates) * queries, dtype=torch.bool, device=row.device)
    scored[place] = True
    # of tokens all that have any attention are candidates, unless the view leaves some out
    is_whole = view.rows is None and not view.excludes_special
    choices = None if is_whole else candidates.sum(-1)
    is_narrowed = view.rows is None and view.excludes_special

    def attention(pattern: Pattern, buffer: Buffer) -> Tensor:
        if not is_narrowed:
            return view.attention(pattern)
        # what the view does, on some of the queries
        allowed = candidates[:, None, :, : pattern.shape[3]].float()
        return torch.mul(pattern, allowed, out=buffer.of(pattern.shape, pattern, torch.float32))

    on_words = None
    if view.rows is not None:
        slot = targets.slot[targets.begins]
        on_words = SegmentSums(slot, place[targets.begins], len(scored))
    return Questions(
        start, stop, attention, place.int(), key.int(), SegmentSums(targets.slot), scored, choices, on_words
    )


def _of_words(
    words: Words, targets: Targets, sets: KeySets | None, block: Int[Tensor, " batch"], start: int, stop: int
) -> Questions:
    """Questions about words, each of which stands at its first token; only words that any role asks about attend."""
    first, answering = words.asking.first, words.asked.first
    row, query, _ = targets.pair.unbind(1)
    token = first[row, query]
    targets = targets.some((token >= start) & (token < stop))
    row, query, key = targets.pair.unbind(1)
    place = row * (stop - start) + first[row, query] - start
    asked = (sets.count > 0).any(0) if sets is not None else torch.zeros_like(words.queries)
    asked[row, query] = True
    word = words.asking.word[:, start:stop].clamp(min=0)
    begins = asked.gather(1, word) & words.asking.begins[:, start:stop]
    choices = words.candidates.sum(-1).gather(1, word) * begins
    return Questions(
        start,
        stop,
        WordAttention(words, asked, start, stop),
        place.int(),
        answering[row, key].int(),
        SegmentSums(targets.slot),
        begins.flatten(),
        choices,
        SegmentSums(targets.slot[targets.begins], place[targets.begins], begins.numel()),
        None if sets is None else KeySums(sets, words, block, start, stop),
    )


def _within(targets: Targets, start: int, stop: int) -> Targets:
    query = targets.pair[:, 1]
    return targets.some((query >= start) & (query < stop))
