"""Other ways to read documents than as they stand: each token masked in turn, and both sentences of minimal pairs."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from interp.corpora.batching import to_device
from interp.errors import InterpError
from interp.types import Batch, EncodedCorpus, Encoding, HeadModel, MaskedModel


@dataclass(frozen=True, eq=False)
class _Row:
    """A sentence of a document, as it stands or with one token masked."""

    document: int
    encoding: Encoding
    alternative: bool
    masked: int | None = None


def masked(encoded: EncodedCorpus, documents: Sequence[int], model: HeadModel) -> Batch:
    """Copies of each document, in each of which one token is masked; never one of the tokenizer's own.

    A document without any other token is read once, with nothing masked. Raises `InterpError` for a causal model and
    for one without a mask token.
    """
    rows = [copy for i in documents for copy in _copies(_Row(i, encoded.encodings[i], alternative=False))]
    return _collate(encoded, rows, model, _mask_token(model))


def pairs(encoded: EncodedCorpus, documents: Sequence[int], model: HeadModel) -> Batch:
    """Both sentences of each minimal pair, the better one first; for a model that is not causal, their masked copies.

    Raises `InterpError` for a document that is no pair, and where a model that is not causal has no mask token.
    """
    rows: list[_Row] = []
    for i in documents:
        other = encoded.alternatives[i] if encoded.alternatives else None
        if other is None:
            raise InterpError(
                f"The document {encoded.corpus.documents[i].source!r} of the corpus {encoded.corpus.name!r} has no "
                "alternative sentence, which metrics=minimal_pairs compares it with. Allowed: minimal pairs. "
                "Give corpus=minimal_pairs corpus.path=FILE."
            )
        rows += [_Row(i, encoded.encodings[i], alternative=False), _Row(i, other, alternative=True)]
    if model.causal:
        return _collate(encoded, rows, model, None)
    return _collate(encoded, [copy for row in rows for copy in _copies(row)], model, _mask_token(model))


def parts(batch: Batch, tokens: int) -> Iterator[Batch]:
    """The rows of a reading some at a time: at most `tokens` padded tokens, but one row at least."""
    rows, length = batch.tokens.shape
    size = max(1, tokens // length)
    for start, end in pairwise([*range(0, rows, size), rows]):
        yield batch.rows(slice(start, end))


def _copies(row: _Row) -> list[_Row]:
    places = np.flatnonzero(~row.encoding.special).tolist()
    return [replace(row, masked=place) for place in places] or [row]


def _mask_token(model: HeadModel) -> int:
    token = model.mask_token if isinstance(model, MaskedModel) and not model.causal else None
    if token is None:
        raise InterpError(
            f"{model.name!r} is causal or has no mask token, so it fills in no masked tokens. "
            "Allowed: a masked language model whose tokenizer has a mask token."
        )
    return token


def _collate(encoded: EncodedCorpus, rows: Sequence[_Row], model: HeadModel, mask_token: int | None) -> Batch:
    """Right-padded rows; their gold is left out, because no metric reads it."""
    tokens = [torch.from_numpy(row.encoding.tokens.astype(np.int64)) for row in rows]
    targets = [torch.full_like(of_row, -1) for of_row in tokens]
    for row, of_row, target in zip(rows, tokens, targets, strict=True):
        if row.masked is not None and mask_token is not None:
            target[row.masked] = of_row[row.masked]
            of_row[row.masked] = mask_token
    lengths = torch.tensor([len(of_row) for of_row in tokens])
    special = [torch.from_numpy(row.encoding.special) for row in rows]
    blocks = {row.document: encoded.corpus.documents[row.document].block for row in rows}
    batch = Batch.bare(
        pad_sequence(tokens, batch_first=True, padding_value=model.pad_token),
        torch.arange(int(lengths.max()))[None, :] < lengths[:, None],
        special=pad_sequence(special, batch_first=True, padding_value=False),
        document=torch.tensor([row.document for row in rows]),
        block=torch.tensor([blocks[row.document] for row in rows]),
        relations=encoded.corpus.relations,
        tags=encoded.corpus.tags,
        kinds=encoded.corpus.mention_kinds,
        masked=pad_sequence(targets, batch_first=True, padding_value=-1) if mask_token is not None else None,
        alternative=torch.tensor([row.alternative for row in rows]),
    )
    return to_device(batch, model)
