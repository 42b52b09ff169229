"""A tiny random model of every architecture of transformers: the default configuration of its class, made small.

`python -m tests.support.tiny_architectures` writes what becomes of each as a table in Markdown.
"""

import re
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers.models.auto import modeling_auto as auto
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from interp.api import prove
from interp.errors import InterpError
from interp.models import loading
from tests.conftest import TEXTS, corpus_of

KINDS: Mapping[str, Any] = {
    "causal": (auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES, transformers.AutoModelForCausalLM),
    "masked": (auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES, transformers.AutoModelForMaskedLM),
    "translating": (auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES, transformers.AutoModelForSeq2SeqLM),
}
"""What a language head is made for: transformers' classes by type of model, and its factory of them."""

LARGEST = 20_000_000
"""Weights of a model that is still small enough to be tried."""

VOCABULARY, POSITIONS, LAYERS = 304, 40, 2

SIZES: Sequence[tuple[str, int]] = (
    (r"(max_position_embeddings|n_positions|max_positions|max_(source|target)_positions|max_seq_len\w*|n_ctx|"
     r"max_(en|de)coder_position_embeddings|context_length|seq_length)", POSITIONS),
    (r"(num_hidden_layers|n_layers?|num_layers|(en|de)coder_layers|num_(en|de)coder_layers|num_hidden_\w*layers)",
     LAYERS),
    (r"(num_(attention_)?heads|n_heads?|(en|de)coder_attention_heads|num_(en|de)coder_attention_heads)", 4),
    (r"(num_key_value_heads|num_kv_heads|attn_config_kv_n_heads)", 2),
    (r"(hidden_size|d_model|n_embd|dim|embedding_size|emb_dim|word_embed_proj_dim|dim_model|input_embedding_size)", 32),
    (r"(head_dim|d_kv|attention_head_dim|v_head_dim|dim_head|global_head_dim)", 8),
    (r"(qk_rope_head_dim|qk_nope_head_dim)", 8),
    (r"(\w*intermediate_size|\w*ffn\w*dim|d_ff|dim_ff|ffn_hidden_size|hidden_dim|n_inner|ff_dim|inner_dim)", 64),
    (r"(num_(local_|routed_)?experts|n_routed_experts|moe_num_experts)", 4),
    (r"(num_experts_per_tok\w*|moe_k|moe_topk|top_k_experts)", 2),
    (r"(n_group|topk_group|num_expert_group|n_shared_experts|num_shared_experts|moe_num_shared_experts)", 1),
    (r"(q_lora_rank|kv_lora_rank|o_lora_rank)", 8),
    (r"(rotary_dim|rope_head_dim|qk_rope_dim)", 4),
    (r"(hidden_size_per_layer_input|expert_dim|shared_expert_\w+)", 32),
    (r"(sliding_window|window_size|attention_window|local_attention)", 16),
)  # fmt: skip
"""What a size in a configuration becomes, by its name; no size is made larger."""

AGAIN = (
    *(
        "transformers_version",
        "architectures",
        "layer_types",
        "mlp_layer_types",
        "layers_block_type",
        "per_layer_config",
    ),
    *("no_rope_layers", "attention_layers", "full_attn_idxs", "mlp_only_layers", "indexer_types", "hybrid_layer_ids"),
    *("hybrid_override_pattern", "attn_layer_indices", "hidden_size_per_layer_input", "layer_type_list", "qk_head_dim"),
)
"""What a configuration makes anew for as many layers as there are."""

TOKENS = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2, "unk_token_id": 3, "mask_token_id": 4}


OWN: Mapping[str, dict[str, Any]] = {
    "gpt_neo": {"attention_types": [[["global", "local"], 1]]},
    "xlnet": {"n_head": 4, "d_model": 32, "d_head": 8},
    "nemotron": {"head_dim": 8, "num_key_value_heads": 2},
    "deepseek_v2": {"num_experts_per_tok": 2, "n_routed_experts": 4, "n_group": 1, "topk_group": 1},
    "ministral": {"head_dim": 8},
    "hunyuan_v1_dense": {"head_dim": 8},
    "hunyuan_v1_moe": {"head_dim": 8},
    "esm": {"vocab_size": VOCABULARY, "mask_token_id": 4, "pad_token_id": 1},
    "reformer": {
        "axial_pos_embds_dim": [16, 16],
        "axial_pos_shape": [4, 10],
        "num_hidden_layers": 2,
        "is_decoder": False,
    },
    "mamba2": {"num_heads": 8, "head_dim": 8, "expand": 2, "hidden_size": 32},
    "dots1": {"n_routed_experts": 4, "num_experts_per_tok": 2, "n_group": 1, "topk_group": 1, "n_shared_experts": 1},
    "gemma3n_text": {"intermediate_size": [64, 64], "activation_sparsity_pattern": [0.0, 0.0]},
    "bamba": {"mamba_n_heads": 8, "mamba_d_head": 8},
    "granitemoehybrid": {"mamba_n_heads": 8, "mamba_d_head": 8},
    "laguna": {"num_attention_heads_per_layer": [4, 4]},
    "neomme": {"head_dim": 16},
    "gemma4_assistant": {"hidden_size_per_layer_input": 0},
    "codegen": {"rotary_dim": 4},
    "gptj": {"rotary_dim": 4},
    "xmod": {"languages": ["en_XX"], "default_language": "en_XX"},
}
"""What a type of model needs beside small sizes."""


