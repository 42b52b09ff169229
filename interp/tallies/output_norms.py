"""How long a vector each head writes into the residual stream, on average: what heads are matched by."""

from functools import partial

import numpy as np
from jaxtyping import Float

from interp.corpora.batching import batches
from interp.folds import State, restore_to, state_of
from interp.progress import Progress, silent
from interp.types import Batch, EncodedCorpus, Head, HeadModel, HeadOutput, Site


class _Norms:
    """Sums over tokens, in the model's order of heads."""

    def __init__(self, heads: int) -> None:
        self.total, self.tokens = np.zeros(heads), np.zeros(1)

    def state(self) -> State:
        """Everything added so far."""
        return state_of(self, ("total", "tokens"))

    def restore(self, state: State) -> None:
        """Go on from there."""
        restore_to(self, ("total", "tokens"), state)


def output_norms(model: HeadModel, encoded: EncodedCorpus, progress: Progress = silent) -> Float[np.ndarray, " head"]:
    """The mean over tokens of ‖z W_O‖ of every head, in the model's order, padding left out."""
    number = {head: place for place, head in enumerate(model.heads)}
    norms = _Norms(len(number))

    def add(site: Site, layer: int, z: HeadOutput, batch: Batch) -> None:
        length = model.contribution(layer, z, site).norm(dim=-1)
        for head, total in enumerate(length[batch.query_side(site).mask].double().sum(0).tolist()):
            norms.total[number[Head(site, layer, head)]] += total

    for group in progress(batches(encoded, model), "output norms", norms, whole=True):
        batch = group.batch()
        norms.tokens += float(batch.mask.sum())
        model.run(batch, z=partial(add, batch=batch), logits=False)
    return norms.total / norms.tokens
