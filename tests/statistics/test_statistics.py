"""Every number is computed a second time, by brute force or in plain loops, straight from the rule."""

from itertools import product
from math import sqrt

import numpy as np
import pandas as pd
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.statistics import benjamini_hochberg, bootstrap_interval, sign_flip_p, sign_vectors
from interp.statistics.concentration import deciding_blocks
from interp.statistics.lift import best_baselines, split_blocks
from interp.statistics.sign_flip import exact_p
from interp.sums import EffectSums, RoleLabel, RoleSums
from interp.tables import effect_table, score_table

excesses = st.lists(
    st.integers(-4, 4).map(float) | st.floats(-3, 3, width=16) | st.sampled_from([1 / 3, -1 / 3, 2 / 3, 0.1, -0.1]),
    min_size=1,
    max_size=12,
).map(lambda values: np.array(values, dtype=np.float64))


def brute_force_p(D: np.ndarray, two_sided: bool) -> float:
    """Every sign vector, one by one."""
    tolerance = 1e-9 * np.abs(D).sum()
    sums = np.array(list(product([-1.0, 1.0], repeat=len(D)))) @ D
    if two_sided:
        return float(np.mean(np.abs(sums) >= abs(D.sum()) - tolerance))
    return float(np.mean(sums >= D.sum() - tolerance))


def all_signed_sums(D: np.ndarray) -> np.ndarray:
    sums = np.zeros(1)
    for value in D:
        sums = np.concatenate([sums - value, sums + value])
    return sums


