"""Attention between the words of one sentence: one forward pass, every head's whole map."""

from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from jaxtyping import Float
from torch import Tensor

from interp.attention.candidates import word_candidates
from interp.attention.nan_checks import finite_attention
from interp.attention.visibility import mask_groups, visible_keys
from interp.errors import ModelError
from interp.heads import HEAD, Head, Site
from interp.progress import Progress, silent
from interp.types import Batch, HeadModel


def attention_table(
    model: HeadModel,
    batch: Batch,
    words: Sequence[str],
    target: Sequence[str] = (),
    progress: Progress = silent,
) -> tuple[pd.DataFrame, np.ndarray]:
    """One row per head, query word and key word that it can see; and which words each of the sentence's can see.

    In a decoder the words are those of the `target`; its cross-attention goes from them to the sentence. Raises
    `ModelError` where a token's attention is not finite.
    """
    groups = mask_groups(model)
    visible = visible_keys(model, batch)
    views = {group: word_candidates(batch, seen, group[0]) for group, seen in visible.items()}
    first = next((view for (site, _), view in views.items() if site in ("self", "encoder")), None)
    if first is None:
        raise ModelError(
            f"{model.name!r} has no attention among the words of a sentence: its heads are of the site "
            f"{', '.join(dict.fromkeys(site for site, _ in groups))}. Allowed: a model with heads of self or encoder."
        )
    by_layer: dict[tuple[Site, int], Float[Tensor, "head query key"]] = {}

    def watch(site: Site, layer: int, pattern: Tensor) -> None:
        group = groups[site, layer]
        pattern = finite_attention(model, batch, visible[group], site, layer, 0, pattern)
        by_layer[site, layer] = views[group].attention(pattern)[0].cpu()

    for one in progress([batch], "sentence"):
        model.run(one, pattern=watch, logits=False)
    tables: list[pd.DataFrame] = []
    for site, layer in groups:
        query, key = np.nonzero(views[groups[site, layer]].candidates[0].cpu().numpy())
        asking, asked = (
            target if batch.query_side(site) is batch.target else words,
            target if site == "decoder" else words,
        )
        masses = by_layer[site, layer][:, query, key].numpy().astype(np.float64)
        pairs = [(q, asking[q], k, asked[k]) for q, k in zip(query.tolist(), key.tolist(), strict=True)]
        rows = [(*Head(site, layer, head), *pair) for head, pair in product(range(len(masses)), pairs)]
        of_layer = pd.DataFrame(rows, columns=[*HEAD, "query", "query_word", "key", "key_word"])
        tables.append(of_layer.assign(mass=masses.reshape(-1)))
    # the batch ends with the last word that owns a token; the words after it see nothing and are not seen
    seen = first.candidates[0].cpu().numpy()
    sees = np.zeros((len(words), len(words)), dtype=bool)
    sees[: len(seen), : len(seen)] = seen
    return pd.concat(tables, ignore_index=True), sees
