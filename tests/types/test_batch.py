"""Rows of a batch are those documents collated alone, whatever the axis of a field; a field without one is refused."""

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import Any, get_args

import pytest
import torch
from jaxtyping import Int
from torch import Tensor

from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.corpora.reversal import reversal
from interp.types import Batch, Corpus, EncodedCorpus
from interp.types.axes import axes_of, per_row, per_word
from tests.roles.test_lexical import rich_corpus
from tests.support.fakes import FakeModel, uniform

MODEL = FakeModel(uniform, 1)
AXES = axes_of(Batch)


def translated() -> EncodedCorpus:
    """Documents with targets and alignments, as an encoder-decoder reads them."""
    corpus = reversal(12)
    target = Corpus("target", tuple(told.target for told in corpus if told.target), "none")
    return replace(encode(MODEL, corpus), target=encode(MODEL, target))


def encoded_corpora() -> list[EncodedCorpus]:
    return [encode(MODEL, grammar(40)), encode(MODEL, rich_corpus()), translated()]


def entries(batch: Batch, name: str) -> Counter[tuple[Any, ...]]:
    """A list of pairs, whatever its order, each with what stands beside it."""
    beside = [other for other, axis in AXES.items() if axis.beside == name]
    columns = [getattr(batch, name), *(getattr(batch, other)[:, None] for other in beside)]
    return Counter(map(tuple, torch.cat(columns, dim=1).tolist()))


def assert_same(found: Batch, expected: Batch) -> None:
    """Every field alike; of those with padding, what is wider in `found` is filler."""
    for name, axis in AXES.items():
        mine, theirs = getattr(found, name), getattr(expected, name)
        if theirs is None or axis.of == "shared":
            assert mine == theirs, name
        elif axis.of == "nested":
            assert_same(mine, theirs)
        elif axis.of == "pairs":
            assert axis.beside or entries(found, name) == entries(expected, name), name
        elif theirs.dim() == 1:
            assert torch.equal(mine, theirs), name
        else:
            width = theirs.shape[1]
            assert torch.equal(mine[:, :width], theirs), name
            assert (mine[:, width:] == (MODEL.pad_token if name == "tokens" else axis.filler)).all(), name


@pytest.mark.parametrize("encoded", encoded_corpora(), ids=lambda encoded: encoded.corpus.name)
@pytest.mark.parametrize("chosen", [[3], [4, 1, 2], [5, 0, 5], slice(1, 4)], ids=str)
def test_rows_are_those_documents_alone(encoded: EncodedCorpus, chosen: list[int] | slice) -> None:
    """The expected batch is made of the documents themselves, with no knowledge of axes."""
    whole = collate(encoded, range(6), MODEL)
    documents = list(range(6))[chosen] if isinstance(chosen, slice) else chosen
    alone = collate(encoded, documents, MODEL)
    assert_same(whole.rows(chosen), alone)
    assert_same(whole.rows(torch.tensor(documents)), alone)
    shortened = whole.rows(chosen).shortened(MODEL.pad_token)
    assert_same(shortened, alone)
    assert shortened.tokens.shape == alone.tokens.shape


def test_the_corpora_have_gold_of_every_kind() -> None:
    """So that the test above asks about each field that collate fills."""
    batches = [collate(encoded, range(6), MODEL) for encoded in encoded_corpora()]
    for name, axis in AXES.items():
        values = [value for batch in batches if (value := getattr(batch, name)) is not None]
        if name not in ("masked", "alternative", "pixels", "grid"):
            assert any(v.numel() and (v != axis.filler).any() if isinstance(v, Tensor) else v for v in values), name


def test_what_only_some_batches_have_is_taken_too() -> None:
    tokens = torch.arange(12).reshape(3, 4)
    pixels, alternative = torch.rand(3, 1, 2, 2), torch.tensor([False, True, False])
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 1, 1, 0]]).bool()
    batch = Batch.bare(tokens, mask, masked=tokens, pixels=pixels, grid=(2, 2), alternative=alternative)
    assert batch.document.tolist() == [0, 1, 2] and batch.governor.tolist() == [[-1]] * 3
    rows = batch.rows([2, 1]).shortened(7)
    assert rows.tokens.tolist() == [[8, 9, 10], [4, 5, 7]]
    assert rows.masked is not None and rows.masked.tolist() == [[8, 9, 10], [4, 5, -1]]
    assert rows.pixels is not None and torch.equal(rows.pixels, pixels[[2, 1]]) and rows.grid == (2, 2)
    assert rows.alternative is not None and rows.alternative.tolist() == [False, True]
    cut = rows.shortened(7, lambda lengths: (lengths + 1) // 2)
    assert cut.tokens.tolist() == [[8, 9], [4, 7]] and cut.mask.tolist() == [[True, True], [True, False]]


def test_the_axis_of_a_field_is_that_of_its_shape() -> None:
    """`batch` first is a number for each row, `batch pos` for each token; anything else lists pairs."""
    for one in fields(Batch):
        shapes = [getattr(kind, "dim_str", "").split() for kind in (one.type, *get_args(one.type))]
        for shape in filter(None, shapes):
            expected = "tokens" if shape == ["batch", "pos"] else "rows" if shape[0] == "batch" else "pairs"
            assert AXES[one.name].of == expected, one.name


@dataclass(frozen=True, eq=False)
class Silent(Batch):
    """A field more, without an axis."""

    colour: Int[Tensor, "batch word"] | None = None


@dataclass(frozen=True, eq=False)
class Coloured(Batch):
    """A layer of gold more."""

    colour: Int[Tensor, "batch word"] | None = field(default=None, metadata=per_word())


def test_a_field_without_an_axis_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Silent\.colour has no axis.*per_word"):
        Silent.bare(torch.zeros(2, 3, dtype=torch.long), torch.ones(2, 3, dtype=torch.bool))
    assert per_row()["axis"].of == "rows"


def test_a_field_with_an_axis_needs_nothing_else() -> None:
    tokens = torch.zeros(2, 3, dtype=torch.long)
    batch = Coloured.bare(tokens, torch.ones_like(tokens).bool(), colour=torch.tensor([[1, 2], [3, -1]]))
    rows = batch.rows([1, 1, 0])
    assert isinstance(rows, Coloured) and rows.colour is not None
    assert rows.colour.tolist() == [[3, -1], [3, -1], [1, 2]]
