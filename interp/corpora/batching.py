"""Documents to padded batches for one model: tokens aligned to words by character offsets, gold moved along."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int
from torch.nn.utils.rnn import pad_sequence

from interp.corpora.entity_pairs import entity_pairs
from interp.corpora.fidelity import fidelity
from interp.corpora.memory import require_room
from interp.corpora.mentions import antecedents_by_kind, nearest_agreeing, nearest_mentions, nearest_same_word
from interp.corpora.patches import as_read_by
from interp.corpora.text import words_of
from interp.corpora.withheld import check_words
from interp.devices import tokens_for
from interp.errors import CorpusError, ModelError
from interp.text.punctuation import marks
from interp.types import (
    Batch,
    Corpus,
    Document,
    EncodedCorpus,
    EncoderDecoder,
    Encoding,
    HeadModel,
    TokenSampler,
    VisionModel,
)

TOKENS_A_BATCH = 1536
"""Padded tokens in one batch: on two CPU cores throughput is flat from about 1,300."""

LENGTH_AT_FULL_BATCH = 64
"""Tokens of a document up to which a batch is full; with longer ones patterns, which grow with the square, decide."""

NO_SPANS = np.zeros((0, 2), dtype=np.int32)

NO_MENTION = torch.full((1, 4), -1)


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
                "tokens. Choose a corpus of texts, or give the model a method `draw` (interp.types.Drawing)."
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


def evenly_spaced(count: int, limit: int | None) -> list[int]:
    """At most `limit` of the numbers below `count`, evenly spaced; all of them where there is no limit."""
    if limit is None or limit >= count:
        return list(range(count))
    return [int(i * count / limit) for i in range(limit)]


def batches(
    encoded: EncodedCorpus,
    model: HeadModel,
    *,
    documents: Sequence[int] | None = None,
    tokens: int | None = None,
) -> list["Group"]:
    """Groups of similar length, at most `tokens` padded tokens each, fewer where they are long; each makes its batch.

    Without `tokens`, as many as fill the model's device. A document too long for the budget goes alone.
    """
    chosen = range(len(encoded)) if documents is None else documents
    most = tokens_for(model.device, TOKENS_A_BATCH) if tokens is None else tokens
    by_length = sorted(chosen, key=lambda i: (len(encoded.encodings[i].tokens), i))
    groups: list[Group] = []
    current: list[int] = []
    for i in by_length:
        length = len(encoded.encodings[i].tokens)
        if current and (len(current) + 1) * length * max(1.0, length / LENGTH_AT_FULL_BATCH) > most:
            groups.append(Group(encoded, model, tuple(current)))
            current = []
        current.append(i)
    return [*groups, Group(encoded, model, tuple(current))] if current else groups


@dataclass(frozen=True, eq=False)
class Group:
    """Documents that go through the model together; the tensors are made when they are asked for."""

    encoded: EncodedCorpus
    model: HeadModel
    documents: tuple[int, ...]

    def batch(self) -> Batch:
        """The padded tensors, on the model's device."""
        return collate(self.encoded, self.documents, self.model)


def read_batches(groups: Iterable[Group]) -> Iterator[Batch]:
    """The batches one after another, one in memory at a time."""
    return (group.batch() for group in groups)


