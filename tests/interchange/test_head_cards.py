"""Head cards: valid by their schema, the same numbers as the tables, strict JSON, and the same for the same run."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import numpy as np
import pandas as pd
import pytest

import interp
from interp.errors import InterpError
from interp.heads import HEAD
from interp.interchange.card_fields import ANATOMY, ATTENTION, EFFECT, ROLE, SHAPE
from interp.interchange.card_schema import card_schema, schema_text, written
from interp.interchange.head_cards import cards_text
from interp.results import read_manifest, read_table

if TYPE_CHECKING:
    from tests.support.command_line import Finished

pytest_plugins = ("tests.support.command_line",)


def complaints(cards: Any) -> list[str]:
    validator = jsonschema.Draft202012Validator(json.loads(schema_text()))
    return [f"{error.json_path}: {error.message}" for error in validator.iter_errors(cards)]


def tables_of(folder: Path) -> dict[str, pd.DataFrame]:
    return {name: read_table(folder, name, {}) for name in (read_manifest(folder) or {})["tables"]}


def refuse_constants(name: str) -> None:
    raise AssertionError(f"{name} is not JSON")


@pytest.fixture(scope="session")
def head_roles_folder(tmp_path_factory: pytest.TempPathFactory, tiny: tuple[str, str], corpus: tuple[str, str]) -> Path:
    from tests.support.command_line import TESTABLE, run_in

    place = tmp_path_factory.mktemp("head_roles")
    outcome = run_in(place, "experiment=head_roles", *tiny, *corpus, *TESTABLE, "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    return place / "run"


# --- the schema


def test_the_schema_is_a_schema_and_is_written_anew_when_a_column_changes() -> None:
    jsonschema.Draft202012Validator.check_schema(card_schema())
    assert schema_text() == written(), "python -m interp.interchange.card_schema writes it"
    assert schema_text().startswith('{\n "$schema": "https://json-schema.org/draft/2020-12/schema"')


def test_every_property_is_told_of() -> None:
    def untold(schema: Any, path: str) -> list[str]:
        found = []
        for name, one in schema.get("properties", {}).items():
            found += [] if one.get("description") else [f"{path}.{name}"]
            found += untold(one, f"{path}.{name}")
        return found

    schema = json.loads(schema_text())
    assert untold(schema, "") == []
    assert [name for name, one in schema["$defs"].items() if untold(one, name)] == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("form",), "interp-head-cards/0"),
        (("heads", 0, "layer"), -1),
        (("heads", 0, "site"), "both"),
        (("heads", 0, "roles"), None),
        (("heads", 0, "roles", 0, "lift"), "much"),
        (("heads", 0, "roles", 0, "definition"), None),
        (("heads", 0, "roles", 0, "more"), 1),
        (("run", "seed"), 0.5),
    ],
)
def test_the_schema_refuses_what_is_no_card(path: tuple[str | int, ...], value: object) -> None:
    cards = interp.head_cards({"roles": roles()})
    assert complaints(cards) == []
    place: Any = cards
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value
    assert complaints(cards)


# --- what rules explain


def explained() -> dict[str, pd.DataFrame]:
    """Of head 0.0 two rules, out of order; of head 0.1 even attention, of which there is nothing to explain."""
    heads = pd.DataFrame({"site": "self", "layer": 0, "head": [0, 1]})
    numbers = {"explained": [0.75, np.nan], "ci_low": [0.7, np.nan], "ci_high": [0.8, np.nan]}
    rules = {"place": [2, 1], "rule": ["self", "offset-1"], "family": "position", "share": [0.25, 0.5]}
    return {
        "explanations": heads.assign(definition="explain/explained@1", n=90, **numbers),
        "cards": pd.DataFrame({"site": "self", "layer": 0, "head": 0, **rules, "explained_select": [0.7, 0.5]}),
    }


def test_what_rules_explain_is_a_part_of_a_card() -> None:
    cards = interp.head_cards({"roles": roles(), **explained()})
    assert complaints(cards) == []
    of = {card["name"]: card["explained"] for card in cards["heads"]}
    number = {"definition": "explain/explained@1", "n": 90}
    listed = [
        {"rule": "offset-1", "family": "position", "share": 0.5},
        {"rule": "self", "family": "position", "share": 0.25},
    ]
    assert of["0.0"] == {**number, "explained": 0.75, "ci_low": 0.7, "ci_high": 0.8, "rules": listed}
    assert of["0.1"] == {**number, "explained": None, "ci_low": None, "ci_high": None, "rules": []}
    alone = interp.head_cards({"roles": roles(), "explanations": explained()["explanations"]})
    assert complaints(alone) == [] and alone["heads"][0]["explained"]["rules"] is None
    cards["heads"][0]["explained"]["rules"][0]["share"] = "half"
    assert complaints(cards)


def test_a_card_without_that_part_is_a_card() -> None:
    cards = interp.head_cards({"roles": roles()})
    for card in cards["heads"]:
        assert card.pop("explained") is None
    assert complaints(cards) == []


# --- of runs


@pytest.mark.parametrize("experiment", ["atlas", "head_roles"])
def test_the_cards_of_a_run_are_valid_and_say_what_its_tables_say(
    experiment: str, atlas_run: "Finished", head_roles_folder: Path
) -> None:
    folder = atlas_run.folder if experiment == "atlas" else head_roles_folder
    cards = json.loads((folder / "head_cards.json").read_text(encoding="utf-8"), parse_constant=refuse_constants)
    assert complaints(cards) == [] and cards == interp.load_head_cards(folder)
    tables, manifest = tables_of(folder), read_manifest(folder) or {}
    assert cards["run"]["experiment"] == experiment
    assert cards["run"]["weights_sha256"] == manifest["model"]["weights_sha256"]
    assert cards["run"]["commit"] == manifest["project"]["commit"]
    listed = [(one["site"], one["layer"], one["head"]) for one in cards["heads"]]
    in_table = tables["roles"][HEAD].drop_duplicates().itertuples(index=False, name=None)
    assert listed == sorted(listed) and set(listed) == set(in_table)
    assert [one["name"] for one in cards["heads"]] == [f"{layer}.{head}" for _, layer, head in listed]
    held = tables["roles"][tables["roles"]["role"] != "unclassified"]
    assert sum(len(one["roles"]) for one in cards["heads"]) == len(held) > 0
    for card in cards["heads"]:
        check_part(card, card["roles"], held, [name for name in ROLE if name != "baseline_name"], ["role"])
        confirm = tables["scores"].query("split == 'confirm'")
        check_part(card, card["roles"], confirm, ["baseline_name", "baseline", "lift", "q"], ["role"])
        if experiment == "atlas":
            check_part(card, card["effects"], tables["effects"], list(EFFECT), ["metric", "ablation"])
            check_part(card, [card["attention"]], tables["atlas"], list(ATTENTION), [])
        else:
            assert card["effects"] is None and card["attention"] is None
        assert card["shape"] is None and card["anatomy"] is None


def check_part(card: Any, rows: list[Any], table: pd.DataFrame, columns: list[str], by: list[str]) -> None:
    """Each row of a card is the one row of the table for its head and key."""
    assert rows or by == ["role"]
    for row in rows:
        keys = [*((name, card[name]) for name in HEAD), *((name, row[name]) for name in by)]
        here = table
        for name, value in keys:
            here = here[here[name] == value]
        assert len(here) == 1, keys
        for name in columns:
            [expected] = here[name]
            if row[name] is None:
                assert pd.isna(expected), name
            else:
                assert row[name] == expected, name


def test_cards_are_the_same_for_the_same_run_and_hashed(atlas_run: "Finished") -> None:
    manifest = read_manifest(atlas_run.folder) or {}
    text = (atlas_run.folder / "head_cards.json").read_text(encoding="utf-8")
    assert cards_text(tables_of(atlas_run.folder), manifest | {"started": "never", "seconds": {}}) == text
    assert "head_cards.json" in manifest["files"]
    assert str(atlas_run.folder) not in text


def test_a_run_without_roles_has_no_cards(tmp_path: Path, tiny: tuple[str, str], corpus: tuple[str, str]) -> None:
    from tests.support.command_line import run_in

    outcome = run_in(tmp_path, "experiment=shapes", *tiny, *corpus, "corpus.limit=20", "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    assert not (tmp_path / "run" / "head_cards.json").exists()
    with pytest.raises(InterpError, match="Give the folder of a run that has roles"):
        interp.load_head_cards(tmp_path / "run")


# --- of tables


def roles(**more: Any) -> pd.DataFrame:
    """Head 0.0 with two roles, and 1.3 with none."""
    numbers = {name: 0.25 for name in ROLE if name not in ("role", "n")}
    texts = {"family": "copying", "definition": "copying/induction@1", "statistic": "mass", "guess_pos": np.nan}
    some = numbers | texts | {"site": "self", "n": 10}
    rows = [
        some | {"layer": 0, "head": 0, "role": "duplicate", "lift": 0.2},
        some | {"layer": 0, "head": 0, "role": "induction", "lift": 0.7, "lift_pos": np.nan, "stability": np.inf},
        {"site": "self", "layer": 1, "head": 3, "role": "unclassified", "lift": np.nan},
    ]
    return pd.DataFrame(rows).astype({"n": "Int64"}).assign(**({"model": "m", "corpus": "c", "seed": 0} | more))


def test_what_is_empty_or_not_finite_is_null() -> None:
    cards = interp.head_cards({"roles": roles()})
    first, second = cards["heads"]
    assert [one["role"] for one in first["roles"]] == ["induction", "duplicate"]
    assert (first["roles"][0]["lift_pos"], first["roles"][0]["stability"]) == (None, None)
    assert first["roles"][0]["baseline_name"] is None and first["roles"][1]["lift_pos"] == 0.25
    assert second["roles"] == [] and second["effects"] is None
    assert cards["run"] | {"model": "m", "corpus": "c", "seed": 0} == cards["run"]
    json.dumps(cards, allow_nan=False)


def test_tables_of_other_experiments_on_the_same_model_fill_the_other_parts() -> None:
    place = {"site": ["self", "self"], "layer": [0, 1], "head": [0, 3], "model": ["m", "m"], "corpus": ["other"] * 2}
    anatomy = pd.DataFrame(place | {name: [1, 2] for name in ANATOMY})
    anatomy = anatomy.assign(copying_space="none", copying=np.nan)
    shape = pd.DataFrame(place | {name: [0.5, 0.75] for name in SHAPE} | {"definition": "shape/entropy@1", "n": 7})
    cards = interp.head_cards({"roles": roles(), "anatomy": anatomy, "shape": shape})
    assert complaints(cards) == []
    first, second = cards["heads"]
    assert (first["anatomy"]["ov_rank"], second["anatomy"]["ov_rank"]) == (1, 2)
    assert first["anatomy"]["copying"] is None
    assert [one["value"] for one in second["shape"]] == [0.75]
    with pytest.raises(InterpError, match="several models: roles of 'm', anatomy of 'another'"):
        interp.head_cards({"roles": roles(), "anatomy": anatomy.assign(model="another")})


@pytest.mark.parametrize("column", ["run", "model", "corpus", "seed"])
def test_tables_of_several_runs_are_refused(column: str) -> None:
    with pytest.raises(InterpError, match=f"is of several runs .column {column}"):
        interp.head_cards({"roles": roles(**{column: [1, 1, 2]})})
    with pytest.raises(InterpError, match="need the table `roles`; there are scores"):
        interp.head_cards({"scores": roles()})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "cannot be read as head cards"),
        ("[]", "cannot be read as head cards"),
        ("{}", "cannot be read as head cards"),
        ('{"form": "interp-head-cards/9"}', "Allowed: 'interp-head-cards/1'"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "head_cards.json").write_text(text)
    with pytest.raises(InterpError, match=said):
        interp.load_head_cards(tmp_path)
