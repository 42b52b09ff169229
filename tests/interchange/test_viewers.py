"""What CircuitsVis and bertviz are given is plain transformers' attention, under our names of heads and tokens."""

import json
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import interp
from interp.errors import InterpError
from interp.examples import to_bytes
from interp.interchange.token_attention import TokenAttention
from tests.conftest import Case, byte_level_tokenizer, seeded
from tests.models.test_encoder_decoders import BART

pytest_plugins = ("tests.support.chromium",)

TEXT = "The cat sat on the mat."


@torch.inference_mode()
def plain_attention(case: Case, text: str = TEXT) -> np.ndarray:
    """Of the copy that `interp` has not met: [layer, head, query, key]."""
    case.plain.set_attn_implementation("eager")
    inputs = {"input_ids": case.tokenizer(text, return_tensors="pt")["input_ids"]}
    return np.stack([layer[0].numpy() for layer in case.plain(**inputs, output_attentions=True).attentions])


def attention(**more: Any) -> TokenAttention:
    """Two layers of two heads whose weights tell them apart."""
    heads = [interp.Head("self", layer, head) for layer in range(2) for head in range(2)]
    pattern = np.random.default_rng(0).dirichlet(np.ones(3), (4, 3)).astype(np.float32)
    given: dict[str, Any] = {
        "heads": tuple(heads),
        "queries": {"self": ("a", "b", "c")},
        "keys": {"self": ("a", "b", "c")},
    }
    given["patterns"] = {"self": pattern}
    return TokenAttention(**(given | more))


