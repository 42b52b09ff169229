"""What heads' attention is made of, asked of planted models: every planted head comes out as its rule.

All is asked with `explain.unit=token`, so that the same rules hold for induction. What no rule of the library says (a
place in the text, a word's own class) is given as a role of one's own: the definition of the head, without its weights.
"""

from functools import partial

import pandas as pd
import pytest
import torch

from experiments import explain
from interp.corpora.grammar import grammar
from interp.corpora.repeats import repeats
from interp.models.planted import PlantedModel, planted
from interp.models.planted.ideal import Ideal
from interp.types import Batch, Head, Role

OF_NAME = {"previous": "offset-1", "first": "first_special", "separator": "later_special", "induction": "induction"}
"""The rule of a planted head; a head at an offset has its rule's name."""

BY_DEFINITION = (
    "punctuation", "same_class", "determiner_to_noun", "fixed_place", "halfway", "every_so_many",
)  # fmt: skip
OF_WEIGHTS = ("even", "random_match")
"""What these attend to is noise about even attention."""


def _defined(batch: Batch, model: PlantedModel, head: Head) -> torch.Tensor:
    """The keys among which the definition of a head shares its attention."""
    size = batch.tokens.shape[1]
    targets = torch.zeros(len(batch.tokens), size, size, dtype=torch.bool)
    for row, sentence in enumerate(Ideal(model).sentences(batch)):
        n = len(sentence.tokens)
        targets[row, :n, :n] = torch.from_numpy(model.plans[head].ideal(sentence) > 0)
    return targets


def own_roles(model: PlantedModel) -> list[Role]:
    return [
        Role(
            f"{plan.name} {head.layer}.{head.head}", "planted", "token", "mass", "planted/definition@1", (),
            partial(_defined, model=model, head=head), reflexive=True,
        )
        for head, plan in model.plans.items()
        if plan.name in BY_DEFINITION
    ]  # fmt: skip


class Explained:
    """The tables of a planted model."""

    def __init__(self, kind: str, *, repeated: bool) -> None:
        self.model = planted(kind=kind)
        corpus = repeats(20, documents=40, seed=0) if repeated else grammar(150)
        roles = None if repeated else own_roles(self.model)
        found = explain.run(self.model, corpus, unit="token", roles=roles, nulls=[])
        assert not any("no rules here" in note for note in found.notes)
        self.shares = found.tables["shares"].set_index(["layer", "head", "rule"])
        self.explanations = found.tables["explanations"].set_index(["layer", "head"])

    def heads(self, *names: str) -> list[tuple[int, int]]:
        found = [(head.layer, head.head) for head, plan in self.model.plans.items() if plan.name in names]
        assert found, names
        return found

    def share(self, head: tuple[int, int], rule: str, column: str = "share_where_applies") -> float:
        return float(self.shares[column].to_dict()[*head, rule])

    def explained(self, head: tuple[int, int]) -> float:
        return float(self.explanations["explained"].to_dict()[head])


@pytest.fixture(scope="module", params=["causal", "encoder"])
def repeated(request: pytest.FixtureRequest) -> Explained:
    return Explained(request.param, repeated=True)


@pytest.fixture(scope="module", params=["causal", "encoder"])
def sentences(request: pytest.FixtureRequest) -> Explained:
    return Explained(request.param, repeated=False)


def test_a_planted_head_comes_out_as_its_rule(repeated: Explained) -> None:
    asked = 0
    for head, plan in repeated.model.plans.items():
        rule = plan.name if plan.name.startswith("offset") else OF_NAME.get(plan.name)
        if plan.name == "duplicate" and repeated.model.causal:
            rule = "duplicate"
        if rule is None:
            continue
        place = head.layer, head.head
        # where there is no such token, the head attends elsewhere by its definition: asked where the rule applies
        assert repeated.share(place, rule) >= 0.95, (plan.name, place)
        assert repeated.explained(place) >= 0.95, (plan.name, place)
        asked += 1
    assert asked >= 5


def test_the_head_at_half_strength_has_half(repeated: Explained) -> None:
    if not repeated.model.causal:
        pytest.skip("only the causal model has one")
    for head, plan in repeated.model.plans.items():
        if plan.name == "half_strength":
            place = head.layer, head.head
            # texts of 41 tokens: among few keys even attention has its part of the target's half, too
            assert repeated.share(place, plan.roles[0][0]) == pytest.approx(0.5, abs=0.05)
            assert repeated.explained(place) >= 0.95


def test_a_mixture_comes_out_as_its_two_rules(repeated: Explained) -> None:
    (place,) = repeated.heads("mixture")
    (plan,) = (plan for plan in repeated.model.plans.values() if plan.name == "mixture")
    for role, _ in plan.roles:
        # at the ends of a text one of the two is missing, and the other has all
        assert repeated.share(place, "first_special" if role == "first" else role) == pytest.approx(0.5, abs=0.05)
    assert repeated.explained(place) >= 0.95


def test_what_no_rule_says_comes_out_as_the_role_that_is_given(sentences: Explained) -> None:
    asked = 0
    for head, plan in sentences.model.plans.items():
        if plan.name not in BY_DEFINITION:
            continue
        place = head.layer, head.head
        rule = f"{plan.name} {head.layer}.{head.head}"
        assert sentences.share(place, rule, "share") >= 0.95, rule
        assert sentences.explained(place) >= 0.95, rule
        asked += 1
    assert asked >= 5


def test_without_that_role_no_rule_explains_a_distractor(repeated: Explained) -> None:
    for place in repeated.heads("fixed_place", "every_so_many"):
        assert repeated.explained(place) < 0.2, place


def test_heads_of_noise_have_the_rule_of_even_attention(repeated: Explained) -> None:
    for place in repeated.heads(*OF_WEIGHTS):
        assert repeated.share(place, "uniform") >= 0.95
        explained = repeated.explained(place)
        assert pd.isna(explained) or explained < 0.2
