"""Words of tokens by index, and queries cut into parts, against plain loops over one document at a time."""

import numpy as np
import pytest
import torch

from interp.attention import query_parts
from interp.attention.query_parts import part_starts
from interp.attention.words import WordAttention, WordTokens, aligned_words
from interp.buffers import Buffer
from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.types import Batch, Corpus
from tests.support import oracle
from tests.support.fakes import FakeModel, random_documents, uniform


def batch_of(model: FakeModel, count: int, sizes: tuple[int, int] = (2, 14)) -> Batch:
    corpus = Corpus("trees", tuple(random_documents(count, seed=4, sizes=sizes)), "none")
    return collate(encode(model, corpus), range(count), model)


def owned_by(batch: Batch, row: int) -> list[list[int]]:
    word = batch.word[row].tolist()
    return [[at for at, owner in enumerate(word) if owner == number] for number in range(batch.governor.shape[1])]


def test_tokens_of_words_wherever_they_lie() -> None:
    words = WordTokens(torch.tensor([[-1, 2, 0, 2, 2, -1], [0, 0, 1, 0, -1, -1]]), 4)
    assert words.count.tolist() == [[1, 0, 3, 0], [3, 1, 0, 0]]
    assert words.first.tolist() == [[2, 6, 1, 6], [0, 2, 6, 6]]
    assert words.last.tolist() == [[2, 0, 4, 0], [3, 2, 0, 0]]
    found = [[tuple(one) for one in torch.stack(rank, dim=1).tolist()] for rank in words.more]
    assert found == [[(0, 2, 3), (1, 0, 1)], [(0, 2, 4), (1, 0, 3)]]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("rows", [1, 20])
def test_words_attend_as_in_a_plain_loop(causal: bool, rows: int) -> None:
    model = FakeModel(uniform, 1, causal=causal)
    batch = batch_of(model, rows, (9, 14))
    size = batch.tokens.shape[1]
    pattern = torch.rand(rows, 3, size, size, generator=torch.Generator().manual_seed(0))
    words = aligned_words(batch, model.visible(batch))
    row, word = words.queries.nonzero().unbind(1)
    found = WordAttention(words, words.queries, 0, size)(pattern, Buffer())
    unread = torch.zeros_like(found, dtype=torch.bool)
    for at, query in zip(row.tolist(), word.tolist(), strict=True):
        owned = owned_by(batch, at)
        begins = [tokens[0] if tokens else 0 for tokens in owned]
        candidates = oracle.word_candidates(owned, query, causal)
        assert words.candidates[at, query].nonzero()[:, 0].tolist() == candidates
        expected = oracle.word_attention(pattern[at][None].numpy(), owned)[0, :, query][:, candidates]
        keys = [begins[key] for key in candidates]
        np.testing.assert_allclose(found[at, :, begins[query], keys], expected, atol=1e-6)
        unread[at, :, begins[query]] = True
        unread[at, :, begins[query], keys] = False
    # on all but candidates
    assert not found[unread].any()


def test_parts_cut_no_word_and_are_as_long_as_they_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_parts, "FEWEST_QUERIES", 7)
    monkeypatch.setattr(query_parts, "WEIGHTS_A_PART", 1)
    batch = batch_of(FakeModel(uniform, 1), 3, (20, 30))
    size = batch.tokens.shape[1]
    starts = part_starts(batch, "self", 2)
    assert starts[0] == 0 and list(starts) == sorted(set(starts)) and len(starts) >= size / 7
    borders = [at for at in range(1, size) if not any(one[at] >= 0 and one[at] == one[at - 1] for one in batch.word)]
    assert set(starts[1:]) <= set(borders)
    for start, stop in zip(starts, [*starts[1:], size], strict=True):
        # nearer than seven queries, unless there is no border so near
        assert stop - start <= 7 or not any(start < at < stop for at in borders)
        if stop < size:
            assert not any(stop < at <= start + 7 for at in borders)


def test_short_texts_are_looked_at_whole() -> None:
    assert part_starts(batch_of(FakeModel(uniform, 1), 3), "self", 12) == (0,)
