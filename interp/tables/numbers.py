"""Means of numbers of heads, with intervals over blocks of documents, each under the id of its definition."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Num

from interp.heads import HEAD
from interp.statistics.bootstrap import bootstrap_interval_of
from interp.statistics.nan_handling import finite_or_nan
from interp.sums import NumberSums


def number_table(sums: NumberSums, *, seed: int, min_blocks: int = 12) -> pd.DataFrame:
    """One row per number and head that has one: `definition site layer head n value ci_low ci_high`.

    `value` is Σ total / Σ n, of ratios Σ total / Σ over; its 95 % interval is empty where fewer than `min_blocks`
    blocks hold any of the n.
    """
    n, over = sums.n.sum(axis=-1), sums.n if sums.over is None else sums.over
    value = _divided(sums.total.sum(axis=-1), over.sum(axis=-1))
    interval = np.full((2, *value.shape), np.nan)
    for number, counts in enumerate(sums.n):
        # heads that were asked alike are resampled together
        groups, member = np.unique(counts, axis=0, return_inverse=True)
        for group, blocks in enumerate(groups):
            alike = member.ravel() == group
            filled = blocks > 0
            totals = finite_or_nan(sums.total[number, alike][:, filled])
            divisors = finite_or_nan(over[number, alike][:, filled].astype(np.float64))

            def mean(drawn: np.ndarray, totals: np.ndarray = totals, divisors: np.ndarray = divisors) -> np.ndarray:
                return _divided(totals @ drawn, divisors @ drawn)

            interval[:, number, alike] = bootstrap_interval_of(
                mean, blocks, tests=len(totals), seed=seed, min_blocks=min_blocks
            )
    heads = pd.DataFrame(list(sums.heads), columns=HEAD)
    frames = [
        heads.assign(n=n[number], value=value[number], ci_low=interval[0, number], ci_high=interval[1, number])
        for number in range(len(sums.definitions))
    ]
    table = pd.concat(frames, keys=sums.definitions, names=["definition", None]).reset_index("definition")
    return table[table["n"] > 0].reset_index(drop=True)


def _divided(total: Float[np.ndarray, "*shape"], over: Num[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    return finite_or_nan(total) / np.where(np.isfinite(over) & (over > 0), over, np.nan)