# --- what is shown


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_bert", "tiny_llama"])
def test_attention_of_a_text_is_that_of_plain_transformers(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    found = interp.token_attention(case.model, TEXT)
    expected = plain_attention(case)
    for head in case.model.heads:
        np.testing.assert_allclose(found.of(head), expected[head.layer, head.head], atol=1e-5)
    text = "".join(token for token in found.queries["self"] if token[0] not in "⟨␣")
    assert text == TEXT.replace(" ", "") and found.queries == found.keys


def test_a_kept_document_is_the_same_up_to_half_a_step(tiny_bert: Case, tmp_path: Path) -> None:
    from interp.api import examples_of
    from interp.corpora.encoding import encode
    from tests.conftest import corpus_of

    texts = (TEXT, "The dog saw the cat and the park.")
    kept = examples_of(tiny_bert.model, encode(tiny_bert.model, corpus_of(texts)), "positional", seed=0)
    (tmp_path / "examples.safetensors").write_bytes(to_bytes(kept))
    for document, text in enumerate(texts):
        found, exact = interp.kept_attention(tmp_path, document), interp.token_attention(tiny_bert.model, text)
        assert found.queries == exact.queries and found.heads == exact.heads
        off = np.abs(found.patterns["self"] - exact.patterns["self"]).max()
        assert 0 < off <= found.resolution + 1e-6
    with pytest.raises(InterpError, match=r"document=7 is not among the 2 that the run has kept. Allowed: 0, 1\."):
        interp.kept_attention(tmp_path, 7)


@pytest.fixture(scope="module")
def translator() -> tuple[Any, Any]:
    """An encoder-decoder, and the same weights in plain transformers; both sides have four heads in two layers."""
    tokenizer = byte_level_tokenizer()
    options: dict[str, Any] = BART | {"decoder_layers": 2, "decoder_attention_heads": 4}
    config = transformers.BartConfig(vocab_size=len(tokenizer), **options)
    given, plain = (seeded(transformers.BartForConditionalGeneration, config) for _ in range(2))
    return interp.from_transformers(given, tokenizer, name="bart"), plain


def test_an_encoder_decoder_has_the_right_tokens_on_either_side(translator: tuple[Any, Any]) -> None:
    model, plain = translator
    found = interp.token_attention(model, TEXT)
    [source] = model.encode([TEXT])
    [(_, target)] = model.write([source])
    with torch.inference_mode():
        ids = {"input_ids": source.tokens, "decoder_input_ids": target.tokens}
        inputs = {name: torch.from_numpy(tokens).long()[None] for name, tokens in ids.items()}
        out = plain(**inputs, use_cache=False, output_attentions=True)
    theirs = {"encoder": out.encoder_attentions, "decoder": out.decoder_attentions, "cross": out.cross_attentions}
    assert found.sites == tuple(theirs)
    for head in found.heads:
        np.testing.assert_allclose(found.of(head), theirs[head.site][head.layer][0, head.head].numpy(), atol=1e-5)
    assert found.queries["encoder"] == found.keys["encoder"] == found.keys["cross"]
    assert found.queries["decoder"] == found.keys["decoder"] == found.queries["cross"]
    assert len(found.keys["cross"]) == len(source.tokens) != len(target.tokens) == len(found.queries["cross"])
    assert "".join(found.keys["cross"]).replace("␣", "") == TEXT.replace(" ", "")
    assert found.queries["cross"][0] == "⟨start⟩"


# --- in the form that the viewers take: a stand-in takes the calls, whether they are installed or not


class Taken:
    """Stands where a viewer would, and keeps what it is called with."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []

    def __getattr__(self, name: str) -> Any:
        return lambda **given: self.calls.append((name, given))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Taken:
    stand_in = Taken()
    for module in ("interp.interchange.circuitsvis", "interp.interchange.bertviz"):
        monkeypatch.setattr(f"{module}.import_viewer", lambda *_: stand_in)
    return stand_in


def test_circuitsvis_is_given_the_chosen_heads_by_our_names(taken: Taken) -> None:
    shown = attention()
    interp.to_circuitsvis(shown, ["1.0", "L0H1"])
    interp.to_circuitsvis(shown)
    [(name, given), (_, all_of_them)] = taken.calls
    assert name == "attention_heads" and given["attention_head_names"] == ["1.0", "0.1"]
    np.testing.assert_array_equal(given["attention"], shown.patterns["self"][[2, 1]])
    # its own default hides what is above the diagonal
    assert given["mask_upper_tri"] is False and given["tokens"] == ["a", "b", "c"]
    assert all_of_them["attention_head_names"] == ["0.0", "0.1", "1.0", "1.1"]


@pytest.mark.parametrize("view", ["head", "model"])
def test_bertviz_is_given_layers_by_their_numbers(taken: Taken, view: Any) -> None:
    """Also where the first layers have no attention: they stand at their own numbers."""
    heads = tuple(interp.Head("self", layer, head) for layer in (1, 4) for head in range(2))
    shown = attention(heads=heads)
    interp.to_bertviz(shown, view)
    [(name, given)] = taken.calls
    assert name == f"{view}_view" and given["include_layers"] == [1, 4] and given["tokens"] == ["a", "b", "c"]
    for layer, place in ((1, 0), (4, 2)):
        expected = shown.patterns["self"][place : place + 2][None]
        np.testing.assert_array_equal(given["attention"][layer].numpy(), expected)
    assert given["prettify_tokens"] is False


def test_bertviz_is_given_three_sites_with_their_tokens(taken: Taken, translator: tuple[Any, Any]) -> None:
    shown = interp.token_attention(translator[0], TEXT)
    interp.to_bertviz(shown)
    interp.to_bertviz(shown, site="cross")
    [(_, together), (_, cross)] = taken.calls
    assert together["encoder_tokens"] == cross["encoder_tokens"] == list(shown.keys["cross"])
    assert together["decoder_tokens"] == cross["decoder_tokens"] == list(shown.queries["cross"])
    for site in ("encoder", "decoder", "cross"):
        stacked = np.concatenate([layer[0].numpy() for layer in together[f"{site}_attention"]])
        np.testing.assert_array_equal(stacked, shown.patterns[site])
    assert "encoder_attention" not in cross and "attention" not in cross


def test_what_a_viewer_cannot_show_is_refused(taken: Taken) -> None:
    sides = {"encoder": ("a", "b", "c"), "cross": ("x", "y")}
    keys = {"encoder": ("a", "b", "c"), "cross": ("a", "b", "c")}
    heads = (interp.Head("encoder", 0, 0), interp.Head("encoder", 1, 0), interp.Head("cross", 0, 0))
    patterns = {"encoder": np.ones((2, 3, 3), np.float32) / 3, "cross": np.ones((1, 2, 3), np.float32) / 3}
    shown = attention(heads=heads, queries=sides, keys=keys, patterns=patterns)
    refused: list[tuple[dict[str, Any], str]] = [
        ({}, "shows one. Say which: site=…, of encoder"),
        ({"heads": ["cross 0.0"]}, "one list of tokens"),
        ({"heads": ["encoder 0.0", "cross 0.0"]}, "the heads are of cross and encoder"),
        ({"site": "decoder"}, "Allowed: encoder, cross"),
        ({"site": "encoder", "heads": ["5.0"]}, "is no head of this model"),
        ({"site": "encoder", "heads": []}, "a list of one head or more"),
    ]
    for given, said in refused:
        with pytest.raises(InterpError, match=re.escape(said)):
            interp.to_circuitsvis(shown, **given)
    with pytest.raises(InterpError, match=r"differ in layers × heads \(encoder 2 × 1, cross 1 × 1\)"):
        interp.to_bertviz(shown)
    uneven = tuple(interp.Head("self", *place) for place in ((0, 0), (1, 0), (1, 1), (1, 2)))
    with pytest.raises(InterpError, match="have 1, 3 heads"):
        interp.to_bertviz(attention(heads=uneven))
    assert taken.calls == []


@pytest.mark.parametrize(
    ("show", "module", "extra"),
    [(interp.to_circuitsvis, "circuitsvis", "circuitsvis"), (interp.to_bertviz, "bertviz", "bertviz")],
)
def test_without_the_extra_an_error_says_which(show: Any, module: str, extra: str, monkeypatch: Any) -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InterpError, match=rf"pip install 'interp\[{extra}\]'"):
        show(attention())


# --- the viewers themselves


@pytest.fixture
def circuitsvis() -> ModuleType:
    return pytest.importorskip("circuitsvis", reason="the extra `circuitsvis` is not installed")


@pytest.fixture
def bertviz() -> ModuleType:
    return pytest.importorskip("bertviz", reason="the extra `bertviz` is not installed")


def test_the_page_of_circuitsvis_holds_plain_attention_and_draws_without_a_network(
    circuitsvis: ModuleType, chromium: Any, tiny_bert: Case, tmp_path: Path
) -> None:
    view = interp.to_circuitsvis(interp.token_attention(tiny_bert.model, TEXT), ["1.2", "0.3"])
    page = view.local_src
    [properties] = re.findall(r"CircuitsVis\.AttentionHeads,\s*(\{.*\})\s*\)\s*</script>", page, re.DOTALL)
    given = json.loads(properties)
    np.testing.assert_allclose(given["attention"], plain_attention(tiny_bert)[[1, 0], [2, 3]], atol=1e-5)
    assert given["attentionHeadNames"] == ["1.2", "0.3"]
    (tmp_path / "page.html").write_text(f"<!doctype html><meta charset='utf-8'><body>{page}</body>", encoding="utf-8")
    opened = chromium.new_page()
    requests: list[str] = []
    opened.on("request", lambda request: requests.append(request.url))
    opened.goto((tmp_path / "page.html").as_uri())
    opened.wait_for_selector("text=1.2 Zoomed")
    assert opened.locator("text=0.3").count() >= 1
    assert all(url.startswith(("file:", "data:", "blob:")) for url in requests)
    opened.close()


# bertviz leaves its scripts open
@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("view", ["head", "model"])
def test_the_page_of_bertviz_holds_plain_attention_and_asks_for_scripts(
    bertviz: ModuleType, chromium: Any, tiny_gpt2: Case, tmp_path: Path, view: Any
) -> None:
    page = interp.to_bertviz(interp.token_attention(tiny_gpt2.model, TEXT), view).data
    given = json.JSONDecoder().raw_decode(page, page.index("{", page.index("const params = ")))[0]
    [only] = given["attention"]
    np.testing.assert_allclose(only["attn"], plain_attention(tiny_gpt2), atol=1e-5)
    assert given["include_layers"] == [0, 1] and only["left_text"] == only["right_text"]
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    opened = chromium.new_page()
    requests: list[str] = []
    opened.on("request", lambda request: requests.append(request.url))
    opened.route("https://**", lambda route: route.abort())
    opened.goto((tmp_path / "page.html").as_uri())
    # what docs/interchange.md says: without a network there is no picture
    assert any(url.startswith("https://cdnjs.cloudflare.com/") and "require" in url for url in requests)
    assert opened.locator("svg").count() == 0
    opened.close()


@pytest.mark.filterwarnings("ignore:Exception ignored in:pytest.PytestUnraisableExceptionWarning")
def test_the_page_of_bertviz_names_each_side(bertviz: ModuleType, translator: tuple[Any, Any]) -> None:
    shown = interp.token_attention(translator[0], TEXT)
    page = interp.to_bertviz(shown).data
    given = json.JSONDecoder().raw_decode(page, page.index("{", page.index("const params = ")))[0]
    parts = {part["name"].lower(): part for part in given["attention"]}
    assert list(parts) == ["encoder", "decoder", "cross"]
    for site, part in parts.items():
        assert (part["left_text"], part["right_text"]) == (list(shown.queries[site]), list(shown.keys[site]))
        np.testing.assert_array_equal(np.concatenate(part["attn"]).astype(np.float32), shown.patterns[site])
