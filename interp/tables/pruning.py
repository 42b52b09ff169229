"""The tables of a pruning curve: what a model is still good for while more and more of its heads are ablated.

Each has, beside one row for every order, rows for the mean over the random orders: `random` without an `order_seed`.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.statistics.bootstrap import bootstrap_interval
from interp.statistics.nan_handling import finite_or_nan
from interp.sums import PruningSums

RANDOM = "random"


def curve_table(sums: Sequence[PruningSums], *, seed: int, min_blocks: int = 12) -> pd.DataFrame:
    """The table `pruning_curve`: one row per metric, order and step, the `value` a mean over `n` documents."""
    return pd.concat([_curve(_with_mean_of_random(one), seed, min_blocks) for one in sums], ignore_index=True)


def _curve(sums: PruningSums, seed: int, min_blocks: int) -> pd.DataFrame:
    value, low, high = _mean_and_interval(sums.value, sums.n, seed, min_blocks)
    return _steps(sums).assign(value=value.ravel(), ci_low=low.ravel(), ci_high=high.ravel())


def area_table(sums: Sequence[PruningSums], *, seed: int, min_blocks: int = 12) -> pd.DataFrame:
    """The table `pruning_area`: one row per metric and order, the area under metric against share of heads left.

    By the trapezoid rule. `difference` is what an order's area has over the mean of the random orders', on the same
    documents; its interval resamples documents and takes the random orders as given. None for random orders themselves.
    """
    return pd.concat([_areas(_with_mean_of_random(one), seed, min_blocks) for one in sums], ignore_index=True)


def _areas(sums: PruningSums, seed: int, min_blocks: int) -> pd.DataFrame:
    # the share that is ablated rises by as much as the share left falls: the same area
    areas = np.trapezoid(sums.value, x=sums.removed / sums.heads, axis=1)
    area, low, high = _mean_and_interval(areas, sums.n, seed, min_blocks)
    over_random = np.full_like(areas, np.nan)
    if (RANDOM, None) in sums.orders:
        over_random = areas - areas[sums.orders.index((RANDOM, None))]
    over_random[[name == RANDOM for name, _ in sums.orders]] = np.nan
    difference, difference_low, difference_high = _mean_and_interval(over_random, sums.n, seed, min_blocks)
    return pd.DataFrame(
        {
            "order": [name for name, _ in sums.orders],
            "order_seed": pd.array([number for _, number in sums.orders], dtype="Int64"),
            "ablation": sums.ablation,
            "metric": sums.metric,
            "n": sums.n.sum(),
            "area": area,
            "ci_low": low,
            "ci_high": high,
            "difference": difference,
            "difference_ci_low": difference_low,
            "difference_ci_high": difference_high,
        }
    )


def joint_effect_table(sums: Sequence[PruningSums], *, seed: int, min_blocks: int = 12) -> pd.DataFrame:
    """The table `joint_effects`: what the ablated heads cost together, beside the sum of what each costs alone.

    Together more than the sum (`ratio` above 1, `excess` above 0): the heads stand in for each other, and the others
    make up for one that is ablated alone (redundancy, self-repair). Less: they work in series, or the metric has no
    more to lose. A metric that measures the size of a change (cosine, divergence) grows with the square of a small
    change: there heads that write in the same direction exceed the sum, too. `ratio` is empty where the sum is 0.
    """
    return pd.concat([_joint(_with_mean_of_random(one), seed, min_blocks) for one in sums], ignore_index=True)


def _joint(sums: PruningSums, seed: int, min_blocks: int) -> pd.DataFrame:
    joint_sums = sums.value[:, :1] - sums.value
    joint, low, high = _mean_and_interval(joint_sums, sums.n, seed, min_blocks)
    alone, _, _ = _mean_and_interval(sums.alone, sums.n, seed, min_blocks)
    excess, excess_low, excess_high = _mean_and_interval(joint_sums - sums.alone, sums.n, seed, min_blocks)
    ratio = joint / np.where(alone == 0, np.nan, alone)
    columns = {
        "joint_effect": joint,
        "ci_low": low,
        "ci_high": high,
        "sum_of_effects": alone,
        "ratio": ratio,
        "excess": excess,
        "excess_ci_low": excess_low,
        "excess_ci_high": excess_high,
    }
    return _steps(sums).assign(**{name: values.ravel() for name, values in columns.items()})


def _with_mean_of_random(sums: PruningSums) -> PruningSums:
    """One more order, `random` without a seed: the mean over those with one, where there are any."""
    sums = replace(sums, value=finite_or_nan(sums.value), alone=finite_or_nan(sums.alone))
    rows = [row for row, (name, _) in enumerate(sums.orders) if name == RANDOM]
    if not rows:
        return sums
    value, alone = (
        np.concatenate([table, table[rows].mean(axis=0, keepdims=True)]) for table in (sums.value, sums.alone)
    )
    return replace(sums, orders=(*sums.orders, (RANDOM, None)), value=value, alone=alone)


def _steps(sums: PruningSums) -> pd.DataFrame:
    """The columns that say which order and step a row is about."""
    orders, steps = len(sums.orders), len(sums.removed)
    left = np.tile(sums.heads - sums.removed, orders)
    return pd.DataFrame(
        {
            "order": np.repeat([name for name, _ in sums.orders], steps),
            "order_seed": pd.array([number for _, number in sums.orders], dtype="Int64").repeat(steps),
            "ablation": sums.ablation,
            "metric": sums.metric,
            "heads_left": left,
            "share_left": left / sums.heads,
            "n": sums.n.sum(),
        }
    )


def _mean_and_interval(
    total: Float[np.ndarray, "*row block"], n: Int[np.ndarray, " block"], seed: int, min_blocks: int
) -> tuple[Float[np.ndarray, "*row"], Float[np.ndarray, "*row"], Float[np.ndarray, "*row"]]:
    """The mean over documents of each row of block sums, and the ends of its interval."""
    documents = n.sum()
    mean = total.sum(axis=-1) / (documents if documents > 0 else np.nan)
    low, high = bootstrap_interval(total.reshape(-1, len(n)), n, seed=seed, min_blocks=min_blocks)
    return mean, low.reshape(mean.shape), high.reshape(mean.shape)
