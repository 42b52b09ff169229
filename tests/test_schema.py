"""What is told of tables and columns is whole, says the contract's columns, and is what tables are held against."""

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest

import interp
from experiments import head_roles, sentence
from interp.errors import InterpError, Range
from interp.schema import TABLES, check_columns
from interp.schema.of_figures import FIGURES
from interp.statistics.criteria import Criteria
from interp.tables.claims import compare, read_claims
from tests.support.fakes import FakeModel
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from tests.support.command_line import Finished

pytest_plugins = ("tests.support.command_line",)

CONTRACT = {
    "scores": "model corpus seed definition role family site layer head split n hit mass word_mass baseline "
    "baseline_name lift ci_low ci_high p q",
    "roles": "site layer head role family statistic n hit mass baseline lift ci_low ci_high p q stability strength",
    "effects": "model corpus seed site layer head ablation metric n intact ablated effect effect_token ci_low ci_high "
    "p q",
    "attention": "model seed site layer head query query_word key key_word mass",
    "candidates": "model seed site layer head query candidate candidate_word mass",
}
"""The columns of section 5 of the design, in its order."""


@pytest.mark.parametrize("name", CONTRACT)
def test_the_contract_s_columns_are_told_of_in_its_order(name: str) -> None:
    asked = CONTRACT[name].split()
    assert [column.name for column in TABLES[name].columns if column.name in asked] == asked


def test_every_table_that_the_readme_names_is_told_of() -> None:
    rows = re.findall(r"^\| `\w+`.*\|.*\| (.*) \|$", (ROOT / "README.md").read_text().split("## Experiments")[1], re.M)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert len(named) > 25
    assert named <= set(TABLES)


def test_every_figure_that_an_experiment_draws_is_told_of() -> None:
    places = [*(ROOT / "experiments").rglob("*.py"), ROOT / "interp" / "plots" / "sentence.py"]
    drawn = r"\"(\w+)\"\]?(?::| =) (?:plots\.|attention_arcs|attention_matrices|candidate_bars)"
    names = {name for place in places for name in re.findall(drawn, place.read_text(encoding="utf-8"))}
    assert len(names) > 20
    assert names == set(FIGURES)


def test_every_column_says_what_it_is() -> None:
    for table in TABLES.values():
        names = [column.name for column in table.columns]
        assert len(names) == len(set(names)), table.name
        for column in table.columns:
            about = f"{table.name}.{column.name}"
            assert column.unit and column.meaning, about
            # rows of a page, and of a csv
            assert "\n" not in "".join((column.unit, column.meaning, column.empty, column.only)), about
            numbers = column.kind in ("number", "whole number")
            assert isinstance(column.allowed, Range | None) if numbers else not isinstance(column.allowed, Range), about


def test_a_share_is_told_of_as_one_wherever_it_stands() -> None:
    for table in TABLES.values():
        for column in table.columns:
            if column.name in ("p", "q", "hit", "mass", "word_mass", "coverage", "stability"):
                assert column.holds == "0 to 1", f"{table.name}.{column.name}"


# --- tables are held against it


def right(**changed: Any) -> pd.DataFrame:
    """The table `candidates` of one head and two words."""
    columns = {
        "model": "a",
        "seed": 0,
        "site": "self",
        "layer": 0,
        "head": 3,
        "query": 8,
        "candidate": [1, 5],
        "candidate_word": ["student", "quiz"],
        "mass": [0.25, 1.0],
    }
    return pd.DataFrame(columns | changed)


def test_a_table_that_is_as_it_should_be_has_nothing_said_of_it() -> None:
    assert check_columns("candidates", right()) == []
    assert check_columns("candidates", right()[:0]) == []
    # float32 sums to a little more than one
    assert check_columns("candidates", right(mass=[0.5, 1.000001])) == []


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (right().rename(columns={"mass": "weight"}), ["mass is missing", "weight is not told of"]),
        (right(layer="0"), ["layer is str ('0'), not a whole number"]),
        (right(layer=0.5), ["layer is float64 (np.float64(0.5)), not a whole number"]),
        (right(layer=-1), ["layer holds -1, -1; allowed: 0 or more"]),
        (right(mass=[0.2, 1.2]), ["mass holds 1.2; allowed: 0 to 1"]),
        (right(mass=[np.nan, 0.2]), ["mass is empty in 1 of 2 rows"]),
        (right(mass=[True, False]), ["mass is bool (np.True_), not a number"]),
        (right(candidate_word=["student", ""]), ["candidate_word is empty in 1 of 2 rows"]),
        (right(site=["self", "middle"]), ["site holds 'middle'; allowed: self, encoder, decoder, cross"]),
    ],
)
def test_what_is_not_as_it_should_be_is_said(table: pd.DataFrame, said: list[str]) -> None:
    assert check_columns("candidates", table) == said


