"""The best head of a role, and the best role of a head: one rule each for every table, figure and summary."""

import numpy as np
import pandas as pd

RUN = ["run", "model", "corpus", "seed"]
SINKS = ("first", "self", "separator")
"""Roles of attention that rests: a head that has one says nothing of the text with it, and so many heads have one, with
so large a lift, that they would stand before all others (null attention, Vig & Belinkov 2019)."""


def best_heads(scores: pd.DataFrame) -> pd.DataFrame:
    """For each role and site the head with the largest lift on select, as its row of confirm; largest lift first.

    Chosen among the heads that could be tested (those with a p) where the role has any at that site, else among all; of
    equals, the first of the lowest layer. A role without a scored query on either half has no row. Of stacked runs each
    has heads of its own. `scores` needs: role site layer head split lift p.
    """
    of = [name for name in (*RUN, "definition", "role", "site") if name in scores]
    select = scores[(scores["split"] == "select") & np.isfinite(scores["lift"].astype(float))]
    ranked = select.assign(tested=select["p"].notna()).sort_values(
        ["tested", "lift", "layer", "head"], ascending=[False, False, True, True], kind="stable"
    )
    keys = [*of, "layer", "head"]
    chosen = ranked.drop_duplicates(of)[keys]
    found = chosen.merge(scores[scores["split"] == "confirm"], on=keys)
    return found[list(scores.columns)].sort_values("lift", ascending=False, kind="stable")


def best_roles(table: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """The best row of every group (`by`, such as a head): the largest lift of a role that is no sink, if there is any.

    Rows without a finite lift are none. `table` needs: role lift, and the columns `by`.
    """
    known = table[np.isfinite(table["lift"].astype(float))]
    ranked = known.assign(rests=known["role"].isin(SINKS)).sort_values(
        ["rests", "lift"], ascending=[True, False], kind="stable"
    )
    return ranked.drop_duplicates(by)[list(table.columns)]
