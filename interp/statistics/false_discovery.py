"""The false-discovery rate over all tests of a run."""

import numpy as np
from jaxtyping import Float
from scipy.stats import false_discovery_control


def benjamini_hochberg(p: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """Benjamini and Hochberg's (1995) q-value of every p-value; what is no p (NaN, ∞) is no test, and NaN."""
    q = np.full(p.shape, np.nan)
    tested = np.isfinite(p)
    if tested.any():
        q[tested] = false_discovery_control(p[tested], method="bh")
    return q
