"""Which of several sums is the largest, when sums that differ by rounding alone are equal."""

import numpy as np
from jaxtyping import Float

TIE = 1e-12
"""Relative: credits are sums of simple fractions, added in any order."""


def earliest_best(credit: Float[np.ndarray, " guess"]) -> int:
    """The place of the largest credit, the earliest one in a tie."""
    return int(np.argmax(credit >= credit.max() * (1 - TIE)))
