"""How small a lift could a corpus have shown? Beside every head without a role, what its absence is worth."""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.stats import t as student

from interp.statistics.nan_handling import finite_or_nan

POWER = 0.80


def detectable_lift(
    D: Float[np.ndarray, "test block"],
    n: Int[np.ndarray, "test block"],
    critical: Float[np.ndarray, " test"],
    heads: "Observed | None" = None,
    power: float = POWER,
) -> Float[np.ndarray, " test"]:
    """The smallest lift that a test shows with this probability; ∞ where no lift is large enough, NaN of NaN or ∞.

    Bloom's (1995) minimum detectable effect: (t + t₁₋ᵦ) · SE, where t is the `critical` value that the test's
    t-statistic has to reach (`t_of_level`, `t_of_max_t`), t₁₋ᵦ the quantile of Student's t at the power, and
    SE² = K/(K−1) Σ(D_b − lift·n_b)² / (Σn_b)² the variance of the lift over the K non-empty blocks (a ratio of sums:
    Cochran 1977, section 6.4). Both have G − 1 degrees of freedom, G = (Σn)²/Σn² the effective number of blocks. Sign
    flips of blocks reject nearly what a t-test of them rejects (Fisher 1935, section 21), but a little less where there
    are few blocks and the level is far out: in simulations of normal blocks of 5 to 40 queries, 32 blocks give a power
    of .79 at a level of .05, .78 at .001 and .74 at .0001; 16 blocks .78, .74 and .58.

    A head that hardly ever hits varies less than one that has the lift in question. Given what was `observed` of the
    heads, the sum of squares is the larger of its own and that of a head with the lift (`_of_a_head_with_it`).
    """
    total, filled = n.sum(axis=1).astype(np.float64), (n > 0).sum(axis=1)
    known = np.isfinite(D).all(axis=1) & ~np.isnan(critical)
    D = np.where(known[:, None], D, 0.0)
    lift = D.sum(axis=1) / np.where(total > 0, total, 1.0)
    squares = np.square(D - lift[:, None] * n).sum(axis=1)
    possible = np.isfinite(critical)
    reach = np.where(possible, critical, 0.0) + _quantile(power, n)
    # lift² = scale · squares
    scale = np.square(reach / np.where(total > 0, total, 1.0)) * filled / np.maximum(filled - 1, 1)
    found = np.sqrt(scale * squares)
    if heads is not None:
        found = np.maximum(found, _of_a_head_with_it(scale, squares, total, heads))
    return np.where(known, np.where(possible, found, np.inf), np.nan)


class Observed(NamedTuple):
    """Of every test: the mean statistic of the head and the mean credit of its baseline; and whether they are hits."""

    statistic: Float[np.ndarray, " test"]
    baseline: Float[np.ndarray, " test"]
    by_hit: Bool[np.ndarray, " test"]


def _of_a_head_with_it(
    scale: Float[np.ndarray, " test"],
    squares: Float[np.ndarray, " test"],
    queries: Float[np.ndarray, " test"],
    heads: Observed,
) -> Float[np.ndarray, " test"]:
    """The lift δ with δ² = scale · (sum of squares of a head of statistic v = baseline + δ), where that is larger.

    Hits of single queries vary by v(1 − v): the sum grows by the difference for all queries, and where the baseline is
    right too it is Σn · δ(1 − δ) at least, when the head adds nothing but hits. Attention varies in proportion to
    v(1 − v): the sum grows by the ratio.
    """
    b, v = finite_or_nan(heads.baseline), finite_or_nan(heads.statistic)
    own = v * (1 - v)
    by_query = scale * queries
    hits = _positive_root(1 + by_query, by_query * (1 - 2 * b), scale * squares + by_query * (b * (1 - b) - own))
    added = by_query / (1 + by_query)
    grown = scale * squares / np.where(own > 0, own, np.inf)
    attention = _positive_root(1 + grown, grown * (1 - 2 * b), grown * b * (1 - b))
    return np.where(np.isfinite(v) & np.isfinite(b), np.where(heads.by_hit, np.maximum(hits, added), attention), np.nan)


def _positive_root(
    a: Float[np.ndarray, " test"], b: Float[np.ndarray, " test"], c: Float[np.ndarray, " test"]
) -> Float[np.ndarray, " test"]:
    """The larger x with a x² = b x + c; 0 where there is none above it."""
    inside = np.square(b) + 4 * a * c
    root = np.where(inside > 0, np.maximum((b + np.sqrt(np.maximum(inside, 0))) / (2 * a), 0), 0.0)
    return np.where(np.isnan(inside), np.nan, root)


def t_of_level(n: Int[np.ndarray, "test block"], level: float) -> Float[np.ndarray, " test"]:
    """The t-statistic that has a one-sided p of `level`; ∞ where the sign flips of so few blocks have none so small."""
    if np.isnan(level):
        return np.full(len(n), np.nan)
    smallest = 0.5 ** (n > 0).sum(axis=1)
    return np.where((smallest <= level) & (_effective(n) > 1), _quantile(1 - level, n), np.inf)


def t_of_max_t(n: Int[np.ndarray, "test block"], critical: float) -> Float[np.ndarray, " test"]:
    """The t-statistic that goes with T = Σ D_b / √(Σ D_b²): t = T √((G − 1) / (G − T²)); ∞ where no T is as large."""
    if np.isnan(critical):
        return np.full(len(n), np.nan)
    blocks = _effective(n)
    possible = (blocks > critical**2) & (blocks > 1)
    room = np.where(possible, blocks - critical**2, 1.0)
    return np.where(possible, critical * np.sqrt(np.maximum(blocks - 1, 0) / room), np.inf)


def level_of_bh(q: Float[np.ndarray, "*shape"], alpha: float) -> float:
    """alpha (R + 1) / m: the p that one more test needs to be found by Benjamini and Hochberg (1995).

    Of m tests, R were found (q ≤ alpha); NaN stands for no test.
    """
    tested = int(np.isfinite(q).sum())
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
    tested = scores[(scores["split"] == "confirm") & scores["p"].notna() & scores["detectable"].notna()]
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
