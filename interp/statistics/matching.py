"""Which head of one model is which head of another: a one-to-one assignment of largest similarity, and its null."""

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from interp.errors import InterpError
from interp.heads import HEAD


def match(
    similarity: Float[np.ndarray, "head other"],
) -> tuple[Int[np.ndarray, " pair"], Int[np.ndarray, " pair"]]:
    """The pairs whose summed similarity is largest, no head twice (Kuhn 1955); the smaller set is matched whole.

    Raises `InterpError` for a similarity that is NaN or infinite.
    """
    if not np.isfinite(similarity).all():
        places = np.argwhere(~np.isfinite(similarity))
        raise InterpError(
            f"Heads cannot be matched: {len(places)} of {similarity.size} similarities are NaN or infinite, the first "
            f"of head {places[0][0]} and other head {places[0][1]}. Match by finite scores."
        )
    return linear_sum_assignment(similarity, maximize=True)


def matched_similarity(similarity: Float[np.ndarray, "head other"]) -> float:
    """The mean similarity of matched heads."""
    return float(similarity[match(similarity)].mean())


def profile_similarity(
    one: Float[np.ndarray, "head role"], other: Float[np.ndarray, "other role"]
) -> Float[np.ndarray, "head other"]:
    """The cosine between role profiles, after each role's mean over the heads of the own model is taken away.

    So what all heads of a model have in common counts for nothing; 0 where a head is just the mean.
    """
    return _centred(one) @ _centred(other).T


def _centred(rows: Float[np.ndarray, "head role"]) -> Float[np.ndarray, "head role"]:
    return _unit(rows - rows.mean(axis=0))


def _unit(rows: Float[np.ndarray, "head role"]) -> Float[np.ndarray, "head role"]:
    size = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(size > 1e-12, size, np.inf)


def permuted(
    one: Float[np.ndarray, "head role"], other: Float[np.ndarray, "other role"], *, repeats: int, seed: int
) -> Float[np.ndarray, " repeat"]:
    """The mean similarity of matched heads where the other model's role labels are dealt anew, head by head.

    Labels are dealt after the mean is taken away, so that every head keeps the size of its profile. A weak null: roles
    go together in any head, trained or not (`offset+1` and `det.to_governor`), and dealing labels anew breaks that up.
    """
    mine, theirs, random = _centred(one), _centred(other), np.random.default_rng(seed)
    return np.array([matched_similarity(mine @ random.permuted(theirs, axis=1).T) for _ in range(repeats)])


def match_table(
    similarity: Float[np.ndarray, "head other"],
    heads: tuple[tuple[str, int, int], ...],
    others: tuple[tuple[str, int, int], ...],
) -> pd.DataFrame:
    """One row per matched pair: the head, its other, their similarity, and the largest of that head with any other."""
    pairs = zip(*match(similarity), strict=True)
    rows = [(*heads[a], *others[b], similarity[a, b], similarity[a].max()) for a, b in pairs]
    columns = [*HEAD, "other_site", "other_layer", "other_head", "similarity", "largest"]
    return pd.DataFrame(rows, columns=columns)


def p_of(measured: float, null: Float[np.ndarray, " repeat"]) -> float:
    """The share of draws of the null, the measured one among them, that reach it (Phipson & Smyth 2010); else NaN."""
    if not (np.isfinite(measured) and np.isfinite(null).all()):
        return float("nan")
    return float((1 + (null >= measured - 1e-12).sum()) / (1 + len(null)))
