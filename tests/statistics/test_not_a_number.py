"""No statistic takes NaN or ∞ for evidence: what it enters is NaN or refused, and all else is as it was.

Every public function of `interp.statistics` has a case here, or a reason to have none; a new one without fails.
"""

import importlib
import inspect
import pkgutil
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import interp.statistics
import interp.tables
from interp.errors import InterpError
from interp.statistics import (
    bootstrap,
    calibration,
    concentration,
    diversity,
    false_discovery,
    lift,
    matching,
    max_t,
    nan_handling,
    parser,
    power,
    redrawn_corpora,
    scaling,
    sequential,
    sign_flip,
    tails,
    ties,
)
from interp.statistics.criteria import Criteria
from interp.sums import (
    ContributionSums,
    DistanceSums,
    DocumentSums,
    EffectSums,
    KeptChoice,
    KeptSums,
    KernelSums,
    NumberSums,
    PruningSums,
    RoleLabel,
    RoleSums,
    TagSums,
)  # fmt: skip
from interp.tables import (
    anatomy,
    annotation_baselines,
    best_heads,
    blocks,
    causes,
    compared,
    copying_scores,
    effects,
    gates,
    known_answers,
    local_kernel,
    nulls,
    numbers,
    pruning,
    reliability,
    scores,
    tags,
    verify,
)
from interp.tables import calibration as calibration_tables
from interp.tables import diversity as diversity_tables
from interp.tables import matching as matching_tables
from interp.tables.roles import classify

N = 20
HEADS = tuple(("self", 0, head) for head in range(4))
BAD_HEAD = 1
SIGNS = sign_flip.sign_vectors(0, 32)


def excesses(bad: float | None = None) -> np.ndarray:
    """D_b of five tests, the second of which has one block that is no number."""
    D = np.random.default_rng(1).normal(0.5, 1, size=(5, 32))
    if bad is not None:
        D[1, 3] = bad
    return D


def role_sums(bad: float | None = None) -> RoleSums:
    """Two roles, by hit and by mass; head 1 has one block of both that is no number, in confirm."""
    random = np.random.default_rng(2)
    labels = (
        RoleLabel("obj.to_governor", "syntax", "word", "hit", "a@1", ("offset-1", "offset+1")),
        RoleLabel("offset-1", "positional", "token", "mass", "b@1", ("uniform",)),
    )
    hit = random.binomial(N, [[[0.2], [0.6], [0.9], [0.3]]] * 2, size=(2, 4, 64)).astype(float)
    baseline = np.full((2, 3, 64), np.nan)
    baseline[0, :2], baseline[1, 2] = random.binomial(N, 0.3, size=(2, 64)), 2.0
    annotation = np.full((2, 1, 64), np.nan)
    annotation[0] = random.binomial(N, 0.4, size=64)
    mass = hit * 0.9
    if bad is not None:
        hit[:, BAD_HEAD, 5] = mass[:, BAD_HEAD, 5] = bad
    n = np.full((2, 64), N)
    baselines = ("offset-1", "offset+1", "uniform")
    return RoleSums(labels, HEADS, baselines, n, hit, mass, mass * 1.0, baseline, None, ("next tag NOUN",), annotation)


def bad_baseline(bad: float) -> RoleSums:
    """A baseline that a role is held against has a credit that is no number."""
    sums = role_sums()
    sums.baseline[0, 1, 4] = bad
    return sums


def refused(call: Callable[[], object]) -> None:
    with pytest.raises(InterpError):
        call()


def rows_apart(sound: Any, broken: Any, bad_rows: Any = 1, *, axis: int = 0) -> None:
    """The rows of what is no number are NaN, and all other rows the same to the last bit."""
    sound, broken = np.asarray(sound), np.asarray(broken)
    assert np.isnan(np.take(broken, bad_rows, axis)).all()
    assert np.isfinite(np.delete(sound, bad_rows, axis)).any()
    np.testing.assert_array_equal(np.delete(broken, bad_rows, axis), np.delete(sound, bad_rows, axis))


def tables_apart(
    sound: pd.DataFrame, broken: pd.DataFrame, is_bad: Callable[[pd.DataFrame], Any], empty: list[str], but: Any = ()
) -> None:
    """In the bad rows these columns are NaN; all other rows are the same, but for columns that compare all tests."""
    rows, others = broken[is_bad(broken)], broken[~is_bad(broken)].drop(columns=list(but))
    assert len(rows) and rows[empty].isna().all(axis=None), rows[empty]
    pd.testing.assert_frame_equal(others, sound[~is_bad(sound)].drop(columns=list(but)), check_exact=True)


def of_bad_head(table: pd.DataFrame) -> Any:
    return table["head"] == BAD_HEAD


# --- tests and intervals


def check_sign_flip_p(bad: float) -> None:
    for options in ({}, {"two_sided": True}, {"exact": False}):
        rows_apart(*(sign_flip.sign_flip_p(D, SIGNS, **options) for D in (excesses(), excesses(bad))))


def check_exact_p(bad: float) -> None:
    assert 0 < sign_flip.exact_p(excesses()[1]) < 1 and np.isnan(sign_flip.exact_p(excesses(bad)[1]))


