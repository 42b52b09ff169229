"""The `effects` table: what the model loses when a head is ablated."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.heads import HEAD
from interp.statistics.bootstrap import bootstrap_interval
from interp.statistics.false_discovery import benjamini_hochberg
from interp.statistics.nan_handling import finite_or_nan
from interp.statistics.sign_flip import sign_flip_p, sign_vectors
from interp.sums import EffectSums

UNITS = {
    "log_prob": "nats per token",
    "log_prob_of_repeats": "nats per token",
    "kl": "minus the divergence, nats per token",
    "pseudo_log_prob": "nats per token",
    "embedding_cosine": "1 − cosine",
    "accuracy": "share of pairs",
    "logit_difference": "nats",
}
"""Of the effect on each metric, in figures and in tables for papers."""
SIZES_OF_CHANGE = ["embedding_cosine", "kl"]
"""Metrics whose effect cannot be negative, by construction."""

NOTHING = 1e-6
"""An effect no larger in size is none: rounding in float32 does as much to a log-probability."""
COLUMNS = [
    *(*HEAD, "ablation", "metric", "n", "intact", "ablated"),
    *("effect", "effect_token", "ci_low", "ci_high", "p", "q"),
]


def effect_table(sums: Sequence[EffectSums], *, seed: int, min_blocks: int = 12) -> pd.DataFrame:
    """One row per ablation, metric and head, over all documents.

    `effect` = intact − ablated, averaged over the `n` documents; `effect_token` weights them by their scored tokens.
    p: two-sided sign flip, only for signed metrics and at least `min_blocks` non-empty blocks. q: Benjamini-Hochberg
    over all of these.
    """
    if not sums:
        return pd.DataFrame(columns=COLUMNS)
    table = pd.concat([_one_ablation(one, seed, min_blocks) for one in sums], ignore_index=True)
    table["q"] = benjamini_hochberg(table["p"].to_numpy(dtype=np.float64))
    return table[COLUMNS]


def _one_ablation(sums: EffectSums, seed: int, min_blocks: int) -> pd.DataFrame:
    documents, tokens = sums.n.sum(), sums.tokens.sum()
    low, high = bootstrap_interval(sums.effect, sums.n, seed=seed, min_blocks=min_blocks)
    p = np.full(len(sums.heads), np.nan)
    if sums.signed and (sums.n > 0).sum() >= min_blocks:
        p = sign_flip_p(sums.effect, sign_vectors(seed, len(sums.n)), two_sided=True)

    def mean(total: Float[np.ndarray, "..."], count: np.integer) -> Float[np.ndarray, "..."]:
        return finite_or_nan(total) / (count if count > 0 else np.nan)

    return pd.DataFrame(
        {
            "site": [head[0] for head in sums.heads],
            "layer": [head[1] for head in sums.heads],
            "head": [head[2] for head in sums.heads],
            "ablation": sums.ablation,
            "metric": sums.metric,
            "n": documents,
            "intact": float(mean(sums.intact.sum(keepdims=True), documents)[0]),
            "ablated": mean(sums.ablated.sum(axis=1), documents),
            "effect": mean(sums.effect.sum(axis=1), documents),
            "effect_token": mean(sums.effect_by_token.sum(axis=1), tokens),
            "ci_low": low,
            "ci_high": high,
            "p": p,
        }
    )
