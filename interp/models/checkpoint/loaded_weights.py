"""The weights of a directory against the network that transformers built of them: nothing in them may be left out."""

import copy
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
import transformers
from safetensors import safe_open
from torch import Tensor, nn
from transformers.initialization import no_init_weights
from transformers.models.auto import modeling_auto

from interp.errors import ModelError, cut_path
from interp.models.dispatching import weights_of
from interp.models.library_errors import refusing

FLOATS = ("F64", "F32", "F16", "BF16")
"""How safetensors names the kinds of numbers that a weight may be stored in."""

BUFFERS = re.compile(
    r"(?:^|\.)(position_ids|token_type_ids|masked_bias|(?:\w+_)?inv_freq|(?:attn|attention)\.(?:attention\.)?bias|"
    r"attn\.causal_mask|(?:encoder|decoder)\.version|embed_positions\.weights|rotary_emb\.(?:cos|sin)_cached)$"
)
"""Constants that older versions of transformers stored beside the weights, and that the code computes."""

OTHER_HEADS = ("v_head",)
"""Heads that are put on a language model by other libraries (the value head of TRL)."""

SEVERAL_LAYERS = 1000
"""As many layers or experts may be asked for by any file of weights; more only if it has as many tensors."""

UNSTORED = 2**27
"""How many numbers more than twice those stored a network may have: a missing head, and masks."""


@dataclass(frozen=True)
class Stored:
    """One tensor of a file, not yet read."""

    file: Path
    shape: tuple[int, ...]
    kind: str


def stored_weights(files: Sequence[Path], name: str) -> dict[str, Stored]:
    """The tensors of the files by name. Raises `ModelError` for files that are damaged, or that hold one name twice."""
    found: dict[str, Stored] = {}
    for file in files:
        with refusing(f"{name!r} could not be loaded from {file}", "Put the whole file there."):
            for key, one in _tensors(file):
                if key in found:
                    raise ModelError(
                        f"{cut_path(key)} is in {found[key].file} and in {file.name}: which is meant, is not known. "
                        "Allowed: every tensor once. Write the directory anew with model.save_pretrained(DIR)."
                    )
                found[key] = one
    return found


def _tensors(file: Path) -> Iterator[tuple[str, Stored]]:
    with safe_open(file, "pt") as tensors:
        for key in tensors.keys():  # noqa: SIM118 - no mapping
            one = tensors.get_slice(key)
            yield key, Stored(file, tuple(one.get_shape()), one.get_dtype())


def outline(factory: Any, config: Any, stored: Mapping[str, Stored], folder: str) -> nn.Module:
    """The network without its numbers. Raises `ModelError` where it would need many more than there are."""
    for name, value in vars(config).items():
        most = max(SEVERAL_LAYERS, len(stored))
        if isinstance(value, int) and re.search("layer|expert|group", name) and value > most:
            raise ModelError(
                f"{folder} asks for {name}={cut_path(value)} in config.json, and holds {len(stored)} tensors. "
                "Mend the directory."
            )
    # what is drawn on the way is not taken from those who draw after it
    with torch.random.fork_rng(devices=[]), torch.device("meta"), no_init_weights():
        network = factory.from_config(config, attn_implementation="eager")
    asked = sum(tensor.numel() for tensor in [*network.parameters(), *network.buffers()])
    there = sum(torch.Size(one.shape).numel() for one in stored.values())
    if asked > 2 * there + UNSTORED:
        raise ModelError(
            f"{folder} asks for a network of {asked:,} numbers in config.json, and its weights are {there:,}. "
            "Mend the directory."
        )
    return network


