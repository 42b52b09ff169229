"""What a run keeps of its sums per block of documents, so that runs on the same documents can be compared.

The interval of a difference between two runs needs to know how they go together, document by document; of two intervals
it cannot be made. So a run keeps these sums: a row per role and head, or per head and metric, with a column per block,
whatever the size of the corpus.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.heads import HEAD
from interp.statistics.lift import best_baselines, excess, split_blocks
from interp.sums import EffectSums, RoleSums

ROLE_KEYS = ["definition", "role", *HEAD]
EFFECT_KEYS = [*HEAD, "ablation", "metric"]


def role_block_table(sums: RoleSums, min_blocks: int = 12) -> pd.DataFrame:
    """The table `role_blocks`: one row per role and head, of roles with `min_blocks` non-empty blocks on confirm.

    `n_B` are the scored queries of block B of the held-out split, `excess_B` sums the statistic less the credit of the
    baseline (chosen on select) over them: Σ excess ÷ Σ n is the lift on confirm. In fewer blocks there is no interval.
    """
    halves = split_blocks(sums.n.shape[1])
    D, n = excess(sums, best_baselines(sums, halves["select"]), halves["confirm"]), sums.n[:, halves["confirm"]]
    kept = np.argwhere(sums.applies & ((n > 0).sum(axis=1) >= min_blocks)[:, None])
    names = [(sums.roles[role].definition, sums.roles[role].name, *sums.heads[head]) for role, head in kept]
    of = pd.DataFrame(names, columns=ROLE_KEYS)
    return _beside(of, halves["confirm"], "excess", n[kept[:, 0]], D[kept[:, 0], kept[:, 1]])


def effect_block_table(sums: Sequence[EffectSums]) -> pd.DataFrame:
    """The table `effect_blocks`: one row per head, ablation and metric.

    `n_B` are the documents of block B, `effect_B` sums intact − ablated over them: Σ effect ÷ Σ n is the effect of the
    table `effects`.
    """
    frames = []
    for one in sums:
        heads = pd.DataFrame(list(one.heads), columns=HEAD).assign(ablation=one.ablation, metric=one.metric)
        counts = np.broadcast_to(one.n, (len(heads), len(one.n)))
        frames.append(_beside(heads, np.arange(len(one.n)), "effect", counts, one.effect))
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=EFFECT_KEYS)


def blocks_of(table: pd.DataFrame, name: str) -> tuple[Float[np.ndarray, "row block"], Int[np.ndarray, "row block"]]:
    """The sums (`excess` or `effect`) and the counts of every row of one of these tables."""
    numbers = [column.removeprefix("n_") for column in map(str, table) if column.startswith("n_")]
    total = table[[f"{name}_{number}" for number in numbers]].to_numpy(dtype=np.float64)
    return total, table[[f"n_{number}" for number in numbers]].to_numpy(dtype=np.int64)


def _beside(
    rows: pd.DataFrame,
    blocks: Int[np.ndarray, " block"],
    name: str,
    n: Int[np.ndarray, "row block"],
    total: Float[np.ndarray, "row block"],
) -> pd.DataFrame:
    counts = pd.DataFrame(n, columns=[f"n_{block}" for block in blocks], index=rows.index)
    sums = pd.DataFrame(total, columns=[f"{name}_{block}" for block in blocks], index=rows.index)
    return pd.concat([rows, counts, sums], axis=1)
