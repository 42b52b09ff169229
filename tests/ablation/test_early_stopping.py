"""Stopping early: the right documents in the right order, labelled as what it is, and right about the winners."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from interp import metrics
from interp.ablation import fast_engine, replacements, sweep
from interp.ablation import precision as low_precision
from interp.ablation.fast_engine import measure_fast
from interp.corpora.encoding import encode
from interp.errors import InterpError
from interp.types import EncodedCorpus, Resumable
from tests.conftest import HEADS, LAYERS, Case, batch_of, corpus_of, replaced_z, without_head
from tests.support.fakes import effects_with

WORDS = ("the", "cat", "dog", "park", "mat", "little", "happy", "saw", "sat", "on")
COUNT = 130


def texts() -> list[str]:
    generator = np.random.default_rng(1)
    return [" ".join(generator.choice(WORDS, generator.integers(2, 7))) for _ in range(COUNT)]


@pytest.fixture(scope="module")
def by_document(tiny_gpt2: Case) -> np.ndarray:
    """Every head's effect on every text, by plain transformers: [head, text]."""
    model = tiny_gpt2.plain

    @torch.no_grad()
    def value(text: str) -> float:
        tokens = tiny_gpt2.tokenizer(text, return_tensors="pt")["input_ids"]
        return -cross_entropy(model(tokens).logits[0, :-1], tokens[0, 1:]).item()

    found = []
    intact = np.array([value(text) for text in texts()])
    for layer in range(LAYERS):
        for head in range(HEADS):
            with replaced_z(model, layer, without_head(head)):
                found.append(intact - [value(text) for text in texts()])
    return np.array(found)


def measured(case: Case, **settings: object) -> pd.DataFrame:
    return effects_with(case.model, encoded(case), replacement="zero", metrics=[metrics.LOG_PROB], **settings).table  # pyright: ignore[reportArgumentType]


def encoded(case: Case) -> EncodedCorpus:
    return encode(case.model, corpus_of(texts()))


@pytest.mark.parametrize("seed", [0, 3])
def test_a_head_is_measured_on_the_first_documents_of_a_seeded_order(
    seed: int, tiny_gpt2: Case, by_document: np.ndarray
) -> None:
    table = measured(tiny_gpt2, until=1.0, seed=seed)
    order = np.random.default_rng(seed).permutation(COUNT)
    assert set(table.n) <= {50, 100, COUNT}
    assert (table.n < COUNT).any()
    expected = [values[order[:n]].mean() for values, n in zip(by_document, table.n, strict=True)]
    assert table.effect.to_numpy() == pytest.approx(expected, abs=1e-5)
    assert (table.intact - table.ablated).to_numpy() == pytest.approx(expected, abs=1e-5)


def test_the_rows_say_that_they_are_approximate_and_have_intervals_but_no_test(tiny_gpt2: Case) -> None:
    table = measured(tiny_gpt2, until=1.0)
    assert set(table.ablation) == {"zero (approximate)"}
    early = table[table.n < COUNT]
    largest = table.effect.abs().max()
    assert (early.ci_high - early.ci_low < 1.2 * largest).all()
    assert (early.ci_low < early.effect).all()
    assert table.p.isna().all()


def test_at_the_last_document_the_effect_is_the_corpus_own(tiny_gpt2: Case, by_document: np.ndarray) -> None:
    table = measured(tiny_gpt2, until=1e-9)
    assert set(table.n) == {COUNT}
    assert table.effect.to_numpy() == pytest.approx(by_document.mean(axis=1), abs=1e-5)
    assert (table.ci_high - table.ci_low).to_numpy() == pytest.approx(0)


