"""A model laid out by accelerate, some of it on disk, beside the same one in memory: everything measured is equal."""

import gc
import warnings
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import transformers

import interp
from interp.corpora.encoding import encode
from interp.errors import InterpError, ModelError
from interp.models import dispatching, loading
from interp.models.hugging_face.interface import Ingredients
from tests.conftest import (
    HEADS,
    TEXTS,
    batch_of,
    bert_config,
    byte_level_tokenizer,
    corpus_of,
    gpt2_config,
    grouped_query_config,
    metaspace_tokenizer,
    seeded,
    word_piece_tokenizer,
)

pytest.importorskip("accelerate", reason="accelerate (the extra `large`) is not installed")

SAID = ".*its weights do not fit on cpu"

pytestmark = pytest.mark.filterwarnings(f"ignore:{SAID}:UserWarning")

KINDS: dict[str, tuple[Any, Callable[[int], Any], Callable[[], Any], Any]] = {
    "gpt2": (
        transformers.GPT2LMHeadModel,
        gpt2_config,
        byte_level_tokenizer,
        dict.fromkeys(("transformer.wte", "lm_head", "transformer.drop", "transformer.h.0"), "cpu")
        | dict.fromkeys(("transformer.wpe", "transformer.h.1", "transformer.ln_f"), "disk"),
    ),
    "bert": (
        transformers.BertForMaskedLM,
        bert_config,
        word_piece_tokenizer,
        {"bert.embeddings": "cpu", "cls": "cpu", "bert.encoder": "disk"},
    ),
    "bert_base": (transformers.BertModel, bert_config, word_piece_tokenizer, {"": "disk"}),
    "llama": (
        transformers.LlamaForCausalLM,
        partial(grouped_query_config, transformers.LlamaConfig),
        metaspace_tokenizer,
        {"": "disk"},
    ),
}
"""Of each kind its class, settings and tokenizer, and where its weights go."""


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(kind, tmp_path_factory.mktemp(kind))


