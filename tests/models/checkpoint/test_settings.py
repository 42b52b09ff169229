"""A directory that means another network than transformers builds of it: refused by name, or noted where harmless."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import nn

import interp
from interp.api import prove
from interp.errors import ModelError
from interp.models import loading
from tests.conftest import (
    Case,
    assert_close,
    batch_of,
    bert_config,
    byte_level_tokenizer,
    corpus_of,
    gpt2_config,
    grouped_query_config,
    metaspace_tokenizer,
    plain_inputs,
    seeded,
    word_piece_tokenizer,
)
from tests.support import tiny_architectures as tiny

WEIGHTS = "model.safetensors"
MASK = "transformer.h.0.attn.causal_mask"


def saved(kind: Any, config: Any, tokenizer: Any, folder: Path) -> Path:
    seeded(kind, config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    tokenizer = word_piece_tokenizer()
    return saved(transformers.BertForMaskedLM, bert_config(len(tokenizer)), tokenizer, tmp_path / "bert")


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    tokenizer = metaspace_tokenizer()
    config = grouped_query_config(transformers.LlamaConfig, len(tokenizer))
    return saved(transformers.LlamaForCausalLM, config, tokenizer, tmp_path / "llama")


@pytest.fixture
def gpt2(tmp_path: Path) -> Path:
    tokenizer = byte_level_tokenizer()
    return saved(transformers.GPT2LMHeadModel, gpt2_config(len(tokenizer)), tokenizer, tmp_path / "gpt2")


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    weights = load_file(folder / WEIGHTS)
    change(weights)
    save_file(weights, folder / WEIGHTS, metadata={"format": "pt"})


def with_weights(folder: Path, **added: torch.Tensor) -> Path:
    change_weights(folder, lambda weights: weights.update(added))
    return folder


def write(folder: Path, file: str, content: Any) -> Path:
    """A file of settings; of an object that is there already, these settings changed."""
    path = folder / file
    path.parent.mkdir(exist_ok=True)
    there = json.loads(path.read_text()) if path.is_file() and isinstance(content, dict) else None
    path.write_text(json.dumps(there | content if isinstance(there, dict) else content))
    return folder


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as error:
        loading.local(folder, **options)
    return str(error.value)


def test_the_directories_as_they_were_saved_are_loaded_and_nothing_is_noted(
    bert: Path, llama: Path, gpt2: Path
) -> None:
    for folder in (bert, llama, gpt2):
        assert "not_used" not in loading.local(folder).provenance


# Weights that the architecture does not use


@pytest.mark.parametrize(
    "name",
    [
        "model.layers.0.self_attn.q_proj.bias",
        "model.layers.1.self_attn.q_norm.weight",
        "model.layers.2.self_attn.q_proj.weight",
        "layers.0.self_attn.q_proj.lora_A.weight",
        "base_model.model.model.layers.0.self_attn.q_proj.lora_A.default.weight",
        "model.vision_tower.patches.weight",
        "model.layers.0.self_attn.rotary_emb.scale",
        "lm_head.bias",
        "logit_scale",
        "prompt_encoder.embedding.weight",
    ],
)
def test_a_weight_that_llama_does_not_have(name: str, llama: Path) -> None:
    said = refusal(with_weights(llama, **{name: torch.ones(32)}))
    assert f"holds 1 weights that LlamaForCausalLM does not use ({name})" in said


@pytest.mark.real
def test_a_bias_on_the_queries_of_the_stories(shared: Path, tmp_path: Path) -> None:
    folder = tmp_path / "stories"
    shutil.copytree(shared / "models" / "stories260K", folder, copy_function=shutil.copyfile)
    said = refusal(with_weights(folder, **{"model.layers.0.self_attn.q_proj.bias": torch.ones(64)}))
    assert "model.layers.0.self_attn.q_proj.bias" in said


@pytest.mark.parametrize(
    "name", ["encoder.layer.0.attention.self.q_norm.weight", "cls.predictions.extra", "cls.predictions.transform.bias"]
)
def test_a_weight_that_bert_does_not_have(name: str, bert: Path) -> None:
    name = name if name.startswith("cls") else f"bert.{name}"
    assert name in refusal(with_weights(bert, **{name: torch.ones(32)}))


def test_weights_without_the_prefix_are_held_to_the_same(tmp_path: Path) -> None:
    tokenizer = word_piece_tokenizer()
    folder = saved(transformers.BertModel, bert_config(len(tokenizer)), tokenizer, tmp_path)
    assert "not_used" not in loading.local(folder).provenance  # the pooler is part of heads that are not read
    name = "encoder.layer.0.attention.self.query.lora_A"
    assert name in refusal(with_weights(folder, **{name: torch.ones(32)}))


def test_heads_for_other_tasks_are_noted(tmp_path: Path) -> None:
    tokenizer = word_piece_tokenizer()
    for kind, head in (
        (transformers.BertForPreTraining, "cls.seq_relationship"),
        (transformers.BertForSequenceClassification, "classifier"),
        (transformers.BertForQuestionAnswering, "qa_outputs"),
    ):
        folder = saved(kind, bert_config(len(tokenizer)), tokenizer, tmp_path / kind.__name__)
        assert loading.local(folder).provenance["not_used"] == f"the head {head}"
    config = grouped_query_config(transformers.LlamaConfig, 80, tie_word_embeddings=True, pad_token_id=0)
    folder = saved(transformers.LlamaForSequenceClassification, config, metaspace_tokenizer(), tmp_path / "llama")
    assert loading.local(folder).provenance["not_used"] == "the head score"


def test_a_model_beside_whose_head_there_are_others_is_the_same_model(tmp_path: Path) -> None:
    # to find out what is a head, the other classes of the family are made of the same settings
    tokenizer = byte_level_tokenizer()
    sizes: dict[str, Any] = {"d_model": 32, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 64}
    heads: dict[str, Any] = {"encoder_attention_heads": 4, "decoder_attention_heads": 4}
    config = transformers.BartConfig(vocab_size=len(tokenizer), pad_token_id=1, **sizes, **heads)
    folder = saved(transformers.BartForSequenceClassification, config, tokenizer, tmp_path / "bart")
    model = loading.local(folder)
    assert model.provenance["not_used"] == "the head classification_head"
    network: Any = model.network
    assert network.config.is_encoder_decoder and not network.config.is_decoder
    prove(model, corpus_of())


def test_the_head_of_the_class_that_the_settings_name_is_noted(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    config = gpt2_config(len(tokenizer))
    config.num_labels = 1
    folder = saved(transformers.GPT2DoubleHeadsModel, config, tokenizer, tmp_path)
    assert loading.local(folder).provenance["not_used"] == "the head multiple_choice_head"


def test_one_weight_under_two_names(bert: Path) -> None:
    old = "bert.encoder.layer.0.output.LayerNorm.gamma"
    said = refusal(with_weights(bert, **{old: torch.ones(32)}))
    assert "holds one weight under two names" in said and old in said


def test_one_weight_with_the_prefix_and_without(gpt2: Path) -> None:
    name = "h.0.attn.c_attn.weight"
    weights = load_file(gpt2 / WEIGHTS)
    said = refusal(with_weights(gpt2, **{name: weights[f"transformer.{name}"] + 1}))
    assert "holds one weight under two names" in said and name in said


def test_a_head_that_is_said_to_be_tied_and_is_another(gpt2: Path) -> None:
    embedding = load_file(gpt2 / WEIGHTS)["transformer.wte.weight"]
    loading.local(with_weights(gpt2, **{"lm_head.weight": embedding.clone()}))
    said = refusal(with_weights(gpt2, **{"lm_head.weight": embedding + 1}))
    assert "says that weights are tied" in said and "lm_head.weight" in said
    network: Any = loading.local(write(gpt2, "config.json", {"tie_word_embeddings": False})).network
    assert_close(network.lm_head.weight, embedding + 1)


# Constants that older versions stored


def test_constants_that_are_the_networks_own_are_harmless(gpt2: Path, bert: Path, llama: Path) -> None:
    causal = torch.ones(48, 48).tril()[None, None]
    with_weights(gpt2, **{"transformer.h.0.attn.bias": causal, "transformer.h.0.attn.masked_bias": torch.tensor(-1e4)})
    with_weights(bert, **{"bert.embeddings.position_ids": torch.arange(48)[None]})
    frequencies = 10_000.0 ** -(torch.arange(0, 8, 2) / 8)
    with_weights(llama, **{"model.layers.0.self_attn.rotary_emb.inv_freq": frequencies.half()})
    for folder in (gpt2, bert, llama):
        assert "not_used" not in loading.local(folder).provenance


def test_constants_that_are_others_are_refused(gpt2: Path, bert: Path, llama: Path) -> None:
    for folder, name, value in (
        (gpt2, "transformer.h.0.attn.bias", torch.ones(1, 1, 48, 48)),
        (bert, "bert.embeddings.position_ids", torch.arange(48).flip(0)[None]),
        (llama, "model.layers.0.self_attn.rotary_emb.inv_freq", torch.ones(4)),
    ):
        assert f"holds {name} with other values" in refusal(with_weights(folder, **{name: value}))


def test_frequencies_that_are_stored_before_they_are_scaled_are_harmless(llama: Path) -> None:
    plain = 10_000.0 ** -(torch.arange(0, 8, 2) / 8)
    with_weights(llama, **{"model.layers.0.self_attn.rotary_emb.inv_freq": plain})
    for asked in (
        {"rope_type": "linear", "factor": 4.0},
        {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
         "original_max_position_embeddings": 16},
    ):  # fmt: skip
        write(llama, "config.json", {"rope_parameters": {**asked, "rope_theta": 10_000.0}})
        assert "not_used" not in loading.local(llama).provenance
    write(llama, "config.json", {"rope_parameters": {"rope_type": "linear", "factor": 4.0, "rope_theta": 500.0}})
    assert "inv_freq with other values" in refusal(llama)


@pytest.mark.parametrize("theta", [10_000.0, 500.0])
def test_waves_that_are_stored_are_those_of_the_frequencies(theta: float, llama: Path) -> None:
    angles = torch.arange(20)[:, None] * (theta ** -(torch.arange(0, 8, 2) / 8)).repeat(2)
    name = "model.layers.1.self_attn.rotary_emb.{}_cached"
    waves = {name.format("cos"): angles.cos()[None, None], name.format("sin"): angles.sin()[None, None].half()}
    with_weights(llama, **waves)
    if theta == 10_000.0:
        assert "not_used" not in loading.local(llama).provenance
    else:
        assert "cos_cached with other values" in refusal(llama)


@pytest.mark.parametrize(("length", "first", "harmless"), [(20, 0, True), (600, 0, True), (600, 2, False)])
def test_position_ids_may_be_fewer_or_more_than_are_built(length: int, first: int, harmless: bool, bert: Path) -> None:
    with_weights(bert, **{"bert.embeddings.position_ids": torch.arange(first, first + length)[None]})
    if harmless:
        assert "not_used" not in loading.local(bert).provenance
    else:
        assert "position_ids with other values" in refusal(bert)


def test_constants_of_other_families(tmp_path: Path) -> None:
    seen = torch.ones(40, 40, dtype=torch.bool)[None, None]
    folder = saved(transformers.CodeGenForCausalLM, tiny.configuration("codegen"), tiny.tokenizer(), tmp_path / "gen")
    assert "not_used" not in loading.local(with_weights(folder, **{MASK: seen.tril()})).provenance
    assert f"{MASK} with other values" in refusal(with_weights(folder, **{MASK: seen}))
    network = seeded(transformers.M2M100ForConditionalGeneration, tiny.configuration("m2m_100"))
    network.save_pretrained(tmp_path / "m2m")
    tiny.tokenizer().save_pretrained(tmp_path / "m2m")
    waves, versions = network.model.encoder.embed_positions.weights.clone(), torch.tensor([3.0])
    name = "model.decoder.embed_positions.weights"
    both = {"model.encoder.version": versions, "model.decoder.version": versions.clone(), name: waves[:30].clone()}
    assert "not_used" not in loading.local(with_weights(tmp_path / "m2m", **both)).provenance
    assert f"{name} with other values" in refusal(with_weights(tmp_path / "m2m", **{name: waves.flip(1)}))


def test_a_head_that_no_task_is_named_for(gpt2: Path) -> None:
    with_weights(gpt2, **{"multiple_choice_head.summary.weight": torch.ones(1, 32)})
    assert loading.local(gpt2).provenance["not_used"] == "the head multiple_choice_head"
    # a block beside the network's own is none
    assert "block.0.layer" in refusal(with_weights(gpt2, **{"block.0.layer.weight": torch.ones(2)}))


# Numbers that are none


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_named(value: float, llama: Path) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    change_weights(llama, lambda weights: weights[name].view(-1)[3:4].fill_(value))
    assert loading.local(llama).provenance["not_finite"] == f"{name} (as float32)"


def test_weights_that_are_too_large_for_the_kind_of_numbers_asked_for(llama: Path) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    change_weights(llama, lambda weights: weights[name].view(-1)[3:4].fill_(1e30))
    assert loading.local(llama, dtype="float16").provenance["not_finite"] == f"{name} (as float16)"
    assert "not_finite" not in loading.local(llama).provenance


@pytest.mark.parametrize("kind", [torch.int8, torch.uint8, torch.float8_e4m3fn, torch.int64])
def test_weights_that_are_codes(kind: torch.dtype, llama: Path) -> None:
    name = "model.layers.1.mlp.up_proj.weight"
    change_weights(llama, lambda weights: weights.update({name: weights[name].to(kind)}))
    said = refusal(llama)
    assert name in said and "Allowed: F64, F32, F16, BF16" in said


# Settings and files


@pytest.mark.parametrize("name", ["adapter_config.json", "adapter_model.safetensors"])
def test_an_adapter_beside_the_weights(name: str, llama: Path) -> None:
    (llama / name).write_text("{}")
    said = refusal(llama)
    assert f"holds an adapter ({name})" in said and "merge_and_unload" in said


def test_an_adapter_alone(tmp_path: Path) -> None:
    (tmp_path / "adapter_config.json").write_text('{"peft_type": "LORA"}')
    assert "holds an adapter" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantization_config": {"quant_method": "bitsandbytes", "load_in_8bit": True}}, "quantization_config"),
        ({"quantization_config": {"quant_method": "nonsense"}}, "model.dequantize()"),
        ({"transformers_weights": "other.safetensors"}, "transformers_weights"),
        ({"fusion_config": {"patch_embeddings": True}}, "fusion_config"),
        ({"configuration_files": ["config.4.0.0.json"]}, "configuration_files"),
        ({"model_type": None}, "names no model_type"),
        ({"architectures": ["LlamaForRegressionOfMine"]}, "LlamaForRegressionOfMine, which transformers does not have"),
        # no longer than is read, and half of a character as its number (both found by the fuzzer)
        ({"architectures": ["L" * 5000]}, f"{'L' * 59}…, which transformers does not have"),
        ({"architectures": ["\ud800"]}, "asks for \\ud800, which"),
        ({"qk_norm": "\ud800" + "y" * 5000}, f"asks for qk_norm=\\ud800{'y' * 58}… in"),
        ({"auto_map": {"AutoModel": f"mine.{'M' * 5000}"}}, f"transformers has no {'M' * 59}…"),
        ({"architectures": ["MistralForCausalLM"]}, "MistralForCausalLM, of the family mistral"),
        ({"architectures": "LlamaForCausalLM"}, "Allowed: a list"),
        ({"auto_map": {"AutoModelForCausalLM": "modeling_mine.MyLlama"}}, "asks for code of its own"),
        ({"auto_map": {"AutoModel": "someone/code--modeling_mine.MyLlama"}}, "transformers has no MyLlama"),
        ({"position_embedding_type": "alibi"}, "asks for position_embedding_type=alibi"),
        ({"sliding_window": 3}, "asks for sliding_window=3 in config.json, which LlamaConfig"),
        ({"qk_norm": True}, "asks for qk_norm=True"),
        ({"is_causal": False}, "asks for is_causal=False"),
        ({"num_local_experts": 8}, "asks for num_local_experts=8"),
        ({"causal": False}, "asks for causal=False"),
        ({"use_rope": False}, "asks for use_rope=False"),
        ({"residual_multiplier": 0.22}, "asks for residual_multiplier=0.22"),
        ({"logits_scaling": 8.0}, "asks for logits_scaling=8.0"),
        ({"scale_emb": 12}, "asks for scale_emb=12"),
        ({"clip_qkv": 8.0}, "asks for clip_qkv=8.0"),
        ({"no_rope_layers": [1, 0, 1]}, "asks for no_rope_layers="),
        ({"rotary_emb_base": 500}, "asks for rotary_emb_base=500"),
        ({"attention_chunk_size": 8}, "asks for attention_chunk_size=8"),
        ({"logit_softcapping": 30.0}, "asks for logit_softcapping=30.0"),
        ({"rope_parameters": {"factor": 4.0, "rope_theta": 1e4}}, "does not say of which kind"),
        (
            {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5, "rope_theta": 1e4}},
            "asks for partial_rotary_factor=0.5",
        ),
    ],
)
def test_settings_that_ask_for_another_network(changes: dict[str, Any], said: str, llama: Path) -> None:
    write(llama, "config.json", changes)
    for init in ("pretrained", "random"):
        assert said in refusal(llama, init=init)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rope_scaling": {"rope_type": "linear", "factor": 2.0}}, "asks for rope_parameters"),
        ({"attention_bias": True}, "asks for attention_bias=True"),
        ({"num_key_value_heads": 2}, "asks for num_key_value_heads=2"),
        ({"n_embd": 32, "hidden_size": 64}, "gives one setting two values in config.json: hidden_size is 64"),
    ],
)
@pytest.mark.filterwarnings("ignore:.rope_scaling. is deprecated:FutureWarning")
def test_settings_that_gpt2_does_not_have(changes: dict[str, Any], said: str, gpt2: Path) -> None:
    assert said in refusal(write(gpt2, "config.json", changes))


def test_a_kind_of_rotation_that_is_not_known(llama: Path) -> None:
    write(llama, "config.json", {"rope_parameters": {"rope_type": "spiral", "rope_theta": 1e4}})
    assert "spiral" in refusal(llama)


def test_settings_that_are_off_and_others_that_are_harmless(llama: Path) -> None:
    off = {"position_embedding_type": "absolute", "sliding_window": None, "qk_norm": False, "num_experts": 0}
    plain = {
        "residual_multiplier": 1.0,
        "logit_scale": 1,
        "clip_qkv": None,
        "no_rope_layers": [1, 1, 1],
        "causal": None,
    }
    on = {"is_causal": None, "use_rope": True, "rotary_pct": 1.0, "decoder_start_token_id": 1, "tokenizer_class": "X"}
    write(llama, "config.json", {**off, **plain, **on, "temperature": 0.7, "gradient_checkpointing": False})
    assert "not_used" not in loading.local(llama).provenance
    write(llama, "config.json", {"n_ctx": 48})
    assert loading.local(llama).provenance["not_used"] == "the setting n_ctx"


def test_outputs_are_read_by_their_names_whatever_the_settings_say(bert: Path) -> None:
    prove(loading.local(write(bert, "config.json", {"return_dict": False})), corpus_of())


def test_settings_that_say_what_the_family_is_anyway(bert: Path, tmp_path: Path) -> None:
    write(bert, "config.json", {"is_causal": False, "causal": False, "use_rope": False})
    assert "not_used" not in loading.local(bert).provenance
    write(bert, "config.json", {"causal": True})
    assert "asks for causal=True" in refusal(bert)
    # a class that rotates a share of each head, and one that makes its layers from a setting that it does not keep
    config = tiny.configuration("stablelm", partial_rotary_factor=0.5)
    folder = saved(transformers.StableLmForCausalLM, config, tiny.tokenizer(), tmp_path / "stable")
    assert "not_used" not in loading.local(folder).provenance
    config = tiny.configuration("modernbert")
    folder = saved(transformers.ModernBertForMaskedLM, config, tiny.tokenizer(), tmp_path / "modern")
    write(folder, "config.json", {"global_attn_every_n_layers": 3})
    assert "not_used" not in loading.local(folder).provenance


def test_code_that_transformers_has_itself_is_noted(llama: Path) -> None:
    write(llama, "config.json", {"auto_map": {"AutoModelForCausalLM": "modeling_llama.LlamaForCausalLM"}})
    noted = loading.local(llama).provenance["not_used"]
    assert noted == "code for LlamaForCausalLM (config.json; transformers' own is used)"


def test_a_tokenizer_of_its_own_code(llama: Path) -> None:
    write(llama, "tokenizer_config.json", {"auto_map": {"AutoTokenizer": ["tokenization_mine.MyTokenizer", None]}})
    assert "tokenization_mine.MyTokenizer, in auto_map of tokenizer_config.json" in refusal(llama)


def test_a_tokenizer_of_another_file(llama: Path) -> None:
    write(llama, "tokenizer_config.json", {"fast_tokenizer_files": ["tokenizer.4.0.0.json"]})
    assert "fast_tokenizer_files" in refusal(llama)


def test_a_sentence_encoder_with_layers_after_its_mean(bert: Path) -> None:
    chain = [
        {"type": "sentence_transformers.models.Transformer", "path": ""},
        {"type": "sentence_transformers.models.Pooling", "path": "1_Pooling"},
        {"type": "sentence_transformers.models.Normalize", "path": "2_Normalize"},
    ]
    write(bert, "1_Pooling/config.json", {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False})
    assert "not_used" not in loading.local(write(bert, "modules.json", chain)).provenance
    write(bert, "1_Pooling/config.json", {"pooling_mode_mean_tokens": False, "pooling_mode_cls_token": True})
    noted = loading.local(bert).provenance["not_used"]
    assert noted == "the pooling pooling_mode_cls_token (embeddings here are means)"
    dense = {"type": "sentence_transformers.models.Dense", "path": "2_Dense"}
    noted = loading.local(write(bert, "modules.json", [*chain[:2], dense])).provenance["not_used"]
    assert "the layer Dense (2_Dense; embeddings here are means of what the transformer gives)" in noted
    said = refusal(write(bert, "modules.json", [*chain[:2], {"type": "mine.Dense", "path": "2_Dense"}]))
    assert "mine.Dense (2_Dense)" in said and "take modules.json out" in said
    assert "chain of networks" in refusal(write(bert, "modules.json", [{"type": "custom_st.Transformer2"}]))


# Which files are loaded, and hashed


def two_shards(folder: Path) -> dict[str, str]:
    """The same weights in two files, and where each is."""
    weights = load_file(folder / WEIGHTS)
    placed: dict[str, str] = {}
    for number, names in enumerate((sorted(weights)[::2], sorted(weights)[1::2]), start=1):
        file = f"model-0000{number}-of-00002.safetensors"
        save_file({name: weights[name] for name in names}, folder / file, metadata={"format": "pt"})
        placed |= dict.fromkeys(names, file)
    (folder / WEIGHTS).unlink()
    write(folder, f"{WEIGHTS}.index.json", {"metadata": {}, "weight_map": placed})
    return placed


def test_weights_in_two_files_are_those_in_one(llama: Path) -> None:
    whole = loading.local(llama)
    two_shards(llama)
    parts = loading.local(llama)
    batch = batch_of(whole)
    assert torch.equal(whole.run(batch).hidden, parts.run(batch).hidden)
    assert "not_used" not in parts.provenance


def test_two_sets_of_weights(llama: Path) -> None:
    whole = (llama / WEIGHTS).read_bytes()
    two_shards(llama)
    (llama / WEIGHTS).write_bytes(whole)
    assert "holds two sets of weights: model.safetensors, and model-00001-of-00002.safetensors" in refusal(llama)
    (llama / f"{WEIGHTS}.index.json").unlink()
    assert "holds two sets of weights" in refusal(llama)
    (llama / WEIGHTS).unlink()
    assert "neither model.safetensors nor model.safetensors.index.json" in refusal(llama)


def test_a_file_of_the_same_kind_that_the_index_does_not_name(llama: Path) -> None:
    two_shards(llama)
    shutil.copy(llama / "model-00001-of-00002.safetensors", llama / "model-00003-of-00003.safetensors")
    assert "model-00003-of-00003.safetensors, which model.safetensors.index.json does not name" in refusal(llama)


def test_one_weight_in_two_files(llama: Path) -> None:
    placed = two_shards(llama)
    first, second = sorted(set(placed.values()))
    twice = load_file(llama / second) | {"model.norm.weight": torch.ones(32), "lm_head.weight": torch.ones(80, 32)}
    save_file(twice, llama / second, metadata={"format": "pt"})
    assert f"{first} and in {second}: which is meant, is not known" in refusal(llama)


def test_parts_of_a_run_on_several_machines_are_not_mistaken_for_the_weights(llama: Path) -> None:
    shutil.copy(llama / WEIGHTS, llama / "shard-00000-model-00001-of-00001.safetensors")
    assert "holds two sets of weights" in refusal(llama)


def test_another_file_does_not_enter_the_hash(llama: Path) -> None:
    before = loading.local(llama).provenance
    (llama / "consolidated.safetensors").write_bytes(b"something else")
    after = loading.local(llama).provenance
    assert after == before | {"not_used": "the file consolidated.safetensors"}


@pytest.mark.parametrize(
    "outside", ["../shard.safetensors", "{parent}/shard.safetensors", "sub/../../shard.safetensors"]
)
def test_an_index_that_names_a_file_outside(outside: str, llama: Path) -> None:
    placed = two_shards(llama)
    first = min(placed.values())
    shutil.move(llama / first, llama.parent / "shard.safetensors")
    elsewhere = outside.format(parent=llama.parent)
    moved = {name: elsewhere if file == first else file for name, file in placed.items()}
    write(llama, f"{WEIGHTS}.index.json", {"weight_map": moved})
    assert "loads weights from outside" in refusal(llama)


def test_links_lead_out_only_into_the_cache(llama: Path, tmp_path: Path) -> None:
    hashed = loading.local(llama).provenance["weights_sha256"]
    elsewhere = tmp_path / "elsewhere.safetensors"
    shutil.move(llama / WEIGHTS, elsewhere)
    (llama / WEIGHTS).symlink_to(elsewhere)
    assert "loads weights from outside: model.safetensors is" in refusal(llama)
    home = tmp_path / "models--tester--tiny"
    (home / "blobs").mkdir(parents=True)
    shutil.copy(elsewhere, home / "blobs" / "0123")
    snapshot = home / "snapshots" / "4567"
    shutil.copytree(llama, snapshot, symlinks=True)
    (snapshot / WEIGHTS).unlink()
    (snapshot / WEIGHTS).symlink_to(Path("..", "..", "blobs", "0123"))
    assert loading.local(snapshot).provenance["weights_sha256"] == hashed
    linked = tmp_path / "link-to-the-snapshot"
    linked.symlink_to(snapshot)
    assert loading.local(linked).provenance["weights_sha256"] == hashed


# One's own model


class Adapted(nn.Linear):
    """An adapter's kind of layer: the weights are there, and something more."""

    def __init__(self, plain: nn.Linear) -> None:
        super().__init__(plain.in_features, plain.out_features)
        self.load_state_dict(plain.state_dict())
        self.lora_A = nn.Parameter(torch.ones(1, plain.in_features))


