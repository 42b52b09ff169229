"""Opens a network by the first backend that reaches its heads: transformers' attention interface, or the bridge."""

from collections.abc import Mapping
from typing import Any

from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources import build_bridge_from_module

from interp.errors import InterpError, ModelError, closest
from interp.models.bridge import BridgeModel
from interp.models.dispatching import device_of, is_dispatched
from interp.models.hooking_errors import is_bridged
from interp.models.hugging_face.model import AttentionModel
from interp.models.inputs.pictures import PictureReader
from interp.models.inputs.tokenizer import TextReader
from interp.models.library_errors import refusing
from interp.models.quiet_libraries import quietly

Model = AttentionModel | BridgeModel

NO_OTHER_WAY = (
    " There is no other way into it: TransformerLens's bridge does not know the architecture. Allowed: models whose "
    "layers all attend through transformers' attention interface."
)
"""What is said of a model that the interface does not reach, and the bridge does not either."""

BACKENDS = ("auto", "attention", "bridge")
"""transformers' attention interface, TransformerLens's bridge, or the first of them that reaches a model's heads."""


def open_network(
    model: Any,
    reader: TextReader | PictureReader,
    name: str,
    trained_head: bool,
    provenance: Mapping[str, str],
    backend: str,
    device: str | None = None,
) -> Model:
    """The network on its device, its heads tapped by this backend; `auto` tries the attention interface first.

    Raises `ModelError` where no backend asked for reaches its heads, and says what the other one does; `InterpError`
    for another backend.
    """
    if backend not in BACKENDS:
        raise InterpError(f"model.backend={backend} is not known. {closest(backend, BACKENDS)}")
    spread = is_dispatched(model)
    with refusing(f"{name!r} ({type(model).__name__}) could not be put on device {device}"):
        model = (model if spread else model.to(device or device_of(model))).eval()
    # the bridge knows one site, and no pictures
    if backend == "bridge" and reader.grid is not None:
        raise ModelError(f"{name!r} is a model of pictures. Allowed for it: model.backend=attention.")
    bridged = is_bridged(model) and reader.grid is None and not spread
    unreached = ""
    try:
        if backend != "bridge":
            return _by_interface(model, reader, name, trained_head, provenance)
    except ModelError as error:
        if backend == "attention" or not bridged:
            way = (
                " TransformerLens's bridge may be another way into it: model.backend=auto tries both."
                if bridged
                else " On one device, without model.device_map, TransformerLens's bridge may be another way into it."
                if spread and is_bridged(model)
                else NO_OTHER_WAY
            )
            raise ModelError(f"{error}{way}") from error
        unreached = f" The other way, transformers' attention interface: {error}"
    try:
        bridge = _bridge(model, name)
        about = {**provenance, "backend": "bridge"}
        with refusing(f"The bridge of {name!r} ({type(model).__name__}) could not be read"):
            found = BridgeModel(bridge, reader.tokenizer, name=name, has_language_head=trained_head, provenance=about)
            return _with_heads(found)
    except ModelError as error:
        # a network that the bridge has begun to wrap can be tried in no other way any more
        way = "" if bridged else _way_by_interface(model, reader, name)
        raise ModelError(f"{error}{unreached or way}") from error


def _by_interface(
    model: Any, reader: TextReader | PictureReader, name: str, trained_head: bool, provenance: Mapping[str, str]
) -> AttentionModel:
    about = {**provenance, "backend": "attention"}
    with quietly(), refusing(f"{name!r} ({type(model).__name__}) could not be run on two tokens"):
        return _with_heads(AttentionModel(model, reader, name=name, has_language_head=trained_head, provenance=about))


def _with_heads(model: Any) -> Any:
    if not model.heads:
        raise ModelError(f"{model.name!r} has no attention heads. Allowed: at least one layer. Mend its config.json.")
    return model


def _way_by_interface(model: Any, reader: TextReader | PictureReader, name: str) -> str:
    """Whether transformers' attention interface reaches a model, as a piece of advice."""
    try:
        _by_interface(model, reader, name, trained_head=False, provenance={})
    except ModelError as error:
        return f" Nor does transformers' attention interface reach it: {error}"
    return " Allowed for it: model.backend=attention."


def _bridge(model: Any, name: str) -> TransformerBridge:
    kind = type(model).__name__
    if not is_bridged(model):
        if model.config.is_encoder_decoder:
            raise ModelError(f"{name!r} is an encoder-decoder, and TransformerLens's bridge is used for one site only.")
        raise ModelError(f"TransformerLens has no way into {name!r}: its bridge does not know {kind}.")
    model.config.architectures = [kind]
    model.config._attn_implementation = "eager"
    with quietly(), refusing(f"TransformerLens's bridge could not be built for {name!r} ({kind})"):
        # no tokenizer: TransformerLens would give it a start token, and reload it from where it came
        return build_bridge_from_module(model, kind, hf_config=model.config, model_name=name)
