"""What the longest document costs in memory, said and refused before anything runs: attention grows with its square."""

import warnings
from collections import Counter
from collections.abc import Callable, Sequence

import torch

from interp.devices import free_memory
from interp.errors import CorpusError
from interp.types import ChunkedPatterns, Document, EncodedCorpus, Encoding, HeadModel

AROUND = 8
"""Arrays of tokens × tokens held beside the patterns: masks, what can be seen, the roles' candidates and choices.

Measured on documents of 2,400 and 3,800 tokens: a role pass with the patterns of one head at a time holds ten arrays of
float32, a run that lays open all heads of a layer two for each head and less beside them.
"""

GIB = 2**30

SAID_FROM = GIB
"""Bytes from which the cost of the longest document is said."""


def require_room(
    model: HeadModel,
    name: str,
    documents: Sequence[Document],
    encodings: Sequence[Encoding],
    *,
    heads: int | None = None,
    free: Callable[[torch.device], int | None] = free_memory,
) -> None:
    """Raises `CorpusError` where the attention in the longest document does not fit in the memory that is free.

    Warns of what it takes where that is much. `heads` are looked at together: without it one, or all of a layer in a
    model that cannot show them a few at a time.
    """
    longest = max(range(len(encodings)), key=lambda number: len(encodings[number].tokens))
    document, tokens = documents[longest], len(encodings[longest].tokens)
    if heads is None:
        heads = 1 if isinstance(model, ChunkedPatterns) else heads_of_a_layer(model)
    needed = memory_for(tokens, heads)
    if needed < SAID_FROM:
        return
    available = free(model.device)
    left = "" if available is None else f"; {available / GIB:,.1f} GiB are free on {model.device}"
    cost = (
        f"the longest document ({document.source[:60]!r}, {tokens:,} tokens, {len(document.text):,} characters) takes "
        f"about {needed / GIB:,.1f} GiB for the attention of {heads} {'head' if heads == 1 else 'heads'} at a time"
        f"{left}"
    )
    if available is not None and needed > available:
        raise CorpusError(
            name,
            None,
            f"{cost}. Allowed: documents that fit, of about {longest_for(available, heads):,} tokens here. Cut them "
            "(corpus=text: one line is one document; corpus=conllu: corpus.unit=sentence; corpus=coreference: "
            "corpus.window=100), or take a machine with more memory.",
        )
    warnings.warn(f"{name}: {cost}.", stacklevel=3)


def require_room_for(model: HeadModel, encoded: EncodedCorpus, heads: int) -> None:
    """The same for an encoded corpus, on both sides, where this many heads are looked at together."""
    for side in (encoded, encoded.target):
        if side is not None:
            require_room(model, side.corpus.name, side.corpus.documents, side.encodings, heads=heads)


def heads_of_a_layer(model: HeadModel) -> int:
    """How many heads the layer has that has most."""
    return max(Counter((head.site, head.layer) for head in model.heads).values(), default=1)


def memory_for(tokens: int, heads: int) -> int:
    """Bytes held while this many heads attend in a document of so many tokens: scores, softmax and the rest."""
    return 4 * (2 * heads + AROUND) * tokens**2


def longest_for(memory: int, heads: int) -> int:
    """The most tokens for which so many bytes are enough."""
    return int((memory / memory_for(1, heads)) ** 0.5)
