"""Files of a model under watch: a whole directory of which one file is damaged, and a GGUF file."""

import os
import shutil
import tempfile
from functools import cache
from pathlib import Path

import transformers

from interp.api import prove
from interp.models import loading
from tests.conftest import corpus_of, grouped_query_config, metaspace_tokenizer, seeded
from tests.fuzzing.watching import insist
from tests.support.gguf_files import tiny_llama, write_gguf

FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "generation_config.json")

WORDS = (
    *(
        b'"F32"',
        b'"BF16"',
        b'"I8"',
        b'"data_offsets"',
        b'"shape"',
        b'"auto_map"',
        b'"model_type"',
        b'"bert"',
        b'"gpt2"',
    ),
    *(b'"rope_parameters"', b"\x00" * 8, b"\xff" * 8, b"llama.", b"tokenizer.ggml.tokens"),
)


@cache
def whole() -> Path:
    """A tiny language model's directory."""
    folder = Path(tempfile.mkdtemp(prefix="fuzzing-model-"))
    tokenizer = metaspace_tokenizer()
    config = grouped_query_config(transformers.LlamaConfig, len(tokenizer))
    seeded(transformers.LlamaForCausalLM, config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def seeds_of(name: str) -> list[bytes]:
    """That file of it."""
    return [(whole() / name).read_bytes()]


def model(path: Path, name: str) -> None:
    """The directory with this file in the place of its own: loaded, and proved on a few texts."""
    folder = path.parent / "model"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(whole(), folder)
    (folder / name).write_bytes(path.read_bytes())
    loaded = loading.local(folder)
    insist(len(loaded.heads) > 0, "a model without heads")
    prove(loaded, corpus_of())


def gguf_seeds() -> list[bytes]:
    """A tiny model in one file."""
    with tempfile.TemporaryDirectory() as folder:
        return [write_gguf(Path(folder) / "tiny.gguf", tiny_llama()).read_bytes()]


def gguf(path: Path) -> None:
    """Dequantised into a cache of its own, loaded, and proved."""
    os.environ["INTERP_CACHE"] = str(path.parent / "cache")
    try:
        prove(loading.gguf(path), corpus_of())
    finally:
        shutil.rmtree(path.parent / "cache", ignore_errors=True)
