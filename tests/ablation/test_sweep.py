"""Silenced heads against plain transformers with a hook of our own, one document at a time and never padded."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy
from transformers import AlbertConfig, AlbertForMaskedLM

from interp import metrics
from interp.ablation import replacements
from interp.ablation.fast_engine import measure_fast
from interp.ablation.plain_engine import measure_plain
from interp.ablation.sweep import alone, runs_fast, sweep
from interp.corpora.batching import batches, evenly_spaced, read_batches
from interp.corpora.encoding import encode
from interp.errors import InterpError, ModelError
from interp.models.loading import Model, from_transformers
from interp.sums import EffectSums
from interp.types import BLOCKS, Head, Metric, Resumable
from tests.conftest import (
    Case,
    assert_close,
    batch_of,
    corpus_of,
    plain_values,
    replaced_z,
    tiny,
    without_head,
    word_piece_tokenizer,
)

TEXTS = (
    "The cat sat on the mat.",
    "Once upon a time there was a little dog who liked to play in the park.",
    "The little cat was happy.",
    "The dog saw the cat, and the cat saw the dog.",
    "There was a park.",
)


SEED = 3

close = partial(pytest.approx, abs=1e-5, rel=1e-5)


# The same, in plain transformers


@torch.no_grad()
def embedding(case: Case, text: str) -> Tensor:
    hidden = case.plain.base_model(**case.tokenizer(text, return_tensors="pt")).last_hidden_state
    return hidden[0].double().mean(0)


@torch.no_grad()
def log_probability(case: Case, text: str) -> float:
    tokens = case.tokenizer(text, return_tensors="pt")["input_ids"]
    logits: Any = case.plain(tokens).logits
    return -cross_entropy(logits[0, :-1], tokens[0, 1:]).item()


def tokens_in(case: Case, text: str) -> int:
    return len(case.tokenizer(text)["input_ids"])


def block_of(text: str) -> int:
    return corpus_of([text]).documents[0].block


@torch.no_grad()
def average_z(case: Case, texts: Sequence[str]) -> list[Tensor]:
    """Each layer's z averaged over the tokens of all texts, [head, d_head]."""
    layers = case.plain.config.num_hidden_layers
    means = []
    for layer in range(layers):
        seen: list[Tensor] = []

        def watch(z: Tensor, seen: list[Tensor] = seen) -> Tensor:
            seen.append(z[0].double())
            return z

        with replaced_z(case.plain, layer, watch):
            for text in texts:
                case.plain.base_model(**case.tokenizer(text, return_tensors="pt"))
        means.append(torch.cat(seen).mean(0))
    return means


# What is under test


def swept(
    model: Model,
    texts: Sequence[str],
    ablation: str,
    chosen: Sequence[Metric],
    *,
    tokens: int = 40,
    heads: Sequence[Head] | None = None,
    engine: str = "auto",
) -> list[EffectSums]:
    encoded = encode(model, corpus_of(texts))
    substitute = getattr(replacements, ablation)(model, encoded, SEED)
    groups = batches(encoded, model, tokens=tokens)
    return sweep(
        model,
        list(read_batches(groups)),
        substitute,
        chosen,
        ablation=ablation,
        sets=None if heads is None else alone(heads),
        engine=engine,
    )


def by_block(texts: Sequence[str], values: Sequence[float] | np.ndarray) -> np.ndarray:
    sums = np.zeros(BLOCKS)
    for text, value in zip(texts, values, strict=True):
        sums[block_of(text)] += value
    return sums