def tokenizer() -> Any:
    """GPT-2's kind, every letter known, with special tokens for all uses: none is put around a text."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.post_processor = processors.ByteLevel(trim_offsets=False)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    trainer = trainers.BpeTrainer(
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), special_tokens=special, vocab_size=VOCABULARY,
        show_progress=False,
    )  # fmt: skip
    raw.train_from_iterator(TEXTS, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", pad_token="<pad>", eos_token="</s>", unk_token="<unk>",
        mask_token="<mask>",
    )  # fmt: skip


def configuration(model_type: str, **options: Any) -> Any:
    """The default configuration of this type of model with every size small."""
    kind = CONFIG_MAPPING[model_type]
    config = kind(**_small(kind().to_dict()) | OWN.get(model_type, {}) | options)
    if config.is_encoder_decoder and getattr(config, "decoder_start_token_id", None) is None:
        config.decoder_start_token_id = TOKENS["bos_token_id"]
    return config


def model(kind: str, model_type: str, **options: Any) -> Any:
    """A random model with the language head of that kind, drawn from a fixed seed."""
    config = configuration(model_type, **options)
    if kind == "causal" and hasattr(config, "is_decoder"):
        config.is_decoder = True
    with torch.device("meta"):
        size = sum(weights.numel() for weights in KINDS[kind][1].from_config(config).parameters())
    if size > LARGEST:
        raise ValueError(f"it has {size:,} weights, made as small as its configuration can be made without knowing it")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return KINDS[kind][1].from_config(config, attn_implementation="eager").eval()


def outcome(kind: str, model_type: str, folder: Path) -> tuple[str, str]:
    """`passed`, `refused` (where, and why) or `not built` (why); any other exception comes through.

    On disk as in memory: the same language head, and the same refusal.
    """
    try:
        network = model(kind, model_type)
        network.save_pretrained(folder)
    except Exception as error:  # what transformers itself cannot build, for whatever reason
        return "not built", f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
    words = tokenizer()
    words.save_pretrained(folder)
    try:
        loaded = loading.local(folder, name=model_type)
    except InterpError as error:
        return "refused", str(error)
    given = loading.from_transformers(network, words, name=model_type)
    if not loaded.has_language_head or not given.has_language_head:
        raise AssertionError(f"{type(network).__name__} has a language head, which is not seen.")
    try:
        prove(loaded, corpus_of(TEXTS[:3]))
    except InterpError as error:
        return "refused", str(error)
    return "passed", f"{loaded.provenance['backend']}, {loaded.positions} tokens"


def _small(settings: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in settings.items():
        if name in AGAIN or name.startswith("_"):
            continue
        if isinstance(value, dict):
            found[name] = _small(value) if name.endswith("config") or "model_type" in value else value
        elif name in TOKENS or name == "decoder_start_token_id":
            found[name] = value if value is None else TOKENS.get(name, 2)
        elif isinstance(value, int) and not isinstance(value, bool):
            small = min([value, *(size for pattern, size in SIZES if re.fullmatch(pattern, name))])
            found[name] = VOCABULARY if "vocab_size" in name and "type_" not in name else small
        else:
            found[name] = value
    if "num_key_value_heads" in found and settings["num_key_value_heads"] == settings.get("num_attention_heads"):
        found["num_key_value_heads"] = found["num_attention_heads"]  # none are shared
    return found


ALL = tuple((kind, model_type) for kind, (names, _) in KINDS.items() for model_type in names)
"""Every architecture with a language head."""


def _main() -> None:
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    print("| head | model_type | what becomes of it | how, or why not |\n|---|---|---|---|", flush=True)
    for kind, model_type in ALL:
        with tempfile.TemporaryDirectory() as folder:
            try:
                state, why = outcome(kind, model_type, Path(folder))
            except Exception as error:  # this is what the table is to show
                state, why = "TRACEBACK", f"{type(error).__name__}: {error}"
        print(f"| {kind} | {model_type} | {state} | {' '.join(why.split()).replace('|', '/')} |", flush=True)


if __name__ == "__main__":
    _main()
