"""The tables of a logit difference taken apart: what every component adds, and what heads add because of which key."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.heads import BLOCKS, HEAD
from interp.statistics.bootstrap import bootstrap_interval
from interp.statistics.false_discovery import benjamini_hochberg
from interp.statistics.sign_flip import sign_flip_p, sign_vectors


def attribution_table(
    components: Sequence[tuple[str, int, int]],
    value: Float[np.ndarray, "component prompt"],
    block: Int[np.ndarray, " prompt"],
    *,
    seed: int,
    min_blocks: int = 12,
) -> pd.DataFrame:
    """One row per component (name, layer, head): the mean over prompts of what it adds, in nats; they add up.

    Intervals are over blocks of prompts; p is a two-sided sign flip of blocks, q Benjamini-Hochberg over components.
    """
    sums, n = block_sums(value, block)
    low, high = bootstrap_interval(sums, n, seed=seed, min_blocks=min_blocks)
    p = np.full(len(value), np.nan)
    if (n > 0).sum() >= min_blocks:
        p = sign_flip_p(sums, sign_vectors(seed, BLOCKS), two_sided=True)
    return pd.DataFrame(
        {
            "component": [name for name, _, _ in components],
            "site": "self",
            "layer": [layer for _, layer, _ in components],
            "head": [head for _, _, head in components],
            "n": value.shape[1],
            "value": value.mean(axis=1),
            "ci_low": low,
            "ci_high": high,
            "p": p,
            "q": benjamini_hochberg(p),
        }
    )


def attribution_by_key_table(
    heads: Sequence[tuple[str, int, int]],
    by_key: Mapping[str, Float[np.ndarray, "head prompt"]],
    block: Int[np.ndarray, " prompt"],
    *,
    seed: int,
    min_blocks: int = 12,
) -> pd.DataFrame:
    """One row per head and named position: what it adds because it attends there; over all positions they add up.

    Prompts without such a position (NaN) are left out of a row, and not of its head's other rows.
    """
    frames = []
    for key, value in by_key.items():
        known = np.isfinite(value).all(axis=0)
        sums, n = block_sums(value[:, known], block[known])
        low, high = bootstrap_interval(sums, n, seed=seed, min_blocks=min_blocks)
        frame = pd.DataFrame(list(heads), columns=HEAD).assign(key=key, n=int(known.sum()))
        mean = value[:, known].mean(axis=1) if known.any() else np.full(len(value), np.nan)
        frames.append(frame.assign(value=mean, ci_low=low, ci_high=high))
    return pd.concat(frames, ignore_index=True)


def block_sums(
    value: Float[np.ndarray, "test prompt"], block: Int[np.ndarray, " prompt"]
) -> tuple[Float[np.ndarray, "test block"], Int[np.ndarray, " block"]]:
    """The sum over the prompts of each block, and how many these are."""
    of_block = np.eye(BLOCKS)[block]
    return value @ of_block, np.bincount(block, minlength=BLOCKS)
