"""The tables of heads that stand for each other: joint effects beside single ones, and what others make up for."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.heads import BLOCKS, HEAD
from interp.statistics.bootstrap import bootstrap_interval
from interp.statistics.false_discovery import benjamini_hochberg
from interp.statistics.nan_handling import finite_or_nan
from interp.statistics.sign_flip import sign_flip_p, sign_vectors
from interp.sums import EffectSums
from interp.tables.attribution import block_sums
from interp.tables.role_ablation import written

Named = tuple[str, int, int]


def interaction_table(
    sums: EffectSums, sets: Sequence[Sequence[Named]], *, seed: int, min_blocks: int = 12
) -> pd.DataFrame:
    """One row per set of several heads: its joint effect less the sum of its heads' effects alone, and the interval.

    `sets` has every head alone as well, in the order of the sums. Positive: together they cost more than alone, as
    heads do of which each stands in for the other. p: two-sided sign flips of blocks; q over all rows.
    """
    alone = {heads[0]: number for number, heads in enumerate(sets) if len(heads) == 1}
    several = [number for number, heads in enumerate(sets) if len(heads) > 1]
    effect = finite_or_nan(sums.effect)
    single = np.stack([effect[[alone[head] for head in sets[number]]].sum(axis=0) for number in several])
    joint, n = effect[several], sums.n.sum()
    low, high = bootstrap_interval(joint - single, sums.n, seed=seed, min_blocks=min_blocks)
    p = _p(joint - single, sums.n, seed, min_blocks)
    return pd.DataFrame(
        {
            "heads": [written(sets[number]) for number in several],
            "size": [len(sets[number]) for number in several],
            "replacement": sums.ablation,
            "metric": sums.metric,
            "n": n,
            "joint": joint.sum(axis=1) / n,
            "sum_of_effects": single.sum(axis=1) / n,
            "interaction": (joint - single).sum(axis=1) / n,
            "ci_low": low,
            "ci_high": high,
            "p": p,
            "q": benjamini_hochberg(p),
        }
    )


def self_repair_tables(
    replaced: Sequence[Named],
    heads: Sequence[Named],
    before: Float[np.ndarray, "head prompt"],
    after: Float[np.ndarray, "replaced head prompt"],
    total: Float[np.ndarray, "replaced prompt"],
    block: Int[np.ndarray, " prompt"],
    *,
    seed: int,
    min_blocks: int = 12,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per replaced head: direct effect, total effect, and what others make up for; a row per head that changes.

    `repaired` = `direct` − `total`; `by_heads` is what other heads add more than before, `by_rest` what is left of it:
    MLPs, and the scale of the final norm. All are means over prompts, of what it is also measured by (`Repair`).
    """
    numbers = [list(heads).index(head) for head in replaced]
    direct = np.stack([before[number] - after[row, number] for row, number in enumerate(numbers)])
    more = after - before[None]
    others = np.stack([np.delete(more[row], number, axis=0).sum(axis=0) for row, number in enumerate(numbers)])
    parts = {"direct": direct, "total": total, "repaired": direct - total, "by_heads": others}
    parts["by_rest"] = parts["repaired"] - others
    table = pd.DataFrame(list(replaced), columns=HEAD).assign(n=len(block))
    for name, value in parts.items():
        sums, n = block_sums(finite_or_nan(value), block)
        low, high = bootstrap_interval(sums, n, seed=seed, min_blocks=min_blocks)
        table = table.assign(**{name: finite_or_nan(value).mean(axis=1), f"{name}_low": low, f"{name}_high": high})
    frames = [
        _changed(replaced[row], heads, before, more[row], block, seed, min_blocks) for row in range(len(replaced))
    ]
    # heads of the last layer have no row, and a table without rows has no whole numbers
    changed = pd.concat(frames, ignore_index=True).astype({"other_layer": int, "other_head": int})
    return table, changed.assign(q=benjamini_hochberg(changed["p"].to_numpy(dtype=np.float64)))


def _changed(
    head: Named,
    heads: Sequence[Named],
    before: Float[np.ndarray, "head prompt"],
    more: Float[np.ndarray, "head prompt"],
    block: Int[np.ndarray, " prompt"],
    seed: int,
    min_blocks: int,
) -> pd.DataFrame:
    """The heads of later layers: earlier ones, and those beside it, cannot change."""
    later = [number for number, other in enumerate(heads) if other[1] > head[1]]
    sums, n = block_sums(finite_or_nan(more[later]), block)
    low, high = bootstrap_interval(sums, n, seed=seed, min_blocks=min_blocks)
    return pd.DataFrame(
        {
            **dict(zip(HEAD, head, strict=True)),
            "other_layer": [heads[number][1] for number in later],
            "other_head": [heads[number][2] for number in later],
            "n": len(block),
            "before": before[later].mean(axis=1),
            "change": finite_or_nan(more[later]).mean(axis=1),
            "ci_low": low,
            "ci_high": high,
            "p": _p(sums, n, seed, min_blocks),
        }
    )


def _p(
    sums: Float[np.ndarray, "test block"], n: Int[np.ndarray, " block"], seed: int, min_blocks: int
) -> Float[np.ndarray, " test"]:
    if not len(sums) or (n > 0).sum() < min_blocks:
        return np.full(len(sums), np.nan)
    return sign_flip_p(sums, sign_vectors(seed, BLOCKS), two_sided=True)