def check_max_t(bad: float) -> None:
    sound, broken = excesses(), excesses(bad)
    rows_apart(max_t.studentised(sound), max_t.studentised(broken))
    largest = max_t.largest_under_flips(broken, SIGNS)
    np.testing.assert_allclose(largest, max_t.largest_under_flips(np.delete(sound, 1, 0), SIGNS), rtol=1e-12)
    rows_apart(max_t.max_t_p(sound, largest), max_t.max_t_p(broken, largest))
    without = np.where(np.arange(len(largest)) == 7, np.nan, largest)
    assert np.isnan(max_t.max_t_p(sound, without)).all() and np.isnan(max_t.critical_value_of_max_t(without, 0.05))


def check_benjamini_hochberg(bad: float) -> None:
    p = np.array([0.001, bad, 0.02, 0.04])
    q = false_discovery.benjamini_hochberg(p)
    rows_apart(np.insert(false_discovery.benjamini_hochberg(np.delete(p, 1)), 1, np.nan), q)


def check_bootstrap_interval(bad: float) -> None:
    n = np.full(32, N)
    sound, broken = (np.stack(bootstrap.bootstrap_interval(D, n, seed=0)) for D in (excesses(), excesses(bad)))
    rows_apart(sound, broken, axis=1)


def check_bootstrap_interval_of(bad: float) -> None:
    def means(counts: np.ndarray) -> np.ndarray:
        found = (excesses() @ counts) / (np.full(32, N) @ counts)
        found[1, 5] = bad
        return found

    low, high = bootstrap.bootstrap_interval_of(means, np.full(32, N), tests=5, seed=0)
    assert np.isnan(low).tolist() == np.isnan(high).tolist() == [False, True, False, False, False]


def check_tail_quantiles(bad: float) -> None:
    # infinite ones come as NaN: `bootstrap_interval_of` sees to it
    samples = np.stack([np.linspace(row.min(), row.max(), 2_000) for row in excesses()])
    broken = samples.copy()
    broken[1, 7] = np.nan_to_num(bad, posinf=np.nan, neginf=np.nan, nan=np.nan)
    rows_apart(*(np.stack(tails.tail_quantiles(one, 0.02)) for one in (samples, broken)), axis=1)


def check_deciding_blocks(bad: float) -> None:
    n = np.full(32, N)
    rows_apart(concentration.deciding_blocks(excesses(), n), concentration.deciding_blocks(excesses(bad), n))


def check_earliest_best(bad: float) -> None:
    refused(lambda: ties.earliest_best(np.array([1.0, bad, 2.0])))


def check_finite_or_nan(bad: float) -> None:
    assert np.isnan(nan_handling.finite_or_nan(np.array([1.0, bad]))).tolist() == [False, True]


# --- roles


def check_scores(bad: float) -> None:
    sound, broken = role_sums(), role_sums(bad)
    blocks = lift.split_blocks()["confirm"]
    baseline = lift.best_baselines(sound, blocks)
    refused(lambda: lift.best_baselines(bad_baseline(bad), np.arange(64)))
    rows_apart(lift.lift(sound, baseline, blocks), lift.lift(broken, baseline, blocks), BAD_HEAD, axis=1)
    D = lift.excess(broken, baseline, blocks)
    assert np.isnan(D[:, BAD_HEAD, 2]).all() and np.isfinite(np.delete(D, BAD_HEAD, 1)).all()
    total = np.array([[1.0, bad], [2.0, 3.0]])
    assert np.isnan(lift.mean_over_queries(total, sound, blocks)).tolist() == [[False, True], [False, False]]


def check_score_table(bad: float) -> None:
    for correction in ("bh", "max_t"):
        sound, broken = (
            scores.score_table(one, criteria=Criteria(correction=correction), seed=0)
            for one in (role_sums(), role_sums(bad))
        )
        empty = ["lift", "ci_low", "ci_high", "p", "q", "p_max_t", "detectable", "effective_blocks"]
        kept = broken.split != "select"
        tables_apart(sound[kept], broken[kept], of_bad_head, empty, ("q", "p_max_t", "detectable"))
        # q is that of the other tests alone
        confirm = broken[(broken.split == "confirm") & ~of_bad_head(broken)]
        np.testing.assert_allclose(confirm.q, false_discovery.benjamini_hochberg(confirm.p.to_numpy()))
        np.testing.assert_array_equal(broken[broken.split == "select"].lift, sound[sound.split == "select"].lift)
        roles = classify(role_sums(bad), broken, criteria=Criteria(correction=correction))
        assert roles[of_bad_head(roles)].role.tolist() == ["unclassified"]
        assert set(roles[roles["head"] == 2].role) == {"obj.to_governor", "offset-1"}


def check_harder(bad: float) -> None:
    sums = role_sums()
    every = np.arange(64)
    assert annotation_baselines.best_annotation_baselines(sums, every) == [0, None]
    columns = [
        annotation_baselines.annotation_columns(one, [0, None], every, seed=0, min_blocks=12)[1][:, 0]
        for one in (sums, role_sums(bad))
    ]
    rows_apart(columns[0], columns[1], BAD_HEAD, axis=1)
    assert sums.annotation is not None
    sums.annotation[0, 0, 9] = bad
    refused(lambda: annotation_baselines.best_annotation_baselines(sums, every))


