"""How small a lift could a corpus have shown? Beside every head without a role, what its absence is worth."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.stats import t as student

POWER = 0.80


def detectable_lift(
    D: Float[np.ndarray, "test block"],
    n: Int[np.ndarray, "test block"],
    critical: Float[np.ndarray, " test"],
    power: float = POWER,
) -> Float[np.ndarray, " test"]:
    """The smallest lift that a test shows with this probability; ∞ where no lift is large enough.

    Bloom's (1995) minimum detectable effect: (t + t₁₋ᵦ) · SE, where t is the `critical` value that the test's
    t-statistic has to reach (`t_of_level`, `t_of_max_t`), t₁₋ᵦ the quantile of Student's t at the power, and
    SE² = K/(K−1) Σ(D_b − lift·n_b)² / (Σn_b)² the variance of the lift over the K non-empty blocks (a ratio of sums:
    Cochran 1977, section 6.4). Both have G − 1 degrees of freedom, G = (Σn)²/Σn² the effective number of blocks. Sign
    flips of blocks reject nearly what a t-test of them rejects (Fisher 1935, section 21), but a little less where there
    are few blocks and the level is far out: in simulations of normal blocks of 5 to 40 queries, 32 blocks give a power
    of .79 at a level of .05, .78 at .001 and .74 at .0001; 16 blocks .78, .74 and .58.
    """
    total, filled = n.sum(axis=1).astype(np.float64), (n > 0).sum(axis=1)
    lift = D.sum(axis=1) / np.where(total > 0, total, 1.0)
    spread = np.square(D - lift[:, None] * n).sum(axis=1) * filled / np.maximum(filled - 1, 1)
    error = np.sqrt(spread) / np.where(total > 0, total, 1.0)
    possible = np.isfinite(critical)
    return np.where(possible, (np.where(possible, critical, 0.0) + _quantile(power, n)) * error, np.inf)


def t_of_level(n: Int[np.ndarray, "test block"], level: float) -> Float[np.ndarray, " test"]:
    """The t-statistic that has a one-sided p of `level`; ∞ where the sign flips of so few blocks have none so small."""
    smallest = 0.5 ** (n > 0).sum(axis=1)
    return np.where((smallest <= level) & (_effective(n) > 1), _quantile(1 - level, n), np.inf)


def t_of_max_t(n: Int[np.ndarray, "test block"], critical: float) -> Float[np.ndarray, " test"]:
    """The t-statistic that goes with T = Σ D_b / √(Σ D_b²): t = T √((G − 1) / (G − T²)); ∞ where no T is as large."""
    blocks = _effective(n)
    possible = (blocks > critical**2) & (blocks > 1)
    room = np.where(possible, blocks - critical**2, 1.0)
    return np.where(possible, critical * np.sqrt(np.maximum(blocks - 1, 0) / room), np.inf)


def level_of_bh(q: Float[np.ndarray, "*shape"], alpha: float) -> float:
    """alpha (R + 1) / m: the p that one more test needs to be found by Benjamini and Hochberg (1995).

    Of m tests, R were found (q ≤ alpha); NaN stands for no test.
    """
    tested = int((~np.isnan(q)).sum())
    found = int((q <= alpha).sum())
    return min(alpha, alpha * (found + 1) / max(tested, 1))


def _quantile(share: float, n: Int[np.ndarray, "test block"]) -> Float[np.ndarray, " test"]:
    blocks = _effective(n)
    return student.ppf(share, np.where(blocks > 1, blocks - 1, 1.0))


def _effective(n: Int[np.ndarray, "test block"]) -> Float[np.ndarray, " test"]:
    squares = np.square(n.astype(np.float64)).sum(axis=1)
    return n.sum(axis=1) ** 2 / np.where(squares > 0, squares, 1.0)


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
