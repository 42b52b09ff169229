"""How alike two models' heads attend to the same text: one pass of both, sums of products, no pattern kept."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.attention.nan_checks import finite_attention
from interp.attention.visibility import mask_groups, visible_to
from interp.corpora.batching import Group, batches
from interp.corpora.memory import require_room
from interp.folds import State, restore_to, state_of
from interp.progress import Progress, silent
from interp.types import Batch, EncodedCorpus, Head, HeadModel, Site


def same_tokens(one: EncodedCorpus, other: EncodedCorpus) -> bool:
    """Whether two models cut every document into the same tokens, whatever numbers they have for them."""
    pairs = zip(one.encodings, other.encodings, strict=True)
    alike = (np.array_equal(a.offsets, b.offsets) and np.array_equal(a.special, b.special) for a, b in pairs)
    return one.target is None and other.target is None and all(alike)


def attention_similarity(
    model: HeadModel,
    other: HeadModel,
    encoded: EncodedCorpus,
    other_encoded: EncodedCorpus,
    *,
    documents: Sequence[int],
    progress: Progress = silent,
) -> Float[np.ndarray, "head other"]:
    """Σ (a − u)(b − u) / √(Σ (a − u)² Σ (b − u)²) over all queries and keys of these documents, for every two heads.

    a and b are the attention of a head of each model, u is uniform attention over what the head sees: so it is 1 for
    the same attention and 0 for a uniform head. Queries are all tokens but padding. Both models cut the corpus into
    the same tokens (`same_tokens`). Raises `ModelError` where a token's attention is not finite.
    """
    for one, read in ((model, encoded), (other, other_encoded)):
        texts, encodings = [read.corpus.documents[i] for i in documents], [read.encodings[i] for i in documents]
        require_room(one, read.corpus.name, texts, encodings, heads=len(one.heads))
    sums = _Products(len(model.heads), len(other.heads))
    for group in progress(batches(encoded, model, documents=documents), "attention", sums):
        mine = _beyond_uniform(model, group.batch())
        theirs = _beyond_uniform(other, Group(other_encoded, other, group.documents).batch())
        sums.products += (mine @ theirs.T).numpy()
        sums.mine += mine.square().sum(1).numpy()
        sums.theirs += theirs.square().sum(1).numpy()
    size = np.sqrt(sums.mine[:, None] * sums.theirs[None, :])
    return sums.products / np.where(size > 0, size, np.inf)


class _Products:
    """Of every two heads, and of every head with itself."""

    def __init__(self, heads: int, others: int) -> None:
        self.products, self.mine, self.theirs = np.zeros((heads, others)), np.zeros(heads), np.zeros(others)

    def state(self) -> State:
        return state_of(self, ("products", "mine", "theirs"))

    def restore(self, state: State) -> None:
        restore_to(self, ("products", "mine", "theirs"), state)


def _beyond_uniform(model: HeadModel, batch: Batch) -> Float[Tensor, "head item"]:
    number = {head: place for place, head in enumerate(model.heads)}
    rows: list[Tensor] = [torch.empty(0)] * len(number)
    groups, query_side = mask_groups(model), batch.mask[:, None, :, None]

    def tap(site: Site, layer: int, pattern: Tensor) -> None:
        visible = visible_to(model, batch, groups[site, layer])
        pattern = finite_attention(model, batch, visible, site, layer, 0, pattern)
        seen = visible[:, None].double()
        uniform = seen / seen.sum(-1, keepdim=True).clamp(min=1)
        beyond = ((pattern.double() - uniform) * query_side).transpose(0, 1).flatten(1).cpu()
        for head in range(len(beyond)):
            rows[number[Head(site, layer, head)]] = beyond[head]

    model.run(batch, pattern=tap, logits=False)
    return torch.stack(rows)