def check_reliability(bad: float) -> None:
    sound, broken = (reliability.reliability_table(one, seed=0) for one in (role_sums(), role_sums(bad)))
    # the correlation is over heads: with one that is no number, there is none
    assert sound.correlation.notna().all() and len(broken) == len(sound)
    assert broken[["correlation", "reliability", "ci_low", "ci_high", "random_splits"]].isna().all(axis=None)
    only = role_sums()
    only.hit[0, BAD_HEAD, 5] = bad
    tables_apart(
        sound, reliability.reliability_table(only, seed=0), lambda t: t.role == "obj.to_governor", ["correlation"]
    )
    x, y = np.random.default_rng(3).normal(size=(2, 3, 8))
    spoilt = x.copy()
    spoilt[1, 2] = bad
    rows_apart(reliability.correlations(x, y), reliability.correlations(spoilt, y))
    r = np.array([0.5, bad, 0.2])
    rows_apart(reliability.stepped_up(np.array([0.5, 0.1, 0.2])), reliability.stepped_up(r))
    confirm = np.arange(64)[1::2]
    found = reliability.profiles(role_sums(bad), confirm)
    rows_apart(reliability.profiles(role_sums(), confirm), found, BAD_HEAD)


def check_nulls(bad: float) -> None:
    table = scores.score_table(role_sums(bad), seed=0)
    # as written by an earlier version, that took it for evidence
    table.loc[of_bad_head(table) & (table.split != "all"), "p"] = 1e-5
    table.loc[of_bad_head(table), "lift"] = bad
    roles = pd.DataFrame(columns=["site", "layer", "head", "role", "family"])
    one = [nulls.Measured("none", None, table, roles)]
    if np.isnan(bad):
        assert set(nulls.lifts_of_chosen(one)["head"]) == {2}
        assert nulls.null_table(one).largest_head.tolist() == [2, 2, 2]
    else:
        assert BAD_HEAD not in set(best_heads.best_heads(table)["head"])


def check_best_heads(bad: float) -> None:
    table = scores.score_table(role_sums(), seed=0)
    chosen = best_heads.best_heads(table)["head"].tolist()
    spoilt = table.assign(lift=table.lift.where(~of_bad_head(table), bad))
    assert best_heads.best_heads(spoilt)["head"].tolist() == chosen == [2, 2]
    confirm = spoilt[spoilt.split == "confirm"]
    assert BAD_HEAD not in best_heads.best_roles(confirm, ["role"])["head"].tolist()


def check_power(bad: float) -> None:
    n, critical = np.full((5, 32), N), np.full(5, 2.0)
    found = [power.detectable_lift(D, n, critical) for D in (excesses(), excesses(bad))]
    rows_apart(*found)
    mean = np.full(5, 0.4)
    spoilt = np.where(np.arange(5) == 1, bad, mean)
    for statistic, baseline in ((spoilt, mean), (mean, spoilt)):
        for hits in (True, False):
            heads = [power.Observed(*pair, np.full(5, hits)) for pair in ((mean, mean), (statistic, baseline))]
            sound, broken = (power.detectable_lift(excesses(), n, critical, one) for one in heads)
            assert not np.isfinite(broken[1])
            np.testing.assert_array_equal(np.delete(broken, 1), np.delete(sound, 1))
    if np.isnan(bad):
        assert np.isnan(power.t_of_level(n, bad)).all() and np.isnan(power.t_of_max_t(n, bad)).all()
        assert np.isnan(power.detectable_lift(excesses(), n, np.where(np.arange(5) == 1, bad, 2.0))[1])
    assert power.level_of_bh(np.array([0.01, bad, 0.5]), 0.05) == power.level_of_bh(np.array([0.01, 0.5]), 0.05)
    tables = [power.power_table(scores.score_table(one, seed=0)) for one in (role_sums(), role_sums(bad))]
    assert tables[0].heads.tolist() == [4, 4] and tables[1].heads.tolist() == [3, 3]


def check_marking(bad: float) -> None:
    sound, broken = (known_answers.true_lifts(one) for one in (role_sums(), role_sums(bad)))
    bad_rows = of_bad_head(broken)
    assert not np.isfinite(broken[bad_rows].true_lift).any()
    pd.testing.assert_frame_equal(sound[~bad_rows], broken[~bad_rows])
    assert not np.isfinite(known_answers.true_lifts(bad_baseline(bad)).true_lift[:4]).any(), "its baseline is no number"
    roles = classify(role_sums(), scores.score_table(role_sums(), seed=0))
    planted = [("self", 0, 2, "offset-1")]
    assert "found" in set(known_answers.mark(roles, planted, sound, {"offset-1"}, margin=0.1).verdict)
    refused(lambda: known_answers.mark(roles, planted, broken, {"offset-1"}, margin=0.1))


# --- matching, sequential, tables of other sums


