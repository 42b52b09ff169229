"""A model's own heads on corpora drawn from their own documents: whatever they attend to, their true lifts are known.

Planted heads err word by word; real ones differ from document to document, and a few documents can hold most of what a
role sums.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from interp.folds import Collected
from interp.heads import HEAD
from interp.progress import Progress, silent
from interp.statistics.bootstrap import bootstrap_interval
from interp.statistics.calibration import BLOCKS, draw_documents
from interp.statistics.concentration import deciding_blocks
from interp.statistics.criteria import STANDARD, Criteria
from interp.statistics.lift import best_baselines, excess, is_testable, lift, split_blocks
from interp.statistics.sign_flip import sign_flip_p, sign_vectors
from interp.sums import RoleSums

COLUMNS = [
    *("repeat", "role", "statistic", *HEAD, "blocks", "effective_blocks", "fewer_effective_blocks"),
    *("below", "above", "p"),
]


def resample_heads(
    population: RoleSums,
    size: int,
    criteria: Criteria = STANDARD,
    *,
    repeats: Sequence[int],
    seed: int,
    progress: Progress = silent,
) -> pd.DataFrame:
    """One row per drawn corpus, role that it can test, and head: its interval on confirm, and p where nothing is left.

    `population` has a source document in the place of every block. The truth is the head's lift over all of these,
    above the baseline that the drawn corpus chose on select. `below`: the truth lies below the interval; `above`:
    above. `p` is that of D_b − truth · n_b, which is 0 on average; NaN where that or the interval is. `blocks` counts
    confirm's non-empty blocks, `effective_blocks` those that decide there, and `fewer_effective_blocks` those in the
    half that has fewer.
    """
    splits, documents = split_blocks(BLOCKS), np.arange(population.n.shape[1])
    select, confirm = splits["select"], splits["confirm"]
    signs = sign_vectors(seed, BLOCKS)[confirm]
    found = Collected()
    for repeat in progress(repeats, "own heads", found):
        frames = []
        random = np.random.default_rng([seed, size, repeat])
        sums = drawn_sums(population, *draw_documents(len(documents), size, random))
        baseline = best_baselines(sums, select)
        true = lift(population, baseline, documents)
        testable = is_testable(sums, select, confirm, criteria)
        halves = excess(sums, baseline, select), excess(sums, baseline, confirm)
        for role in np.flatnonzero(testable):
            of_role, asked = sums.roles[role], sums.applies[role]
            n, D, truth = sums.n[role, confirm], halves[1][role, asked], true[role, asked]
            low, high = bootstrap_interval(D, n, seed=seed, min_blocks=criteria.min_blocks)
            effective = deciding_blocks(D, n)
            other = deciding_blocks(halves[0][role, asked], sums.n[role, select])
            heads = [head for head, applies in zip(sums.heads, asked, strict=True) if applies]
            frame = pd.DataFrame(heads, columns=HEAD).assign(
                repeat=repeat,
                role=of_role.name,
                statistic=of_role.statistic,
                blocks=int((n > 0).sum()),
                effective_blocks=effective,
                fewer_effective_blocks=np.minimum(effective, other),
                below=truth < low,
                above=truth > high,
                # without an interval it says nothing of intervals
                p=np.where(np.isnan(low), np.nan, sign_flip_p(D - truth[:, None] * n, signs)),
            )
            frames.append(frame[COLUMNS])
        if frames:
            found.add(repeat, heads=pd.concat(frames, ignore_index=True))
    table = found.table("heads")
    return table if len(table) else pd.DataFrame(columns=COLUMNS)


def drawn_sums(population: RoleSums, drawn: np.ndarray, block: np.ndarray) -> RoleSums:
    """The block sums of a corpus made of these documents of the population, each in its block."""
    into = (block[:, None] == np.arange(BLOCKS)).astype(np.float64)
    summed = {name: getattr(population, name)[..., drawn] @ into for name in ("hit", "mass", "word_mass", "baseline")}
    return replace(population, n=np.rint(population.n[:, drawn] @ into).astype(np.int64), **summed)
