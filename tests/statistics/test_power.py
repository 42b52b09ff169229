"""A lift of the size that the table names is found four times in five."""

import numpy as np
import pytest
from scipy.stats import norm

from interp.statistics import power_table, sign_flip_p, sign_vectors
from interp.statistics.criteria import Criteria
from interp.statistics.max_t import critical_value_of_max_t, largest_under_flips, max_t_p
from interp.statistics.power import Observed, detectable_lift, level_of_bh, t_of_level, t_of_max_t
from interp.tables import score_table
from interp.tables.roles import classify
from tests.tables.test_roles import HIT, MASS, planted


def simulated(rng: np.random.Generator, n: np.ndarray, lift: float, runs: int, spread: float) -> np.ndarray:
    """Blocks of n queries, each ±1 around the lift; and a share that all queries of a block have in common."""
    noise = rng.normal(0, 1, size=(runs, len(n))) * np.sqrt(n) + rng.normal(0, spread, size=(runs, len(n))) * n
    return lift * n + noise


@pytest.mark.parametrize(("alpha", "spread"), [(0.05, 0.0), (0.05, 0.2), (0.001, 0.1)])
@pytest.mark.parametrize("blocks", [16, 32])
def test_a_planted_lift_of_that_size_is_found_four_times_in_five(alpha: float, spread: float, blocks: int) -> None:
    rng = np.random.default_rng(blocks)
    n = rng.integers(5, 40, size=blocks)
    # what the formula says of data without any lift, on average
    D = simulated(rng, n, 0.0, 400, spread)
    sizes = np.broadcast_to(n, D.shape)
    size = float(np.mean(detectable_lift(D, sizes, t_of_level(sizes, alpha))))
    found = sign_flip_p(simulated(rng, n, size, 1500, spread), sign_vectors(0, blocks)[:, :9_999]) <= alpha
    # the docstring says how much less a sign flip finds at this level
    expected = 0.74 if (alpha, blocks) == (0.001, 16) else 0.80
    assert abs(found.mean() - expected) < 0.05


@pytest.mark.parametrize("alpha", [0.05, 0.001])
@pytest.mark.parametrize(
    ("baseline", "observed"), [(0.37, 0.02), (0.1, 0.0), (0.05, 0.02), (0.3, 0.15), (0.3, 0.3), (0.4, 0.6)]
)
def test_of_a_head_that_never_hits_it_names_the_lift_of_one_that_does(
    baseline: float, observed: float, alpha: float
) -> None:
    """Hits and the baseline's by chance: such a head varies less than one with the lift, which has to be found."""
    rng, signs = np.random.default_rng(3), sign_vectors(0, 32)[:, :9_999]
    named = []
    for _ in range(200):
        n = rng.poisson(20, size=(1, 32)).clip(1)
        hits = rng.binomial(n, observed)
        heads = Observed(hits.sum(1) / n.sum(1), np.array([baseline]), np.array([True]))
        named.append(
            detectable_lift((hits - rng.binomial(n, baseline)).astype(float), n, t_of_level(n, alpha), heads)[0]
        )
    n = rng.poisson(20, size=(1500, 32)).clip(1)
    D = (rng.binomial(n, baseline + np.median(named)) - rng.binomial(n, baseline)).astype(float)
    assert abs((sign_flip_p(D, signs) <= alpha).mean() - 0.80) < 0.06


def test_of_a_head_that_answers_as_the_baseline_does_some_lift_is_needed() -> None:
    """It does not vary at all against the baseline; a head that hits beside it does."""
    rng, n = np.random.default_rng(4), np.full((1, 32), 20)
    heads = Observed(np.array([0.37]), np.array([0.37]), np.array([True]))
    size = detectable_lift(np.zeros((1, 32)), n, t_of_level(n, 0.001), heads)[0]
    D = rng.binomial(20, size, size=(1500, 32)).astype(float)
    assert size > 0 and (sign_flip_p(D, sign_vectors(0, 32)[:, :9_999]) <= 0.001).mean() > 0.75


def test_by_max_t_too() -> None:
    """Twenty tests at once, one of them with a lift of that size."""
    rng, n, signs = np.random.default_rng(5), np.full(32, 20), sign_vectors(0, 32)[:, :1999]
    sizes, found = np.full((20, 32), 20), 0
    D = simulated(rng, n, 0.0, 20, 0.1)
    critical = critical_value_of_max_t(largest_under_flips(D, signs), 0.05)
    size = float(np.mean(detectable_lift(D, sizes, t_of_max_t(sizes, critical))))
    for _ in range(400):
        D = simulated(rng, n, 0.0, 20, 0.1)
        D[0] += size * n
        found += max_t_p(D[:1], largest_under_flips(D, signs))[0] <= 0.05
    assert abs(found / 400 - 0.80) < 0.08


