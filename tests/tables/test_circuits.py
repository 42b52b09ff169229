"""A circuit's tables: on sums made by hand, the quantities of Wang et al. and Mueller et al. as they are defined."""

from typing import Any

import numpy as np
import pytest

from interp.heads import BLOCKS
from interp.tables.circuits import (
    Curve,
    Ends,
    circuit_table,
    completeness_table,
    curve_and_area_tables,
    minimality_table,
)

N = np.repeat([2, 0], [40, BLOCKS - 40])
WAVE = np.where(np.arange(BLOCKS) % 2 == 0, 1.4, 0.6)
BY: Any = {"seed": 0, "min_blocks": 12}


def sums_of(mean: float) -> np.ndarray:
    """Sums of a metric of this mean, which varies from block to block in proportion to it."""
    return mean * WAVE * N


ENDS = Ends(sums_of(4.0), sums_of(1.0), N)
HEADS: Any = [("self", 1, 0), ("self", 2, 3)]


def test_faithfulness_in_three_forms_beside_random_circuits() -> None:
    table: Any = circuit_table(ENDS, sums_of(3.0), HEADS, np.stack([sums_of(1.0), sums_of(3.5)]), **BY).set_index(
        "circuit"
    )
    own, random = table.loc["circuit"], table.loc["random"]
    assert own["heads"] == "1.0 2.3" and own["n"] == 80
    assert (own["full"], own["empty"], own["value"]) == pytest.approx((4, 1, 3))
    assert (own["faithfulness"], own["share"], own["normalised"]) == pytest.approx((1, 3 / 4, 2 / 3))
    # one of the two random sets is nearer to the model
    assert own["reaching"] == 0.5 and random["value"] == pytest.approx(2.25)
    assert own["value_low"] < 3 < own["value_high"]


def test_a_ratio_of_sums_that_rise_together_has_an_interval_of_no_width() -> None:
    row: Any = circuit_table(ENDS, sums_of(3.0), HEADS, np.zeros((0, BLOCKS)), **BY).iloc[0]
    assert row["share_low"] == pytest.approx(3 / 4) and row["share_high"] == pytest.approx(3 / 4)
    assert np.isnan(row["reaching"])


def test_completeness_and_minimality_are_differences_of_the_same_prompts() -> None:
    subsets: Any = [("none", []), ("greedy", HEADS[:1])]
    table = completeness_table(
        ENDS, subsets, np.stack([sums_of(3.0), sums_of(1.5)]), np.stack([sums_of(4.0), sums_of(1.0)]), **BY
    )
    assert table["difference"].tolist() == pytest.approx([-1, 0.5])
    assert table["incompleteness"].tolist() == pytest.approx([1, 0.5])
    minimal = minimality_table(
        ENDS,
        HEADS,
        [[], HEADS[:1]],
        np.stack([sums_of(3.0), sums_of(2.0)]),
        np.stack([sums_of(1.0), sums_of(2.0)]),
        **BY,
    )
    assert minimal["change"].tolist() == pytest.approx([2, 0]) and minimal["share"].tolist() == pytest.approx([0.5, 0])
    assert minimal["subset"].tolist() == ["", "1.0"] and minimal["change_low"].iloc[0] > 0


def test_areas_are_those_of_a_curve_drawn_by_hand() -> None:
    """f = 0, 1/3, 4/3, 1 at the shares 0, 1/4, 1/2, 1."""
    curve = Curve("direct", None, (0, 2, 4, 8), np.stack([sums_of(1.0), sums_of(2.0), sums_of(5.0), sums_of(4.0)]))
    below = Curve("random", 0, (0, 4, 8), np.stack([sums_of(1.0), sums_of(1.0), sums_of(4.0)]))
    above = Curve("random", 1, (0, 4, 8), np.stack([sums_of(1.0), sums_of(4.0), sums_of(4.0)]))
    points, areas = curve_and_area_tables(ENDS, [curve, below, above], **BY)
    assert points["faithfulness"].iloc[:4].tolist() == pytest.approx([0, 1 / 3, 4 / 3, 1])
    own: Any = areas[areas["ranking"] == "direct"].iloc[0]
    assert own["cpr"] == pytest.approx((0 + 1 / 3) / 2 / 4 + (1 / 3 + 4 / 3) / 2 / 4 + (4 / 3 + 1) / 2 / 2)
    assert own["cmd"] == pytest.approx((1 + 2 / 3) / 2 / 4 + (2 / 3 + 1 / 3) / 2 / 4 + (1 / 3 + 0) / 2 / 2)
    mean: Any = areas[(areas["ranking"] == "random") & areas["draw"].isna()].iloc[0]
    assert mean["draws"] == 2 and mean["cpr"] == pytest.approx((0.25 + 0.75) / 2)


def test_few_blocks_have_no_interval() -> None:
    row: Any = circuit_table(ENDS, sums_of(3.0), HEADS, sums_of(2.0)[None], seed=0, min_blocks=41).iloc[0]
    assert np.isnan(row["share_low"]) and row["share"] == pytest.approx(3 / 4)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_evidence(bad: float) -> None:
    spoilt = sums_of(3.0)
    spoilt[3] = bad
    row: Any = circuit_table(ENDS, spoilt, HEADS, sums_of(2.0)[None], **BY).iloc[0]
    assert np.isnan(row[["value", "value_low", "share", "faithfulness"]].astype(float)).all()
