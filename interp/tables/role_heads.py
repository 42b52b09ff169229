"""Which heads stand for a role: of those that have it, the ones with the largest lift on the discovery split."""

import pandas as pd

from interp.heads import HEAD

Named = tuple[str, int, int]


def heads_by_role(scores: pd.DataFrame, roles: pd.DataFrame, most: int) -> dict[str, list[Named]]:
    """From the tables `scores` and `roles` of one run: at most so many heads of each role, the largest lift first.

    That a head has a role is said by both halves; which of them come first, by `select` alone.
    """
    lift = scores[scores["split"] == "select"].set_index(["role", *HEAD])["lift"]
    had = roles.loc[roles["role"] != "unclassified", ["role", *HEAD]]
    ranked: dict[str, list[tuple[float, Named]]] = {}
    for role, site, layer, head in had.itertuples(index=False, name=None):
        ranked.setdefault(role, []).append((-float(lift.loc[(role, site, layer, head)]), (site, int(layer), int(head))))
    return {role: [head for _, head in sorted(found)[:most]] for role, found in ranked.items()}
