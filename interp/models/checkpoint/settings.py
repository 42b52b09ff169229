"""What the settings of a model directory ask for beyond what transformers builds: refused by name, or noted."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from inspect import getsource
from pathlib import Path
from typing import Any

import transformers
from transformers import GenerationConfig
from transformers.models.auto import modeling_auto

from interp.errors import ModelError, cut, shown
from interp.models.checkpoint.files import read_json
from interp.models.hugging_face.language_head import class_of
from interp.models.inputs.text import is_causal

NEVER_READ = {
    "quantization_config": "weights in fewer bits than are read here. Write them out in full: "
    "model.dequantize().save_pretrained(DIR)",
    "compression_config": "compressed weights. Write them out in full: model.dequantize().save_pretrained(DIR)",
    "transformers_weights": "weights in a file of another name. Rename the file to model.safetensors",
    "configuration_files": "another file of settings for this version of transformers. Keep one, as config.json",
    "fusion_config": "fused modules in place of the architecture's own. Take it out",
}
"""Settings of config.json that transformers would follow to something that is not looked at here."""

BESIDE = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "generation_config.json")
"""Other files of settings that a directory may have."""

ANOTHER_NETWORK = {
    "position_embedding_type": ("absolute",),
    "rope_parameters": (),
    "rope_theta": (),
    "rotary_dim": (),
    "rotary_pct": (1,),
    "rope_pct": (1,),
    "rotary_percentage": (1,),
    "rotary_emb_base": (),
    "no_rope_layers": (),
    "alibi": (),
    "use_alibi": (),
    "attention_bias": (),
    "qkv_bias": (),
    "sliding_window": (),
    "attention_window": (),
    "layer_types": (),
    "num_key_value_heads": (),
    "multi_query": (),
    "qk_norm": (),
    "use_qk_norm": (),
    "qk_layernorm": (),
    "qk_layer_norm": (),
    "clip_qkv": (),
    "query_pre_attn_scalar": (),
    "attention_chunk_size": (),
    "attn_logit_softcapping": (),
    "final_logit_softcapping": (),
    "logit_softcapping": (),
    "attention_multiplier": (),
    "residual_multiplier": (1,),
    "embedding_multiplier": (1,),
    "logits_scaling": (1,),
    "logit_scale": (1,),
    "scale_emb": (1,),
    "scale_depth": (),
    "use_parallel_residual": (),
    "num_experts": (),
    "num_local_experts": (),
    "use_bidirectional_attention": (),
    "bidirectional": (),
    "pruned_heads": (),
    "adapters": (),
    "peft_config": (),
}
"""Settings by which other classes compute something else, with the values that ask for nothing here; off is harmless.

Where a class has no such setting, transformers keeps it and builds the network without it.
"""

ON = ("is_causal", "causal", "use_rope")
"""Settings that, switched off, ask for another network too, where it is built with them on."""

OFF = (None, False, 0, "", "none", "default")
"""Values of a setting that ask for nothing; so do an empty list and an empty object."""

PLAIN_MODULES = ("Transformer", "Pooling", "Normalize", "Dropout")
"""Modules of sentence-transformers that have no weights of their own, and the transformer itself."""

AFTER_THE_MEAN = ("sentence_transformers.models.Dense", "sentence_transformers.models.LayerNorm")
"""Those that change the embedding and nothing that a head does."""


def check_asked(folder: Path, config: Any) -> list[str]:
    """What is harmless, in words; raises `ModelError` for what makes another network or tokenizer of the directory."""
    raw = read_json(folder / "config.json")
    _check_class(folder, raw, config)
    _check_one_value_each(folder, raw, config)
    _check_rotation_named(folder, raw)
    return [*_own_code(folder), *_settings(folder, raw, config), *_sentence_modules(folder)]


def check_read(folder: Path) -> None:
    """Raises `ModelError` for settings that would have transformers read other files than those that are hashed."""
    raw = read_json(folder / "config.json")
    for setting, why in NEVER_READ.items():
        if raw.get(setting):
            raise ModelError(f"{folder} is not supported: {setting} in config.json asks for {why}.")
    if not isinstance(raw.get("model_type"), str):
        # transformers would guess it from the name of the directory
        raise ModelError(
            f"{folder} could not be read as a model: config.json names no model_type, the family of the architecture. "
            'Add it, such as "model_type": "bert".'
        )
    # transformers goes on without one that it cannot read
    beside = {name: read_json(folder / name) for name in BESIDE if (folder / name).is_file()}
    if beside.get("tokenizer_config.json", {}).get("fast_tokenizer_files"):
        raise ModelError(
            f"{folder} is not supported: fast_tokenizer_files in tokenizer_config.json asks for another tokenizer in "
            "each version of transformers. Keep one, as tokenizer.json."
        )


def _check_class(folder: Path, raw: Mapping[str, Any], config: Any) -> None:
    named = raw.get("architectures") or []
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ModelError(
            f"{folder}: architectures in config.json is {shown(named)}. Allowed: a list of names of classes."
        )
    for name in named:
        known = class_of(name) or getattr(transformers, name, None)
        family = getattr(getattr(known, "config_class", None), "model_type", None)
        if known is None or (family not in (config.model_type, None) and name not in _classes_of(config.model_type)):
            what = "which transformers does not have" if known is None else f"of the family {family}"
            raise ModelError(
                f"{folder} asks for {cut(name)}, {what}, and its model_type is {cut(config.model_type)}: "
                "what would be built is "
                "another network. Allowed: the classes of transformers, of the family of the model_type. "
                "Mend config.json where it is wrong; or load the model by your own code, and use "
                "interp.from_transformers(MODEL, TOKENIZER)."
            )


def _classes_of(model_type: str) -> set[str]:
    """The classes that transformers has for models of a type: some are another family's (InternLM 3's is Llama's)."""
    tables = [getattr(modeling_auto, name) for name in dir(modeling_auto) if name.endswith("_MAPPING_NAMES")]
    found = [table.get(model_type, ()) for table in tables]
    return {name for names in found for name in ([names] if isinstance(names, str) else names)}


