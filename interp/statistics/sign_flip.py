"""Is the sum over blocks of documents above zero? Sign-flip tests (Fisher 1935), one random draw shared by all tests.

Under the null the excess D_b of each block is as likely to be negative as positive, so that flipping its sign changes
nothing. p is the share of all sign vectors whose sum reaches the observed one.
"""

from functools import lru_cache

import numpy as np
from jaxtyping import Float, Int, Int8

VECTORS = 99_999
TOLERANCE = 1e-9  # of Σ|D|: sums this close are equal
EXACT_BELOW = 10  # sampled vectors that reach the observed sum
EXACT_BLOCKS = 32
TESTS_AT_ONCE, VECTORS_AT_ONCE = 128, 8_192
"""Small enough for a cache; where other programs want the cores, smaller products wait longer than they compute."""


@lru_cache(maxsize=4)
def sign_vectors(seed: int, blocks: int = 64) -> Int8[np.ndarray, "block vector"]:
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
    most 32 blocks are not zero, p is exact instead, unless `exact` is false. NaN where any D_b is NaN or infinite.
    """
    known = np.asarray(np.isfinite(D).all(axis=1))
    # in its row, so that the others are added up as they would be without it
    D = np.where(known[:, None], D, 0.0)
    room, tolerance = _room(D, two_sided), TOLERANCE * np.abs(D).sum(axis=1)
    can_be_exact = exact & ((D != 0).sum(axis=1) <= EXACT_BLOCKS)
    # p ≤ 2⁻²⁰ where twenty blocks are too large to be flipped: c < 10 then, but for one test in 10¹⁷
    too_large = (np.abs(D) > room[:, None]).sum(axis=1)
    sampled = ~(can_be_exact & (too_large >= 20 + two_sided))

    c = np.zeros(len(D), dtype=np.int64)
    least = _observed(D, two_sided) - tolerance
    c[sampled] = _count_reaching(D[sampled], signs, least[sampled], two_sided)
    p = (c + 1) / (signs.shape[1] + 1)
    for test in np.flatnonzero((c < EXACT_BELOW) & can_be_exact):
        p[test] = exact_p(D[test], two_sided=two_sided)
    p[~known] = np.nan
    return p


def exact_p(D: Float[np.ndarray, " block"], *, two_sided: bool = False) -> float:
    """The share of all sign vectors whose sum is ≥ ΣD_b − 1e-9·Σ|D_b| (two-sided: twice that of |ΣD_b|, at most 1).

    A vector under which the blocks G come out negative has the sum Σ|D_b| − 2·Σ_G |D_b|, so the G that count are those
    with Σ_G |D_b| ≤ room, half of what the observed sum leaves of Σ|D_b|. They are counted by meeting in the middle
    (Horowitz & Sahni 1974), dropping partial sums above the room on the way: few stay wherever p is small. NaN where
    any D_b is NaN or infinite.
    """
    if not np.isfinite(D).all():
        return float("nan")
    sizes, room = np.abs(D[D != 0]), float(_room(D[None], two_sided)[0])
    small = np.sort(sizes[sizes <= room])
    left, right = _subset_sums(small[::2], room), _subset_sums(small[1::2], room)
    count = np.searchsorted(np.sort(right), room - left, side="right").sum()
    one_sided = float(count / 2.0 ** len(sizes))
    return min(1.0, 2 * one_sided) if two_sided else one_sided


def _observed(D: Float[np.ndarray, "test block"], two_sided: bool) -> Float[np.ndarray, " test"]:
    total = D.sum(axis=1)
    return np.abs(total) if two_sided else total


def _room(D: Float[np.ndarray, "test block"], two_sided: bool) -> Float[np.ndarray, " test"]:
    """How much of Σ|D_b| may be negative in a sum that still reaches the observed one, up to the tolerance."""
    return (np.abs(D).sum(axis=1) * (1 + TOLERANCE) - _observed(D, two_sided)) / 2


def _count_reaching(
    D: Float[np.ndarray, "test block"],
    signs: Int8[np.ndarray, "block vector"],
    least: Float[np.ndarray, " test"],
    two_sided: bool,
) -> Int[np.ndarray, " test"]:
    """How many sign vectors have a sum (two-sided: its size) of at least `least`."""
    counts = np.zeros(len(D), dtype=np.int64)
    for vector in range(0, signs.shape[1], VECTORS_AT_ONCE):
        some = signs[:, vector : vector + VECTORS_AT_ONCE].astype(np.float64)
        for start in range(0, len(D), TESTS_AT_ONCE):
            tests = slice(start, start + TESTS_AT_ONCE)
            sums = D[tests] @ some
            if two_sided:
                np.abs(sums, out=sums)
            # row by row, because numpy counts a whole row of bools far faster than along an axis
            counts[tests] += [np.count_nonzero(row) for row in sums >= least[tests, None]]
    return counts


def _subset_sums(sizes: Float[np.ndarray, " block"], room: float) -> Float[np.ndarray, " subset"]:
    """The sums of all subsets that stay within `room`; `sizes` ascend, and the largest go first to keep them few."""
    sums = np.zeros(1)
    for size in sizes[::-1]:
        sums = np.concatenate([sums, sums[sums <= room - size] + size])
    return sums