@pytest.fixture(scope="module")
def both(kind: str, folder: Path) -> tuple[loading.Model, loading.Model]:
    """In memory, and laid out."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", SAID, UserWarning)
        laid_out = loading.local(folder, name="model", device_map=KINDS[kind][3])
    return loading.local(folder, name="model"), laid_out


def saved(kind: str, folder: Path) -> Path:
    network, config, tokenizer, _ = KINDS[kind]
    words = tokenizer()
    transformers.logging.disable_progress_bar()
    seeded(network, config(len(words))).save_pretrained(folder)
    words.save_pretrained(folder)
    return folder


def same(one: pd.DataFrame, other: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(one, other, check_exact=False, atol=1e-6, rtol=1e-6)


def away(model: loading.Model) -> int:
    """How many modules have no weights now."""
    return sum(dispatching.is_offloaded(module) for module in model.network.modules())


# Measured alike


def test_some_weights_are_away_before_and_after_a_pass(both: tuple[loading.Model, loading.Model]) -> None:
    whole, laid_out = both
    before = away(laid_out)
    batch = batch_of(whole)
    one, other = whole.run(batch), laid_out.run(batch)
    assert away(whole) == 0 < before == away(laid_out)
    assert laid_out.device == torch.device("cpu")
    assert torch.equal(one.hidden, other.hidden)
    assert (one.logits is None) == (other.logits is None)
    if one.logits is not None and other.logits is not None:
        assert torch.equal(one.logits, other.logits)


def test_what_is_known_of_the_model_is_the_same(both: tuple[loading.Model, loading.Model]) -> None:
    whole, laid_out = both
    assert whole.provenance == laid_out.provenance
    assert (whole.positions, whole.has_language_head) == (laid_out.positions, laid_out.has_language_head)
    assert whole.heads == laid_out.heads


def test_the_gate_proves_both_with_the_same_deviations(both: tuple[loading.Model, loading.Model]) -> None:
    one, other = (interp.prove(model, corpus_of()) for model in both)
    assert [(check.name, check.deviation) for check in one] == [(check.name, check.deviation) for check in other]


def test_roles_are_the_same(both: tuple[loading.Model, loading.Model]) -> None:
    one, other = (interp.score(model, corpus_of(), min_blocks=2, min_queries=1) for model in both)
    same(one, other)


@pytest.mark.parametrize(
    ("replacement", "engine"),
    [("mean", "fast"), ("mean", "plain"), ("zero", "fast"), ("resample", "fast"), ("uniform", "fast")],
)
def test_ablation_is_the_same(both: tuple[loading.Model, loading.Model], replacement: str, engine: Any) -> None:
    one, other = (interp.ablate(model, corpus_of(), replacement=replacement, engine=engine) for model in both)
    same(one, other)


def test_random_weights_are_the_same_ones(kind: str, folder: Path) -> None:
    whole = loading.local(folder, init="random", seed=3)
    laid_out = loading.local(folder, init="random", seed=3, device_map=KINDS[kind][3])
    batch = batch_of(whole)
    assert away(laid_out) > 0
    assert torch.equal(whole.run(batch).hidden, laid_out.run(batch).hidden)
    one, other = (loading.random_weights(model, 5) for model in (whole, laid_out))
    assert away(other) > 0
    assert torch.equal(one.run(batch).hidden, other.run(batch).hidden)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_low_precision_is_the_same_and_its_rows_add_up(kind: str, folder: Path, dtype: str) -> None:
    whole, laid_out = (
        loading.local(folder, name="model", dtype=dtype, device_map=where) for where in (None, KINDS[kind][3])
    )
    same(*(interp.ablate(model, corpus_of(TEXTS[:2])) for model in (whole, laid_out)))
    # the gate's own tolerances, of rows as of all else
    checks = {check.name: check for check in interp.prove(laid_out, corpus_of())}
    assert all(check.passed for check in checks.values())
    assert (checks["rows_sum_to_one"].deviation or 0) < 0.02


def test_limits_of_memory_lay_out_by_themselves(tmp_path: Path) -> None:
    folder = saved("gpt2", tmp_path)
    with pytest.warns(UserWarning, match="do not fit on cpu, where it runs, .*disk: .*transformer.h"):
        model = loading.local(folder, device_map="auto", max_memory={"cpu": "90KB"})
    assert away(model) > 0


def test_what_is_written_for_disk_goes_with_the_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, temporary = saved("gpt2", tmp_path / "model"), tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    model = loading.local(folder, init="random", device_map=KINDS["gpt2"][3])
    assert any(temporary.rglob("*.dat"))
    del model
    gc.collect()
    assert not any(temporary.iterdir())


# Refused


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved("gpt2", tmp_path_factory.mktemp("gpt2"))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"device_map": "automatic"}, "Did you mean 'auto'"),
        ({"device_map": "cuda:0"}, "for one device leave it out, and give device="),
        ({"device_map": {}}, "names no device"),
        ({"device_map": {"": "nowhere"}}, "names the device nowhere, which this machine has not"),
        ({"device_map": {"": 99}}, "names the device 99, which this machine has not"),
        ({"device_map": "auto", "device": "cpu"}, "device=cpu names one device"),
        ({"device_map": "auto", "backend": "bridge"}, "model.backend=bridge runs on one device"),
        ({"device_map": "auto", "max_memory": {"cpu": "lots"}}, "gives cpu 'lots', which is no size"),
        ({"max_memory": {"cpu": "1GB"}}, "goes with model.device_map alone"),
        ({"device_map": {"transformer": "disk", "lm_head": "cpu"}}, "weights that two modules share"),
    ],
)
def test_a_layout_that_cannot_be_is_refused(gpt2: Path, options: Any, said: str) -> None:
    with pytest.raises(InterpError, match=said):
        loading.local(gpt2, **options)


def test_without_accelerate_the_extra_is_named(gpt2: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatching, "find_spec", lambda _name: None)
    with pytest.raises(InterpError, match=r"pip install 'interp\[large\]'"):
        loading.local(gpt2, device_map="auto")


def test_what_needs_all_weights_at_once_is_refused(gpt2: Path) -> None:
    model = loading.local(gpt2, device_map=KINDS["gpt2"][3])
    for ask in (
        partial(interp.anatomy, model, corpus_of()),
        partial(interp.head_weights, model, model.heads[0]),
        partial(interp.ablate, model, corpus_of(), estimate="attribution"),
    ):
        with pytest.raises(InterpError, match=r"model\.device_map has (laid them out|offloaded some)"):
            ask()
    with pytest.raises(ModelError, match="is laid out over several devices by accelerate"):
        loading.from_transformers(model.network, model.tokenizer)


def test_low_precision_of_differences_gives_way_to_the_exact_sweep(gpt2: Path) -> None:
    model = loading.local(gpt2, device_map=KINDS["gpt2"][3])
    low = interp.ablate(model, corpus_of(TEXTS[:2]), precision="delta")
    assert not low["error"].any()
    same(low.drop(columns="error"), interp.ablate(model, corpus_of(TEXTS[:2])))


def test_a_weight_that_is_not_a_number_is_found_on_disk(tmp_path: Path) -> None:
    network, config, tokenizer, where = KINDS["gpt2"]
    words = tokenizer()
    broken = seeded(network, config(len(words)))
    broken.transformer.h[1].mlp.c_fc.weight.data[0, 0] = torch.nan
    broken.save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    assert "transformer.h.1.mlp.c_fc.weight" in loading.local(tmp_path, device_map=where).provenance["not_finite"]


# What a batch leaves in memory


@pytest.fixture
def alive(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """The most attention weights that were alive together since it was asked for; a buffer counts as what it holds."""
    made: list[weakref.ref[torch.Tensor]] = []
    most = [0]
    pattern = Ingredients.pattern

    def counted(self: Ingredients, *given: Any) -> torch.Tensor:
        found = pattern(self, *given)
        made.append(weakref.ref(found))
        storages = {one.untyped_storage().data_ptr(): one.numel() for ref in made if (one := ref()) is not None}
        most[0] = max(most[0], sum(storages.values()))
        return found

    monkeypatch.setattr(Ingredients, "pattern", counted)
    return lambda: most[0]


def of_one_layer(model: loading.Model) -> int:
    """Attention weights of the largest layer in the batch that all texts make."""
    batch = batch_of(model)
    return HEADS * batch.tokens.numel() * batch.tokens.shape[1]


@pytest.mark.parametrize("measured", ["roles", "mean outputs", "plain engine", "fast engine"])
def test_no_more_than_one_layer_s_patterns_are_held(folder: Path, measured: str, alive: Callable[[], int]) -> None:
    """Of two layers, whose batch is that of all texts."""
    from interp.ablation.replacements import mean_outputs

    model = loading.local(folder, name="model")
    layer = of_one_layer(model)
    corpus = corpus_of(TEXTS)
    if measured == "roles":
        interp.score(model, corpus, roles="positional", min_blocks=2, min_queries=1)
    elif measured == "mean outputs":
        mean_outputs(model, encode(model, corpus))
    elif measured == "plain engine":
        interp.ablate(model, corpus, replacement="mean", engine="plain", metrics="embedding")
    else:
        interp.ablate(model, corpus, replacement="mean", engine="fast", metrics="embedding")
    assert alive() <= layer


def test_the_count_sees_patterns_that_are_kept(folder: Path, alive: Callable[[], int]) -> None:
    model = loading.local(folder, name="model")
    kept: list[torch.Tensor] = []
    model.run(batch_of(model), pattern=lambda _site, _layer, pattern: kept.append(pattern))
    assert alive() == 2 * of_one_layer(model)
