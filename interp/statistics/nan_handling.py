"""What is no finite number is no evidence: ∞ is treated as NaN, and NaN goes through every sum to its end."""

import numpy as np
from jaxtyping import Float


def finite_or_nan(values: Float[np.ndarray, "*shape"]) -> Float[np.ndarray, "*shape"]:
    """The same with NaN in the place of ∞; sums of infinite numbers of both signs would warn, and say no more."""
    return values if np.isfinite(values).all() else np.where(np.isfinite(values), values, np.nan)