def check_loaded(
    network: Any, unused: Collection[str], stored: Mapping[str, Stored], planned: Any, folder: str
) -> list[str]:
    """The heads for other tasks among the weights, which are not read, in words.

    `unused` are the weights that transformers had no place for, `planned` is the network's outline. Raises
    `ModelError` for other weights that are not used, that are stored twice or as no floating-point numbers, that the
    settings say are tied and are not, and for stored constants that are not the network's own.
    """
    left, heads = _sort(network, [key for key in unused if not _is_buffer(key, stored)])
    if left:
        raise ModelError(
            f"{folder} holds {len(left)} weights that {type(network).__name__} does not use ({_some(left)}): the "
            "network that it asks for is another one than is built. Allowed: the weights of the architecture that "
            "config.json names, and heads for other tasks. Mend config.json or the weights; or load the model by your "
            "own code, and use interp.from_transformers(MODEL, TOKENIZER)."
        )
    _check_once(network, stored, folder)
    _check_kinds(network, stored, folder)
    _check_buffers(network, stored, folder)
    untied = sorted(set(planned.all_tied_weights_keys) - set(network.all_tied_weights_keys))
    if untied and network.config.get_text_config().tie_word_embeddings:
        raise ModelError(
            f"{folder} says that weights are tied (tie_word_embeddings in config.json), and holds others for "
            f"{_some(untied)}. Set tie_word_embeddings to false, or take these out of the weights."
        )
    return [f"the head {name}" for name in heads]


def not_finite(network: Any) -> str:
    """The weights that hold NaN or ∞ in the precision at hand, in words; empty where none does.

    They may belong to tokens that no document has: what reads one of them is refused where its attention is summed.
    """
    found = [name for name, weight in weights_of(network) if not torch.isfinite(weight).all()]
    return f"{_some(found)} (as {str(network.dtype).removeprefix('torch.')})" if found else ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(map(cut_path, names[:3])) + (", …" if len(names) > 3 else "")


def _sort(network: Any, unused: Collection[str]) -> tuple[list[str], list[str]]:
    """The weights that the network lacks; and the heads for another task, which are none of its business.

    A head is outside of the base model, and is a module of one of the family's other classes, not of this one. The
    pooler of the base model is part of such heads.
    """
    inside = network.base_model_prefix + "."
    own = {name for name, _ in network.named_modules()}
    base = {name for name, _ in network.base_model.named_children()}
    others: set[str] | None = None
    left: list[str] = []
    heads: dict[str, None] = {}
    for key in sorted(unused):
        within = key.removeprefix(inside)
        module, first = key.rpartition(".")[0], within.partition(".")[0]
        if first == "pooler":
            continue
        if key.startswith(inside) or first in base or module in own:
            left.append(key)
            continue
        if others is None:
            others = set(_modules_of_the_family(network)) - own
        if module in others or first in OTHER_HEADS:
            heads[next(name for name in _outermost(module) if name not in own)] = None
        else:
            left.append(key)
    return left, list(heads)


def _outermost(module: str) -> Iterator[str]:
    parts = module.split(".")
    return (".".join(parts[:length]) for length in range(1, len(parts) + 1))


def _modules_of_the_family(network: Any) -> Iterator[str]:
    """The names of all modules of the classes with a head for these settings, and of that which the settings name.

    Some of them no task is named for (GPT-2's with two heads): they stand beside the network's own class.
    """
    config = network.config
    tasks = [name for name in dir(modeling_auto) if name.startswith("MODEL_FOR_") and name.endswith("_MAPPING")]
    found = [getattr(modeling_auto, task).get(type(config), ()) for task in tasks]
    named = tuple(getattr(transformers, name) for name in config.architectures or [] if hasattr(transformers, name))
    beside = tuple(
        kind
        for kind in vars(import_module(type(network).__module__)).values()
        if isinstance(kind, type) and issubclass(kind, transformers.PreTrainedModel)
    )
    for kinds in [*found, named, beside]:
        for kind in kinds if isinstance(kinds, tuple) else (kinds,):
            # a class that cannot be built has no head that could be told from something else
            with suppress(Exception), torch.device("meta"), no_init_weights():
                # of a copy: BART's decoder writes into the settings that it is made of
                built = kind(copy.deepcopy(config))
                if kinds is not beside or built.base_model is not built:
                    yield from [name for name, _ in built.named_modules()]


def _is_buffer(name: str, stored: Mapping[str, Stored]) -> bool:
    """Whether a name is that of a constant; a bias of one dimension is a weight."""
    named = BUFFERS.search(name)
    if named is None:
        return False
    one = stored.get(name)
    return not named[1].endswith("bias") or named[1] == "masked_bias" or (one is not None and len(one.shape) == 4)


