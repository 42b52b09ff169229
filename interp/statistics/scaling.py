"""Metric multidimensional scaling: points in the plane whose distances are as like the given ones as can be."""

import numpy as np
from jaxtyping import Float

from interp.errors import InterpError

STEPS = 1_000
SETTLED = 1e-9
"""A step that lowers the stress by less than that share of it is the last one."""


def metric_scaling(
    distance: Float[np.ndarray, "item other"], *, dimensions: int = 2
) -> tuple[Float[np.ndarray, "item dimension"], float]:
    """The points, and their stress: √(Σ (d − δ)² / Σ δ²) over all pairs (Kruskal 1964, stress-1 of metric scaling).

    Begins with classical scaling (Torgerson 1952) and goes on by majorisation (SMACOF, de Leeuw 1977), whose steps
    never raise the stress; nothing is drawn. Raises `InterpError` for distances that are NaN or infinite.
    """
    if not np.isfinite(distance).all():
        raise InterpError(
            f"Heads cannot be laid out: {np.count_nonzero(~np.isfinite(distance))} of {distance.size} distances are "
            "NaN or infinite. Allowed: finite distances; leave these heads out."
        )
    size = np.square(distance).sum()
    if size == 0:
        return np.zeros((len(distance), dimensions)), 0.0
    points = _classical(distance, dimensions)
    stress = _raw_stress(points, distance)
    for _ in range(STEPS):
        apart = _apart(points)
        # where two points coincide the direction of their difference does not matter (de Leeuw 1977)
        ratio = np.divide(distance, apart, out=np.zeros_like(distance), where=apart > 0)
        transform = -ratio
        transform[np.diag_indices(len(ratio))] = ratio.sum(1)
        points, before = transform @ points / len(points), stress
        stress = _raw_stress(points, distance)
        if before - stress <= SETTLED * before:
            break
    return points, float(np.sqrt(stress / size))


def _classical(distance: Float[np.ndarray, "item other"], dimensions: int) -> Float[np.ndarray, "item dimension"]:
    """Leading eigenvectors of the doubly centred squares, each with its largest entry positive, so that none flips."""
    centring = np.eye(len(distance)) - 1 / len(distance)
    eigenvalues, vectors = np.linalg.eigh(-centring @ np.square(distance) @ centring / 2)
    leading = np.argsort(eigenvalues)[::-1][:dimensions]
    vectors = vectors[:, leading]
    vectors *= np.sign(vectors[np.abs(vectors).argmax(0), np.arange(vectors.shape[1])])
    points = np.zeros((len(distance), dimensions))
    points[:, : len(leading)] = vectors * np.sqrt(np.maximum(eigenvalues[leading], 0))
    return points


def _apart(points: Float[np.ndarray, "item dimension"]) -> Float[np.ndarray, "item other"]:
    return np.sqrt(np.square(points[:, None] - points[None]).sum(-1))


def _raw_stress(points: Float[np.ndarray, "item dimension"], distance: Float[np.ndarray, "item other"]) -> float:
    return float(np.square(_apart(points) - distance).sum())