def check_matching(bad: float) -> None:
    similarity = np.random.default_rng(4).random((3, 4))
    spoilt = similarity.copy()
    spoilt[1, 2] = bad
    profiles = np.random.default_rng(5).normal(size=(3, 6))
    spoilt_profiles = np.where(profiles == profiles[1, 2], bad, profiles)
    heads = tuple(HEADS[:3])
    refused(lambda: matching.match(spoilt))
    refused(lambda: matching.matched_similarity(spoilt))
    refused(lambda: matching.match_table(spoilt, heads, HEADS))
    refused(lambda: matching_tables.all_matches({"roles": spoilt}, replace(role_sums(), heads=heads), HEADS))
    refused(lambda: matching_tables.matching_table({"roles": spoilt}, np.array([0.1, 0.2])))
    with np.errstate(invalid="ignore"):
        refused(lambda: matching.match(matching.profile_similarity(spoilt_profiles, profiles)))
        refused(lambda: matching.permuted(spoilt_profiles, profiles, repeats=2, seed=0))
    null = np.array([0.1, 0.2])
    assert np.isnan(matching.p_of(bad, null)) and np.isnan(matching.p_of(0.3, np.array([0.1, bad])))


def check_sequential(bad: float) -> None:
    values = np.random.default_rng(6).normal(size=(4, 100))
    values[1, 30] = bad
    refused(lambda: sequential.half_widths(values, 200))
    refused(lambda: sequential.settled_until(values, 200, 0.1))
    refused(lambda: sequential.settled_top(values, 200, 2, 0.05))


def check_effects(bad: float) -> None:
    sound, broken = (effects.effect_table([effect_sums(one)], seed=0) for one in (None, bad))
    tables_apart(
        sound, broken, of_bad_head, ["effect", "effect_token", "ablated", "ci_low", "ci_high", "p", "q"], ["q"]
    )
    others = broken[~of_bad_head(broken)]
    np.testing.assert_allclose(others.q, false_discovery.benjamini_hochberg(others.p.to_numpy()))


def effect_sums(bad: float | None = None, seed: int = 7) -> EffectSums:
    effect = np.random.default_rng(seed).normal(0.1, 1, size=(4, 64))
    if bad is not None:
        effect[BAD_HEAD, 9] = bad
    n = np.full(64, 3)
    return EffectSums("mean", "log_prob", True, HEADS, n, n * 5, np.full(64, 1.0), effect, effect, effect)


def check_blocks(bad: float) -> None:
    for make in (
        lambda bad: blocks.role_block_table(role_sums(bad)),
        lambda bad: blocks.effect_block_table([effect_sums(bad)]),
    ):
        sound, broken = make(None), make(bad)
        kept = ~of_bad_head(sound)
        pd.testing.assert_frame_equal(broken[kept], sound[kept], check_exact=True)
        values = broken.loc[of_bad_head(broken)].filter(regex="^(excess|effect)_").to_numpy()
        assert len(values) and (~np.isfinite(values)).any(axis=1).all()


def check_comparisons(bad: float) -> None:
    def runs(bad: float | None) -> list[compared.ComparedRun]:
        found = []
        for name, one, effect in (("one", role_sums(), effect_sums()), ("two", role_sums(bad), effect_sums(bad, 8))):
            score_table = scores.score_table(one, seed=0)
            tables = {
                "scores": score_table,
                "roles": classify(role_sums(), scores.score_table(role_sums(), seed=0), splits=2),
                "role_blocks": blocks.role_block_table(one),
                "effects": effects.effect_table([effect], seed=0),
                "effect_blocks": blocks.effect_block_table([effect]),
            }
            about = {"model": "m", "corpus": "c", "seed": 0}
            found.append(compared.ComparedRun(name, "a", {key: table.assign(**about) for key, table in tables.items()}))
        return found

    difference = ["difference", "difference_low", "difference_high"]
    for make, but in ((compared.compared_heads, ["q", "has_role"]), (compared.compared_effects, ["q"])):
        sound, broken = make(runs(None), seed=0), make(runs(bad), seed=0)

        def spoilt(table: pd.DataFrame) -> Any:
            return of_bad_head(table) & (table["run"] == "two")

        keys = [name for name in ("run", "role", "layer", "head", "metric") if name in sound]
        in_both = broken.merge(sound[keys])
        tables_apart(sound.merge(in_both[keys]), in_both, spoilt, difference, but)
        assert sound.loc[spoilt(sound), difference].notna().all(axis=None)
    # a head that has no number is never the best, and a run without any has no row
    best = compared.compared_roles(runs(bad), seed=0)
    assert not spoilt(best).any() and best.loc[best["run"] == "two", difference].notna().all(axis=None)


def check_paired_interval(bad: float) -> None:
    mine, first = (compared.Blocks(excesses()[row], np.full(32, N)) for row in (0, 1))
    assert np.isfinite(compared.paired_interval(mine, first, seed=0)).all()
    spoilt = compared.Blocks(excesses(bad)[1], np.full(32, N))
    for pair in ((mine, spoilt), (spoilt, mine)):
        assert np.isnan(compared.paired_interval(*pair, seed=0)).all()


