"""From many drawn corpora to shares: how often intervals held the truth, and how p is distributed under the null."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pandas as pd
from scipy.stats import kstest, norm

FEWEST = (12, 16, 24, 32)
"""The fewest non-empty blocks of each class of corpora; an interval needs 12, and 32 is what intervals are made for."""
FEWEST_EFFECTIVE = (0, 6, 8, 10, 12, 14)
LEVELS = np.round(np.arange(1, 101) / 100, 2)
ANY = "any"

CONDITION = ["statistic", "role", "kind", "accuracy", "split", "blocks"]
SMALL = ("share_05", "share_05_low", "share_05_high", "share_01", "share_01_low", "share_01_high")
NULL_COLUMNS = ["ties", "null", "split", "tests", "corpora", "mean_p", "ks", "ks_p", *SMALL]
HEAD_COLUMNS = [
    *("role", "statistic", "in_half", "effective", "tests", "corpora", "effective_blocks"),
    *("coverage", "share_low", "share_high", "below", "above", *SMALL),
]


def coverage_table(covered: pd.DataFrame) -> pd.DataFrame:
    """The share of intervals that held the truth, per condition and class of non-empty blocks, and over conditions.

    `covered` is what `cover` gives. A row whose role, kind or split is `any` (whose accuracy is empty) is over all of
    them. `share_low` and `share_high` bound the share itself, for the number of corpora drawn: 95 %, by the spread over
    corpora, because heads on one corpus share its documents. `below` and `above`: the truth lay below or above.
    `blocks_by_size` is the mean of G = (Σn)²/Σn².
    """
    classes = [*(f"{a}–{b - 1}" for a, b in pairwise(FEWEST)), f"{FEWEST[-1]} or more"]
    binned = pd.cut(covered["blocks"], [*FEWEST, np.inf], right=False, labels=classes)
    one = covered.assign(blocks=binned, held=~(covered["below"] | covered["above"]))
    pools = [
        ["statistic", "blocks"],
        ["statistic", "split", "blocks"],
        ["statistic", "role", "blocks"],
        ["statistic", "kind", "accuracy", "blocks"],
        ["statistic", "kind", "accuracy", "split", "blocks"],
    ]
    table = pd.concat([_shares(one, keys) for keys in pools], ignore_index=True)
    named = {name: table[name].astype(object).where(table[name].notna(), ANY).astype(str) for name in CONDITION[1:3]}
    table = table.assign(**named, split=table["split"].astype(object).where(table["split"].notna(), ANY).astype(str))
    table = table.astype({"statistic": "str", "role": "str", "kind": "str", "split": "str", "blocks": "str"})
    numbers = ["intervals", "corpora", "blocks_by_size", "coverage", "share_low", "share_high", "below", "above"]
    return table[[*CONDITION, *numbers]]


def _shares(one: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Shares per group, with intervals from the spread of what single corpora add (a ratio of two sums)."""
    by_corpus = one.groupby([*keys, "repeat"], observed=True).agg(
        intervals=("held", "size"), held=("held", "sum"), below=("below", "sum"), above=("above", "sum"),
        effective=("effective", "sum"),
    )  # fmt: skip
    total = by_corpus.groupby(keys, observed=True).sum()
    total["corpora"] = by_corpus.groupby(keys, observed=True).size()
    coverage = total["held"] / total["intervals"]
    error = _ratio_error(by_corpus["held"], by_corpus["intervals"], keys)
    half = norm.ppf(0.975) * error
    return total.assign(
        coverage=coverage,
        share_low=(coverage - half).clip(0, 1),
        share_high=(coverage + half).clip(0, 1),
        below=total["below"] / total["intervals"],
        above=total["above"] / total["intervals"],
        blocks_by_size=total["effective"] / total["intervals"],
    ).reset_index()


def _ratio_error(part: pd.Series, whole: pd.Series, keys: list[str]) -> pd.Series:
    """The standard error of Σpart/Σwhole of each group over its corpora; empty where there is one corpus."""
    groups, total = list(keys), whole.groupby(list(keys), observed=True)
    ratio = part.groupby(groups, observed=True).transform("sum") / total.transform("sum")
    squares = ((part - whole * ratio) ** 2).groupby(groups, observed=True).agg(["sum", "size"])
    corpora = squares["size"].where(squares["size"] > 1)
    return np.sqrt(squares["sum"] * corpora / (corpora - 1)) / total.sum()


