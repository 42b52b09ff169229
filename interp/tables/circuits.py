"""The tables of a circuit: how much of the model's behaviour its heads have alone, and whether each is needed.

Everything is made of F, block sums of a metric with some heads left: of all heads (M), of the circuit (C), of none (∅).
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.heads import HEAD
from interp.statistics.bootstrap import bootstrap_interval_of
from interp.statistics.nan_handling import finite_or_nan
from interp.tables.role_ablation import written

Named = tuple[str, int, int]
Sums = Float[np.ndarray, "set block"]


class Ends(NamedTuple):
    """F of all heads and of none, by block, over so many documents."""

    full: Float[np.ndarray, " block"]
    empty: Float[np.ndarray, " block"]
    n: Int[np.ndarray, " block"]


def circuit_table(
    ends: Ends,
    circuit: Float[np.ndarray, " block"],
    heads: Sequence[Named],
    random: Sums,
    *,
    seed: int,
    min_blocks: int,
) -> pd.DataFrame:
    """One row for the circuit, one for random sets of its size per layer (the mean of their F).

    `faithfulness` = |F(M) − F(C)|, `share` = F(C)/F(M) (Wang et al. 2023, section 4), `normalised` =
    (F(C) − F(∅))/(F(M) − F(∅)) (Mueller et al. 2025). `reaching`: random sets that are at least as faithful.
    """
    ends, circuit, random = _filled(ends, circuit, random)
    rows, documents = list[dict[str, object]](), ends.n.sum()
    far = abs(random.sum(axis=1) - ends.full.sum()) <= abs(circuit.sum() - ends.full.sum()) if len(random) else []
    value = partial(_value, n=ends.n, seed=seed, min_blocks=min_blocks)
    for name, F in {"circuit": circuit[None], "random": random}.items():
        if not len(F):
            continue
        mean = F.mean(axis=0)
        rows.append(
            {
                "circuit": name,
                "heads": written(heads) if name == "circuit" else "",
                "size": len(heads),
                "draws": len(F),
                "n": int(documents),
                "full": ends.full.sum() / documents,
                "empty": ends.empty.sum() / documents,
                **value(lambda c, F=mean: (F @ c) / (ends.n @ c), "value"),
                **value(lambda c, F=mean: abs((ends.full - F) @ c) / (ends.n @ c), "faithfulness"),
                **value(lambda c, F=mean: (F @ c) / (ends.full @ c), "share"),
                **value(
                    lambda c, F=mean: ((F - ends.empty) @ c) / ((ends.full - ends.empty) @ c), "normalised"
                ),
                "reaching": float(np.mean(far)) if name == "circuit" and len(random) else np.nan,
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def completeness_table(
    ends: Ends,
    subsets: Sequence[tuple[str, Sequence[Named]]],
    circuit: Sums,
    model: Sums,
    *,
    seed: int,
    min_blocks: int,
) -> pd.DataFrame:
    """One row per subset K of the circuit, by how it was chosen: F(C∖K), F(M∖K) and their difference.

    A circuit is complete if |F(C∖K) − F(M∖K)|, the incompleteness, is small for every K (Wang et al. 2023, section 4).
    """
    ends, circuit, model = _filled(ends, circuit, model)
    value = partial(_value, n=ends.n, seed=seed, min_blocks=min_blocks)
    rows = [
        {
            "kind": kind,
            "subset": number,
            "heads": written(heads),
            "size": len(heads),
            "n": int(ends.n.sum()),
            "circuit": circuit[number].sum() / ends.n.sum(),
            "model_without": model[number].sum() / ends.n.sum(),
            **value(lambda c, D=circuit[number] - model[number]: (D @ c) / (ends.n @ c), "difference"),
            **value(lambda c, D=circuit[number] - model[number]: abs(D @ c) / (ends.n @ c), "incompleteness"),
        }
        for number, (kind, heads) in enumerate(subsets)
    ]
    return pd.DataFrame(rows)


def minimality_table(
    ends: Ends,
    heads: Sequence[Named],
    subsets: Sequence[Sequence[Named]],
    with_head: Sums,
    without: Sums,
    *,
    seed: int,
    min_blocks: int,
) -> pd.DataFrame:
    """One row per head v of the circuit, with its K: F(C∖K) − F(C∖(K ∪ {v})), and that as a share of F(M).

    A head whose change has an interval with zero in it is not shown to be needed (Wang et al. 2023, section 4).
    """
    ends, with_head, without = _filled(ends, with_head, without)
    value = partial(_value, n=ends.n, seed=seed, min_blocks=min_blocks)
    rows = [
        {
            **dict(zip(HEAD, head, strict=True)),
            "subset": written(subsets[number]),
            "n": int(ends.n.sum()),
            "with_head": with_head[number].sum() / ends.n.sum(),
            "without": without[number].sum() / ends.n.sum(),
            **value(lambda c, D=with_head[number] - without[number]: (D @ c) / (ends.n @ c), "change"),
            **value(lambda c, D=with_head[number] - without[number]: (D @ c) / (ends.full @ c), "share"),
        }
        for number, head in enumerate(heads)
    ]  # fmt: skip
    return pd.DataFrame(rows)


class Curve(NamedTuple):
    """F of the first `sizes` heads of a ranking, from none to all; `draw` is the number of a random one."""

    ranking: str
    draw: int | None
    sizes: tuple[int, ...]
    F: Sums


def curve_and_area_tables(
    ends: Ends, curves: Sequence[Curve], *, seed: int, min_blocks: int
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The faithfulness curve of every ranking, f(k) = (F(C_k) − F(∅))/(F(M) − F(∅)), and the areas that it encloses.

    `cpr` is the area under f over the share of heads, `cmd` that between f and 1 (Mueller et al. 2025, section 3), both
    by the trapezoid rule over the sizes that were measured. Random rankings also have a row for their mean.
    """
    curves = [one._replace(F=_filled(ends, one.F)[1]) for one in curves]
    (ends,) = _filled(ends)
    points, areas = list[pd.DataFrame](), list[dict[str, object]]()
    for curve in curves:
        k = np.array(curve.sizes) / curve.sizes[-1]
        faithful = _faithful(curve, ends)
        low, high = bootstrap_interval_of(faithful, ends.n, tests=len(k), seed=seed, min_blocks=min_blocks)
        about = {"ranking": curve.ranking, "draw": curve.draw, "heads_left": curve.sizes, "share_left": k}
        now = finite_or_nan(faithful(np.ones((len(ends.n), 1)))[:, 0])
        found = {"value": curve.F.sum(axis=1) / ends.n.sum(), "faithfulness": now, "ci_low": low, "ci_high": high}
        points.append(pd.DataFrame({**about, "n": int(ends.n.sum()), **found}))
        areas.append(_areas([curve], ends, curve.draw, seed, min_blocks))
    random = [curve for curve in curves if curve.draw is not None]
    if random:
        areas.append(_areas(random, ends, None, seed, min_blocks))
    table = pd.concat(points, ignore_index=True).astype({"draw": "Int64"})
    return table, pd.DataFrame(areas).astype({"draw": "Int64"})