def check_verify(bad: float) -> None:
    sound = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [1.0, 2.0, 3.0]})
    spoilt = sound.assign(a=[1.0, bad, 3.0])
    for before, after in ((sound, spoilt), (spoilt, sound)):
        table = verify.verify_table({"t": before}, {"t": after}).set_index("column")
        assert table["verdict"].to_dict() == {"a": "differs", "b": "same"} and np.isnan(table.largest_difference["a"])
    assert set(verify.verify_table({"t": spoilt}, {"t": spoilt.copy()})["verdict"]) == {"same"}


def check_numbers(bad: float) -> None:
    def sums(bad: float | None, ratio: bool) -> NumberSums:
        total = np.random.default_rng(8).random((1, 4, 64))
        if bad is not None:
            total[0, BAD_HEAD, 9] = bad
        n = np.full(total.shape, 3)
        return NumberSums(("x@1",), HEADS, n, total, np.full(total.shape, 2.0) if ratio else None)

    for ratio in (False, True):
        tables = [numbers.number_table(sums(one, ratio), seed=0) for one in (None, bad)]
        tables_apart(tables[0], tables[1], of_bad_head, ["value", "ci_low", "ci_high"])


def check_kernels(bad: float) -> None:
    def sums(bad: float | None) -> KernelSums:
        total = np.random.default_rng(9).random((4, 3, 64))
        if bad is not None:
            total[BAD_HEAD, 1, 9] = bad
        n = np.full(total.shape, 3)
        return KernelSums(HEADS, (-1, 0, 1), n[:, 0], n, total, total)

    tables = [local_kernel.kernel_table(sums(one), "k@1", seed=0) for one in (None, bad)]
    tables_apart(tables[0], tables[1], lambda t: of_bad_head(t) & (t.offset == 0), ["ci_low", "ci_high"])
    assert not np.isfinite(tables[1].value[of_bad_head(tables[1]) & (tables[1].offset == 0)]).any()
    names = ("mass", "explained", "width", "peak")
    sound, broken = (local_kernel.kernel_numbers(sums(one), *names, seed=0) for one in (None, bad))
    tables_apart(sound, broken, of_bad_head, ["ci_low", "ci_high"])
    assert not np.isfinite(broken[of_bad_head(broken)].value).any() and sound.value.notna().all()
    assert np.isnan(local_kernel.width_of(np.array([0.1, bad])))
    n, total = np.full((3, 2), 4.0), np.random.default_rng(10).random((3, 2))
    spoilt = np.where(total == total[1, 1], bad, total)
    rows_apart(local_kernel.explained_by_offset(n, total, total), local_kernel.explained_by_offset(n, spoilt, total))


def check_tags(bad: float) -> None:
    def sums(bad: float | None) -> TagSums:
        mass = np.random.default_rng(11).random((4, 2, 1, 64))
        word_mass = mass[:, :, 0] * 2
        if bad is not None:
            mass[BAD_HEAD, :, 0, 9] = bad
        n, even = np.full((1, 2, 64), 3), np.full((1, 2, 1, 64), 0.5)
        return TagSums(("NOUN",), HEADS, np.zeros(4, dtype=int), n, even, mass, word_mass)

    tables = [tags.tag_table(sums(one), "t@1", seed=0) for one in (None, bad)]
    tables_apart(tables[0], tables[1], of_bad_head, ["mass", "share", "excess", "ci_low", "ci_high"])


def check_anatomy(bad: float) -> None:
    def sums(bad: float | None) -> ContributionSums:
        norm = np.random.default_rng(12).random((4, 64))
        if bad is not None:
            norm[BAD_HEAD, 9] = bad
        return ContributionSums(HEADS, np.full((4, 64), 3), norm, norm, role_sums(bad), role_sums())

    circuits = pd.DataFrame(HEADS, columns=["site", "layer", "head"])
    sound, broken = (anatomy.anatomy_table(circuits, sums(one), seed=0) for one in (None, bad))
    tables_apart(sound, broken, of_bad_head, ["written_ci_low", "written_ci_high", "share_ci_low", "share_ci_high"])
    assert not np.isfinite(broken.loc[of_bad_head(broken), ["written", "share", "previous"]].to_numpy()).any()


def check_pruning(bad: float) -> None:
    def sums(bad: float | None) -> PruningSums:
        value, alone = np.random.default_rng(13).random((2, 3, 2, 64))
        if bad is not None:
            value[1, 1, 9] = alone[1, 1, 9] = bad
        orders = (("effect", None), ("lift", None), ("random", 0))
        return PruningSums("mean", "log_prob", orders, 4, np.array([0, 4]), np.full(64, 3), value, alone)

    def spoilt(table: pd.DataFrame) -> Any:
        return (table["order"] == "lift") & (table.get("heads_left", 0) == 0)

    for make, empty in (
        (pruning.curve_table, ["value", "ci_low", "ci_high"]),
        (pruning.area_table, ["area", "ci_low", "ci_high", "difference"]),
        (pruning.joint_effect_table, ["joint_effect", "ci_low", "sum_of_effects", "ratio", "excess"]),
    ):
        tables_apart(make([sums(None)], seed=0), make([sums(bad)], seed=0), spoilt, empty)


