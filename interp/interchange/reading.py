"""From a model and a text to the attention between its tokens: one forward pass, every weight as the model gave it."""

import numpy as np
import torch

from interp.attention.nan_checks import finite_attention
from interp.attention.visibility import mask_groups, visible_keys
from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.corpora.memory import require_room_for
from interp.corpora.text import sentence
from interp.errors import InterpError
from interp.examples import Side
from interp.heads import Place, Site
from interp.interchange.token_attention import TokenAttention, attention_of_sides
from interp.tallies.examples import side_of
from interp.types import HeadModel, check_model


def token_attention(model: HeadModel, text: str) -> TokenAttention:
    """Where every head attends in one text, between tokens, special ones included.

    An encoder-decoder reads as its target what it writes itself. Raises `InterpError` for a model of pictures and for
    a text that is empty, that the model cannot read whole, or whose attention is not finite or fits no memory.
    """
    check_model(model)
    encoded = encode(model, sentence(text))
    if encoded.skipped["truncated_documents"]:
        raise InterpError(
            f"The text is longer than the {model.positions} tokens that {model.name!r} can read. Give a shorter one."
        )
    require_room_for(model, encoded, len(model.heads))
    batch = collate(encoded, [0], model)
    groups, visible = mask_groups(model), visible_keys(model, batch)
    by_layer: dict[Place, np.ndarray] = {}

    def watch(site: Site, layer: int, pattern: torch.Tensor) -> None:
        finite = finite_attention(model, batch, visible[groups[site, layer]], site, layer, 0, pattern)
        by_layer[site, layer] = finite[0].float().cpu().numpy()

    model.run(batch, pattern=watch, logits=False)
    source = side_of(encoded.corpus.documents[0], encoded.encodings[0], encoded.words[0])
    target = source
    if encoded.target is not None:
        other = encoded.target
        target = side_of(other.corpus.documents[0], other.encodings[0], other.words[0])
    sides: dict[str, tuple[Side, Side]] = {}
    patterns: dict[str, np.ndarray] = {}
    for site in dict.fromkeys(head.site for head in model.heads):
        sides[site] = (target if site in ("decoder", "cross") else source, target if site == "decoder" else source)
        # of a model with sinks, what goes to no token is left out
        size = len(sides[site][1].tokens)
        patterns[site] = np.stack([by_layer[h.place][h.head, :, :size] for h in model.heads if h.site == site])
    return attention_of_sides(tuple(model.heads), sides, patterns)