def meet_in_the_middle_p(D: np.ndarray) -> float:
    """All sums of either half, and for each of the left ones the right ones that lift it over the observed sum."""
    D = D[D != 0]
    left, right = all_signed_sums(D[: len(D) // 2]), np.sort(all_signed_sums(D[len(D) // 2 :]))
    least = D.sum() - 1e-9 * np.abs(D).sum()
    reaching = len(right) - np.searchsorted(right, least - left, side="left")
    return float(reaching.sum() / 2.0 ** len(D))


@settings(max_examples=150, deadline=None)
@given(D=excesses, two_sided=st.booleans())
def test_exact_p_is_the_share_of_all_sign_vectors(D, two_sided):
    assert exact_p(D, two_sided=two_sided) == pytest.approx(brute_force_p(D, two_sided), rel=1e-12)


def test_exact_p_equals_meeting_in_the_middle_on_24_and_32_blocks():
    rng = np.random.default_rng(5)
    draws = [rng.normal(shift, 1, size=24) for shift in (0.0, 0.3, 0.6, 1.0, 2.0)]
    draws += [rng.integers(-2, 6, size=24).astype(float), rng.integers(-1, 4, size=32) / 3, rng.normal(0.7, 1, size=32)]
    for D in draws:
        assert exact_p(D) == pytest.approx(meet_in_the_middle_p(D), rel=1e-12)


def test_p_is_uniform_when_nothing_is_there():
    rng = np.random.default_rng(11)
    D = rng.normal(size=(3_000, 32)) * rng.lognormal(0, 1, size=(1, 32))
    one_sided = sign_flip_p(D, sign_vectors(0)[::2])
    two_sided = sign_flip_p(D, sign_vectors(0)[::2], two_sided=True)
    assert scipy.stats.kstest(one_sided, "uniform").pvalue > 0.01
    assert scipy.stats.kstest(two_sided, "uniform").pvalue > 0.01
    assert abs((one_sided <= 0.05).mean() - 0.05) < 4 * sqrt(0.05 * 0.95 / 3_000)


def test_sampled_p_lies_within_monte_carlo_error_of_exact():
    D = np.random.default_rng(3).normal(0.3, 1, size=(60, 24))
    sampled = sign_flip_p(D, sign_vectors(7)[:24], exact=False)
    exact = np.array([meet_in_the_middle_p(row) for row in D])
    assert ((exact > 1e-4) & (exact < 0.5)).sum() > 40
    assert (np.abs(sampled - exact) < 5 * np.sqrt(exact * (1 - exact) / 99_999) + 1e-5).all()


def test_p_counts_the_shared_vectors_unless_fewer_than_ten_reach_the_sum():
    rng = np.random.default_rng(9)
    D, signs = rng.normal(np.linspace(0.2, 2.5, 120)[:, None], 1, size=(120, 32)), sign_vectors(1)[1::2]
    # 13 or 14 equal blocks: p = 1.2e-4 or 6e-5, so that c falls on both sides of ten
    D = np.concatenate([D, [rng.permutation(np.arange(32) < 13 + row % 2).astype(float) for row in range(60)]])
    sums = D @ signs.astype(float)
    reached = (sums >= (D.sum(axis=1) - 1e-9 * np.abs(D).sum(axis=1))[:, None]).sum(axis=1)
    expected = [(c + 1) / 100_000 if c >= 10 else meet_in_the_middle_p(row) for c, row in zip(reached, D, strict=True)]
    assert (reached < 9).sum() > 20 and (reached == 9).any() and (reached == 10).any() and (reached > 10).sum() > 20
    np.testing.assert_allclose(sign_flip_p(D, signs), expected, rtol=1e-12)
    np.testing.assert_allclose(sign_flip_p(D, signs, exact=False), (reached + 1) / 100_000, rtol=1e-12)


def test_smallest_p_values():
    D = np.zeros((4, 64))
    D[0, :20] = 1.0  # 20 blocks: exact
    D[1, :33] = 1.0  # too many blocks to be exact
    D[2, 5] = 2.0
    signs = sign_vectors(0)
    np.testing.assert_allclose(sign_flip_p(D, signs)[[0, 1, 3]], [2.0**-20, 1e-5, 1.0], rtol=1e-12)
    np.testing.assert_allclose(sign_flip_p(D[:1], signs, exact=False), 1e-5)
    np.testing.assert_allclose(sign_flip_p(D[:1], signs, two_sided=True), 2.0**-19)
    assert sign_flip_p(D, signs)[2] == pytest.approx(0.5, abs=0.01)
    np.testing.assert_array_equal(sign_flip_p(D, signs, two_sided=True), sign_flip_p(-D, signs, two_sided=True))


def test_sign_vectors_are_balanced_and_depend_on_the_seed_alone():
    signs = sign_vectors(4)
    assert signs.shape == (64, 99_999) and set(np.unique(signs)) == {-1, 1}
    assert np.abs(signs.mean(axis=1)).max() < 5 / sqrt(99_999)
    np.testing.assert_array_equal(signs, sign_vectors(4))
    assert (signs != sign_vectors(5)).any()


def loop_benjamini_hochberg(p: list[float]) -> list[float]:
    """q_i: the smallest m·p_j/rank_j over the tests that are at least as far back in the order of p."""
    return [min(1.0, min(len(p) * later / sum(x <= later for x in p) for later in p if later >= one)) for one in p]


@settings(max_examples=100, deadline=None)
@given(p=st.lists(st.floats(0, 1) | st.just(float("nan")) | st.sampled_from([0.01, 0.02]), max_size=30))
def test_q_is_that_of_benjamini_and_hochberg(p):
    values = np.array(p, dtype=np.float64)
    q, tested = benjamini_hochberg(values), ~np.isnan(values)
    assert np.isnan(q[~tested]).all()
    np.testing.assert_allclose(q[tested], loop_benjamini_hochberg(list(values[tested])), rtol=1e-12)
    if tested.any():
        np.testing.assert_allclose(q[tested], scipy.stats.false_discovery_control(values[tested]), rtol=1e-12)
        np.testing.assert_array_equal(benjamini_hochberg(values[:, None])[:, 0], q)


def test_interval_equals_a_bootstrap_in_plain_loops():
    rng = np.random.default_rng(2)
    n = np.array([0, 3, 9, 27, 0, 5, 14, 2, 8, 8, 40, 6, 1, 19, 0])
    D = rng.binomial(n, 0.4).astype(float)[None] - 0.1 * n
    D, filled = D.astype(np.float64), n[n > 0]
    drawn = np.random.default_rng(6).integers(len(filled), size=(9_999, len(filled)))
    values = [D[0, n > 0][blocks].sum() / filled[blocks].sum() for blocks in drawn]
    G = filled.sum() ** 2 / (filled**2).sum()
    tail = scipy.stats.norm.cdf(-sqrt(G / (G - 1)) * scipy.stats.t.ppf(0.975, G - 1))
    low, high = bootstrap_interval(D, n, seed=6)
    np.testing.assert_allclose([low[0], high[0]], np.quantile(values, [tail, 1 - tail]), rtol=1e-12)
    assert tail < 0.02


@pytest.mark.parametrize("filled", [0, 1, 11])
def test_interval_is_empty_with_few_blocks(filled):
    n = np.array([5] * filled + [0] * (64 - filled))
    D = np.ones((2, 64))
    assert np.isnan(bootstrap_interval(D, n, seed=0)).all()
    if filled == 11:
        assert np.isfinite(bootstrap_interval(D, n, seed=0, min_blocks=11)).all()
    assert np.isnan(bootstrap_interval(D, np.minimum(n, 5 * (np.arange(64) == 0)), seed=0, min_blocks=0)).all()


@pytest.mark.parametrize("unevenness", [0.4, 0.8])
def test_95_percent_intervals_cover(unevenness):
    rng = np.random.default_rng(17)
    accuracy = np.array([0.2, 0.4, 0.6, 0.8])
    covered = []
    for _ in range(800):
        n = 1 + rng.lognormal(3, unevenness, size=32).astype(np.int64)
        between = np.clip(accuracy[:, None] + rng.normal(0, 0.05, size=(4, 32)), 0, 1)
        low, high = bootstrap_interval(rng.binomial(n, between).astype(float), n, seed=0)
        covered.append((low <= accuracy) & (accuracy <= high))
    assert 0.93 <= np.mean(covered) <= 0.97


# ---- the tables, against a second reading of the rules in plain loops

GUESSES = ("offset-1", "offset+1", "first", "uniform")
HEADS = (("self", 0, 0), ("self", 0, 1), ("self", 1, 0))


def label(name: str, statistic: str = "hit") -> RoleLabel:
    if statistic == "mass":
        return RoleLabel(name, "positional", "token", "mass", "pattern-v1", ("uniform",))
    return RoleLabel(name, "syntax", "word", "hit", "ud-v1", GUESSES[:3])


def random_sums(seed: int) -> RoleSums:
    """A strong role, a weak one, one judged by mass, and one for each way in which data can be missing."""
    rng = np.random.default_rng(seed)
    roles = (
        *(label("strong"), label("weak"), label("attends", "mass"), label("few_blocks"), label("few_queries")),
        *(label("no_select"), label("nowhere"), label("tied"), label("sparse")),
    )
    n = rng.integers(1, 12, size=(9, 64))
    n[:, rng.integers(64, size=6)] = 0
    n[3, np.arange(64)[1::2][:22]] = 0
    n[4] = (np.arange(64) % 4 == 0) | (np.arange(64) % 4 == 1)
    n[5, ::2] = 0
    n[6] = 0
    n[8] = np.where(np.arange(64) < 30, 4, 0)
    chance = (
        np.array([0.7, 0.35, 0.6, 0.6, 0.6, 0.6, 0.5, 0.3, 0.9])[:, None, None] * np.array([1.0, 0.6, 0.3])[:, None]
    )
    hit = rng.binomial(n[:, None], np.broadcast_to(chance, (9, 3, 64))).astype(float)
    mass = 0.8 * hit + 0.02 * n[:, None] * rng.random(hit.shape)
    by_mass = np.array([role.statistic == "mass" for role in roles])[:, None, None]
    word_mass = np.where(by_mass, np.nan, np.minimum(n[:, None], mass + 0.1))
    baseline = rng.binomial(n[:, None], np.array([0.1, 0.12, 0.15, 0.0])[:, None], size=(9, 4, 64)).astype(float)
    baseline = np.where(by_mass, np.nan, baseline)
    baseline[:, 3] = np.where(by_mass[:, 0], 0.05 * n, np.nan)
    # on select two baselines tie, though added up in another order; on confirm the later one is far better
    baseline[7, 0], baseline[7, 1], baseline[7, 2] = 0.0, n[7] / 3, 0.9 * n[7]
    baseline[7, 2, ::2] = baseline[7, 1, ::2][::-1]
    return RoleSums(roles, HEADS, GUESSES, n, hit, mass, word_mass, baseline)


def loop_score_table(sums: RoleSums, seed: int, min_queries: int, min_blocks: int) -> pd.DataFrame:
    split_of = {
        "select": [b for b in range(64) if b % 2 == 0],
        "confirm": [b for b in range(64) if b % 2 == 1],
        "all": list(range(64)),
    }
    signs = sign_vectors(seed).astype(float)
    rows = []
    for r, role in enumerate(sums.roles):
        places = [sums.baselines.index(name) for name in role.baselines]
        credit = [sum(sums.baseline[r, g, b] for b in split_of["select"]) for g in places]
        chosen = next(g for g, value in zip(places, credit, strict=True) if value >= max(credit) * (1 - 1e-9))
        testable = all(
            sum(sums.n[r, b] for b in split_of[half]) >= min_queries
            and sum(sums.n[r, b] > 0 for b in split_of[half]) >= min_blocks
            for half in ("select", "confirm")
        )
        for h, (site, layer, head) in enumerate(sums.heads):
            for split, blocks in split_of.items():
                n = int(sum(sums.n[r, b] for b in blocks))
                if n == 0:
                    continue
                statistic = sums.hit if role.statistic == "hit" else sums.mass
                D = np.array([statistic[r, h, b] - sums.baseline[r, chosen, b] for b in blocks])
                p = np.nan
                if testable:
                    c = sum(D @ signs[blocks] >= D.sum() - 1e-9 * np.abs(D).sum())
                    p = meet_in_the_middle_p(D) if c < 10 and split != "all" else (c + 1) / 100_000
                low, high = bootstrap_interval(D[None], sums.n[r, blocks], seed=seed, min_blocks=min_blocks)
                sizes = [int(sums.n[r, b]) for b in blocks]
                error = [abs(d - sum(D) / n * size) for d, size in zip(D, sizes, strict=True) if size]
                rows.append(
                    {
                        "definition": role.definition,
                        "role": role.name,
                        "family": role.family,
                        "site": site,
                        "layer": layer,
                        "head": head,
                        "split": split,
                        "n": n,
                        "hit": sum(sums.hit[r, h, b] for b in blocks) / n,
                        "mass": sum(sums.mass[r, h, b] for b in blocks) / n,
                        "word_mass": sum(sums.word_mass[r, h, b] for b in blocks) / n,
                        "baseline": sum(sums.baseline[r, chosen, b] for b in blocks) / n,
                        "baseline_name": sums.baselines[chosen],
                        "lift": D.sum() / n,
                        "ci_low": low[0],
                        "ci_high": high[0],
                        "p": p,
                        "q": np.nan,
                        "effective_blocks": sum(error) ** 2 / sum(e * e for e in error),
                    }
                )
    tested = [row for row in rows if row["split"] == "confirm" and not np.isnan(row["p"])]
    for row, q in zip(tested, loop_benjamini_hochberg([row["p"] for row in tested]), strict=True):
        row["q"] = q
    return pd.DataFrame(rows)


def test_effective_blocks_are_those_that_decide():
    """Of 20 filled blocks: all deviate alike, two outweigh the rest, none deviates; a normal one counts 2/π."""
    n = np.array([4] * 20 + [0] * 12)
    alike = np.array([1.0, -1.0] * 10 + [0.0] * 12) + 2 * n
    two = np.array([1e4, -1e4] + [1.0, -1.0] * 9 + [0.0] * 12)
    none = 0.3 * n
    np.testing.assert_allclose(deciding_blocks(np.stack([alike, two, none]), n), [20, 2, 20], rtol=0.01)
    assert np.isnan(deciding_blocks(none[None], np.zeros(32, dtype=int))).all()
    normal = np.random.default_rng(0).normal(size=(20_000, 32))
    assert deciding_blocks(normal, np.full(32, 5)).mean() == pytest.approx(32 * 2 / np.pi, rel=0.03)


@pytest.mark.parametrize("seed", [0, 1])
def test_score_table_equals_a_plain_reading_of_the_rules(seed):
    sums = random_sums(seed)
    table = score_table(sums, seed=seed)
    expected = loop_score_table(sums, seed, 50, 12)
    pd.testing.assert_frame_equal(table[expected.columns], expected, rtol=1e-9, atol=1e-14)

    confirm = table[table["split"] == "confirm"].groupby("role", sort=False)
    assert confirm["q"].count().to_dict() == {
        "strong": 3,
        "weak": 3,
        "attends": 3,
        "tied": 3,
        "sparse": 3,
        "few_blocks": 0,
        "few_queries": 0,
        "no_select": 0,
    }
    assert "nowhere" not in set(table["role"])
    assert set(table.loc[table["role"] == "no_select", "split"]) == {"confirm", "all"}
    assert set(table.loc[table["role"] == "no_select", "baseline_name"]) == {"offset-1"}
    assert set(table.loc[table["role"] == "tied", "baseline_name"]) == {"offset+1"}
    few_blocks = table[table["role"] == "few_blocks"].set_index("split")["ci_low"]
    assert few_blocks["confirm"].isna().all() and few_blocks["select"].notna().all()
    assert table.loc[table["split"] != "confirm", "q"].isna().all()
    assert table.loc[table["role"] == "attends", "word_mass"].isna().all()


@settings(max_examples=50, deadline=None)
@given(thirds=st.lists(st.integers(0, 30), min_size=32, max_size=32), data=st.data())
def test_the_earlier_baseline_wins_a_tie_however_its_credit_was_added_up(thirds, data):
    sums = random_sums(0)
    shuffled = data.draw(st.permutations(thirds))
    sums.baseline[0, :3] = 0.0
    sums.baseline[0, 1, ::2] = np.array(thirds) / 3
    sums.baseline[0, 2, ::2] = np.array(shuffled) / 3
    expected = 1 if any(thirds) else 0
    assert best_baselines(sums, split_blocks()["select"])[0] == expected


def test_order_of_heads_and_of_blocks_within_a_half_does_not_matter():
    sums, keys = random_sums(3), ["role", "layer", "head", "split"]
    table = score_table(sums, seed=0).set_index(keys)

    heads = np.array([2, 0, 1])
    by_head = {name: getattr(sums, name)[:, heads] for name in ("hit", "mass", "word_mass")}
    turned = RoleSums(sums.roles, tuple(HEADS[h] for h in heads), GUESSES, sums.n, **by_head, baseline=sums.baseline)
    same = score_table(turned, seed=0).set_index(keys).loc[table.index]
    pd.testing.assert_frame_equal(same, table, rtol=1e-9)

    rng = np.random.default_rng(0)
    order = np.stack([rng.permutation(np.arange(0, 64, 2)), rng.permutation(np.arange(1, 64, 2))], axis=1).ravel()
    names = ("n", "hit", "mass", "word_mass", "baseline")
    moved = RoleSums(sums.roles, HEADS, GUESSES, **{name: getattr(sums, name)[..., order] for name in names})
    other = score_table(moved, seed=0).set_index(keys).loc[table.index]
    fixed = ["n", "hit", "mass", "word_mass", "baseline", "baseline_name", "lift"]
    pd.testing.assert_frame_equal(other[fixed], table[fixed], rtol=1e-9)
    np.testing.assert_allclose(other["p"], table["p"], atol=0.01)
    exact = (table["p"] < 5e-5) & (table.index.get_level_values("split") != "all")
    assert exact.sum() > 5
    np.testing.assert_allclose(other.loc[exact, "p"], table.loc[exact, "p"], rtol=1e-9)
    many = table["n"] > 100
    np.testing.assert_allclose(other.loc[many, "ci_low"], table.loc[many, "ci_low"], atol=0.02)


def random_effects(ablation: str, metric: str, signed: bool, seed: int, filled: int = 64) -> EffectSums:
    rng = np.random.default_rng(seed)
    n = rng.integers(0, 4, size=64)
    n[:12], n[filled:] = 1, 0
    tokens = n * rng.integers(5, 20, size=64)
    effect = np.array([0.5, 0.02, -0.4])[:, None] * n + rng.normal(0, 0.3, size=(3, 64)) * (n > 0)
    intact = rng.normal(-3, 1, size=64) * n
    return EffectSums(
        ablation,
        metric,
        signed,
        HEADS,
        n,
        tokens,
        intact,
        intact - effect,
        effect,
        effect * (tokens / np.maximum(n, 1)),
    )


def test_effect_table_equals_a_plain_reading_of_the_rules():
    parts = [
        random_effects("mean", "log_prob", True, 0),
        random_effects("zero", "log_prob", True, 1, filled=30),
        random_effects("mean", "kl", False, 2),
        random_effects("resample", "log_prob", True, 3, filled=11),
        random_effects("uniform", "log_prob", True, 4, filled=0),
    ]
    parts[4].n[:] = parts[4].tokens[:] = 0
    table = effect_table(parts, seed=5)

    rows = []
    signs = sign_vectors(5).astype(float)
    for part in parts:
        for h, (site, layer, head) in enumerate(part.heads):
            n, tokens, D = part.n.sum(), part.tokens.sum(), part.effect[h]
            low, high = bootstrap_interval(D[None], part.n, seed=5)
            p = np.nan
            if part.signed and sum(part.n > 0) >= 12:
                c = sum(abs(D @ signs) >= abs(D.sum()) - 1e-9 * sum(abs(D)))
                p = (c + 1) / 100_000
                if c < 10 and sum(D != 0) <= 32:
                    p = 2 * meet_in_the_middle_p(D * np.sign(D.sum()))
            rows.append(
                {
                    "site": site,
                    "layer": layer,
                    "head": head,
                    "ablation": part.ablation,
                    "metric": part.metric,
                    "n": n,
                    "intact": sum(part.intact) / n if n else np.nan,
                    "ablated": sum(part.ablated[h]) / n if n else np.nan,
                    "effect": sum(D) / n if n else np.nan,
                    "effect_token": sum(part.effect_by_token[h]) / tokens if n else np.nan,
                    "ci_low": low[0],
                    "ci_high": high[0],
                    "p": p,
                    "q": np.nan,
                }
            )
    expected = pd.DataFrame(rows)
    tested = expected["p"].notna()
    expected.loc[tested, "q"] = loop_benjamini_hochberg(list(expected.loc[tested, "p"]))
    pd.testing.assert_frame_equal(table, expected, rtol=1e-9)
    assert tested.sum() == 6 and (table["p"] < 1e-5).any() and (table["p"] > 0.01).any()
    assert table["ci_low"].notna().sum() == 9
    np.testing.assert_allclose(table["intact"] - table["ablated"], table["effect"], rtol=1e-9)


def test_no_ablation_gives_an_empty_effect_table():
    assert list(effect_table([], seed=0).columns)[-3:] == ["ci_high", "p", "q"]
