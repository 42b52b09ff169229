"""One pass over a corpus feeds every tally: each batch, then each layer's pattern of it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol, runtime_checkable

from torch import Tensor

from interp.attention.nan_checks import finite_attention
from interp.attention.visibility import Visible, mask_groups, visible_keys
from interp.folds import Fold
from interp.types import NOWHERE, Batch, ChunkedPatterns, HeadModel, Pattern, Site


@runtime_checkable
class Tally(Protocol):
    """What a pass over a corpus feeds: each batch once, then each layer's pattern of it."""

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Prepare for a batch."""
        ...

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Fold in one layer's attention on that batch, of all its heads or of some from the `first` on."""
        ...


@runtime_checkable
class SummedTally(Tally, Fold, Protocol):
    """A tally whose sums can be kept, and taken up again."""


@runtime_checkable
class PartTally(Tally, Protocol):
    """A tally that can be shown the attention of some queries at a time."""

    starts: Mapping[Site, Sequence[int]]
    """The first query of each part of the batch that was begun, by site; whole sites, and several parts, will do."""

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0, query: int = 0) -> None:
        """Fold in one layer's attention, of some heads and of the queries from `query` on."""
        ...


def stream(model: HeadModel, batches: Iterable[Batch], *tallies: Tally) -> None:
    """One pass over the corpus: every tally sees every layer's pattern once; the language head is not run.

    Raises `ModelError` where a token's attention is not finite.
    """
    groups = mask_groups(model)

    def look(site: Site, layer: int, first: int, query: int, pattern: Tensor) -> None:
        seen = visible[groups[site, layer]]
        pattern = finite_attention(
            model, batch, seen, site, layer, first, pattern, query, by_softmax=isinstance(model, ChunkedPatterns)
        )
        for tally in tallies:
            if isinstance(tally, PartTally):
                tally.update(site, layer, pattern, first, query)
            else:
                tally.update(site, layer, pattern, first)

    def tap(site: Site, layer: int, pattern: Tensor) -> None:
        look(site, layer, 0, 0, pattern)

    for batch in batches:
        visible = visible_keys(model, batch)
        for tally in tallies:
            tally.begin(batch, visible)
        if isinstance(model, ChunkedPatterns):
            model.watch(batch, look, _common_starts(tallies))
        else:
            model.run(batch, pattern=tap, logits=False)


def _common_starts(tallies: Sequence[Tally]) -> Mapping[Site, Sequence[int]]:
    """What all tallies can be shown alike: parts if they have the same, and otherwise all queries together."""
    starts = [tally.starts if isinstance(tally, PartTally) else NOWHERE for tally in tallies]
    return starts[0] if starts and all(one == starts[0] for one in starts) else NOWHERE
