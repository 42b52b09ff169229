"""Whether a model has a language head: the same answer from disk, from an object and with random weights."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import interp
from interp.api import prove
from interp.models import loading
from interp.models.hugging_face.language_head import of_directory
from interp.models.hugging_face.model import AttentionModel
from tests.conftest import batch_of, corpus_of, seeded
from tests.models.test_loading import edit_config, save
from tests.support import tiny_architectures as tiny

HAVE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("t5", "T5ForConditionalGeneration", {}),
    ("t5", "T5ForConditionalGeneration", {"tie_word_embeddings": False}),
    ("mt5", "MT5ForConditionalGeneration", {}),
    ("umt5", "UMT5ForConditionalGeneration", {}),
    ("bart", "BartForConditionalGeneration", {}),
    ("gpt2", "GPT2LMHeadModel", {}),
    ("gpt2", "GPT2DoubleHeadsModel", {}),
    ("llama", "LlamaForCausalLM", {"tie_word_embeddings": True}),
    ("bert", "BertForMaskedLM", {}),
    ("bert", "BertLMHeadModel", {"is_decoder": True}),
    ("bert", "BertForPreTraining", {}),
    ("electra", "ElectraForMaskedLM", {}),
)
HAVE_NONE: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("t5", "T5Model", {}),
    ("t5", "T5Model", {"tie_word_embeddings": False}),
    ("t5", "T5EncoderModel", {}),
    ("mt5", "MT5EncoderModel", {}),
    ("umt5", "UMT5EncoderModel", {}),
    ("t5", "T5ForSequenceClassification", {}),
    ("bart", "BartModel", {}),
    ("bart", "BartForSequenceClassification", {}),
    ("gpt2", "GPT2Model", {}),
    ("gpt2", "GPT2ForSequenceClassification", {}),
    ("gpt2", "GPT2ForTokenClassification", {}),
    ("llama", "LlamaModel", {"tie_word_embeddings": True}),
    ("llama", "LlamaForTokenClassification", {"tie_word_embeddings": True}),
    ("llama", "LlamaForQuestionAnswering", {"tie_word_embeddings": True}),
    ("bert", "BertModel", {}),
    ("bert", "BertForSequenceClassification", {}),
    ("bert", "BertForNextSentencePrediction", {}),
    ("bert", "BertForQuestionAnswering", {}),
    ("electra", "ElectraForPreTraining", {}),
)


def made(kind: str, name: str, options: dict[str, Any]) -> Any:
    """A tiny random model of that class; classifiers know the padding token."""
    return seeded(getattr(transformers, name), tiny.configuration(kind, **options))


@pytest.mark.parametrize(("kind", "name", "options", "expected"), [
    *((*one, True) for one in HAVE), *((*one, False) for one in HAVE_NONE)
])  # fmt: skip
def test_a_language_head_is_the_classes_whichever_way_a_model_comes(
    kind: str, name: str, options: dict[str, Any], expected: bool, tmp_path: Path
) -> None:
    tokenizer, plain = tiny.tokenizer(), made(kind, name, options)
    batch_inputs = torch.arange(5, 12)[None]
    from_object = loading.from_transformers(plain, tokenizer)
    folder = save(plain, tokenizer, tmp_path)
    from_disk, drawn = loading.local(folder), loading.local(folder, init="random")
    translates = plain.config.is_encoder_decoder and name != "UMT5EncoderModel"
    models: tuple[Any, ...] = (from_object, from_disk, drawn, loading.random_weights(from_disk, 0))
    assert [model.has_language_head for model in models] == [expected] * 4
    doubt = from_disk.provenance.get("language_head", "")
    assert not doubt or f"names {name}, which has none" in doubt
    # what is read is what was saved
    inputs = from_disk.reader.inputs(batch_of(from_disk)) if not translates else None
    if inputs is not None:
        with torch.inference_mode():
            hidden = plain.base_model(**inputs)[0]
        for model in (from_object, from_disk):
            output = model.run(batch_of(model))
            torch.testing.assert_close(output.hidden, hidden, atol=1e-5, rtol=1e-5)
            assert (output.logits is not None) is expected
    if expected and not translates:
        with torch.inference_mode():
            out = plain(batch_inputs)
            logits = out.prediction_logits if name == "BertForPreTraining" else out.logits
            torch.testing.assert_close(from_object.network(batch_inputs).logits, logits, atol=1e-5, rtol=1e-5)
            torch.testing.assert_close(from_disk.network(batch_inputs).logits, logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(("kind", "name"), [
    ("t5", "T5EncoderModel"), ("mt5", "MT5EncoderModel"), ("umt5", "UMT5EncoderModel"),
    ("t5", "T5ForTokenClassification"), ("t5", "T5Model"),
])  # fmt: skip
def test_a_part_of_an_encoder_decoder_is_proved(kind: str, name: str, tmp_path: Path) -> None:
    folder = save(made(kind, name, {}), tiny.tokenizer(), tmp_path)
    model = loading.local(folder)
    checks = prove(model, corpus_of())
    assert all(one.passed for one in checks)
    # T5's blocks hand on the position bias of the first, kept where there is a decoder; each of umT5's has its own
    assert isinstance(model, AttentionModel) and model.resumable == (kind == "umt5" or name == "T5Model")


@pytest.mark.parametrize("named", [None, []])
def test_without_a_known_class_a_tied_head_is_taken_for_none_and_said(named: Any, tmp_path: Path) -> None:
    folder = save(made("t5", "T5ForConditionalGeneration", {}), tiny.tokenizer(), tmp_path)
    edit_config(folder, architectures=named)
    model = loading.local(folder)
    assert not model.has_language_head
    assert "the weights do not tell" in model.provenance["language_head"]


@pytest.mark.parametrize("name", ["BertForMaskedLM", "BertForPreTraining"])
def test_without_a_known_class_a_head_of_its_own_weights_is_seen_and_said(name: str, tmp_path: Path) -> None:
    # beside the head for pretraining, and the pooler, which are not read
    folder = save(made("bert", name, {}), tiny.tokenizer(), tmp_path)
    edit_config(folder, architectures=None)
    model = loading.local(folder)
    assert model.has_language_head
    assert "holds the head's weights" in model.provenance["language_head"]


@pytest.mark.parametrize(("kind", "name", "doubtful"), [
    ("bart", "BartForConditionalGeneration", "BartModel"), ("bloom", "BloomForCausalLM", "BloomModel"),
])  # fmt: skip
def test_a_class_without_a_head_is_doubted_where_the_weights_would_do_for_one(
    kind: str, name: str, doubtful: str, tmp_path: Path
) -> None:
    """bart-base is published so."""
    folder = save(made(kind, name, {}), tiny.tokenizer(), tmp_path)
    edit_config(folder, architectures=[doubtful])
    model = loading.local(folder)
    assert not model.has_language_head
    assert f"names {doubtful}, which has none. Nothing that {name} has" in model.provenance["language_head"]
    edit_config(folder, architectures=[name])
    assert loading.local(folder).has_language_head


@pytest.mark.parametrize(("kind", "name", "older"), [
    ("t5", "T5ForConditionalGeneration", "T5WithLMHeadModel"), ("llama", "LlamaForCausalLM", "LLaMAForCausalLM"),
    ("bert", "BertForMaskedLM", "TFBertForMaskedLM"),
])  # fmt: skip
def test_the_name_that_a_class_had_is_understood(kind: str, name: str, older: str, tmp_path: Path) -> None:
    folder = save(made(kind, name, {}), tiny.tokenizer(), tmp_path)
    edit_config(folder, architectures=[older])
    model = loading.local(folder)
    assert model.has_language_head and "language_head" not in model.provenance


@pytest.mark.parametrize(("kind", "name", "head"), [
    ("bert", "BertForMaskedLM", "cls."),
    ("mpnet", "MPNetForMaskedLM", "lm_head."),
    ("llama", "LlamaForCausalLM", "lm_head."),
])  # fmt: skip
def test_a_head_that_is_named_but_not_there_is_none_and_said(kind: str, name: str, head: str, tmp_path: Path) -> None:
    """Sentence encoders are published so: config.json names the class that they were trained from."""
    plain = made(kind, name, {} if kind != "llama" else {"tie_word_embeddings": False})
    folder = save(plain, tiny.tokenizer(), tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {key: value for key, value in weights.items() if not key.startswith(head)},
        folder / "model.safetensors",
        {"format": "pt"},
    )
    config = transformers.AutoConfig.from_pretrained(folder)
    factory = transformers.AutoModelForCausalLM if kind == "llama" else transformers.AutoModelForMaskedLM
    loaded: Any = factory.from_pretrained(folder, output_loading_info=True)
    network, info = loaded
    found = of_directory(config, network, info["missing_keys"])
    assert not found.trained and not found.sure
    assert f"names {name}, but its weights are not there ({head}" in found.why
    if kind != "mpnet":
        assert loading.local(folder).provenance["language_head"] == found.why


@pytest.mark.real
def test_the_case_of_a_t5_directory(shared: Path, tmp_path: Path) -> None:
    case = shared.parent / "cases" / "03_t5_language_head" / "t.txt"
    folder = save(made("t5", "T5ForConditionalGeneration", {}), tiny.tokenizer(), tmp_path)
    corpus = interp.read_text(case)
    effects = interp.ablate(interp.load_model(folder), corpus)
    assert "log_prob" in set(effects.metric)
    assert json.loads((folder / "config.json").read_text())["architectures"] == ["T5ForConditionalGeneration"]
