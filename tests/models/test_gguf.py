"""GGUF files against the models that they were written from; SmolLM2 against transformers' own reading of its file."""

import copy
import importlib.util
import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
import transformers

from interp import metrics
from interp.ablation.replacements import REPLACEMENTS
from interp.ablation.sweep import alone, sweep
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.errors import ModelError
from interp.models import gguf as module
from interp.models.gguf import PRE_TOKENIZERS, cache, gguf, smollm2, smollm2_file
from interp.progress import silent
from interp.types import Head
from tests.conftest import batch_of, corpus_of
from tests.support.gguf_files import tiny_llama, write_gguf

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)
needs_gguf = pytest.mark.skipif(importlib.util.find_spec("gguf") is None, reason="the package gguf is not installed")
pytestmark = needs_gguf
TEXTS = ("the cat in 1984, 12345 people's", "the 12 the", "then")


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("INTERP_CACHE", str(tmp_path / "kept"))
    return tmp_path / "kept"


def patterns(model: Any, text: str) -> dict[int, torch.Tensor]:
    found: dict[int, torch.Tensor] = {}
    model.run(batch_of(model, [text]), pattern=lambda _site, layer, one: found.update({layer: one.clone()}))
    return found


def test_a_file_is_the_model_that_it_was_written_from(tmp_path: Path) -> None:
    written = tiny_llama()
    model = gguf(write_gguf(tmp_path / "tiny.gguf", written), device="cpu")
    assert model.name == "tiny" and model.causal and model.has_language_head and len(model.heads) == 8
    assert model.provenance["dequantised_from"] == "F32 (20 tensors)"
    written.set_attn_implementation("eager")
    for text in TEXTS:
        (encoding,) = model.encode([text])
        tokens = torch.from_numpy(encoding.tokens.astype(np.int64))[None]
        with torch.no_grad():
            expected = written(tokens, output_attentions=True)
        logits = model.run(batch_of(model, [text])).logits
        assert logits is not None
        torch.testing.assert_close(logits[0], expected.logits[0], atol=1e-5, rtol=1e-5)
        for layer, pattern in patterns(model, text).items():
            torch.testing.assert_close(pattern[0], expected.attentions[layer][0], atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize(
    ("pre", "expected"),
    [
        ("smollm", ["the", "Ġ", "1", "2", "3", "4", "Ġthe"]),
        ("gpt-2", ["the", "Ġ", "1234", "Ġthe"]),
        (None, ["the", "Ġ", "1234", "Ġthe"]),
        ("llama-bpe", ["the", "Ġ", "123", "4", "Ġthe"]),
        ("qwen2", ["the", "Ġ", "1", "2", "3", "4", "Ġthe"]),
    ],
)
def test_texts_are_cut_as_the_file_says(tmp_path: Path, pre: str | None, expected: list[str]) -> None:
    model = gguf(write_gguf(tmp_path / "tiny.gguf", tiny_llama(), pre=pre), device="cpu")
    text = "the 1234 the"
    (encoding,) = model.encode([text])
    tokens: Any = model.tokenizer  # pyright: ignore[reportAttributeAccessIssue] - of a model of text
    assert tokens.convert_ids_to_tokens(encoding.tokens.tolist()) == expected
    spelt = [text[start:end] for start, end in encoding.offsets.tolist()]
    assert spelt == [one.replace("Ġ", " ") for one in expected]


@pytest.mark.parametrize("starts", [True, False])
def test_a_text_begins_as_the_file_says(tmp_path: Path, starts: bool) -> None:
    model = gguf(write_gguf(tmp_path / "tiny.gguf", tiny_llama(), add_bos=starts), device="cpu")
    (encoding,) = model.encode(["the"])
    assert (encoding.tokens[0] == 0) == starts and bool(encoding.special[0]) == starts


def test_what_was_dequantised_is_kept_and_checked(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    first = gguf(file, device="cpu")
    (kept,) = own_cache.iterdir()
    calls: list[Path] = []
    write = module.write
    monkeypatch.setattr(module, "write", lambda one, folder: (calls.append(one), write(one, folder)))
    again = gguf(file, device="cpu")
    assert not calls and again.provenance == first.provenance
    weights = kept / "model.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    mended = gguf(file, device="cpu")
    assert calls == [file] and mended.provenance == first.provenance
    assert [one.name for one in own_cache.iterdir()] == [kept.name], "nothing half-made is left"
    assert "types" in json.loads((kept / module.CONTENT).read_text())


def test_two_runs_at_once_leave_one_whole_directory(
    tmp_path: Path, own_cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While one is written, another run finishes the same: what that one reads from is not taken away."""
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    write = module.write
    left: list[int] = []

    def slower(one: Path, folder: Path) -> None:
        write(one, folder)
        if not left:
            left.append(0)
            gguf(file, device="cpu")
            left[0] = next(own_cache.glob("[!.]*/model.safetensors")).stat().st_ino

    monkeypatch.setattr(module, "write", slower)
    gguf(file, device="cpu")
    (kept,) = own_cache.iterdir()
    assert (kept / "model.safetensors").stat().st_ino == left[0]


def test_weights_at_random_are_of_the_same_shape(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    one, other, pretrained = (
        gguf(file, init=init, seed=seed, device="cpu")
        for init, seed in (("random", 1), ("random", 2), ("pretrained", 0))
    )
    assert one.name == "tiny-random" and one.heads == pretrained.heads
    assert not torch.allclose(patterns(one, TEXTS[0])[0], patterns(other, TEXTS[0])[0])


LYING: dict[str, int | bytes] = {"tensors": 8, "values": 16, "tokens": b"tokenizer.ggml.tokens"}
"""Where the header counts something: at a byte, or in the list of this name."""


def damaged(path: Path, kind: str) -> Path:
    file = write_gguf(path, tiny_llama(), architecture="unheard-of" if kind == "architecture" else "llama")
    if kind == "text":
        file.write_text("no GGUF at all")
    if kind == "cut":
        file.write_bytes(file.read_bytes()[:2000])
    if kind == "half":
        content = file.read_bytes()
        file.write_bytes(content[: len(content) // 2])
    if kind == "empty":
        file.write_bytes(b"")
    if kind == "magic":
        file.write_bytes(b"GGUF")
    if kind in LYING:
        content, mark = bytearray(file.read_bytes()), LYING[kind]
        # a list has its type and that of its values, of four bytes each, before its length
        place = mark if isinstance(mark, int) else content.index(mark) + len(mark) + 8
        content[place : place + 8] = (2**40).to_bytes(8, "little")
        file.write_bytes(content)
    if kind == "deep":
        # a list in a list, two thousand times
        header = b"GGUF" + (3).to_bytes(4, "little") + (0).to_bytes(8, "little") + (1).to_bytes(8, "little")
        inside = ((9).to_bytes(4, "little") + (1).to_bytes(8, "little")) * 2000
        file.write_bytes(header + (1).to_bytes(8, "little") + b"x" + (9).to_bytes(4, "little") + inside)
    return file


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("text", "is no GGUF file: it does not begin with GGUF"),
        ("empty", "is no GGUF file"),
        ("magic", "is damaged: at byte 4 of 4 its header"),
        ("cut", "is damaged: at byte"),
        ("tensors", "is damaged: at byte"),
        ("values", "is damaged: at byte"),
        ("tokens", "is damaged: at byte"),
        ("deep", "is damaged: at byte"),
        ("half", "could not be read as a GGUF file"),
        ("architecture", "could not be read as a GGUF file"),
    ],
)
def test_what_is_damaged_is_refused_by_name(tmp_path: Path, own_cache: Path, kind: str, said: str) -> None:
    file = damaged(tmp_path / "tiny.gguf", kind)
    with pytest.raises(ModelError, match=said) as refused:
        gguf(file, device="cpu")
    assert str(file) in str(refused.value)
    assert not own_cache.is_dir() or not any(own_cache.iterdir())


def test_a_file_that_is_not_there_is_answered_with_the_closest(tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    with pytest.raises(ModelError, match=r"is no file\. Allowed: a GGUF file\. Did you mean 'tiny\.gguf'"):
        gguf(tmp_path / "tin.gguf")


def test_a_way_to_cut_that_is_not_known_is_refused(tmp_path: Path) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama(), pre="smolm")
    with pytest.raises(
        ModelError, match=r"tokenizer\.ggml\.pre=smolm, which is not known here\. Did you mean 'smollm'"
    ):
        gguf(file)
    assert len(PRE_TOKENIZERS) > 5


def test_without_the_package_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    monkeypatch.setattr(module, "find_spec", lambda _: None)
    with pytest.raises(ModelError, match=r"needs the package gguf.*pip install 'interp\[gguf\]'"):
        gguf(file)


def test_the_command_line_runs_on_a_file(interp: Callable[..., "Outcome"], tmp_path: Path) -> None:
    write_gguf(tmp_path / "tiny.gguf", tiny_llama())
    outcome = interp(
        *("experiment=head_roles", "roles=positional", "model=gguf", "model.path=tiny.gguf", "corpus.documents=20"),
        *("device=cpu", "hydra.run.dir=run"),
    )
    assert outcome.code == 0, outcome.err
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["model"]["dequantised_from"].startswith("F32") and manifest["gate"]["status"] == "passed"


def test_the_cache_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("INTERP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache() == tmp_path / "interp" / "gguf"


# SmolLM2


def smollm2_or_skip() -> Path:
    try:
        return smollm2_file()
    except ModelError:
        pytest.skip("SmolLM2 is not installed: make smollm2")


def test_smollm2_is_what_transformers_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    file = smollm2_or_skip()
    # the user's own cache: half a gigabyte is not written for every run of the tests
    monkeypatch.delenv("INTERP_CACHE")
    model = smollm2(device="cpu")
    assert len(model.heads) == 270 and model.positions == 8192
    assert model.provenance["dequantised_from"].startswith("Q4_1")
    (encoding,) = model.encode(["In 1984, 12345 people"])
    spelt = ["In", " ", "1", "9", "8", "4", ",", " ", "1", "2", "3", "4", "5", " people"]
    places = np.cumsum([0, *map(len, spelt)]).tolist()
    assert encoding.offsets.tolist() == [list(pair) for pair in pairwise(places)]
    plain: Any = transformers.AutoModelForCausalLM.from_pretrained(
        file.parent, gguf_file=file.name, dtype=torch.float32, attn_implementation="eager"
    )
    text = "When Mary and John went to the store, John gave a drink to"
    batch = batch_of(model, [text])
    with torch.no_grad():
        expected = plain(batch.tokens, output_attentions=True)
    output = model.run(batch)
    assert output.logits is not None
    torch.testing.assert_close(output.logits.log_softmax(-1), expected.logits.log_softmax(-1), atol=1e-4, rtol=0)
    for layer, pattern in patterns(model, text).items():
        torch.testing.assert_close(pattern, expected.attentions[layer], atol=1e-5, rtol=0)


def test_another_file_in_its_place_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    smollm2_or_skip()
    monkeypatch.setattr(module, "SMOLLM2_SHA256", "0" * 64)
    with pytest.raises(ModelError, match=r"have sha256 b179c9523d0e.*Reinstall the package: make smollm2"):
        smollm2()


def test_without_its_package_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SMOLLM2_PACKAGE", "llm-smollm-that-is-not")
    with pytest.raises(ModelError, match=r"which is not installed\. Install it: make smollm2"):
        smollm2()


SWEPT = ("John gave a drink to Mary.", "The cat sat on the mat, and the dog saw it there.", "It rained.")
"""Of different lengths, so that there is padding."""

CHOSEN = (Head("self", 2, 4), Head("self", 29, 8))


@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_ablated_smollm2_is_plain_transformers_with_a_hook(engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    smollm2_or_skip()
    monkeypatch.delenv("INTERP_CACHE")
    model: Any = smollm2(device="cpu", backend="attention")
    plain = transformers.LlamaForCausalLM(copy.deepcopy(model.network.config)).eval()
    plain.load_state_dict(model.network.state_dict())
    plain.set_attn_implementation("eager")
    encoded = encode(model, corpus_of(SWEPT))
    tokens = [torch.from_numpy(one.tokens.astype(np.int64))[None] for one in encoded.encodings]
    own = [written(plain, one) for one in tokens]
    cycle = np.random.default_rng(0).permutation(len(SWEPT)).tolist()
    for replacement in REPLACEMENTS if engine == "fast" else ("uniform",):
        substitute = REPLACEMENTS[replacement](model, encoded, 0, silent)
        (sums,) = sweep(
            model,
            batches(encoded, model),
            substitute,
            [metrics.LOG_PROB],
            ablation="",
            sets=alone(CHOSEN),
            engine=engine,
        )
        for row, (_, layer, head) in enumerate(CHOSEN):
            expected = 0.0
            for number, one in enumerate(tokens):
                z, value = own[number][layer]
                donor = own[cycle[(cycle.index(number) + 1) % len(cycle)]][layer][0][:, head]
                count = torch.arange(1, len(z) + 1)[:, None]
                by = {
                    "zero": torch.zeros_like(z[:, head]),
                    "mean": torch.cat([of_layer[layer][0] for of_layer in own])[:, head].mean(0).expand_as(z[:, head]),
                    "resample": donor[torch.arange(len(z)) % len(donor)],
                    # three query heads share a key-value head
                    "uniform": value[:, head // 3].cumsum(0) / count,
                }[replacement]
                expected += log_probability(plain, one) - log_probability(plain, one, layer, head, by)
            assert abs(expected) > 1e-3
            assert sums.effect[row].sum() == pytest.approx(expected, abs=1e-4), (replacement, layer, head)


@torch.no_grad()
def written(plain: Any, tokens: torch.Tensor) -> list[tuple[torch.Tensor, torch.Tensor]]:
    """Each layer's z [query, head, d_head] and v [key, shared head, d_head] of one document alone."""
    found: dict[tuple[int, str], torch.Tensor] = {}
    handles = []
    for number, layer in enumerate(plain.model.layers):
        attention = layer.self_attn
        handles += [
            attention.o_proj.register_forward_pre_hook(lambda _m, args, n=number: found.update({(n, "z"): args[0][0]})),
            attention.v_proj.register_forward_hook(lambda _m, _a, out, n=number: found.update({(n, "v"): out[0]})),
        ]
    plain(tokens)
    for handle in handles:
        handle.remove()
    z, v = ([found[number, of].unflatten(-1, (-1, 64)) for number in range(30)] for of in "zv")
    return list(zip(z, v, strict=True))


@torch.no_grad()
def log_probability(
    plain: Any, tokens: torch.Tensor, layer: int = 0, head: int = 0, by: torch.Tensor | None = None
) -> float:
    """Nats per token, with this in the place of one head's z."""

    def replace(_module: Any, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        z = args[0].clone()
        if by is not None:
            z[0, :, 64 * head : 64 * (head + 1)] = by
        return (z,)

    handle = plain.model.layers[layer].self_attn.o_proj.register_forward_pre_hook(replace)
    logits = plain(tokens).logits[0, :-1]
    handle.remove()
    return -torch.nn.functional.cross_entropy(logits, tokens[0, 1:]).item()