def _check_one_value_each(folder: Path, raw: Mapping[str, Any], config: Any) -> None:
    for alias, name in config.attribute_map.items():
        if alias in raw and name in raw and raw[alias] != raw[name]:
            raise ModelError(
                f"{folder} gives one setting two values in config.json: {alias} is {cut(raw[alias])}, and "
                f"{name}, which is "
                f"the same, is {cut(raw[name])}. Keep the right one."
            )


def _check_rotation_named(folder: Path, raw: Mapping[str, Any]) -> None:
    for name in ("rope_scaling", "rope_parameters"):
        given = raw.get(name)
        parts = [given, *given.values()] if isinstance(given, dict) else []
        for part in [one for one in parts if isinstance(one, dict)]:
            factor = part.get("factor")
            if factor not in (None, 1) and not (part.get("rope_type") or part.get("type")):
                raise ModelError(
                    f"{folder} asks for {name} with factor={cut(factor)} in config.json, and does not say "
                    "of which kind: "
                    "transformers would build the network without it. Allowed: rope_type beside it, such as linear or "
                    "dynamic; or no factor."
                )


def check_rotation(folder: str, network: Any) -> None:
    """Raises `ModelError` where a share of each head is to be rotated, and the network rotates the whole of it."""
    config = network.config
    shares = _rotated_shares(config)
    built = [buffer for name, buffer in network.named_buffers() if name.endswith("inv_freq")]
    if not shares or not built or _rotated_shares(_default(type(config))):
        return
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    if all(2 * int(buffer.count_nonzero()) >= size for buffer in built):
        raise ModelError(
            f"{folder} asks for partial_rotary_factor={shares[0]} in config.json, and {type(network).__name__} of "
            f"transformers {transformers.__version__} rotates whole heads: the network would be built without it. "
            "Leave it out where it is wrong; or load the model by your own code, and use "
            "interp.from_transformers(MODEL, TOKENIZER)."
        )


def _rotated_shares(config: Any) -> list[float]:
    """The shares of a head's dimensions that settings ask to be rotated, where it is not all of them."""
    asked = getattr(config, "rope_parameters", None) or {}
    parts = [one for one in (asked, *asked.values()) if isinstance(one, dict)]
    return [share for one in parts if (share := one.get("partial_rotary_factor")) not in (None, 1)]


def _default(kind: Any) -> Any:
    """The settings of a class as it has them by itself; None where it has none alone (a pair of two models)."""
    try:
        return kind()
    except Exception:
        return None


def _own_code(folder: Path) -> Iterator[str]:
    """The classes of transformers that code in the directory stands for; that code is never run."""
    for file in ("config.json", "tokenizer_config.json", "preprocessor_config.json"):
        path = folder / file
        asked = read_json(path).get("auto_map") if path.is_file() else None
        if not asked:
            continue
        given = asked.values() if isinstance(asked, dict) else [asked]
        for value in [one for either in given for one in (either if isinstance(either, list) else [either]) if one]:
            name = str(value).split("--")[-1].split(".")[-1]
            if not hasattr(transformers, name):
                raise ModelError(
                    f"{folder} asks for code of its own ({cut(value)}, in auto_map of {file}), which is "
                    "never run here, and "
                    f"transformers has no {cut(name)}: what would be built is something else. Allowed: the classes of "
                    "transformers. Load it by your own code, and use interp.from_transformers(MODEL, TOKENIZER)."
                )
            yield f"code for {cut(name)} ({file}; transformers' own is used)"


