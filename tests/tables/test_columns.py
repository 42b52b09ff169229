"""Tables that are joined on what names their rows never mix columns: pandas' suffixes show where each came from."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

from experiments import head_ablation, head_roles
from experiments.cli.summary_lines import interval, signed, unsigned
from interp import api as analysis
from interp.ablation.effects import measure_effects
from interp.ablation.plan import Plan
from interp.corpora.encoding import encode
from interp.plots.style import metric_label
from interp.sums import EffectSums
from interp.tables import effect_table, mark, score_table, true_lifts
from interp.tables.nulls import Measured, lifts_of_chosen
from interp.tables.roles import classify
from tests.conftest import Case, corpus_of
from tests.statistics.test_not_a_number import role_sums

pytest_plugins = ("tests.support.command_line",)

KEYS = ["site", "layer", "head"]
FAMILIES = (("n", "ci_low", "ci_high"), ("p", "q"), ("lift_pos", "lift_pos_low", "lift_pos_high"))
"""Columns that belong together: a table that has the last of a family has all of it."""


def whole(table: pd.DataFrame) -> bool:
    return all(set(family) <= set(table) for family in FAMILIES if set(family[1:]) & set(table))


@pytest.fixture(scope="module")
def tables(tiny_llama: Case) -> dict[str, pd.DataFrame]:
    scores = score_table(role_sums(), seed=0)
    roles = classify(role_sums(), scores)
    model = tiny_llama.model
    measured = measure_effects(model, encode(model, corpus_of()), Plan(replacement="zero", sets="layers"))
    marks = mark(roles, [("self", 0, 2, "offset-1")], true_lifts(role_sums()), {"offset-1"}, margin=0.1)
    chosen = lifts_of_chosen([Measured("none", None, scores, roles)])
    of_weights = analysis.anatomy(model, corpus_of()).drop(columns=["model", "corpus", "seed"])
    return {"scores": scores, "roles": roles, "marks": marks, "null_lifts": chosen, "anatomy": of_weights} | (
        measured.tables
    )


def test_a_table_has_all_of_a_family_of_columns_or_none(tables: dict[str, pd.DataFrame]) -> None:
    for name, table in tables.items():
        assert whole(table), name
    assert {"n", "p", "ci_high", "statistic"} <= set(tables["roles"])


def test_the_atlas_has_them_too(atlas_run) -> None:
    atlas, roles, effects = (
        pd.read_parquet(atlas_run.folder / f"{name}.parquet") for name in ("atlas", "roles", "effects")
    )
    assert whole(atlas) and whole(roles) and whole(effects)
    numbers = ["n", "ci_low", "ci_high", "p", "q"]
    for one, other in ((roles, effects), (atlas, roles), (atlas, effects)):
        joined = one.merge(other, on=["model", "corpus", "seed", *KEYS])
        assert len(joined) and not set(numbers) & set(joined), "each has a suffix that says where it came from"


def test_the_numbers_of_roles_are_those_of_confirm(tables: dict[str, pd.DataFrame]) -> None:
    roles, scores = tables["roles"], tables["scores"]
    given = roles[roles.role != "unclassified"]
    assert len(given) and roles[roles.role == "unclassified"].n.isna().all()
    confirm = scores[scores.split == "confirm"]
    same = given.merge(confirm, on=["definition", "role", *KEYS], suffixes=("", "_scores"))
    shared = (set(roles) & set(scores)) - {"definition", "role", *KEYS}
    assert {"n", "statistic", "ci_low", "ci_high", "p", "q", "lift", "effective_blocks"} <= shared
    for column in map(str, shared):
        pd.testing.assert_series_equal(
            same[column], same[f"{column}_scores"], check_names=False, check_dtype=False, obj=str(column)
        )


# --- what is said


def effects_of(*effects: float) -> dict[str, pd.DataFrame]:
    blocks = np.full((len(effects), 64), 1.0) * np.array(effects)[:, None]
    n = np.ones(64, dtype=int)
    heads = tuple(("self", 0, head) for head in range(len(effects)))
    sums = EffectSums("mean", "kl", False, heads, n, n, np.zeros(64), -blocks, blocks, blocks)
    return {"effects": effect_table([sums], seed=0)}


def test_heads_that_change_nothing_are_not_listed_among_those_that_matter() -> None:
    lines = head_ablation.summarise(effects_of(0.0, 0.2, 2e-9, -0.3, 3e-5))
    assert [line.split()[1] for line in lines[1:3]] == ["0.1", "0.4"]
    assert "+3.0e-05" in lines[2], "small is not nothing"
    assert (
        lines[3]
        == "    2 of 5 heads matter: ablating 2 changes nothing (at most 1e-06), without 1 the model does better"
    )
    every = head_ablation.summarise(effects_of(0.1, 0.2))
    assert len(every) == 3, "the heading and both heads, and nothing of others"
    (none,) = head_ablation.summarise(effects_of(0.0, -1e-9))
    assert none.startswith(
        "No head matters (mean ablation, effect on kl over 64 documents): ablating 2 changes nothing"
    )
    (unknown,) = head_ablation.summarise({"effects": effects_of(0.1)["effects"].assign(effect=np.nan)})
    assert unknown.endswith(": of 1 no document has a value.") and "nan" not in unknown.lower()


@pytest.mark.parametrize("shown", [0.2, 1.7, float("inf")])
def test_a_lift_that_no_corpus_could_show_is_said_in_words(shown: float) -> None:
    power = pd.DataFrame({"role": ["a"], "detectable": [shown], "room": [0.9]})
    scores = score_table(role_sums(), seed=0)
    tables = {"scores": scores, "roles": classify(role_sums(), scores), "power": power}
    said = " ".join(head_roles.summarise(tables))
    assert " inf" not in said and " nan" not in said
    assert ("a lift of 0.20 or less" in said) == (shown < 1) and ("no lift" in said) == (shown > 1)


@pytest.mark.parametrize("value", [4e-4, -4e-4, 0.0049, 0.0051, -0.0051, 0.25, 0.0])
@pytest.mark.parametrize("say", [signed, unsigned])
def test_a_number_is_said_inside_its_own_interval(value: float, say: Callable[[float], str]) -> None:
    low, high = interval(value - 1e-4, value + 1e-4).strip(" []").split(", ")
    assert float(low) <= float(say(value)) <= float(high)


def test_ordinary_numbers_have_two_decimals_and_no_zero_a_sign() -> None:
    assert (signed(0.254), signed(-0.254), unsigned(0.254)) == ("+0.25", "-0.25", "0.25")
    assert signed(-0.0) == signed(0.0) == "+0.00" and unsigned(-0.0) == "0.00"
    assert interval(-0.0, 0.0) == " [+0.00, +0.00]"


def test_the_sign_of_kl_is_said() -> None:
    assert metric_label("kl") == "kl (minus the divergence, nats per token)"
