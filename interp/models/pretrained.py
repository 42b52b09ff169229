"""Builds the network of a Hugging Face directory, pretrained or with random weights, and checks what it read."""

import copy
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
import transformers

from interp.devices import pick_device, pick_dtype
from interp.errors import InterpError, ModelError, closest, cut_path
from interp.models.auto_classes import auto_class, check_kind, encoder_alone, encodes_only
from interp.models.backends import Model, open_network
from interp.models.checkpoint.files import unread_files, weight_files
from interp.models.checkpoint.loaded_weights import check_loaded, not_finite, outline, stored_weights
from interp.models.checkpoint.settings import check_asked, check_rotation
from interp.models.dispatching import (
    Placement,
    dispatch,
    fill_in,
    folder_for_weights,
    laying_out,
    remove_with,
    say_what_is_offloaded,
)
from interp.models.hugging_face import language_head
from interp.models.inputs.opening import reader_of, tokenizer_or_processor
from interp.models.inputs.token_ids import forget_padding_beyond
from interp.models.library_errors import refusing
from interp.models.quiet_libraries import quietly


def from_folder(
    folder: str,
    name: str,
    provenance: Mapping[str, str],
    init: str,
    seed: int,
    device: str,
    dtype: str,
    backend: str,
    where: Placement | None = None,
) -> Model:
    """The model of a folder whose files were seen to be whole; options as in `interp.models.loading.local`.

    Raises `ModelError` for what is not supported, for weights that are not those of its config.json, and for whatever
    transformers raises; `InterpError` for another `init`. Without `where` all weights go to the device.
    """
    precision = pick_dtype(dtype)
    if init not in ("pretrained", "random"):
        raise InterpError(f"model.init={init} is not known. {closest(init, ['pretrained', 'random'])}")
    place = pick_device(device)
    with quietly(), refusing(f"{folder} could not be read as a model"):
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
        check_kind(config, name)
        beside = [*check_asked(Path(folder), config), *unread_files(Path(folder))]
        forget_padding_beyond(config)
        config.return_dict = True  # outputs are read by their names
        read_with = tokenizer_or_processor(folder, config)
        factory = auto_class(config)
        stored = stored_weights(weight_files(Path(folder)), name)
        planned = outline(factory, copy.deepcopy(config), stored, folder)
        with refusing(f"{name!r} ({type(planned).__name__}) could not be loaded from {folder}"):
            if init == "random":
                torch.default_generator.manual_seed(seed)
                model = factory.from_config(config, attn_implementation="eager", dtype=precision)
                head, label = language_head.of_directory(config, model, None), f"{name}-random"
                model = model if where is None else dispatch(model, where)
                provenance = dict(provenance) | {"weights_sha256": f"random from seed {seed}"}
            else:
                model, head, unused = _pretrained(factory, folder, precision, config, where)
                beside += check_loaded(model, unused, stored, planned, folder)
                broken = not_finite(model)
                provenance = dict(provenance) | ({"not_finite": broken} if broken else {})
                label = name
            check_rotation(folder, model)
    model = encoder_alone(model) if encodes_only(model.config) else model
    if beside:
        provenance = dict(provenance) | {"not_used": "; ".join(beside)}
    say_what_is_offloaded(model, label)
    reader = reader_of(model, read_with, name)
    about = {**provenance, **head.doubts}
    return open_network(model, reader, label, head.trained, about, backend, place if where is None else None)


def _pretrained(
    factory: Any, folder: str, dtype: torch.dtype, config: Any, where: Placement | None
) -> tuple[Any, language_head.LanguageHead, set[str]]:
    """The model, its language head, and the weights that it has no place for."""
    offloaded = None if where is None else folder_for_weights()
    try:
        model, info = laying_out(
            lambda: factory.from_pretrained(
                folder,
                config=config,
                use_safetensors=True,
                trust_remote_code=False,
                attn_implementation="eager",
                dtype=dtype,
                output_loading_info=True,
                key_mapping=language_head.renamed(config, factory),
                ignore_mismatched_sizes=True,  # they are refused below, by name
                **({} if where is None or offloaded is None else where.options(offloaded)),
            )
        )
    except BaseException:
        if offloaded is not None:
            shutil.rmtree(offloaded, ignore_errors=True)
        raise
    if offloaded is not None:
        remove_with(model, offloaded)
    of_head = set(language_head.keys(model))
    absent = [key for key in info["missing_keys"] if key not in of_head and "pooler." not in key]
    if absent or info["mismatched_keys"]:
        if shaped := sorted(info["mismatched_keys"]):
            name, found, built = shaped[0]
            raise ModelError(
                f"{folder} holds {len(shaped)} weights of another shape than config.json asks for ({cut_path(name)} is "
                f"{list(found)}, and {list(built)} is asked for). Mend config.json or the weights."
            )
        wrong = sorted(absent)
        raise ModelError(
            f"{folder} lacks {len(wrong)} of the weights that its config.json asks for "
            f"({', '.join(map(cut_path, wrong[:3]))}, …): "
            "they would be random. Mend the directory, or use model.init=random for a model that is random on purpose."
        )
    fill_in(model, info["missing_keys"])
    head = language_head.of_directory(config, model, info["missing_keys"])
    return model, head, info["unexpected_keys"]
