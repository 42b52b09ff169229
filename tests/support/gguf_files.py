"""Small GGUF files, written tensor by tensor from a model of transformers: Llama's shape, byte-level tokens."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from tokenizers import pre_tokenizers


def tiny_llama(seed: int = 0, vocabulary: int = 300) -> Any:
    """Two layers of four heads over two key/value heads, its embedding tied."""
    torch.default_generator.manual_seed(seed)
    config = transformers.LlamaConfig(
        vocab_size=vocabulary, hidden_size=32, intermediate_size=64, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, max_position_embeddings=64, tie_word_embeddings=True, bos_token_id=0, eos_token_id=0,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config).eval()


def write_gguf(
    path: Path, model: Any, *, architecture: str = "llama", pre: str | None = "smollm", add_bos: bool = False
) -> Path:
    """The model in float32 with a tokenizer of 256 bytes and some merges; `pre` says how texts are cut first."""
    from gguf import GGUFWriter

    config = model.config
    writer = GGUFWriter(path, architecture)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    tokens, merges = vocabulary(config.vocab_size)
    writer.add_tokenizer_model("gpt2")
    if pre is not None:
        writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3] + [1] * (len(tokens) - 1))
    writer.add_token_merges(merges)
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    writer.add_add_bos_token(add_bos)
    for name, values in tensors(model).items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def vocabulary(size: int) -> tuple[list[str], list[str]]:
    """A special token, every byte as byte-level tokenizers write it, and merges that give the rest of the tokens."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    found, merges = ["<|endoftext|>", *letters], []
    for pair in (
        "t h",
        "th e",
        "Ġ the",
        "1 2",
        "12 3",
        "123 4",
        "i n",
        "Ġ 1",
        "' s",
        "e r",
        "a n",
        "o n",
        "r e",
        "Ġ a",
    ):
        merges.append(pair)
        found.append(pair.replace(" ", ""))
    return [*found, *(f"unused{number}" for number in range(size - len(found)))], merges


def tensors(model: Any) -> dict[str, np.ndarray]:
    """The weights under the names of GGUF; of queries and keys the halves of each head lie interleaved."""
    config, state = model.config, {name: value.detach().numpy() for name, value in model.state_dict().items()}
    found = {"token_embd.weight": state["model.embed_tokens.weight"]}
    found["output_norm.weight"] = state["model.norm.weight"]
    for layer in range(config.num_hidden_layers):
        own = {name.removeprefix(f"model.layers.{layer}."): value for name, value in state.items()}
        heads = {"q": config.num_attention_heads, "k": config.num_key_value_heads}
        for one, count in heads.items():
            weight = own[f"self_attn.{one}_proj.weight"]
            halves = weight.reshape(count, 2, -1, weight.shape[1]).swapaxes(1, 2)
            found[f"blk.{layer}.attn_{one}.weight"] = np.ascontiguousarray(halves.reshape(weight.shape))
        for ours, theirs in (
            ("self_attn.v_proj", "attn_v"), ("self_attn.o_proj", "attn_output"), ("mlp.gate_proj", "ffn_gate"),
            ("mlp.up_proj", "ffn_up"), ("mlp.down_proj", "ffn_down"), ("input_layernorm", "attn_norm"),
            ("post_attention_layernorm", "ffn_norm"),
        ):  # fmt: skip
            found[f"blk.{layer}.{theirs}.weight"] = own[f"{ours}.weight"]
    return found
