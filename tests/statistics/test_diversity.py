"""The effective number of heads, mean distances and the map of heads, against planted answers."""

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

from interp.errors import InterpError
from interp.statistics.bootstrap import bootstrap_interval_of
from interp.statistics.diversity import effective_heads, effective_number, mean_distance, similarity_of, square
from interp.statistics.scaling import metric_scaling
from interp.sums import DistanceSums
from interp.tables.diversity import distance_table, diversity_table, head_map_table

HEADS = tuple(("self", layer, head) for layer in range(3) for head in range(4))


def sums_of(spread: float = 0.02) -> DistanceSums:
    """Twelve heads: those of a layer .1 apart, those of two layers .4, all with noise from block to block."""
    random = np.random.default_rng(3)
    layer = np.array([head[1] for head in HEADS])
    one, other = np.triu_indices(len(HEADS), 1)
    mean = np.where(layer[one] == layer[other], 0.1, 0.4)
    n = random.integers(5, 40, 64)
    return DistanceSums(HEADS, n, np.clip(random.normal(mean[:, None], spread, (len(one), 64)), 0, 0.69) * n)


def test_the_effective_number_counts_distinct_heads() -> None:
    for copies in ([1], [1, 1, 1], [5, 5], [2, 2, 2, 2]):
        kind = np.repeat(np.arange(len(copies)), copies)
        assert_allclose(effective_number((kind[:, None] == kind[None]).astype(float)), len(copies), rtol=1e-9)
    # one of three as often as the two others together: exp of the entropy of (1/2, 1/4, 1/4)
    kind = np.array([0, 0, 1, 2])
    assert_allclose(effective_number((kind[:, None] == kind[None]).astype(float)), 2**1.5, rtol=1e-9)
    assert_allclose(similarity_of(np.array([[0, np.log(2)], [np.log(2), 0]])), np.eye(2), atol=1e-12)


def test_the_interval_of_the_effective_number_is_that_of_eigenvalues_of_every_resample() -> None:
    sums = sums_of()
    found = effective_heads(sums.distance, sums.n, len(HEADS), seed=1, min_blocks=12)

    def exactly(drawn: np.ndarray) -> np.ndarray:
        means = (sums.distance @ drawn[:, :1500]) / (sums.n @ drawn[:, :1500])
        values = [effective_number(similarity_of(square(mean, len(HEADS)))) for mean in means.T]
        return np.array(values)[None]

    low, high = bootstrap_interval_of(exactly, sums.n, tests=1, seed=1)
    assert found.low < found.value < found.high
    assert_allclose([found.low, found.high], [low[0], high[0]], atol=0.1 * (high[0] - low[0]))


def test_heads_that_are_the_same_add_nothing_to_the_number() -> None:
    sums = sums_of()
    number = effective_heads(sums.distance * 0, sums.n, len(HEADS), seed=0, min_blocks=12)
    assert_allclose(number, (1, 1, 1), atol=1e-9)
    assert effective_heads(sums.distance[:0], sums.n, 1, seed=0, min_blocks=12).value == 1
    assert np.isnan(effective_heads(sums.distance, sums.n * 0, len(HEADS), seed=0, min_blocks=12).value)


def test_distances_within_and_between_layers_are_those_that_were_planted() -> None:
    sums = sums_of()
    table = diversity_table(sums, seed=0)
    rows: Any = table[table["layer"].isna()].itertuples()
    by = {row.measure: row for row in rows}
    assert_allclose(by["within_layers"].value, 0.1, atol=0.005)
    assert_allclose(by["between_layers"].value, 0.4, atol=0.005)
    assert by["within_less_between"].ci_low < -0.3 < by["within_less_between"].ci_high
    layers = table[table["measure"] == "within_layer"]
    assert list(layers["layer"]) == [0, 1, 2] and (layers["heads"] == 4).all()
    assert_allclose(layers["value"].mean(), by["within_layers"].value, rtol=1e-9)
    assert diversity_table(sums, seed=0, min_blocks=65)["ci_low"].isna().all()
    nothing = mean_distance(sums.distance, sums.n, np.zeros(len(sums.distance), dtype=bool), seed=0, min_blocks=12)
    assert np.isnan(nothing).all()


def test_every_pair_has_its_distance_and_every_head_its_nearest() -> None:
    sums = sums_of()
    pairs, heads = distance_table(sums, seed=0), head_map_table(sums)
    assert len(pairs) == 66 and (pairs["ci_low"] < pairs["distance"]).all()
    for place, (_, layer, head) in enumerate(HEADS):
        mine = pairs[((pairs["layer"] == layer) & (pairs["head"] == head))
                     | ((pairs["other_layer"] == layer) & (pairs["other_head"] == head))]  # fmt: skip
        assert len(mine) == 11
        assert_allclose(heads["nearest"].iloc[place], mine["distance"].min())
        assert heads["nearest_layer"].iloc[place] == layer


def test_points_of_a_plane_are_found_again() -> None:
    random = np.random.default_rng(4)
    points = random.normal(size=(30, 2))
    apart = np.sqrt(np.square(points[:, None] - points[None]).sum(-1))
    found, stress = metric_scaling(apart)
    assert stress < 1e-3
    assert_allclose(np.sqrt(np.square(found[:, None] - found[None]).sum(-1)), apart, atol=1e-2)
    assert_allclose(metric_scaling(apart)[0], found, atol=0)


def test_no_other_points_do_much_better_than_the_map() -> None:
    apart = square(np.random.default_rng(5).uniform(0.3, 0.7, 45), 10)
    points, stress = metric_scaling(apart)
    size = np.square(apart).sum()

    def stress_of(some: np.ndarray) -> float:
        return float(np.sqrt(np.square(np.sqrt(np.square(some[:, None] - some[None]).sum(-1)) - apart).sum() / size))

    assert_allclose(stress, stress_of(points), rtol=1e-9)
    # no small step in any direction lowers it: a minimum
    random = np.random.default_rng(6)
    assert all(stress_of(points + random.normal(0, 0.01, points.shape)) > stress for _ in range(200))


def test_heads_all_in_one_place_and_broken_ones() -> None:
    points, stress = metric_scaling(np.zeros((4, 4)))
    assert stress == 0 and not points.any()
    assert metric_scaling(np.zeros((1, 1)))[0].shape == (1, 2)
    with pytest.raises(InterpError, match="2 of 16"):
        metric_scaling(square(np.array([np.nan, 1, 1, 1, 1, 1]), 4))
