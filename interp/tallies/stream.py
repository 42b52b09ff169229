"""One pass over a corpus feeds every tally: each batch, then each layer's pattern of it."""

from collections.abc import Iterable
from typing import Protocol, runtime_checkable

from torch import Tensor

from interp.attention.nan_checks import finite_attention
from interp.attention.visibility import Visible, mask_groups, visible_keys
from interp.types import Batch, ChunkedPatterns, HeadModel, Pattern, Site


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
    """One pass over the corpus: every tally sees every layer's pattern once; the language head is not run.

    Raises `ModelError` where a token's attention is not finite.
    """
    groups = mask_groups(model)

    def look(site: Site, layer: int, first: int, pattern: Tensor) -> None:
        pattern = finite_attention(model, batch, visible[groups[site, layer]], site, layer, first, pattern)
        for tally in tallies:
            tally.update(site, layer, pattern, first)

    def tap(site: Site, layer: int, pattern: Tensor) -> None:
        look(site, layer, 0, pattern)

    for batch in batches:
        visible = visible_keys(model, batch)
        for tally in tallies:
            tally.begin(batch, visible)
        if isinstance(model, ChunkedPatterns):
            model.watch(batch, look)
        else:
            model.run(batch, pattern=tap, logits=False)