@pytest.mark.parametrize("ablation", ["zero", "mean"])
def test_every_head_of_minilm_moves_the_embedding_as_in_plain_transformers(ablation: str, minilm_case: Case) -> None:
    texts = [TEXTS[0], TEXTS[2]]
    (sums,) = swept(minilm_case.model, texts, ablation, [metrics.EMBEDDING_COSINE])
    intact = [embedding(minilm_case, text) for text in texts]
    means = average_z(minilm_case, texts)
    assert (sums.ablation, sums.metric, sums.signed) == (ablation, "embedding_cosine", False)
    assert list(sums.heads) == [("self", layer, head) for layer in range(6) for head in range(12)]
    for row, (_, layer, head) in enumerate(sums.heads):
        value = means[layer][head].float() if ablation == "mean" else 0.0
        with replaced_z(minilm_case.plain, layer, without_head(head, value)):
            ablated = [embedding(minilm_case, text) for text in texts]
        cosines = [cosine_similarity(*pair, dim=0).item() for pair in zip(ablated, intact, strict=True)]
        assert sums.ablated[row] == close(by_block(texts, cosines))
        assert sums.effect[row] == close(by_block(texts, [1 - cosine for cosine in cosines]))
    assert sums.intact == close(by_block(texts, [1.0, 1.0]))
    assert sums.effect.sum(1).max() > 1e-3