def test_a_column_that_a_setting_brings_along_may_be_there_or_not() -> None:
    names = [column.name for column in TABLES["effects"].columns if not column.only]
    assert {"error", "top", "rank_agreement"} == {column.name for column in TABLES["effects"].columns} - set(names)
    empty = pd.DataFrame(columns=names)
    assert check_columns("effects", empty) == check_columns("effects", empty.assign(top=[])) == []
    assert check_columns("effects", empty.drop(columns="effect")) == ["effect is missing"]


def test_an_unknown_table_is_an_error_with_the_closest() -> None:
    for ask in (lambda: check_columns("role", right()), lambda: interp.columns("role")):
        with pytest.raises(InterpError, match=r"role is the name of no table\. Did you mean 'roles'"):
            ask()


# --- tables of other models and functions than those of tests/experiments/test_taken_up.py


def uniform(batch: Any) -> Any:
    visible = batch.mask[:, None, None, :].float()
    return (visible / visible.sum(-1, keepdim=True)).expand(-1, -1, batch.mask.shape[1], -1)


def test_a_sentence_s_tables() -> None:
    corpus = interp.sentence("The cat saw the dog because it barked.")
    tables = sentence.run(FakeModel(uniform, 2), corpus, query="it").tables
    assert set(tables) == {"attention", "candidates"}
    for name, table in tables.items():
        assert check_columns(name, table) == []
    assert set(tables["candidates"].candidate_word) == {"The", "cat", "saw", "the", "dog", "because", "barked", "."}


def test_roles_that_are_given() -> None:
    model, corpus = interp.planted(kind="encoder"), interp.grammar(documents=60)
    criteria = Criteria(min_queries=5, min_blocks=5)
    tables = head_roles.run(model, corpus, roles=interp.roles.everything, criteria=criteria).tables
    assert (tables["roles"].role != "unclassified").sum() > 5 and tables["roles"].guess_pos.notna().any()
    for name, table in tables.items():
        assert check_columns(name, table) == []


@pytest.mark.parametrize("name", ["scores", "roles", "power", "effects", "atlas"])
@pytest.mark.parametrize("read", [pd.read_parquet, pd.read_csv])
def test_the_files_of_a_run(atlas_run: "Finished", name: str, read: Callable[..., pd.DataFrame]) -> None:
    table = read(atlas_run.folder / f"{name}.{'parquet' if read is pd.read_parquet else 'csv'}")
    assert check_columns(name, table) == []


def test_two_sites_and_aligned_words() -> None:
    model = interp.recurrent()
    corpus = interp.reversal(documents=40)
    for name, table in (("scores", interp.score(model, corpus)), ("effects", interp.ablate(model, corpus, limit=8))):
        assert {"encoder", "cross"} & set(table.site)
        assert check_columns(name, table) == []


def test_claims_and_meanings() -> None:
    about = {"source": "here", "table": "scores", "where": {"role": "first"}}
    claims = [
        {"claim": "one", "published": 0.5, "tolerance": 0.1, "best": "hit", **about},
        {"claim": "none", "published": None, "tolerance": None, "mean": True, **about},
        {"claim": "not there", "published": 1, "tolerance": 0.1, **about, "where": {"role": "last"}},
    ]
    scores = pd.DataFrame({"role": "first", "site": "self", "layer": [0, 1], "head": 0, "hit": [0.5, 0.2], "n": 9})
    study = compare(read_claims(claims), {"scores": scores})
    assert list(study.verdict) == ["pass", "no number", "not measured"]
    assert check_columns("study", study) == []
    assert check_columns("definitions", interp.definitions()) == []
    assert check_columns("columns", interp.columns()) == []
    assert list(interp.columns("candidates").column) == CONTRACT["candidates"].split()
