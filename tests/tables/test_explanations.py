"""What heads' attention is made of: planted rules come out with the shares that they were planted with."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from interp.attention.visibility import mask_groups
from interp.cells import CellAttention, RuleSets
from interp.corpora import batching
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.documents import Mention
from interp.errors import InterpError
from interp.statistics.competing_rules import fit_strengths, log_likelihood
from interp.statistics.explained import candidate_gains
from interp.tables.explanations import explanation_tables, halves, in_brief
from interp.tallies.cells import CellTally
from interp.tallies.rule_sets import word_rule_sets
from interp.tallies.stream import stream
from interp.types import Batch, Corpus, Document
from tests.support.fakes import FakeModel, random_documents

PLANTED = ("offset-1", "half", "mixture", "most_tokens", "some queries", "uniform")
DOCUMENTS = random_documents(240, seed=3, sizes=(3, 14))


def corpus_of(documents: Sequence[Document]) -> Corpus:
    return Corpus("random", tuple(documents), "0" * 64)


def attend(batch: Batch) -> Tensor:
    """The planted heads, word by word in loops: what each gives a cell falls evenly on the tokens of the cell."""
    rows, size = batch.tokens.shape
    found = torch.zeros(rows, len(PLANTED), size, size)
    for row in range(rows):
        word, special = batch.word[row].tolist(), batch.special[row].tolist()
        governor, relation = batch.governor[row].tolist(), batch.relation[row].tolist()
        places: dict[object, list[int]] = {}
        for token, of in enumerate(word):
            if of >= 0:
                places.setdefault(of, []).append(token)
        places["first"], places["later"] = (
            [0],
            [token for token in range(1, size) if special[token] and batch.mask[row, token]],
        )
        words = [cell for cell in places if isinstance(cell, int)]
        longest = max(len(places[cell]) for cell in words)
        for query in words:
            before = query - 1 if query else None
            obj = governor[query] if governor[query] >= 0 and batch.relations[relation[query]] == "obj" else None
            even = {cell: 1 / len(places) for cell in places}
            most = [cell for cell in words if len(places[cell]) == longest]
            gives: tuple[dict[object, float], ...] = (
                {before: 1.0} if before is not None else {"first": 1.0},
                {cell: (share + (cell == before)) / 2 for cell, share in even.items()} if before is not None else even,
                {"first": 0.6, query: 0.4},
                {cell: 1 / len(most) for cell in most},
                {obj: 1.0} if obj is not None else {"later": 1.0},
                even,
            )
            for head, on in enumerate(gives):
                for cell, share in on.items():
                    for token in places[cell]:
                        found[row, head, places[query], token] += share / len(places[cell])
        for token in (0, *places["later"]):
            found[row, :, token, token] = 1
    return found


def cells_of(documents: Sequence[Document], tokens_a_batch: int | None = None) -> CellAttention:
    model, corpus = FakeModel(attend, len(PLANTED)), corpus_of(documents)
    encoded = encode(model, corpus)
    tally = CellTally(model.heads, mask_groups(model))
    with pytest.MonkeyPatch.context() as patch:
        if tokens_a_batch:
            patch.setattr(batching, "TOKENS_A_BATCH", tokens_a_batch)
        stream(model, read_batches(batches(encoded, model, documents=range(len(documents)))), tally)
    (cells,) = tally.cells()
    return cells


def blocks_of(cells: CellAttention, documents: Sequence[Document]) -> np.ndarray:
    return np.array([documents[number].block for number in cells.document])


@pytest.fixture(scope="module")
def cells() -> CellAttention:
    return cells_of(DOCUMENTS)


@pytest.fixture(scope="module")
def sets(cells: CellAttention) -> RuleSets:
    return word_rule_sets(DOCUMENTS, cells)


@pytest.fixture(scope="module")
def tables(cells: CellAttention, sets: RuleSets) -> dict[str, pd.DataFrame]:
    return explanation_tables(cells, sets, blocks_of(cells, DOCUMENTS), seed=0)


def share(tables: dict[str, pd.DataFrame], head: str, rule: str) -> pd.Series:
    shares = tables["shares"]
    return shares[(shares["head"] == PLANTED.index(head)) & (shares["rule"] == rule)].iloc[0]


def explained(tables: dict[str, pd.DataFrame], head: str) -> float:
    return float(tables["explanations"]["explained"].iloc[PLANTED.index(head)])


def test_a_planted_rule_explains_its_head(tables: dict[str, pd.DataFrame]) -> None:
    assert share(tables, "offset-1", "offset-1")["share_where_applies"] >= 0.95
    assert share(tables, "most_tokens", "most_tokens")["share"] >= 0.95
    assert explained(tables, "offset-1") >= 0.95 and explained(tables, "most_tokens") >= 0.95


def test_in_brief_each_head_has_its_planted_rule(
    cells: CellAttention, sets: RuleSets, tables: dict[str, pd.DataFrame]
) -> None:
    brief = in_brief(cells, sets, blocks_of(cells, DOCUMENTS), seed=0)
    rules = dict(zip(PLANTED, brief["first_rule"], strict=True))
    assert rules == {
        "offset-1": "offset-1", "half": "offset-1", "mixture": "first_special", "most_tokens": "most_tokens",
        "some queries": "later_special", "uniform": "",
    }  # fmt: skip
    np.testing.assert_array_equal(brief["explained"], tables["explanations"]["explained"])
    assert (brief["explained_low"] <= brief["explained"])[:5].all()


def test_a_rule_of_half_the_strength_has_half_the_share(tables: dict[str, pd.DataFrame]) -> None:
    assert share(tables, "half", "offset-1")["share_where_applies"] == pytest.approx(0.5, abs=0.05)
    assert explained(tables, "half") >= 0.95


def test_a_mixture_comes_out_as_its_two_rules(tables: dict[str, pd.DataFrame]) -> None:
    assert share(tables, "mixture", "first_special")["share"] == pytest.approx(0.6, abs=0.03)
    assert share(tables, "mixture", "self")["share"] == pytest.approx(0.4, abs=0.03)
    cards = tables["cards"][tables["cards"]["head"] == PLANTED.index("mixture")]
    assert set(cards["rule"]) == {"first_special", "self"}


def test_a_rule_that_applies_to_some_queries_has_those(tables: dict[str, pd.DataFrame], cells: CellAttention) -> None:
    of_object = share(tables, "some queries", "obj.to_governor")
    assert of_object["share_where_applies"] >= 0.9 and explained(tables, "some queries") >= 0.9
    confirm = [
        relation == "obj"
        for one in DOCUMENTS if one.block % 2
        for relation in one.relations or ()
    ]  # fmt: skip
    assert of_object["n"] == sum(confirm) and of_object["share"] <= np.mean(confirm) + 0.02
    adds = tables["adds"].set_index(["head", "family"])["adds"]
    syntax = adds.xs("syntax", level="family")
    assert syntax.idxmax() == PLANTED.index("some queries") and syntax.max() > 0.1
    assert syntax.drop(PLANTED.index("some queries")).abs().max() < 0.03


def test_of_even_attention_there_is_nothing_to_explain(tables: dict[str, pd.DataFrame]) -> None:
    row = tables["explanations"].iloc[PLANTED.index("uniform")]
    assert row["uniform"] == pytest.approx(row["entropy"], abs=1e-6)
    assert row[["explained", "ci_low", "ci_high"]].isna().all() and row["card"].endswith("nothing to explain")
    adds = tables["adds"][tables["adds"]["head"] == PLANTED.index("uniform")]
    assert adds[["adds", "ci_low", "p", "q"]].isna().all(axis=None)
    assert not (tables["cards"]["head"] == PLANTED.index("uniform")).any()


def test_shares_and_strengths_add_up_to_one(tables: dict[str, pd.DataFrame]) -> None:
    for column in ("share", "strength"):
        np.testing.assert_allclose(tables["shares"].groupby("head")[column].sum(), 1, atol=1e-6)


def test_the_likelihood_never_falls(cells: CellAttention, sets: RuleSets) -> None:
    select, _ = halves(cells, sets, blocks_of(cells, DOCUMENTS))
    reached = [
        log_likelihood(
            select.answers,
            select.applies,
            select.attention,
            fit_strengths(select.answers, select.applies, select.attention, gain=-np.inf, most_steps=steps).strength,
        )
        for steps in (0, 1, 2, 3, 5, 8, 13, 40)
    ]
    assert (np.diff(reached, axis=0) >= -1e-9).all()


def test_strengths_are_those_of_another_optimiser(cells: CellAttention, sets: RuleSets) -> None:
    """A few rules on a few queries, maximised over the logarithms of the strengths by torch's own algorithm."""
    some = [
        number
        for number, rule in enumerate(sets.rules)
        if rule.name in ("uniform", "self", "offset-1", "any.to_governor")
    ]
    entries = cells.query < 120
    answers, applies = sets.answers[entries][:, some], sets.applies[:120][:, some]
    query, chance = cells.query[entries], np.random.default_rng(0)
    # not quite what any strengths would give
    made = (answers @ np.array([[0.2, 0.5], [0.3, 0.1], [0.4, 0.1], [0.1, 0.3]])) * chance.uniform(
        0.5, 1.5, (entries.sum(), 2)
    )
    p = np.stack([made[:, head] / np.bincount(query, made[:, head])[query] for head in range(2)], axis=1).astype(
        np.float32
    )
    fit = fit_strengths(answers, applies, p, gain=1e-13, most_steps=20_000)
    given, total = (torch.tensor(one.toarray()) for one in (answers, applies))
    for head in range(2):
        logs = torch.zeros(len(some), dtype=torch.float64, requires_grad=True)
        optimiser = torch.optim.LBFGS(
            [logs], max_iter=2_000, tolerance_grad=1e-12, tolerance_change=1e-15, line_search_fn="strong_wolfe"
        )
        weight = torch.tensor(p[:, head]).double()

        def loss(logs: Tensor = logs, weight: Tensor = weight, optimiser: torch.optim.Optimizer = optimiser) -> Tensor:
            optimiser.zero_grad()
            strength = logs.exp()
            value = -(weight * (given @ strength).log()).sum() + (total @ strength).log().sum()
            value.backward()
            return value

        optimiser.step(loss)
        expected = torch.softmax(logs.detach(), 0).numpy()
        np.testing.assert_allclose(fit.strength[:, head], expected, atol=1e-4)


