"""Parsers that know attention: planted heads are found, and every number is computed a second time, in loops."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from torch import Tensor

from interp.attention.visibility import mask_groups
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.errors import InterpError
from interp.governors import ROOT, GovernorChoices
from interp.statistics.parser import Choices, credit_of, fit_parser, log_probabilities, mean_log_probability
from interp.tables.probe import PLACES, Probe, best_head, branching, features_of, parse, parts_of, probe_tables
from interp.tallies.cells import CellTally
from interp.tallies.governor_choices import governor_choices
from interp.tallies.stream import stream
from interp.types import Batch, Corpus, Document, HeadModel
from tests.conftest import Case
from tests.support.fakes import FakeModel, document, noise, random_documents, to_governor

DOCUMENTS = random_documents(240, seed=3, sizes=(3, 14))


def choices_of(model: HeadModel, documents: Sequence[Document]) -> tuple[GovernorChoices, dict[str, int]]:
    encoded = encode(model, Corpus("random", tuple(documents), "0" * 64))
    tally = CellTally(model.heads, mask_groups(model))
    stream(model, read_batches(batches(encoded, model)), tally)
    return governor_choices(documents, tally.cells())


def planted(batch: Batch) -> Tensor:
    """Two heads of noise, and between them one that attends to the governor, from a root to the first token."""
    random = noise(batch)
    return torch.cat([random[:, :1], to_governor(batch), random[:, 1:]], dim=1)


def reversed_governor(batch: Batch) -> Tensor:
    """Noise, and a head from each word to its dependents, evenly; from one without any to the first token."""
    back = to_governor(batch)[:, 0].transpose(1, 2).clone()
    back[:, 0], back[:, :, 0] = 0, 0
    back[:, :, 0] += (back.sum(-1) == 0).float()
    return torch.cat([noise(batch), (back / back.sum(-1, keepdim=True))[:, None]], dim=1)


@pytest.fixture(scope="module")
def choices() -> GovernorChoices:
    return choices_of(FakeModel(planted, 3), DOCUMENTS)[0]


def test_a_head_that_attends_to_the_governor_gives_all_governors(choices: GovernorChoices) -> None:
    noise_alone = choices_of(FakeModel(noise, 2), DOCUMENTS)[0]
    tables = probe_tables(choices, [("self", 0, 1)], {7: noise_alone}, seed=0)
    rows: Any = tables["probe"].itertuples()
    found = {row.probe: row for row in rows}
    for name in ("all_heads", "best_head", "syntax_role_heads", "all_heads_and_words"):
        assert found[name].uas > 0.99, name
    assert found["best_head"].which == found["syntax_role_heads"].which == "0.1"
    # one of five to ten words by chance
    assert found["random_weights"].uas < 0.35 and found["random_weights"].null_seed == 7
    assert found["all_heads"].over_right_low > 0.4
    assert_allclose(found["all_heads"].over_right, found["all_heads"].uas - found["right_branching"].uas)
    weights = tables["probe_weights"]
    assert weights["to_governor"].idxmax() == 1 and abs(weights["from_governor"][1]) < weights["to_governor"][1]
    parts = parts_of(choices)
    assert (found["all_heads"].n == parts.confirm.sum()) and not (parts.confirm & (parts.fitted | parts.held_out)).any()
    assert not (parts.fitted & parts.held_out).any()


def test_attention_from_the_governor_is_as_good() -> None:
    back = choices_of(FakeModel(reversed_governor, 3), DOCUMENTS)[0]
    assert best_head(back, parts_of(back).fitted) == 2
    found = parse(back, Probe("one", (2,)))
    assert found.credit.mean() > 0.95 and found.weights is not None
    to, come, _ = found.weights.parts[0]
    assert come > to


def in_loops(choices: GovernorChoices, scores: np.ndarray) -> tuple[float, float]:
    """The mean of log p of governors, and the share of words whose highest candidate is theirs."""
    logs, hits = [], []
    for dependent in range(len(choices.word)):
        rows = np.flatnonzero(choices.dependent == dependent)
        mine = [float(scores[row]) for row in rows]
        (gold,) = [place for place, row in enumerate(rows) if choices.gold[row]]
        logs.append(mine[gold] - np.log(sum(np.exp(one) for one in mine)))
        best = [place for place, one in enumerate(mine) if one == max(mine)]
        hits.append((gold in best) / len(best))
    return float(np.mean(logs)), float(np.mean(hits))


def test_likelihood_and_credit_are_those_of_loops(choices: GovernorChoices) -> None:
    random = np.random.default_rng(5)
    features = random.integers(0, 3, (len(choices.gold), 2)).astype(float)
    asked = Choices([features], choices.dependent, choices.gold)
    for weights in (np.array([0.5, -1.5]), np.zeros(2)):
        logs, hits = in_loops(choices, features @ weights)
        assert_allclose(mean_log_probability(asked, [weights]), logs, rtol=1e-12)
        credit = credit_of(log_probabilities(asked, [weights]).round(9), choices.dependent, choices.gold)
        assert_allclose(credit.mean(), hits, rtol=1e-12)


def test_weights_are_those_that_maximise_the_likelihood() -> None:
    random = np.random.default_rng(6)
    dependent = np.repeat(np.arange(300), 4)
    features = random.normal(size=(1200, 3))
    truth = features @ np.array([1.0, -2.0, 0.0]) + random.gumbel(size=1200)
    gold = truth == np.repeat(truth.reshape(300, 4).max(1), 4)
    asked = Choices([features], dependent, gold)
    found = fit_parser(asked, asked)
    best: Any = minimize(lambda weights: -mean_log_probability(asked, [weights]), np.zeros(3))
    assert_allclose(found.parts[0], best.x, atol=0.1)
    assert mean_log_probability(asked, found.parts) > -best.fun - 1e-3
    assert found.steps > 10


def test_weights_are_those_that_other_words_like_best() -> None:
    random = np.random.default_rng(7)
    dependent = np.repeat(np.arange(30), 4)
    fitted, held_out = (
        Choices([random.normal(size=(120, 40))], dependent, np.tile([True, False, False, False], 30)) for _ in range(2)
    )
    found = fit_parser(fitted, held_out)
    # features that say nothing: of other words nothing is learnt, of the same ones all
    assert found.steps <= 5
    assert fit_parser(fitted, fitted).steps > 30
    with pytest.raises(InterpError, match="stop by"):
        fit_parser(fitted, Choices([np.zeros((0, 40))], dependent[:0], np.zeros(0, dtype=bool)))


WORDS = ("The", "dog", "saw", "the", "cat", ".")
SENTENCE = document(WORDS, (1, 2, -1, 4, 2, 2), ("det", "nsubj", "root", "det", "obj", "punct"), "s")


def test_choices_distances_and_words_of_a_sentence() -> None:
    one, skipped = choices_of(FakeModel(noise, 2), [SENTENCE] * 6)
    assert skipped == {"punctuation": 6, "words_without_governor": 0, "words_whose_governor_owns_no_token": 0}
    assert list(one.word) == [0, 1, 2, 3, 4] * 6
    first = one.dependent == 0
    assert list(one.candidate[first]) == [1, 2, 3, 4, 5, ROOT]
    assert [int(c) for c, gold in zip(one.candidate, one.gold, strict=True) if gold] == [1, 2, ROOT, 4, 2] * 6
    every = np.ones(len(one.word), dtype=bool)
    distance, mine, theirs = (
        csr_matrix(part).toarray() for part in features_of(one, Probe("w", (), True, True), every)
    )
    assert (distance.sum(1) == 1).all() and distance[first].argmax(1).tolist() == [11, 12, 13, 14, 15, PLACES - 1]
    # "the" twice a sentence, whatever its case; ROOT is no word, and the full stop never asks
    assert mine.shape[1] == theirs.shape[1] == 4 * PLACES
    assert (mine.sum(1) == 1).all()
    assert theirs[first].sum(1).tolist() == [1, 1, 1, 1, 0, 0]
    both = one.dependent == 3
    np.testing.assert_array_equal(mine[first].argmax(1) // PLACES, mine[both].argmax(1)[0] // PLACES)


def test_branching_is_the_next_word() -> None:
    names = [f"source {number}" for number in range(200)]
    many = [document(WORDS, SENTENCE.governors or (), SENTENCE.relations or (), name) for name in names]
    one, _ = choices_of(FakeModel(noise, 2), many)
    # to the right: The dog, dog saw, (saw the), the cat, (cat .)
    assert_allclose(branching(one, "right").credit.mean(), 3 / 5)
    # to the left (The ROOT), (dog The), (saw dog), (the saw), (cat the)
    assert_allclose(branching(one, "left").credit.mean(), 0)


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_bert"])
def test_attention_both_ways_is_that_of_plain_transformers(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    corpus = grammar(8)
    one, _ = choices_of(case.model, corpus.documents)
    encoded = encode(case.model, corpus)
    seen = 0
    for choice in range(0, len(one.gold), 7):
        dependent = one.dependent[choice]
        number, word, candidate = int(one.document[dependent]), one.word[dependent], one.candidate[choice]
        if candidate == ROOT:
            continue
        tokens, of = encoded.encodings[number].tokens, np.asarray(encoded.words[number])
        with torch.no_grad():
            plain = case.plain(input_ids=torch.tensor(tokens[None]), output_attentions=True).attentions
        attention = np.concatenate([layer[0].numpy() for layer in plain])
        for asks, asked, found in ((word, candidate, one.to_candidate), (candidate, word, one.from_candidate)):
            rows = attention[:, of == asks]
            # attention on cells that are seen adds up to 1: on words whose last token is, and on special tokens
            reach = np.flatnonzero(of == asks)[-1] if case.model.causal else len(of)
            ends = [max(np.flatnonzero(of == one)) if one >= 0 else place for place, one in enumerate(of)]
            on_cells = (np.array(ends) <= reach) & ((of >= 0) | encoded.encodings[number].special)
            given = rows[:, :, of == asked].sum(2).mean(1) / rows[:, :, on_cells].sum(2).mean(1)
            if case.model.causal and asked > asks:
                assert (found[choice] == 0).all()
            else:
                assert_allclose(found[choice], given, atol=1e-5)
                seen += 1
    assert seen > 20


def test_words_without_a_governor_are_counted() -> None:
    bare = Document("s", SENTENCE.text, WORDS, SENTENCE.spans)
    one, skipped = choices_of(FakeModel(noise, 2), [bare])
    assert skipped["words_without_governor"] == 6 and not len(one.word)
    with pytest.raises(InterpError, match="falls into the part 'fitted'"):
        parts_of(one)


def test_tables_are_the_same_again(choices: GovernorChoices) -> None:
    first, second = (probe_tables(choices, [], {}, seed=0)["probe"] for _ in range(2))
    pd.testing.assert_frame_equal(first, second, check_exact=True)
    assert "syntax_role_heads" not in set(first["probe"])
