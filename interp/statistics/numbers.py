"""Means of numbers of heads, with intervals over blocks of documents, each under the id of its definition."""

import numpy as np
import pandas as pd

from interp.statistics.bootstrap import bootstrap_interval
from interp.sums import NumberSums


def number_table(sums: NumberSums, *, seed: int, min_blocks: int = 12) -> pd.DataFrame:
    """One row per number and head that has one: `definition site layer head n value ci_low ci_high`.

    `value` is Σ total / Σ n; its 95 % interval is empty where fewer than `min_blocks` blocks hold any of the n.
    """
    n = sums.n.sum(axis=-1)
    value = sums.total.sum(axis=-1) / np.where(n > 0, n, np.nan)
    interval = np.full((2, *value.shape), np.nan)
    for number, counts in enumerate(sums.n):
        # heads that were asked alike are resampled together
        groups, member = np.unique(counts, axis=0, return_inverse=True)
        for group, blocks in enumerate(groups):
            alike = member.ravel() == group
            totals = sums.total[number, alike]
            interval[:, number, alike] = bootstrap_interval(totals, blocks, seed=seed, min_blocks=min_blocks)
    heads = pd.DataFrame(list(sums.heads), columns=["site", "layer", "head"])
    frames = [
        heads.assign(n=n[number], value=value[number], ci_low=interval[0, number], ci_high=interval[1, number])
        for number in range(len(sums.definitions))
    ]
    table = pd.concat(frames, keys=sums.definitions, names=["definition", None]).reset_index("definition")
    return table[table["n"] > 0].reset_index(drop=True)
