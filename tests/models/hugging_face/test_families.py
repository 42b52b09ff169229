"""Families that send their attention through transformers' interface, each against its own eager attention."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor

from interp.api import prove
from interp.attention.visibility import mask_groups, visible_keys
from interp.errors import ModelError
from interp.models.bridge import BridgeModel
from interp.models.hugging_face.model import AttentionModel
from interp.models.loading import from_transformers, load_model
from interp.types import Site
from tests.conftest import (
    TEXTS,
    assert_close,
    batch_of,
    byte_level_tokenizer,
    corpus_of,
    grouped_query_config,
    plain_inputs,
    seeded,
)

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


def grouped(kind: Any, **options: Any) -> Callable[[int], Any]:
    return lambda vocabulary: grouped_query_config(kind, vocabulary, head_dim=8, **options)


WINDOWED: dict[str, Any] = {"sliding_window": 3, "layer_types": ["sliding_attention", "full_attention"]}
MODERN: dict[str, Any] = SIZES | {"local_attention": 4, "layer_types": ["full_attention", "sliding_attention"]}
BLOOM: dict[str, Any] = {"hidden_size": 32, "n_layer": 2, "n_head": 4, "initializer_range": 0.3}
GPT_J: dict[str, Any] = {
    "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 48, "rotary_dim": 4, "initializer_range": 0.3,
}  # fmt: skip
GPT_NEO: dict[str, Any] = {
    "hidden_size": 32, "num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 3,
    "max_position_embeddings": 48, "initializer_range": 0.3, "intermediate_size": 64,
}  # fmt: skip
FALCON: dict[str, Any] = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "multi_query": True, "alibi": False,
    "new_decoder_architecture": False, "initializer_range": 0.3,
}  # fmt: skip

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
    "gemma2": (transformers.Gemma2ForCausalLM, grouped(transformers.Gemma2Config, **WINDOWED, query_pre_attn_scalar=8)),
    "gemma3": (transformers.Gemma3ForCausalLM, grouped(transformers.Gemma3TextConfig, **WINDOWED)),
    "modernbert": (transformers.ModernBertForMaskedLM, plain_config(transformers.ModernBertConfig, MODERN)),
}
BRIDGED = {
    "gpt_neo": (transformers.GPTNeoForCausalLM, plain_config(transformers.GPTNeoConfig, GPT_NEO)),
    "gptj": (transformers.GPTJForCausalLM, plain_config(transformers.GPTJConfig, GPT_J)),
    "bloom": (transformers.BloomForCausalLM, plain_config(transformers.BloomConfig, BLOOM)),
    "falcon": (transformers.FalconForCausalLM, plain_config(transformers.FalconConfig, FALCON)),
}
"""Families that do not send their attention through the interface."""


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
    resumed = model.resume(clean, ("self", 1), clean.attention_output["self", 1].repeat(3, 1, 1, 1))
    assert resumed.logits is not None
    for variant in resumed.logits.chunk(3):
        torch.testing.assert_close(variant[there], expected.logits[there], atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("name", BRIDGED)
def test_families_without_the_interface_go_through_the_bridge(name: str) -> None:
    kind, make = BRIDGED[name]
    tokenizer = byte_level_tokenizer()
    given, plain = (seeded(kind, make(len(tokenizer))) for _ in range(2))
    model = from_transformers(given, tokenizer, name=name)
    assert isinstance(model, BridgeModel)
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


@pytest.mark.parametrize("name", ["gptj", "gpt_neo"])
def test_a_pattern_rewritten_in_the_bridge_goes_through_the_values(name: str) -> None:
    kind, make = BRIDGED[name]
    tokenizer = byte_level_tokenizer()
    given, plain = (seeded(kind, make(len(tokenizer))) for _ in range(2))
    model = from_transformers(given, tokenizer, name=name)
    batch = batch_of(model)
    values: list[Tensor] = []
    projections = [module for path, module in plain.named_modules() if path.endswith("v_proj")]
    handle = projections[1].register_forward_hook(lambda _module, _args, output: values.append(output))
    with torch.inference_mode():
        expected = plain(**plain_inputs(model, batch)).logits
    handle.remove()
    outputs: dict[int, Tensor] = {}

    def at_the_first(_site: Site, layer: int, pattern: Tensor) -> Tensor | None:
        if layer == 0:
            return None
        alone = torch.zeros_like(pattern)
        alone[..., 0] = 1
        return alone

    output = model.run(batch, pattern=at_the_first, z=lambda site, layer, z: outputs.update({layer: z.clone()}))
    first = values[0].unflatten(-1, (4, -1))[:, :1].expand(outputs[1].shape)
    assert_close(outputs[1], first)
    assert output.logits is not None
    assert (output.logits - expected)[batch.mask].abs().max() > 1e-3


@pytest.mark.parametrize("name", ["gemma2", "gemma3", "modernbert", "gpt_neo"])
def test_each_layer_sees_as_far_as_its_window(name: str) -> None:
    kind, make = (FAMILIES | BRIDGED)[name]
    tokenizer = byte_level_tokenizer()
    model = from_transformers(seeded(kind, make(len(tokenizer))), tokenizer, name=name)
    batch = batch_of(model)
    assert len(set(mask_groups(model).values())) == 2
    visible = visible_keys(model, batch)
    groups = mask_groups(model)

    def check(site: Site, layer: int, pattern: Tensor) -> None:
        assert torch.equal((pattern > 0).any(1)[batch.mask], visible[groups[site, layer]][batch.mask])

    model.run(batch, pattern=check)


@pytest.mark.parametrize("name", ["deberta", "deberta-v2"])
def test_what_cannot_be_supported_is_refused_by_name(name: str, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": name}))
    (tmp_path / "tokenizer.json").write_text("{}")
    (tmp_path / "model.safetensors").write_bytes(b"")
    with pytest.raises(ModelError, match=rf"{name}\) is not supported: it"):
        load_model(tmp_path)


@pytest.mark.parametrize("name", FAMILIES | BRIDGED)
def test_the_gate_passes_and_asks_everything(name: str) -> None:
    kind, make = (FAMILIES | BRIDGED)[name]
    tokenizer = byte_level_tokenizer()
    model = from_transformers(seeded(kind, make(len(tokenizer))), tokenizer, name=name)
    checks = prove(model, corpus_of(TEXTS))
    assert {"head_map", "heads_add_up", "same_as_unhooked", "a_silenced_head_matters"} <= {one.name for one in checks}
    assert [one.name for one in checks if one.deviation is None] == []
