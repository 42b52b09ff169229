"""Max-T against every sign vector there is, its promise under the null, and what it does to roles."""

from itertools import product

import numpy as np
import pytest

from interp.statistics import sign_vectors
from interp.statistics.criteria import Criteria
from interp.statistics.max_t import critical_value_of_max_t, largest_under_flips, max_t_p
from interp.tables import score_table
from interp.tables.roles import classify
from tests.tables.test_roles import HIT, MASS, planted


def every_sign(blocks: int) -> np.ndarray:
    return np.array(list(product([-1, 1], repeat=blocks)), dtype=np.int8).T


def loop_p(D: np.ndarray, signs: np.ndarray) -> list[float]:
    """Vector by vector and test by test."""
    reached = np.zeros(len(D), dtype=int)
    lengths = [float(np.sqrt(sum(x * x for x in row))) or 1.0 for row in D]
    observed = [sum(row) / length for row, length in zip(D, lengths, strict=True)]
    for vector in signs.T:
        flipped = [float(np.dot(row, vector)) / length for row, length in zip(D, lengths, strict=True)]
        for test, own in enumerate(observed):
            reached[test] += max(flipped) >= own - 1e-9
    return [(count + 1) / (signs.shape[1] + 1) for count in reached]


@pytest.mark.parametrize("seed", range(4))
def test_it_is_what_all_sign_vectors_say(seed: int) -> None:
    rng = np.random.default_rng(seed)
    D = rng.normal(rng.choice([0.0, 1.0], size=(6, 1)), 10.0 ** rng.integers(-2, 3, size=(6, 1)), size=(6, 8))
    D[2] = D[1] * 7  # the same test on another scale
    D[3] = np.round(D[3])  # ties
    D[4] = 0
    signs = every_sign(8)
    p = max_t_p(D, largest_under_flips(D, signs))
    np.testing.assert_allclose(p, loop_p(D, signs), rtol=1e-12)
    assert p[1] == p[2] and p[4] == 1
    # for one test alone it is that test's own p-value
    alone = max_t_p(D[:1], largest_under_flips(D[:1], signs))
    own = np.mean(D[0] @ signs >= D[0].sum() - 1e-9)
    assert alone[0] == pytest.approx((own * 256 + 1) / 257)


def test_the_critical_value_is_where_p_reaches_alpha() -> None:
    rng = np.random.default_rng(0)
    D = rng.normal(size=(20, 16))
    signs = sign_vectors(0, 16)
    largest = largest_under_flips(D, signs)
    critical = critical_value_of_max_t(largest, 0.05)
    for shift in np.linspace(-0.02, 0.02, 9):
        if shift:
            T = critical + shift
            p = ((largest >= T - 1e-9).sum() + 1) / (len(largest) + 1)
            assert (p <= 0.05) == (shift > 0)
    assert critical_value_of_max_t(largest, 0.0) == np.inf


def test_one_run_in_twenty_at_most_finds_anything_where_nothing_is() -> None:
    """Correlated tests of very uneven blocks, 400 runs: the family-wise error is at most .05, and not much less."""
    rng, signs = np.random.default_rng(3), sign_vectors(0, 32)[:, :1999]
    runs, found = 400, 0
    for _ in range(runs):
        shared = rng.standard_t(4, size=(1, 32))
        D = (shared + rng.standard_t(4, size=(30, 32))) * rng.lognormal(0, 0.7, size=(1, 32))
        found += (max_t_p(D, largest_under_flips(D, signs)) <= 0.05).any()
    assert 0.05 - 3.3 * np.sqrt(0.05 * 0.95 / runs) < found / runs < 0.05 + 3.3 * np.sqrt(0.05 * 0.95 / runs)


def test_it_stands_in_scores_and_can_decide() -> None:
    rates = [[0.6, *[0.2] * 15], [0.2] * 16]
    sums = planted(rates, roles=(HIT, MASS), seed=4)
    scores = score_table(sums, seed=0)
    confirm = scores[scores.split == "confirm"]
    assert scores.loc[scores.split != "confirm", ["p_max_t", "detectable"]].isna().all(axis=None)
    assert (confirm.p_max_t >= confirm.p - 1e-3).all()
    D = (np.concatenate([sums.hit[0], sums.mass[1]]) - 20 * 0.2)[:, 1::2]
    signs = sign_vectors(0)[1::2]
    T = D / np.linalg.norm(D, axis=1, keepdims=True)
    largest = (T @ signs).max(axis=0)
    expected = [(np.sum(largest >= t - 1e-9) + 1) / 100_000 for t in T.sum(axis=1)]
    np.testing.assert_allclose(confirm.p_max_t, expected)

    by_max_t = score_table(sums, criteria=Criteria(correction="max_t"), seed=0)
    given = classify(sums, by_max_t, criteria=Criteria(correction="max_t"))
    assert list(given.role) == ["obj.to_governor", *["unclassified"] * 15]
    assert given.stability.iloc[0] == 1.0
    # a p_max_t above alpha refuses the role that q would give
    weighed = by_max_t.assign(p_max_t=0.06)
    assert set(classify(sums, weighed, criteria=Criteria(correction="max_t")).role) == {"unclassified"}
    assert "obj.to_governor" in set(classify(sums, weighed).role)
