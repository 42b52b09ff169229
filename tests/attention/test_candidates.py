"""The two ways to turn token attention into words': sums by index on processors, products of matrices elsewhere."""

from dataclasses import replace

import pytest
import torch

from interp.attention.candidates import Candidates, column_candidates, first_token_candidates, word_candidates
from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.types import Corpus
from tests.support.fakes import FakeModel, document, random_documents, uniform


class ByProducts(Candidates):
    """The same view, made as on an accelerator."""

    _groups = None  # pyright: ignore[reportAssignmentType, reportIncompatibleVariableOverride] - never by index


def products(view: Candidates) -> Candidates:
    return ByProducts(**{name: getattr(view, name) for name in Candidates.__dataclass_fields__})


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("view_of", [word_candidates, first_token_candidates, column_candidates])
def test_both_ways_give_the_same(view_of, causal: bool) -> None:
    model = FakeModel(uniform, 1, causal=causal)
    corpus = Corpus("trees", tuple(random_documents(20)), "none")
    batch = collate(encode(model, corpus), range(20), model)
    pattern = torch.rand(20, 3, *batch.tokens.shape[1:] * 2, generator=torch.Generator().manual_seed(0))
    view = view_of(batch, model.visible(batch), "self")
    assert view._groups is not None
    found, expected = view.attention(pattern), products(view).attention(pattern)
    assert found.shape == expected.shape and found.abs().sum() > 0
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-6)


def test_unequal_weights_and_tokens_of_two_groups_are_left_to_products() -> None:
    model = FakeModel(uniform, 1)
    corpus = Corpus("one", (document(["abcdef", "abc", "a"], [-1, 0, 0], ["root", "x", "x"], "s"),), "none")
    batch = collate(encode(model, corpus), [0], model)
    view = word_candidates(batch, model.visible(batch))
    assert view._groups is not None and view.rows is not None and view.columns is not None
    unequal = view.rows * torch.linspace(1, 2, view.rows.shape[1])[:, None]
    shared = view.columns.clone()
    shared[:, 1, :2] = 1
    pattern = torch.rand(1, 1, *batch.tokens.shape[1:] * 2)
    for other in (replace(view, rows=unequal), replace(view, columns=shared)):
        assert other._groups is None
        expected = torch.einsum("bqw,bhqk,bkv->bhwv", other.rows, pattern, other.columns) * other.weight
        torch.testing.assert_close(other.attention(pattern), expected)
