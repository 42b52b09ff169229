"""The table `anatomy`: what the weights of each head say, beside what the head writes on a corpus."""

import numpy as np
import pandas as pd

from interp.statistics.bootstrap import bootstrap_interval
from interp.sums import ContributionSums, RoleSums

PLACES = {"offset-1": "previous", "self": "self", "first": "first", "separator": "separator"}
"""Roles whose mass is a column of the table, and that column; with `_by_norm`, of norm-weighted attention."""


def anatomy_table(circuits: pd.DataFrame, sums: ContributionSums, *, seed: int, min_blocks: int = 12) -> pd.DataFrame:
    """One row per head: `circuits` (with `site layer head`), and means over the `n` tokens of the corpus.

    `written` is the mean norm of what the head writes, `share` the mean share of its layer's output, both with 95 %
    intervals over blocks of documents (NaN where fewer than `min_blocks` are not empty). `previous self first
    separator` are the mean attention on that token over the tokens that can see one, `…_by_norm` the same of
    norm-weighted attention.
    """
    tokens = int(sums.n.sum())
    measured = pd.DataFrame(list(sums.heads), columns=["site", "layer", "head"]).assign(n=tokens)
    for name, totals in (("written", sums.norm), ("share", sums.share)):
        low, high = bootstrap_interval(totals, sums.n, seed=seed, min_blocks=min_blocks)
        measured[name] = totals.sum(axis=1) / (tokens or np.nan)
        measured[f"{name}_ci_low"], measured[f"{name}_ci_high"] = low, high
    for role, column in PLACES.items():
        measured[column] = _mass(sums.raw, role)
        measured[f"{column}_by_norm"] = _mass(sums.by_norm, role)
    return circuits.merge(measured, on=["site", "layer", "head"], validate="one_to_one")


def _mass(sums: RoleSums, role: str) -> np.ndarray:
    """Each head's mean mass on the role's targets, over all documents; NaN where no token was asked."""
    number = [label.name for label in sums.roles].index(role)
    queries = sums.n[number].sum()
    return sums.mass[number].sum(axis=-1) / (queries or np.nan)
