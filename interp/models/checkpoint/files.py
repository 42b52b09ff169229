"""A Hugging Face directory on disk: whether it is one, which files are loaded, and the hashes of what it holds."""

import json
import re
from collections.abc import Mapping
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path, PurePath
from typing import Any

from interp.errors import ModelError, cut_path
from interp.models.inputs.pictures import PICTURES

TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model", "*.tiktoken")
"""What a tokenizer may be read from, by any of these."""

PREPROCESSOR = "preprocessor_config.json"
"""How a model's pictures are resized and normalised."""

WEIGHTS, INDEX = "model.safetensors", "model.safetensors.index.json"
"""The weights in one file; or the list of the files that hold them."""

NUMBERED = re.compile(r"(model|shard)-\d+.*\.safetensors")
"""How the parts of weights in several files are named."""

READ = (".json", ".safetensors", ".txt", ".model", ".tiktoken", ".jinja")
"""How the files end that transformers may open."""

OPENED = re.compile(
    r"(vocab.*|merges|config.*|modules|(tokenizer|generation_config|model|\w*preprocessor|adapter|sentence_).*"
    r"|special_tokens_map|added_tokens|chat_template.*|.*\.index|.*tokenizer.*|processor_config)\.json"
)
"""The names of the JSON files that may be opened."""

ADAPTERS = ("adapter_config.json", "adapter_model.*", "adapter*.safetensors", "*lora*.safetensors")
"""Weights that are to be added to a network's own."""


BESIDE_WEIGHTS = (
    *("config.json", "generation_config.json", "modules.json", "sentence_bert_config.json", "[0-9]_*/config.json"),
    *("preprocessor_config.json", "processor_config.json", "tokenizer_config.json", "special_tokens_map.json"),
    *("added_tokens.json", "chat_template.*", "additional_chat_templates/*", "merges.txt", "bpe.codes", "dict.txt"),
    *("*vocab*.json", "prophetnet.tokenizer", "*.spm", INDEX),
)
"""What else is read of a model directory: settings, and what tokenizers of any kind are made of."""


