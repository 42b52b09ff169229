"""The table `ability`: whether a model can do what a behaviour asks, before anything is said of how it does it."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.heads import BLOCKS
from interp.statistics.bootstrap import bootstrap_interval

CHANCE = {"accuracy": 0.5, "logit_difference": 0.0}
"""What a model has that knows nothing, where there is such a number."""


def ability_table(
    texts: Mapping[str, Mapping[str, Float[np.ndarray, " prompt"]]],
    block: Int[np.ndarray, " prompt"],
    *,
    seed: int,
    min_blocks: int = 12,
) -> pd.DataFrame:
    """One row per text (clean, corrupted) and metric: its mean over prompts, and the interval over their blocks.

    `texts[text][metric]` has the value of every prompt.
    """
    n = np.bincount(block, minlength=BLOCKS)
    rows = []
    for text, metrics in texts.items():
        for metric, values in metrics.items():
            sums = np.bincount(block, values, minlength=BLOCKS)[None]
            (low,), (high,) = bootstrap_interval(sums, n, seed=seed, min_blocks=min_blocks)
            chance = CHANCE.get(metric, np.nan)
            rows.append((text, metric, len(values), float(values.mean()), low, high, chance))
    columns = ["text", "metric", "n", "value", "ci_low", "ci_high", "chance"]
    return pd.DataFrame(rows, columns=columns).astype({"value": float, "ci_low": float, "ci_high": float})
