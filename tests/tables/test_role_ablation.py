"""Heads of a role beside their controls: on sums made by hand, what a row says and where it disagrees."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

from interp.heads import BLOCKS
from interp.sums import EffectSums
from interp.tables.role_ablation import ITSELF, Compared, draw_table, role_ablation_table
from interp.tables.role_heads import heads_by_role

N = np.repeat([2, 0], [40, BLOCKS - 40])


def sums(replacement: str, *means: float, metric: str = "log_prob") -> EffectSums:
    """Sets whose effects vary from block to block as much as their mean is large, on 80 documents in 40 blocks."""
    wave = np.where(np.arange(BLOCKS) % 2 == 0, 1.5, 0.5)
    effect = np.array([mean * wave * N for mean in means])
    intact = 3.0 * N
    heads = tuple(("set", number, 0) for number in range(len(means)))
    return EffectSums(replacement, metric, True, heads, N, N, intact, intact - effect, effect, effect)


def compared(control: str, *sets: int) -> Compared:
    return Compared("r", control, sets, tuple((("self", 1, number),) for number in sets))


ROWS = [compared(ITSELF, 0), compared("random", 1, 2), compared("as loud", 3)]


@pytest.fixture(scope="module")
def table() -> Any:
    found = [sums("zero", 1.0, 0.2, 0.0, 2.0), sums("mean", 1.0, 0.2, 1.4, -1.0), sums("uniform", -0.5, 0.0, 0.0, 0.0)]
    return role_ablation_table(found, ROWS, seed=0).set_index(["replacement", "control"])


def test_a_row_is_the_mean_over_its_draws_and_its_difference_that_from_the_role(table: Any) -> None:
    row = table.loc[("mean", "random")]
    assert row["draws"] == 2 and row["heads"] == "" and row["n"] == 80
    assert row["effect"] == pytest.approx(0.8) and row["difference"] == pytest.approx(0.2)
    assert row["before"] == pytest.approx(3.0) and row["after"] == pytest.approx(2.2)
    assert row["difference_low"] < 0.2 < row["difference_high"]
    # of the two draws one does more than the role's heads
    assert row["reaching"] == 0.5 and np.isnan(table.loc[("mean", "as loud"), "reaching"])
    assert np.isnan(table.loc[("mean", ITSELF), "difference"])


def test_verdicts_follow_from_the_intervals(table: Any) -> None:
    assert table["verdict"].loc["zero"].tolist() == ["matter", "less", "more"]
    assert table["verdict"].loc["mean"].tolist() == ["matter", "less", "less"]
    assert table["verdict"].loc["uniform"].tolist() == ["hurt", "more", "more"]


def test_it_is_said_where_replacements_and_controls_disagree(table: Any) -> None:
    assert table.loc[("zero", ITSELF), "disagrees"] == "replacements: uniform; controls: as loud"
    assert table.loc[("mean", ITSELF), "disagrees"] == "replacements: uniform"
    assert table.loc[("uniform", ITSELF), "disagrees"] == "replacements: zero, mean"
    assert table.loc[("mean", "as loud"), "disagrees"] == "replacements: zero, uniform"


def test_a_difference_has_the_interval_of_what_is_paired() -> None:
    """Two sets whose effects rise and fall together differ by the same amount everywhere: an interval of no width."""
    one = sums("noise", 1.0, 1.0)
    shifted = one.effect[1] - 0.3 * N
    found = EffectSums(**{**vars(one), "effect": np.stack([one.effect[0], shifted])})
    row: Any = role_ablation_table([found], [compared(ITSELF, 0), compared("x", 1)], seed=0).iloc[1]
    assert row["difference_low"] == pytest.approx(0.3) and row["difference_high"] == pytest.approx(0.3)
    assert row["ci_high"] - row["ci_low"] > 0.1


def test_the_same_answer_stands_beside_its_own_replacement() -> None:
    found = [sums("noise", 1.0, 0.0), sums("denoise", 1.0, 0.0)]
    rows = [compared(ITSELF, 0), compared("as loud", 1)]
    table = role_ablation_table(found, rows, [sums("noise", 0.0), sums("denoise", 1.2)], seed=0)
    of_donor = table[table["control"] == "same answer"].set_index("replacement")
    assert of_donor["verdict"].to_dict() == {"noise": "less", "denoise": "more"}
    assert of_donor["heads"].tolist() == ["1.0", "1.0"]


def test_few_blocks_have_no_verdict_and_disagree_with_nothing() -> None:
    table = role_ablation_table([sums("zero", 1.0, 0.0), sums("mean", -1.0, 0.0)], ROWS[:1], seed=0, min_blocks=41)
    assert (table["verdict"] == "").all() and (table["disagrees"] == "").all() and table["p"].isna().all()


def test_every_draw_has_a_row() -> None:
    table = draw_table([sums("zero", 1.0, 0.2, 0.0, 2.0)], ROWS)
    assert table["effect"].tolist() == pytest.approx([0.2, 0.0]) and table["heads"].tolist() == ["1.1", "1.2"]


def test_heads_of_a_role_come_by_their_lift_on_select_and_only_if_they_have_it() -> None:
    lifts = {0: (0.9, 0.2), 1: (0.3, 0.9), 2: (0.95, 0.9), 3: (0.6, 0.6)}
    scores = pd.DataFrame(
        [
            {"role": "r", "site": "self", "layer": 0, "head": head, "split": split, "lift": lift}
            for head, both in lifts.items()
            for split, lift in zip(("select", "confirm"), both, strict=True)
        ]
    )
    had = [("r", "self", 0, head) for head in (0, 1, 3)] + [("unclassified", "self", 0, 2)]
    roles = pd.DataFrame(had, columns=["role", "site", "layer", "head"])
    assert heads_by_role(scores, roles, 2) == {"r": [("self", 0, 0), ("self", 0, 3)]}


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_set_without_a_finite_effect_says_nothing_of_the_others(bad: float) -> None:
    good, spoilt = sums("zero", 1.0, 0.2, 0.0, 2.0), sums("zero", 1.0, 0.2, 0.0, 2.0)
    spoilt.effect[3, 5] = bad
    expected, found = (_table(one) for one in (good, spoilt))
    pd.testing.assert_frame_equal(found.iloc[:2].drop(columns="disagrees"), expected.iloc[:2].drop(columns="disagrees"))
    assert np.isnan(found.iloc[2][["effect", "ci_low", "p", "difference_low"]].astype(float)).all()
    assert found.iloc[2]["verdict"] == ""


def _table(one: EffectSums) -> Any:
    return role_ablation_table([one], ROWS, seed=0)