def _areas(curves: Sequence[Curve], ends: Ends, draw: int | None, seed: int, min_blocks: int) -> dict[str, object]:
    """CPR and CMD of a curve, or the mean of those of several."""

    def area(of_curve: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
        def mean(counts: np.ndarray) -> np.ndarray:
            shares = [np.array(one.sizes) / one.sizes[-1] for one in curves]
            every = [
                np.trapezoid(of_curve(_faithful(one, ends)(counts)), share, axis=0)
                for one, share in zip(curves, shares, strict=True)
            ]
            return np.mean(every, axis=0)

        return mean

    return {
        "ranking": curves[0].ranking,
        "draw": draw,
        "draws": len(curves),
        "n": int(ends.n.sum()),
        **_value(area(lambda f: f), "cpr", n=ends.n, seed=seed, min_blocks=min_blocks),
        **_value(area(lambda f: abs(1 - f)), "cmd", n=ends.n, seed=seed, min_blocks=min_blocks),
    }


def _faithful(curve: Curve, ends: Ends) -> Callable[[np.ndarray], np.ndarray]:
    def f(counts: Float[np.ndarray, "block resample"]) -> Float[np.ndarray, "step resample"]:
        return ((curve.F - ends.empty) @ counts) / ((ends.full - ends.empty) @ counts)

    return f


def _filled(ends: Ends, *sums: np.ndarray) -> tuple[Any, ...]:
    """The same without blocks that have no document, which are never resampled."""
    there = ends.n > 0
    return Ends(*(one[there] for one in ends)), *(finite_or_nan(one[..., there]) for one in sums)


def _value(
    statistic: Callable[[np.ndarray], np.ndarray],
    name: str,
    *,
    n: Int[np.ndarray, " block"],
    seed: int,
    min_blocks: int,
) -> dict[str, float]:
    """A number made of block sums, and its interval: all sums are resampled together, block by block."""

    def of(counts: Float[np.ndarray, "block resample"]) -> Float[np.ndarray, "one resample"]:
        return statistic(counts)[None]

    value = finite_or_nan(statistic(np.ones((len(n), 1))))[0]
    (low,), (high,) = bootstrap_interval_of(of, n, tests=1, seed=seed, min_blocks=min_blocks)
    return {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}
