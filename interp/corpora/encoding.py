"""Tokenises a corpus for one model and aligns tokens to words by character offsets."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Int

from interp.corpora.fidelity import fidelity
from interp.corpora.memory import require_room
from interp.corpora.picture_patches import as_read_by
from interp.corpora.text import words_of
from interp.corpora.withheld import check_words
from interp.errors import CorpusError, ModelError
from interp.types import (
    Corpus,
    Document,
    EncodedCorpus,
    EncoderDecoder,
    Encoding,
    HeadModel,
    TokenSampler,
)

NO_SPANS = np.zeros((0, 2), dtype=np.int32)


def encode(model: HeadModel, corpus: Corpus, *, chunk: int = 1000) -> EncodedCorpus:
    """Tokenise every document and find the word of every token; pictures are cut into the model's patches.

    What of the texts gets lost on the way is counted, and said in `notes`. Raises `CorpusError` where there is no
    document, one that is too long for the memory there is, or a placeholder for most of the words; `InterpError` where
    a model of text is given pictures or the other way round.
    """
    if not len(corpus):
        raise CorpusError(corpus.name, None, "holds no document. Give a corpus with at least one sentence.")
    check_words(corpus.documents, corpus.name)
    corpus = as_read_by(model, corpus)
    encodings: list[Encoding] = []
    words: list[Int[np.ndarray, " _"]] = []
    alternatives: list[Encoding | None] = []
    skipped = {"truncated_documents": 0}
    for start in range(0, len(corpus), chunk):
        documents = corpus.documents[start : start + chunk]
        for document, encoding in zip(documents, _read(model, documents), strict=True):
            encodings.append(encoding)
            words.append(align(document, encoding))
            skipped["truncated_documents"] += encoding.truncated
        alternatives += _alternatives(model, documents)
    require_room(model, corpus.name, corpus.documents, encodings)
    read = fidelity(model, "documents", corpus.documents, encodings, words)
    skipped["unaligned_words"] = read.unaligned
    skipped["truncated_documents"] += sum(other is not None and other.truncated for other in alternatives)
    target = (
        _targets(model, corpus, encodings, skipped) if isinstance(model, EncoderDecoder) and model.translates else None
    )
    said = (*read.notes(), *_lost_of_alternatives(model, corpus, alternatives))
    return EncodedCorpus(corpus, tuple(encodings), tuple(words), skipped, tuple(alternatives), target, said)


def _read(model: HeadModel, documents: Sequence[Document]) -> list[Encoding]:
    """Every document as the model reads it: its text, or tokens of the model's own where it has symbols instead."""
    texts = {number: document.text for number, document in enumerate(documents) if document.symbols is None}
    drawn = {number: d.symbols for number, d in enumerate(documents) if d.symbols is not None}
    found = dict(zip(texts, model.encode(list(texts.values())), strict=True)) if texts else {}
    if drawn:
        if not isinstance(model, TokenSampler):
            raise ModelError(
                f"{model.name!r} has no vocabulary that tokens can be drawn from, and corpus=repeats is made of drawn "
                "tokens. Choose a corpus of texts, or give the model a method `draw` (interp.types.TokenSampler)."
            )
        seeds = [documents[number].number for number in drawn]
        found |= dict(zip(drawn, model.draw(list(drawn.values()), seeds), strict=True))
    return [found[number] for number in range(len(documents))]


def _alternatives(model: HeadModel, documents: Sequence[Document]) -> list[Encoding | None]:
    texts = {number: document.alternative for number, document in enumerate(documents) if document.alternative}
    found = dict(zip(texts, model.encode(list(texts.values())), strict=True)) if texts else {}
    return [found.get(number) for number in range(len(documents))]


def _lost_of_alternatives(model: HeadModel, corpus: Corpus, alternatives: Sequence[Encoding | None]) -> tuple[str, ...]:
    """What is lost of the other sentences of minimal pairs, whose words nobody asks about."""
    pairs = [(one, other) for one, other in zip(corpus, alternatives, strict=True) if one.alternative and other]
    if not pairs:
        return ()
    encodings = [other for _, other in pairs]
    texts = [replace(one, text=one.alternative or "", words=(), spans=NO_SPANS) for one, _ in pairs]
    require_room(model, corpus.name, texts, encodings)
    owners = [np.full(len(one.tokens), -1, dtype=np.int32) for one in encodings]
    return fidelity(model, "alternative sentences", texts, encodings, owners).notes()


def _targets(
    model: EncoderDecoder, corpus: Corpus, encodings: Sequence[Encoding], skipped: dict[str, int]
) -> EncodedCorpus:
    """What the decoder reads: each document's target or, where it has none, what the model itself writes."""
    given = {number: document.target for number, document in enumerate(corpus) if document.target is not None}
    read = dict(zip(given, model.encode_targets([target.text for target in given.values()]), strict=True))
    absent = [number for number in range(len(corpus)) if number not in given]
    written = dict(zip(absent, model.write([encodings[number] for number in absent]), strict=True))
    documents: list[Document] = []
    tokens: list[Encoding] = []
    for number, document in enumerate(corpus):
        text, encoding = written.get(number) or (None, read[number])
        documents.append(given[number] if text is None else words_of(text, document.source))
        tokens.append(encoding)
    skipped["empty_targets"] = sum(not document.words for document in documents)
    skipped["truncated_targets"] = sum(encoding.truncated for encoding in tokens)
    notes = (f"the model itself wrote the targets of {len(absent)} of {len(corpus)} documents",) if absent else ()
    name, own = f"{corpus.name} (target)", tuple(documents)
    target = Corpus(name, own, corpus.digest, generated=corpus.generated, notes=notes)
    require_room(model, name, own, tokens)
    owners = tuple(align(document, encoding) for document, encoding in zip(documents, tokens, strict=True))
    read = fidelity(model, "targets", own, tokens, owners)
    skipped["unaligned_words_of_targets"] = read.unaligned
    return EncodedCorpus(target, tuple(tokens), owners, skipped, said=read.notes())


def align(document: Document, encoding: Encoding) -> Int[np.ndarray, " pos"]:
    """The word that holds each token's first non-space character; -1 for spaces and the tokenizer's own tokens."""
    length = len(document.text)
    word_at = np.full(length + 1, -1, dtype=np.int32)
    for word, (start, end) in enumerate(document.spans.tolist()):
        if start >= 0:
            word_at[start:end] = word
    next_letter = np.full(length + 1, length, dtype=np.int32)
    for place in range(length - 1, -1, -1):
        next_letter[place] = next_letter[place + 1] if document.text[place].isspace() else place
    start, end = encoding.offsets[:, 0], encoding.offsets[:, 1]
    letter = next_letter[start]
    return np.where((letter < end) & ~encoding.special, word_at[letter], -1).astype(np.int32)