def _check_once(network: Any, stored: Mapping[str, Stored], folder: str) -> None:
    """transformers reads older names and names with and without the prefix as one: the last one wins."""
    seen: dict[str, str] = {}
    for name in stored:
        meant = name.removeprefix(network.base_model_prefix + ".")
        meant = meant.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
        if meant in seen:
            raise ModelError(
                f"{folder} holds one weight under two names, {cut_path(seen[meant])} and {cut_path(name)}. Take the "
                "wrong one out."
            )
        seen[meant] = name


def _check_kinds(network: Any, stored: Mapping[str, Stored], folder: str) -> None:
    parameters = {name.removeprefix(network.base_model_prefix + ".") for name, _ in network.named_parameters()}
    for name, one in stored.items():
        weight = name.endswith(".weight") or name.removeprefix(network.base_model_prefix + ".") in parameters
        if one.kind not in FLOATS and (weight or one.kind.startswith("F")):
            raise ModelError(
                f"{folder} holds {cut_path(name)} as {cut_path(one.kind)}, which is a code for weights "
                "and not their values. "
                f"Allowed: {', '.join(FLOATS)}. Write them out in full: model.dequantize().save_pretrained(DIR)."
            )


def _check_buffers(network: Any, stored: Mapping[str, Stored], folder: str) -> None:
    """Constants that are stored are those that the code computes: other position ids are another network."""
    prefix = network.base_model_prefix + "."
    # some are on an accelerator already, where the weights were laid out
    built = {name.removeprefix(prefix): buffer.cpu() for name, buffer in network.named_buffers()}
    for name, one in stored.items():
        if not _is_buffer(name, stored) or name.endswith("masked_bias"):
            continue
        with safe_open(one.file, "pt") as tensors:
            given: Tensor = tensors.get_tensor(name)
        short = name.removeprefix(network.base_model_prefix + ".")
        if not _is_computed(short, given, built, network.config):
            raise ModelError(
                f"{folder} holds {cut_path(name)} with other values than {type(network).__name__} computes by, "
                "and which are not "
                "used: the network that it asks for is another one. Mend config.json or the weights."
            )


def _is_computed(name: str, given: Tensor, built: Mapping[str, Tensor], config: Any) -> bool:
    """Whether a stored constant is what a network with these buffers computes, as long as either goes."""
    if name.endswith("inv_freq"):
        return any(_alike(given, own) for own in _frequencies(given, built, config))
    if name.endswith("_cached"):
        length, size = given.shape[-2:]
        wave = torch.cos if name.endswith("cos_cached") else torch.sin
        found = _frequencies(given.new_empty(size // 2), built, config)
        angles = [torch.arange(length)[:, None] * own.float().repeat(2) for own in found]
        return any(_alike(given.reshape(length, size), wave(one)) for one in angles)
    if name.endswith("embed_positions.weights"):
        both = min(len(given), len(built.get(name, ())))
        return both > 0 and _alike(given[:both], built[name][:both])
    if name.endswith(".version"):
        return given.numel() == 1
    if name in built and built[name].shape == given.shape:
        return torch.equal(built[name].to(given.dtype), given)
    if name.endswith("position_ids"):
        return torch.equal(given.flatten().long(), torch.arange(given.numel()))
    if name.endswith("token_type_ids"):
        return not given.any()
    return torch.equal(given != 0, torch.ones_like(given, dtype=torch.bool).tril())


def _frequencies(given: Tensor, built: Mapping[str, Tensor], config: Any) -> Iterator[Tensor]:
    """By which the network may rotate so many numbers; older files hold them before their scaling."""
    own = {name: buffer for name, buffer in built.items() if name.endswith("inv_freq")}
    yield from (buffer for buffer in own.values() if buffer.shape == given.shape)
    asked = getattr(config, "rope_parameters", None) or {}
    thetas = [one["rope_theta"] for one in [asked, *asked.values()] if isinstance(one, dict) and "rope_theta" in one]
    if any(buffer.shape == given.shape for buffer in own.values()) or not own:
        yield from (theta ** -(torch.arange(len(given)) / len(given)) for theta in thetas)


def _alike(given: Tensor, own: Tensor) -> bool:
    """Equal but for rounding to half precision."""
    if given.shape != own.shape or not given.is_floating_point():
        return False
    return torch.allclose(given.float(), own.float(), rtol=1e-2, atol=1e-2 if given.ndim > 1 else 1e-8)
