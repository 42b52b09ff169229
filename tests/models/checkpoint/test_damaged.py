"""Directories that are damaged in every way: a refusal, never a traceback, never a hang."""

import json
import os
import random
import shutil
import struct
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import interp
from interp.api import prove
from interp.errors import InterpError, ModelError
from interp.models import backends, loading
from interp.models.library_errors import refusing
from tests.conftest import (
    Case,
    bert_config,
    byte_level_tokenizer,
    corpus_of,
    grouped_query_config,
    metaspace_tokenizer,
    seeded,
    word_piece_tokenizer,
)

CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny language model that loads."""
    folder = tmp_path_factory.mktemp("models") / "llama"
    tokenizer = metaspace_tokenizer()
    config = grouped_query_config(transformers.LlamaConfig, len(tokenizer))
    seeded(transformers.LlamaForCausalLM, config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    loading.local(folder)
    return folder


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "llama"))


def refusal(folder: Path, **options: Any) -> str:
    with pytest.raises(ModelError) as error:
        loading.local(folder, **options)
    return str(error.value)


# Files that are none


def as_pipe(path: Path) -> None:
    os.mkfifo(path)


def as_folder(path: Path) -> None:
    path.mkdir()


def as_link_to_nothing(path: Path) -> None:
    path.symlink_to("nowhere")


def as_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def as_empty(path: Path) -> None:
    path.touch()


@pytest.mark.parametrize("make", [as_pipe, as_folder, as_link_to_nothing, as_link_to_itself, as_empty])
@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
def test_what_is_no_file_is_named(name: str, make: Callable[[Path], None], folder: Path) -> None:
    (folder / name).unlink()
    make(folder / name)
    for init in ("pretrained", "random"):
        said = refusal(folder, init=init)
        empty = "could not be loaded from" if name == WEIGHTS else "is empty"
        assert name in said and (empty if make is as_empty else "is no file but") in said


@pytest.mark.parametrize("make", [as_folder, as_empty, as_pipe])
@pytest.mark.parametrize("name", ["all_results.json", "x.json", "trainer_state.json"])
def test_files_that_nothing_opens_are_no_matter(name: str, make: Callable[[Path], None], folder: Path) -> None:
    make(folder / name)
    loading.local(folder)


def test_a_pipe_that_only_a_tokenizer_would_open(folder: Path) -> None:
    (folder / "additional_chat_templates").mkdir()
    os.mkfifo(folder / "additional_chat_templates" / "tools.jinja")
    assert "tools.jinja is no file but a pipe or a device" in refusal(folder)
    shutil.rmtree(folder / "additional_chat_templates")
    os.mkfifo(folder / "vocab.bpe")
    assert "vocab.bpe is no file" in refusal(folder)


def test_a_path_that_the_system_does_not_take() -> None:
    for path in ("x" * 5000, "~no-such-user-here/model", "a\0b"):
        with pytest.raises(InterpError):
            loading.local(path)


# Settings that are none


@pytest.mark.parametrize("content", ["[]", '"llama"', "{", "[" * 100_000, "\xff\xfe"])
@pytest.mark.parametrize("name", [CONFIG, "tokenizer_config.json", "tokenizer.json", "generation_config.json", INDEX])
def test_settings_that_are_none(name: str, content: str, folder: Path) -> None:
    (folder / name).write_bytes(content.encode("latin-1"))
    if name == INDEX:
        (folder / WEIGHTS).unlink()
    assert str(folder) in refusal(folder) or "'llama'" in refusal(folder)


@pytest.mark.parametrize("placed", [None, [], "model.safetensors", {}, {"a": 1}, {"a": ["b"]}, {"a": None}])
def test_an_index_that_places_nothing(placed: Any, folder: Path) -> None:
    (folder / WEIGHTS).unlink()
    (folder / INDEX).write_text(json.dumps({"metadata": {}, "weight_map": placed}))
    assert "does not say which file holds which weight" in refusal(folder)


@pytest.mark.parametrize("value", ["big", -1, 0, None, 10**9, 10**30])
@pytest.mark.parametrize("init", ["pretrained", "random"])
@pytest.mark.parametrize(
    "name", ["hidden_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "intermediate_size"]
)
def test_numbers_that_cannot_be(name: str, value: Any, init: str, folder: Path) -> None:
    config = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps(config | {name: value}))
    try:
        loading.local(folder, init=init)
    except InterpError:
        return
    # None and True stand for a number in some settings; then it is one that makes a network
    assert value in (None, 1)


@pytest.mark.parametrize("name", ["vocab_size", "max_position_embeddings"])
def test_a_network_that_no_machine_holds_is_refused_before_it_is_made(name: str, tmp_path: Path) -> None:
    tokenizer = word_piece_tokenizer()
    seeded(transformers.BertForMaskedLM, bert_config(len(tokenizer))).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    config = json.loads((tmp_path / CONFIG).read_text())
    (tmp_path / CONFIG).write_text(json.dumps(config | {name: 10**10}))
    for init in ("pretrained", "random"):
        assert "asks for a network of " in refusal(tmp_path, init=init)


# Weights that are none


def test_a_header_that_claims_more_than_the_file(folder: Path) -> None:
    for claimed in (2**20, 2**33, 2**63):
        (folder / WEIGHTS).write_bytes(struct.pack("<Q", claimed) + b'{"a": ')
        assert "could not be loaded from" in refusal(folder)


@pytest.mark.parametrize("kept", [1, 7, 8, 9, 100, -1])
def test_weights_that_end_too_early(kept: int, folder: Path) -> None:
    (folder / WEIGHTS).write_bytes((folder / WEIGHTS).read_bytes()[:kept])
    assert "'llama' could not be loaded from" in refusal(folder)


# Any bytes, anywhere


def flip(chance: random.Random, content: bytes) -> bytes:
    changed = bytearray(content)
    for _ in range(chance.randint(1, 8)):
        changed[chance.randrange(len(changed))] = chance.randrange(256)
    return bytes(changed)


def cut(chance: random.Random, content: bytes) -> bytes:
    return content[: chance.randrange(1, len(content))]


def drop(chance: random.Random, content: bytes) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + content[start + chance.randint(1, 200) :] or b"{"


def repeat(chance: random.Random, content: bytes) -> bytes:
    start = chance.randrange(len(content))
    return content[:start] + content[start : start + chance.randint(1, 200)] * 3 + content[start:]


def another_value(chance: random.Random, content: bytes) -> bytes:
    """One setting, however deep, becomes something else; of weights, in their header."""
    header = content[8 : 8 + struct.unpack("<Q", content[:8])[0]] if content[:1] != b"{" else content
    settings = json.loads(header)
    place: Any = settings
    while True:
        key = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        if not isinstance(place[key], dict | list) or not place[key] or chance.random() < 0.2:
            break
        place = place[key]
    if chance.random() < 0.2 and isinstance(place, dict):
        del place[key]
    else:
        place[key] = chance.choice([None, True, -1, 0, 3, 2**40, 0.5, "", "x", [], {}, [[]], {"type": "x"}])
    written = json.dumps(settings).encode()
    return written if header is content else struct.pack("<Q", len(written)) + written + content[8 + len(header) :]


@pytest.mark.parametrize("name", [CONFIG, WEIGHTS, "tokenizer.json", "tokenizer_config.json", "generation_config.json"])
@pytest.mark.parametrize("change", [flip, cut, drop, repeat, another_value])
@pytest.mark.filterwarnings("ignore")
def test_damaged_directories_are_refused_or_are_models(
    name: str, change: Callable[[random.Random, bytes], bytes], folder: Path
) -> None:
    chance, content = random.Random(f"{name} {change.__name__}"), (folder / name).read_bytes()
    for _ in range(3):
        (folder / name).write_bytes(change(chance, content))
        try:
            model = loading.local(folder)
            prove(model, corpus_of())
        except InterpError:
            continue


# What other libraries raise


@pytest.mark.parametrize("kind", [ImportError, KeyError, TypeError, AttributeError, RecursionError, AssertionError])
def test_whatever_is_raised_is_a_refusal_with_its_reason_and_class(
    kind: type[Exception], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: Any, **_options: Any) -> None:
        raise kind("of some reason\nin two lines")

    places = [
        (transformers.AutoConfig, "from_pretrained"),
        (transformers.AutoTokenizer, "from_pretrained"),
        (transformers.AutoModelForCausalLM, "from_pretrained"),
        (transformers.LlamaForCausalLM, "__init__"),
        (transformers.LlamaModel, "forward"),
    ]
    for owner, name in places:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            with pytest.raises(ModelError, match=rf"of some reason.*\({kind.__name__}\)") as refused:
                loading.local(folder, backend="attention")
            assert isinstance(refused.value.__cause__, kind)
            assert "\n" not in str(refused.value)
    monkeypatch.setattr(backends, "build_bridge_from_module", fail)
    with pytest.raises(ModelError, match=rf"could not be built for 'llama' \(LlamaForCausalLM\).*\({kind.__name__}\)"):
        loading.local(folder, backend="bridge")


SIZES: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}
LAYERS: dict[str, Any] = {"encoder_layers": 2, "decoder_layers": 2, "d_model": 32}
AWKWARD: dict[str, tuple[Any, Callable[[], Any], str]] = {
    "falcon": (
        transformers.FalconForCausalLM,
        lambda: transformers.FalconConfig(**SIZES, num_kv_heads=2, new_decoder_architecture=True, alibi=False),
        "FalconForCausalLM",
    ),
    "funnel": (
        transformers.FunnelForMaskedLM,
        lambda: transformers.FunnelConfig(d_model=32, n_head=4, d_head=8, d_inner=64, block_sizes=[1, 1]),
        "FunnelForMaskedLM",
    ),
    "rwkv": (
        transformers.RwkvForCausalLM,
        lambda: transformers.RwkvConfig(hidden_size=32, num_hidden_layers=2, attention_hidden_size=32),
        "Rwkv",
    ),
    "two-berts": (
        transformers.EncoderDecoderModel,
        lambda: transformers.EncoderDecoderConfig.from_encoder_decoder_configs(*[bert_config(300)] * 2),
        "made of two models",
    ),
    "mamba": (
        transformers.MambaForCausalLM,
        lambda: transformers.MambaConfig(hidden_size=32, num_hidden_layers=2, state_size=4),
        "shows no heads",
    ),
    "led": (
        transformers.LEDForConditionalGeneration,
        lambda: transformers.LEDConfig(**LAYERS, encoder_ffn_dim=64, decoder_ffn_dim=64, attention_window=4),
        "led",
    ),
}
"""Families that neither way in can read, each for a reason of its own."""


@pytest.mark.parametrize("family", AWKWARD)
@pytest.mark.filterwarnings("ignore")
def test_a_family_that_cannot_be_read_is_refused_from_disk_and_as_an_object(family: str, tmp_path: Path) -> None:
    kind, configuration, said = AWKWARD[family]
    config, tokenizer = configuration(), byte_level_tokenizer()
    if family != "two-berts":
        config.vocab_size = len(tokenizer)
    model = seeded(kind, config)
    model.save_pretrained(tmp_path / family)
    tokenizer.save_pretrained(tmp_path / family)
    for load in (
        lambda: loading.local(tmp_path / family),
        lambda: interp.from_transformers(model, tokenizer, name=family),
    ):
        with pytest.raises(ModelError, match=said):
            prove(load(), corpus_of())


def test_a_failing_first_pass_of_the_gate_is_a_refusal(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loading.local(folder)
    monkeypatch.setattr(model.network.model, "forward", partial(_raise, IndexError("out of range")))
    with pytest.raises(ModelError, match=r"forward pass of 'llama' \(LlamaForCausalLM\) failed: out of range \(IndexE"):
        prove(model, corpus_of())


def _raise(error: BaseException, *_args: Any, **_options: Any) -> None:
    raise error


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, MemoryError, torch.OutOfMemoryError, InterpError])
def test_what_is_no_refusal_passes(kind: type[BaseException]) -> None:
    with pytest.raises(kind) as passed, refusing("The model"):
        raise kind("as it is")
    assert str(passed.value) == "as it is"


def test_a_panic_of_a_library_in_rust_is_a_refusal() -> None:
    panic = type("PanicException", (BaseException,), {})
    with (
        pytest.raises(ModelError, match=r"The model: no reason given \(PanicException\)\. Mend it\."),
        refusing("The model", "Mend it."),
    ):
        raise panic


def test_one_own_model_that_cannot_be_run(tiny_llama: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transformers.LlamaModel, "forward", partial(_raise, TypeError("of no kind")))
    with pytest.raises(ModelError, match=r"of no kind \(TypeError\)"):
        interp.from_transformers(tiny_llama.plain, tiny_llama.tokenizer, backend="attention")
