"""Why the heads of a network cannot be watched, told from its configuration and its modules; and who else may reach it.

Every advice leads on: from transformers' attention interface to TransformerLens's bridge where that knows the
architecture, and from there nowhere.
"""

from typing import Any

from torch import nn
from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES
from transformers import PreTrainedConfig

SETTINGS: dict[str, str] = {
    "use_bidirectional_attention": "attention in both directions, in a family that else reads from left to right",
    "attention_chunk_size": "attention in chunks",
    "attention_window": "windows of attention, with some tokens that see, and are seen by, all",
    "num_global_layers": "layers of global attention",
    "encoder_attention_type": "local attention, or with some tokens for whole blocks",
    "index_topk": "attention to a selection of the keys",
}
"""Settings of configurations that change what a query sees, and what they ask for."""

USUAL = {None, False, "full_attention", "original_full"}
"""Values that ask for nothing of the kind."""


def several_networks(config: Any) -> str | None:
    """Why a configuration of several networks is no language model, if it is one: of text and pictures, or of two."""
    parts = [name for name, value in vars(config).items() if isinstance(value, PreTrainedConfig)]
    if not parts or hasattr(config, "num_hidden_layers"):
        return None
    if {"encoder", "decoder"} <= set(parts):
        return (
            "it is made of two models (encoder and decoder in config.json), each with settings of its own. "
            "Allowed: encoder-decoders of one architecture (T5, BART, Marian), or one of the two by itself."
        )
    return (
        f"its config.json holds several networks ({', '.join(parts)}), which read more than text. "
        "Allowed: its language model by itself, saved alone (model.model.language_model or the like)."
    )


def causes(network: Any) -> list[str]:
    """What is unusual in how this network attends, in words, with where it says so; empty where nothing is found."""
    config = network.config
    found: list[str] = []
    sinks = [name for name, _ in network.named_parameters() if "sink" in name.rpartition(".")[2]]
    if sinks:
        found.append(f"attention sinks, learned numbers that take a share of each head's attention ({sinks[0]})")
    for name, words in SETTINGS.items():
        value = getattr(config, name, None)
        if not isinstance(value, list | tuple | dict) and value in USUAL:
            continue
        found.append(f"{words} ({name}={value} in config.json)")
    if getattr(config, "attention_type", None) == "block_sparse":
        found.append("attention to some blocks of keys, some drawn at random (attention_type=block_sparse)")
    return found


def because(network: Any) -> str:
    """A sentence that names the causes; empty where none is found."""
    found = causes(network)
    return f"The network has {'; and '.join(found)}. " if found else ""


def own_code(base: nn.Module, *, all_seen: bool) -> str:
    """What a network does where not all is seen, with the classes that do it; empty where no class says so."""
    kinds = dict.fromkeys(type(module).__name__ for module in base.modules() if "Attention" in type(module).__name__)
    if not kinds:
        return ""
    named = ", ".join(list(kinds)[:3])
    if all_seen:
        return f"What its heads write is changed before a linear map mixes them (in {named}). "
    return f"The rest, if it attends at all, does so in code of its own (in {named}). "


def is_bridged(network: Any) -> bool:
    """Whether TransformerLens's bridge knows the architecture, and is used for it here: it knows one site."""
    return type(network).__name__ in SUPPORTED_ARCHITECTURES and not network.config.is_encoder_decoder