@pytest.mark.parametrize("top", [1, 2])
def test_the_race_finds_the_heads_that_matter_most(top: int, tiny_gpt2: Case, by_document: np.ndarray) -> None:
    table = measured(tiny_gpt2, top=top)
    mean = by_document.mean(axis=1)
    assert table.top.sum() == top
    winners, others = mean[table.top], mean[~table.top]
    assert others.max() - winners.min() <= 0.05 * np.abs(mean).max()


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"until": 0.1, "top": 2}, "ablation.until=0.1 and ablation.top=2"),
        ({"top": 99}, "ablation.top=99"),
        ({"top": 1, "estimate": "attribution"}, "ablation.top=1 and ablation.estimate=attribution"),
        ({"precision": "bfloat16"}, "ablation.precision=bfloat16 is for GPUs"),
        ({"precision": "delta", "engine": "plain"}, "ablation.precision=delta belongs to the fast engine"),
        ({"precision": "half"}, "ablation.precision=half is not known"),
        ({"sample": 0}, "ablation.sample=0"),
    ],
)
def test_what_does_not_go_together_is_refused(settings: dict[str, object], said: str, tiny_gpt2: Case) -> None:
    with pytest.raises(InterpError, match=said):
        measured(tiny_gpt2, **settings)


# Lower precision


def planted_seconds(monkeypatch: pytest.MonkeyPatch, float32: float, bfloat16: float) -> list[torch.dtype]:
    """The two products take so long, whatever they do; gives what each of them makes."""
    made: list[torch.dtype] = []
    answers = iter((float32, bfloat16))

    def seconds(work: Callable[[], torch.Tensor], _device: torch.device) -> float:
        made.append(work().dtype)
        return next(answers)

    monkeypatch.setattr(low_precision, "seconds", seconds)
    return made


def test_the_error_of_low_precision_is_its_distance_from_the_exact_effect(
    tiny_gpt2: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted_seconds(monkeypatch, 1.0, 0.6)
    low, exact = measured(tiny_gpt2, precision="delta", sample=COUNT), measured(tiny_gpt2)
    assert low.error.to_numpy() == pytest.approx((low.effect - exact.effect).abs().to_numpy(), abs=1e-9)
    assert 0 < low.error.max() < 0.02 * exact.effect.abs().max()
    assert "error" not in exact


@pytest.mark.parametrize("pays", [True, False])
def test_low_precision_runs_only_where_a_product_measured_at_the_start_is_faster(
    pays: bool, tiny_gpt2: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = planted_seconds(monkeypatch, 1.0, 0.5 if pays else 5.8)
    ran: list[str] = []
    sweeps = fast_engine.measure_fast

    def seen(*given: Any, precision: str, **options: Any) -> Any:
        ran.append(precision)
        return sweeps(*given, precision=precision, **options)

    monkeypatch.setattr(sweep, "measure_fast", seen)
    found = effects_with(
        tiny_gpt2.model, encoded(tiny_gpt2), replacement="zero", metrics=[metrics.LOG_PROB], precision="delta"
    )
    assert made == [torch.float32, torch.float32]  # the difference is added to what is exact
    assert set(ran) == ({"delta", "float32"} if pays else {"float32"})
    (note,) = [note for note in found.notes if note.startswith("precision=")]
    if pays:
        assert note.startswith("precision=delta ran") and (found.table.error > 0).any()
        return
    assert note.startswith("precision=float32 ran, the exact sweep, and not delta") and "5.8 times" in note
    exact = measured(tiny_gpt2)
    assert (found.table.error == 0).all()
    assert found.table.effect.tolist() == exact.effect.tolist()


def test_bfloat16_throughout_is_near_and_not_the_same(tiny_gpt2: Case) -> None:
    model = tiny_gpt2.model
    assert isinstance(model, Resumable)
    batch = batch_of(model, texts()[:8])
    substitution = replacements.zero(model, encoded(tiny_gpt2))(batch)
    sets = [(head,) for head in model.heads]
    effect = {}
    for precision in ("float32", "bfloat16"):
        before, after = measure_fast(model, batch, substitution, sets, [metrics.LOG_PROB], precision=precision)
        effect[precision] = before[:, None] - after
    apart = (effect["bfloat16"] - effect["float32"]).abs().max()
    assert 0 < apart < 0.1 * effect["float32"].abs().max()
