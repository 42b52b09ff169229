"""The tables of trained gates: what they are, which heads they keep, how seeds agree, and what kept heads are good for.

Beside each set that gates keep stand the same number of heads by the order of single-head effects and drawn at random;
`random` without a `draw` is the mean over the draws.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.heads import HEAD, Head
from interp.statistics.bootstrap import bootstrap_interval
from interp.statistics.nan_handling import finite_or_nan
from interp.statistics.overlap import expected_jaccard, jaccard
from interp.sums import KeptChoice, KeptSums, TrainedGates

COMPARED = ("effect", "random")
"""What gates are held against, with as many heads."""


def gate_table(heads: Sequence[Head], trained: Sequence[TrainedGates]) -> pd.DataFrame:
    """The table `gates`: one row per strength, seed and head."""
    parts = [
        _heads(heads).assign(
            strength=one.strength, gate_seed=one.seed, log_alpha=one.log_alpha, gate=one.gate, kept=one.kept
        )
        for one in trained
    ]
    return _in_front(pd.concat(parts, ignore_index=True), "strength", "gate_seed")


def gate_head_table(
    heads: Sequence[Head], trained: Sequence[TrainedGates], effects: Mapping[Head, float]
) -> pd.DataFrame:
    """The table `gate_heads`: one row per strength and head, over the seeds; `effect` is that of the head alone."""
    parts = []
    for strength, some in _by_strength(trained).items():
        kept = np.stack([one.kept for one in some])
        parts.append(
            _heads(heads).assign(
                strength=strength, seeds=len(some), times_kept=kept.sum(0), share_kept=kept.mean(0),
                gate=np.stack([one.gate for one in some]).mean(0), effect=[effects[head] for head in heads],
            )
        )  # fmt: skip
    return _in_front(pd.concat(parts, ignore_index=True), "strength")


def gate_agreement_table(trained: Sequence[TrainedGates]) -> pd.DataFrame:
    """The table `gate_agreement`: one row per strength, how far the seeds keep the same heads, and what chance does."""
    rows = []
    for strength, some in _by_strength(trained).items():
        kept = [one.kept for one in some]
        counts, pairs = [int(one.sum()) for one in kept], list(combinations(range(len(kept)), 2))
        found = [jaccard(kept[a], kept[b]) for a, b in pairs]
        chance = [expected_jaccard(counts[a], counts[b], len(kept[0])) for a, b in pairs]
        known = [value for value in found if not np.isnan(value)]
        rows.append(
            {
                "strength": strength,
                "seeds": len(some),
                "fewest_kept": min(counts),
                "most_kept": max(counts),
                "undecided": float(np.mean([((one.gate > 0) & (one.gate < 1)).sum() for one in some])),
                "jaccard": float(np.mean(known)) if known else np.nan,
                "lowest": min(known, default=np.nan),
                "highest": max(known, default=np.nan),
                "chance": float(np.nanmean(chance)) if known else np.nan,
            }
        )
    return pd.DataFrame(rows)


def gate_training_table(trained: Sequence[TrainedGates]) -> pd.DataFrame:
    """The table `gate_training`: one row per strength, seed and step, whether training has come to rest."""
    parts = [
        pd.DataFrame(
            {
                "strength": one.strength,
                "gate_seed": one.seed,
                "step": np.arange(len(one.value)),
                "value": one.value,
                "expected_open": one.expected_open,
                "objective": one.strength * one.expected_open - one.value,
            }
        )
        for one in trained
    ]
    return pd.concat(parts, ignore_index=True)


def gate_curve_table(sums: Sequence[KeptSums], *, seed: int, min_blocks: int = 12) -> pd.DataFrame:
    """The table `gate_curve`: one row per metric and choice of heads, the `value` a mean over `n` documents.

    `over_effect` and `over_random` are what heads kept by gates have over as many by the order of effects, and over the
    mean of the random draws, on the same documents; their intervals resample documents, and take the gates as given.
    """
    return pd.concat([_curve(_with_mean_of_random(one), seed, min_blocks) for one in sums], ignore_index=True)


def _curve(sums: KeptSums, seed: int, min_blocks: int) -> pd.DataFrame:
    table = pd.DataFrame(
        {
            "chosen_by": [one.chosen_by for one in sums.choices],
            "strength": np.array([np.nan if one.strength is None else one.strength for one in sums.choices]),
            "gate_seed": pd.array([one.gate_seed for one in sums.choices], dtype="Int64"),
            "draw": pd.array([one.draw for one in sums.choices], dtype="Int64"),
            "ablation": sums.ablation,
            "metric": sums.metric,
            "heads_kept": [one.heads_kept for one in sums.choices],
            "share_kept": [one.heads_kept / sums.heads for one in sums.choices],
            "n": sums.n.sum(),
        }
    )
    for column, total in {"value": sums.value, **{f"over_{by}": _over(sums, by) for by in COMPARED}}.items():
        mean, low, high = _mean_and_interval(total, sums.n, seed, min_blocks)
        ends = ("ci_low", "ci_high") if column == "value" else (f"{column}_low", f"{column}_high")
        table = table.assign(**{column: mean, ends[0]: low, ends[1]: high})
    return table


def _over(sums: KeptSums, by: str) -> Float[np.ndarray, "choice block"]:
    """What every choice of gates has over that of another rule with as many heads; NaN for all others."""
    row = {choice: number for number, choice in enumerate(sums.choices)}
    found = np.full_like(sums.value, np.nan)
    for choice, number in row.items():
        other = row.get(choice._replace(chosen_by=by))
        if choice.chosen_by == "gates" and other is not None:
            # all heads, or none, are the same heads whoever chose them: a mean of equal numbers is rounded
            same = choice.heads_kept in (0, sums.heads)
            found[number] = sums.value[number] - sums.value[number if same else other]
    return found


def _with_mean_of_random(sums: KeptSums) -> KeptSums:
    """More choices, `random` without a draw: the mean over those with one, for every strength and seed."""
    value = finite_or_nan(sums.value)
    draws: dict[KeptChoice, list[int]] = {}
    for number, choice in enumerate(sums.choices):
        if choice.chosen_by == "random":
            draws.setdefault(choice._replace(draw=None), []).append(number)
    means = [value[rows].mean(0) for rows in draws.values()]
    return KeptSums(
        sums.ablation, sums.metric, sums.heads, (*sums.choices, *draws), sums.n, np.stack([*value, *means]),
        sums.left_out,
    )  # fmt: skip


def _mean_and_interval(
    total: Float[np.ndarray, "choice block"], n: Int[np.ndarray, " block"], seed: int, min_blocks: int
) -> tuple[Float[np.ndarray, " choice"], Float[np.ndarray, " choice"], Float[np.ndarray, " choice"]]:
    documents = n.sum()
    mean = total.sum(axis=1) / (documents if documents > 0 else np.nan)
    return mean, *bootstrap_interval(total, n, seed=seed, min_blocks=min_blocks)


def _by_strength(trained: Sequence[TrainedGates]) -> dict[float, list[TrainedGates]]:
    found: dict[float, list[TrainedGates]] = {}
    for one in trained:
        found.setdefault(one.strength, []).append(one)
    return found


def _heads(heads: Sequence[Head]) -> pd.DataFrame:
    return pd.DataFrame([(head.site, head.layer, head.head) for head in heads], columns=HEAD)


def _in_front(table: pd.DataFrame, *names: str) -> pd.DataFrame:
    return table[[*names, *(name for name in table if name not in names)]]
