"""Planted answers, properties of any order of documents, and simulations: skewed effects that share their documents."""

from math import sqrt

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.errors import InterpError
from interp.statistics.sequential import half_widths, looks, settled_top, settled_until

NAN = float("nan")

races = st.tuples(st.integers(0, 10_000), st.integers(2, 7), st.integers(9, 60), st.floats(0, 0.3))


def skewed_effects(
    rng: np.random.Generator, heads: int, documents: int, *, own: tuple[float, float] = (0.4, 1.0), shared: float = 0.6
) -> np.ndarray:
    """Log-normal and never negative: each head's own noise, and a factor of the document that heads share unequally.

    MiniLM's 72 heads on 150 sentences of EWT: coefficient of variation 0.8 to 1.6, skewness 2 to 5 (deciles).
    """
    factor = rng.uniform(0.2, 1, size=(heads, 1)) * shared * rng.normal(size=documents)
    noise = rng.uniform(*own, size=(heads, 1)) * rng.normal(size=(heads, documents))
    return rng.lognormal(0, 1, size=(heads, 1)) * np.exp(factor + noise)


def hard_border(rng: np.random.Generator, heads: int, documents: int, top: int, lead: float) -> np.ndarray:
    """All heads are alike but for the lead of the top ones, which hides in a tail that few documents show."""
    spread = np.where(np.arange(heads) < top, 1.0, 0.3)[:, None]
    effects = np.exp(spread * rng.normal(size=(heads, documents)) + 0.5 * rng.normal(size=documents))
    return effects / effects.mean(axis=1, keepdims=True) * np.where(np.arange(heads) < top, 1 + lead, 1)[:, None]


def measure(effects: np.ndarray, needed, first: int = 50) -> tuple[np.ndarray, int]:
    """The loop that a caller writes; `needed(values)` says which heads go on. The values, NaN where none was needed."""
    values, go_on = np.empty((len(effects), 0)), np.ones(len(effects), dtype=bool)
    for count in looks(effects.shape[1], first):
        more = np.full((len(effects), count - values.shape[1]), NAN)
        more[go_on] = effects[go_on, values.shape[1] : count]
        values = np.hstack([values, more])
        go_on = needed(values)
        if not go_on.any():
            break
    return values, int((~np.isnan(values)).sum())


def race(effects: np.ndarray, top: int, margin: float, first: int = 50) -> tuple[np.ndarray, np.ndarray, int]:
    """The chosen heads, the values that it took, and how many these are."""
    chosen = np.zeros(len(effects), dtype=bool)

    def racing(values):
        chosen[:], left_out = settled_top(values, effects.shape[1], top, margin, first=first)
        return ~(chosen | left_out)

    values, cost = measure(effects, racing, first)
    return chosen, values, cost


def is_wrong(effects: np.ndarray, chosen: np.ndarray, margin: float) -> bool:
    mean = effects.mean(axis=1)
    return mean[~chosen].max() - mean[chosen].min() > margin * np.abs(mean).max() + 1e-12


