"""Shares of attention from tag to tag, with intervals over blocks of documents."""

from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.heads import HEAD
from interp.progress import Progress, silent
from interp.statistics.bootstrap import bootstrap_interval_of
from interp.statistics.nan_handling import finite_or_nan
from interp.sums import TagSums

ANY = "any"
"""In the place of the tag that attends: all words, whatever their tag."""


def tag_table(
    sums: TagSums, definition: str, *, seed: int, min_blocks: int = 12, progress: Progress = silent
) -> pd.DataFrame:
    """One row per head, tag that attends (`any`: all words) and tag attended to, where any word of the first asks.

    Over the `n` words of `from_tag`, `mass` is the mean attention on words of `to_tag`, `word_mass` that on all
    candidates, `share` = Σ mass ÷ Σ word_mass, `expected` the share under attention that is even over the tokens of the
    candidates, and `excess` = share − expected, with its 95 % bootstrap interval (`ci_low`, `ci_high`), empty where
    fewer than `min_blocks` blocks hold such words.
    """
    frames = []
    heads = list(enumerate(zip(sums.heads, sums.group, strict=True)))
    for number, (head, group) in progress(heads, "intervals"):
        for of, from_tag in enumerate((*sums.tags, ANY)):
            blocks = sums.n[group, of]
            n, word_mass = blocks.sum(), finite_or_nan(sums.word_mass[number, of])
            if n == 0:
                continue
            mass, even = finite_or_nan(sums.mass[number, of]), sums.expected[group, of]
            filled = blocks > 0
            parts = (mass[:, filled], word_mass[filled], even[:, filled], blocks[filled].astype(np.float64))
            low, high = bootstrap_interval_of(
                partial(_excess, *parts), blocks, tests=len(sums.tags), seed=seed, min_blocks=min_blocks
            )
            on_words = word_mass.sum()
            share, expected = mass.sum(-1) / (on_words or np.nan), even.sum(-1) / n
            values = {"n": n, "mass": mass.sum(-1) / n, "word_mass": on_words / n, "share": share, "expected": expected}
            names = dict(zip(HEAD, head, strict=True)) | {"from_tag": from_tag}
            interval = {"excess": share - expected, "ci_low": low, "ci_high": high}
            frames.append(pd.DataFrame({**names, "to_tag": sums.tags, **values, **interval}))
    table = pd.concat(frames, ignore_index=True)
    table.insert(0, "definition", definition)
    return table


def _excess(
    mass: Float[np.ndarray, "to block"],
    word_mass: Float[np.ndarray, " block"],
    even: Float[np.ndarray, "to block"],
    n: Float[np.ndarray, " block"],
    drawn: Float[np.ndarray, "block resample"],
) -> Float[np.ndarray, "to resample"]:
    with np.errstate(invalid="ignore", divide="ignore"):
        return (mass @ drawn) / (word_mass @ drawn) - (even @ drawn) / (n @ drawn)
