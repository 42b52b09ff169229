"""Permuted heads are found again, strangers are not; reliability against numpy and against planted answers."""

import copy
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch
import transformers

from experiments import stability
from interp import roles
from interp.api import tally_roles
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.models import loading
from interp.statistics import matching
from interp.statistics.criteria import Criteria
from interp.statistics.lift import best_baselines, lift
from interp.tables.reliability import profiles, reliability_table
from interp.tallies.similarity import attention_similarity, same_tokens
from interp.types import Batch, Corpus, Encoding, Output
from tests.conftest import Case, bert_config, seeded
from tests.support.fakes import FakeModel, random_documents, uniform


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus("trees", tuple(random_documents(150)), "0" * 64)


ORDERS = ((2, 0, 3, 1), (1, 3, 2, 0))
"""The head that stands in each place of the permuted copy, layer by layer."""


def with_permuted_heads(case: Case) -> loading.Model:
    """The same network: a layer's output is a sum over its heads, in any order."""
    plain: Any = copy.deepcopy(case.plain)
    for block, order in zip(plain.base_model.encoder.layer, ORDERS, strict=True):
        attention, dense = block.attention.self, block.attention.output.dense
        width = attention.query.weight.shape[0] // len(order)
        rows = torch.cat([torch.arange(head * width, (head + 1) * width) for head in order])
        with torch.no_grad():
            for linear in (attention.query, attention.key, attention.value):
                linear.weight.copy_(linear.weight[rows].clone())
                linear.bias.copy_(linear.bias[rows].clone())
            dense.weight.copy_(dense.weight[:, rows].clone())
    return loading.from_transformers(plain, case.tokenizer, name="permuted")


def stranger(case: Case) -> loading.Model:
    """The same architecture from another seed."""
    plain = seeded(transformers.BertForMaskedLM, bert_config(len(case.tokenizer)), seed=7)
    return loading.from_transformers(plain, case.tokenizer, name="stranger")


run = partial(
    stability.run,
    roles=roles.everything,
    documents=60,
    permutations=49,
    criteria=Criteria(min_queries=20, min_blocks=6),
    seed=0,
)


def test_permuted_heads_are_matched_exactly_and_a_stranger_is_not(tiny_bert: Case, corpus: Corpus) -> None:
    findings = run(tiny_bert.model, corpus, other=with_permuted_heads(tiny_bert), random=stranger(tiny_bert))
    matches, summed = findings.tables["matches"], findings.tables["matching"].set_index("by")
    assert set(matches.by) == {"roles", "attention"} and len(matches) == 16
    row: Any
    for row in matches.itertuples():
        assert row.other_layer == row.layer and ORDERS[row.layer][row.other_head] == row.head
        assert row.similarity == pytest.approx(1, abs=1e-4)
    assert summed.loc["roles", "p"] == 1 / 50
    nulls = findings.tables["matching_null"]
    assert len(nulls[nulls.null == stability.LABELS]) == 49
    for by in ("roles", "attention"):
        [random] = nulls[(nulls.by == by) & nulls.null.str.startswith("random")].similarity
        assert random < 0.95
    assert set(stability.draw(findings.tables)) == {"reliability", "matching"}
    assert any("8 of 8 in the same layer" in line for line in stability.summarise(findings.tables))


def test_a_model_is_matched_with_itself_where_there_is_no_other(tiny_bert: Case, corpus: Corpus) -> None:
    findings = run(tiny_bert.model, corpus, other=None, random=None)
    assert set(findings.tables["matches"].by) == {"roles"}
    assert any("an untrained model passes this null too" in line for line in stability.summarise(findings.tables))
    assert any("even blocks with odd ones" in line for line in findings.notes)


def test_a_stranger_is_no_more_alike_than_itself(tiny_bert: Case, corpus: Corpus) -> None:
    """As the null, the very model that is matched: p may be small, and the summary says what that is worth."""
    other = stranger(tiny_bert)
    findings = run(tiny_bert.model, corpus, other=other, random=other, documents=10)
    said = [line for line in stability.summarise(findings.tables) if "no more alike than" in line]
    assert len(said) == 2  # by roles and by attention


def test_other_tokens_forbid_a_comparison_of_attention(tiny_bert: Case, tiny_gpt2: Case, corpus: Corpus) -> None:
    findings = run(tiny_bert.model, corpus, other=tiny_gpt2.model, random=None)
    assert set(findings.tables["matches"].by) == {"roles"}
    assert any("cuts texts into other tokens" in line for line in findings.notes)