def check_gates(bad: float) -> None:
    names = ("gates", "effect", "random")
    choices = tuple(
        KeptChoice(name, 0.1, seed, 0 if name == "random" else None, 2) for seed in (0, 1) for name in names
    )

    def sums(bad: float | None) -> KeptSums:
        value = np.random.default_rng(15).random((6, 64))
        if bad is not None:
            value[4, 9] = bad
        return KeptSums("mean", "log_prob", 4, choices, np.full(64, 3), value)

    def of_seed(table: pd.DataFrame, chosen_by: str) -> Any:
        return (table["chosen_by"] == chosen_by) & (table["gate_seed"] == 1)

    sound, broken = (gates.gate_curve_table([sums(one)], seed=0) for one in (None, bad))
    touched = of_seed(broken, "effect") | of_seed(broken, "gates")
    pd.testing.assert_frame_equal(broken[~touched], sound[~touched])
    assert broken.loc[of_seed(broken, "effect"), ["value", "ci_low", "ci_high"]].isna().all(axis=None)
    assert broken.loc[of_seed(broken, "gates"), ["over_effect", "over_effect_low"]].isna().all(axis=None)
    assert broken.loc[of_seed(broken, "gates"), ["value", "over_random", "over_random_low"]].notna().all(axis=None)


def check_variants(bad: float) -> None:
    rows = [("r", d, "self", 0, head, 0.1 * head + 0.01 * place) for head in range(4) for place, d in enumerate("ab")]
    table = pd.DataFrame(rows, columns=["role", "definition", "site", "layer", "head", "value"])
    spoilt = table.assign(value=table.value.where(~of_bad_head(table), bad))
    without = table[~of_bad_head(table)]
    for make in (copying_scores.spread_table, copying_scores.agreement_table):
        pd.testing.assert_frame_equal(make(spoilt, 0.15), make(without, 0.15))


# --- calibration


def population(bad: float | None = None) -> DocumentSums:
    label = RoleLabel("obj.to_governor", "syntax", "word", "hit", "a@1", ("offset-1",))
    baseline = np.random.default_rng(14).binomial(6, 0.3, size=(1, 1, 200)).astype(float)
    if bad is not None:
        baseline[0, 0, :150] = bad
    return DocumentSums((label,), ("offset-1",), tuple(map(str, range(200))), np.full((1, 200), 6), baseline)


def check_calibration(bad: float) -> None:
    planted = [calibration.Planted("even", 0.5)]
    assert len(calibration.cover(population(), planted, [150], repeats=[0], seed=0))
    with np.errstate(invalid="ignore"):
        refused(lambda: calibration.cover(population(bad), planted, [150], repeats=[0], seed=0))
        refused(lambda: calibration.p_under_nulls(population(bad), 150, repeats=[0], seed=0))


def check_coverage(bad: float) -> None:
    tested = calibration.p_under_nulls(population(), 150, repeats=[0, 1, 2], seed=0)
    some = np.arange(len(tested)) % 5 == 0
    spoilt = tested.assign(p=tested.p.where(~some, bad))
    for make in (calibration_tables.null_table, calibration_tables.null_curve):
        pd.testing.assert_frame_equal(make(spoilt), make(tested[~some]))
    sums = replace(role_sums(), n=np.full((2, 64), N))
    resampled = redrawn_corpora.resample_heads(sums, 60, repeats=[0, 1], seed=0)
    some = (resampled["head"] == BAD_HEAD).to_numpy()
    spoilt = resampled.assign(p=resampled.p.where(~some, bad))
    pd.testing.assert_frame_equal(
        calibration_tables.head_coverage_table(spoilt), calibration_tables.head_coverage_table(resampled[~some])
    )


def check_resampling(bad: float) -> None:
    with np.errstate(invalid="ignore"):
        found = redrawn_corpora.resample_heads(role_sums(bad), 60, repeats=[0], seed=0)
        assert found.loc[of_bad_head(found), "p"].isna().all() and found.loc[~of_bad_head(found), "p"].notna().all()
        drawn = redrawn_corpora.drawn_sums(role_sums(bad), np.arange(64), np.arange(64))
    assert not np.isfinite(drawn.hit[:, BAD_HEAD]).all() and np.isfinite(np.delete(drawn.hit, BAD_HEAD, 1)).all()


def check_diversity(bad: float) -> None:
    """Two layers of two heads; the first pair of heads, of one layer, has a block that is no number."""
    heads, n = tuple(("self", layer, head) for layer in range(2) for head in range(2)), np.full(64, N)
    distance = N * np.random.default_rng(9).uniform(0.1, 0.6, (6, 64))
    spoilt = distance.copy()
    spoilt[0, 5] = bad
    sound, broken = DistanceSums(heads, n, distance), DistanceSums(heads, n, spoilt)
    tables_apart(
        diversity_tables.distance_table(sound, seed=0),
        diversity_tables.distance_table(broken, seed=0),
        lambda table: (table["layer"] == 0) & (table["other_layer"] == 0),
        ["distance", "ci_low", "ci_high"],
    )
    tables_apart(
        diversity_tables.diversity_table(sound, seed=0),
        diversity_tables.diversity_table(broken, seed=0),
        lambda table: (table["measure"] != "between_layers") & (table["layer"] != 1).fillna(True),
        ["value", "ci_low", "ci_high"],
    )
    assert np.isnan(diversity.effective_heads(spoilt, n, 4, seed=0, min_blocks=2)).all()
    assert np.isnan(diversity.mean_distance(spoilt, n, np.arange(6) < 2, seed=0, min_blocks=2)).all()
    assert np.isnan(diversity.effective_number(np.array([[1, bad], [bad, 1]])))
    refused(lambda: scaling.metric_scaling(np.array([[0, bad], [bad, 0]])))
    refused(lambda: diversity_tables.head_map_table(broken))