def collate(encoded: EncodedCorpus, documents: Sequence[int], model: HeadModel) -> Batch:
    """Right-padded tensors of the chosen documents; gold is -1 where there is none."""
    chosen = [encoded.corpus.documents[i] for i in documents]
    lengths = torch.tensor([len(encoded.encodings[i].tokens) for i in documents])
    # words beyond the last that owns a token (cut off, in a long document) are neither queries nor keys
    width = max(1, *(1 + int(encoded.words[i].max(initial=0)) for i in documents))
    corpus = encoded.corpus
    index = {name: i for i, name in enumerate(corpus.relations)}
    tag_index = {name: i for i, name in enumerate(corpus.tags)}

    def padded(rows: Sequence[np.ndarray], value: int) -> torch.Tensor:
        tensors = [torch.from_numpy(np.ascontiguousarray(row, dtype=np.int64)) for row in rows]
        return pad_sequence(tensors, batch_first=True, padding_value=value)

    def per_word(rows: Sequence[Sequence[int]]) -> torch.Tensor:
        return torch.tensor([[*row[:width], *[-1] * (width - len(row))] for row in rows], dtype=torch.long)

    kind_index = {None: -1, **{name: i for i, name in enumerate(corpus.mention_kinds)}}
    pairs = [
        (row, query, antecedent, kind_index[kind])
        for row, document in enumerate(chosen)
        for query, antecedent, kind in antecedents_by_kind(document)
        if max(query, antecedent) < width
    ]
    gold_pairs = torch.tensor(pairs, dtype=torch.long).reshape(-1, 4)
    mentions = [
        torch.tensor(
            [(m.start, m.end, m.entity, kind_index[m.kind]) for m in document.mentions or ()], dtype=torch.long
        )
        for document in chosen
    ]
    links = [(row, *link) for row, document in enumerate(chosen) for link in entity_pairs(document, width)]
    target = None if encoded.target is None else collate(encoded.target, documents, model)
    pictures = [document.picture for document in chosen if document.picture is not None]
    seeing = model if pictures and isinstance(model, VisionModel) else None
    batch = Batch(
        tokens=padded([encoded.encodings[i].tokens for i in documents], model.pad_token),
        mask=torch.arange(int(lengths.max()))[None, :] < lengths[:, None],
        special=padded([encoded.encodings[i].special for i in documents], 0).bool(),
        word=padded([encoded.words[i] for i in documents], -1),
        document=torch.tensor(list(documents)),
        block=torch.tensor([document.block for document in chosen]),
        governor=per_word([document.governors or () for document in chosen]),
        relation=per_word(
            [[index.get(corpus.relation(r), -1) for r in document.relations or ()] for document in chosen]
        ),
        tag=per_word([[tag_index.get(tag, -1) for tag in document.tags or ()] for document in chosen]),
        nearest_mention=per_word([nearest_mentions(document) for document in chosen]),
        nearest_agreeing=per_word([nearest_agreeing(document) for document in chosen]),
        nearest_same_word=per_word([nearest_same_word(document) for document in chosen]),
        antecedent=gold_pairs[:, :3],
        antecedent_kind=gold_pairs[:, 3],
        # one at least, so that there is something to look at where no document has any
        mention=pad_sequence([torch.cat([m.reshape(-1, 4), NO_MENTION]) for m in mentions], True, -1),
        relations=corpus.relations,
        tags=corpus.tags,
        kinds=corpus.mention_kinds,
        target=target,
        alignment=None if target is None else _aligned_words(chosen, target.governor.shape[1], width),
        pixels=None if seeing is None else seeing.pixels(pictures),
        grid=None if seeing is None else seeing.grid,
        rank=padded([_ranks(encoded, i) for i in documents], -1),
        mark=per_word([marks(document) for document in chosen]),
        entity_pair=torch.tensor(links, dtype=torch.long).reshape(-1, 4),
    )
    return to_device(batch, model)


def _ranks(encoded: EncodedCorpus, number: int) -> Int[np.ndarray, " pos"]:
    encoding = encoded.encodings[number]
    ranks = np.full(len(encoding.tokens), -1, dtype=np.int64)
    ranks[~encoding.special] = encoded.ranks[encoding.tokens[~encoding.special]]
    return ranks


def _aligned_words(documents: Sequence[Document], target_width: int, width: int) -> Int[torch.Tensor, "aligned 3"]:
    pairs = [
        (row, written, read)
        for row, document in enumerate(documents)
        for written, read in document.alignment or ()
        if written < target_width and read < width
    ]
    return torch.tensor(pairs, dtype=torch.long).reshape(-1, 3)


def to_device(batch: Batch, model: HeadModel) -> Batch:
    """The same batch, on the model's device."""
    tensors = {name: value.to(model.device) for name, value in vars(batch).items() if isinstance(value, torch.Tensor)}
    return replace(batch, **tensors)
