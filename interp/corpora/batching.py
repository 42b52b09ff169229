"""Documents to padded batches for one model: groups of similar length, gold moved along."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Int
from torch.nn.utils.rnn import pad_sequence

from interp.corpora.entity_pairs import entity_pairs
from interp.corpora.mentions import antecedents_by_kind, nearest_agreeing, nearest_mentions, nearest_same_word
from interp.devices import tokens_for
from interp.text.punctuation import marks
from interp.types import Batch, Document, EncodedCorpus, HeadModel, VisionModel

TOKENS_A_BATCH = 1536
"""Padded tokens in one batch: on two CPU cores throughput is flat from about 1,300."""

LENGTH_AT_FULL_BATCH = 64
"""Tokens of a document up to which a batch is full; with longer ones patterns, which grow with the square, decide."""

NO_MENTION = torch.full((1, 4), -1)


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
        for query, antecedent, kind in antecedents_by_kind(document, width)
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
