"""Roles as rules: those that are rules of the library too name the same cells, and others what they are said to."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from interp import roles
from interp.attention.visibility import mask_groups
from interp.cells import CellAttention, Rule, RuleSets
from interp.corpora.batching import batches, collate, read_batches
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.errors import InterpError
from interp.roles.coreference import antecedent, choice
from interp.roles.positional import first, offset, self_token, separator
from interp.roles.syntax import from_governor
from interp.tallies.cells import CellTally
from interp.tallies.role_rules import insist_on_rules, role_rule_sets, rules_of_roles
from interp.tallies.rule_sets import token_rule_sets, with_own, word_rule_sets
from interp.tallies.stream import stream
from interp.types import Batch, Corpus, EncodedCorpus, Role
from tests.conftest import Case
from tests.support.fakes import FakeModel, document

CORPUS = grammar(40)


def cells_of(case: Case, encoded: EncodedCorpus, unit: str = "word") -> CellAttention:
    tally = CellTally(case.model.heads, mask_groups(case.model), "token" if unit == "token" else "word")
    stream(case.model, read_batches(batches(encoded, case.model)), tally)
    (cells,) = tally.cells()
    return cells


def columns(sets: RuleSets) -> dict[str, np.ndarray]:
    return {rule.name: sets.answers[:, [place]].toarray()[:, 0] for place, rule in enumerate(sets.rules)}


@pytest.mark.parametrize("name", ["tiny_bert", "tiny_gpt2"])
def test_roles_of_relations_and_antecedents_are_the_rules_cell_by_cell(
    name: str, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    encoded = encode(case.model, CORPUS)
    cells = cells_of(case, encoded)
    asked = (*roles.syntax(CORPUS), antecedent())
    insist_on_rules(asked, "word")
    found = columns(role_rule_sets(asked, encoded, case.model, cells, "word"))
    expected = columns(word_rule_sets(CORPUS.documents, cells))
    assert {"obj.to_governor", "nsubj.to_dependent", "coref.antecedent"} <= found.keys() & expected.keys()
    for role in asked:
        assert (role.name in found) == (role.name in expected), role.name
        if role.name in found:
            np.testing.assert_array_equal(found[role.name], expected[role.name], err_msg=role.name)


def test_roles_of_tokens_are_the_rules_of_tokens(tiny_gpt2: Case) -> None:
    encoded = encode(tiny_gpt2.model, CORPUS)
    cells = cells_of(tiny_gpt2, encoded, "token")
    asked = (*roles.copying(CORPUS), *(offset(by) for by in (-3, -2, -1)), self_token())
    found = columns(role_rule_sets(asked, encoded, tiny_gpt2.model, cells, "token"))
    expected = columns(token_rule_sets(encoded.encodings, cells))
    # after a token that stands twice in a row the rule names the query itself, which a role of tokens leaves out
    own = cells.cell == cells.word[cells.query]
    elsewhere = {"induction": np.isin(cells.query, cells.query[own & (expected["induction"] > 0)], invert=True)}
    for role in asked:
        where = elsewhere.get(role.name, np.ones(len(own), dtype=bool))
        np.testing.assert_array_equal(found[role.name][where], expected[role.name][where], err_msg=role.name)


def one_batch(words: list[str]) -> tuple[Batch, np.ndarray]:
    """Tokens of up to three letters, between two special tokens; every word sees every cell."""
    corpus = Corpus("one", (document(words, [-1] * len(words), ["dep"] * len(words), "s"),), "0" * 64)
    model = FakeModel(lambda batch: torch.zeros(1), 1)
    return collate(encode(model, corpus), [0], model), np.ones((len(words), len(words) + 2), dtype=bool)


def named(asked: list[Role], words: list[str]) -> dict[str, list[set[int]]]:
    batch, seen = one_batch(words)
    return {
        rule.name: [set(np.flatnonzero(row).tolist()) for row in cells]
        for rule, cells in rules_of_roles(asked, batch, seen, "word")
    }


def test_of_a_role_of_tokens_a_word_is_named_where_any_token_is() -> None:
    # tokens: [ aaa a | b | ccc cc ] between two special ones, cells 3 and 4
    found = named([offset(-1), first(), separator(), self_token()], ["aaaa", "b", "ccccc"])
    # the second token of a word marks the first, and the first the token before
    assert found["offset-1"] == [{3, 0}, {0}, {1, 2}]
    assert found["first"] == [{3}, {3}, {3}] and found["separator"] == [{4}, {4}, {4}]
    assert found["self"] == [{0}, {1}, {2}]


def test_a_role_names_its_query_only_if_it_is_reflexive() -> None:
    def everywhere(batch: Batch) -> torch.Tensor:
        return torch.ones(1, batch.governor.shape[1], batch.governor.shape[1], dtype=torch.bool)

    asked = [
        Role(name, "mine", "word", "hit", "mine/all@1", (), everywhere, reflexive)
        for name, reflexive in (("others", False), ("all", True))
    ]
    found = named(asked, ["aaaa", "b", "ccccc"])
    assert found["others"] == [{1, 2}, {0, 2}, {0, 1}] and found["all"] == [{0, 1, 2}] * 3


def test_a_role_is_a_rule_at_its_own_sites_alone(tiny_bert: Case) -> None:
    encoded = encode(tiny_bert.model, CORPUS)
    cells = cells_of(tiny_bert, encoded)
    role = Role("theirs", "mine", "word", "hit", "mine/x@1", (), roles.syntax(CORPUS)[0].targets, sites=("decoder",))
    assert role_rule_sets([role], encoded, tiny_bert.model, cells, "word").rules == ()


def test_a_rule_of_a_known_name_is_not_taken_twice(tiny_bert: Case) -> None:
    encoded = encode(tiny_bert.model, CORPUS)
    cells = cells_of(tiny_bert, encoded)
    sets = word_rule_sets(CORPUS.documents, cells)
    asked = [offset(-1), *roles.copying(CORPUS)]
    joined = with_own(sets, role_rule_sets(asked, encoded, tiny_bert.model, cells, "word"))
    assert joined.rules[: len(sets.rules)] == sets.rules
    assert set(joined.rules[len(sets.rules) :]) <= {Rule("duplicate", "copying"), Rule("induction", "copying")}
    assert Rule("duplicate", "copying") in joined.rules
    given = np.zeros((len(cells.document), len(joined.rules)))
    np.add.at(given, cells.query, joined.answers.toarray())
    np.testing.assert_allclose(given, joined.applies.toarray(), atol=1e-12)


@pytest.mark.parametrize(
    ("role", "unit", "why"),
    [
        (choice(), "word", "mentions"),
        (antecedent(), "token", "explain.unit=token asks tokens"),
        (from_governor("obj"), "word", "that a query gets"),
        (replace(antecedent(), sites=("cross",)), "word", "cross-attention"),
        (replace(antecedent(), family="uniform"), "word", "names all cells"),
    ],
)  # fmt: skip
def test_what_is_no_rule_is_refused_by_name(role: Role, unit: str, why: str) -> None:
    with pytest.raises(InterpError, match=f"The role '{role.name}' cannot be a rule: .*{why}"):
        insist_on_rules([role], "token" if unit == "token" else "word")
