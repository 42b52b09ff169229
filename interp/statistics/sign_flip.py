"""Is the sum over blocks of documents above zero? Sign-flip tests (Fisher 1935), one random draw shared by all tests.

Under the null the excess D_b of each block is as likely to be negative as positive, so that flipping its sign changes
nothing. p is the share of all sign vectors whose sum reaches the observed one.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Bool, Float, Int8

VECTORS = 99_999
TOLERANCE = 1e-9  # of Σ|D|: sums this close are equal
EXACT_BELOW = 10  # sampled vectors that reach the observed sum
EXACT_BLOCKS = 32
TESTS_AT_ONCE = 32


@lru_cache(maxsize=4)
def sign_vectors(seed: int, blocks: int = 64) -> Int8[np.ndarray, "block {VECTORS}"]:
    """The 99,999 vectors of ±1 that all tests of a run share; a split takes the rows of its blocks."""
    coins = np.random.default_rng(seed).integers(0, 2, size=(VECTORS, blocks), dtype=np.int8)
    signs = np.ascontiguousarray(2 * coins.T - 1)
    signs.flags.writeable = False
    return signs


def sign_flip_p(
    D: Float[np.ndarray, "test block"],
    signs: Int8[np.ndarray, "block vector"],
    *,
    two_sided: bool = False,
    exact: bool = True,
) -> Float[np.ndarray, " test"]:
    """The p-value of ΣD_b > 0 (two-sided: ≠ 0) of every test.

    With c sampled sign vectors whose sum is ≥ the observed one − 1e-9·Σ|D_b|, p = (c + 1)/100,000. Where c < 10 and at
    most 32 blocks are not zero, p is exact instead, unless `exact` is false.
    """
    observed, tolerance = D.sum(axis=1), TOLERANCE * np.abs(D).sum(axis=1)
    least = (np.abs(observed) if two_sided else observed) - tolerance
    reached = _count_reaching(D, signs.astype(np.float64), least, two_sided)
    p = (reached + 1) / (signs.shape[1] + 1)
    if exact:
        few_blocks = (D != 0).sum(axis=1) <= EXACT_BLOCKS
        for test in np.flatnonzero((reached < EXACT_BELOW) & few_blocks):
            p[test] = exact_p(D[test], two_sided=two_sided)
    return p


def _count_reaching(
    D: Float[np.ndarray, "test block"],
    signs: Float[np.ndarray, "block vector"],
    least: Float[np.ndarray, " test"],
    two_sided: bool,
) -> np.ndarray:
    counts = np.zeros(len(D), dtype=np.int64)
    for start in range(0, len(D), TESTS_AT_ONCE):
        tests = slice(start, start + TESTS_AT_ONCE)
        sums = D[tests] @ signs
        if two_sided:
            np.abs(sums, out=sums)
        reached: Bool[np.ndarray, "test vector"] = sums >= least[tests, None]
        counts[tests] = [np.count_nonzero(row) for row in reached]
    return counts


def exact_p(D: Float[np.ndarray, " block"], *, two_sided: bool = False) -> float:
    """The share of all sign vectors whose sum is ≥ ΣD_b − 1e-9·Σ|D_b| (two-sided: twice that of |ΣD_b|, at most 1).

    Flipping the blocks F changes the sum by −2·Σ_F D_b. With G = the positive blocks in F and the negative ones outside
    it, the flipped sum is large enough exactly where Σ_G |D_b| ≤ Σ_{D_b<0} |D_b| + tolerance/2. Such G are counted by
    meeting in the middle (Horowitz & Sahni 1974), where partial sums above the bound are dropped on the way: they are
    few wherever p is small.
    """
    nonzero = D[D != 0]
    if two_sided:
        upper = nonzero if nonzero.sum() >= 0 else -nonzero
        return min(1.0, 2 * exact_p(upper))
    sizes = np.abs(nonzero)
    bound = sizes[nonzero < 0].sum() + TOLERANCE * sizes.sum() / 2
    small = np.sort(sizes[sizes <= bound])
    left, right = _subset_sums(small[::2], bound), _subset_sums(small[1::2], bound)
    count = np.searchsorted(np.sort(right), bound - left, side="right").sum()
    return float(count / 2.0 ** len(sizes))


def _subset_sums(sizes: Float[np.ndarray, " block"], bound: float) -> Float[np.ndarray, " subset"]:
    """The sums of all subsets that stay within `bound`, the empty one first."""
    sums = np.zeros(1)
    for size in sizes[::-1]:
        sums = np.concatenate([sums, sums[sums <= bound - size] + size])
    return sums
