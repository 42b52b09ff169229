"""One's own transformers model, before it is copied: nothing that makes it another network may be lost on the way."""

import copy
from collections.abc import Collection, Iterator
from typing import Any

import torch
import transformers
from torch import nn
from transformers.initialization import no_init_weights

from interp.errors import ModelError
from interp.models.dispatching import is_dispatched
from interp.models.inputs.token_ids import forget_padding_beyond


def check_given(model: Any, name: str) -> None:
    """Raises `ModelError` for what is no model of transformers, adapters, quantised weights and other modules."""
    if not isinstance(model, transformers.PreTrainedModel):
        # torch.compile and DataParallel keep the model that they wrap
        wrapped = next((name for name in ("_orig_mod", "module") if hasattr(model, name)), None)
        way = "For a module of your own use interp.from_module."
        if hasattr(model, "merge_and_unload"):
            way = "Merge the adapter first: model.merge_and_unload()."
        elif wrapped is not None:
            way = f"Give the model that is wrapped in it: model.{wrapped}."
        raise ModelError(
            f"{name!r} ({type(model).__name__}) is no model of transformers. Allowed: a PreTrainedModel. {way}"
        )
    if is_dispatched(model):
        raise ModelError(
            f"{name!r} is laid out over several devices by accelerate, and a copy of it would be, too. Allowed: "
            "interp.load_model(DIR, device_map='auto'), which lays it out itself; or a model on one device."
        )
    if getattr(model, "is_quantized", False) or getattr(model, "hf_quantizer", None) is not None:
        raise ModelError(f"{name!r} has weights in fewer bits than are read here. Write them out: model.dequantize().")
    kind = type(model)
    if kind.__module__.startswith("transformers."):
        if not hasattr(transformers, kind.__name__):
            raise ModelError(
                f"{name!r} ({kind.__name__}) is a part of a model and no model by itself. Allowed: the classes that "
                "transformers offers, such as the whole model that it is taken from."
            )
        with torch.random.fork_rng(devices=[]), torch.device("meta"), no_init_weights():
            config = copy.deepcopy(model.config)
            config.dtype = model.dtype  # which saving a model turns into its name
            forget_padding_beyond(config)
            _check_modules(model, kind(config), name)


def check_copied(model: nn.Module, rebuilt: nn.Module, name: str, head: Collection[str] = ()) -> None:
    """Raises `ModelError` where the base model, built anew to put a head on it, would not compute the same.

    `head` are the modules of that head, where it lies within (T5's).
    """
    if not type(model).__module__.startswith("transformers."):
        raise ModelError(
            f"{name!r} without a language head is rebuilt from its weights, and {type(model).__name__} is a class of "
            "your own, which would be lost. Allowed: the base models of transformers."
        )
    _check_modules(model, rebuilt, name, head)
    hooked = [
        part or "the model itself"
        for part, module in model.named_modules()
        if "forward" in vars(module) or any(map(_foreign, _hooks(module)))
    ]
    if hooked:
        raise ModelError(
            f"{name!r} without a language head is rebuilt from its weights, and what is hooked to {hooked[0]} would be "
            "lost. Remove the hooks."
        )
    for part, buffer in rebuilt.named_buffers():
        own = dict(model.named_buffers()).get(part)
        if own is not None and not (own.shape == buffer.shape and torch.equal(own.to(buffer), buffer)):
            raise ModelError(
                f"{name!r} without a language head is rebuilt from its weights, and its {part} is not what "
                f"{type(rebuilt).__name__} computes. Allowed: the constants of the class."
            )


def _hooks(module: nn.Module) -> Iterator[Any]:
    yield from module._forward_hooks.values()
    yield from module._forward_pre_hooks.values()


def _foreign(hook: Any) -> bool:
    """transformers has hooks of its own, by which it collects outputs."""
    return not getattr(hook, "__module__", "").startswith("transformers.")


def _check_modules(model: nn.Module, built: nn.Module, name: str, aside: Collection[str] = ()) -> None:
    """A pooler is not read, and may be there or not; so may the modules aside."""
    own, expected = _kinds(model), _kinds(built)
    for part in sorted(own | expected):
        given, plain = own.get(part, "nothing"), expected.get(part, "nothing")
        if given != plain and not part.startswith("pooler") and part not in aside:
            raise ModelError(
                f"In {name!r} {part} is {given}, where {type(built).__name__} has {plain}: an adapter, fewer bits, or "
                "other modules. Allowed: the modules of the class. Merge adapters (model.merge_and_unload()), remove "
                "parametrizations (torch.nn.utils.parametrize.remove_parametrizations), and write out quantised "
                "weights (model.dequantize())."
            )


def _kinds(model: nn.Module) -> dict[str, str]:
    return {part: type(module).__name__ for part, module in model.named_modules() if part}
