"""How much a head does better than a baseline that needs no model, per scored query; and what can be tested at all.

Every function takes the blocks it is about, so that the fixed halves and random re-splits go the same way.
"""

import numpy as np
from jaxtyping import Bool, Float, Int

from interp.statistics.criteria import STANDARD, Criteria
from interp.statistics.nan_handling import finite_or_nan
from interp.statistics.ties import earliest_best
from interp.sums import RoleSums


def split_blocks(blocks: int = 64) -> dict[str, Int[np.ndarray, " block"]]:
    """The blocks of each split: even ones select, odd ones confirm."""
    every = np.arange(blocks)
    return {"select": every[::2], "confirm": every[1::2], "all": every}


def best_baselines(sums: RoleSums, blocks: Int[np.ndarray, " some"]) -> Int[np.ndarray, " role"]:
    """Each role's best baseline on these blocks, as a place in `sums.baselines`; the earlier one in a tie.

    Without a scored query all baselines tie, and the first one is taken.
    """
    credit = sums.baseline[:, :, blocks].sum(axis=-1)
    best = np.zeros(len(sums.roles), dtype=np.int64)
    for index, role in enumerate(sums.roles):
        places = np.array([sums.baselines.index(name) for name in role.baselines])
        best[index] = places[earliest_best(credit[index, places])]
    return best


def excess(
    sums: RoleSums, baseline: Int[np.ndarray, " role"], blocks: Int[np.ndarray, " some"]
) -> Float[np.ndarray, "role head some"]:
    """D_b: the sum over a block's queries of the role's statistic minus the credit of `baseline` on it; NaN for ∞."""
    by_hit = np.array([role.statistic == "hit" for role in sums.roles], dtype=bool)
    statistic = np.where(by_hit[:, None, None], sums.hit[:, :, blocks], sums.mass[:, :, blocks])
    return finite_or_nan(finite_or_nan(statistic) - baseline_credit(sums, baseline, blocks)[:, None, :])


def mean_over_queries(
    total: Float[np.ndarray, "role head"], sums: RoleSums, blocks: Int[np.ndarray, " some"]
) -> Float[np.ndarray, "role head"]:
    """A sum over these blocks, divided by their scored queries; NaN where there are none, and for ∞."""
    queries = sums.n[:, blocks].sum(axis=1)
    return finite_or_nan(total) / np.where(queries > 0, queries, np.nan)[:, None]


def lift(
    sums: RoleSums, baseline: Int[np.ndarray, " role"], blocks: Int[np.ndarray, " some"]
) -> Float[np.ndarray, "role head"]:
    """Σ D_b / Σ n_b: how much a head does better than the baseline, per scored query."""
    return mean_over_queries(excess(sums, baseline, blocks).sum(axis=-1), sums, blocks)


def is_testable(
    sums: RoleSums,
    select: Int[np.ndarray, " half"],
    confirm: Int[np.ndarray, " half"],
    criteria: Criteria = STANDARD,
) -> Bool[np.ndarray, " role"]:
    """Whether each half holds `min_queries` scored queries of a role, in `min_blocks` non-empty blocks."""
    halves = [sums.n[:, select], sums.n[:, confirm]]
    enough = [(n.sum(axis=1) >= criteria.min_queries) & ((n > 0).sum(axis=1) >= criteria.min_blocks) for n in halves]
    return enough[0] & enough[1]


def baseline_credit(
    sums: RoleSums, baseline: Int[np.ndarray, " role"], blocks: Int[np.ndarray, " some"]
) -> Float[np.ndarray, "role some"]:
    """What the baseline earned in each block."""
    return sums.baseline[np.arange(len(sums.roles)), baseline][:, blocks]
