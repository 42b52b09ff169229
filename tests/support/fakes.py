"""Models that are no networks: their attention is whatever a function of the batch says."""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any

import numpy as np
import torch
from torch import Tensor

from interp.ablation.effects import Effects, measure_effects
from interp.ablation.plan import Plan
from interp.types import Batch, Document, EncodedCorpus, Encoding, Head, HeadModel, Output, Tap

START, END = 0, 1


class FakeModel:
    """Tokens are pieces of up to three letters, with a start and an end token; `attend` gives one layer's pattern."""

    def __init__(self, attend: Callable[[Batch], Tensor], heads: int, *, causal: bool = False) -> None:
        self.attend, self.causal = attend, causal
        self.name = "fake"
        self.heads: Sequence[Head] = [Head("self", 0, head) for head in range(heads)]
        self.positions = 512
        self.has_language_head = False
        self.pad_token = END
        self.device = torch.device("cpu")
        self.provenance: dict[str, str] = {}

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        return [self._encode_one(text) for text in texts]

    def visible(self, batch: Batch) -> Tensor:
        seen = batch.mask[:, :, None] & batch.mask[:, None, :]
        return seen.tril() if self.causal else seen

    def run(self, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = True) -> Output:
        if pattern:
            pattern("self", 0, self.attend(batch))
        return Output(torch.zeros(*batch.tokens.shape, 1), None)

    def contribution(self, layer: int, z: Tensor, site: str = "self") -> Tensor:
        return z

    def _encode_one(self, text: str) -> Encoding:
        pieces: list[tuple[int, int]] = []
        place = 0
        while place < len(text):
            if text[place].isspace():
                place += 1
                continue
            end = place + 1
            while end < len(text) and end - place < 3 and text[end].isalpha() and text[place].isalpha():
                end += 1
            pieces.append((place, end))
            place = end
        offsets = [(0, 0), *pieces, (0, 0)]
        special = [True, *[False] * len(pieces), True]
        tokens = [START, *(2 + len(text[a:b]) for a, b in pieces), END]
        kept = [*range(min(len(tokens) - 1, self.positions - 1)), len(tokens) - 1]
        arrays = np.array(tokens, dtype=np.int32), np.array(offsets, dtype=np.int32), np.array(special)
        return Encoding(*(array[kept] for array in arrays), truncated=len(kept) < len(tokens))


def document(words: Sequence[str], governors: Sequence[int], relations: Sequence[str], source: str) -> Document:
    """Words joined by spaces, with syntax."""
    starts = np.cumsum([0, *(len(word) + 1 for word in words[:-1])])
    spans = np.array([(start, start + len(word)) for start, word in zip(starts, words, strict=True)], dtype=np.int32)
    return Document(source, " ".join(words), tuple(words), spans, None, tuple(governors), tuple(relations))


def random_documents(count: int, seed: int = 0, sizes: tuple[int, int] = (2, 14)) -> list[Document]:
    """Random trees over random words, `sizes` of them (exclusive), in sources of three documents each."""
    rng = np.random.default_rng(seed)
    names = ["nsubj", "obj", "det", "amod", "obl"]
    documents = []
    for number in range(count):
        size = int(rng.integers(*sizes))
        words = ["".join(rng.choice(list("abcdefg"), size=rng.integers(1, 9))) for _ in range(size)]
        order = rng.permutation(size)
        governors = [-1] * size
        for place in range(1, size):
            governors[order[place]] = int(order[rng.integers(0, place)])
        relations = ["root" if governor < 0 else str(rng.choice(names)) for governor in governors]
        documents.append(document(words, governors, relations, f"source {number // 3}"))
    return documents


def uniform(batch: Batch) -> Tensor:
    """One head that spreads its attention evenly over everything that is there."""
    there = batch.mask[:, None, None, :].float().expand(-1, 1, batch.tokens.shape[1], -1)
    return there / there.sum(-1, keepdim=True)


def to_governor(batch: Batch) -> Tensor:
    """One head whose tokens look evenly at all tokens of their word's governor; the rest at the first token."""
    size = batch.tokens.shape[1]
    governor = torch.where(batch.word >= 0, batch.governor.gather(1, batch.word.clamp(min=0)), -1)
    on_governor = (batch.word[:, None, :] == governor[:, :, None]) & (governor[:, :, None] >= 0)
    at_first = (torch.arange(size) == 0).expand_as(on_governor)
    looks = torch.where(on_governor.any(-1, keepdim=True), on_governor, at_first).float()
    return (looks / looks.sum(-1, keepdim=True))[:, None]


def mostly_last(batch: Batch) -> Tensor:
    """.9 on the last token, which is special, and .1 on the previous one."""
    place = torch.arange(batch.tokens.shape[1])
    last = batch.mask.sum(1)[:, None, None] - 1
    previous = (place[:, None] - 1 == place[None, :])[None]
    return (0.9 * (place == last) + 0.1 * previous)[:, None] * batch.mask[:, None, None, :]


def noise(batch: Batch) -> Tensor:
    """Two heads of random attention on what there is."""
    size = batch.tokens.shape[1]
    rows = [torch.rand(2, size, size, generator=torch.Generator().manual_seed(int(one))) for one in batch.document]
    pattern = torch.stack(rows) ** 3 * batch.mask[:, None, None, :]
    return pattern / pattern.sum(-1, keepdim=True)


def effects_with(model: HeadModel, encoded: EncodedCorpus, **settings: Any) -> Effects:
    """Effects with those of the settings in a plan that belong to one."""
    plan = {one.name: settings.pop(one.name) for one in fields(Plan) if one.name in settings}
    return measure_effects(model, encoded, Plan(**plan), **settings)
