"""How far two measures rank heads alike, with an interval over blocks of documents."""

import numpy as np
from jaxtyping import Float, Int
from scipy.stats import rankdata

from interp.statistics.bootstrap import bootstrap_interval_of

AT_ONCE = 512
"""Resamples that are ranked together."""


def rank_correlation(
    first: Float[np.ndarray, "head draw"], second: Float[np.ndarray, "head draw"]
) -> Float[np.ndarray, " draw"]:
    """Spearman's correlation over heads, draw by draw; NaN where one measure is the same for all heads."""
    one, other = (rankdata(values, axis=0) for values in (first, second))
    one, other = (ranks - ranks.mean(axis=0) for ranks in (one, other))
    size = np.sqrt((one**2).sum(axis=0) * (other**2).sum(axis=0))
    return np.divide((one * other).sum(axis=0), size, out=np.full(len(size), np.nan), where=size > 0)


def rank_agreement(
    first: Float[np.ndarray, "head block"],
    second: Float[np.ndarray, "head block"],
    n: Int[np.ndarray, " block"],
    *,
    size: bool = False,
    seed: int,
    min_blocks: int = 12,
) -> tuple[float, float, float]:
    """Spearman's correlation of two means over documents, given as sums over the n of each block; and its interval.

    With `size` signs do not count. Both are resampled together, block by block. A measure that is not of these blocks
    is given as its value times `n`, and so held fixed.
    """
    filled = n > 0

    def correlation(counts: Float[np.ndarray, "block draw"]) -> Float[np.ndarray, "one draw"]:
        parts = []
        for start in range(0, counts.shape[1], AT_ONCE):
            some = counts[:, start : start + AT_ONCE]
            means = [one[:, filled] @ some / (n[filled] @ some) for one in (first, second)]
            parts.append(rank_correlation(*(np.abs(one) if size else one for one in means)))
        return np.concatenate(parts)[None]

    whole = correlation(np.ones((int(filled.sum()), 1)))[0, 0]
    (low,), (high,) = bootstrap_interval_of(correlation, n, tests=1, seed=seed, min_blocks=min_blocks)
    return float(whole), float(low), float(high)