@pytest.mark.parametrize("ablation", ["zero", "mean"])
@pytest.mark.parametrize(
    "name", ["tiny_gpt2", "tiny_llama", "tiny_mistral", pytest.param("stories_case", marks=pytest.mark.real)]
)
def test_every_head_of_a_language_model_moves_log_prob_as_in_plain_transformers(
    ablation: str, name: str, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    texts = TEXTS[:3]
    (sums,) = swept(case.model, texts, ablation, [metrics.LOG_PROB])
    intact = np.array([log_probability(case, text) for text in texts])
    predicted = np.array([tokens_in(case, text) - 1 for text in texts])
    means = average_z(case, texts)
    assert (sums.ablation, sums.metric, sums.signed) == (ablation, "log_prob", True)
    assert sums.n.tolist() == by_block(texts, np.ones(len(texts))).tolist()
    assert sums.tokens.tolist() == by_block(texts, predicted).tolist()
    assert sums.intact == close(by_block(texts, intact))
    for row, (_, layer, head) in enumerate(sums.heads):
        value = means[layer][head].float() if ablation == "mean" else 0.0
        with replaced_z(case.plain, layer, without_head(head, value)):
            ablated = np.array([log_probability(case, text) for text in texts])
        assert sums.ablated[row] == close(by_block(texts, ablated))
        assert sums.effect[row] == close(by_block(texts, intact - ablated))
        by_token = by_block(texts, (intact - ablated) * predicted)
        assert sums.effect_by_token[row] == close(by_token, abs=1e-4)
    assert np.abs(sums.effect).max() > 1e-3


@pytest.mark.parametrize("name", ["tiny_bert", "tiny_llama", pytest.param("stories_case", marks=pytest.mark.real)])
def test_the_mean_is_over_all_tokens_of_the_corpus_and_none_of_its_padding(
    name: str, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    means = replacements.mean_outputs(case.model, encode(case.model, corpus_of(TEXTS)))
    expected = average_z(case, TEXTS)
    assert sorted(means) == [("self", layer) for layer in range(len(expected))]
    for layer, mean in enumerate(expected):
        assert means["self", layer].dtype == torch.float64
        assert_close(means["self", layer], mean, atol=1e-6)


def test_documents_of_one_block_are_added(tiny_llama: Case) -> None:
    texts = [*TEXTS, TEXTS[0]]
    (sums,) = swept(tiny_llama.model, texts, "zero", [metrics.EMBEDDING_COSINE], heads=[Head("self", 1, 2)])
    counted = np.array([tokens_in(tiny_llama, text) for text in texts])
    intact = [embedding(tiny_llama, text) for text in texts]
    with replaced_z(tiny_llama.plain, 1, without_head(2)):
        ablated = [embedding(tiny_llama, text) for text in texts]
    effects = np.array([1 - cosine_similarity(*pair, dim=0).item() for pair in zip(ablated, intact, strict=True)])
    assert sums.n[block_of(TEXTS[0])] >= 2
    assert sums.heads == (("self", 1, 2),)
    assert sums.n.tolist() == by_block(texts, np.ones(len(texts))).tolist()
    assert sums.tokens.tolist() == by_block(texts, counted).tolist()
    assert sums.effect[0] == close(by_block(texts, effects))
    assert sums.effect_by_token[0] == close(by_block(texts, effects * counted), abs=1e-4)


def test_several_metrics_share_the_passes(tiny_llama: Case) -> None:
    chosen = [metrics.LOG_PROB, metrics.EMBEDDING_COSINE]
    heads = [Head("self", 0, 3), Head("self", 1, 0)]
    both = swept(tiny_llama.model, TEXTS, "zero", chosen, heads=heads)
    assert [sums.metric for sums in both] == ["log_prob", "embedding_cosine"]
    with replaced_z(tiny_llama.plain, 0, without_head(3)):
        ablated = [log_probability(tiny_llama, text) for text in TEXTS]
    assert both[0].ablated[0] == close(by_block(TEXTS, ablated))
    intact = [embedding(tiny_llama, text) for text in TEXTS]
    with replaced_z(tiny_llama.plain, 1, without_head(0)):
        other = [embedding(tiny_llama, text) for text in TEXTS]
    cosines = [cosine_similarity(*pair, dim=0).item() for pair in zip(other, intact, strict=True)]
    assert both[1].ablated[1] == close(by_block(TEXTS, cosines))


@pytest.mark.parametrize("ablation", ["zero", "mean"])
def test_the_size_of_batches_and_the_order_of_documents_do_not_matter(ablation: str, tiny_llama: Case) -> None:
    (together,) = swept(tiny_llama.model, TEXTS, ablation, [metrics.LOG_PROB], tokens=10_000)
    (alone,) = swept(tiny_llama.model, TEXTS, ablation, [metrics.LOG_PROB], tokens=1)
    (backwards,) = swept(tiny_llama.model, TEXTS[::-1], ablation, [metrics.LOG_PROB])
    for other in (alone, backwards):
        assert other.n.tolist() == together.n.tolist()
        assert other.tokens.tolist() == together.tokens.tolist()
        assert other.ablated == close(together.ablated)
        assert other.effect_by_token == close(together.effect_by_token, abs=1e-4)


def test_a_document_of_one_token_has_no_log_prob_and_is_left_out(tiny_gpt2: Case) -> None:
    assert tokens_in(tiny_gpt2, "G") == 1
    texts = ["G", TEXTS[0]]
    log_prob, cosine = swept(tiny_gpt2.model, texts, "zero", [metrics.LOG_PROB, metrics.EMBEDDING_COSINE])
    assert log_prob.n.tolist() == by_block(texts, [0, 1]).tolist()
    assert log_prob.tokens.tolist() == by_block(texts, [0, tokens_in(tiny_gpt2, TEXTS[0]) - 1]).tolist()
    assert log_prob.intact == close(by_block(texts, [0, log_probability(tiny_gpt2, TEXTS[0])]))
    for table in (log_prob.ablated, log_prob.effect, log_prob.effect_by_token):
        assert np.isfinite(table).all()
    assert cosine.n.tolist() == by_block(texts, [1, 1]).tolist()
    assert (log_prob.left_out, cosine.left_out) == (1, 0)


def test_nothing_is_left_silenced(tiny_llama: Case) -> None:
    for ablation in ("zero", "mean"):
        swept(tiny_llama.model, TEXTS, ablation, [metrics.LOG_PROB])
    (sums,) = swept(tiny_llama.model, TEXTS, "zero", [metrics.LOG_PROB], heads=[Head("self", 0, 0)])
    expected = [log_probability(tiny_llama, text) for text in TEXTS]
    assert sums.intact == close(by_block(TEXTS, expected))


# Metrics


def test_language_metrics_ask_for_a_trained_head(
    tiny_gpt2: Case, tiny_bert: Case, tiny_bert_base: Case, minilm: Model
) -> None:
    assert [metric.name for metric in metrics.language(tiny_gpt2.model)] == ["log_prob", "kl"]
    assert [metric.name for metric in metrics.language(tiny_bert.model)] == ["pseudo_log_prob"]
    for model in (tiny_bert_base.model, minilm):
        for group in (metrics.language, metrics.minimal_pairs):
            with pytest.raises(InterpError, match=rf"'{model.name}' has no trained causal .*metrics=embedding"):
                group(model)


def test_a_masked_model_without_a_mask_token_has_no_language_metrics(tiny_bert: Case) -> None:
    tokenizer = word_piece_tokenizer()
    tokenizer.mask_token = None
    unmasked = from_transformers(tiny_bert.plain, tokenizer, name="unmasked")
    assert unmasked.has_language_head
    with pytest.raises(InterpError, match=r"'unmasked' has no trained causal .* with a mask token"):
        metrics.language(unmasked)
    assert [metric.name for metric in metrics.automatic(unmasked)] == ["embedding_cosine"]


def test_the_metric_that_suits_a_model_is_chosen(tiny_gpt2: Case, tiny_bert: Case, minilm: Model) -> None:
    chosen = [[metric.name for metric in metrics.automatic(m)] for m in (tiny_gpt2.model, tiny_bert.model, minilm)]
    assert chosen == [["log_prob", "kl"], ["pseudo_log_prob"], ["embedding_cosine"]]
    assert [metric.name for metric in metrics.embedding(tiny_gpt2.model)] == ["embedding_cosine"]


def test_log_prob_without_logits_is_refused(minilm: Model) -> None:
    with pytest.raises(InterpError, match="needs the logits of a trained language head"):
        swept(minilm, TEXTS[:1], "zero", [metrics.LOG_PROB])


# Which documents


@pytest.mark.parametrize(
    ("count", "limit", "chosen"),
    [
        (5, None, [0, 1, 2, 3, 4]),
        (5, 5, [0, 1, 2, 3, 4]),
        (5, 9, [0, 1, 2, 3, 4]),
        (10, 5, [0, 2, 4, 6, 8]),
        (10, 3, [0, 3, 6]),
        (10, 4, [0, 2, 5, 7]),
        (3, 1, [0]),
    ],
)
def test_documents_are_evenly_spaced(count: int, limit: int | None, chosen: list[int]) -> None:
    assert evenly_spaced(count, limit) == chosen


def test_evenly_spaced_numbers_are_never_taken_twice() -> None:
    for count, limit in ((12_543, 500), (7, 6), (1_000_003, 999)):
        chosen = evenly_spaced(count, limit)
        assert len(set(chosen)) == limit
        steps = np.diff([*chosen, count])
        assert steps.min() >= count // limit
        assert steps.max() <= count // limit + 1


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_llama"])
def test_kl_is_from_the_intact_distribution_over_the_predicted_tokens(
    name: str, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    (sums,) = swept(case.model, TEXTS, "zero", [metrics.KL], heads=[Head("self", 0, 2)])

    def distributions(text: str) -> np.ndarray:
        with torch.no_grad():
            logits: Any = case.plain(**case.tokenizer(text, return_tensors="pt")).logits
        return logits[0, :-1].double().softmax(-1).numpy()

    intact = [distributions(text) for text in TEXTS]
    with replaced_z(case.plain, 0, without_head(2)):
        ablated = [distributions(text) for text in TEXTS]
    divergences = [(p * np.log(p / q)).sum(-1).mean() for p, q in zip(intact, ablated, strict=True)]
    assert (sums.metric, sums.signed) == ("kl", False)
    assert sums.intact == close(np.zeros(BLOCKS))
    assert sums.effect[0] == close(by_block(TEXTS, divergences))
    assert max(divergences) > 1e-3


# The fast engine, and every replacement, against plain transformers


def taken_from_elsewhere(case: Case, texts: Sequence[str], layer: int) -> list[Tensor]:
    """For each text the z of the text after it in the seeded cycle, position by position, repeated if short."""
    cycle = np.random.default_rng(SEED).permutation(len(texts)).tolist()
    seen: list[Tensor] = []

    def watch(z: Tensor) -> Tensor:
        seen.append(z[0])
        return z

    with torch.no_grad(), replaced_z(case.plain, layer, watch):
        for text in texts:
            case.plain.base_model(**case.tokenizer(text, return_tensors="pt"))
    donors = []
    for number, text in enumerate(texts):
        donor = seen[cycle[(cycle.index(number) + 1) % len(texts)]]
        donors.append(torch.stack([donor[t % len(donor)] for t in range(tokens_in(case, text))]))
    return donors


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_bert", "minilm_case"])
def test_a_resampled_head_writes_what_it_wrote_in_the_next_document_of_the_cycle(
    name: str, engine: str, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    heads = [Head("self", layer, head) for layer in (0, 1) for head in (0, 3)]
    (sums,) = swept(case.model, TEXTS, "resample", [metrics.EMBEDDING_COSINE], heads=heads, engine=engine)
    intact = [embedding(case, text) for text in TEXTS]
    for row, (_, layer, head) in enumerate(heads):
        donors = taken_from_elsewhere(case, TEXTS, layer)
        cosines = []
        for text, whole, donor in zip(TEXTS, intact, donors, strict=True):
            with replaced_z(case.plain, layer, without_head(head, donor[:, head])):
                cosines.append(cosine_similarity(embedding(case, text), whole, dim=0).item())
        assert sums.ablated[row] == close(by_block(TEXTS, cosines))
    assert sums.effect.sum(1).max() > 1e-3


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_mistral", "tiny_bert"])
def test_a_head_with_uniform_attention_writes_the_mean_of_the_values_it_can_see(
    name: str, engine: str, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    heads = [Head("self", 1, head) for head in range(4)]
    (sums,) = swept(case.model, TEXTS, "uniform", [metrics.EMBEDDING_COSINE], heads=heads, engine=engine)
    intact = [embedding(case, text) for text in TEXTS]
    for row, head in enumerate(heads):
        cosines = []
        for text, whole in zip(TEXTS, intact, strict=True):
            batch = batch_of(case.model, [text])
            values = plain_values(case, batch, 1)[0, head.head]
            there = len(values)
            reach = {"tiny_gpt2": there, "tiny_mistral": 3, "tiny_bert": None}[name]
            rows = [values if reach is None else values[max(0, q + 1 - reach) : q + 1] for q in range(there)]
            mean = torch.stack([seen.mean(0) for seen in rows])
            with replaced_z(case.plain, 1, without_head(head.head, mean)):
                cosines.append(cosine_similarity(embedding(case, text), whole, dim=0).item())
        assert sums.ablated[row] == close(by_block(TEXTS, cosines))


@pytest.mark.parametrize("ablation", ["zero", "mean", "resample", "uniform"])
@pytest.mark.parametrize(
    "name",
    [
        *("tiny_gpt2", "tiny_bert", "tiny_bert_decoder", "tiny_llama", "tiny_mistral", "tiny_neox", "minilm_case"),
        pytest.param("stories_case", marks=pytest.mark.real),
    ],
)
def test_the_fast_engine_equals_the_plain_path(name: str, ablation: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    chosen = [metrics.EMBEDDING_COSINE, *([metrics.LOG_PROB] if case.model.causal else [])]
    plain = swept(case.model, TEXTS, ablation, chosen, engine="plain")
    fast = swept(case.model, TEXTS, ablation, chosen, engine="fast")
    for one, other in zip(plain, fast, strict=True):
        assert other.effect == close(one.effect)
        assert other.intact == close(one.intact)
        assert np.abs(one.effect).max() > 1e-3


@pytest.mark.parametrize("ablation", ["zero", "mean", "resample", "uniform"])
@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_bert", "tiny_llama"])
def test_sets_of_heads_are_silenced_together(name: str, ablation: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    encoded = encode(case.model, corpus_of(TEXTS))
    (group,) = batches(encoded, case.model, tokens=1000)
    sets = [
        [Head("self", 0, 1), Head("self", 0, 2)],
        [Head("self", 0, 0), Head("self", 1, 3)],
        [Head("self", 1, head) for head in range(4)],
        list(case.model.heads),
        [Head("self", 1, 0)],
    ]
    batch = group.batch()
    substitution = getattr(replacements, ablation)(case.model, encoded, SEED)(batch)
    chosen = [metrics.EMBEDDING_COSINE]
    assert isinstance(case.model, Resumable)
    before, after = measure_fast(case.model, batch, substitution, sets, chosen, tokens=3 * batch.tokens.numel())
    expected_before, expected = measure_plain(case.model, batch, substitution, sets, chosen)
    assert_close(before, expected_before)
    assert_close(after, expected)
    assert len({round(value, 6) for value in after[0].sum(-1).tolist()}) == len(sets)


def test_silencing_every_head_is_silencing_the_layers_of_plain_transformers(tiny_bert: Case) -> None:
    encoded = encode(tiny_bert.model, corpus_of(TEXTS[:1]))
    batch = batches(encoded, tiny_bert.model)[0].batch()
    assert isinstance(tiny_bert.model, Resumable)
    substitution = replacements.zero(tiny_bert.model, encoded)(batch)
    _, after = measure_fast(tiny_bert.model, batch, substitution, [tiny_bert.model.heads], [metrics.EMBEDDING_COSINE])
    intact = embedding(tiny_bert, TEXTS[0])
    with replaced_z(tiny_bert.plain, 0, torch.zeros_like), replaced_z(tiny_bert.plain, 1, torch.zeros_like):
        assert after.item() == close(cosine_similarity(embedding(tiny_bert, TEXTS[0]), intact, dim=0).item())


def test_the_fast_engine_is_refused_where_the_model_cannot_be_resumed(tiny_gpt2: Case) -> None:
    bridged = from_transformers(tiny_gpt2.plain, tiny_gpt2.tokenizer, name="bridged", backend="bridge")
    with pytest.raises(InterpError, match=r"'bridged' does not offer.*ablation\.engine=plain"):
        swept(bridged, TEXTS, "zero", [metrics.LOG_PROB], engine="fast")
    with pytest.raises(InterpError, match="Did you mean 'plain'"):
        swept(bridged, TEXTS, "zero", [metrics.LOG_PROB], engine="plane")
    (fast,) = swept(tiny_gpt2.model, TEXTS, "zero", [metrics.LOG_PROB])
    (auto,) = swept(bridged, TEXTS, "zero", [metrics.LOG_PROB])
    assert auto.effect == close(fast.effect)


def test_layers_that_share_a_module_are_swept_plainly() -> None:
    def config(vocabulary: int) -> Any:
        return AlbertConfig(
            vocab_size=vocabulary,
            embedding_size=16,
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            initializer_range=0.3,
        )

    albert = tiny(AlbertForMaskedLM, config, word_piece_tokenizer())
    assert albert.model.provenance["backend"] == "attention"
    assert not runs_fast(albert.model)
    with pytest.raises(ModelError, match=r"blocks of their own.*ablation\.engine=plain"):
        albert.model.remember(batch_of(albert.model))  # pyright: ignore[reportAttributeAccessIssue]
    (sums,) = swept(albert.model, TEXTS, "zero", [metrics.EMBEDDING_COSINE])
    assert sums.effect.sum(1).min() > 1e-6


@pytest.mark.parametrize("name", ["minilm_case", "tiny_gpt2", "tiny_llama"])
def test_low_precision_on_the_difference_errs_by_a_small_share_of_the_effect(
    name: str, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    encoded = encode(case.model, corpus_of(TEXTS))
    (group,) = batches(encoded, case.model, tokens=1000)
    batch = group.batch()
    substitution = replacements.zero(case.model, encoded)(batch)
    sets = [(head,) for head in case.model.heads]
    assert isinstance(case.model, Resumable)
    chosen = [metrics.LOG_PROB if case.model.causal else metrics.EMBEDDING_COSINE]
    before, exact = measure_fast(case.model, batch, substitution, sets, chosen)
    intact, low = measure_fast(case.model, batch, substitution, sets, chosen, precision="delta")
    assert torch.equal(before, intact)
    effect, error = (before[:, None] - exact)[0].mean(-1), (low - exact)[0].mean(-1).abs()
    assert error.max() > 0
    assert error.max() < 0.01 * effect.abs().max()
    again = measure_fast(case.model, batch, substitution, sets, chosen)[1]
    assert torch.equal(again, exact)
