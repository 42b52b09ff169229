"""Marking a classifier on heads whose roles are known: what it found, missed, and gave without ground."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import binomtest

from interp.errors import InterpError
from interp.heads import HEAD
from interp.statistics.lift import split_blocks
from interp.statistics.nan_handling import finite_or_nan
from interp.sums import RoleSums

PAIR = [*HEAD, "role"]
NUMBERS = ["n", "mass", "lift", "ci_low", "ci_high", "p", "q"]


def true_lifts(ideal: RoleSums, *, min_word_mass: float = 0.10) -> pd.DataFrame:
    """What each head does for each role by its definition: `mass` and `true_lift`, one row per head and role.

    `ideal` are sums of a model whose heads attend exactly as they are defined to. The lift is over all documents, above
    the best baseline on all of them; for a role judged by hits over words or mentions it is 0 where less than
    `min_word_mass` goes to these.
    Roles without a scored query have no row. NaN where a sum that it is made of is.
    """
    blocks = split_blocks(ideal.n.shape[1])["all"]
    rows = []
    for index, role in enumerate(ideal.roles):
        n = ideal.n[index, blocks].sum()
        if not n:
            continue
        mass, hit = (sums[index][:, blocks].sum(-1) / n for sums in (ideal.mass, ideal.hit))
        own = [ideal.baselines.index(name) for name in role.baselines]
        baseline = finite_or_nan(ideal.baseline[index, own][:, blocks].sum(-1)).max() / n
        value = mass if role.statistic == "mass" else hit
        if role.asks_word_mass:
            word_mass = ideal.word_mass[index][:, blocks].sum(-1) / n
            value = np.where(word_mass >= min_word_mass, value, np.where(np.isfinite(word_mass), baseline, np.nan))
        rows += [
            (*head, role.name, mass[number], value[number] - baseline)
            for number, head in enumerate(ideal.heads)
            if ideal.applies[index, number]
        ]
    return pd.DataFrame(rows, columns=[*PAIR, "mass", "true_lift"])


def mark(
    roles: pd.DataFrame,
    planted: Iterable[tuple[str, int, int, str]],
    ideal: pd.DataFrame,
    testable: Iterable[str],
    *,
    margin: float,
) -> pd.DataFrame:
    """One row for every head and role that was planted, given, or is implied, with its `verdict`.

    `roles` is the table of that name, `ideal` that of `true_lifts`. What was planted is `found` or `missed`; it is
    `absent` where this text never asks for it (by the head's own definition its lift is below `margin`), `untestable`
    where the corpus is too small. A role that was given and not planted is `implied` if by the head's definition its
    lift is `margin` or more, else `false`. A role that is implied and was not given is no mistake, and has no row.
    Raises `InterpError` where a lift of `ideal` is NaN or infinite: it is no key to mark by.
    """
    if not np.isfinite(ideal["true_lift"].to_numpy(dtype=float)).all():
        raise InterpError(
            "The true lifts hold NaN or ∞, so that nothing can be marked by them. Give sums of finite attention."
        )
    given = roles[roles.role != "unclassified"]
    names = ideal[PAIR].itertuples(index=False, name=None)
    stands: dict[Any, float] = dict(zip(names, ideal["true_lift"].tolist(), strict=True))
    wanted, found = set(planted), set(given[PAIR].itertuples(index=False, name=None))
    tested = set(testable)

    def verdict(pair: tuple[str, int, int, str]) -> str:
        is_true = stands.get(pair, 0.0) >= margin
        if pair not in wanted:
            return "implied" if is_true else "false"
        if pair in found:
            return "found"
        if pair[3] not in tested:
            return "untestable"
        return "missed" if is_true else "absent"

    pairs = sorted(wanted | found)
    table = pd.DataFrame(pairs, columns=PAIR).assign(
        verdict=[verdict(pair) for pair in pairs], true_lift=[stands.get(pair, np.nan) for pair in pairs]
    )
    return table.merge(given[[*PAIR, *NUMBERS]], on=PAIR, how="left")


def precision_recall(marks: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """How often each role was found, missed and falsely given, with 95 % intervals (Clopper & Pearson 1934).

    Precision: found ÷ (found + false). Recall: found ÷ (found + missed). What is implied, absent or untestable is
    counted beside and enters neither. `no_role` counts all that was given, false or implied, to heads without any
    planted role (`has_role` false).
    """
    verdicts = ["found", "missed", "false", "implied", "absent", "untestable"]
    is_so = pd.DataFrame({name: marks.verdict.eq(name) for name in verdicts})
    counts = is_so.groupby([marks[key] for key in by]).sum()
    stray = marks[~marks.has_role & marks.verdict.isin(["false", "implied"])].groupby(by).size()
    counts["no_role"] = stray.reindex(counts.index, fill_value=0)
    for name, other in (("precision", "false"), ("recall", "missed")):
        shares = [_share(int(hit), int(hit + miss)) for hit, miss in zip(counts.found, counts[other], strict=True)]
        counts[[name, f"{name}_low", f"{name}_high"]] = np.array(shares).reshape(-1, 3)
    return counts.reset_index()


def _share(hits: int, n: int) -> tuple[float, float, float]:
    if not n:
        return (np.nan, np.nan, np.nan)
    interval = binomtest(hits, n).proportion_ci(0.95, method="exact")
    return hits / n, float(interval.low), float(interval.high)
