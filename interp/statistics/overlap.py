"""How far sets of heads agree, beside what sets of the same sizes drawn at random would."""

import numpy as np
from jaxtyping import Bool
from scipy.stats import hypergeom


def jaccard(one: Bool[np.ndarray, " head"], other: Bool[np.ndarray, " head"]) -> float:
    """How many heads are in both ÷ how many are in either (Jaccard 1912); NaN where both are empty."""
    either = np.count_nonzero(one | other)
    return np.count_nonzero(one & other) / either if either else float("nan")


def expected_jaccard(one: int, other: int, heads: int) -> float:
    """The mean of that over random sets of these sizes among so many heads: the overlap is hypergeometric."""
    if not one + other:
        return float("nan")
    overlap = np.arange(min(one, other) + 1)
    return float((hypergeom.pmf(overlap, heads, one, other) * overlap / (one + other - overlap)).sum())
