"""The tables of patching: how much of what the corrupted text takes away goes with one head, or along one path."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from interp.heads import BLOCKS, HEAD, head_name
from interp.statistics.bootstrap import bootstrap_interval_of
from interp.statistics.false_discovery import benjamini_hochberg
from interp.statistics.nan_handling import finite_or_nan
from interp.statistics.rank_agreement import rank_correlation
from interp.statistics.sign_flip import sign_flip_p, sign_vectors
from interp.tables.attribution import block_sums

Setting = tuple[str, str, str]
"""(direction, part, position)."""

Heads = Sequence[tuple[str, int, int]]
"""(site, layer, head)."""


@dataclass(frozen=True, eq=False)
class Answers:
    """The logit difference of every prompt on either text, and the block of the prompt."""

    clean: Float[np.ndarray, " prompt"]
    corrupted: Float[np.ndarray, " prompt"]
    block: Int[np.ndarray, " prompt"]


def patching_table(
    heads: Heads,
    before: Mapping[str, Float[np.ndarray, " prompt"]],
    after: Mapping[Setting, Float[np.ndarray, "head prompt"]],
    estimate: Mapping[Setting, Float[np.ndarray, "head prompt"]],
    answers: Answers,
    *,
    seed: int,
    min_blocks: int = 12,
) -> pd.DataFrame:
    """One row per (direction, part, position) and head, as `interp.ablation.patching.patch` measured them.

    Noise: (clean − patched) ÷ (clean − corrupted); denoise: (patched − corrupted) ÷ (clean − corrupted). Where there
    are estimates, the column `estimate` has the same ratio with the estimated change.
    """
    frames: list[pd.DataFrame] = []
    for setting, values in after.items():
        sign = 1 if setting[0] == "noise" else -1
        own = before[setting[0]]
        frame = _effects(heads, sign * (own - values), values, answers, seed=seed, min_blocks=min_blocks)
        frame = frame.assign(direction=setting[0], part=setting[1], position=setting[2])
        if estimate:
            frame["estimate"] = _ratio(-sign * estimate[setting], answers)
        frames.append(frame)
    every = pd.concat(frames, ignore_index=True)
    first = ["direction", "part", "position"]
    return every[first + [name for name in every if name not in first]]


def path_table(
    senders: Heads,
    before: Float[np.ndarray, " prompt"],
    after: Mapping[tuple[str, str], Float[np.ndarray, "sender prompt"]],
    answers: Answers,
    *,
    seed: int,
    min_blocks: int = 12,
) -> pd.DataFrame:
    """One row per (receiver, its input) and sender that has a path to it: (clean − patched) ÷ (clean − corrupted).

    `after` is NaN throughout for senders that have none.
    """
    frames: list[pd.DataFrame] = []
    for (receiver, read), values in after.items():
        has_path = np.asarray(~np.isnan(values).all(axis=1))
        some = [head for head, there in zip(senders, has_path, strict=True) if there]
        frame = _effects(
            some, before - values[has_path], values[has_path], answers, seed=seed, min_blocks=min_blocks
        ).assign(sender=[head_name(*head) for head in some], receiver=receiver, receiver_input=read)
        frames.append(frame)
    every = pd.concat(frames, ignore_index=True)
    first = ["sender", *HEAD, "receiver", "receiver_input"]
    return every[first + [name for name in every if name not in first]]


def rank_agreements(patching: pd.DataFrame) -> dict[Setting, float]:
    """Spearman's correlation over heads of estimated and exact effects, by (direction, part, position)."""
    found: dict[Setting, float] = {}
    for setting, rows in patching.groupby(["direction", "part", "position"], sort=False):
        both = rows[["estimate", "effect"]].dropna()
        first, second = (both[name].to_numpy(float)[:, None] for name in both)
        found[setting] = float(rank_correlation(first, second)[0])  # pyright: ignore[reportArgumentType]
    return found


def _effects(
    heads: Heads,
    difference: Float[np.ndarray, "head prompt"],
    patched: Float[np.ndarray, "head prompt"],
    answers: Answers,
    *,
    seed: int,
    min_blocks: int,
) -> pd.DataFrame:
    """Effects as ratios of means over prompts, of those prompts that have a value."""
    known = _has_value(difference)
    whole, block = (answers.clean - answers.corrupted)[known], answers.block[known]
    over, n = block_sums(finite_or_nan(difference[:, known]), block)
    under = np.bincount(block, whole, minlength=BLOCKS)
    filled, total = n > 0, under.sum()

    def ratio(drawn: Float[np.ndarray, "block resample"]) -> Float[np.ndarray, "head resample"]:
        # where the texts differ the other way, or not at all, there is nothing that could be a share
        divisor = under[filled] @ drawn
        return over[:, filled] @ drawn / np.where(divisor * total > 0, divisor, np.nan)

    low, high = bootstrap_interval_of(ratio, n, tests=len(over), seed=seed, min_blocks=min_blocks)
    p = np.full(len(over), np.nan)
    if filled.sum() >= min_blocks:
        p = sign_flip_p(over, sign_vectors(seed, BLOCKS), two_sided=True)
    return pd.DataFrame(list(heads), columns=HEAD).assign(
        n=int(known.sum()),
        clean=_mean(answers.clean[known]),
        corrupted=_mean(answers.corrupted[known]),
        patched=finite_or_nan(patched[:, known]).mean(axis=1) if known.any() else np.nan,
        effect=_ratio(difference, answers),
        ci_low=low,
        ci_high=high,
        p=p,
        q=benjamini_hochberg(p),
    )


def _has_value(difference: Float[np.ndarray, "head prompt"]) -> Bool[np.ndarray, " prompt"]:
    """The prompts that have a value; a head that has none where others have is no number in the end."""
    return np.asarray(~np.isnan(difference).all(axis=0))


def _mean(values: Float[np.ndarray, " prompt"]) -> float:
    return float(values.mean()) if len(values) else np.nan


def _ratio(difference: Float[np.ndarray, "head prompt"], answers: Answers) -> Float[np.ndarray, " head"]:
    """The sum over prompts of the difference, by that of what the corrupted text takes away; NaN where that is 0."""
    known = _has_value(difference)
    whole = (answers.clean - answers.corrupted)[known].sum()
    return finite_or_nan(difference[:, known]).sum(axis=1) / (whole if whole != 0 else np.nan)