class Renumbered:
    """The same model with another number for every token."""

    def __init__(self, model: loading.Model) -> None:
        self._model, self.pad_token = model, model.pad_token + 1000

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        return [replace(one, tokens=one.tokens + 1000) for one in self._model.encode(texts)]

    def visible(self, batch: Batch, *group: Any) -> torch.Tensor:
        return self._model.visible(batch, *group)

    def run(self, batch: Batch, **taps: Any) -> Output:
        return self._model.run(replace(batch, tokens=batch.tokens - 1000), **taps)


def test_tokens_may_have_other_numbers(tiny_bert: Case, corpus: Corpus) -> None:
    """Vocabularies of two trainings number words differently: what counts is where texts are cut."""
    other: Any = Renumbered(tiny_bert.model)
    encoded, other_encoded = (encode(one, corpus) for one in (tiny_bert.model, other))
    assert same_tokens(encoded, other_encoded)
    found = attention_similarity(tiny_bert.model, other, encoded, other_encoded, documents=range(20))
    np.testing.assert_allclose(np.diag(found), 1, atol=1e-6)


def test_similarity_of_attention_against_numpy(tiny_bert: Case, corpus: Corpus) -> None:
    model, other = tiny_bert.model, stranger(tiny_bert)
    encoded = encode(model, corpus)
    found = attention_similarity(model, other, encoded, encode(other, corpus), documents=range(20))
    parts: dict[str, list[np.ndarray]] = {"one": [], "two": []}
    for group in batches(encoded, model, documents=range(20), tokens=1):  # one document at a time, nothing padded
        batch = group.batch()
        for name, one in (("one", model), ("two", other)):
            seen: list[torch.Tensor] = []
            one.run(batch, pattern=lambda _site, _layer, pattern, seen=seen: seen.append(pattern[0].double()))
            parts[name].append(torch.cat(seen).flatten(1).numpy() - 1 / batch.tokens.shape[1])
    a, b = (np.concatenate(part, axis=1) for part in parts.values())
    expected = (a @ b.T) / np.sqrt(np.outer((a**2).sum(1), (b**2).sum(1)))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_the_assignment_is_the_best_of_all() -> None:
    random = np.random.default_rng(0)
    for _ in range(20):
        similarity = random.normal(size=(4, 5))
        best = max(sum(similarity[a, b] for a, b in enumerate(one)) for one in permutations(range(5), 4))
        assert matching.matched_similarity(similarity) * 4 == pytest.approx(best)


def test_profiles_dealt_anew_are_a_fair_null() -> None:
    """Two models that have nothing to do with each other: p is small about as often as it says."""
    random = np.random.default_rng(0)
    small = 0
    for seed in range(60):
        one, other = random.normal(size=(40, 12)), random.normal(size=(40, 12))
        measured = matching.matched_similarity(matching.profile_similarity(one, other))
        small += matching.p_of(measured, matching.permuted(one, other, repeats=39, seed=seed)) <= 0.2
    assert 3 <= small <= 23  # 12 expected, 3.1 the standard deviation


def test_reliability_against_numpy(tiny_bert: Case, corpus: Corpus) -> None:
    sums = tally_roles(tiny_bert.model, encode(tiny_bert.model, corpus), roles.everything)
    table = reliability_table(sums, seed=0).set_index("role")
    even, odd = np.arange(0, 64, 2), np.arange(1, 64, 2)
    baseline = best_baselines(sums, even)
    asked = (sums.n[:, even].sum(axis=1) > 0) & (sums.n[:, odd].sum(axis=1) > 0)
    for number, role in enumerate(sums.roles):
        if not asked[number]:
            assert role.name not in table.index
            continue
        r = np.corrcoef(lift(sums, baseline, even)[number], lift(sums, baseline, odd)[number])[0, 1]
        row: Any = table.loc[role.name]
        assert row.correlation == pytest.approx(r) and row.reliability == pytest.approx(2 * r / (1 + r))
        assert row.ci_low <= row.reliability <= row.ci_high + 1e-9
    assert len(table) == asked.sum() > 10


def test_heads_that_are_all_alike_have_no_reliability(corpus: Corpus) -> None:
    model = FakeModel(lambda batch: uniform(batch).expand(-1, 4, -1, -1), 4)
    sums = tally_roles(model, encode(model, corpus), roles.positional)
    table = reliability_table(sums, seed=0)
    assert len(table) > 5 and table.reliability.isna().all() and table.ci_low.isna().all()
    assert (profiles(sums, np.arange(64), criteria=Criteria(min_queries=1, min_blocks=1)).nunique() == 1).all()