def test_with_many_blocks_it_is_the_sum_of_two_normal_quantiles_times_the_standard_error() -> None:
    rng, n = np.random.default_rng(1), np.full((1, 20_000), 7)
    D = rng.normal(0, 3, size=(1, 20_000))
    standard_error = D.std(ddof=1) / 7 / np.sqrt(20_000)
    expected = (norm.isf(0.01) + norm.ppf(0.8)) * standard_error
    assert detectable_lift(D, n, t_of_level(n, 0.01))[0] == pytest.approx(expected, rel=1e-3)


def test_t_and_studentised_sums_are_two_ways_to_say_one_thing() -> None:
    rng, even = np.random.default_rng(2), np.full((1, 20), 4)
    D = rng.normal(0.5, 1, size=20)
    T, t = D.sum() / np.linalg.norm(D), D.mean() / (D.std(ddof=1) / np.sqrt(20))
    assert t_of_max_t(even, T)[0] == pytest.approx(t)


def test_it_knows_where_nothing_could_be_shown() -> None:
    # nine blocks have no p below 2⁻⁹ and, where they are even, no T above 3
    D, nine = np.random.default_rng(2).normal(size=(1, 9)), np.full((1, 9), 10)
    for critical in (t_of_level(nine, 0.99 * 2**-9), t_of_max_t(nine, 3.0), t_of_max_t(nine, np.inf)):
        assert np.isinf(detectable_lift(D, nine, critical)).all()
    for critical in (t_of_level(nine, 1.01 * 2**-9), t_of_max_t(nine, 2.9)):
        assert 0 < detectable_lift(D, nine, critical)[0] < np.inf
    one = np.array([[5, 0, 0]])
    assert np.isinf(detectable_lift(np.array([[1.0, 0, 0]]), one, t_of_level(one, 0.6))).all()


def test_the_level_is_that_of_the_next_discovery() -> None:
    q = np.array([0.001, 0.02, 0.3, 0.9, np.nan, 0.06])
    assert level_of_bh(q, 0.05) == pytest.approx(0.05 * 3 / 5)
    assert level_of_bh(np.full(4, 0.01), 0.05) == 0.05


def test_scores_roles_and_the_table_of_power_say_the_same() -> None:
    sums = planted([[0.6, 0.2, 0.25], [0.2, 0.2, 0.2]], roles=(HIT, MASS), seed=1)
    scores = score_table(sums, seed=0)
    confirm = scores[scores.split == "confirm"]
    table = {row["role"]: row for row in power_table(scores).to_dict("records")}
    assert set(table) == set(confirm.role)
    for name, row in table.items():
        assert row["detectable"] == pytest.approx(confirm[confirm.role == name].detectable.median())
        assert row["room"] == pytest.approx(0.8)
        assert (row["heads"], row["hidden"]) == (3, 0)
    given = classify(sums, scores)
    first = given[given.role == HIT.name].iloc[0]
    assert first.detectable == confirm[(confirm.role == HIT.name) & (confirm["head"] == 0)].detectable.item()
    for row in given[given.role == "unclassified"].itertuples():
        of_head = confirm[confirm["head"] == row.head].detectable
        assert row.detectable == pytest.approx(of_head.median())
    # a stricter correction shows less
    strict = score_table(sums, criteria=Criteria(correction="max_t"), seed=0)
    D = (np.concatenate([sums.hit[0], sums.mass[1]]) - 4.0)[:, 1::2]
    critical = np.sort(largest_under_flips(D, sign_vectors(0)[1::2]))[-5000]
    sizes = np.full(D.shape, 20)
    means = D.sum(1) / 640 + 0.2
    heads = Observed(means, np.full(6, 0.2), np.repeat([True, False], 3))
    expected = detectable_lift(D, sizes, t_of_max_t(sizes, float(critical)), heads)
    np.testing.assert_allclose(strict[strict.split == "confirm"].detectable, expected, rtol=1e-9)


def test_fewer_documents_show_less_and_an_untestable_role_nothing() -> None:
    many, few = (score_table(planted([[0.3]], n=n, seed=0), seed=0) for n in (80, 5))
    assert few.detectable.max() > 2 * many.detectable.max()
    none = score_table(planted([[0.3]], n=1, seed=0), seed=0)
    assert none.detectable.isna().all() and power_table(none).empty
