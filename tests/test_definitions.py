"""Every number has a card, and every card says what its number is."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import interp
from interp import api as analysis
from interp import roles
from interp.results import read_manifest
from interp.roles import copying_scores as variants
from interp.roles.pictures import DEFINITIONS as PICTURES
from interp.tallies import definitions as shapes
from interp.tallies import explanation_definitions, tags
from interp.types import Corpus, Mention, Role
from tests.support.fakes import document

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)


def rich_corpus() -> Corpus:
    """A document with every kind of annotation."""
    told = document(["a", "b", "c"], [1, -1, 1], ["nsubj", "root", "obj"], "s")
    # each kind with a mention before it
    kinds = (Mention(0, 2, 0, "nominal"), Mention(1, 2, 0, "proper"), Mention(2, 3, 0, "pronoun"))
    mentions = (Mention(0, 1, 0), *kinds)
    told = replace(told, tags=("NOUN", "VERB", "PUNCT"), mentions=mentions)
    told = replace(told, entities=(Mention(0, 2, 0, "person"),), target=told, alignment=((0, 1),))
    return Corpus("rich", (told,), "none")


def every_role() -> list[Role]:
    corpus = rich_corpus()
    assert {role.family for role in roles.everything(corpus)} >= {"positional", "syntax", "lexical", "cross"}
    return [*roles.everything(corpus), *roles.syntax_variants(corpus), *roles.positional_variants()]


def test_every_role_has_one_card_that_says_the_same() -> None:
    cards = interp.definitions()
    for role in every_role():
        card = cards[cards.definition == role.definition]
        assert len(card) == 1, role.definition
        found = card[["family", "unit", "statistic"]].iloc[0].tolist()
        assert found == [role.family, role.unit, role.statistic], role.definition


def test_every_card_is_that_of_a_role_and_whole() -> None:
    cards = interp.definitions()
    assert cards.definition.is_unique
    of_attention = (*shapes.DEFINITIONS, *tags.DEFINITIONS, *explanation_definitions.DEFINITIONS)
    others = {card.id for card in (*variants.DEFINITIONS, *of_attention, *PICTURES)}
    assert set(cards.definition) == {role.definition for role in every_role()} | others
    assert cards.notna().all(axis=None) and (cards != "").all(axis=None)
    assert cards.definition.str.fullmatch(r"[a-z]+/[a-z-]+@\d+").all()


def test_roles_of_a_family_are_known_by_name() -> None:
    corpus = rich_corpus()
    of_any_text = {role.name for role in roles.lexical()}
    assert {"rare", "delimiter", "punctuation"} <= of_any_text
    by_annotation = {role.name for role in roles.lexical(corpus)} - of_any_text
    assert {"tag.NOUN", "tag.VERB", "same_tag", "entity.within", "entity.same", "entity.type"} <= by_annotation
    assert "tag.PUNCT" not in by_annotation
    bare = replace(corpus.documents[0], tags=None, entities=None)
    assert {role.name for role in roles.lexical(Corpus("bare", (bare,), "none"))} == of_any_text
    assert not {role.definition for role in roles.syntax_variants(corpus)} & {
        role.definition for role in roles.everything(corpus)
    }


def test_definitions_are_written_without_a_model(
    interp: Callable[..., "Outcome"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**settings: object) -> None:
        raise AssertionError("no model is needed")

    monkeypatch.setattr("interp.models.loading.minilm", refuse)
    outcome = interp("experiment=definitions", "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    run = tmp_path / "run"
    for table in (pd.read_parquet(run / "definitions.parquet"), pd.read_csv(run / "definitions.csv")):
        assert list(table.definition) == list(analysis.definitions().definition)
    assert (read_manifest(tmp_path / "run") or {})["status"] == "complete"
    assert "definitions.csv has the card of each" in outcome.out and " to-governor@1, to-dependent@1" in outcome.out
    again = interp("experiment=definitions", "hydra.run.dir=run", "json=true")
    assert again.code == 0 and '"definitions": ' in again.out
