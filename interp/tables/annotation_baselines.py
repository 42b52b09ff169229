"""The annotation baselines beside a role's baseline: chosen like it, on select, and deciding nothing."""

import numpy as np
from jaxtyping import Float, Int

from interp.statistics.bootstrap import bootstrap_interval
from interp.statistics.nan_handling import finite_or_nan
from interp.statistics.ties import earliest_best
from interp.sums import RoleSums


def best_annotation_baselines(sums: RoleSums, blocks: Int[np.ndarray, " some"]) -> list[int | None]:
    """Each role's best one on these blocks, as a place in `sums.annotation_baselines`; the earlier one in a tie.

    None for a role that is held against none.
    """
    if sums.annotation is None:
        return [None] * len(sums.roles)
    credit = sums.annotation[:, :, blocks].sum(axis=-1)
    # NaN in all blocks: not held against it; in some: no credit at all, which is refused
    places = [np.flatnonzero(~np.isnan(own).all(axis=-1)) for own in sums.annotation]
    return [int(own[earliest_best(credit[role, own])]) if len(own) else None for role, own in enumerate(places)]


def annotation_columns(
    sums: RoleSums, baseline: list[int | None], blocks: Int[np.ndarray, " some"], *, seed: int, min_blocks: int
) -> tuple[list[str | None], Float[np.ndarray, "number role head"]]:
    """The names of the chosen baselines; and hit minus their credit on the same queries, per query, with its ends.

    The numbers are that lift and its 95 % interval, made as that of the lift over the baseline is.
    """
    queries = sums.n[:, blocks]
    lift = np.full((3, *sums.hit.shape[:2]), np.nan)
    for role, place in enumerate(baseline):
        if place is not None and sums.annotation is not None and queries[role].any():
            D = finite_or_nan(sums.hit[role][:, blocks]) - sums.annotation[role, place, blocks]
            lift[0, role] = D.sum(axis=-1) / queries[role].sum()
            lift[1:, role] = bootstrap_interval(D, queries[role], seed=seed, min_blocks=min_blocks)
    return [None if place is None else sums.annotation_baselines[place] for place in baseline], lift