def check_parser(bad: float) -> None:
    """Three words of three candidates; the second has a score that is no number, or the features have one."""
    dependent, gold = np.repeat(np.arange(3), 3), np.tile([True, False, False], 3)
    scores = np.random.default_rng(11).normal(size=9)
    spoilt = scores.copy()
    spoilt[4] = bad
    rows_apart(*(parser.credit_of(one, dependent, gold) for one in (scores, spoilt)))
    sound, broken = (parser.Choices([one[:, None]], dependent, gold) for one in (scores, spoilt))
    refused(lambda: parser.fit_parser(broken, sound))
    refused(lambda: parser.fit_parser(sound, broken))


def check_causes(bad: float) -> None:
    random = np.random.default_rng(4)
    clean, block = random.normal(3, 1, 60), np.repeat(np.arange(20), 3)
    answers, after = causes.Answers(clean, clean - 4, block), clean - random.uniform(0, 4, (3, 60))
    broken = after.copy()
    broken[BAD_HEAD, 7] = bad
    empty = ["patched", "effect", "ci_low", "ci_high", "p", "q"]
    heads = list(HEADS[:3])
    setting, receiver = ("noise", "z", "all"), ("output", "stream")

    def patching(values: np.ndarray) -> pd.DataFrame:
        estimate = {setting: values - clean}
        return causes.patching_table(heads, {"noise": clean}, {setting: values}, estimate, answers, seed=0)

    tables_apart(patching(after), patching(broken), of_bad_head, [*empty, "estimate"], ("q",))
    sound, spoilt = (causes.path_table(heads, clean, {receiver: one}, answers, seed=0) for one in (after, broken))
    tables_apart(sound, spoilt, of_bad_head, empty, ("q",))
    # a head without an estimate is in no ranking, which the others then have among themselves
    (agreement,) = causes.rank_agreements(patching(broken)).values()
    assert agreement == pytest.approx(1)


CASES: dict[str, Callable[[float], None]] = {
    "anatomy_table": check_anatomy,
    **dict.fromkeys(["patching_table", "path_table", "rank_agreements"], check_causes),
    "best_heads": check_best_heads,
    "best_roles": check_best_heads,
    "bootstrap_interval": check_bootstrap_interval,
    "bootstrap_interval_of": check_bootstrap_interval_of,
    "cover": check_calibration,
    "p_under_nulls": check_calibration,
    "deciding_blocks": check_deciding_blocks,
    "tail_quantiles": check_tail_quantiles,
    **dict.fromkeys(["calibration.null_table", "null_curve", "head_coverage_table"], check_coverage),
    **dict.fromkeys(["compared_roles", "compared_heads", "compared_effects"], check_comparisons),
    "paired_interval": check_paired_interval,
    "verify_table": check_verify,
    **dict.fromkeys(["role_block_table", "effect_block_table"], check_blocks),
    "effect_table": check_effects,
    **dict.fromkeys(
        ["distance_table", "diversity_table", "effective_heads", "mean_distance", "effective_number", "metric_scaling"],
        check_diversity,
    ),
    "head_map_table": check_diversity,
    **dict.fromkeys(["fit_parser", "credit_of"], check_parser),
    "benjamini_hochberg": check_benjamini_hochberg,
    "finite_or_nan": check_finite_or_nan,
    **dict.fromkeys(["best_annotation_baselines", "annotation_columns"], check_harder),
    **dict.fromkeys(["kernel_table", "kernel_numbers", "explained_by_offset", "width_of"], check_kernels),
    **dict.fromkeys(["true_lifts", "mark"], check_marking),
    **dict.fromkeys(
        [
            *("match", "matched_similarity", "profile_similarity", "permuted", "match_table", "p_of"),
            *("all_matches", "matching_table"),
        ],
        check_matching,
    ),
    **dict.fromkeys(["max_t_p", "critical_value_of_max_t", "largest_under_flips", "studentised"], check_max_t),
    **dict.fromkeys(["nulls.null_table", "lifts_of_chosen"], check_nulls),
    "number_table": check_numbers,
    **dict.fromkeys(["detectable_lift", "t_of_level", "t_of_max_t", "level_of_bh", "power_table"], check_power),
    **dict.fromkeys(["curve_table", "area_table", "joint_effect_table"], check_pruning),
    "gate_curve_table": check_gates,
    **dict.fromkeys(["reliability_table", "correlations", "stepped_up", "profiles"], check_reliability),
    **dict.fromkeys(["resample_heads", "drawn_sums"], check_resampling),
    **dict.fromkeys(["best_baselines", "excess", "mean_over_queries", "lift"], check_scores),
    "score_table": check_score_table,
    **dict.fromkeys(["half_widths", "settled_until", "settled_top"], check_sequential),
    "sign_flip_p": check_sign_flip_p,
    "exact_p": check_exact_p,
    "tag_table": check_tags,
    "earliest_best": check_earliest_best,
    **dict.fromkeys(["spread_table", "agreement_table"], check_variants),
}

