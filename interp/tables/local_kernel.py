"""The tables of local kernels: attention by offset, and what there is to say of a kernel as a whole."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.heads import HEAD
from interp.progress import Progress, silent
from interp.statistics.bootstrap import bootstrap_interval, bootstrap_interval_of
from interp.statistics.nan_handling import finite_or_nan
from interp.sums import KernelSums

HALF = 0.5

TYPES = {"definition": str, "site": str, **dict.fromkeys(("layer", "head", "offset", "n"), int)}
"""Of columns that are no floats, also where a table has no rows: a model of only cross-attention has no kernel."""


def kernel_table(
    sums: KernelSums, definition: str, *, seed: int, min_blocks: int = 12, progress: Progress = silent
) -> pd.DataFrame:
    """One row per head and offset that it can see: `definition site layer head offset n value ci_low ci_high`."""
    columns = ["definition", *HEAD, "offset", "n", "value", "ci_low", "ci_high"]
    frames = [_typed(pd.DataFrame(columns=columns))]
    for number, head in progress(list(enumerate(sums.heads)), "intervals"):
        ends = [
            bootstrap_interval(total[None], n, seed=seed, min_blocks=min_blocks)
            for total, n in zip(sums.total[number], sums.n[number], strict=True)
        ]
        low, high = (np.array([end[side][0] for end in ends]) for side in (0, 1))
        n = sums.n[number].sum(-1)
        value = sums.total[number].sum(-1) / np.where(n > 0, n, np.nan)
        named = {"definition": definition, "site": head[0], "layer": head[1], "head": head[2]}
        measured = {"offset": list(sums.offsets), "n": n, "value": value, "ci_low": low, "ci_high": high}
        frames.append(pd.DataFrame(named | measured))
    table = pd.concat(frames)
    return table[table["n"] > 0].reset_index(drop=True)


def kernel_numbers(
    sums: KernelSums, mass: str, explained: str, width: str, peak: str, *, seed: int, min_blocks: int = 12
) -> pd.DataFrame:
    """Four rows per head, under the ids of their definitions, with the columns of `number_table`.

    `mass` and `explained` have 95 % intervals over blocks of documents; `width` and `peak`, which are whole numbers,
    have none.
    """
    rows = []
    for number, head in enumerate(sums.heads):
        queries, total = sums.queries[number], sums.total[number].sum(0)
        if not queries.any():
            continue
        parts = finite_or_nan(np.stack([sums.n[number], sums.total[number], sums.square[number]]))

        def resampled(counts: np.ndarray, parts: np.ndarray = parts, filled: np.ndarray = queries > 0) -> np.ndarray:
            return explained_by_offset(*(parts[:, :, filled] @ counts))[None]

        whole = parts.sum(-1)
        kernel = whole[1] / np.maximum(whole[0], 1)
        found = {
            mass: (
                total.sum() / queries.sum(),
                *bootstrap_interval(total[None], queries, seed=seed, min_blocks=min_blocks),
            ),
            explained: (
                explained_by_offset(*whole[:, :, None])[0],
                *bootstrap_interval_of(resampled, queries, tests=1, seed=seed, min_blocks=min_blocks),
            ),
            width: (width_of(kernel), [np.nan], [np.nan]),
            peak: (_peak(kernel, sums.offsets), [np.nan], [np.nan]),
        }
        for name, (value, low, high) in found.items():
            rows.append((name, *head, int(queries.sum()), float(value), float(low[0]), float(high[0])))
    columns = ["definition", *HEAD, "n", "value", "ci_low", "ci_high"]
    table = _typed(pd.DataFrame(rows, columns=columns))
    return table.sort_values("definition", kind="stable", ignore_index=True)


def explained_by_offset(
    n: Float[np.ndarray, "offset sample"],
    total: Float[np.ndarray, "offset sample"],
    square: Float[np.ndarray, "offset sample"],
) -> Float[np.ndarray, " sample"]:
    """η²: the share of the variance of attention in the window that lies between offsets; NaN where there is none."""
    total, square = finite_or_nan(total), finite_or_nan(square)
    between = (np.square(total) / np.maximum(n, 1)).sum(0) - np.square(total.sum(0)) / n.sum(0)
    around = square.sum(0) - np.square(total.sum(0)) / n.sum(0)
    # what is left of equal numbers after rounding in float32 is no variance
    varies = around > 1e-10 * np.maximum(square.sum(0), np.finfo(float).tiny)
    return np.where(varies, between / np.where(varies, around, 1), np.nan)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    return table.astype({name: TYPES.get(name, float) for name in table.columns})


def _peak(kernel: Float[np.ndarray, " offset"], offsets: Sequence[int]) -> float:
    return float(offsets[int(kernel.argmax())]) if np.isfinite(kernel).all() else float("nan")


def width_of(kernel: Float[np.ndarray, " offset"]) -> float:
    """The smallest number of offsets that hold half of the kernel; NaN for one that is zero or not finite."""
    if not np.isfinite(kernel).all() or not kernel.sum() > 0:
        return float("nan")
    held = np.cumsum(np.sort(kernel)[::-1]) / kernel.sum()
    return float(np.argmax(held >= HALF - 1e-9) + 1)
