"""The quantiles of both tails of many samples, which are all that intervals need of their resamples."""

import numpy as np
from jaxtyping import Float

PROBE = 1000
"""So many values of a sample, the first ones, say where its tails begin."""


def tail_quantiles(
    samples: Float[np.ndarray, "test value"], tail: float
) -> tuple[Float[np.ndarray, " test"], Float[np.ndarray, " test"]]:
    """`np.quantile(samples, [tail, 1 − tail], axis=1)` to the last bit; NaN for a sample with any NaN.

    Samples have two values or more. Only what lies in a tail is put in order, which takes half the time.
    """
    low, high = np.full((2, len(samples)), np.nan)
    probes = np.sort(samples[:, :PROBE], axis=1)
    size = probes.shape[1]
    # further inside than the quantile by four standard errors of a place among so many
    place = min(int(tail * size + 4 * np.sqrt(tail * size)) + 2, size - 1)
    for test in np.flatnonzero(~np.isnan(samples).any(axis=1)):
        sample, below, above = samples[test], probes[test, place], probes[test, -1 - place]
        low[test] = _quantile(sample, sample[sample <= below], 0, tail)
        largest = sample[sample >= above]
        high[test] = _quantile(sample, largest, len(sample) - len(largest), 1 - tail)
    return low, high


def _quantile(
    sample: Float[np.ndarray, " value"], part: Float[np.ndarray, " some"], before: int, share: float
) -> float:
    """The quantile of a sample, given a part of it that follows `before` smaller values; of all where it is not there.

    Between two values numpy goes from the nearer one, which decides the last bit.
    """
    position = (len(sample) - 1) * share
    # the last of all values is reached from the one before it
    lower = min(int(position), len(sample) - 2)
    if not before <= lower < before + len(part) - 1:
        part, before = sample, 0
    place = lower - before
    low, high = np.partition(part, (place, place + 1))[place : place + 2]
    weight = position - lower
    return low + (high - low) * weight if weight < 0.5 else high - (high - low) * (1 - weight)