def _settings(folder: Path, raw: Mapping[str, Any], config: Any) -> Iterator[str]:
    """The settings that the class does not have, where they ask for something."""
    for part in config.sub_configs:
        if isinstance(raw.get(part), dict) and getattr(config, part, None) is not None:
            yield from _settings(folder, raw[part], getattr(config, part))
    known = _known(type(config))
    for name, value in vars(config).items():
        given = name in raw or (name == "rope_parameters" and "rope_scaling" in raw)
        if name in known or not given or name.startswith("_") or name in ("model_type", "auto_map"):
            continue
        if _is_read(type(config), name):
            continue
        asks = ANOTHER_NETWORK.get(name)
        off = value in OFF or value in ([], {}) or (isinstance(value, dict) and value.get("rope_type") == "default")
        switched = name in ON and value is not None and bool(value) != _is_on(name, config)
        if switched or (asks is not None and value not in asks and not off):
            same = name == "num_key_value_heads" and value == getattr(config, "num_attention_heads", None)
            rotated = name == "no_rope_layers" and isinstance(value, list) and all(value)  # one is with, zero without
            if not same and not rotated:
                raise ModelError(
                    f"{folder} asks for {cut(name)}={cut(value)} in config.json, which "
                    f"{type(config).__name__} of transformers "
                    f"{transformers.__version__} does not have: the network would be built without it. Allowed: the "
                    "settings of the class. Leave it out where it is wrong; or load the model by your own code, and "
                    "use interp.from_transformers(MODEL, TOKENIZER)."
                )
        elif asks is None and name not in ON and not off:
            yield f"the setting {cut(name)}"


def _is_on(name: str, config: Any) -> bool:
    """Whether what a setting of `ON` switches is built without it."""
    if name == "use_rope":
        return bool(getattr(config, "rope_parameters", None) or getattr(config, "rotary_dim", None))
    return bool(is_causal(config) or config.is_encoder_decoder)


def _is_read(kind: Any, name: str) -> bool:
    """Whether something reads a setting that the class does not keep: generation, the tokenizer, or its own making."""
    if name in ("tokenizer_class", "decoder_start_token_id") or name in vars(GenerationConfig()):
        return True
    own = [one for one in kind.__mro__ if one.__module__.startswith("transformers.models.")]
    return any(re.search(rf"kwargs[^\n]*[\"']{re.escape(name)}[\"']", getsource(one)) for one in own)


def _known(kind: Any) -> set[str]:
    """The names of the settings that a class has."""
    default = _default(kind)
    return {field.name for field in fields(kind)} | set(kind.attribute_map) | set(vars(default) if default else ())


def _sentence_modules(folder: Path) -> Iterator[str]:
    """What sentence-transformers does around the network, where it is more than the mean of its last layer."""
    path = folder / "modules.json"
    for module in read_json(path, list) if path.is_file() else []:
        kind, place = str(module.get("type")), str(module.get("path") or "")
        name = kind.split(".")[-1]
        if kind in AFTER_THE_MEAN:
            yield (
                f"the layer {cut(name)} ({cut(place) or 'no path'}; embeddings here are means of what the "
                "transformer gives)"
            )
        elif name not in PLAIN_MODULES or (name == "Transformer" and place):
            raise ModelError(
                f"{folder} is a chain of networks: modules.json adds {cut(kind)} "
                f"({cut(place) or 'no path'}), which is not read "
                "here, so that its embeddings would be another network's. Allowed: a transformer, and the mean of "
                "what it gives. To read the transformer alone, take modules.json out of a copy of the directory."
            )
        pooling = folder / place / "config.json"
        if name == "Pooling" and pooling.is_file():
            asked = read_json(pooling)
            modes = [mode for mode, on in asked.items() if mode.startswith("pooling_mode_") and on is True]
            newer = asked.get("pooling_mode") or []
            for mode in [*modes, *(newer if isinstance(newer, list) else [newer])]:
                if mode not in ("pooling_mode_mean_tokens", "mean"):
                    yield f"the pooling {mode} (embeddings here are means)"
    path = folder / "sentence_bert_config.json"
    if path.is_file() and read_json(path).get("do_lower_case"):
        yield "lower-casing before the tokenizer (do_lower_case)"
