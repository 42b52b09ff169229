"""Voita's positional heads against loops over one document at a time, and on heads whose answer is known."""

from typing import Any

import numpy as np
import pytest

from interp import roles
from interp.api import tally_roles
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.sums import RoleSums
from interp.types import Corpus
from tests.support.fakes import FakeModel, mostly_last, noise, random_documents


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus("c", tuple(random_documents(60, seed=3)), "none")


def shares(sums: RoleSums) -> dict[str, np.ndarray]:
    return {
        role.name: sums.hit[number].sum(-1) / (sums.n[number].sum() or np.nan) for number, role in enumerate(sums.roles)
    }


@pytest.mark.parametrize("causal", [False, True])
def test_the_largest_attention_by_offset_in_loops(corpus: Corpus, causal: bool) -> None:
    model = FakeModel(noise, 2, causal=causal)
    encoded = encode(model, corpus)
    found = shares(tally_roles(model, encoded, roles.positional_variants()))
    expected: dict[str, list[Any]] = {name: [] for name in found}
    for group in batches(encoded, model):
        batch = group.batch()
        for row, number in enumerate(group.documents):
            size = len(encoded.encodings[number].tokens)
            pattern = noise(batch)[row, :, :size, :size].numpy()
            for query in range(1, size - 1):  # the first and the last token are special
                last = query if causal else size - 2
                if last < 2:
                    continue  # itself alone: nothing to choose from
                largest = pattern[:, query, 1 : last + 1].argmax(-1) + 1
                for by in (-3, -2, -1, 1, 2, 3):
                    if 1 <= query + by <= last:
                        expected[f"offset{by:+d}.largest"].append(largest == query + by)
    for name, hits in expected.items():
        if causal and "+" in name:
            assert not hits and np.isnan(found[name]).all()
        else:
            assert len(hits) > 100
            np.testing.assert_allclose(found[name], np.mean(hits, axis=0), atol=1e-9)


def test_special_tokens_are_no_keys(corpus: Corpus) -> None:
    """A head with nine tenths of its attention on the end of the text is a previous-token head by what is left."""
    model = FakeModel(mostly_last, 1)
    found = shares(tally_roles(model, encode(model, corpus), roles.positional_variants()))
    assert found["offset-1.largest"] == pytest.approx(1)
