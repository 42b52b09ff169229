"""Families that send their attention through transformers' interface, each against its own eager attention."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from interp.models.attention import AttentionModel
from interp.models.loading import from_transformers
from tests.conftest import assert_close, batch_of, byte_level_tokenizer, grouped_query_config, plain_inputs, seeded

SIZES: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 48,
    "initializer_range": 0.3,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 1,
}
SMALL: dict[str, Any] = SIZES | {"embedding_size": 16}
OPT: dict[str, Any] = {
    **{k: v for k, v in SIZES.items() if k not in ("intermediate_size", "initializer_range")},
    "ffn_dim": 64,
    "word_embed_proj_dim": 32,
    "init_std": 0.3,
}
DISTIL: dict[str, Any] = {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "initializer_range": 0.3}


def plain_config(kind: Any, options: dict[str, Any]) -> Callable[[int], Any]:
    return lambda vocabulary: kind(vocab_size=vocabulary, **options)


def grouped(kind: Any) -> Callable[[int], Any]:
    return lambda vocabulary: grouped_query_config(kind, vocabulary, head_dim=8)


FAMILIES = {
    "roberta": (transformers.RobertaForMaskedLM, plain_config(transformers.RobertaConfig, SIZES)),
    "electra": (transformers.ElectraForMaskedLM, plain_config(transformers.ElectraConfig, SMALL)),
    "albert": (transformers.AlbertForMaskedLM, plain_config(transformers.AlbertConfig, SMALL)),
    "distilbert": (transformers.DistilBertForMaskedLM, plain_config(transformers.DistilBertConfig, DISTIL)),
    "opt": (transformers.OPTForCausalLM, plain_config(transformers.OPTConfig, OPT)),
    "phi": (transformers.PhiForCausalLM, plain_config(transformers.PhiConfig, SIZES)),
    "qwen2": (transformers.Qwen2ForCausalLM, grouped(transformers.Qwen2Config)),
    "qwen3": (transformers.Qwen3ForCausalLM, grouped(transformers.Qwen3Config)),
    "gemma": (transformers.GemmaForCausalLM, grouped(transformers.GemmaConfig)),
}


@pytest.mark.parametrize("name", FAMILIES)
def test_patterns_outputs_and_what_resumes_are_those_of_the_untouched_model(name: str) -> None:
    kind, make = FAMILIES[name]
    tokenizer = byte_level_tokenizer()
    given, plain = (seeded(kind, make(len(tokenizer))) for _ in range(2))
    model = from_transformers(given, tokenizer, name=name, backend="attention")
    assert isinstance(model, AttentionModel)
    batch = batch_of(model)
    there = batch.mask
    with torch.inference_mode():
        expected = plain(**plain_inputs(model, batch), output_attentions=True)
    patterns: list[Tensor] = []
    output = model.run(batch, pattern=lambda site, layer, pattern: patterns.append(pattern))
    assert output.logits is not None
    assert_close(output.logits[there], expected.logits[there])
    rows = there[:, None, :].expand(patterns[0].shape[:3])
    for pattern, attention in zip(patterns, expected.attentions, strict=True):
        assert_close(pattern[rows], attention[rows])
    if not model.resumable:
        assert name == "albert"
        return
    clean = model.remember(batch)
    resumed = model.resume(clean, 1, clean.attention_output[1].repeat(3, 1, 1, 1))
    assert resumed.logits is not None
    for variant in resumed.logits.chunk(3):
        torch.testing.assert_close(variant[there], expected.logits[there], atol=1e-4, rtol=1e-4)
