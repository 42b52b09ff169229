"""Distances between heads against scipy, one sentence at a time; and planted heads, of which some are the same."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.distance import jensenshannon
from torch import Tensor

from experiments import diversity
from interp.attention.visibility import mask_groups
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.errors import InterpError
from interp.models import planted as hand_set
from interp.roles import positional
from interp.statistics.criteria import Criteria
from interp.statistics.diversity import effective_heads, square
from interp.tallies.distances import DistanceTally, divergences, tally_distances
from interp.tallies.stream import stream
from interp.types import Batch, Corpus, Encoding
from tests.conftest import Case
from tests.support.fakes import FakeModel, random_documents, uniform

CORPUS = grammar(20)


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_bert"])
@pytest.mark.parametrize("tokens", [40, 2048])
def test_distances_are_scipys(name: str, tokens: int, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    encoded = encode(case.model, CORPUS)
    tally = DistanceTally(case.model.heads, mask_groups(case.model))
    stream(case.model, read_batches(batches(encoded, case.model, tokens=tokens)), tally)
    (sums,) = tally.sums()
    one, other = np.triu_indices(len(sums.heads), 1)
    expected, n = np.zeros_like(sums.distance), np.zeros_like(sums.n)
    for number, read in enumerate(encoded.encodings):
        with torch.no_grad():
            plain = case.plain(input_ids=torch.tensor(read.tokens[None]), output_attentions=True).attentions
        rows = np.concatenate([layer[0].double().numpy() for layer in plain])
        # the first token of a causal model sees itself alone
        rows = rows[:, 1:] if case.model.causal else rows
        block = CORPUS.documents[number].block
        expected[:, block] += [
            sum(float(jensenshannon(p, q)) ** 2 for p, q in zip(rows[first], rows[second], strict=True))
            for first, second in zip(one, other, strict=True)
        ]
        n[block] += rows.shape[1]
    np.testing.assert_array_equal(sums.n, n)
    np.testing.assert_allclose(sums.distance, expected, atol=1e-5 * n.max())
    assert expected.max() > 1e-3


def planted(batch: Batch) -> Tensor:
    """On oneself, on the first token, on oneself again, and even."""
    size = batch.tokens.shape[1]
    there = batch.mask[:, :, None] & batch.mask[:, None, :]
    on_self = torch.eye(size).expand(len(batch.tokens), -1, -1)
    on_first = (torch.arange(size) == 0).float().expand_as(on_self)
    return torch.stack([on_self, on_first, on_self, uniform(batch)[:, 0]], dim=1) * there[:, None]


def corpus_of(count: int) -> Corpus:
    return Corpus("random", tuple(random_documents(count, seed=1)), "0" * 64)


def test_heads_that_are_the_same_have_distance_0_and_count_once() -> None:
    model = FakeModel(planted, 4)
    encoded = encode(model, corpus_of(60))
    (sums,) = tally_distances(model, encoded)
    distance = square(sums.distance.sum(1) / sums.n.sum(), 4)
    sizes = np.array([len(read.tokens) for read in encoded.encodings])
    assert sums.n.sum() == sizes.sum()
    assert distance[0, 2] == 0
    # the first token itself attends to itself in both; all others have no key in common
    np.testing.assert_allclose(distance[0, 1], np.log(2) * (sizes - 1).sum() / sizes.sum(), atol=1e-6)
    np.testing.assert_allclose(distance[0, 1], distance[1, 2], atol=1e-9)
    # two heads of which one is there twice
    twice = sums.distance[[0, 1, 3]]
    found = effective_heads(twice, sums.n, 3, seed=0, min_blocks=2).value
    likeness = 1 - distance[0, 1] / np.log(2)
    shares = np.linalg.eigvals(np.array([[1, likeness, 1], [likeness, 1, likeness], [1, likeness, 1]]) / 3).real
    shares = shares[shares > 1e-9]
    np.testing.assert_allclose(found, np.exp(-(shares * np.log(shares)).sum()), rtol=1e-6)
    assert 1.7 < found < 2


def test_what_a_row_lacks_is_one_more_key() -> None:
    rows = torch.tensor([[[0.5, 0.0]], [[0.0, 0.5]]])
    whole = np.square(jensenshannon([0.5, 0.0, 0.5], [0.0, 0.5, 0.5]))
    np.testing.assert_allclose(divergences(rows).numpy(), [whole], atol=1e-6)


class OneToken(FakeModel):
    """Reads the first token of a text alone."""

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        return [replace(read, **{name: getattr(read, name)[1:2] for name in ("tokens", "offsets", "special")})
                for read in super().encode(texts)]  # fmt: skip


def test_documents_without_a_choice_are_refused() -> None:
    model = OneToken(uniform, 2)
    with pytest.raises(InterpError, match="No token of 'random' has two keys"):
        tally_distances(model, encode(model, corpus_of(3)))


def test_the_map_has_the_role_that_was_planted() -> None:
    model = hand_set.planted(kind="causal")
    found = diversity.run(model, grammar(300), roles=lambda _: positional(), criteria=Criteria(), random_seeds=0)
    table = found.tables["head_map"]
    best = {(row["layer"], row["head"]): (row["best_role"], row["best_family"]) for row in table.to_dict("records")}
    previous = [(head.layer, head.head) for head, plan in model.plans.items() if plan.name == "previous"]
    assert previous
    assert all(best[place] == ("offset-1", "positional") for place in previous)
    assert ("unclassified", "unclassified") in best.values()