def alternating(means: list[float], noise: list[float], documents: int) -> np.ndarray:
    """Without any skewness: mean ± noise in turn, in other documents for each head."""
    signs = [1 - 2 * (np.arange(documents) // 2**head % 2) for head in range(len(means))]
    return np.array(means)[:, None] + np.array(noise)[:, None] * np.array(signs)


def test_looks_double_and_end_with_the_corpus():
    assert looks(2_000, 25) == [25, 50, 100, 200, 400, 800, 1_600, 2_000]
    assert looks(2_000) == [50, 100, 200, 400, 800, 1_600, 2_000]
    assert looks(400, 50) == [50, 100, 200, 400]
    assert looks(50) == looks(50, 80) == [50]
    assert looks(51) == [50, 51]
    assert looks(1) == [1]


# ---- half widths


def test_half_width_is_that_of_student_where_nothing_is_skewed():
    values = alternating([0.0, 5.0, -2.0], [1.0, 3.0, 0.5], 200)
    # 95 % for three heads, two sides and the looks at 50, 100, 200 and 400 of 500, in proportion
    tail = 0.05 * 200 / (50 + 100 + 200 + 400) / 6
    s = np.std(values, axis=1, ddof=1)
    expected = scipy.stats.t.ppf(1 - tail, 199) * s / sqrt(200) * sqrt((500 - 200) / 500)
    np.testing.assert_allclose(half_widths(values, 500), expected, rtol=1e-9)


@pytest.mark.parametrize("sign", [1, -1])
def test_half_width_undoes_halls_transformation_where_effects_are_skewed(sign):
    values = sign * np.random.default_rng(0).lognormal(0, 0.7, size=(3, 100))
    n, tail = 100, 0.05 * 100 / (50 + 100 + 200) / 6
    gamma = np.abs(scipy.stats.skew(values, axis=1))
    standard_error = np.std(values, axis=1, ddof=1) / sqrt(n) * sqrt(1 - n / 400)
    T = -half_widths(values, 400) / standard_error
    # Hall (1992): T + γ/√n (T²/3 + 1/6) + γ²T³/27n is nearly that of a sample without skewness
    transformed = T + gamma / sqrt(n) * (T**2 / 3 + 1 / 6) + gamma**2 * T**3 / (27 * n)
    np.testing.assert_allclose(transformed, -scipy.stats.t.ppf(1 - tail, n - 1), rtol=1e-9)


def test_half_width_of_heads_that_stopped_at_looks_of_their_own():
    values = np.random.default_rng(1).lognormal(size=(4, 120))
    values[1, 60:], values[2, 30:], values[3] = NAN, NAN, NAN
    widths = half_widths(values, 120, first=30)
    assert widths[0] == 0 and widths[3] == np.inf
    full = np.nan_to_num(values, nan=1.0)
    assert widths[1] == pytest.approx(half_widths(full[:, :60], 120, first=30)[1])
    assert widths[2] == pytest.approx(half_widths(full[:, :30], 120, first=30)[2])


def test_half_widths_grow_with_the_level_and_fit_the_unit():
    values = np.random.default_rng(2).lognormal(size=(5, 100))
    widths = half_widths(values, 1_000)
    assert (half_widths(values, 1_000, level=0.99) > widths).all()
    np.testing.assert_allclose(half_widths(-7 * values, 1_000), 7 * widths)
    np.testing.assert_allclose(half_widths(values + 3, 1_000), widths)


# ---- every head's own interval


def test_a_head_settles_when_its_interval_is_narrow_beside_the_largest_effect():
    # half widths at 100 of 10,000: 0.05 · 4.8 for the noisy heads, a hundredth of that for the quiet one
    values = alternating([10.0, 1.0, 0.0], [0.5, 0.5, 0.005], 100)
    width = 2 * half_widths(values, 10_000)
    assert settled_until(values, 10_000, 0.01).tolist() == [False, False, True]
    assert settled_until(values, 10_000, width[0] / 10 * 1.001).all()
    assert settled_until(values, 10_000, width[0] / 10 * 0.999).tolist() == [False, False, True]
    assert settled_until(-values, 10_000, width[0] / 10 * 1.001).all()


def test_the_largest_effect_counts_after_its_head_has_settled():
    values = alternating([10.0, 0.1], [0.01, 0.6], 100)
    values[0, 50:] = NAN
    assert settled_until(values[:, :50], 1_000, 0.06).tolist() == [True, False]
    assert settled_until(values, 1_000, 0.06).all()


def test_no_head_settles_before_the_first_look_and_all_do_with_the_last():
    values = np.random.default_rng(3).normal(size=(3, 100))
    assert not settled_until(values[:, :0], 100, 0.5).any()
    assert not settled_until(values[:, :50], 100, 0.0).any()
    assert settled_until(values, 100, 0.0).all()


def test_a_settled_head_stays_settled_whatever_comes_later():
    quiet = alternating([10.0, 1.0], [6.0, 0.01], 100)
    quiet[1, 50:] *= 40
    assert settled_until(quiet[:, :50], 10_000, 0.05).tolist() == [False, True]
    assert settled_until(quiet, 10_000, 0.05).tolist() == [False, True]
    quiet[1, 50:] = NAN
    assert settled_until(quiet, 10_000, 0.05).tolist() == [False, True]


@pytest.mark.parametrize("own", [(0.4, 1.0), (0.8, 1.2)])
def test_all_intervals_at_stopping_cover_at_their_level(own):
    """Student's t alone, with the error shared equally by the looks, covers .79 and .55 of the time here."""
    rng, covered, cost = np.random.default_rng(4), [], []
    for _ in range(300):
        effects = skewed_effects(rng, 36, 1_000, own=own)
        values, measured = measure(effects, lambda values: ~settled_until(values, 1_000, 0.2))
        error = np.abs(np.nanmean(values, axis=1) - effects.mean(axis=1))
        covered.append((error <= half_widths(values, 1_000) + 1e-12).all())
        cost.append(measured / effects.size)
    assert np.mean(covered) >= 0.95 - 2 * sqrt(0.95 * 0.05 / 300)
    assert np.mean(cost) < 0.5


# ---- the race


def test_the_race_finds_planted_heads_and_drops_the_others_early():
    effects = alternating([1.0, 5.0, 0.0, 4.0, 3.0, 0.5], [0.3] * 6, 1_000)
    chosen, values, cost = race(effects, 3, 0.0)
    assert chosen.tolist() == [False, True, False, True, True, False]
    assert cost == 6 * 50

    close = alternating([1.0, 5.0, 0.0, 3.0, 2.9, 0.5], [0.3] * 6, 1_000)
    chosen, left_out = settled_top(close[:, :50], 1_000, 2, 0.0)
    assert chosen.tolist() == [False, True, False, False, False, False]
    assert left_out.tolist() == [True, False, True, False, False, True]
    chosen, values, cost = race(close, 2, 0.0)
    assert chosen.tolist() == [False, True, False, True, False, False]
    assert np.isnan(values[[0, 1, 2, 5], 50:]).all() and not np.isnan(values[3:5]).any()


def test_heads_are_compared_on_the_same_documents():
    rng = np.random.default_rng(5)
    hard_documents = 10 * rng.lognormal(size=1_000)
    effects = hard_documents + np.array([0.0, 0.5, 1.0])[:, None] + rng.normal(0, 0.1, size=(3, 1_000))
    assert (half_widths(effects[:, :50], 1_000) > 3).all()
    assert race(effects, 1, 0.0)[2] == 3 * 50
    shuffled = np.array([rng.permutation(row) for row in effects])
    assert race(shuffled, 1, 0.0)[2] > 3 * 500


def test_the_margin_is_a_share_of_the_largest_effect():
    # two heads that tie across the border: only a margin ends the race before the corpus does
    effects = alternating([10.0, 2.0, 2.0, 0.1], [0.1] * 4, 2_000)
    assert race(effects, 2, 0.0)[1].shape[1] == 2_000
    chosen, values, _ = race(effects, 2, 0.05)
    assert values.shape[1] == 50 and chosen.tolist() == [True, True, False, False]
    lead = half_widths(effects[:, :50], 2_000)[0] * sqrt(2)
    assert race(effects, 2, lead / 10 * 0.5)[1].shape[1] > 50
    assert race(effects * np.array([[0.25], [1], [1], [1]]), 2, 0.012)[1].shape[1] > race(effects, 2, 0.012)[1].shape[1]


def test_the_margin_waits_until_the_largest_effect_is_known():
    steady = alternating([10.0, 2.0, 2.0, 0.1], [0.1] * 4, 2_000)
    tail = 0.05 * 50 / (50 + 100 + 200 + 400 + 800 + 1_600) / (2 * 2 + 2 * 4)
    reach = scipy.stats.t.isf(tail, 49) * float(np.std(steady[1, :50] - steady[2, :50], ddof=1)) / sqrt(50)
    unsteady = alternating([10.0, 2.0, 2.0, 0.1], [8.0, 0.1, 0.1, 0.1], 2_000)
    np.testing.assert_allclose(unsteady[0, :50].mean(), steady[0, :50].mean())
    assert race(steady, 2, float(1.2 * reach / 10))[1].shape[1] == 50
    assert race(unsteady, 2, float(1.2 * reach / 10))[1].shape[1] > 50


def test_a_rare_tail_keeps_a_head_in_the_race():
    # 0.2 below the other on nearly all documents, but far above on a few: a mean over 50 of them says little
    tail = np.where(np.arange(50) % 25 == 0, 2.0, 0.0)
    flat = np.full(50, 0.35)
    flat[::2] += 0.01
    chosen, left_out = settled_top(np.array([flat, tail]), 1_000, 1, 0.0)
    assert not (chosen | left_out).any()
    t_alone = scipy.stats.ttest_rel(flat, tail, alternative="greater").pvalue
    assert t_alone < 0.05 * 50 / (50 + 100 + 200 + 400 + 800) / 5


@settings(max_examples=60, deadline=None)
@given(drawn=races)
def test_every_race_ends_with_as_many_heads_as_asked_for(drawn):
    seed, heads, documents, margin = drawn
    rng = np.random.default_rng(seed)
    effects, top = skewed_effects(rng, heads, documents), int(rng.integers(1, heads))
    chosen, values, _ = race(effects, top, margin, first=4)
    assert chosen.sum() == top
    counts = (~np.isnan(values)).sum(axis=1)
    for count in looks(documents, 4):
        inside, outside = settled_top(effects[:, :count], documents, top, margin, first=4)
        assert not (inside & outside).any() and inside.sum() <= top and outside.sum() <= heads - top
        # what a decided head does later changes nothing, and no decision is taken back
        np.testing.assert_array_equal(inside | outside, counts <= count)
        np.testing.assert_array_equal(inside, chosen & (counts <= count))
    turn = rng.permutation(heads)
    np.testing.assert_array_equal(race(effects[turn], top, margin, first=4)[0], chosen[turn])


def test_all_documents_give_the_exact_answer():
    effects = np.random.default_rng(6).normal(size=(9, 60))
    chosen, left_out = settled_top(effects, 60, 4, 0.0, first=60)
    assert set(np.flatnonzero(chosen)) == set(np.argsort(-effects.mean(axis=1))[:4])
    np.testing.assert_array_equal(left_out, ~chosen)
    same = np.ones((4, 60))
    assert settled_top(same, 60, 2, 0.0)[0].sum() == 2
    assert settled_top(same, 60, 4, 0.0)[0].all()


def test_the_race_is_rarely_wrong_where_a_tail_hides_the_lead():
    """Were the error not shared by the comparisons, .22 of these races would be wrong."""
    rng, wrong = np.random.default_rng(7), []
    for _ in range(100):
        effects = hard_border(rng, 16, 400, 5, 0.06)
        wrong.append(is_wrong(effects, race(effects, 5, 0.05)[0], 0.05))
    assert np.mean(wrong) <= 0.05


def test_the_top_ten_of_72_heads_take_a_fifth_of_2000_documents():
    rng, wrong, cost = np.random.default_rng(8), [], []
    for _ in range(20):
        effects = skewed_effects(rng, 72, 2_000)
        chosen, _, measured = race(effects, 10, 0.05)
        wrong.append(is_wrong(effects, chosen, 0.05))
        cost.append(measured / effects.size)
    assert np.mean(wrong) <= 0.05
    assert np.mean(cost) < 0.2


# ---- what is refused


def test_errors_say_what_is_allowed():
    values = np.random.default_rng(9).lognormal(size=(3, 100))
    with pytest.raises(InterpError, match="first=1"):
        looks(100, 1)
    with pytest.raises(InterpError, match="population=0"):
        looks(0)
    with pytest.raises(InterpError, match=r"\[60\] of 1000 documents. Allowed: \[0, 50, 100,"):
        settled_until(values[:, :60], 1_000, 0.1)
    with pytest.raises(InterpError, match=r"top=4\. Allowed: 1 to 3"):
        settled_top(values, 1_000, 4, 0.1)
    with pytest.raises(InterpError, match=r"margin=-0\.1"):
        settled_top(values, 1_000, 1, -0.1)
    with pytest.raises(InterpError, match=r"level=95\.0"):
        settled_until(values, 1_000, 0.1, level=95.0)
    with pytest.raises(InterpError, match=r"level=1\.0"):
        half_widths(values, 1_000, level=1.0)

    gap, short = values.copy(), values.copy()
    gap[1, 3] = short[2, 50:] = NAN
    with pytest.raises(InterpError, match="gap"):
        half_widths(gap, 1_000)
    with pytest.raises(InterpError, match=r"rows \[2\] are not settled, but lack some of the first 100"):
        settled_until(short, 1_000, 0.0)
    with pytest.raises(InterpError, match=r"rows \[2\]"):
        settled_top(short, 1_000, 1, 0.0)
