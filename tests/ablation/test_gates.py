"""Gates against numpy, finite differences and plain transformers; and on models of which is known what they need."""

from collections.abc import Callable, Sequence
from copy import deepcopy
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from experiments import gates as experiment
from interp import metrics, plots
from interp.ablation import hard_concrete, replacements
from interp.ablation.gates import FIRST_LOG_ALPHA, Training, check_strengths, gated_values, train_gates
from interp.ablation.plan import Plan
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.errors import InterpError
from interp.progress import silent
from interp.results import Findings
from interp.statistics.overlap import expected_jaccard, jaccard
from interp.sums import KeptChoice, KeptSums, TrainedGates
from interp.tables import gate_agreement_table, gate_curve_table, gate_head_table, gate_training_table
from interp.types import BLOCKS, Batch, Corpus, Differentiable, Head, Metric, Output, Tap
from tests.ablation.test_pruning import MANY, VALUE, plain_cosine, plain_log_prob
from tests.ablation.test_sweep import TEXTS, average_z, block_of
from tests.conftest import Case, corpus_of
from tests.support.fakes import FakeModel, random_documents, uniform

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

close = partial(pytest.approx, abs=1e-5, rel=1e-5)

LOG_ALPHA = np.array([-6.0, -2.0, -0.5, 0.0, 0.3, 1.5, 4.0])


# The distribution, in numpy


def sampled(log_alpha: np.ndarray, uniform: np.ndarray) -> np.ndarray:
    """Equations 10 and 11, written out."""
    s = 1 / (1 + np.exp(-(np.log(uniform) - np.log(1 - uniform) + log_alpha) / (2 / 3)))
    return np.minimum(1, np.maximum(0, s * 1.2 - 0.1))


def test_gates_are_sampled_as_numpy_samples_them() -> None:
    noise = np.random.default_rng(0).uniform(1e-4, 1 - 1e-4, (500, len(LOG_ALPHA)))
    found = hard_concrete.sampled_gates(torch.tensor(LOG_ALPHA), torch.tensor(noise)).numpy()
    np.testing.assert_allclose(found, sampled(LOG_ALPHA, noise), atol=1e-12)
    assert (found == 0).any() and (found == 1).any() and ((found > 0) & (found < 1)).any()


def test_the_probability_of_being_open_is_that_of_many_samples() -> None:
    """Within four standard errors of as many samples; and by the noise from which on a gate is open."""
    count = 200_000
    is_open = sampled(LOG_ALPHA, np.random.default_rng(1).uniform(size=(count, len(LOG_ALPHA)))) > 0
    found = hard_concrete.open_probability(torch.tensor(LOG_ALPHA)).numpy()
    error = np.sqrt(found * (1 - found) / count)
    assert (np.abs(is_open.mean(0) - found) <= 4 * error).all()
    # s̄ > 0 where s > 1/12, so where logit(u) > β logit(1/12) − log α
    threshold = 2 / 3 * np.log(1 / 11) - LOG_ALPHA
    np.testing.assert_allclose(found, 1 - 1 / (1 + np.exp(-threshold)), rtol=1e-12)


def test_without_noise_a_gate_is_above_one_half_where_its_parameter_is_above_zero() -> None:
    found = hard_concrete.fixed_gates(torch.tensor(LOG_ALPHA)).numpy()
    np.testing.assert_allclose(found, np.clip(1.2 / (1 + np.exp(-LOG_ALPHA)) - 0.1, 0, 1), atol=1e-12)
    assert found.tolist() == sorted(found) and found[0] == 0 and found[-1] == 1
    decided = LOG_ALPHA != 0
    assert ((found > 0.5) == (LOG_ALPHA > 0))[decided].all()


# One pass under gates