def check_folder(folder: Path) -> None:
    """Raises `ModelError` for what is no model directory, pickled weights only, and where nothing says how it reads.

    A model of text needs its tokenizer, one of pictures its image processor. Also for an adapter, which is no model by
    itself and makes another one of the weights beside it, and for what is no file to read.
    """
    if not folder.is_dir():
        beside = [p.name for p in folder.parent.iterdir() if p.is_dir()] if folder.parent.is_dir() else []
        match = get_close_matches(folder.name, beside, n=1)
        near = f"Did you mean {match[0]!r}?" if match else "Check the path."
        raise ModelError(
            f"model.path={folder} is no directory. Allowed: a Hugging Face model directory (config.json, "
            f"tokenizer.json, *.safetensors). {near}"
        )
    for path in [*folder.iterdir(), *folder.glob("additional_chat_templates/*")]:
        _check_file(path)
    if adapters := sorted({path.name for pattern in ADAPTERS for path in folder.glob(pattern)}):
        raise ModelError(
            f"{folder} holds an adapter ({', '.join(adapters)}), which is not read here: the network without it is "
            "another one. Allowed: the weights of a whole model. "
            "Merge them with peft: model.merge_and_unload().save_pretrained(DIR)."
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
        if not (folder / INDEX).is_file():
            raise ModelError(
                f"{folder} holds {what}. Allowed: *.safetensors. "
                "Convert it where you trust it: model.save_pretrained(DIR) writes safetensors."
            )
    if of_pictures(folder):
        if not (folder / PREPROCESSOR).is_file():
            raise ModelError(
                f"{folder} holds no {PREPROCESSOR}, which says how pictures are resized and normalised for the model. "
                "Put it there: transformers' AutoImageProcessor.from_pretrained(NAME).save_pretrained(DIR)."
            )
    elif not any(path for pattern in TOKENIZER_FILES for path in folder.glob(pattern)):
        # transformers would make an empty tokenizer, to which every word is unknown
        raise ModelError(
            f"{folder} holds no tokenizer. Allowed: a fast tokenizer (tokenizer.json). "
            "Put it there: tokenizer.save_pretrained(DIR). Tokenizers of bytes or single characters (ByT5, CANINE) "
            "have no such form."
        )


def _check_file(path: Path) -> None:
    """Of the JSON files only those that transformers opens by their names: others (all_results.json) are no matter."""
    if path.suffix not in READ and not path.name.startswith("vocab."):
        return
    if path.suffix == ".json" and not OPENED.fullmatch(path.name):
        return
    if not path.is_file():
        kind = "a directory" if path.is_dir() else "a link to nothing" if path.is_symlink() else "a pipe or a device"
        raise ModelError(f"{path} is no file but {kind}. Allowed: files. Put the file there, or take it away.")
    if path.suffix == ".json" and path.stat().st_size == 0:
        raise ModelError(f"{path} is empty. Put the whole file there, or take it away.")


def of_pictures(folder: Path) -> bool:
    """Whether the model reads pictures, by its config.json. Raises `ModelError` for one that cannot be read."""
    return read_json(folder / "config.json").get("model_type") in PICTURES


def read_json(path: Path, kind: type = dict) -> Any:
    """What a file of settings holds. Raises `ModelError` for what is no JSON, or of another kind."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise ModelError(
            f"{path.parent} could not be read as a model: {path.name} is no JSON ({error}). Mend the file."
        ) from error
    if not isinstance(content, kind):
        raise ModelError(
            f"{path.parent} could not be read as a model: {path.name} holds a {type(content).__name__}. "
            f"Allowed: a JSON {'object, {…}' if kind is dict else 'list, […]'}."
        )
    return content


# Which files are loaded


def weight_files(folder: Path) -> list[Path]:
    """The files that transformers loads, in the order of their names: model.safetensors, or those of its index.

    Raises `ModelError` where there are two sets of weights, and for a file that is not there or lies elsewhere.
    """
    single, index = folder / WEIGHTS, folder / INDEX
    indexed = _shards(index) if index.is_file() else []
    numbered = [path.name for path in folder.glob("*.safetensors") if NUMBERED.fullmatch(path.name)]
    if single.is_file():
        if others := sorted({*indexed, *numbered} - {WEIGHTS}):
            raise ModelError(
                f"{folder} holds two sets of weights: {WEIGHTS}, and {', '.join(others[:3])}. "
                "Allowed: one. Take the other one away, with its index."
            )
        return [_inside(folder, WEIGHTS)]
    if not indexed:
        found = ", ".join(sorted(path.name for path in folder.glob("*.safetensors"))[:3])
        raise ModelError(
            f"{folder} holds neither {WEIGHTS} nor {INDEX}, which are what is loaded, but {found}. "
            f"Rename the file to {WEIGHTS}, or put the index there."
        )
    if others := sorted(set(numbered) - set(indexed)):
        raise ModelError(
            f"{folder} holds {', '.join(others[:3])}, which {INDEX} does not name. "
            "Allowed: one set of weights. Take the other one away, or mend the index."
        )
    return [_inside(folder, name) for name in indexed]


def read_files(folder: Path) -> list[Path]:
    """All that a model is made of, in the order of the names: weights, settings, tokenizer, and adapters.

    Not what lies beside it: notes, logs of training, weights for other libraries. Of weights that are refused, all are.
    """
    patterns = [*BESIDE_WEIGHTS, *TOKENIZER_FILES, *ADAPTERS]
    try:
        weights = weight_files(folder)
    except ModelError:
        # who loads them says so
        weights = list(folder.glob("*.safetensors"))
    found = {path for pattern in patterns for path in folder.glob(pattern)} | set(weights)
    return sorted(path for path in found if path.is_file())


def unread_files(folder: Path) -> list[str]:
    """Other weights in the directory, which nothing loads."""
    loaded = weight_files(folder)
    return [f"the file {path.name}" for path in sorted(folder.glob("*.safetensors")) if path not in loaded]


def is_whole(folder: Path) -> bool:
    """Whether all weights are there: something else may have put no more than a tokenizer into the cache."""
    index = folder / INDEX
    if index.is_file():
        return all((folder / shard).is_file() for shard in _shards(index))
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


def _shards(index: Path) -> list[str]:
    placed = read_json(index).get("weight_map")
    if not isinstance(placed, dict) or not placed or not all(isinstance(name, str) for name in placed.values()):
        raise ModelError(
            f"{index} does not say which file holds which weight. Allowed: weight_map, from names to files. "
            "Write it anew with model.save_pretrained(DIR)."
        )
    return sorted(set(placed.values()))


def _inside(folder: Path, name: str) -> Path:
    """A file of the directory; the hub's cache keeps the files themselves beside its snapshots, under blobs/."""
    path, home = folder / name, folder.resolve()
    outside = PurePath(name).is_absolute() or ".." in PurePath(name).parts
    if not outside and not path.is_file():
        raise ModelError(f"{folder} lacks {cut_path(name)}, which {INDEX} names. Put the file there.")
    allowed = [home, *([home.parents[1] / "blobs"] if home.parent.name == "snapshots" else [])]
    if outside or not any(path.resolve().is_relative_to(place) for place in allowed):
        raise ModelError(
            f"{folder} loads weights from outside: {cut_path(name)} is {path.resolve()}. Allowed: files "
            "in the directory itself, "
            "which the hash in the manifest is of. Copy the file there."
        )
    return path


# Hashes


def file_digest(path: Path) -> str:
    """sha256 of a file's bytes, in hex."""
    digest = sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def weights_digest(folder: Path, known: Mapping[str, str] | None = None) -> str:
    """sha256 of the weight file; of the files' names and sha256s, in order, where several are loaded.

    Files whose sha256 is `known` by their name in the folder are not read for it.
    """
    known = known or {}
    names = [file.relative_to(folder).as_posix() for file in weight_files(folder)]
    digests = [known.get(name) or file_digest(folder / name) for name in names]
    if len(names) == 1:
        return digests[0]
    listed = "".join(f"{name} {digest}\n" for name, digest in zip(names, digests, strict=True))
    return sha256(listed.encode()).hexdigest()


def reader_digest(folder: Path) -> dict[str, str]:
    """The hash of what the model reads with, by the name that the manifest has for it."""
    if of_pictures(folder):
        return {"preprocessor_sha256": file_digest(folder / PREPROCESSOR)}
    return {"tokenizer_sha256": tokenizer_digest(folder)}


def tokenizer_digest(folder: Path) -> str:
    """sha256 of tokenizer.json, or `none` where the tokenizer is made of other files."""
    file = folder / "tokenizer.json"
    return file_digest(file) if file.is_file() else "none"
