"""How many heads do different things: redundancy within and between layers, and the effective number of heads."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from interp.statistics.bootstrap import bootstrap_interval_of
from interp.statistics.nan_handling import finite_or_nan

LARGEST = np.log(2)
"""Nats: the Jensen–Shannon divergence of two distributions that have no key in common."""
ZERO = 1e-12
"""Eigenvalues below are those of heads that are the same, and rounding."""


class Estimate(NamedTuple):
    """A number and the ends of its 95 % interval, NaN where there are too few blocks for one."""

    value: float
    low: float
    high: float


def square(pairs: Float[np.ndarray, " pair"], heads: int) -> Float[np.ndarray, "head other"]:
    """A symmetric matrix with zeros on its diagonal, from its upper triangle."""
    whole = np.zeros((heads, heads))
    whole[np.triu_indices(heads, 1)] = pairs
    return whole + whole.T


def effective_number(similarity: Float[np.ndarray, "head other"]) -> float:
    """exp(−Σ λ log λ) over the eigenvalues λ of K/n (Friedman & Dieng 2023, definition 3.1: the Vendi score).

    K is symmetric, positive semidefinite, with ones on its diagonal: 1 where all n are the same, n where no two have
    anything in common. NaN where K is not finite.
    """
    if not np.isfinite(similarity).all():
        return float("nan")
    eigenvalues = np.linalg.eigvalsh(similarity / len(similarity))
    kept = eigenvalues[eigenvalues > ZERO]
    return float(np.exp(-(kept * np.log(kept)).sum()))


def similarity_of(distance: Float[np.ndarray, "head other"]) -> Float[np.ndarray, "head other"]:
    """K = 1 − JS/log 2, which is positive semidefinite (Hein & Bousquet 2005): 1 for the same rows, 0 without a key in
    common.
    """
    return 1 - distance / LARGEST


def effective_heads(
    pairs: Float[np.ndarray, "pair block"], n: Int[np.ndarray, " block"], heads: int, *, seed: int, min_blocks: int
) -> Estimate:
    """The effective number of heads by K = 1 − mean JS/log 2, with its interval over blocks of documents.

    In resamples log of the number is taken to first order in K (the delta method), so that no resample needs
    eigenvalues of its own. Raises nothing; NaN where a divergence is not finite.
    """
    filled, pairs = n > 0, finite_or_nan(pairs)
    if heads < 2 or not filled.any() or not np.isfinite(pairs).all():
        return Estimate(float(heads) if heads == 1 and filled.any() else float("nan"), float("nan"), float("nan"))
    whole = similarity_of(square(pairs.sum(1) / n.sum(), heads))
    eigenvalues, vectors = np.linalg.eigh(whole / heads)
    # heads that are the same are the same in every block: their difference has no share in any resample
    slope = np.where(eigenvalues > ZERO, -np.log(np.maximum(eigenvalues, ZERO)) - 1, 0.0)
    gradient = (vectors * slope) @ vectors.T / heads
    # of a pair, which stands twice in K; K changes by −1/log 2 where a divergence grows
    by_pair = -2 * gradient[np.triu_indices(heads, 1)] / LARGEST
    influence = by_pair @ pairs[:, filled]
    value, at = effective_number(whole), influence.sum() / n.sum()

    def resampled(drawn: Float[np.ndarray, "block resample"]) -> Float[np.ndarray, "test resample"]:
        change = (influence @ drawn) / (n[filled] @ drawn) - at
        return value * np.exp(change)[None]

    low, high = bootstrap_interval_of(resampled, n, tests=1, seed=seed, min_blocks=min_blocks)
    return Estimate(value, float(low[0]), float(high[0]))


def mean_distance(
    pairs: Float[np.ndarray, "pair block"],
    n: Int[np.ndarray, " block"],
    chosen: Bool[np.ndarray, " pair"],
    less: Bool[np.ndarray, " pair"] | None = None,
    *,
    seed: int,
    min_blocks: int,
) -> Estimate:
    """The mean divergence of the chosen pairs, in nats, less that of others where they are given, with its interval.

    NaN where there is no such pair, no query, or a divergence that is not finite.
    """
    sides = [chosen] if less is None else [chosen, less]
    if not n.any() or not all(side.any() for side in sides):
        return Estimate(float("nan"), float("nan"), float("nan"))
    pairs = finite_or_nan(pairs)
    means = [pairs[side].mean(0) for side in sides]
    blocks = means[0] if less is None else means[0] - means[1]
    filled = n > 0

    def resampled(drawn: Float[np.ndarray, "block resample"]) -> Float[np.ndarray, "test resample"]:
        return ((blocks[filled] @ drawn) / (n[filled] @ drawn))[None]

    low, high = bootstrap_interval_of(resampled, n, tests=1, seed=seed, min_blocks=min_blocks)
    return Estimate(float(blocks.sum() / n.sum()), float(low[0]), float(high[0]))
