"""A Hugging Face directory on disk: whether it is one, and the hashes of what it holds."""

import json
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path

from interp.errors import ModelError
from interp.models.pictures import PICTURES

TOKENIZER_FILES = ("tokenizer.json", "vocab.*", "*.model", "*.tiktoken")
"""What a tokenizer may be read from, by any of these."""

PREPROCESSOR = "preprocessor_config.json"
"""How a model's pictures are resized and normalised."""


def check_folder(folder: Path) -> None:
    """Raises `ModelError` for what is no model directory, pickled weights only, and where nothing says how it reads.

    A model of text needs its tokenizer, one of pictures its image processor.
    """
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
            "Put it there: tokenizer.save_pretrained(DIR)."
        )


def of_pictures(folder: Path) -> bool:
    """Whether the model reads pictures, by its config.json; one that cannot be read is left to transformers."""
    try:
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    except ValueError:
        return False
    return isinstance(config, dict) and config.get("model_type") in PICTURES


def is_whole(folder: Path) -> bool:
    """Whether all weights are there: something else may have put no more than a tokenizer into the cache."""
    index = folder / "model.safetensors.index.json"
    if index.is_file():
        shards = set(json.loads(index.read_text())["weight_map"].values())
        return all((folder / shard).is_file() for shard in shards)
    return (folder / "config.json").is_file() and any(folder.glob("*.safetensors"))


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


def reader_digest(folder: Path) -> dict[str, str]:
    """The hash of what the model reads with, by the name that the manifest has for it."""
    if of_pictures(folder):
        return {"preprocessor_sha256": file_digest(folder / PREPROCESSOR)}
    return {"tokenizer_sha256": tokenizer_digest(folder)}


def tokenizer_digest(folder: Path) -> str:
    """sha256 of tokenizer.json, or `none` where the tokenizer is made of other files."""
    file = folder / "tokenizer.json"
    return file_digest(file) if file.is_file() else "none"