WITHOUT = {
    "blocks_of": "picks columns by their names",
    **dict.fromkeys(
        [
            "example_tables",
            "example_documents",
            "chosen_examples",
            "mass_on_targets",
            "of_words",
            "offsets_of_examples",
        ],
        "of attention in whole steps; the roles that are shown come from `best_roles`",
    ),
    **dict.fromkeys(
        ["fit_strengths", "log_likelihood", "cross_entropies", "responsibilities", "greedy_rules", "candidate_gains"],
        "of attention that is finite: `interp.attention.nan_checks` refuses any other",
    ),
    "in_brief": "of attention that is finite, or even, which tests/tables/test_explanations.py has",
    "no_brief": "a table without a row",
    **dict.fromkeys(
        ["modelled", "modelled_attention", "modelled_table", "with_modelled", "families_that_cannot_apply"],
        "of strengths that were fitted; a damaged table is refused, which tests/explaining/test_explained_by.py has",
    ),
    **dict.fromkeys(
        ["ability_table", "attribution_table", "attribution_by_key_table", "block_sums", "direct_effects"],
        "of logits that are finite: `interp.attention.nan_checks` refuses attention that is not",
    ),
    "measure_table": "of means; a head without a lift is left out, which tests/tables/test_measures.py has",
    "rank_agreement": "of means over blocks, as bootstrap_interval_of has its own case",
    "rank_correlation": "of ranks: equal values are a case of tests/tables/test_measures.py",
    **dict.fromkeys(
        ["explanation_tables", "shuffled_tables"],
        "of attention that is finite, or even, which tests/tables/test_explanations.py has",
    ),
    **dict.fromkeys(
        ["gate_table", "gate_head_table", "gate_agreement_table", "gate_training_table"],
        "of gates whose gradients were finite: `interp.ablation.gates` refuses any other",
    ),
    "jaccard": "of sets",
    "expected_jaccard": "of counts",
    **dict.fromkeys(
        ["mean_log_probability", "log_probabilities", "scores_of"],
        "of features and weights that are finite: `fit_parser` refuses any other",
    ),
    **dict.fromkeys(
        ["probe_tables", "parse", "features_of", "best_head", "branching"],
        "of attention that is finite: `interp.attention.nan_checks` refuses any other",
    ),
    **dict.fromkeys(["parts_of", "places_of", "one_hot"], "of whole numbers"),
    "square": "an arrangement of numbers",
    "similarity_of": "arithmetic of one number at a time",
    "by_parts": "calls a function of some heads at a time",
    "without": "picks rules by their family",
    "with_family_of": "picks rules by their family",
    "halves": "picks rows by the blocks of documents",
    "agreement": "compares sets of names",
    "in_common": "picks columns by their names",
    "heads_by_role": "ranks heads that have a role: their lifts are finite",
    "atlas_table": "joins tables whose numbers are finite or NaN",
    "baseline_credit": "an entry of the sums; `excess` says what becomes of it",
    "candidate_table": "of attention that is finite: `interp.attention.nan_checks` refuses any other",
    "most_attending_heads": "of attention that is finite: `interp.attention.nan_checks` refuses any other",
    "words_of": "of words",
    "effective_blocks": "of counts, whole numbers",
    "rates_of": "of planted accuracies",
    "true_hit": "of planted accuracies and counts",
    "draw_corpus": "draws; sums are taken later",
    "draw_documents": "draws whole numbers",
    "expected_evidence": "of counts",
    "coverage_table": "counts what was in an interval or not",
    "precision_recall": "counts verdicts",
    "split_blocks": "of whole numbers",
    "is_testable": "of counts",
    "looks": "of whole numbers",
    "sign_vectors": "draws signs",
}


ELSEWHERE = ("roles", "claims", "role_ablation", "circuits", "interactions")
"""Tables with tests of their own, in tests/tables and tests/ablation."""


def public_functions() -> list[str]:
    """By name, with the module's where two have the same."""
    found: list[tuple[str, str]] = []
    places = [
        f"{package.__name__}.{module.name}"
        for package in (interp.statistics, interp.tables)
        for module in pkgutil.iter_modules(package.__path__)
        if module.name not in ELSEWHERE
    ]
    for place in places:
        inside = importlib.import_module(place)
        for name, thing in vars(inside).items():
            own = getattr(thing, "__module__", None) == inside.__name__ and callable(thing)
            if own and not inspect.isclass(thing) and not name.startswith("_"):
                found.append((place.rpartition(".")[2], name))
    names = [name for _, name in found]
    return [name if names.count(name) == 1 else f"{module}.{name}" for module, name in found]


def test_every_public_function_has_a_case_or_a_reason_to_have_none() -> None:
    assert sorted(public_functions()) == sorted([*CASES, *WITHOUT])


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("check", list(dict.fromkeys(CASES.values())), ids=lambda check: check.__name__)
def test_what_is_no_number_is_no_evidence(check: Callable[[float], None], bad: float) -> None:
    check(bad)
