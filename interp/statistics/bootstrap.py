"""Intervals from resampled blocks of documents, widened where few blocks or very uneven ones carry the sum."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, UInt8
from scipy.stats import norm, t

from interp.statistics.nan_handling import finite_or_nan
from interp.statistics.tails import tail_quantiles

RESAMPLES = 9_999


def bootstrap_interval(
    D: Float[np.ndarray, "test block"],
    n: Int[np.ndarray, " block"],
    *,
    seed: int,
    min_blocks: int = 12,
) -> tuple[Float[np.ndarray, " test"], Float[np.ndarray, " test"]]:
    """The 95 % percentile bootstrap interval of ΣD_b / Σn_b of every test: 9,999 resamples of the non-empty blocks.

    The tails are expanded as Hesterberg (2015, section 5.2) does for small samples: α′ = Φ(−√(G/(G−1)) · t₀.₉₇₅,G₋₁),
    with the effective number of blocks G = (Σn)²/Σn². NaN where fewer than `min_blocks` blocks are not empty, and for a
    test with any D_b that is NaN or infinite.
    """
    filled, D = n > 0, finite_or_nan(D)

    def means(counts: Float[np.ndarray, "block resample"]) -> Float[np.ndarray, "test resample"]:
        return (D[:, filled] @ counts) / (n[filled] @ counts)

    return bootstrap_interval_of(means, n, tests=len(D), seed=seed, min_blocks=min_blocks)


def bootstrap_interval_of(
    statistic: Callable[[Float[np.ndarray, "block resample"]], Float[np.ndarray, "test resample"]],
    n: Int[np.ndarray, " block"],
    *,
    tests: int,
    seed: int,
    min_blocks: int = 12,
) -> tuple[Float[np.ndarray, " test"], Float[np.ndarray, " test"]]:
    """The same for any statistic, given how often each non-empty block (n > 0) stands in each resample.

    NaN for a test whose statistic is NaN or infinite in any resample.
    """
    weights, effective = n[n > 0], effective_blocks(n)
    if len(weights) < min_blocks or effective <= 1:
        return np.full(tests, np.nan), np.full(tests, np.nan)
    resampled = statistic(_resample_counts(seed, len(weights)).astype(np.float64))
    tail = norm.cdf(-np.sqrt(effective / (effective - 1)) * t.ppf(0.975, effective - 1))
    return tail_quantiles(finite_or_nan(resampled), float(tail))


def effective_blocks(n: Int[np.ndarray, " block"]) -> float:
    """G = (Σn)²/Σn²: the number of blocks if all are of one size, fewer the less even they are (Kish 1965)."""
    sizes = n.astype(np.float64)
    return float(sizes.sum() ** 2 / np.square(sizes).sum()) if n.any() else 0.0


@lru_cache(maxsize=64)
def _resample_counts(seed: int, blocks: int) -> UInt8[np.ndarray, "block resample"]:
    """How often each block is drawn in each resample: the same for all roles with as many blocks."""
    drawn = np.random.default_rng(seed).integers(blocks, size=(RESAMPLES, blocks))
    cells = drawn * RESAMPLES + np.arange(RESAMPLES)[:, None]
    counts = np.bincount(cells.ravel(), minlength=blocks * RESAMPLES).reshape(blocks, RESAMPLES).astype(np.uint8)
    counts.flags.writeable = False
    return counts
