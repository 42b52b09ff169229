"""How far apart heads are, where they lie beside each other, and how many of them do different things."""

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.heads import HEAD
from interp.progress import Progress, silent
from interp.statistics.bootstrap import bootstrap_interval
from interp.statistics.diversity import Estimate, effective_heads, mean_distance, square
from interp.statistics.nan_handling import finite_or_nan
from interp.statistics.scaling import metric_scaling
from interp.sums import DistanceSums

REAL, RANDOM = "none", "random_init"
"""In the column `null`: the model itself, and the same architecture with random weights."""
AT_A_TIME = 500
"""Pairs whose resamples are held together."""
OTHER = [f"other_{name}" for name in HEAD[1:]]


def distance_table(sums: DistanceSums, *, seed: int, min_blocks: int = 12, progress: Progress = silent) -> pd.DataFrame:
    """One row per two heads of a site: `distance`, the mean Jensen–Shannon divergence of their attention in nats.

    Over `n` queries, with its 95 % bootstrap interval (`ci_low`, `ci_high`), empty where fewer than `min_blocks` blocks
    of documents hold a query.
    """
    one, other = np.triu_indices(len(sums.heads), 1)
    parts = [slice(start, start + AT_A_TIME) for start in range(0, len(one), AT_A_TIME)]
    ends = [
        bootstrap_interval(sums.distance[part], sums.n, seed=seed, min_blocks=min_blocks)
        for part in progress(parts, "intervals")
    ]
    low, high = (np.concatenate([end[side] for end in ends]) if ends else np.zeros(0) for side in (0, 1))
    heads = pd.DataFrame(list(sums.heads), columns=HEAD)
    second = heads.loc[other, HEAD[1:]].set_axis(OTHER, axis=1).reset_index(drop=True)
    table = pd.concat([heads.loc[one].reset_index(drop=True), second], axis=1)
    return table.assign(n=int(sums.n.sum()), distance=_means(sums), ci_low=low, ci_high=high)


def head_map_table(sums: DistanceSums) -> pd.DataFrame:
    """One row per head: `x` and `y` in nats, metric scaling of the distances (`stress`), and the head nearest to it."""
    heads = len(sums.heads)
    distance = square(_means(sums), heads)
    points, stress = metric_scaling(distance)
    table = pd.DataFrame(list(sums.heads), columns=HEAD)
    table = table.assign(n=int(sums.n.sum()), x=points[:, 0], y=points[:, 1], stress=stress)
    if heads < 2:
        return table.assign(nearest_layer=pd.array([pd.NA] * heads, "Int64"),
                            nearest_head=pd.array([pd.NA] * heads, "Int64"), nearest=np.nan)  # fmt: skip
    off = distance + np.diag(np.full(heads, np.inf))
    near = off.argmin(1)
    return table.assign(
        nearest_layer=pd.array([sums.heads[place][1] for place in near], "Int64"),
        nearest_head=pd.array([sums.heads[place][2] for place in near], "Int64"),
        nearest=off.min(1),
    )


def diversity_table(sums: DistanceSums, *, seed: int, min_blocks: int = 12) -> pd.DataFrame:
    """One row per measure of a site, with its 95 % interval: how far apart heads of a layer are, and of several.

    `within_layers` and `between_layers` are means of the distance over pairs of heads, `within_less_between` their
    difference (below 0: heads of a layer are more alike than heads of several), each in nats; `within_layer` is that of
    one layer. `effective_heads` is the Vendi score by K = 1 − distance/log 2, of `heads` heads.
    """
    site = sums.heads[0][0]
    layer = np.array([head[1] for head in sums.heads])
    one, other = np.triu_indices(len(sums.heads), 1)
    within = layer[one] == layer[other]
    settings = {"seed": seed, "min_blocks": min_blocks}

    def mean_of(chosen: np.ndarray, less: np.ndarray | None = None) -> Estimate:
        return mean_distance(sums.distance, sums.n, chosen, less, **settings)

    rows: list[tuple[str, int | None, int, Estimate]] = [
        ("effective_heads", None, len(layer), effective_heads(sums.distance, sums.n, len(layer), **settings)),
        ("within_layers", None, len(layer), mean_of(within)),
        ("between_layers", None, len(layer), mean_of(~within)),
        ("within_less_between", None, len(layer), mean_of(within, ~within)),
    ]
    for number in np.unique(layer):
        of_layer = within & (layer[one] == number)
        rows.append(("within_layer", int(number), int((layer == number).sum()), mean_of(of_layer)))
    return pd.DataFrame(
        {
            "site": site,
            "measure": [measure for measure, *_ in rows],
            "layer": pd.array([number for _, number, *_ in rows], "Int64"),
            "heads": [heads for *_, heads, _ in rows],
            "n": int(sums.n.sum()),
            "value": [found.value for *_, found in rows],
            "ci_low": [found.low for *_, found in rows],
            "ci_high": [found.high for *_, found in rows],
        }
    )


def _means(sums: DistanceSums) -> Float[np.ndarray, " pair"]:
    return finite_or_nan(sums.distance).sum(1) / max(int(sums.n.sum()), 1)