def test_a_candidate_adds_what_its_best_strength_adds(cells: CellAttention, sets: RuleSets) -> None:
    select, _ = halves(cells, sets, blocks_of(cells, DOCUMENTS))
    strength = np.zeros((len(sets.rules), len(PLANTED)))
    strength[0] = 1
    gains = candidate_gains(select.answers, select.applies, select.attention, strength)
    queries = len(select.block)
    before = log_likelihood(select.answers, select.applies, select.attention, strength) * queries
    for rule in (1, 4, len(sets.rules) - 1):
        tried = []
        for one in (0.02, 0.06, 0.2, 0.6, 2.0):
            more = strength.copy()
            more[rule] += one
            tried.append(log_likelihood(select.answers, select.applies, select.attention, more) * queries - before)
        np.testing.assert_allclose(gains[rule], np.max(tried, axis=0), atol=1e-6 * queries)


def test_batches_and_the_order_of_documents_change_nothing(
    tables: dict[str, pd.DataFrame], cells: CellAttention
) -> None:
    small = cells_of(DOCUMENTS, tokens_a_batch=40)
    np.testing.assert_allclose(small.attention, cells.attention, atol=1e-6)
    turned = [replace(one) for one in reversed(DOCUMENTS)]
    others = cells_of(turned)
    found = explanation_tables(others, word_rule_sets(turned, others), blocks_of(others, turned), seed=0)
    np.testing.assert_allclose(found["explanations"]["explained"], tables["explanations"]["explained"], atol=1e-5)
    both = found["shares"].merge(tables["shares"], on=["head", "rule"])
    np.testing.assert_allclose(both["share_x"], both["share_y"], atol=1e-5)
    assert len(both) == len(tables["shares"])


