"""What heads attend to, write and cause: ranks against scipy, one draw at a time, and the heads that part."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from experiments import atlas
from interp.ablation.plan import Plan
from interp.metrics import automatic
from interp.roles import positional
from interp.statistics.criteria import Criteria
from interp.statistics.rank_agreement import rank_agreement, rank_correlation
from interp.tables.measures import measure_table
from tests.conftest import Case
from tests.support.prompts import tiny_prompts

CHANCE = np.random.default_rng(0)


def spearman(first: Any, second: Any) -> float:
    found: Any = stats.spearmanr(first, second)
    return float(found.statistic)


def test_rank_correlation_is_spearmans_with_ties() -> None:
    first, second = CHANCE.integers(5, size=(12, 40)).astype(float), CHANCE.normal(size=(12, 40))
    expected = [spearman(first[:, draw], second[:, draw]) for draw in range(40)]
    np.testing.assert_allclose(rank_correlation(first, second), expected, atol=1e-12)
    assert np.isnan(rank_correlation(np.ones((12, 1)), second[:, :1]))[0]


def test_agreement_is_of_means_over_all_blocks_and_sizes_have_no_sign() -> None:
    n = np.array([3, 0, 2, 5] * 4)
    first, second = (CHANCE.normal(size=(9, 16)) * (n > 0) for _ in range(2))
    value, low, high = rank_agreement(first, second, n, seed=0)
    assert value == pytest.approx(spearman(first.sum(1), second.sum(1)))
    assert low <= value <= high
    sizes, _, _ = rank_agreement(first, -np.abs(first.sum(1, keepdims=True)) * n, n, size=True, seed=0)
    assert sizes == pytest.approx(1.0)


def test_the_head_that_is_turned_round_is_named() -> None:
    n = np.array([2] * 16)
    strength = np.linspace(1, 2, 8)
    table = pd.DataFrame({"site": "self", "layer": 0, "head": range(8), "best_lift": strength})
    direct, effect = strength[:, None] * n, strength[:, None] * n
    effect = np.where(np.arange(8)[:, None] == 7, 0.1 * n, effect)
    found = measure_table(table, direct, effect, n, seed=0).set_index(["first", "second"])
    assert found.loc[("best_lift", "direct"), "rank_correlation"] == pytest.approx(1)
    assert str(found["parting"].loc[("direct", "effect")]).startswith("0.7: direct 1, effect 8")
    assert float(found["rank_correlation"].loc[("best_lift", "effect")]) < 0.5


def test_the_atlas_of_a_behaviour_joins_what_heads_write_and_cause(tiny_gpt2: Case) -> None:
    corpus = tiny_prompts(40)
    found = atlas.run(
        tiny_gpt2.model, corpus, roles=lambda _: positional(), plan=Plan(), metrics=automatic,
        criteria=Criteria(min_queries=2, min_blocks=4),
    )  # fmt: skip
    tables = found.tables
    assert tables["prompts"].shape[0] == 40 and set(tables["effects"]["metric"]) >= {"logit_difference", "accuracy"}
    of_heads, rows = tables["atlas"], tables["measures"].set_index(["first", "second"])
    effects = tables["effects"].query("metric == 'logit_difference'")
    joined = of_heads.merge(effects, on=["site", "layer", "head"], suffixes=("", "_measured"))
    expected = spearman(joined["direct"], joined["effect_measured"])
    assert rows.loc[("direct", "effect"), "rank_correlation"] == pytest.approx(expected)
    assert of_heads["direct"].notna().all() and (of_heads["direct_low"] <= of_heads["direct"]).all()
