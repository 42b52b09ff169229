"""Where a page begins: the head that it opens on, and the word of a sentence that was asked for."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from interp.heads import HEAD
from interp.report.colourings import key
from interp.tables.sentence import most_attending_heads


def first_head(tables: Mapping[str, pd.DataFrame], colourings: Sequence[Mapping[str, Any]]) -> str | None:
    """One with something to see, by its name on the page.

    The largest lift of a role that is not positional, then of one that is; of a sentence the head that attends most
    decidedly; else the largest number of the first colouring; else the first of the first table of heads.
    """
    roles = tables.get("roles")
    assigned = None if roles is None else roles[roles["role"] != "unclassified"]
    if assigned is not None and len(assigned):
        order = assigned.assign(last=assigned["family"] == "positional")
        best = order.sort_values(["last", "lift"], ascending=[True, False], kind="stable").iloc[0]
        return key({name: best[name] for name in HEAD})
    if "attention" in tables and {*HEAD} <= set(tables["attention"]):
        heads = most_attending_heads(tables, 1) or most_attending_heads(
            {"attention": tables["attention"]}, 1, ["cross"]
        )
        return key(dict(zip(HEAD, heads[0], strict=True))) if heads else None
    if colourings:
        values: Mapping[str, float] = colourings[0]["values"]
        return max(values, key=lambda head: values[head])
    of_heads = [table[HEAD] for table in tables.values() if {*HEAD} <= set(table) and len(table)]
    return key({name: of_heads[0][name].iloc[0] for name in HEAD}) if of_heads else None


def query_of(tables: Mapping[str, pd.DataFrame]) -> int | None:
    """The number of the word that a sentence's candidates are of."""
    found: Any = tables.get("candidates")
    return None if found is None or found.empty else int(found["query"].iloc[0])
