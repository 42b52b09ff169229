"""How small a lift could a corpus have shown? Beside every head without a role, what its absence is worth."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.stats import norm

POWER = 0.80


def detectable_lift(
    D: Float[np.ndarray, "test block"],
    n: Int[np.ndarray, "test block"],
    critical: float,
    power: float = POWER,
) -> Float[np.ndarray, " test"]:
    """The smallest lift δ that a sign-flip test shows with this probability; ∞ where no lift is large enough.

    The test rejects where ΣD_b > c √(ΣD_b²), c the `critical` value (z₁₋ₐ of the level a that p has to reach). With a
    lift of δ, ΣD_b has the mean δN, N = Σn_b, and the variance σ² = K/(K−1) Σ(D_b − lift·n_b)² over the K non-empty
    blocks (Cochran 1977, eq. 6.13), while ΣD_b² grows to about σ² + δ²S, S = Σn_b². So δ solves

        δN − z σ = c √(σ² + δ²S),    z = Φ⁻¹(power),

    δ = σ [zN + √(z²N² + (N² − c²S)(c² − z²))] / (N² − c²S), where N²/S, the effective number of blocks, exceeds c².
    Without the term δ²S this is Bloom's (1995) minimum detectable effect, (c + z) times the standard error; that term
    is what a sign flip costs with few blocks. A normal approximation: the tails of sign flips are lighter, so that at
    very small levels a little less would do.
    """
    total, squares = n.sum(axis=1).astype(np.float64), np.square(n.astype(np.float64)).sum(axis=1)
    filled = (n > 0).sum(axis=1)
    z, shown = norm.ppf(power), total**2 - critical**2 * squares
    possible = (shown > 0) & (filled > 1) & np.isfinite(critical)
    shown = np.where(possible, shown, 1.0)
    lift = D.sum(axis=1) / np.where(total > 0, total, 1.0)
    spread = np.square(D - lift[:, None] * n).sum(axis=1)
    sigma = np.sqrt(spread * filled / np.maximum(filled - 1, 1))
    root = np.sqrt(np.maximum((z * total) ** 2 + shown * (critical**2 - z**2), 0.0))
    return np.where(possible, sigma * (z * total + root) / shown, np.inf)


def critical_value_of_bh(q: Float[np.ndarray, "*shape"], alpha: float) -> float:
    """z₁₋ₐ of the level a = alpha (R + 1) / m: what p one more test needs to be found by Benjamini and Hochberg (1995).

    Of m tests, R were found (q ≤ alpha); NaN stands for no test. Infinite without any test.
    """
    tested = int((~np.isnan(q)).sum())
    found = int((q <= alpha).sum())
    return float(norm.isf(min(alpha, alpha * (found + 1) / tested))) if tested else float("inf")


def power_table(scores: pd.DataFrame) -> pd.DataFrame:
    """One row per testable role and site: the smallest lift that this corpus could have shown of its heads.

    `scores` is the score table. `detectable` is that of the median head, `detectable_lowest` and `detectable_highest`
    those of the surest and of the least sure head; `room` = 1 − baseline is the largest lift that there can be, and
    `hidden` counts the heads of which not even that would have been shown. All on confirm.
    """
    tested = scores[(scores["split"] == "confirm") & scores["p"].notna()]
    tested = tested.assign(room=1 - tested["baseline"])
    tested = tested.assign(hidden=tested["detectable"] > tested["room"])
    table = tested.groupby(["definition", "role", "family", "site"], sort=False, as_index=False).agg(
        n=("n", "max"),
        heads=("head", "size"),
        detectable=("detectable", "median"),
        detectable_lowest=("detectable", "min"),
        detectable_highest=("detectable", "max"),
        room=("room", "min"),
        hidden=("hidden", "sum"),
    )
    return table.sort_values("detectable", kind="stable", ignore_index=True)