class MyBert(transformers.BertModel):
    pass


class PeftModelForCausalLM(nn.Module):
    """What peft wraps a model in, as far as it is asked."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model, self.config = model, model.config

    def merge_and_unload(self) -> Any:
        return self.model


@pytest.mark.parametrize("kind", [transformers.BertModel, transformers.BertForMaskedLM])
def test_a_model_with_an_adapter_inside(kind: Any) -> None:
    tokenizer = word_piece_tokenizer()
    model = seeded(kind, bert_config(len(tokenizer)))
    attention = model.base_model.encoder.layer[0].attention.self
    attention.query = Adapted(attention.query)
    with pytest.raises(ModelError, match=r"attention\.self\.query is Adapted, where .* has Linear.*merge_and_unload"):
        interp.from_transformers(model, tokenizer, name="tiny")


@pytest.mark.parametrize("kind", [transformers.BertModel, transformers.BertForMaskedLM])
def test_a_model_with_parametrizations(kind: Any) -> None:
    tokenizer = word_piece_tokenizer()
    model = seeded(kind, bert_config(len(tokenizer)))
    nn.utils.parametrizations.orthogonal(model.base_model.encoder.layer[0].attention.self.query)
    with pytest.raises(ModelError, match="remove_parametrizations"):
        interp.from_transformers(model, tokenizer, name="tiny")


def test_a_wrapped_model(tiny_llama: Case) -> None:
    with pytest.raises(ModelError, match=r"\(PeftModelForCausalLM\) is no model of transformers.*merge_and_unload"):
        interp.from_transformers(PeftModelForCausalLM(tiny_llama.plain), tiny_llama.tokenizer)
    with pytest.raises(ModelError, match=r"\(Linear\) is no model of transformers.*from_module"):
        interp.from_transformers(nn.Linear(2, 2), tiny_llama.tokenizer)
    with pytest.raises(ModelError, match=r"Give the model that is wrapped in it: model\.module"):
        interp.from_transformers(nn.DataParallel(tiny_llama.plain), tiny_llama.tokenizer)
    compiled: Any = nn.Module()  # as torch.compile wraps it
    compiled._orig_mod = tiny_llama.plain
    with pytest.raises(ModelError, match=r"Give the model that is wrapped in it: model\._orig_mod"):
        interp.from_transformers(compiled, tiny_llama.tokenizer)
    encoder = seeded(transformers.T5ForConditionalGeneration, tiny.configuration("t5")).get_encoder()
    with pytest.raises(ModelError, match=r"\(T5Stack\) is a part of a model and no model by itself"):
        interp.from_transformers(encoder, tiny_llama.tokenizer, name="tiny")


def test_what_would_be_lost_when_a_base_model_is_given_a_head() -> None:
    tokenizer = word_piece_tokenizer()
    config = bert_config(len(tokenizer))
    with pytest.raises(ModelError, match="MyBert is a class of your own, which would be lost"):
        interp.from_transformers(seeded(MyBert, config), tokenizer, name="tiny")
    hooked = seeded(transformers.BertModel, config)
    handle = hooked.encoder.layer[1].register_forward_hook(lambda _module, _args, output: None)
    with pytest.raises(ModelError, match=r"what is hooked to encoder\.layer\.1 would be lost"):
        interp.from_transformers(hooked, tokenizer, name="tiny")
    handle.remove()
    with_more = seeded(transformers.BertModel, config)
    with_more.encoder.layer[0].attention.self.query.register_parameter("scale", nn.Parameter(torch.ones(2)))
    with pytest.raises(ModelError, match=r"weights that its architecture does not have: encoder.*query\.scale"):
        interp.from_transformers(with_more, tokenizer, name="tiny")
    other = seeded(transformers.BertModel, config)
    other.embeddings.position_ids = other.embeddings.position_ids.flip(1)
    with pytest.raises(ModelError, match=r"embeddings\.position_ids is not what"):
        interp.from_transformers(other, tokenizer, name="tiny")
    assert not interp.from_transformers(hooked, tokenizer, name="tiny").has_language_head


def test_a_model_that_has_been_watched_by_transformers_is_taken_as_it_is() -> None:
    tokenizer = word_piece_tokenizer()
    plain = seeded(transformers.BertModel, bert_config(len(tokenizer)))
    model = interp.from_transformers(plain, tokenizer, name="tiny")
    with torch.inference_mode():
        expected = plain(**plain_inputs(model, batch_of(model)), output_hidden_states=True).last_hidden_state
    again = interp.from_transformers(plain, tokenizer, name="tiny")
    assert_close(again.run(batch_of(again)).hidden, expected)