@pytest.mark.parametrize("ablation", ["zero", "mean"])
@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_bert_base"])
def test_closed_gates_are_ablated_heads_in_plain_transformers(
    name: str, ablation: str, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    metric, plain_value = (
        (metrics.LOG_PROB, plain_log_prob) if name == "tiny_gpt2" else (metrics.EMBEDDING_COSINE, plain_cosine)
    )
    means = average_z(case, TEXTS) if ablation == "mean" else None
    model: Any = case.model
    heads = model.heads
    closed = [heads[0], heads[3], heads[-2]]
    log_alpha = torch.tensor([-50.0 if head in closed else 50.0 for head in heads])
    with torch.no_grad():
        substitute = replacements.named(ablation)[1]
        encoded = encode(model, corpus_of(TEXTS))
        noise_of = {number: torch.full((len(heads),), 0.5) for number in range(len(encoded))}
        found = [
            gated_values(model, group, substitute(model, encoded, 0, silent), ablation, metric, log_alpha, noise_of)
            for group in batches(encoded, model)
        ]
    assert torch.cat(found).mean().item() == close(plain_value(case, TEXTS, closed, means))
    assert plain_value(case, TEXTS, closed, means) != close(plain_value(case, TEXTS, closed[:2], means))


@pytest.mark.parametrize("ablation", ["zero", "mean", "resample"])
def test_gradients_are_finite_differences(tiny_bert_base: Case, ablation: str) -> None:
    model: Any = deepcopy(tiny_bert_base.model)
    model.network.double()
    encoded = encode(model, corpus_of(TEXTS))
    substitute = replacements.named(ablation)[1](model, encoded, 0, silent)
    random = np.random.default_rng(2)
    noise = random.uniform(0.4, 0.6, (len(encoded), len(model.heads)))
    noise_of = {number: torch.tensor(row) for number, row in enumerate(noise)}
    (group,) = batches(encoded, model)

    def mean(log_alpha: Tensor) -> Tensor:
        return gated_values(
            model, group, substitute, ablation, metrics.EMBEDDING_COSINE, log_alpha, noise_of
        ).mean()  # fmt: skip

    # no gate is cut at 0 or 1, where there is a kink
    start = torch.tensor(random.uniform(-0.5, 0.5, len(model.heads)), requires_grad=True)
    (gradient,) = torch.autograd.grad(mean(start), start)
    step = 1e-4
    for place in range(len(start)):
        moved = torch.zeros_like(start).index_fill(0, torch.tensor([place]), step).detach()
        difference = (mean(start.detach() + moved) - mean(start.detach() - moved)).item() / (2 * step)
        assert gradient[place].item() == pytest.approx(difference, rel=1e-4, abs=1e-9)
    assert gradient.abs().min() > 1e-7, "every head has a slope, or this would say little"


def test_gradients_of_log_probabilities_are_finite_differences(tiny_gpt2: Case) -> None:
    """Logits are in float32, and come in pieces that are computed once more for the pass back."""
    model: Any = tiny_gpt2.model
    encoded = encode(model, corpus_of(TEXTS))
    substitute = replacements.mean(model, encoded)
    noise_of = {number: torch.full((len(model.heads),), 0.5) for number in range(len(encoded))}
    (group,) = batches(encoded, model)

    def total(log_alpha: Tensor) -> Tensor:
        return gated_values(model, group, substitute, "mean", metrics.LOG_PROB, log_alpha, noise_of).sum()

    start = torch.zeros(len(model.heads), requires_grad=True)
    (gradient,) = torch.autograd.grad(total(start), start)
    along = gradient / gradient.norm()
    with torch.no_grad():
        difference = (total(0.05 * along) - total(-0.05 * along)).item() / 0.1
    assert gradient.norm().item() == pytest.approx(difference, rel=0.02)


# Planted


class Summing(FakeModel):
    """Every document's value is `combine` of one number per head; what heads give can be differentiated."""

    def __init__(self, numbers: Sequence[float], combine: Callable[[Tensor], Tensor]) -> None:
        super().__init__(uniform, len(numbers))
        self.numbers, self.combine = torch.tensor(numbers), combine

    def run(self, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = True) -> Output:
        return self.run_recorded(batch, z=z or (lambda *_: None))

    def run_recorded(self, batch: Batch, *, z: Tap, logits: object = True, pieces: bool = False) -> Output:
        written = self.numbers[None, None, :, None].expand(*batch.tokens.shape, -1, 1).clone()
        changed = z("self", 0, written)
        return Output(self.combine(written if changed is None else changed), None)


DOCUMENTS = Corpus("random", tuple(random_documents(90)), "")
GIVEN: dict[str, Any] = {
    "strengths": [0.7], "seeds": 2, "steps": 150, "documents": 8, "rate": 0.1, "draws": 3, "plan": Plan("zero"),
    "metrics": lambda _model: [VALUE], "min_blocks": 5,
}  # fmt: skip


def kept_by(found: Findings) -> set[tuple[int, ...]]:
    """The heads that each training keeps."""
    table = found.tables["gates"]
    return {tuple(rows.loc[rows["kept"], "head"]) for _, rows in table.groupby(["strength", "gate_seed"])}


def slopes_at_the_start() -> tuple[float, float]:
    """How fast E[gate] and P(gate > 0) rise with log α where training begins, on a fine grid of the noise."""
    noise = (np.arange(200_000) + 0.5) / 200_000
    ends = [sampled(np.array([FIRST_LOG_ALPHA + step]), noise) for step in (-1e-3, 1e-3)]
    mean = (ends[1].mean() - ends[0].mean()) / 2e-3
    probability = 1 / (1 + np.exp(-(FIRST_LOG_ALPHA - 2 / 3 * np.log(1 / 11))))
    return mean, probability * (1 - probability)


def test_a_head_is_closed_that_is_worth_less_than_the_documented_share_of_the_strength() -> None:
    """Heads give .5, −.25, 2 and 1, which add up: a gate rises at the start where worth · slope > λ · slope."""
    mean, probability = slopes_at_the_start()
    assert probability / mean == pytest.approx(0.227, abs=5e-4), "docs/gates.md says so"
    model = Summing([0.5, -0.25, 2.0, 1.0], lambda z: z.sum(2))
    assert isinstance(model, Differentiable)
    for strength, expected in ((0.7, (0, 2, 3)), (3.0, (2, 3)), (6.0, (2,)), (12.0, ())):
        worth = [head for head, number in enumerate([0.5, -0.25, 2.0, 1.0]) if number > 0.227 * strength]
        assert tuple(worth) == expected
        assert kept_by(experiment.run(model, DOCUMENTS, **{**GIVEN, "strengths": [strength]})) == {expected}


def test_of_two_heads_that_stand_in_for_each_other_gates_keep_one() -> None:
    """The larger of heads 0 and 1 counts, so that each alone costs nothing: effects keep heads 2 and 3."""
    model = Summing([2.0, 2.0, 0.05, 1.0], lambda z: z[:, :, :2].amax(2) + z[:, :, 2:].sum(2))
    found = experiment.run(model, DOCUMENTS, **{**GIVEN, "seeds": 4, "strengths": [0.5]})
    assert kept_by(found) <= {(0, 3), (1, 3)} and kept_by(found)
    curve = found.tables["gate_curve"]
    by_gates = curve[curve["chosen_by"] == "gates"]
    assert (by_gates["heads_kept"] == 2).all()
    assert by_gates["value"].to_numpy() == close(3.0)
    assert curve.loc[curve["chosen_by"] == "effect", "value"].to_numpy() == close(1.05)
    assert by_gates[["over_effect", "over_effect_low", "over_effect_high"]].to_numpy() == close(1.95)
    assert experiment.summarise(found.tables)[0].startswith(
        "Heads kept by gates do better than as many by their single effects in 4 of 4 trainings, worse in 0"
    )
    kept: Any = found.tables["gate_heads"].set_index("head")["times_kept"]
    assert kept[0] + kept[1] == 4 and kept[3] == 4 and kept[2] == 0


def test_heads_that_write_nothing_are_closed_and_all_others_kept(tiny_bert_base: Case) -> None:
    """A transformer some of whose heads' rows of the output projection are zero."""
    model: Any = deepcopy(tiny_bert_base.model)
    dead = [model.heads[1], model.heads[2], model.heads[-1]]
    size = model.layers[0].output_weights().shape[1]
    for layer in model.layers:
        for head in dead:
            if head.layer == layer.number:
                layer.projection.weight.data[:, head.head * size : (head.head + 1) * size] = 0
    encoded = encode(model, corpus_of(TEXTS))
    (trained,), left_out = train_gates(
        model, encoded, Plan("zero"), metrics.EMBEDDING_COSINE, strengths=[1e-6], seeds=1,
        training=Training(steps=80, documents=8, rate=0.2),
    )  # fmt: skip
    assert {head for head, kept in zip(model.heads, trained.kept, strict=True) if not kept} == set(dead)
    assert left_out == 0


# The experiment


def run_on(case: Case, texts: Sequence[str] = MANY, **changes: Any) -> Findings:
    given: dict[str, Any] = {
        "strengths": [0.0, 0.02], "seeds": 2, "steps": 6, "documents": 4, "rate": 0.5, "draws": 2, "plan": Plan("zero"),
        "metrics": metrics.automatic, "min_blocks": 3,
    }  # fmt: skip
    return experiment.run(case.model, corpus_of(texts), **(given | changes))


def test_every_number_of_the_curve_is_an_ablation_in_plain_transformers_on_held_out_documents(tiny_gpt2: Case) -> None:
    tables = run_on(tiny_gpt2).tables
    odd = [text for text in MANY if block_of(text) % 2 == 1]
    curve = tables["gate_curve"].query("metric == 'log_prob'")
    assert (curve["n"] == len(odd)).all()
    by_gates = tables["gates"]
    assert by_gates["kept"].any() and not by_gates["kept"].all(), "or nothing is compared"
    key: Any
    for key, rows in by_gates.groupby(["strength", "gate_seed"]):
        closed = [Head(*place) for place in rows.loc[~rows["kept"], ["site", "layer", "head"]].itertuples(index=False)]
        here = curve[(curve["chosen_by"] == "gates") & (curve["strength"] == key[0]) & (curve["gate_seed"] == key[1])]
        assert here["value"].item() == close(plain_log_prob(tiny_gpt2, odd, closed, None))
        assert here["heads_kept"].item() == 8 - len(closed)
    ends = curve.set_index("chosen_by")["value"]
    assert ends["all"] == close(plain_log_prob(tiny_gpt2, odd, [], None))
    assert ends["none"] == close(plain_log_prob(tiny_gpt2, odd, list(tiny_gpt2.model.heads), None))
    assert curve["chosen_by"].value_counts().to_dict() == {"all": 1, "none": 1, "gates": 4, "effect": 4, "random": 12}


def test_the_order_of_effects_is_of_the_other_half(tiny_gpt2: Case) -> None:
    tables = run_on(tiny_gpt2).tables
    even = [text for text in MANY if block_of(text) % 2 == 0]
    effects = tables["gate_heads"].query("strength == 0")
    intact = plain_log_prob(tiny_gpt2, even, [], None)
    expected = [intact - plain_log_prob(tiny_gpt2, even, [head], None) for head in tiny_gpt2.model.heads]
    assert effects["effect"].tolist() == close(expected)


def test_the_same_seed_gives_the_same_gates_and_another_others(tiny_gpt2: Case) -> None:
    first, second, other = (run_on(tiny_gpt2, seed=seed).tables["gates"] for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, second)
    assert not np.allclose(first["log_alpha"], other["log_alpha"])


def test_training_does_not_depend_on_how_documents_are_batched(
    tiny_gpt2: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = run_on(tiny_gpt2).tables["gates"]["log_alpha"]
    monkeypatch.setattr("interp.ablation.gates.tokens_a_sweep", lambda _: 1)
    np.testing.assert_allclose(run_on(tiny_gpt2).tables["gates"]["log_alpha"], whole, atol=2e-3)


def test_what_is_too_short_is_left_out_and_counted(tiny_gpt2: Case) -> None:
    short = ["A", "B", "C", "D", "E", "F"]
    found = run_on(tiny_gpt2, [*MANY, *short])
    assert found.skipped["documents_without_log_prob"] == len(short)
    assert found.tables["gates"]["log_alpha"].notna().all()


def test_masked_copies_of_a_document_share_its_gates(tiny_bert: Case) -> None:
    """The metric of a masked model, whose value of a document is a mean over copies."""
    found = run_on(tiny_bert, strengths=[0.01], seeds=1, steps=2)
    assert set(found.tables["gate_curve"]["metric"]) == {"pseudo_log_prob"}
    assert found.tables["gate_training"]["value"].notna().all()


# What is refused


def test_a_model_without_gradients_is_refused() -> None:
    with pytest.raises(InterpError, match=r"needs gradients, which 'fake' does not offer.*model\.backend=attention"):
        experiment.run(FakeModel(uniform, 2), DOCUMENTS, **GIVEN)


def test_a_replacement_of_patterns_is_refused(tiny_gpt2: Case) -> None:
    with pytest.raises(InterpError, match=r"ablation=uniform, which replaces where a head attends.*ablation=mean"):
        run_on(tiny_gpt2, plan=Plan("uniform"))


def test_a_metric_without_a_gradient_is_refused(tiny_gpt2: Case) -> None:
    counted = Metric("rounded", True, False, lambda out, _b, _i: out.hidden.detach().sum((1, 2)), VALUE.scored_tokens)
    with pytest.raises(InterpError, match="a metric that can be differentiated, and rounded cannot"):
        run_on(tiny_gpt2, metrics=lambda _model: [counted])


def test_a_gradient_that_is_not_finite_is_refused() -> None:
    model = Summing([1.0, 1.0], lambda z: (z.sum(2) - z.sum(2)).sqrt())
    with pytest.raises(InterpError, match="value or its gradient is not finite"):
        experiment.run(model, DOCUMENTS, **GIVEN)


@pytest.mark.parametrize("strengths", [[], [-1.0], [0.1, 0.1], 0.1, "0.1", [True], [None]])
def test_strengths_that_cannot_be_are_refused(strengths: object) -> None:
    with pytest.raises(InterpError, match=r"gates\.strengths=.* is not allowed. Allowed: different numbers of 0"):
        check_strengths(strengths)


def test_the_command_line_refuses_a_setting_before_anything_is_loaded(
    interp: Callable[..., "Outcome"], tiny: tuple[str, str], corpus: tuple[str, str]
) -> None:
    for override, said in (
        ("gates.seeds=0", "gates.seeds=0 is not allowed. Allowed: a whole number of 1 or more"),
        ("gates.rate=0", "gates.rate=0 is not allowed"),
        ("gates.strengths=[-1]", "gates.strengths=[-1] is not allowed"),
    ):
        outcome = interp("experiment=gates", *tiny, *corpus, override)
        assert outcome.code != 0
        assert said in outcome.err


# Tables, from sums made by hand


def test_overlap_by_chance_is_that_of_random_sets() -> None:
    random = np.random.default_rng(3)

    def drawn(size: int) -> np.ndarray:
        return np.isin(np.arange(12), random.permutation(12)[:size])

    for one, other in ((3, 5), (1, 1), (12, 4)):
        found = np.array([jaccard(drawn(one), drawn(other)) for _ in range(4000)])
        error = found.std() / np.sqrt(len(found))
        assert abs(found.mean() - expected_jaccard(one, other, 12)) <= 4 * error + 1e-12
    assert expected_jaccard(0, 4, 12) == 0
    assert np.isnan(expected_jaccard(0, 0, 12)) and np.isnan(jaccard(np.zeros(3, bool), np.zeros(3, bool)))
    assert jaccard(np.array([True, True, False]), np.array([False, True, True])) == close(1 / 3)


def trained_gates(strength: float, seed: int, gate: Sequence[float]) -> TrainedGates:
    log_alpha = np.array([1.0 if one > 0.5 else -1.0 for one in gate])
    return TrainedGates(
        strength, seed, log_alpha, np.array(gate, dtype=float), np.array([0.5, 0.7]), np.array([3.0, 2.0])
    )


THREE = [trained_gates(0.1, 0, [1, 0.4, 1, 0]), trained_gates(0.1, 1, [0.9, 1, 0, 0]), trained_gates(0.2, 0, [0] * 4)]
FOUR_HEADS = [Head("self", 0, 0), Head("self", 0, 1), Head("self", 1, 0), Head("self", 1, 1)]


def test_heads_and_agreement_by_hand() -> None:
    heads = gate_head_table(FOUR_HEADS, THREE, {head: 0.1 * number for number, head in enumerate(FOUR_HEADS)})
    first = heads[heads["strength"] == 0.1]
    assert first["times_kept"].tolist() == [2, 1, 1, 0]
    assert first["share_kept"].tolist() == [1.0, 0.5, 0.5, 0.0]
    assert first["gate"].tolist() == close([0.95, 0.7, 0.5, 0.0])
    assert first["effect"].tolist() == close([0.0, 0.1, 0.2, 0.3])
    agreement: Any = gate_agreement_table(THREE).set_index("strength")
    assert agreement.loc[0.1, "jaccard"] == close(1 / 3)
    # of two pairs out of four: both the same 1/6, one in common 4/6, none 1/6
    assert agreement.loc[0.1, "chance"] == close(1 / 6 + 4 / 6 / 3)
    assert agreement.loc[0.1, "undecided"] == close(1.0)
    assert agreement.loc[0.2, ["fewest_kept", "most_kept"]].tolist() == [0, 0]
    assert np.isnan(agreement.loc[0.2, "jaccard"])
    training = gate_training_table(THREE)
    assert training["objective"].tolist()[:2] == close([0.1 * 3 - 0.5, 0.1 * 2 - 0.7])


def kept_sums() -> KeptSums:
    random = np.random.default_rng(4)
    choices = (
        KeptChoice("all", None, None, None, 4),
        *(KeptChoice("gates", 0.1, seed, None, 2) for seed in (0, 1)),
        *(KeptChoice("effect", 0.1, seed, None, 2) for seed in (0, 1)),
        *(KeptChoice("random", 0.1, seed, draw, 2) for seed in (0, 1) for draw in (0, 1, 2)),
    )
    n = random.integers(0, 4, BLOCKS)
    return KeptSums("mean", "log_prob", 4, choices, n, random.normal(1, 0.3, (len(choices), BLOCKS)) * n)


def test_differences_by_hand() -> None:
    sums = kept_sums()
    table, means = gate_curve_table([sums], seed=0), sums.value.sum(1) / sums.n.sum()
    assert len(table) == len(sums.choices) + 2
    assert table["value"].tolist()[: len(means)] == close(means.tolist())
    gates = table[table["chosen_by"] == "gates"]
    assert gates["over_effect"].tolist() == close([means[1] - means[3], means[2] - means[4]])
    assert gates["over_random"].tolist() == close([means[1] - means[5:8].mean(), means[2] - means[8:11].mean()])
    assert (gates["over_random_low"] < gates["over_random"]).all()
    assert table.loc[table["chosen_by"] != "gates", ["over_effect", "over_random"]].isna().all(axis=None)


def test_the_figure_shows_the_table() -> None:
    table = gate_curve_table([kept_sums()], seed=0)
    (axes,) = plots.gate_curve(table).axes
    drawn = {(float(x), round(float(y), 9)) for line in axes.lines for x, y in np.asarray(line.get_xydata()).tolist()}
    gates = table[table["chosen_by"] == "gates"]
    for kept, value in zip(gates["heads_kept"], gates["value"], strict=True):
        assert (kept, round(value, 9)) in drawn
