"""Fold attention into sums per role, head and block while a corpus streams by; no pattern is ever kept."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, Num
from scipy.sparse import csr_array
from torch import Tensor

from interp.attention.candidates import CANDIDATES, Candidates, CandidatesOf, word_candidates
from interp.attention.visibility import MaskGroups, Visible
from interp.roles.annotation_baselines import annotation_credit, is_held_against
from interp.roles.baselines import ALL_BASELINES, credit
from interp.sums import RoleLabel, RoleSums
from interp.types import BLOCKS, Batch, Head, MaskGroup, Pattern, Role, Site

TIE = 1e-6
"""Candidates whose attention is within this of the largest share the hit."""


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
class _Queries:
    """What some roles ask of a batch: scored queries (role, row, query), and (row, query, key) on their targets.

    Of roles that have many targets a query, `marked` holds the targets too: a product with it is faster than to pick.
    """

    view: Candidates
    query: Int[Tensor, "scored 3"]
    pair: Int[Tensor, "target 3"]
    slot_of_query: _Slots
    slot_of_pair: _Slots
    marked: Float[Tensor, "batch query role key"] | None = None

    def on_targets(self, values: Float[Tensor, "batch head query key"]) -> Float[Tensor, "scored head"]:
        """Summed over the marked targets of each scored query."""
        assert self.marked is not None
        role, row, query = self.query.unbind(1)
        sums = (self.marked @ values.permute(0, 2, 3, 1)).flatten(0, 2)
        return sums.index_select(0, (row * self.marked.shape[1] + query) * self.marked.shape[2] + role)


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
        self._word_candidates = words or word_candidates
        self._group: MaskGroups = groups or {(head.site, head.layer): (head.site, 0) for head in self.heads}
        present = dict.fromkeys(self._group.values())
        self._rows = [(role, group) for role in roles for group in present if group[0] in role.sites]
        self.roles = tuple(role for role, _ in self._rows)
        self.baselines = tuple(name for name in ALL_BASELINES if any(name in role.baselines for role in self.roles))
        slots, count = len(self.roles) * BLOCKS, len(self.heads)
        self._number = {head: number for number, head in enumerate(self.heads)}
        self._n = np.zeros((slots, 1))
        self._hit, self._mass, self._word_mass = (np.zeros((slots, count)) for _ in range(3))
        self._baseline = np.zeros((slots, len(self.baselines)))
        self._annotation_baselines = tuple(annotation_baselines)
        self._annotation = np.zeros((slots, len(self._annotation_baselines)))
        held = [[is_held_against(role, name) for name in self._annotation_baselines] for role in self.roles]
        self._held = np.array(held, dtype=bool).reshape(len(self.roles), -1)
        self._queries: dict[MaskGroup, list[_Queries]] = {}

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Find the scored queries of this batch, count them, and let the baselines answer them."""
        self._queries = {group: list(self._all_queries(batch, group, seen)) for group, seen in visible.items()}
        for queries in self._queries.values():
            for asked in queries:
                asked.slot_of_query.add(self._n, slice(1), torch.ones(len(asked.query), 1))

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's hits and mass on the questions asked in `begin`."""
        columns = _columns(self._number[Head(site, layer, first)], pattern)
        for view, asked in groupby(self._queries[self._group[site, layer]], key=lambda queries: queries.view):
            attention = view.attention(pattern)
            choice = view.choice(attention)
            enough = choice.amax(-1) - TIE
            # counted in float: torch compares and adds floats several times faster than truth values
            chosen = torch.ge(choice, enough[..., None], out=torch.empty_like(choice))
            sharing, on_words = chosen.sum(-1), attention.sum(-1) if view.rows is not None else None
            for queries in asked:
                if queries.marked is None:
                    self._pick(queries, columns, attention, enough, sharing)
                else:
                    self._multiply(queries, columns, attention, chosen, sharing)
                if on_words is not None:
                    _, row, query = queries.query.unbind(1)
                    queries.slot_of_query.add(self._word_mass, columns, _of_queries(on_words, row, query))

    def _pick(self, queries: _Queries, columns: slice, attention: Tensor, enough: Tensor, sharing: Tensor) -> None:
        """Hits and mass of roles with few targets, one target after another."""
        row, query, key = queries.pair.unbind(1)
        on_target = attention[row, :, query, key]
        # shares in float64, like those of the baselines: a head that does as a baseline does has a lift of exactly 0
        is_hit = (on_target >= _of_queries(enough, row, query)).cpu().double()
        hits = is_hit / _of_queries(sharing, row, query).cpu()
        queries.slot_of_pair.add(self._hit, columns, hits)
        queries.slot_of_pair.add(self._mass, columns, on_target)

    def _multiply(self, queries: _Queries, columns: slice, attention: Tensor, chosen: Tensor, sharing: Tensor) -> None:
        """Hits and mass of roles with many targets, all targets of a query at once."""
        _, row, query = queries.query.unbind(1)
        hits = queries.on_targets(chosen).cpu().double() / _of_queries(sharing, row, query).cpu()
        queries.slot_of_query.add(self._hit, columns, hits)
        queries.slot_of_query.add(self._mass, columns, queries.on_targets(attention))

    def sums(self) -> RoleSums:
        """Everything folded in so far, as arrays."""
        shape = (len(self.roles), BLOCKS)

        def by_role(table: np.ndarray) -> np.ndarray:
            return table.reshape(*shape, -1).transpose(0, 2, 1).copy()

        word_mass, baseline, annotation = (
            by_role(table) for table in (self._word_mass, self._baseline, self._annotation)
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
            hit=by_role(self._hit),
            mass=by_role(self._mass),
            word_mass=word_mass,
            baseline=baseline,
            applies_to=np.array([[self._group[head[:2]] == group for head in self.heads] for _, group in self._rows]),
            annotation_baselines=self._annotation_baselines,
            annotation=annotation if self._annotation_baselines else None,
        )

    def _all_queries(self, batch: Batch, group: MaskGroup, seen: Bool[Tensor, "batch query key"]) -> Iterator[_Queries]:
        """What the roles ask of the heads of one mask group, by unit and view; those of one view follow one another."""
        site = group[0]
        # within one side everything but the attention is as in a model that has no other
        side = batch if site == "cross" else batch.query_side(site)
        for kind, candidates_of in CANDIDATES.items():
            here = {n: role for n, (role, at) in enumerate(self._rows) if at == group}
            asking = {n: role for n, role in here.items() if (role.unit, role.view) == kind}
            make = self._word_candidates if candidates_of is word_candidates else candidates_of
            view = make(batch, seen, site) if asking else None
            for many in (False, True):
                some = {n: role for n, role in asking.items() if has_many_targets(role) == many}
                if view is not None and some:
                    queries = self._ask(side, view, some, crossing=site == "cross", keep=many)
                    self._answer_by_baselines(side, queries, some)
                    yield queries

    def _ask(
        self, batch: Batch, view: Candidates, asking: Mapping[int, Role], *, crossing: bool, keep: bool
    ) -> _Queries:
        allowed = view.candidates & (view.candidates.sum(-1, keepdim=True) >= 2) & view.queries[:, :, None]
        others = allowed
        if not crossing:
            others = allowed & ~torch.eye(allowed.shape[1], dtype=torch.bool, device=allowed.device)
        targets = torch.stack([r.targets(batch) & (allowed if r.reflexive else others) for r in asking.values()])
        role, *pair = targets.nonzero().unbind(1)
        slot = torch.tensor(list(asking), device=role.device)[role] * BLOCKS + batch.block[pair[0]]
        # the targets of one query follow one another
        same_role, same_row, same_query = (one[1:] == one[:-1] for one in (role, *pair[:2]))
        first = torch.cat([torch.ones_like(role[:1], dtype=torch.bool), ~(same_role & same_row & same_query)])
        query = torch.stack([role, *pair[:2]], dim=1)[first]
        marked = targets.permute(1, 2, 0, 3).float() if keep else None
        return _Queries(view, query, torch.stack(pair, dim=1), _Slots(slot[first]), _Slots(slot), marked)

    def _answer_by_baselines(self, batch: Batch, queries: _Queries, asking: Mapping[int, Role]) -> None:
        wanted = {baseline for role in asking.values() for baseline in role.baselines}
        for number, baseline in enumerate(self.baselines):
            if baseline in wanted:
                earned = credit(baseline, batch, queries.pair, queries.view.candidates, queries.view.owned)
                queries.slot_of_pair.add(self._baseline, slice(number, number + 1), earned[:, None])
        if self._held[list(asking)].any():
            earned_by_harder = annotation_credit(self._annotation_baselines, batch, queries.pair)
            queries.slot_of_pair.add(self._annotation, slice(None), earned_by_harder)


def has_many_targets(role: Role) -> bool:
    """Whether a query is likely to have more than a few targets: such as every noun of the sentence."""
    return role.unit == "word" and role.statistic == "mass"


def _of_queries(
    values: Num[Tensor, "batch head query"], row: Int[Tensor, " item"], query: Int[Tensor, " item"]
) -> Num[Tensor, "item head"]:
    """`values[row, :, query]`, several times faster."""
    return values.transpose(1, 2).flatten(0, 1).contiguous().index_select(0, row * values.shape[2] + query)


def _columns(first: int, pattern: Pattern) -> slice:
    return slice(first, first + pattern.shape[1])
