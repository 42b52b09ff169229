"""The `scores` table: what every head does for every role, beside the best that a baseline without a model does."""

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from interp.progress import Progress, silent
from interp.statistics.bootstrap import bootstrap_interval
from interp.statistics.concentration import deciding_blocks
from interp.statistics.criteria import STANDARD, Criteria
from interp.statistics.false_discovery import benjamini_hochberg
from interp.statistics.lift import baseline_credit, best_baselines, excess, is_testable, mean_over_queries, split_blocks
from interp.statistics.max_t import critical_value_of_max_t, largest_under_flips, max_t_p
from interp.statistics.power import Observed, detectable_lift, level_of_bh, t_of_level, t_of_max_t
from interp.statistics.sign_flip import sign_flip_p, sign_vectors
from interp.sums import RoleSums
from interp.tables.annotation_baselines import annotation_columns, best_annotation_baselines


def score_table(
    sums: RoleSums, criteria: Criteria = STANDARD, *, seed: int, progress: Progress = silent
) -> pd.DataFrame:
    """One row per role, head and split (select, confirm, all) that has a scored query.

    The baseline is the one that is best on select, in every split. p: one-sided sign flip of the D_b, for roles that
    are testable. Over all heads and roles, on confirm only: q, Benjamini-Hochberg over p, and `p_max_t`, corrected for
    the family-wise error instead (`interp.statistics.max_t`). `detectable` is the smallest lift that confirm could have
    shown at `alpha` after the `correction`, with 80 % power (`interp.statistics.power`). `guess_pos` is the best
    annotation baseline on select, and `lift_pos` how much a head does better than it
    (`interp.roles.annotation_baselines`), with its interval from `lift_pos_low` to `lift_pos_high`. `effective_blocks`
    is (Σ|e_b|)²/Σe_b² over the split's non-empty blocks, with e_b = D_b − lift·n_b: small where one or two blocks
    decide, and then interval and p are not what they say (`interp.statistics.concentration`).
    """
    splits = split_blocks(sums.n.shape[1])
    baseline = best_baselines(sums, splits["select"])
    testable = is_testable(sums, splits["select"], splits["confirm"], criteria)
    annotation = best_annotation_baselines(sums, splits["select"])
    intervals = _intervals(sums, splits, baseline, seed, criteria.min_blocks, progress)
    frames = [
        _split_frame(sums, split, blocks, baseline, testable, intervals[split], seed).assign(
            **_beside(sums, blocks, annotation, seed, criteria.min_blocks),
            **dict.fromkeys(("p_max_t", "detectable"), np.nan),
            effective_blocks=_effective_blocks(sums, baseline, blocks),
        )
        for split, blocks in progress(list(splits.items()), "p-values")
    ]
    confirmed = frames[list(splits).index("confirm")]
    for name, values in _over_all_tests(sums, splits["confirm"], baseline, confirmed, seed, criteria).items():
        confirmed[name] = values
    # a stable sort on (role, head) puts the three splits of each pair next to each other
    table = pd.concat(frames).sort_index(kind="stable")
    return table[(table["n"] > 0) & sums.applies.ravel()[table.index]].reset_index(drop=True)


def _intervals(
    sums: RoleSums,
    splits: Mapping[str, Int[np.ndarray, " some"]],
    baseline: Int[np.ndarray, " role"],
    seed: int,
    min_blocks: int,
    progress: Progress,
) -> dict[str, Float[np.ndarray, "end role head"]]:
    """Both ends of the interval of every lift, by split."""
    found = {split: np.full((2, *sums.hit.shape[:2]), np.nan) for split in splits}
    D = {split: excess(sums, baseline, blocks) for split, blocks in splits.items()}
    for split, role in progress(list(product(splits, range(len(sums.roles)))), "intervals"):
        asked, n = sums.applies[role], sums.n[role, splits[split]]
        found[split][:, role, asked] = bootstrap_interval(D[split][role, asked], n, seed=seed, min_blocks=min_blocks)
    return found