def test_a_corpus_of_one_source_has_no_second_half() -> None:
    documents = [replace(one, source="one") for one in DOCUMENTS[:5]]
    cells = cells_of(documents)
    with pytest.raises(InterpError, match=r"No document falls into the \w+ split"):
        explanation_tables(cells, word_rule_sets(documents, cells), blocks_of(cells, documents), seed=0)


def test_a_null_moves_the_gold_of_its_own_family_alone() -> None:
    """Where chains are moved and relations are not, the null of syntax is syntax itself."""
    chains = (Mention(0, 1, 1), Mention(1, 2, 1), Mention(2, 3, 2))
    documents = [replace(one, mentions=chains) for one in DOCUMENTS[:90]]
    moved = [replace(one, mentions=(Mention(0, 1, 1), Mention(1, 2, 2), Mention(2, 3, 1))) for one in documents]
    cells = cells_of(documents)
    sets, permuted = word_rule_sets(documents, cells), word_rule_sets(moved, cells)
    # the last head follows chains, where there are any
    rule = [rule.name for rule in sets.rules].index("coref.antecedent")
    of_chains, applies = (one.toarray()[:, rule] for one in (sets.answers, sets.applies))
    attention = cells.attention.copy()
    attention[:, -1] = np.where(applies[cells.query] > 0, of_chains, attention[:, -1])
    cells = replace(cells, attention=attention)
    adds = explanation_tables(cells, sets, blocks_of(cells, documents), permuted, seed=0, min_blocks=5)["adds"]
    of = adds.set_index(["family", "null", "head"])["adds"].sort_index()
    np.testing.assert_allclose(of["syntax", "none"], of["syntax", "permuted_gold"], atol=1e-6)
    last = len(PLANTED) - 1
    assert of["coreference", "none", last] > 0.2 > 0.05 > of["coreference", "permuted_gold", last]
