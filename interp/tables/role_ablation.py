"""The tables of a role's heads ablated on a behaviour, beside what other heads and other replacements do."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.heads import head_name
from interp.statistics.bootstrap import bootstrap_interval
from interp.statistics.nan_handling import finite_or_nan
from interp.statistics.sign_flip import sign_flip_p, sign_vectors
from interp.sums import EffectSums

ITSELF, SAME_ANSWER = "none", "same answer"
"""The control of a role's own heads; and theirs, replaced by those of another prompt with the same right answer."""

WITHOUT_INTERVAL = ""


class Compared(NamedTuple):
    """Sets of heads of one kind, by their numbers in the sums: a role's own heads, or what they are held against."""

    role: str
    control: str
    sets: tuple[int, ...]
    heads: tuple[tuple[tuple[str, int, int], ...], ...]


def role_ablation_table(
    found: Sequence[EffectSums],
    compared: Sequence[Compared],
    same_answer: Sequence[EffectSums] = (),
    *,
    seed: int,
    min_blocks: int = 12,
) -> pd.DataFrame:
    """One row per replacement, metric, role and control; several draws of a control are one row, their mean.

    `found` is a sum per replacement and metric, over all sets; the sums of `same_answer` are of the same replacements,
    metrics and documents, with a set for each role in the order of `compared`. p: two-sided sign flip of blocks.
    """
    donors = {(one.ablation, one.metric): one for one in same_answer}
    own = [one for one in compared if one.control == ITSELF]
    frames = []
    for sums in found:
        rows = [(one, sums.effect[list(one.sets)], sums.ablated[list(one.sets)]) for one in compared]
        other = donors.get((sums.ablation, sums.metric))
        if other is not None:
            rows += [
                (one._replace(control=SAME_ANSWER), other.effect[[number]], other.ablated[[number]])
                for number, one in enumerate(own)
            ]
        frames.append(_of_sums(sums, rows, seed, min_blocks))
    return _with_disagreement(pd.concat(frames, ignore_index=True))


def draw_table(found: Sequence[EffectSums], compared: Sequence[Compared]) -> pd.DataFrame:
    """One row per replacement, metric, role and random set of heads: which these are, and what they do."""
    rows = [
        (one.role, sums.ablation, sums.metric, draw, written(heads), float(sums.effect[number].sum() / sums.n.sum()))
        for sums in found
        for one in compared
        if len(one.sets) > 1
        for draw, (number, heads) in enumerate(zip(one.sets, one.heads, strict=True))
    ]
    return pd.DataFrame(rows, columns=["role", "replacement", "metric", "draw", "heads", "effect"])


def written(heads: Sequence[tuple[str, int, int]]) -> str:
    """Heads in one cell: `23.3 29.1`, with the site and a colon in front where it is not `self`."""
    return " ".join(head_name(*head).replace(" ", ":") for head in heads)


Row = tuple[Compared, Float[np.ndarray, "_ block"], Float[np.ndarray, "_ block"]]


def _of_sums(sums: EffectSums, rows: Sequence[Row], seed: int, min_blocks: int) -> pd.DataFrame:
    n, filled = sums.n.sum(), (sums.n > 0).sum()
    rows = [(one, finite_or_nan(effect), finite_or_nan(ablated)) for one, effect, ablated in rows]
    effect = np.stack([by_draw.mean(axis=0) for _, by_draw, _ in rows])
    of_role = {one.role: by_draw.mean(axis=0) for one, by_draw, _ in rows if one.control == ITSELF}
    difference = np.stack([of_role[one.role] for one, _, _ in rows]) - effect
    low, high = bootstrap_interval(effect, sums.n, seed=seed, min_blocks=min_blocks)
    less, more = bootstrap_interval(difference, sums.n, seed=seed, min_blocks=min_blocks)
    p = np.full(len(rows), np.nan)
    if filled >= min_blocks:
        p = sign_flip_p(effect, sign_vectors(seed, len(sums.n)), two_sided=True)
    is_control = np.array([one.control != ITSELF for one, _, _ in rows])
    reaching = [(by_draw.sum(axis=1) >= of_role[one.role].sum()).mean() for one, by_draw, _ in rows]
    table = pd.DataFrame(
        {
            "role": [one.role for one, _, _ in rows],
            "control": [one.control for one, _, _ in rows],
            "replacement": sums.ablation,
            "metric": sums.metric,
            "draws": [len(by_draw) for _, by_draw, _ in rows],
            "heads": [written(one.heads[0]) if len(one.heads) == 1 else "" for one, _, _ in rows],
            "size": [len(one.heads[0]) for one, _, _ in rows],
            "n": int(n),
            "before": float(sums.intact.sum() / n) if n else np.nan,
            "after": [by_draw.mean(axis=0).sum() / n if n else np.nan for _, _, by_draw in rows],
            "effect": effect.sum(axis=1) / n if n else np.nan,
            "ci_low": low,
            "ci_high": high,
            "p": p,
            "difference": np.where(is_control, difference.sum(axis=1) / n if n else np.nan, np.nan),
            "difference_low": np.where(is_control, less, np.nan),
            "difference_high": np.where(is_control, more, np.nan),
            "reaching": np.where([len(by_draw) > 1 for _, by_draw, _ in rows], reaching, np.nan),
        }
    )
    table["verdict"] = [
        _verdict(less, more, ("less", "more", "alike")) if one else _verdict(low, high, ("matter", "hurt", "nothing"))
        for one, low, high, less, more in zip(is_control, low, high, less, more, strict=True)
    ]
    return table


def _verdict(low: float, high: float, names: tuple[str, str, str]) -> str:
    """Whether an interval lies above zero, below it, or on both sides."""
    if np.isnan(low):
        return WITHOUT_INTERVAL
    return names[0] if low > 0 else names[1] if high < 0 else names[2]


def _with_disagreement(table: pd.DataFrame) -> pd.DataFrame:
    """A column more: the replacements of which a row's verdict is another, and the controls that do as much."""
    said = []
    for row in table.to_dict("records"):
        alike = table[(table["role"] == row["role"]) & (table["metric"] == row["metric"])]
        of_control = alike[alike["control"] == row["control"]]
        parts = [("replacements", of_control.loc[_differs(of_control, str(row["verdict"])), "replacement"])]
        if row["control"] == ITSELF and row["verdict"] == "matter":
            beside = alike[(alike["replacement"] == row["replacement"]) & (alike["control"] != ITSELF)]
            parts.append(("controls", beside.loc[_differs(beside, "less"), "control"]))
        said.append("; ".join(f"{what}: {', '.join(which)}" for what, which in parts if len(which)))
    return table.assign(disagrees=said)


def _differs(table: pd.DataFrame, verdict: str) -> pd.Series:
    return (table["verdict"] != verdict) & (table["verdict"] != WITHOUT_INTERVAL) & (verdict != WITHOUT_INTERVAL)
