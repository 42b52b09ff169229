"""How far two sets of assigned roles agree: the heads whose roles flip, and Jaccard's index."""

from collections.abc import Collection

import pandas as pd

from interp.heads import HEAD

COLUMNS = [
    *("roles_compared", "not_testable", "heads", "heads_with_role", "heads_flipped", "share_flipped"),
    *("share_flipped_with_role", "pairs", "pairs_gained", "pairs_lost", "jaccard"),
]


def agreement(
    baseline: pd.DataFrame, other: pd.DataFrame, *, tested: Collection[str], tested_there: Collection[str]
) -> dict[str, int | float]:
    """What the table `roles` of another choice changes of that of the baseline.

    Only roles tested both ways are compared, because untestable is not absent: `not_testable` counts those that are
    tested in the baseline alone. A head flips when its set of roles changes; `share_flipped` is of all heads,
    `share_flipped_with_role` of those that have a role either way (NaN where none has). `jaccard` is that of the sets
    of (head, role), 1 where both are empty. Where no role was compared nothing agrees, and nothing differs: the shares
    and `jaccard` are NaN.
    """
    both = set(tested) & set(tested_there)
    before, after = (_pairs(table, both) for table in (baseline, other))
    heads = set(baseline[HEAD].itertuples(index=False, name=None))
    flipped = {pair[:3] for pair in before ^ after}
    either = {pair[:3] for pair in before | after}
    none = 1.0 if both else float("nan")
    numbers = (
        *(len(both), len(set(tested) - both), len(heads), len({pair[:3] for pair in after}), len(flipped)),
        len(flipped) / len(heads) if both else float("nan"),
        len(flipped) / len(either) if either else float("nan"),
        *(len(after), len(after - before), len(before - after)),
        len(before & after) / len(before | after) if before | after else none,
    )
    return dict(zip(COLUMNS, numbers, strict=True))


def _pairs(table: pd.DataFrame, roles: Collection[str]) -> set[tuple]:
    assigned = table[table["role"].isin(list(roles))]
    return set(assigned[[*HEAD, "role"]].itertuples(index=False, name=None))
