"""The table `anatomy`: what the weights of each head say, beside what the head writes on a corpus."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.heads import HEAD
from interp.statistics.bootstrap import bootstrap_interval
from interp.sums import ContributionSums, RoleSums

PLACES = {
    "offset-1": "previous",
    "self": "self",
    "first": "first",
    "separator": "separator",
    "diagonal": "diagonal",
    "source-first": "source_first",
    "source-end": "source_end",
    "aligned": "aligned",
}
"""Roles whose mass is a column of the table, and that column; with `_by_norm`, of norm-weighted attention."""


def anatomy_table(circuits: pd.DataFrame, sums: ContributionSums, *, seed: int, min_blocks: int = 12) -> pd.DataFrame:
    """One row per head: `circuits` (with `site layer head`), and means over the `n` tokens that it attends from.

    `written` is the mean norm of what the head writes, `share` the mean share of its layer's output, both with 95 %
    intervals over blocks of documents (NaN where fewer than `min_blocks` are not empty). `previous self first
    separator` are the mean attention on that token over the tokens that can see one, `…_by_norm` the same of
    norm-weighted attention; NaN at `cross`, whose keys are another text's, where `diagonal source_first source_end` are
    asked, and `aligned` of words whose alignment the corpus knows. These are NaN elsewhere.
    """
    measured = pd.DataFrame(list(sums.heads), columns=HEAD).assign(n=sums.n.sum(axis=1))
    counted = measured["n"].where(measured["n"] > 0)
    for name, totals in (("written", sums.norm), ("share", sums.share)):
        measured[name] = totals.sum(axis=1) / counted
        for rows in measured.groupby("site").indices.values():
            # the heads of one site attend from the same tokens
            low, high = bootstrap_interval(totals[rows], sums.n[rows[0]], seed=seed, min_blocks=min_blocks)
            measured.loc[rows, [f"{name}_ci_low", f"{name}_ci_high"]] = np.stack([low, high], axis=1)
    for role, column in PLACES.items():
        measured[column] = _mass(sums.raw, role)
        measured[f"{column}_by_norm"] = _mass(sums.by_norm, role)
    return circuits.merge(measured, on=HEAD, validate="one_to_one")


def _mass(sums: RoleSums, role: str) -> Float[np.ndarray, " head"]:
    """Each head's mean mass on the role's targets, over all documents; NaN where no token was asked."""
    mean = np.full(len(sums.heads), np.nan)
    for number, label in enumerate(sums.roles):
        if label.name == role:
            asked = sums.applies[number]
            mean[asked] = sums.mass[number, asked].sum(axis=-1) / (sums.n[number].sum() or np.nan)
    return mean
