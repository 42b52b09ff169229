"""What a run's rules give every cell, with the strengths that it has fitted for each head (`experiment=explain`)."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.cells import FAMILIES, FIRST_SPECIAL, CellAttention, RuleSets, Unit
from interp.errors import InterpError
from interp.examples import STEPS, Example, Examples
from interp.heads import HEAD, head_name
from interp.statistics.competing_rules import modelled


class OnCells(NamedTuple):
    """What rules give every cell, for heads that see alike: m(k|q) of every entry of `cells`."""

    cells: CellAttention
    given: Float[np.ndarray, "entry head"]


def modelled_attention(cells: CellAttention, sets: RuleSets, shares: pd.DataFrame) -> Float[np.ndarray, "entry head"]:
    """m(k|q) of every entry of `cells` by the rules that apply here, with the strengths of the table `shares`.

    It adds up to 1 over the cells of a query, and is NaN where no rule of any strength applies. A rule that the run
    did not know has no strength. Raises `InterpError` for a head of which the table has none.
    """
    by_head = shares.pivot_table(index=HEAD, columns="rule", values="strength", fill_value=0.0)
    missing = [head for head in cells.heads if head not in by_head.index]
    if missing:
        raise InterpError(
            f"The table shares has no strengths of head {head_name(*missing[0])}. Allowed: that of a run of "
            "experiment=explain of the same model."
        )
    of_rules = by_head.loc[list(cells.heads)].reindex(columns=[rule.name for rule in sets.rules], fill_value=0.0)
    return modelled(sets.answers, sets.applies, of_rules.to_numpy(dtype=np.float64).T, cells.query)


def families_that_cannot_apply(sets: Sequence[RuleSets], shares: pd.DataFrame) -> dict[str, float]:
    """The families of a run's rules of which none applies here, each with its share in the mean over the run's heads.

    The shares are those of the run's held-out documents, where these rules apply.
    """
    here = {rule.family for one in sets for rule in one.rules}
    of_head = shares.groupby([*HEAD, "family"])["share"].sum()
    mean = of_head.groupby("family").mean()
    return {family: float(mean[family]) for family in FAMILIES if family in mean.index and family not in here}


def modelled_table(cells: CellAttention, given: Float[np.ndarray, "entry head"]) -> pd.DataFrame:
    """A row per head, query word and word that it sees, itself too: site layer head query key modelled."""
    words = cells.cell >= 0
    query, key, given = cells.word[cells.query[words]], cells.cell[words], given[words]
    frames = [
        pd.DataFrame(
            {"site": site, "layer": layer, "head": head, "query": query, "key": key, "modelled": given[:, place]}
        )
        for place, (site, layer, head) in enumerate(cells.heads)
    ]
    return pd.concat(frames, ignore_index=True)


def with_modelled(examples: Examples, found: Sequence[OnCells], unit: Unit) -> Examples:
    """The examples with m of every head whose cells are found, in steps of 1/255."""
    return replace(
        examples, documents=tuple(_with_modelled(one, examples, found, unit) for one in examples.documents), unit=unit
    )


def _with_modelled(
    example: Example,
    examples: Examples,
    found: Sequence[OnCells],
    unit: Unit,
) -> Example:
    kept: dict[str, np.ndarray] = {}
    for cells, given in found:
        entries = cells.document[cells.query] == example.document
        if not entries.any():
            continue
        # heads that see alike are of one site
        site = cells.heads[0][0]
        side, heads = example.query_side(site), examples.of_site(site)
        size = len(side.words if unit == "word" else side.tokens)
        steps = kept.setdefault(site, np.zeros((len(heads), size, size + 2), dtype=np.uint8))
        cell = cells.cell[entries]
        column = np.where(cell >= 0, cell, np.where(cell == FIRST_SPECIAL, size, size + 1))
        in_steps = np.rint(np.nan_to_num(given[entries]) * STEPS).astype(np.uint8)
        for place, (_, layer, head) in enumerate(cells.heads):
            steps[heads.index((layer, head)), cells.word[cells.query[entries]], column] = in_steps[:, place]
    return replace(example, modelled=kept)
