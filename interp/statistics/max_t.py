"""Family-wise error over all tests of a run: single-step max-T (Westfall & Young 1993, section 2.3), by sign flips.

Each test's sum is studentised, T = Σ D_b / √(Σ D_b²), which no sign flip changes in its denominator, so that tests of
any scale compete alike. All tests share each vector of signs, which keeps how they depend on one another: heads and
roles of the same documents are anything but independent, and where they go together the correction is small.
"""

import numpy as np
from jaxtyping import Float, Int8

TOLERANCE = 1e-9
"""Statistics this close are equal."""

CELLS_AT_ONCE = 1 << 19


def max_t_p(D: Float[np.ndarray, "test block"], largest: Float[np.ndarray, " vector"]) -> Float[np.ndarray, " test"]:
    """p = (c + 1) / (vectors + 1), with c the vectors under which the largest T of all tests reaches this test's T.

    `largest` is what `largest_under_flips` gives of all tests. At most alpha of all runs hold a p ≤ alpha of any test
    without an effect, whatever effects others have: the largest T of all is never below that of those without. NaN
    where any D_b is NaN or infinite, and everywhere where `largest` has NaN.
    """
    ascending, T = np.sort(largest), studentised(D).sum(axis=1)
    reaching = len(largest) - np.searchsorted(ascending, T - TOLERANCE, side="left")
    known = ~np.isnan(T) & ~np.isnan(largest).any()
    return np.where(known, (reaching + 1) / (len(largest) + 1), np.nan)


def critical_value_of_max_t(largest: Float[np.ndarray, " vector"], alpha: float) -> float:
    """The T that a test has to exceed for its `max_t_p` to be at most alpha; ∞ where none is enough, NaN of NaN."""
    if np.isnan(largest).any():
        return float("nan")
    allowed = int(np.floor(alpha * (len(largest) + 1) + TOLERANCE)) - 1
    if allowed < 0:
        return float("inf")
    return float(np.sort(largest)[::-1][min(allowed, len(largest) - 1)])


def largest_under_flips(
    D: Float[np.ndarray, "test block"], signs: Int8[np.ndarray, "block vector"]
) -> Float[np.ndarray, " vector"]:
    """The largest T of all tests under each vector of signs, some vectors at a time; −∞ without any test.

    Rows that hold NaN or ∞ are no tests.
    """
    T = studentised(D)
    T = T[~np.isnan(T).any(axis=1)]
    largest = np.full(signs.shape[1], -np.inf)
    if not len(T):
        return largest
    step = max(1, CELLS_AT_ONCE // len(T))
    for start in range(0, signs.shape[1], step):
        some = slice(start, start + step)
        largest[some] = (T @ signs[:, some].astype(np.float64)).max(axis=0)
    return largest


def studentised(D: Float[np.ndarray, "test block"]) -> Float[np.ndarray, "test block"]:
    """D_b / √(Σ D_b²); 0 where all blocks are, NaN where any is NaN or infinite."""
    known = np.isfinite(D).all(axis=1, keepdims=True)
    length = np.sqrt(np.square(np.where(known, D, 0.0)).sum(axis=1, keepdims=True))
    return np.where(known, np.divide(D, length, out=np.zeros_like(D), where=known & (length > 0)), np.nan)
