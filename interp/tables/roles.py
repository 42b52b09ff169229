"""Which roles a head has, how stable that is, and which roles could not be tested."""

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from interp.progress import Progress, silent
from interp.statistics.criteria import STANDARD, Criteria
from interp.statistics.false_discovery import benjamini_hochberg
from interp.statistics.lift import best_baselines, excess, is_testable, lift, mean_over_queries, split_blocks
from interp.statistics.max_t import largest_under_flips, max_t_p
from interp.statistics.sign_flip import sign_flip_p, sign_vectors
from interp.sums import RoleSums

COLUMNS = [
    *("definition", "site", "layer", "head", "role", "family", "statistic", "n", "hit", "mass"),
    *("baseline", "lift", "ci_low", "ci_high", "p", "q", "stability", "strength", "detectable"),
    *("guess_pos", "lift_pos", "lift_pos_low", "lift_pos_high", "effective_blocks", "fewer_effective_blocks"),
]
KEYS = ["definition", "role", "site", "layer", "head"]


def classify(
    sums: RoleSums,
    scores: pd.DataFrame,
    criteria: Criteria = STANDARD,
    *,
    seed: int = 0,
    splits: int = 20,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The `roles` table: one row per head and role that it has, or one row `unclassified`; numbers are confirm's.

    `statistic` says whether `hit` or `mass` is the number that `baseline` and `lift` are of, over `n` scored queries.

    A head has a role when lift ≥ `margin` on confirm and on select, q ≤ `alpha` (of the `criteria`), and, for a role
    judged by hits, the hit rate on confirm also exceeds confirm's own best baseline by `margin` and `word_mass` ≥
    `min_word_mass` (the attention on words or mentions; over tokens there is no such share, and it is not asked).
    `scores` is the score table of the same sums. With `correction` `max_t` its `p_max_t`, which bounds the family-wise
    error, stands for q. `detectable` is the smallest lift that could have been shown of this head, with 80 % power: of
    the role; of an unclassified head, that of the median testable role. `lift_pos`, over the annotation baseline
    `guess_pos`, `effective_blocks`, how many blocks decide, and `fewer_effective_blocks`, how many do in the half with
    fewer, stand beside the role and decide nothing.
    """
    halves = split_blocks(sums.n.shape[1])
    confirm, select = (_scores_of(sums, scores, split) for split in ("confirm", "select"))
    confirm["fewer_effective_blocks"] = np.minimum(confirm["effective_blocks"], select["effective_blocks"])
    corrected = confirm["q" if criteria.correction == "bh" else "p_max_t"].to_numpy(dtype=np.float64)
    q = corrected.reshape(len(sums.roles), len(sums.heads))
    convincing = _convincing(sums, halves["select"], halves["confirm"], criteria)
    assigned = convincing & (q <= criteria.alpha)

    kept = np.zeros(assigned.shape)
    generator = np.random.default_rng(seed)
    for _ in progress(range(splits), "stability"):
        select, rest = np.sort(generator.permutation(sums.n.shape[1]).reshape(2, -1), axis=1)
        convincing = assigned & _convincing(sums, select, rest, criteria)
        testable = is_testable(sums, select, rest, criteria)
        kept += _discovered(sums, select, rest, convincing & testable[:, None], testable, criteria, seed)
    confirm["stability"] = (kept / splits if splits else np.full(kept.shape, np.nan)).ravel()
    confirm["strength"] = confirm["mass"]

    heads = pd.DataFrame(
        {
            "site": [head[0] for head in sums.heads],
            "layer": [head[1] for head in sums.heads],
            "head": [head[2] for head in sums.heads],
        }
    )
    table = heads.merge(confirm[assigned.ravel()].reset_index(), on=["site", "layer", "head"], how="left")
    # without any role these columns are empty, and would lose their type
    every = confirm.reset_index().groupby(["site", "layer", "head"])["detectable"].median()
    table["detectable"] = table["detectable"].fillna(
        table[["site", "layer", "head"]].merge(every.reset_index(), how="left")["detectable"]
    )
    texts = ("definition", "role", "family", "statistic", "guess_pos")
    table = table.astype({**dict.fromkeys(texts, "str"), "n": "Int64"}).fillna({"role": "unclassified"})
    table = table.sort_values(
        ["site", "layer", "head", "lift"], ascending=[True, True, True, False], kind="stable", ignore_index=True
    )
    return table[COLUMNS]


def untestable(sums: RoleSums, criteria: Criteria = STANDARD) -> list[str]:
    """The names of the roles that this corpus is too small to test, in the order of `sums.roles`."""
    halves = split_blocks(sums.n.shape[1])
    testable = is_testable(sums, halves["select"], halves["confirm"], criteria)
    tested = {role.name for role, enough in zip(sums.roles, testable, strict=True) if enough}
    return list(dict.fromkeys(role.name for role in sums.roles if role.name not in tested))


def shortfall(sums: RoleSums, criteria: Criteria = STANDARD) -> pd.DataFrame:
    """What each untestable role is missing: one row per role and half that lacks scored queries or non-empty blocks.

    `queries` and `blocks` are what there is, `more_queries` and `more_blocks` how many more would do. Of a role that
    stands several times, for heads that see different keys, this is about the row with most queries.
    """
    most = {}
    for index in np.argsort(sums.n.sum(axis=1), kind="stable"):
        most[sums.roles[index].definition, sums.roles[index].name] = int(index)
    rows = [
        (sums.roles[index].definition, sums.roles[index].name, half, int(n.sum()), int((n > 0).sum()))
        for index in sorted(most.values())
        for half in ("select", "confirm")
        for n in [sums.n[index, split_blocks(sums.n.shape[1])[half]]]
    ]
    table = pd.DataFrame(rows, columns=["definition", "role", "half", "queries", "blocks"])
    table["more_queries"] = (criteria.min_queries - table["queries"]).clip(lower=0)
    table["more_blocks"] = (criteria.min_blocks - table["blocks"]).clip(lower=0)
    return table[(table["more_queries"] > 0) | (table["more_blocks"] > 0)].reset_index(drop=True)


def _scores_of(sums: RoleSums, scores: pd.DataFrame, split: str) -> pd.DataFrame:
    """A split's rows in the order of roles × heads; empty for a role without a scored query there."""
    pairs = [(role.definition, role.name, *head) for role in sums.roles for head in sums.heads]
    rows = scores[scores["split"] == split].set_index(KEYS)
    return rows.reindex(pd.MultiIndex.from_tuples(pairs, names=KEYS))


def _convincing(
    sums: RoleSums,
    select: Int[np.ndarray, " half"],
    confirm: Int[np.ndarray, " half"],
    criteria: Criteria,
) -> Bool[np.ndarray, "role head"]:
    """All that a role asks of a head but q: its size in both halves, and attention spent on what it chooses from."""
    baseline, best_on_confirm = best_baselines(sums, select), best_baselines(sums, confirm)
    large = (lift(sums, baseline, select) >= criteria.margin) & (lift(sums, baseline, confirm) >= criteria.margin)
    # a baseline chosen on select can be a bad one on confirm
    large &= lift(sums, best_on_confirm, confirm) >= criteria.margin

    word_mass = mean_over_queries(sums.word_mass[:, :, confirm].sum(axis=-1), sums, confirm)
    asked = np.array([role.asks_word_mass for role in sums.roles], dtype=bool)
    return sums.applies & large & (~asked[:, None] | (word_mass >= criteria.min_word_mass))


def _discovered(
    sums: RoleSums,
    select: Int[np.ndarray, " half"],
    confirm: Int[np.ndarray, " half"],
    wanted: Bool[np.ndarray, "role head"],
    testable: Bool[np.ndarray, " role"],
    criteria: Criteria,
    seed: int,
) -> Bool[np.ndarray, "role head"]:
    """The `wanted` heads and roles with q ≤ alpha among all testable ones, without testing what cannot matter.

    A p-value that is taken for 1 can only raise the q of others, and one above alpha leaves every decision q ≤ alpha as
    it is. So test the wanted ones first, and the rest only where one of them is still open.
    """
    D = excess(sums, best_baselines(sums, select), confirm)
    known = np.isfinite(D).all(axis=-1)
    signs = sign_vectors(seed, sums.n.shape[1])[confirm]
    tested = testable[:, None] & sums.applies & known
    if criteria.correction == "max_t":
        found = np.zeros(wanted.shape, dtype=bool)
        if wanted.any():
            found[wanted] = max_t_p(D[wanted], largest_under_flips(D[tested], signs)) <= criteria.alpha
        return found
    p = np.where(tested, 1.0, np.nan)
    p[wanted] = sign_flip_p(D[wanted], signs)
    q = benjamini_hochberg(p)
    if (wanted & (p <= criteria.alpha) & (q > criteria.alpha)).any():
        rest = tested & ~wanted & _may_reach(D, criteria.alpha)
        p[rest] = sign_flip_p(D[rest], signs)
        q = benjamini_hochberg(p)
    return wanted & (q <= criteria.alpha)


def _may_reach(D: Float[np.ndarray, "role head block"], alpha: float) -> Bool[np.ndarray, "role head"]:
    """Whether p ≤ alpha is possible: a random-sign sum reaches its own norm with probability ≥ 3/32.

    So a sum below its norm has p ≥ 0.09 (Dvořák, van Hintum & Tiba 2020), 15 standard errors of sampling above 0.08.
    """
    if alpha > 0.08:
        return np.ones(D.shape[:2], dtype=bool)
    return D.sum(axis=-1) > np.sqrt(np.square(D).sum(axis=-1))
