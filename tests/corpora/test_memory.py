"""The longest document is refused before anything runs where its attention cannot fit, and said where it is much."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from interp import ablate, anatomy, devices
from interp.corpora.encoding import encode
from interp.corpora.memory import GIB, heads_of_a_layer, longest_for, memory_for, require_room, require_room_for
from interp.corpora.probe_documents import probe_documents
from interp.errors import CorpusError
from interp.models.loading import Model, from_transformers
from interp.types import Document, Encoding
from tests.conftest import HEADS, TEXTS, Case, corpus_of, grouped_query_config, metaspace_tokenizer, seeded
from tests.support.fakes import FakeModel, uniform

pytest_plugins = ("tests.support.command_line",)

LONG = ("the cat sat on the mat. " * 9000)[:200_000]


def endless_llama() -> tuple[Any, Any]:
    """A rotary model whose configuration allows texts of any length, and its tokenizer."""
    tokenizer = metaspace_tokenizer()
    config = grouped_query_config(transformers.LlamaConfig, len(tokenizer))
    config.max_position_embeddings = 10**9
    return seeded(transformers.LlamaForCausalLM, config), tokenizer


@pytest.fixture
def endless() -> Model:
    return from_transformers(*endless_llama(), name="endless")


@pytest.fixture
def sixteen_gib(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of its own, whatever this one has."""

    def machine() -> Iterator[int]:
        yield 16 * GIB

    monkeypatch.setattr(devices, "free_of_machine", machine)


def of_length(*tokens: int) -> tuple[list[Document], list[Encoding]]:
    """Documents of so many tokens, none of which is ever read."""
    documents = [Document(f"s{n}", "x" * n, (), np.zeros((0, 2), dtype=np.int32)) for n in tokens]
    return documents, [Encoding(np.zeros(n, np.int32), np.zeros((n, 2), np.int32), np.zeros(n, bool)) for n in tokens]


# How much it takes, and how much there is


def test_the_refusal_names_the_document_what_it_needs_and_what_there_is(tiny_gpt2: Case) -> None:
    documents, encodings = of_length(3, 100_000, 7)
    with pytest.raises(CorpusError) as refused:
        require_room(tiny_gpt2.model, "novels", documents, encodings, free=lambda _: 16 * GIB)
    said = str(refused.value)
    # ten arrays of 10^10 float32: 4 * 10^11 bytes
    assert "novels" in said and "'s100000'" in said and "100,000 tokens" in said and "372.5 GiB" in said
    assert "16.0 GiB" in said and "corpus.unit=sentence" in said
    allowed = longest_for(16 * GIB, 1)
    assert f"{allowed:,} tokens" in said
    assert memory_for(allowed, 1) <= 16 * GIB < memory_for(allowed + 1, 1)


def test_what_fits_is_allowed_said_where_it_is_much_and_not_asked_where_it_is_little(tiny_gpt2: Case) -> None:
    with pytest.warns(UserWarning, match=r"10,000 tokens.*3\.7 GiB.*4\.0 GiB are free"):
        require_room(tiny_gpt2.model, "c", *of_length(10_000), free=lambda _: 4 * GIB)
    with pytest.warns(UserWarning, match=r"10,000 tokens.*3\.7 GiB"):
        require_room(tiny_gpt2.model, "c", *of_length(10_000), free=lambda _: None)
    with pytest.raises(CorpusError):
        require_room(tiny_gpt2.model, "c", *of_length(10_000), free=lambda _: 3 * GIB)
    require_room(tiny_gpt2.model, "c", *of_length(5_000), free=lambda _: 0)


def test_all_heads_of_a_layer_take_more_than_one_at_a_time(tiny_gpt2: Case) -> None:
    """A model that is no `ChunkedPatterns` shows a layer's heads at once; this one shows one where they do not fit."""
    documents, encodings = of_length(20_000)
    layer, fake = heads_of_a_layer(tiny_gpt2.model), FakeModel(uniform, HEADS)
    assert layer == HEADS
    one, all_at_once = memory_for(20_000, 1), memory_for(20_000, HEADS)
    assert one < all_at_once == 4 * 20_000**2 * (2 * HEADS + 8)
    with pytest.warns(UserWarning, match="1 head at a time"):
        require_room(tiny_gpt2.model, "c", documents, encodings, free=lambda _: one)
    for model, heads in ((fake, None), (tiny_gpt2.model, layer)):
        with pytest.raises(CorpusError, match=f"{HEADS} heads at a time"):
            require_room(model, "c", documents, encodings, heads=heads, free=lambda _: one)


