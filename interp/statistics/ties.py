"""Which of several sums is the largest, when sums that differ by rounding alone are equal."""

import numpy as np
from jaxtyping import Float

from interp.errors import InterpError

TIE = 1e-12
"""Relative: credits are sums of simple fractions, added in any order."""


def earliest_best(credit: Float[np.ndarray, " baseline"]) -> int:
    """The place of the largest credit, the earliest one in a tie.

    Raises `InterpError` for a credit that is NaN or infinite: the largest is not known then.
    """
    if not np.isfinite(credit).all():
        raise InterpError(
            f"The credits of baselines are {credit.tolist()}, and what is no finite number compares with none. "
            "Count it anew: a baseline that a role is not held against has no place here."
        )
    return int(np.argmax(credit >= credit.max() * (1 - TIE)))
