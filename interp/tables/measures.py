"""What a head attends to, writes and causes, side by side: how far the three rank heads alike, and where they part."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.heads import HEAD, head_name
from interp.statistics.bootstrap import bootstrap_interval
from interp.statistics.rank_agreement import rank_agreement

NAMED = 5
"""Heads that a row names."""


def direct_effects(
    heads: Sequence[tuple[str, int, int]],
    sums: Float[np.ndarray, "head block"],
    n: Int[np.ndarray, " block"],
    *,
    seed: int,
    min_blocks: int = 12,
) -> pd.DataFrame:
    """One row per head: `direct`, what it adds to the logit difference, in the mean over prompts, with its interval."""
    low, high = bootstrap_interval(sums, n, seed=seed, min_blocks=min_blocks)
    frame = pd.DataFrame(list(heads), columns=HEAD)
    return frame.assign(direct=sums.sum(axis=1) / n.sum(), direct_low=low, direct_high=high)


def measure_table(
    atlas: pd.DataFrame,
    direct: Float[np.ndarray, "head block"],
    effect: Float[np.ndarray, "head block"],
    n: Int[np.ndarray, " block"],
    *,
    seed: int,
    min_blocks: int = 12,
) -> pd.DataFrame:
    """Three rows: lift of the best role, direct effect and ablation effect, two at a time, over the heads of `atlas`.

    `direct` and `effect` are sums over the prompts of each block, in the order of the rows of `atlas`; a head without
    a tested role has no lift, and is left out where lifts are ranked. Lifts have no sign that says whom a head serves,
    so beside them sizes are ranked. `parting` names the heads whose ranks are furthest apart (1 is the largest).
    """
    lift = atlas["best_lift"].to_numpy(dtype=np.float64)
    known = np.isfinite(lift)
    fixed = lift[:, None] * n
    rows = []
    for first, second, one, other, some in (
        ("best_lift", "direct", fixed, direct, known),
        ("best_lift", "effect", fixed, effect, known),
        ("direct", "effect", direct, effect, np.ones_like(known)),
    ):
        size = first == "best_lift"
        here = (one[some], other[some], n)
        if some.sum() < 2:
            rows.append((first, second, int(some.sum()), np.nan, np.nan, np.nan, ""))
            continue
        found = rank_agreement(*here, size=size, seed=seed, min_blocks=min_blocks)
        names = [head_name(*head) for head in atlas.loc[some, HEAD].itertuples(index=False)]
        parting = _parting(names, first, second, *(_ranks(values, size=size) for values in here[:2]))
        rows.append((first, second, int(some.sum()), *found, parting))
    columns = ["first", "second", "heads", "rank_correlation", "ci_low", "ci_high", "parting"]
    return pd.DataFrame(rows, columns=columns)


def _ranks(sums: Float[np.ndarray, "head block"], *, size: bool) -> Int[np.ndarray, " head"]:
    """1 for the largest; of equals, the earlier head."""
    total = sums.sum(axis=1)
    order = np.argsort(-(np.abs(total) if size else total), kind="stable")
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(1, len(order) + 1)
    return ranks


def _parting(
    names: Sequence[str], first: str, second: str, one: Int[np.ndarray, " head"], other: Int[np.ndarray, " head"]
) -> str:
    apart = np.argsort(-np.abs(one - other), kind="stable")[:NAMED]
    return "; ".join(f"{names[head]}: {first} {one[head]}, {second} {other[head]}" for head in apart)
