"""What a language head says, held against plain transformers: one sentence at a time, one masked token at a time."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from hashlib import sha256
from statistics import fmean
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor

from interp import metrics
from interp.ablation import replacements
from interp.ablation.effects import measure_effects
from interp.ablation.fast_engine import measure_fast
from interp.ablation.sweep import alone, sweep
from interp.corpora import expansions as expansions
from interp.corpora.batching import Group, batches, read_batches
from interp.corpora.encoding import encode
from interp.corpora.text import text_document
from interp.errors import InterpError
from interp.sums import EffectSums
from interp.types import BLOCKS, Corpus, Head, Metric, Output, Resumable
from tests.conftest import (
    Case,
    assert_close,
    batch_of,
    byte_level_tokenizer,
    corpus_of,
    replaced_z,
    tiny,
    without_head,
)

TEXTS = (
    "The cat sat on the mat.",
    "Once upon a time there was a little dog who liked to play in the park.",
    "The little cat was happy.",
)
PAIRS = (
    ("The cat was happy.", "The cat were happy."),
    ("The dogs see the cat.", "The dogs sees the cat."),
    ("There was a little park in the town.", "There were a park."),
    ("The dog saw himself.", "The dog saw themselves."),
)
SEED = 3
HEADS = (Head("self", 0, 1), Head("self", 1, 2), Head("self", 1, 0))
"""Two of them in one layer, so that they go through the rest of the network together."""

close = partial(pytest.approx, abs=1e-5, rel=1e-5)

CAUSAL = ["tiny_gpt2", "tiny_llama", "tiny_neox", "tiny_opt"]


def opt_config(vocabulary: int) -> Any:
    """Its hidden states are projected before the head, and its head calls a decoder inside the base model."""
    return transformers.OPTConfig(
        vocab_size=vocabulary,
        hidden_size=32,
        word_embed_proj_dim=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        ffn_dim=64,
        max_position_embeddings=48,
        init_std=0.3,
        pad_token_id=0,
        bos_token_id=0,
        eos_token_id=0,
    )


@pytest.fixture(scope="session")
def tiny_opt() -> Case:
    return tiny(transformers.OPTForCausalLM, opt_config, byte_level_tokenizer())


# The same, in plain transformers

Values = Callable[[Case, str], "list[float]"]


@torch.no_grad()
def next_tokens(case: Case, text: str) -> list[float]:
    """The log-probability of each token after the first, in order."""
    tokens = case.tokenizer(text)["input_ids"]
    logits: Any = case.plain(torch.tensor([tokens])).logits
    chances = logits[0].double().log_softmax(-1)
    return [chances[place, token].item() for place, token in enumerate(tokens[1:])]


@torch.no_grad()
def masked_tokens(case: Case, text: str) -> list[float]:
    """The log-probability of each token between [CLS] and [SEP], each masked alone."""
    tokens = case.tokenizer(text)["input_ids"]
    found = []
    for place, token in list(enumerate(tokens))[1:-1]:
        masked = [*tokens[:place], case.tokenizer.mask_token_id, *tokens[place + 1 :]]
        logits: Any = case.plain(input_ids=torch.tensor([masked])).logits
        found.append(logits[0, place].double().log_softmax(-1)[token].item())
    return found


def won(difference: float) -> float:
    """½ for sentences that differ in unknown words only, which are the same tokens."""
    return 0.5 if abs(difference) < 1e-9 else float(difference > 0)


def values_of(case: Case) -> Values:
    return next_tokens if case.model.causal else masked_tokens


@contextmanager
def silenced(case: Case, head: Head, value: Tensor | float = 0.0) -> Iterator[None]:
    with replaced_z(case.plain, head.layer, without_head(head.head, value)):
        yield


@torch.no_grad()
def mean_z(case: Case, texts: Sequence[str], head: Head) -> Tensor:
    seen: list[Tensor] = []

    def watch(z: Tensor) -> Tensor:
        seen.append(z[0, :, head.head].double())
        return z

    with replaced_z(case.plain, head.layer, watch):
        for text in texts:
            case.plain.base_model(**case.tokenizer(text, return_tensors="pt"))
    return torch.cat(seen).mean(0).float()


# What is under test


def logits_of(output: Output) -> Tensor:
    assert output.logits is not None
    return output.logits


def pairs_corpus(pairs: Sequence[tuple[str, str]] = PAIRS) -> Corpus:
    documents = [replace(text_document(good, f"pair/{i}"), alternative=bad) for i, (good, bad) in enumerate(pairs)]
    return Corpus("pairs", tuple(documents), sha256(repr(pairs).encode()).hexdigest())


def swept(
    case: Case,
    corpus: Corpus,
    chosen: Sequence[Metric],
    ablation: str = "zero",
    *,
    engine: str = "auto",
    tokens: int = 40,
) -> list[EffectSums]:
    encoded = encode(case.model, corpus)
    substitute = getattr(replacements, ablation)(case.model, encoded, SEED)
    groups = batches(encoded, case.model, tokens=tokens)
    return sweep(case.model, groups, substitute, chosen, ablation=ablation, sets=alone(HEADS), engine=engine)


def by_block(corpus: Corpus, values: Sequence[float]) -> np.ndarray:
    sums = np.zeros(BLOCKS)
    for document, value in zip(corpus, values, strict=True):
        sums[document.block] += value
    return sums


# The head only where it is scored


@pytest.mark.parametrize("name", [*CAUSAL, "tiny_bert"])
def test_logits_at_some_positions_are_those_of_plain_transformers(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    batch = batch_of(case.model, TEXTS)
    assert isinstance(case.model, Resumable)
    at = batch.mask.clone()
    at[:, 2::3] = False
    outputs: list[int] = []
    network: Any = case.model.network
    seen = network.get_output_embeddings().register_forward_hook(lambda _m, args, _o: outputs.append(args[0].numel()))
    case.model.remember(batch, logits=at)  # the first time asks what the head can
    outputs.clear()
    clean = case.model.remember(batch, logits=at)
    stacked = clean.attention_output["self", 1].repeat(3, 1, 1, 1)
    resumed = case.model.resume(clean, ("self", 1), stacked, logits=at)
    seen.remove()
    width = network.get_output_embeddings().weight.shape[1]
    assert outputs == [int(at.sum()) * width, 3 * int(at.sum()) * width]
    expected = []
    for row, text in enumerate(TEXTS):
        with torch.no_grad():
            logits: Any = case.plain(**case.tokenizer(text, return_tensors="pt")).logits
        expected.append(logits[0][at[row, : logits.shape[1]]])
    assert clean.output.logits is not None and resumed.logits is not None
    assert_close(clean.output.logits, torch.cat(expected))
    assert_close(resumed.logits, torch.cat(expected).repeat(3, 1))
    assert clean.output.at is at
    assert resumed.at is not None and torch.equal(resumed.at, at.repeat(3, 1))
    dense = case.model.run(batch)
    assert dense.at is None and logits_of(dense).shape[:2] == batch.tokens.shape
    assert case.model.remember(batch, logits=False).output.logits is None


def test_a_head_that_needs_every_position_is_given_them(tiny_gpt2: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    case = tiny(transformers.GPT2LMHeadModel, lambda n: tiny_gpt2.plain.config, tiny_gpt2.tokenizer)
    head: Any = case.model.network.lm_head
    plain = head.forward

    def by_position(hidden: Tensor) -> Tensor:
        return plain(hidden) * torch.arange(1, hidden.shape[1] + 1)[:, None]

    monkeypatch.setattr(head, "forward", by_position)
    batch = batch_of(case.model, TEXTS)
    expected = logits_of(case.model.run(batch))
    for at in (batch.mask, batch.tokens % 2 == 0):
        found = case.model.remember(batch, logits=at).output.logits  # pyright: ignore[reportAttributeAccessIssue]
        assert_close(found, expected[at], atol=1e-3)  # logits are stretched, and rounding with them


@pytest.mark.parametrize("name", CAUSAL)
def test_metrics_are_the_same_from_all_positions_and_from_some(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    batch = batch_of(case.model, TEXTS)
    dense = case.model.run(batch)
    other = replace(dense, logits=logits_of(dense).flip(-1))
    at = metrics.scored_positions(batch)
    more = at.clone()
    more[:, 0] = True
    for metric in (metrics.LOG_PROB, metrics.KL):
        expected = metric.measure(other, batch, dense)
        for where in (at, more):
            some = [replace(one, logits=logits_of(one)[where], at=where) for one in (other, dense)]
            assert torch.equal(metric.measure(some[0], batch, some[1]), expected)


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("name", ["tiny_neox", "tiny_opt"])
def test_log_prob_and_kl_of_a_silenced_head(name: str, engine: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    corpus = corpus_of(TEXTS)
    log_prob, kl = swept(case, corpus, metrics.language(case.model), engine=engine)

    def distributions(text: str) -> Tensor:
        with torch.no_grad():
            logits: Any = case.plain(**case.tokenizer(text, return_tensors="pt")).logits
        return logits[0, :-1].double().log_softmax(-1)

    intact = [distributions(text) for text in TEXTS]
    assert log_prob.intact == close(by_block(corpus, [fmean(next_tokens(case, text)) for text in TEXTS]))
    for row, head in enumerate(HEADS):
        with _projection_silenced(case, head):
            ablated = [distributions(text) for text in TEXTS]
            expected = [fmean(next_tokens(case, text)) for text in TEXTS]
        apart = [(p.exp() * (p - q)).sum(-1).mean().item() for p, q in zip(intact, ablated, strict=True)]
        assert log_prob.ablated[row] == close(by_block(corpus, expected))
        assert kl.effect[row] == close(by_block(corpus, apart))
        assert max(apart) > 1e-3


@contextmanager
def _projection_silenced(case: Case, head: Head) -> Iterator[None]:
    if case.plain.config.model_type != "opt":
        with silenced(case, head):
            yield
        return
    base: Any = case.plain.base_model

    def before(_module: Any, args: tuple[Tensor]) -> tuple[Tensor]:
        z = args[0].unflatten(-1, (4, -1)).clone()
        z[..., head.head, :] = 0
        return (z.flatten(-2),)

    handle = base.decoder.layers[head.layer].self_attn.out_proj.register_forward_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()


# Masked language models


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("ablation", ["zero", "mean"])
def test_the_pseudo_log_probability_masks_one_token_at_a_time(ablation: str, engine: str, tiny_bert: Case) -> None:
    corpus = corpus_of(TEXTS)
    (sums,) = swept(tiny_bert, corpus, metrics.language(tiny_bert.model), ablation, engine=engine)
    intact = [masked_tokens(tiny_bert, text) for text in TEXTS]
    assert (sums.metric, sums.signed, sums.left_out) == ("pseudo_log_prob", True, 0)
    assert sums.n.tolist() == by_block(corpus, [1] * len(TEXTS)).tolist()
    assert sums.tokens.tolist() == by_block(corpus, [len(tokens) for tokens in intact]).tolist()
    assert sums.intact == close(by_block(corpus, [fmean(tokens) for tokens in intact]))
    for row, head in enumerate(HEADS):
        value = mean_z(tiny_bert, TEXTS, head) if ablation == "mean" else 0.0
        with silenced(tiny_bert, head, value):
            ablated = [masked_tokens(tiny_bert, text) for text in TEXTS]
        effects = [fmean(before) - fmean(after) for before, after in zip(intact, ablated, strict=True)]
        assert sums.effect[row] == close(by_block(corpus, effects))
        weighted = [effect * len(tokens) for effect, tokens in zip(effects, intact, strict=True)]
        assert sums.effect_by_token[row] == close(by_block(corpus, weighted), abs=1e-4)
        assert max(map(abs, effects)) > 1e-3


@pytest.mark.parametrize("engine", ["plain", "fast"])
def test_masked_copies_take_a_resampled_head_from_the_next_document_as_it_stands(engine: str, tiny_bert: Case) -> None:
    corpus = corpus_of(TEXTS)
    (sums,) = swept(tiny_bert, corpus, [metrics.PSEUDO_LOG_PROB], "resample", engine=engine)
    cycle = np.random.default_rng(SEED).permutation(len(TEXTS)).tolist()
    for row, head in enumerate(HEADS):
        expected = []
        for number, text in enumerate(TEXTS):
            donor = TEXTS[cycle[(cycle.index(number) + 1) % len(TEXTS)]]
            written: list[Tensor] = []
            with torch.no_grad(), replaced_z(tiny_bert.plain, head.layer, _keeping(written)):
                tiny_bert.plain.base_model(**tiny_bert.tokenizer(donor, return_tensors="pt"))
            length = len(tiny_bert.tokenizer(text)["input_ids"])
            z = torch.stack([written[0][place % len(written[0]), head.head] for place in range(length)])
            with silenced(tiny_bert, head, z):
                expected.append(fmean(masked_tokens(tiny_bert, text)))
        assert sums.ablated[row] == close(by_block(corpus, expected))


def _keeping(into: list[Tensor]) -> Callable[[Tensor], Tensor]:
    def watch(z: Tensor) -> Tensor:
        into.append(z[0].clone())
        return z

    return watch


@pytest.mark.parametrize("ablation", ["zero", "mean", "resample", "uniform"])
def test_both_engines_agree_on_masked_copies_and_pairs(ablation: str, tiny_bert: Case) -> None:
    chosen = [metrics.PSEUDO_LOG_PROB, metrics.EMBEDDING_COSINE, metrics.LOGIT_DIFFERENCE]
    plain = swept(tiny_bert, pairs_corpus(), chosen, ablation, engine="plain")
    fast = swept(tiny_bert, pairs_corpus(), chosen, ablation, engine="fast", tokens=1)
    assert [sums.metric for sums in fast] == ["pseudo_log_prob", "embedding_cosine", "logit_difference"]
    for one, other in zip(plain, fast, strict=True):
        assert other.effect == close(one.effect, abs=1e-4)  # of pairs a sum over tokens
        assert other.intact == close(one.intact, abs=1e-4)
        assert np.abs(one.effect).max() > 1e-3


def test_a_document_without_a_token_to_mask_is_left_out(tiny_bert: Case) -> None:
    def cut(text: str) -> Any:
        (encoding,) = tiny_bert.model.encode([text])
        return replace(encoding, special=np.ones_like(encoding.special))

    corpus = corpus_of(TEXTS)
    encoded = encode(tiny_bert.model, corpus)
    encoded = replace(encoded, encodings=(encoded.encodings[0], cut(TEXTS[1]), encoded.encodings[2]))
    substitute = replacements.zero(tiny_bert.model, encoded)
    groups = batches(encoded, tiny_bert.model, tokens=1000)
    (sums,) = sweep(tiny_bert.model, groups, substitute, [metrics.PSEUDO_LOG_PROB], ablation="zero", sets=alone(HEADS))
    expected = [fmean(masked_tokens(tiny_bert, TEXTS[0])), 0, fmean(masked_tokens(tiny_bert, TEXTS[2]))]
    assert sums.left_out == 1
    assert sums.n.tolist() == by_block(corpus, [1, 0, 1]).tolist()
    assert sums.intact == close(by_block(corpus, expected))


def test_many_masked_copies_are_read_some_at_a_time(tiny_bert: Case) -> None:
    encoded = encode(tiny_bert.model, corpus_of(TEXTS))
    rows = expansions.masked(encoded, (0, 2), tiny_bert.model)
    split = list(expansions.parts(rows, tokens=3 * rows.tokens.shape[1] + 1))
    assert max(len(part.tokens) for part in split) == 3
    assert torch.equal(torch.cat([part.tokens for part in split]), rows.tokens)
    assert torch.equal(torch.cat([part.document for part in split]), rows.document)
    assert [len(part.tokens) for part in expansions.parts(rows, tokens=1)] == [1] * len(rows.tokens)


def test_batches_cannot_be_read_otherwise(tiny_bert: Case) -> None:
    encoded = encode(tiny_bert.model, corpus_of(TEXTS))
    substitute = replacements.zero(tiny_bert.model, encoded)
    read = list(read_batches(batches(encoded, tiny_bert.model)))
    with pytest.raises(InterpError, match="pseudo_log_prob reads copies of the documents"):
        sweep(tiny_bert.model, read, substitute, [metrics.PSEUDO_LOG_PROB], ablation="zero")


def test_a_causal_model_fills_in_nothing(tiny_gpt2: Case) -> None:
    encoded = encode(tiny_gpt2.model, corpus_of(TEXTS))
    with pytest.raises(InterpError, match="is causal or has no mask token"):
        expansions.masked(encoded, (0,), tiny_gpt2.model)


# Minimal pairs


@pytest.mark.parametrize("engine", ["plain", "fast"])
@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_llama", "tiny_neox", "tiny_bert"])
def test_pairs_are_compared_by_the_summed_log_probability_of_their_tokens(
    name: str, engine: str, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    corpus, tokens = pairs_corpus(), values_of(case)
    difference, accuracy = swept(case, corpus, metrics.minimal_pairs(case.model), engine=engine)

    def differences() -> list[float]:
        return [sum(tokens(case, good)) - sum(tokens(case, bad)) for good, bad in PAIRS]

    intact = differences()
    counted = [len(tokens(case, good)) + len(tokens(case, bad)) for good, bad in PAIRS]
    assert [sums.metric for sums in (accuracy, difference)] == ["accuracy", "logit_difference"]
    assert accuracy.signed and difference.signed
    assert difference.n.tolist() == by_block(corpus, [1] * len(PAIRS)).tolist()
    assert difference.tokens.tolist() == by_block(corpus, counted).tolist()
    assert difference.intact == close(by_block(corpus, intact), abs=1e-4)
    assert accuracy.intact.tolist() == by_block(corpus, [won(value) for value in intact]).tolist()
    for row, head in enumerate(HEADS):
        with silenced(case, head):
            ablated = differences()
        assert difference.ablated[row] == close(by_block(corpus, ablated), abs=1e-4)
        assert accuracy.ablated[row].tolist() == by_block(corpus, [won(value) for value in ablated]).tolist()
        assert np.abs(np.subtract(intact, ablated)).max() > 1e-3


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_bert"])
def test_alike_sentences_tie(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    corpus = pairs_corpus([(text, text) for text in TEXTS])
    difference, accuracy = swept(case, corpus, metrics.minimal_pairs(case.model), tokens=1)
    assert accuracy.intact.tolist() == by_block(corpus, [0.5] * len(TEXTS)).tolist()
    assert accuracy.ablated[0].tolist() == by_block(corpus, [0.5] * len(TEXTS)).tolist()
    assert np.abs(difference.intact).max() < 1e-4


def test_a_pair_of_which_a_sentence_has_no_next_token_is_left_out(tiny_gpt2: Case) -> None:
    corpus = pairs_corpus([("The cat sat.", "G"), PAIRS[0]])
    difference, accuracy = swept(tiny_gpt2, corpus, metrics.minimal_pairs(tiny_gpt2.model))
    good, bad = (sum(next_tokens(tiny_gpt2, text)) for text in PAIRS[0])
    assert (accuracy.left_out, difference.left_out) == (1, 1)
    assert accuracy.intact == close(by_block(corpus, [0, float(good > bad)]))
    assert difference.intact == close(by_block(corpus, [0, good - bad]), abs=1e-4)


def test_a_document_without_an_alternative_is_refused(tiny_gpt2: Case) -> None:
    with pytest.raises(
        InterpError, match=r"The document '.*' of the corpus 'texts' has no alternative .*corpus=minimal_pairs"
    ):
        swept(tiny_gpt2, corpus_of(TEXTS), metrics.minimal_pairs(tiny_gpt2.model))


def test_a_cut_alternative_is_counted(tiny_gpt2: Case) -> None:
    encoded = encode(tiny_gpt2.model, pairs_corpus([("The cat sat.", "The cat sat. " * 40), PAIRS[0]]))
    assert encoded.skipped["truncated_documents"] == 1


def test_metrics_of_rows_can_be_differentiated(tiny_gpt2: Case) -> None:
    case = tiny_gpt2
    encoded = encode(case.model, pairs_corpus())
    rows = expansions.pairs(encoded, range(len(PAIRS)), case.model)
    dense = case.model.run(rows)
    logits = logits_of(dense).clone().requires_grad_()
    metric = metrics.LOGIT_DIFFERENCE
    (metric.combine or (lambda values, _: values))(
        metric.measure(replace(dense, logits=logits), rows, dense), rows
    ).sum().backward()
    there = metrics.scored_positions(rows)
    token = rows.tokens.roll(-1, 1)[there]
    assert rows.alternative is not None
    sign = torch.where(rows.alternative, -1.0, 1.0)[:, None].expand_as(there)[there]
    expected = -logits_of(dense)[there].softmax(-1)
    expected[torch.arange(len(token)), token] += 1
    assert logits.grad is not None
    assert_close(logits.grad[there], expected * sign[:, None])
    assert float(logits.grad[~there].abs().max()) == 0


def test_the_table_of_effects_has_both_metrics(tiny_gpt2: Case) -> None:
    encoded = encode(tiny_gpt2.model, pairs_corpus())
    found = measure_effects(tiny_gpt2.model, encoded, metrics=metrics.minimal_pairs, min_blocks=2)
    assert sorted(set(found.table.metric)) == ["accuracy", "logit_difference"]
    assert set(found.table.n) == {len(PAIRS)}
    assert found.table.p.notna().all()


def test_the_engine_measures_the_rows_of_one_part(tiny_bert: Case) -> None:
    encoded = encode(tiny_bert.model, corpus_of(TEXTS))
    rows = expansions.masked(encoded, (0,), tiny_bert.model)
    substitution = replacements.zero(tiny_bert.model, encoded)(rows)
    assert isinstance(tiny_bert.model, Resumable)
    before, _ = measure_fast(tiny_bert.model, rows, substitution, [(HEADS[0],)], [metrics.PSEUDO_LOG_PROB])
    assert before[0].tolist() == close(masked_tokens(tiny_bert, TEXTS[0]))
    group = Group(encoded, tiny_bert.model, (0,))
    assert group.batch().masked is None
