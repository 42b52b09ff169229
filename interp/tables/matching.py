"""The tables `matches` and `matching`: which head of another model is most like each, and more alike than by chance."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.errors import InterpError
from interp.statistics import matching
from interp.sums import RoleSums

LABELS = "role labels dealt anew"
"""The null of matching by roles."""


def in_common(
    one: pd.DataFrame, other: pd.DataFrame
) -> tuple[Float[np.ndarray, "head role"], Float[np.ndarray, "other role"]]:
    """The profiles over the roles that both have. Raises `InterpError` where these are fewer than three."""
    shared = [role for role in one.columns if role in set(other.columns)]
    if len(shared) < 3:
        raise InterpError(
            f"Heads are matched by three roles or more that can be tested, and here are {len(shared)}. "
            "Give more documents, or ask for more roles (roles=all)."
        )
    return one[shared].to_numpy(), other[shared].to_numpy()


def all_matches(
    similarity: Mapping[str, Float[np.ndarray, "head other"]],
    sums: RoleSums,
    others: Sequence[tuple[str, int, int]],
) -> pd.DataFrame:
    """The matched pairs by every kind of similarity."""
    frames = [matching.match_table(found, sums.heads, tuple(others)).assign(by=by) for by, found in similarity.items()]
    return pd.concat(frames, ignore_index=True)


def matching_table(
    similarity: Mapping[str, Float[np.ndarray, "head other"]], null: Float[np.ndarray, " repeat"]
) -> pd.DataFrame:
    """One row per kind of similarity: its mean over matched heads, and by roles the null that it is held against."""
    rows = []
    for by, found in similarity.items():
        mean = matching.matched_similarity(found)
        tested = by == "roles"
        row = {"by": by, "heads": found.shape[0], "other_heads": found.shape[1], "similarity": mean}
        row |= {"null": LABELS if tested else "", "null_mean": null.mean() if tested else np.nan}
        row |= {"null_high": np.quantile(null, 0.95) if tested else np.nan}
        rows.append(row | {"p": matching.p_of(mean, null) if tested else np.nan})
    return pd.DataFrame(rows)
