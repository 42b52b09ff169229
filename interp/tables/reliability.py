"""How reliable a role's scores are: do heads keep their order from one half of the documents to the other?"""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.statistics.criteria import STANDARD, Criteria
from interp.statistics.lift import best_baselines, is_testable, lift, split_blocks
from interp.sums import RoleSums

RESAMPLES = 1_999
RANDOM_SPLITS = 50


def reliability_table(sums: RoleSums, *, seed: int) -> pd.DataFrame:
    """One row per role that is scored on both halves for three heads or more: its split-half reliability over heads.

    `correlation` is Pearson's r over heads between the lifts on even and on odd blocks, each against the baseline that
    is best on select; `reliability` is that of the whole, 2r/(1+r) (Spearman 1910; Brown 1910). `ci_low` and `ci_high`:
    95 % percentile bootstrap over heads. `random_splits` is the median reliability over 50 random halves of the blocks.
    """
    halves = split_blocks(sums.n.shape[1])
    baseline, random = best_baselines(sums, halves["select"]), np.random.default_rng(seed)
    one, other = (lift(sums, baseline, halves[split]) for split in ("select", "confirm"))
    again = []
    for _ in range(RANDOM_SPLITS):
        first, second = np.sort(random.permutation(sums.n.shape[1]).reshape(2, -1), axis=1)
        again.append((lift(sums, baseline, first), lift(sums, baseline, second)))
    rows = []
    for number, role in enumerate(sums.roles):
        asked = sums.applies[number]
        x, y = one[number, asked], other[number, asked]
        if asked.sum() < 3 or any(not sums.n[number, halves[split]].any() for split in ("select", "confirm")):
            continue
        known_heads = np.isfinite(x).all() and np.isfinite(y).all()
        picks = random.integers(len(x), size=(RESAMPLES, len(x)))
        low, high = _ends(stepped_up(correlations(x[picks], y[picks]))) if known_heads else (np.nan, np.nan)
        splits = stepped_up(
            np.array([correlations(a[None, number, asked], b[None, number, asked])[0] for a, b in again])
        )
        known = splits[~np.isnan(splits) & known_heads]
        r = correlations(x[None], y[None])
        row = {"definition": role.definition, "role": role.name, "family": role.family, "heads": len(x)}
        row |= {"n": int(sums.n[number].sum()), "correlation": r[0], "reliability": stepped_up(r)[0]}
        row |= {"ci_low": low, "ci_high": high, "random_splits": np.median(known) if len(known) else np.nan}
        rows.append(row)
    columns = ["definition", "role", "family", "heads", "n", "correlation", "reliability", "ci_low", "ci_high"]
    return pd.DataFrame(rows, columns=[*columns, "random_splits"])


def correlations(
    x: Float[np.ndarray, "sample item"], y: Float[np.ndarray, "sample item"]
) -> Float[np.ndarray, " sample"]:
    """Pearson's r of every row; NaN where one of the two does not vary, or holds NaN or ∞."""
    known = np.asarray(np.isfinite(x).all(axis=1) & np.isfinite(y).all(axis=1))
    x, y = (np.where(known[:, None], one, np.nan) for one in (x, y))
    x, y = (one - one.mean(axis=1, keepdims=True) for one in (x, y))
    size = np.sqrt(np.square(x).sum(axis=1) * np.square(y).sum(axis=1))
    return (x * y).sum(axis=1) / np.where(size > 1e-15, size, np.nan)


def stepped_up(r: Float[np.ndarray, " sample"]) -> Float[np.ndarray, " sample"]:
    """Spearman and Brown's 2r/(1+r): the reliability of twice as many documents; NaN at r = −1."""
    return 2 * r / np.where((r > -1 + 1e-12) & np.isfinite(r), 1 + r, np.nan)


def _ends(values: Float[np.ndarray, " sample"]) -> tuple[float, float]:
    known = values[~np.isnan(values)]
    if not len(known):
        return np.nan, np.nan
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)


def profiles(sums: RoleSums, blocks: Int[np.ndarray, " some"], criteria: Criteria = STANDARD) -> pd.DataFrame:
    """Role profiles: a row per head (its place in `sums.heads`), a column per testable role, the lift on these blocks.

    Roles that only some of the heads are asked are left out: a profile has no gaps.
    """
    halves = split_blocks(sums.n.shape[1])
    baseline = best_baselines(sums, halves["select"])
    testable = is_testable(sums, halves["select"], halves["confirm"], criteria)
    kept = testable & sums.applies.all(axis=1)
    names = [role.name for role, keep in zip(sums.roles, kept, strict=True) if keep]
    return pd.DataFrame(lift(sums, baseline, blocks)[kept].T, columns=names)
