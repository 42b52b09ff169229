"""The longest text that a network reads, from the network itself; and proved by the gate."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers

import interp
from interp.api import prove
from interp.errors import ModelError
from interp.models import loading
from interp.models.hugging_face.positions import limits
from tests.conftest import TEXTS, corpus_of, seeded
from tests.support import tiny_architectures as tiny

LONG = " ".join(TEXTS * 6)

FAMILIES: tuple[tuple[str, str, dict[str, Any], int], ...] = (
    ("roberta", "RobertaForMaskedLM", {}, 38),
    ("roberta", "RobertaForMaskedLM", {"pad_token_id": 5}, 34),
    ("xlm-roberta", "XLMRobertaForMaskedLM", {}, 38),
    ("camembert", "CamembertForMaskedLM", {}, 38),
    ("xlm-roberta-xl", "XLMRobertaXLForMaskedLM", {}, 38),
    ("roberta-prelayernorm", "RobertaPreLayerNormForMaskedLM", {}, 38),
    ("data2vec-text", "Data2VecTextForMaskedLM", {}, 38),
    ("xmod", "XmodForMaskedLM", {}, 38),
    ("ibert", "IBertForMaskedLM", {}, 38),
    ("mpnet", "MPNetForMaskedLM", {}, 38),
    ("luke", "LukeForMaskedLM", {}, 38),
    ("bert", "BertForMaskedLM", {}, 40),
    ("distilbert", "DistilBertForMaskedLM", {}, 40),
    ("gpt2", "GPT2LMHeadModel", {}, 40),
    ("opt", "OPTForCausalLM", {}, 40),
    ("biogpt", "BioGptForCausalLM", {}, 40),
    ("whisper", "WhisperForCausalLM", {}, 40),
    ("blenderbot", "BlenderbotForCausalLM", {}, 40),
)
"""By hand: rows of the table less those kept free; OPT's and BART's tables are made two longer."""


@pytest.mark.parametrize(("kind", "name", "options", "expected"), FAMILIES)
def test_the_limit_is_where_transformers_ends(kind: str, name: str, options: dict[str, Any], expected: int) -> None:
    network = seeded(getattr(transformers, name), tiny.configuration(kind, **options))
    assert limits(network, tiny.tokenizer())[:2] == (expected, expected)
    with torch.inference_mode():
        network(torch.full((1, expected), 9))
        with pytest.raises((IndexError, RuntimeError)):
            network(torch.full((1, expected + 1), 9))


def test_a_table_shorter_than_the_configuration_says_is_the_limit() -> None:
    network = seeded(transformers.GPT2LMHeadModel, tiny.configuration("gpt2"))
    network.transformer.wpe = torch.nn.Embedding(24, 32)
    assert limits(network, tiny.tokenizer()).read == 24
    model = loading.from_transformers(network, tiny.tokenizer())
    (encoding,) = model.encode([LONG])
    assert len(encoding.tokens) == 24 and encoding.truncated
    prove(model, corpus_of([*TEXTS, LONG]))


def test_without_positions_the_configuration_or_the_tokenizer_says() -> None:
    tokenizer = tiny.tokenizer()
    tokenizer.model_max_length = 30
    for kind, name, expected in (
        ("llama", "LlamaForCausalLM", 40),
        ("t5", "T5ForConditionalGeneration", 30),
        ("bloom", "BloomForCausalLM", 30),
    ):
        network = seeded(getattr(transformers, name), tiny.configuration(kind))
        assert limits(network, tokenizer).read == expected


def test_each_side_of_an_encoder_decoder_has_its_limit() -> None:
    network = seeded(transformers.BartForConditionalGeneration, tiny.configuration("bart"))
    network.model.decoder.embed_positions = type(network.model.decoder.embed_positions)(21, 32)
    assert limits(network, tiny.tokenizer())[:2] == (40, 21)
    model: Any = loading.from_transformers(network, tiny.tokenizer())
    assert len(model.encode([LONG])[0].tokens) == 40
    (target,) = model.encode_targets([LONG])
    assert len(target.tokens) <= 21 and target.truncated
    checks = prove(model, corpus_of())
    assert "the_longest_text_is_read" in {check.name for check in checks}
    assert len(interp.anatomy(model, corpus_of())) == len(model.heads)


@pytest.mark.parametrize("kind", ["roberta", "data2vec-text", "xlm-roberta-xl", "opt", "biogpt", "bart"])
@pytest.mark.filterwarnings("ignore:In the documents .* cut off")  # which is what it is about
def test_anatomy_and_long_documents(kind: str) -> None:
    family = "translating" if kind == "bart" else "causal" if kind in ("opt", "biogpt") else "masked"
    model = loading.from_transformers(tiny.model(family, kind), tiny.tokenizer())
    corpus = corpus_of([*TEXTS, LONG])
    prove(model, corpus)
    table = interp.anatomy(model, corpus)
    assert len(table) == len(model.heads)
    scores = interp.score(model, corpus, roles="positional")
    assert len(scores)


def test_the_gate_refuses_a_model_that_does_not_read_as_much_as_it_says() -> None:
    model = loading.from_transformers(tiny.model("causal", "gpt2"), tiny.tokenizer())
    model.positions += 1
    with pytest.raises(ModelError, match=r"the_longest_text_is_read \(a text of 41 tokens.*IndexError"):
        prove(model, corpus_of())


def test_the_gate_sees_windows_that_no_short_document_fills() -> None:
    """70 keys back: the gate's documents are cut to 64 tokens."""
    wide: Callable[..., Any] = lambda: tiny.configuration(  # noqa: E731
        "mistral", sliding_window=70, max_position_embeddings=200
    )
    model = loading.from_transformers(seeded(transformers.MistralForCausalLM, wide()), tiny.tokenizer())
    prove(model, corpus_of())
    model.windows = (69,) * len(model.windows)
    with pytest.raises(ModelError, match=r"What does not hold: the_longest_text_is_read"):
        prove(model, corpus_of())
