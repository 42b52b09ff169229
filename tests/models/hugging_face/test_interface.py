"""What a mask hides, and causal attention without one, against transformers' own."""

import pytest
import torch
from torch import Tensor

from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.models.hugging_face.interface import Ingredients, MaskReader
from interp.types import ChunkedPatterns
from tests.conftest import Case, corpus_of

HIDDEN = torch.finfo(torch.float32).min


def ingredients(mask: Tensor | None, queries: int = 6, keys: int = 6) -> Ingredients:
    draw = torch.Generator().manual_seed(0)
    query = torch.randn(2, 3, queries, 4, generator=draw)
    key, value = torch.randn(2, 2, 3, keys, 4, generator=draw)
    return Ingredients(query, key, value, mask, 0.5, None)


def later(size: int) -> Tensor:
    return torch.full((size, size), HIDDEN).triu(1).expand(2, 1, size, size)


def test_a_mask_of_later_keys_alone_is_left_out_and_nothing_changes() -> None:
    at = ingredients(later(300), 300, 300)
    found = MaskReader().left_out(at)
    assert found.causal and found.mask is None
    torch.testing.assert_close(found.pattern(), at.pattern())
    part = found.some(slice(1, 3), slice(40, 50))
    assert part.pattern().shape == (2, 2, 10, 50)
    torch.testing.assert_close(part.pattern(), at.pattern()[:, 1:3, 40:50, :50])
    torch.testing.assert_close(part.some(slice(0, 1)).pattern(), at.pattern()[:, 1:2, 40:50, :50])
    torch.testing.assert_close(found.attended(), at.attended())


def test_a_mask_that_hides_nothing_is_left_out() -> None:
    found = MaskReader().left_out(ingredients(torch.zeros(2, 1, 6, 6)))
    assert found.mask is None and not found.causal
    assert MaskReader().left_out(ingredients(None)).mask is None


def padded() -> Tensor:
    mask = later(6).clone()
    mask[1, :, :, 5] = HIDDEN
    return mask


def weighted() -> Tensor:
    """As ALiBi does: nearer keys count more."""
    place = torch.arange(6.0)
    return torch.where(place[None] > place[:, None], HIDDEN, (place[None] - place[:, None]) / 8).expand(1, 1, 6, 6)


OTHERS = {
    "padding": padded(),
    "a window": torch.where(torch.ones(6, 6).tril() * torch.ones(6, 6).triu(-2) > 0, 0.0, HIDDEN).expand(1, 1, 6, 6),
    "weights": weighted(),
    "a gentle mask": torch.full((6, 6), -3.0).triu(1).expand(1, 1, 6, 6),
    "one later key": torch.where(torch.eye(6).roll(5, 1) > 0, 0.0, later(6)),
    "earlier keys": later(6).mT,
}


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_mask_is_kept(name: str) -> None:
    at = ingredients(OTHERS[name])
    found = MaskReader().left_out(at)
    assert found.mask is at.mask and not found.causal


def test_a_mask_of_fewer_queries_than_keys_is_kept() -> None:
    at = ingredients(later(6)[:, :, 2:], 4, 6)
    assert MaskReader().left_out(at).mask is at.mask


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_llama", "tiny_neox", "tiny_mistral"])
def test_parts_of_one_text_are_what_transformers_itself_gives(request: pytest.FixtureRequest, name: str) -> None:
    """Of one document, which has no padding; one model has a window."""
    case: Case = request.getfixturevalue(name)
    model = case.model
    encoded = encode(model, corpus_of(["This is how one long text is seen in parts, word for word and to its end."]))
    batch = collate(encoded, [0], model)
    size = batch.tokens.shape[1]
    expected = case.plain(input_ids=batch.tokens, output_attentions=True).attentions
    assert isinstance(model, ChunkedPatterns) and size > 12
    keys: set[int] = set()

    def look(_site: str, layer: int, first: int, query: int, pattern: Tensor) -> None:
        heads, queries, seen = pattern.shape[1:]
        keys.add(seen)
        whole = expected[layer][:, first : first + heads, query : query + queries]
        torch.testing.assert_close(pattern, whole[..., :seen], atol=1e-5, rtol=0)
        assert not whole[..., seen:].any()

    model.watch(batch, look, {"self": (0, 5, 9)})
    assert keys == ({size} if name == "tiny_mistral" else {5, 9, size})