def test_free_memory_is_the_least_that_machine_and_groups_leave(tmp_path: Path) -> None:
    meminfo = tmp_path / "meminfo"
    meminfo.write_text("MemTotal:  9000 kB\nMemFree:  10 kB\nMemAvailable:  2000 kB\n")
    assert list(devices.free_of_machine(meminfo)) == [2000 * 1024]
    (said,) = devices.free_of_machine(tmp_path / "absent")
    assert said > 0, "all that there is, where nothing says what is free"
    available = devices.free_memory(torch.device("cpu"))
    assert available is not None and available > 0
    assert devices.free_memory(torch.device("meta")) is None


def write(folder: Path, **numbers: object) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, value in numbers.items():
        (folder / name.replace("__", ".")).write_text(f"{value}\n")


def test_control_groups_of_both_versions_and_those_they_lie_in(tmp_path: Path) -> None:
    groups, mounted = tmp_path / "cgroup", tmp_path / "sys"
    groups.write_text("0::/job/step\n")
    write(mounted / "job" / "step", memory__max="max", memory__current=5)
    write(mounted / "job", memory__max=1000, memory__current=300, memory__stat="anon 9\ninactive_file 50")
    assert list(devices.free_of_control_groups(groups, mounted)) == [1000 - 300 + 50]
    # the first version, seen from a container: the group's path is the host's, and its limit lies at the root
    groups.write_text("9:cpu:/x\n4:memory,other:/docker/1f\n")
    write(mounted / "memory", memory__limit_in_bytes=700, memory__usage_in_bytes=200)
    write(mounted / "memory", memory__stat="inactive_file 1\ntotal_inactive_file 20")
    assert list(devices.free_of_control_groups(groups, mounted)) == [700 - 200 + 20]
    assert list(devices.free_of_control_groups(tmp_path / "absent", mounted)) == []


# Everything that reads a corpus asks


@pytest.mark.usefixtures("sixteen_gib")
def test_every_way_in_refuses_a_document_without_a_limit(endless: Model) -> None:
    corpus = corpus_of((*TEXTS, LONG))
    for ask in (encode, few_of_one, ablate, anatomy):
        with pytest.raises(CorpusError, match="200,000 characters"):
            ask(endless, corpus)


def few_of_one(model: Model, _corpus: object) -> None:
    """The gate's own documents."""
    probe_documents(model, corpus_of((LONG,)))


def test_what_lays_all_heads_open_asks_again(endless: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    """Room for one head at a time and not for four; a GiB is little here, so that a short text is long."""
    from interp.corpora import memory as longest

    monkeypatch.setattr(longest, "SAID_FROM", 0)
    text = "the cat sat on the mat. " * 40
    with pytest.warns(UserWarning, match="1 head at a time"):
        encoded = encode(endless, corpus_of((text,)))
    between = memory_for(len(encoded.encodings[0].tokens), HEADS) - 1
    monkeypatch.setattr(devices, "free_of_machine", lambda: iter([between]))
    with pytest.raises(CorpusError, match="4 heads at a time"):
        require_room_for(endless, encoded, HEADS)
    for ask in (
        lambda: ablate(endless, corpus_of((text,)), replacement="mean"),
        lambda: ablate(endless, corpus_of((text,)), replacement="zero", engine="plain"),
        lambda: anatomy(endless, corpus_of((text,))),
    ):
        with pytest.warns(UserWarning, match="1 head at a time"), pytest.raises(CorpusError, match="4 heads at a time"):
            ask()
    with pytest.warns(UserWarning, match="1 head at a time"):
        ablate(endless, corpus_of((text,)), replacement="zero", limit=1)


@pytest.mark.usefixtures("sixteen_gib")
@pytest.mark.parametrize("experiment", ["head_roles", "head_ablation", "anatomy", "shapes"])
def test_a_run_ends_before_it_begins(interp: Callable[..., Any], tmp_path: Path, experiment: str) -> None:
    network, tokenizer = endless_llama()
    network.save_pretrained(tmp_path / "endless")
    tokenizer.save_pretrained(tmp_path / "endless")
    (tmp_path / "novel.txt").write_text("\n".join([*TEXTS, LONG]), encoding="utf-8")
    outcome = interp(
        f"experiment={experiment}", "model=local", "model.path=endless", "corpus=text", "corpus.path=novel.txt",
        "hydra.run.dir=run",
    )  # fmt: skip
    assert outcome.code == 1
    assert "Traceback" not in outcome.err and "200,000 characters" in outcome.err and "16.0 GiB" in outcome.err
    assert not (tmp_path / "run" / "manifest.json").exists()
