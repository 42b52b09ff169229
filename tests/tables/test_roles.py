"""Planted sums: whoever has a role gets it, and every single rule can refuse it."""

from dataclasses import fields

import numpy as np
import pandas as pd
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from interp.statistics import benjamini_hochberg, sign_flip_p, sign_vectors
from interp.statistics.criteria import Criteria
from interp.sums import RoleLabel, RoleSums
from interp.tables import score_table
from interp.tables.roles import COLUMNS, _may_reach, classify, shortfall, untestable

GUESSES = ("offset-1", "first", "uniform")
HIT = RoleLabel("obj.to_governor", "syntax", "word", "hit", "ud-v1", GUESSES[:2])
MASS = RoleLabel("offset-1", "positional", "token", "mass", "pattern-v1", ("uniform",))
SUMMED = ("hit", "mass", "word_mass", "baseline")
EVEN = np.arange(64) % 2 == 0


def planted(
    rates: list[list[float]],
    *,
    roles: tuple[RoleLabel, ...] = (HIT,),
    baseline: tuple = (0.2, 0.1, 0.2),
    word_mass: float = 0.9,
    n: int = 20,
    seed: int | None = None,
) -> RoleSums:
    """Heads with the given rates of role × head: the same in every block, or binomial where there is a seed.

    `baseline` holds the credit per query of each of GUESSES: a number, or one for each block.
    """
    count = np.full((len(roles), 64), n)
    rate = np.broadcast_to(np.array(rates)[:, :, None], (*np.shape(rates), 64))
    statistic = n * rate if seed is None else np.random.default_rng(seed).binomial(n, rate).astype(float)
    by_mass = np.array([role.statistic == "mass" for role in roles])[:, None, None]
    credit = np.stack([np.broadcast_to(np.asarray(one, dtype=float), 64) * n for one in baseline])
    used = np.array([[name in role.baselines for name in GUESSES] for role in roles])[:, :, None]
    return RoleSums(
        roles=roles,
        heads=tuple(("self", h // 4, h % 4) for h in range(np.shape(rates)[1])),
        baselines=GUESSES,
        n=count,
        hit=statistic,
        mass=np.where(by_mass, statistic, 0.5 * statistic),
        word_mass=np.where(by_mass, np.nan, word_mass * n * np.ones_like(statistic)),
        baseline=np.where(used, credit[None], np.nan),
    )


def assign(sums: RoleSums, **options) -> pd.DataFrame:
    criteria = Criteria(**{one.name: options.pop(one.name) for one in fields(Criteria) if one.name in options})
    return classify(sums, score_table(sums, criteria, seed=0), criteria, **options)


def test_a_clear_head_has_its_role_and_the_others_none():
    sums = planted([[0.6, 0.2, 0.2, 0.2, 0.2]], seed=1)
    roles = assign(sums)
    assert list(roles.columns) == COLUMNS
    assert list(roles["role"]) == ["obj.to_governor", *4 * ["unclassified"]]
    clear, confirm = roles.iloc[0], score_table(sums, seed=0).query("split == 'confirm' and head == 0 and layer == 0")
    for name in ("definition", "family", "hit", "mass", "baseline", "lift", "ci_low", "q"):
        assert clear[name] == confirm.iloc[0][name]
    assert clear["strength"] == clear["mass"] and clear["stability"] == 1.0
    unclassified = roles.iloc[1:]
    assert unclassified.drop(columns=["site", "layer", "head", "role", "detectable"]).isna().all(axis=None)
    assert list(zip(roles["site"], roles["layer"], roles["head"], strict=True)) == list(sums.heads)


def test_several_roles_come_in_the_order_of_lift_and_heads_in_the_order_of_layers():
    sums = planted([[0.2, 0.5, 0.2], [0.2, 0.9, 0.6]], roles=(HIT, MASS))
    reversed_heads = RoleSums(
        **{
            **{name: getattr(sums, name) for name in ("roles", "baselines", "n", "baseline")},
            "heads": sums.heads[::-1],
        },
        **{name: getattr(sums, name)[:, ::-1] for name in ("hit", "mass", "word_mass")},
    )
    for one in (sums, reversed_heads):
        roles = assign(one)
        found = list(zip(roles["head"], roles["role"], strict=True))
        assert found == [(0, "unclassified"), (1, "offset-1"), (1, "obj.to_governor"), (2, "offset-1")]
    pd.testing.assert_frame_equal(assign(sums), assign(reversed_heads))


@pytest.mark.parametrize("seed", range(3))
def test_noise_has_no_role(seed):
    roles = assign(planted([[0.2] * 40, [0.2] * 40], roles=(HIT, MASS), seed=seed), splits=0)
    assert set(roles["role"]) == {"unclassified"} and len(roles) == 40


def test_without_roles_or_queries_every_head_is_unclassified():
    nothing = planted([[0.0, 0.0]], n=0)
    none = RoleSums((), nothing.heads, GUESSES, *(getattr(nothing, name)[:0] for name in ("n", *SUMMED)))
    expected = assign(planted([[0.2, 0.2]]))
    for sums in (nothing, none):
        assert score_table(sums, seed=0).empty
        given = assign(sums)
        assert given["detectable"].isna().all(), "what was not tested could have shown nothing"
        pd.testing.assert_frame_equal(given.drop(columns="detectable"), expected.drop(columns="detectable"))
    with_more_columns = score_table(planted([[0.2, 0.2]]), seed=0).assign(model="planted", corpus="none", seed=0)
    pd.testing.assert_frame_equal(classify(planted([[0.2, 0.2]]), with_more_columns), expected)


def test_each_condition_can_refuse_a_role():
    assert assign(planted([[0.6]]))["role"].item() == HIT.name

    low_word_mass = planted([[0.6]], word_mass=0.05)
    assert assign(low_word_mass)["role"].item() == "unclassified"
    assert assign(low_word_mass, min_word_mass=0.04)["role"].item() == HIT.name
    assert assign(planted([[0.6]], roles=(MASS,), word_mass=0.05))["role"].item() == MASS.name

    # lift 0.05 on confirm, on select, or on both
    for weak in (~EVEN, EVEN, EVEN | ~EVEN):
        sums = planted([[0.6]], baseline=(np.where(weak, 0.55, 0.2), 0.1, 0.2))
        assert assign(sums)["role"].item() == "unclassified"
        assert assign(sums, margin=0.04)["role"].item() == HIT.name

    # four blocks carry everything: large, but not significant
    carried = planted([[0.6]])
    carried.hit[:] = 0
    carried.hit[:, :, [0, 1, 2, 3, 4, 5, 6, 7]] = 20 * 4
    assert score_table(carried, seed=0).query("split == 'confirm'")["lift"].item() > 0.1
    assert assign(carried)["role"].item() == "unclassified"
    assert assign(carried, alpha=0.99)["role"].item() == HIT.name


def test_a_baseline_that_is_good_on_select_only_is_no_baseline_on_confirm():
    sums = planted([[0.6]], baseline=(np.where(EVEN, 0.3, 0.1), np.where(EVEN, 0.29, 0.55), 0.0))
    confirm = score_table(sums, seed=0).query("split == 'confirm'")
    assert confirm["baseline_name"].item() == "offset-1"
    assert confirm["lift"].item() == pytest.approx(0.5) and confirm["q"].item() < 1e-6
    assert assign(sums)["role"].item() == "unclassified"


def test_untestable_roles_are_named_with_what_they_lack():
    late = RoleLabel("xcomp.to_governor", "syntax", "word", "hit", "ud-v1", GUESSES[:2])
    sums = planted([[0.6], [0.9], [0.6]], roles=(HIT, MASS, late), n=5)
    sums.n[1, 20::2] = 0  # 10 blocks and 50 queries on select
    sums.n[2, 3::2] = 0  # 1 block and 5 queries on confirm
    assert untestable(sums) == [MASS.name, late.name]
    expected = [
        ("pattern-v1", MASS.name, "select", 50, 10, 0, 2),
        ("ud-v1", late.name, "confirm", 5, 1, 45, 11),
    ]
    assert list(shortfall(sums).itertuples(index=False, name=None)) == expected
    assert (
        untestable(sums, criteria=Criteria(min_queries=5, min_blocks=1)) == []
        and shortfall(sums, criteria=Criteria(min_queries=5, min_blocks=1)).empty
    )
    assert list(assign(sums)["role"]) == [HIT.name]


def loop_assigned(
    sums: RoleSums, select: np.ndarray, confirm: np.ndarray, min_queries: int, min_blocks: int, alpha: float
) -> np.ndarray:
    """Every rule in plain loops, every test computed."""
    shape = (len(sums.roles), len(sums.heads))
    every_D, tested, large = np.zeros((*shape, 32)), np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for r, role in enumerate(sums.roles):
        places = [sums.baselines.index(name) for name in role.baselines]
        chosen = max(places, key=lambda g: (sums.baseline[r, g, select].sum().round(6), -g))
        n, halves = sums.n[r], (select, confirm)
        tested[r] = all(n[half].sum() >= min_queries and (n[half] > 0).sum() >= min_blocks for half in halves)
        for h in range(len(sums.heads)):
            statistic = sums.hit[r, h] if role.statistic == "hit" else sums.mass[r, h]
            D = statistic - sums.baseline[r, chosen]
            every_D[r, h] = D[confirm]
            large[r, h] = all(D[half].sum() >= 0.1 * n[half].sum() and n[half].any() for half in halves)
            if role.statistic == "hit":
                best = max(sums.baseline[r, g, confirm].sum() for g in places)
                large[r, h] &= statistic[confirm].sum() - best >= 0.1 * n[confirm].sum()
                large[r, h] &= sums.word_mass[r, h, confirm].sum() >= 0.1 * n[confirm].sum()
    p = sign_flip_p(every_D.reshape(-1, 32), sign_vectors(0)[confirm]).reshape(shape)
    return large & (benjamini_hochberg(np.where(tested, p, np.nan)) <= alpha)


@pytest.mark.parametrize(("seed", "alpha"), [(0, 0.05), (1, 0.05), (2, 0.2), (3, 0.002)])
def test_stability_equals_a_naive_run_of_every_resplit(seed, alpha):
    rng = np.random.default_rng(seed)
    many = tuple(RoleLabel(f"r{i}", "syntax", "word", "hit", "ud-v1", GUESSES[:2]) for i in range(6))
    rates = rng.choice([0.2, 0.25, 0.33, 0.36, 0.5], size=(7, 8))
    sums = planted(rates.tolist(), roles=(*many, MASS), baseline=(0.2, 0.19, 0.2), n=4, seed=seed)
    sums.baseline[:6, :2] = rng.binomial(4, 0.2, size=(6, 2, 64))
    filled = np.sort(rng.permutation(64)[:26])  # testable in some re-splits only
    for part in (sums.n, sums.hit, sums.word_mass, sums.baseline):
        part[0][..., np.setdiff1d(np.arange(64), filled)] = 0
    halves = np.arange(0, 64, 2), np.arange(1, 64, 2)
    assigned = loop_assigned(sums, *halves, min_queries=30, min_blocks=12, alpha=alpha)

    generator, kept = np.random.default_rng(0), np.zeros(assigned.shape)
    for _ in range(20):
        order = generator.permutation(64)
        kept += loop_assigned(
            sums, np.sort(order[:32]), np.sort(order[32:]), min_queries=30, min_blocks=12, alpha=alpha
        )
    expected = {
        (sums.roles[r].name, *sums.heads[h]): kept[r, h] / 20 for r, h in zip(*np.nonzero(assigned), strict=True)
    }
    roles = assign(sums, min_queries=30, min_blocks=12, alpha=alpha)
    found = roles[roles["role"] != "unclassified"].set_index(["role", "site", "layer", "head"])["stability"]
    assert found.to_dict() == expected
    assert found.between(0.01, 0.99).sum() > 2


@settings(max_examples=60, deadline=None)
@given(D=arrays(np.float64, (1, 1, 32), elements=st.integers(-5, 5).map(float)))
def test_what_is_never_tested_has_no_small_p(D):
    assume(not _may_reach(D, 0.05)[0, 0])
    assert sign_flip_p(D[0], sign_vectors(0)[::2])[0] > 0.08
