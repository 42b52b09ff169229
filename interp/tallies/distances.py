"""How far apart heads' attention is: the Jensen–Shannon divergence of every two heads of a site, query by query."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.attention.visibility import MaskGroups, Visible, mask_groups
from interp.corpora.batching import batches, read_batches
from interp.corpora.memory import require_room
from interp.errors import InterpError
from interp.folds import State, restore_to, state_of
from interp.progress import Progress, silent
from interp.sums import DistanceSums
from interp.tallies.stream import stream
from interp.types import BLOCKS, Batch, EncodedCorpus, Head, HeadModel, Pattern, Site


def tally_distances(model: HeadModel, encoded: EncodedCorpus, progress: Progress = silent) -> list[DistanceSums]:
    """One pass over the corpus: the sums of every site of the model, in the order of its heads.

    All heads' attention in a batch is held together; memory does not depend on how long the corpus is. Raises
    `InterpError` where no query sees two keys, and `CorpusError` where the longest document does not fit.
    """
    require_room(model, encoded.corpus.name, encoded.corpus.documents, encoded.encodings, heads=len(model.heads))
    tally = DistanceTally(model.heads, mask_groups(model))
    stream(model, read_batches(progress(batches(encoded, model), "distances", tally)), tally)
    sums = tally.sums()
    if not any(one.n.any() for one in sums):
        raise InterpError(
            f"No token of {encoded.corpus.name!r} has two keys that {model.name!r} can see, so that the attention of "
            "all heads is the same. Allowed: longer documents."
        )
    return sums


class DistanceTally:
    """Sums of the divergence between every two heads of a site, in nats, per block of documents.

    Queries are all tokens but padding that see two keys or more; keys are all tokens. What a row lacks to 1 is the
    attention on learned keys that are no token, and counts as one more key.
    """

    def __init__(self, heads: Sequence[Head], groups: MaskGroups) -> None:
        self._sites: dict[Site, list[Head]] = {}
        for head in heads:
            self._sites.setdefault(head.site, []).append(head)
        self._groups = groups
        ends = np.cumsum([0, *(len(of) * (len(of) - 1) // 2 for of in self._sites.values())]).tolist()
        self._pairs = {site: slice(*ends[place : place + 2]) for place, site in enumerate(self._sites)}
        self._distance = np.zeros((ends[-1], BLOCKS))
        self._n = np.zeros((len(self._sites), BLOCKS), dtype=np.int64)
        self._patterns: dict[Site, dict[Head, Tensor]] = {}

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Note who asks: a query that sees two keys or more, through any layer's window."""
        self._batch = batch
        self._asked: dict[Site, Bool[Tensor, "batch query"]] = {}
        for site, of in self._sites.items():
            seen = torch.stack([visible[self._groups[site, head.layer]] for head in of]).any(0)
            self._asked[site] = ((seen.sum(-1) >= 2) & batch.query_side(site).mask).cpu()
        self._patterns = {site: {} for site in self._sites}

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Keep one layer's attention until that of all heads of the site is there, then compare them."""
        kept = self._patterns[site]
        # a copy: models write the patterns of the next layer to the same memory
        for place, of_head in enumerate(pattern.to("cpu", torch.float32, copy=True).unbind(1)):
            kept[Head(site, layer, first + place)] = of_head
        if len(kept) < len(self._sites[site]):
            return
        number, pairs = list(self._sites).index(site), self._pairs[site]
        for row, block in enumerate(self._batch.block.tolist()):
            asked = self._asked[site][row]
            if asked.any():
                rows = [kept[head][row][asked] for head in self._sites[site]]
                self._distance[pairs, block] += divergences(torch.stack(rows)).numpy()
                self._n[number, block] += int(asked.sum())
        self._patterns[site] = {}

    def state(self) -> State:
        """Everything folded in so far."""
        return state_of(self, ("_distance", "_n"))

    def restore(self, state: State) -> None:
        """Go on from there."""
        restore_to(self, ("_distance", "_n"), state)

    def sums(self) -> list[DistanceSums]:
        """Everything folded in so far, a site each."""
        return [
            DistanceSums(
                heads=tuple((head.site, head.layer, head.head) for head in of),
                n=self._n[number].copy(),
                distance=self._distance[self._pairs[site]].copy(),
            )
            for number, (site, of) in enumerate(self._sites.items())
        ]


def divergences(rows: Float[Tensor, "head query key"]) -> Float[Tensor, " pair"]:
    """Σ over queries of JS(p, q) = H((p + q)/2) − (H(p) + H(q))/2, in nats, for every two heads.

    Pairs are in the order of `numpy.triu_indices(heads, 1)`. Entropies are taken in float32: a divergence
    is known to about 10⁻⁶ nats per query, and that of rows that are the same is 0.
    """
    lacking = (1 - rows.sum(-1, keepdim=True)).clamp(min=0)
    # what float32 leaves of a row that sums to 1 is no key
    p = torch.cat([rows, torch.where(lacking > 1e-4, lacking, 0.0)], dim=-1).flatten(1)
    p = p[:, (p > 0).any(0)]
    own = torch.xlogy(p, p).sum(1)
    found = []
    for head in range(len(p) - 1):
        half = (p[head] + p[head + 1 :]) / 2
        found.append((own[head] + own[head + 1 :]) / 2 - torch.xlogy(half, half).sum(1))
    return torch.cat(found).double().clamp(min=0) if found else torch.zeros(0, dtype=torch.float64)
