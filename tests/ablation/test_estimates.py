"""Estimates of effects against finite differences in plain transformers, in float64, one document at a time."""

import copy
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy

from interp import metrics
from interp.ablation import replacements
from interp.ablation.effects import measure_effects
from interp.ablation.estimates import estimate_sums
from interp.ablation.plan import Plan
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.errors import InterpError
from interp.sums import EffectSums
from interp.types import Metric
from tests.conftest import HEADS, LAYERS, Case, corpus_of, replaced_z

TEXTS = ("The cat sat on the mat.", "Once upon a time there was a dog who liked to play.", "There was a park.")

Score = Callable[[Any, Tensor], Tensor]
"""From plain transformers and token ids to a number."""


def exact_copy(case: Case) -> Any:
    return copy.deepcopy(case.plain).double()


@torch.no_grad()
def along_gate(case: Case, text: str, layer: int, head: int, gate: float, score: Score) -> float:
    """The score with one head's z multiplied by `gate`."""
    tokens = case.tokenizer(text, return_tensors="pt")["input_ids"]
    plain = exact_copy(case)

    def change(z: Tensor) -> Tensor:
        z[:, :, head] *= gate
        return z

    with replaced_z(plain, layer, change):
        return float(score(plain, tokens))


def log_probability(plain: Any, tokens: Tensor) -> Tensor:
    return -cross_entropy(plain(tokens).logits[0, :-1], tokens[0, 1:])


def slopes(case: Case, score: Score, step: float = 1e-4) -> np.ndarray:
    """d score / d gate for every head and text, by central differences: [head, text]."""

    def slope(text: str, layer: int, head: int) -> float:
        low, high = (along_gate(case, text, layer, head, gate, score) for gate in (1 - step, 1 + step))
        return (high - low) / (2 * step)

    return np.array([[slope(text, layer, head) for text in TEXTS] for layer in range(LAYERS) for head in range(HEADS)])


def estimated(case: Case, estimate: str, metric: Metric, *, tokens: int = 1000, seed: int = 0) -> EffectSums:
    encoded = encode(case.model, corpus_of(TEXTS))
    substitute = replacements.zero(case.model, encoded)
    read = list(read_batches(batches(encoded, case.model, tokens=tokens)))
    (sums,) = estimate_sums(case.model, read, substitute, [metric], estimate=estimate, ablation="x", seed=seed)
    return sums


def test_attribution_is_the_slope_towards_the_replacement(tiny_gpt2: Case) -> None:
    sums = estimated(tiny_gpt2, "attribution", metrics.LOG_PROB)
    # towards zero a gate goes from 1 to 0: the effect, intact − ablated, is the slope itself
    assert sums.effect.sum(axis=1) == pytest.approx(slopes(tiny_gpt2, log_probability).sum(axis=1), rel=1e-3, abs=1e-5)
    assert sums.n.sum() == len(TEXTS)
    assert not sums.signed


def test_the_gate_gradient_is_the_mean_size_of_the_slope_of_unit_length_in_each_layer(tiny_gpt2: Case) -> None:
    sums = estimated(tiny_gpt2, "gate_gradient", metrics.LOG_PROB)
    sizes = np.abs(slopes(tiny_gpt2, log_probability)).mean(axis=1).reshape(LAYERS, HEADS)
    expected = sizes / np.sqrt((sizes**2).sum(axis=1, keepdims=True))
    assert sums.effect.sum(axis=1) / len(TEXTS) == pytest.approx(expected.ravel(), rel=1e-3)


@torch.no_grad()
def embedding(plain: Any, tokens: Tensor) -> Tensor:
    return plain.base_model(tokens).last_hidden_state[0].mean(0)


def curvatures(case: Case, metric: Metric, step: float = 1e-2) -> np.ndarray:
    """(loss at gate 1 − step + loss at 1 + step) / 2 step², which is half the second derivative: [head, text]."""
    plain = exact_copy(case)

    def loss(now: Any, tokens: Tensor) -> Tensor:
        if metric is metrics.EMBEDDING_COSINE:
            return 1 - cosine_similarity(embedding(now, tokens), embedding(plain, tokens), dim=0)
        before, after = (model(tokens).logits[0, :-1].log_softmax(-1) for model in (plain, now))
        return (before.exp() * (before - after)).sum(-1).mean()

    def both(text: str, layer: int, head: int) -> float:
        sides = [along_gate(case, text, layer, head, gate, loss) for gate in (1 - step, 1 + step)]
        return sum(sides) / 2 / step**2

    return np.array([[both(text, layer, h) for text in TEXTS] for layer in range(LAYERS) for h in range(HEADS)])


@pytest.mark.parametrize("name", ["embedding_cosine", "kl"])
def test_the_sketch_is_the_second_order_effect_on_average(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue("tiny_gpt2" if name == "kl" else "tiny_bert_base")
    metric = metrics.KL if name == "kl" else metrics.EMBEDDING_COSINE
    draws = np.stack([estimated(case, "gauss_newton", metric, seed=seed).effect.sum(axis=1) for seed in range(100)])
    error = draws.std(axis=0) / np.sqrt(len(draws))
    expected = curvatures(case, metric).sum(axis=1)
    assert (np.abs(draws.mean(axis=0) - expected) < 4.5 * error + 0.002 * expected).all()
    assert (error < 0.4 * expected).all()


@pytest.mark.parametrize("estimate", ["attribution", "gate_gradient", "gauss_newton"])
def test_batches_change_nothing(estimate: str, tiny_gpt2: Case) -> None:
    metric = metrics.KL if estimate == "gauss_newton" else metrics.LOG_PROB
    together, alone = (estimated(tiny_gpt2, estimate, metric, tokens=tokens) for tokens in (1000, 1))
    assert together.effect == pytest.approx(alone.effect, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(
    ("estimate", "metric"),
    [("attribution", metrics.EMBEDDING_COSINE), ("gate_gradient", metrics.KL), ("gauss_newton", metrics.LOG_PROB)],
)
def test_an_estimate_that_could_rank_nothing_is_refused(estimate: str, metric: Metric, tiny_gpt2: Case) -> None:
    with pytest.raises(InterpError, match=rf"ablation\.estimate={estimate} is not for {metric.name}.*Allowed here: "):
        estimated(tiny_gpt2, estimate, metric)


def test_the_table_says_that_it_is_an_estimate_and_how_well_it_ranks(tiny_gpt2: Case) -> None:
    encoded = encode(tiny_gpt2.model, corpus_of(TEXTS))
    chosen = [metrics.LOG_PROB, metrics.KL]
    found = measure_effects(tiny_gpt2.model, encoded, Plan(replacement="zero", estimate="attribution"), metrics=chosen)
    assert set(found.table.ablation) == {"attribution of zero (estimate)"}
    assert set(found.table.metric) == {"log_prob"}
    assert any("is not for kl" in line for line in found.notes)
    exact = measure_effects(tiny_gpt2.model, encoded, Plan(replacement="zero"), metrics=[metrics.LOG_PROB]).table
    ranks = np.stack([np.argsort(np.argsort(table.effect.abs())) for table in (found.table, exact)])
    assert found.table.rank_agreement.unique() == pytest.approx([np.corrcoef(*ranks).item(1)])
    assert found.table.p.isna().all()
