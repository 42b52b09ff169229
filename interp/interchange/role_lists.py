"""The heads that have a role, as (layer, head): the form in which TransformerLens and papers list heads."""

from typing import get_args

import pandas as pd

from interp.errors import InterpError, closest, require_choice, shown
from interp.heads import HEAD, Site

ONE_RUN = ("run", "model", "corpus", "seed")
"""Columns that are the same in every row of one run's table."""


def heads_with_role(roles: pd.DataFrame, role: str, *, site: str = "self") -> list[tuple[int, int]]:
    """The heads of a site that have a role, as (layer, head) counted from 0; the largest lift first.

    `roles` is the table of that name of one run (`roles_of`, or `load_runs` of one folder). Heads of equal lift stand
    in the order of layer and head. A role that heads of other sites alone have gives an empty list. Raises
    `InterpError` for a table of another kind or of several runs, a site that there is none of, and a role that no
    head of the table has: what was asked but not found is in the table `scores`.
    """
    _check(roles)
    require_choice("site", site, get_args(Site))
    present = sorted(set(roles["site"]))
    if site not in present:
        raise InterpError(f"site={site}: the table has no head of it. Allowed: {', '.join(map(str, present))}.")
    had = roles[roles["role"] != "unclassified"]
    known = sorted(set(had["role"]))
    if role not in known:
        what = closest(role, known) if known else "No head of it has a role."
        raise InterpError(f"role={shown(role)}: no head of this table has it. {what}")
    found = had[(had["role"] == role) & (had["site"] == site)]
    ranked = found.sort_values(["lift", "layer", "head"], ascending=[False, True, True], kind="stable")
    return [(int(layer), int(head)) for layer, head in zip(ranked["layer"], ranked["head"], strict=True)]


def _check(roles: pd.DataFrame) -> None:
    needed = {*HEAD, "role", "lift"}
    if not isinstance(roles, pd.DataFrame) or not needed <= set(roles) or "split" in roles:
        raise InterpError(
            "What is given is not the table `roles`, one row for each head and role that it has. "
            'Give interp.roles_of(model, corpus), or interp.load_runs(FOLDER)["roles"].'
        )
    for column in ONE_RUN:
        if column in roles and len(roles[column].unique()) > 1:
            values = ", ".join(sorted(map(str, roles[column].unique()))[:5])
            raise InterpError(
                f"The table holds the roles of several runs (column {column}: {values}). Give the rows of one of them."
            )
