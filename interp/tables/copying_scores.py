"""Do several scores of the same heads agree? By value, by rank, and on which heads pass a threshold."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from interp.heads import HEAD


def spread_table(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """One row per role and head: its lowest and highest score, by which definition, and their difference.

    Definitions by which it has no finite score do not count.
    `above` of its `variants` reach the threshold; it `flips` where some do and others do not. `scores` needs: role
    definition value, and the columns that name a head.
    """
    found = scores[np.isfinite(scores["value"])].reset_index(drop=True)
    groups = found.groupby(["role", *HEAD], sort=False)["value"]
    low, high = found.loc[groups.idxmin()], found.loc[groups.idxmax()]
    table = low[["role", *HEAD]].reset_index(drop=True)
    table["lowest"], table["lowest_definition"] = low["value"].to_numpy(), low["definition"].to_numpy()
    table["highest"], table["highest_definition"] = high["value"].to_numpy(), high["definition"].to_numpy()
    table["spread"] = table["highest"] - table["lowest"]
    table["variants"] = groups.size().to_numpy()
    reached = found.assign(reached=found["value"] >= threshold).groupby(["role", *HEAD], sort=False)["reached"]
    table["above"] = reached.sum().to_numpy()
    return table.assign(flips=(table["above"] > 0) & (table["above"] < table["variants"]), threshold=threshold)


def agreement_table(scores: pd.DataFrame, threshold: float) -> pd.DataFrame:
    """One row per role and pair of definitions: `mean_difference` (first − second) and `largest_difference` over heads.

    `rank_correlation` is Spearman's over heads, empty where one of the two is the same for all; `flips` counts the
    heads that reach the threshold by one and not by the other.
    """
    rows = []
    for role, of_role in scores[np.isfinite(scores["value"])].groupby("role", sort=False):
        wide = of_role.pivot_table(index=HEAD, columns="definition", values="value", sort=False)
        for first, second in combinations(wide.columns, 2):
            both = wide[[first, second]].dropna()
            one, other = both[first].to_numpy(), both[second].to_numpy()
            differences = one - other
            flips = int(((one >= threshold) != (other >= threshold)).sum())
            correlation = _spearman(one, other)
            largest = float(np.abs(differences).max(initial=0))
            mean = differences.mean() if len(both) else np.nan
            rows.append((role, first, second, len(both), mean, largest, correlation, flips, threshold))
    columns = ["role", "first", "second", "heads", "mean_difference", "largest_difference", "rank_correlation"]
    return pd.DataFrame(rows, columns=[*columns, "flips", "threshold"])


def _spearman(one: np.ndarray, other: np.ndarray) -> float:
    ranks = rankdata(one), rankdata(other)
    if len(one) < 2 or any(np.ptp(rank) == 0 for rank in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])