def _split_frame(
    sums: RoleSums,
    split: str,
    blocks: Int[np.ndarray, " some"],
    baseline: Int[np.ndarray, " role"],
    testable: Bool[np.ndarray, " role"],
    interval: Float[np.ndarray, "end role head"],
    seed: int,
) -> pd.DataFrame:
    D, n = excess(sums, baseline, blocks), sums.n[:, blocks]
    p = np.full(D.shape[:2], np.nan)
    signs = sign_vectors(seed, sums.n.shape[1])[blocks]
    tested = testable[:, None] & sums.applies
    p[tested] = sign_flip_p(D[tested], signs, exact=split != "all")
    q = benjamini_hochberg(p) if split == "confirm" else np.full_like(p, np.nan)

    def per_role(values: Sequence, dtype: type) -> np.ndarray:
        return np.repeat(np.asarray(values, dtype=dtype), D.shape[1])

    def per_head(values: Sequence, dtype: type) -> np.ndarray:
        return np.tile(np.asarray(values, dtype=dtype), D.shape[0])

    def mean(total: np.ndarray) -> np.ndarray:
        return mean_over_queries(total, sums, blocks).ravel()

    credit = np.broadcast_to(baseline_credit(sums, baseline, blocks).sum(axis=1)[:, None], p.shape)
    return pd.DataFrame(
        {
            "definition": per_role([role.definition for role in sums.roles], str),
            "role": per_role([role.name for role in sums.roles], str),
            "family": per_role([role.family for role in sums.roles], str),
            "site": per_head([head[0] for head in sums.heads], str),
            "layer": per_head([head[1] for head in sums.heads], int),
            "head": per_head([head[2] for head in sums.heads], int),
            "split": split,
            "n": per_role(n.sum(axis=1).tolist(), int),
            "hit": mean(sums.hit[:, :, blocks].sum(axis=-1)),
            "mass": mean(sums.mass[:, :, blocks].sum(axis=-1)),
            "word_mass": mean(sums.word_mass[:, :, blocks].sum(axis=-1)),
            "baseline": mean(credit),
            "baseline_name": per_role([sums.baselines[index] for index in baseline], str),
            "lift": mean(D.sum(axis=-1)),
            "ci_low": interval[0].ravel(),
            "ci_high": interval[1].ravel(),
            "p": p.ravel(),
            "q": q.ravel(),
            "statistic": per_role([role.statistic for role in sums.roles], str),
        }
    )


def _beside(
    sums: RoleSums, blocks: Int[np.ndarray, " some"], annotation: list[int | None], seed: int, min_blocks: int
) -> dict[str, pd.Series]:
    """What stands beside the baseline and decides nothing."""
    names, lifts = annotation_columns(sums, annotation, blocks, seed=seed, min_blocks=min_blocks)
    columns = ("lift_pos", "lift_pos_low", "lift_pos_high")
    return {
        "guess_pos": pd.Series([name for name in names for _ in sums.heads], dtype="str"),
        **{column: pd.Series(values.ravel()) for column, values in zip(columns, lifts, strict=True)},
    }


def _effective_blocks(
    sums: RoleSums, baseline: Int[np.ndarray, " role"], blocks: Int[np.ndarray, " some"]
) -> Float[np.ndarray, " test"]:
    of_roles = zip(excess(sums, baseline, blocks), sums.n[:, blocks], strict=True)
    return np.reshape([deciding_blocks(D, n) for D, n in of_roles], -1)


def _over_all_tests(
    sums: RoleSums,
    blocks: Int[np.ndarray, " some"],
    baseline: Int[np.ndarray, " role"],
    confirmed: pd.DataFrame,
    seed: int,
    criteria: Criteria,
) -> dict[str, np.ndarray]:
    """p corrected by max-T, and the smallest lift that could have been shown: of every test, NaN for the rest."""
    tested = confirmed["p"].notna().to_numpy()
    heads = len(sums.heads)
    D = excess(sums, baseline, blocks).reshape(-1, len(blocks))[tested]
    n = np.repeat(sums.n[:, blocks], heads, axis=0)[tested]
    largest = largest_under_flips(D, sign_vectors(seed, sums.n.shape[1])[blocks])
    if criteria.correction == "max_t":
        critical = t_of_max_t(n, critical_value_of_max_t(largest, criteria.alpha))
    else:
        critical = t_of_level(n, level_of_bh(confirmed["q"].to_numpy(), criteria.alpha))
    statistic = np.where(confirmed["statistic"] == "hit", confirmed["hit"], confirmed["mass"])
    by_hit = (confirmed["statistic"] == "hit").to_numpy()
    heads_seen = Observed(statistic[tested], confirmed["baseline"].to_numpy()[tested], by_hit[tested])
    found = {"p_max_t": max_t_p(D, largest), "detectable": detectable_lift(D, n, critical, heads_seen)}
    return {name: _spread(values, tested) for name, values in found.items()}


def _spread(values: np.ndarray, places: np.ndarray) -> np.ndarray:
    table = np.full(len(places), np.nan)
    table[places] = values
    return table
