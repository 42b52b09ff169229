"""What the weights of a head say by themselves: its two circuits, QK (where it attends) and OV (what it copies).

Both are products of low rank, W_Q W_K^T and W_V W_O (Elhage et al. 2021), and are never formed: all follows from their
factors. Weights are raw, as in `interp.models.head_weights`. Numbers are float64.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.errors import ModelError
from interp.folds import Collected
from interp.models.head_weights import HasWeights, HeadWeights, LayerSlices, lay_open
from interp.progress import Progress, silent
from interp.types import HeadModel, Place, Site, Windowed

POSITIONS = 128
"""Positions that a head is asked to choose between by position alone, fewer in a model that has fewer."""

OFFSETS = (-3, -2, -1, 0, 1, 2, 3)
"""Places, counted from the query, that are compared by position alone."""


@dataclass(frozen=True, eq=False)
class Ends:
    """What the circuits of the heads of one site are seen against; `None` where the model has no such thing."""

    positions: Float[Tensor, "pos d_model"] | None
    through: Float[Tensor, "d_model d_read"] | None
    """W_U W_E, from the stream that is written into to the vocabulary and back to the one that is read."""
    one_stream: bool
    """Whether heads write into the stream that they read, of the same width."""
    visible: np.ndarray


def circuit_table(model: HeadModel, progress: Progress = silent) -> pd.DataFrame:
    """One row per head: `site layer head`, and what its weights say. No corpus is read.

    `query_norm` … `output_norm`, `qk_norm` and `ov_norm` are Frobenius norms of its four matrices and of the products
    W_Q W_K^T and W_V W_O; only the products' mean something across heads, since a factor can move from one matrix of a
    pair to the other. `qk_rank` and `ov_rank` the effective ranks of these; `copying` as in that function, in the
    `copying_space`: `vocabulary`, of W_E W_V W_O W_U; `residual`, of W_V W_O, where no linear language head reads what
    the heads write, as at `encoder`; `none` (and NaN) where that has no eigenvalues that mean anything: at `cross`,
    which writes into another stream than it reads, unless one vocabulary with one table of embeddings joins the two,
    and where the two have different widths. By position alone: `position_previous` is the weight on the token before,
    `position_offset` the place −3 … +3 of the largest and `position_mass` that weight; NaN in a model without absolute
    positions (rotary, relative) or with such as are not known (one's own modules), and at `cross`, where the places
    of two texts are embedded apart and none is the one before another.
    Raises `ModelError` for a model whose weights cannot be laid open, or are not finite.
    """
    opened = lay_open(model)
    slices = opened.slices()
    _insist_on_finite(model.name, slices)
    length = min(POSITIONS, opened.positions)
    positions = {site: opened.absolute_positions(site, length) for site in _sites(slices)}
    maps = {site: opened.vocabulary_map(site) for site in _sites(slices)}
    through = {site: None if one is None else one.cpu().double() for site, one in maps.items()}
    if any(one is not None and not one.isfinite().all() for one in (*through.values(), *positions.values())):
        raise ModelError(
            f"The embeddings of {model.name!r} (of tokens or positions, or those that give logits) hold NaN or ∞, and "
            "what its heads copy cannot be said. Mend the weights."
        )
    found = Collected()
    for order, (place, layer) in progress(list(enumerate(slices.items())), "weights", found):
        site, number = place
        embedded = positions[site]
        # a decoder may have room for fewer than its encoder
        nearby = _nearby(opened, place, length if embedded is None else len(embedded))
        ends = Ends(_read(layer, embedded), through[site], _is_one_stream(site, layer), nearby)
        rows = [
            {"site": site, "layer": number, "head": head} | _circuits(layer.head(head), ends)
            for head in range(len(layer.query))
        ]
        found.add(order, rows=pd.DataFrame(rows))
    return found.table("rows")


def _insist_on_finite(name: str, slices: Mapping[Place, LayerSlices]) -> None:
    for (site, number), layer in slices.items():
        for head in range(len(layer.query)):
            weights = layer.head(head)
            if not all(one.isfinite().all() for one in (weights.query, weights.key, weights.value, weights.output)):
                raise ModelError(
                    f"The weights of {name!r} hold NaN or ∞ at {site}, layer {number}, head {head}. Mend them."
                )


def _sites(slices: Mapping[Place, LayerSlices]) -> tuple[Site, ...]:
    return tuple(dict.fromkeys(site for site, _ in slices))


def _read(layer: LayerSlices, positions: Tensor | None) -> Tensor | None:
    """What the layer would read if tokens were nothing but their positions: each has a norm of its own in front."""
    if positions is None or layer.norm is None:
        return positions
    with torch.inference_mode():
        return layer.norm(positions)


def _is_one_stream(site: Site, layer: LayerSlices) -> bool:
    return site != "cross" and layer.value[0].whole.shape[0] == layer.output.shape[-1]


def _nearby(model: HasWeights, place: Place, length: int) -> Bool[np.ndarray, "pos pos"]:
    """Which places of one text see which, in a layer."""
    site, number = place
    apart = np.arange(length)[:, None] - np.arange(length)[None, :]
    causal = model.causal and site in ("self", "decoder")
    window = model.windows[number] if isinstance(model, Windowed) else None
    nearby = apart >= 0 if causal else np.ones_like(apart, dtype=bool)
    return nearby if window is None else nearby & (abs(apart) < window)


def _circuits(weights: HeadWeights, ends: Ends) -> dict[str, float | str | int]:
    qk = singular_values(weights.query, weights.key.T)
    ov = singular_values(weights.value, weights.output)
    space = "vocabulary" if ends.through is not None else "residual" if ends.one_stream else "none"
    return {
        **{f"{name}_norm": _norm(getattr(weights, name)) for name in ("query", "key", "value", "output")},
        "qk_norm": float(np.sqrt(np.square(qk).sum())),
        "ov_norm": float(np.sqrt(np.square(ov).sum())),
        "qk_rank": effective_rank(qk),
        "ov_rank": effective_rank(ov),
        "copying": np.nan if space == "none" else copying(weights.value, weights.output, ends.through),
        "copying_space": space,
        **_by_position(weights, ends),
    }


def _norm(matrix: Tensor) -> float:
    return float(matrix.cpu().double().norm())


def singular_values(left: Float[Tensor, "d_left r"], right: Float[Tensor, "r d_right"]) -> Float[np.ndarray, " r"]:
    """The r largest singular values of `left @ right`, largest first; the rest are zero.

    With left = Q L and right^T = P R, orthogonal Q and P change none: they are those of the r × r matrix L R^T.
    """
    outer, inner = (torch.linalg.qr(matrix.cpu().double(), mode="r").R for matrix in (left, right.T))
    return torch.linalg.svdvals(outer @ inner.T).numpy()


def effective_rank(values: Float[np.ndarray, " r"]) -> float:
    """exp of the entropy of the singular values as shares of their sum (Roy & Vetterli 2007).

    Between 1 and their number where there is any; 0 for a matrix of zeros.
    """
    total = values.sum()
    if total == 0:
        return 0.0
    shares = values[values > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def copying(
    value: Float[Tensor, "d_read r"],
    output: Float[Tensor, "r d_model"],
    through: Float[Tensor, "d_model d_read"] | None = None,
) -> float:
    """Σ Re λ / Σ |λ| over the eigenvalues of W_E W_V W_O W_U: 1 copies what it attends to, −1 suppresses it.

    Elhage et al. 2021, "Detecting Copying Behavior"; Olsson et al. 2022. The eigenvalues that are not zero are those
    of the small W_O (W_U W_E) W_V; without `through` = W_U W_E, of W_O W_V: the direction itself, kept in the residual
    stream. NaN where all eigenvalues are zero.
    """
    passed = output.cpu().double()
    small = (passed if through is None else passed @ through.cpu().double()) @ value.cpu().double()
    eigenvalues = torch.linalg.eigvals(small).numpy()
    total = np.abs(eigenvalues).sum()
    return float(eigenvalues.real.sum() / total) if total > 0 else float("nan")


def positional_pattern(
    weights: HeadWeights, positions: Float[Tensor, "pos d_model"], visible: np.ndarray
) -> Float[np.ndarray, "pos pos"]:
    """Where the head would attend if tokens were nothing but their positions: its pattern on their embeddings alone."""
    read = positions.cpu().double()
    query, key = (
        read @ weight.cpu().double() + (0 if bias is None else bias.cpu().double())
        for weight, bias in ((weights.query, weights.query_bias), (weights.key, weights.key_bias))
    )
    scores = (query @ key.T * weights.scaling).masked_fill(~torch.from_numpy(visible), -torch.inf)
    return torch.softmax(scores, dim=-1).numpy()


def offset_masses(pattern: Float[np.ndarray, "pos pos"], visible: np.ndarray) -> Float[np.ndarray, " offset"]:
    """The mean weight on each of `OFFSETS`, over the queries that can see such a place; NaN where none can."""
    return np.array([_mean(np.diagonal(pattern, by)[np.diagonal(visible, by)]) for by in OFFSETS])


def _mean(values: Float[np.ndarray, " _"]) -> float:
    return float(values.mean()) if len(values) else float("nan")


def _by_position(weights: HeadWeights, ends: Ends) -> dict[str, float | int]:
    if ends.positions is None:
        return dict.fromkeys(("position_previous", "position_offset", "position_mass"), float("nan"))
    masses = offset_masses(positional_pattern(weights, ends.positions, ends.visible), ends.visible)
    best = int(np.nanargmax(masses))
    return {
        "position_previous": float(masses[OFFSETS.index(-1)]),
        "position_offset": float(OFFSETS[best]),
        "position_mass": float(masses[best]),
    }