def null_table(tested: pd.DataFrame) -> pd.DataFrame:
    """How p is distributed where there is nothing to find, per null and split: uniform, if tests are what they claim.

    `tested` is what `p_under_nulls` gives; what has no p there is no test.
    `ties`: `counted` as in every table, or `broken` at random (`p_broken`).
    `ks` is the largest distance between the shares of p ≤ x and x, and `ks_p` its p-value. `share_05` and `share_01`
    are the shares of p ≤ .05 and ≤ .01, with 95 % intervals by the spread over corpora.
    """
    rows = []
    for (ties, null, split), group in _by_ties(tested[np.isfinite(tested["p"]) & np.isfinite(tested["p_broken"])]):
        p = group["p"].to_numpy()
        apart = kstest(p, "uniform")
        row = {"ties": ties, "null": null, "split": split, "tests": len(p), "corpora": group["repeat"].nunique()}
        row |= {"mean_p": p.mean(), "ks": apart.statistic, "ks_p": apart.pvalue}
        rows.append(row | _small_p(group))
    return pd.DataFrame(rows, columns=NULL_COLUMNS)


def head_coverage_table(resampled: pd.DataFrame) -> pd.DataFrame:
    """How often the intervals of real heads held their true lift, and how often p was small where none was left.

    `resampled` is what `interp.statistics.redrawn_corpora.resample_heads` gives; what has no p there is no test.
    One row per role; `any`: over all judged by
    the same statistic. Where `effective` is a class, only tests whose corpus has so many effective blocks: in the half
    that the test is of (`in_half` is `confirm`), or in the half that has fewer (`fewer`). The former alone tells little
    of a head: corpora that lack the documents that decide have many, and miss the truth. Shares with 95 % intervals, by
    the spread over corpora.
    """
    rows = []
    halves = {"confirm": "effective_blocks", "fewer": "fewer_effective_blocks"}
    classes = [*(f"{a}–{b}" for a, b in pairwise(FEWEST_EFFECTIVE)), f"{FEWEST_EFFECTIVE[-1]} or more"]
    classes[0] = f"below {FEWEST_EFFECTIVE[1]}"
    resampled = resampled[np.isfinite(resampled["p"].astype(float))]
    for statistic, by_statistic in resampled.groupby("statistic", sort=False):
        of_roles = [(ANY, by_statistic), *by_statistic.groupby("role", sort=False)]
        for role, tests in of_roles:
            rows.append({"role": role, "statistic": statistic, "in_half": ANY, "effective": ANY, **_of_heads(tests)})
            for half, column in halves.items():
                binned = pd.cut(tests[column], [*FEWEST_EFFECTIVE, np.inf], right=False, labels=classes)
                rows += [
                    {"role": role, "statistic": statistic, "in_half": half, "effective": name, **_of_heads(some)}
                    for name, some in tests.groupby(binned, observed=True)
                ]
    return pd.DataFrame(rows, columns=HEAD_COLUMNS)


def _of_heads(tests: pd.DataFrame) -> dict[str, int | float]:
    outside = tests["below"] | tests["above"]
    share, low, high = _share_by_corpus(~outside, tests["repeat"])
    return {
        "tests": len(tests),
        "corpora": tests["repeat"].nunique(),
        "effective_blocks": tests["effective_blocks"].mean(),
        "coverage": share,
        "share_low": low,
        "share_high": high,
        "below": tests["below"].mean(),
        "above": tests["above"].mean(),
        **_small_p(tests),
    }


def _small_p(tests: pd.DataFrame) -> dict[str, float]:
    shares = [number for level in (0.05, 0.01) for number in _share_of_p(tests, level)]
    return dict(zip(SMALL, shares, strict=True))


def _by_ties(tested: pd.DataFrame) -> Iterator[tuple[tuple[str, str, str], pd.DataFrame]]:
    for ties, column in (("counted", "p"), ("broken", "p_broken")):
        for (null, split), group in tested.groupby(["null", "split"], sort=False, observed=True):
            yield (ties, str(null), str(split)), pd.DataFrame({"repeat": group["repeat"], "p": group[column]})


def null_curve(tested: pd.DataFrame) -> pd.DataFrame:
    """The share of p ≤ level for a hundred levels, per null and split, with intervals: it should be y = x."""
    rows = [
        (ties, null, split, level, *_share_of_p(group, level))
        for (ties, null, split), group in _by_ties(tested[np.isfinite(tested["p"]) & np.isfinite(tested["p_broken"])])
        for level in LEVELS
    ]
    return pd.DataFrame(rows, columns=["ties", "null", "split", "level", "share", "share_low", "share_high"])


def _share_of_p(group: pd.DataFrame, level: float) -> tuple[float, float, float]:
    return _share_by_corpus(group["p"] <= level, group["repeat"])


def _share_by_corpus(is_so: pd.Series, repeat: pd.Series) -> tuple[float, float, float]:
    """The share of tests of which something is so, with its 95 % interval: tests on one corpus share its documents."""
    found = is_so.groupby(repeat).agg(["sum", "size"]).to_numpy(dtype=float)
    part, whole = found.T
    share = part.sum() / whole.sum()
    corpora = len(found)
    spread = np.square(part - share * whole).sum() * corpora / (corpora - 1) if corpora > 1 else np.nan
    half = norm.ppf(0.975) * np.sqrt(spread) / whole.sum()
    return share, max(share - half, 0.0), min(share + half, 1.0)
