"""Roles found where there are none: the counts and the largest lifts of every null beside those of the real thing."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pandas as pd

from interp.heads import HEAD
from interp.tables.best_heads import best_heads

NUMBERS = ["n", "lift", "ci_low", "ci_high", "p", "q"]
REAL = "none"
"""The null of what is no null: the real model on the real gold."""


class Measured(NamedTuple):
    """The tables `scores` and `roles` of one null and seed; no seed for what was drawn from none."""

    null: str
    seed: int | None
    scores: pd.DataFrame
    roles: pd.DataFrame


def null_table(measured: Sequence[Measured]) -> pd.DataFrame:
    """One row per null, seed and family of roles, and one of all families together.

    `tests` are those of a testable role and a head, `heads_with_role` counts the heads that have any of these roles,
    `roles` the roles that they have, and `largest_lift` is the largest on confirm of all tests, with its role and head;
    `largest_chosen_lift` is the same of the heads that were best on select, so without the luck of having been chosen.
    """
    rows = []
    for one in measured:
        confirmed = _tested(one.scores)
        chosen = lifts_of_chosen([one])
        assigned = one.roles[one.roles["role"] != "unclassified"]
        for family in ["all", *dict.fromkeys(one.scores["family"])]:
            tests, given, best = (_of_family(table, family) for table in (confirmed, assigned, chosen))
            rows.append(
                {
                    "null": one.null,
                    "null_seed": one.seed,
                    "family": family,
                    "tests": len(tests),
                    "heads": len(one.roles[HEAD].drop_duplicates()),
                    "heads_with_role": len(given[HEAD].drop_duplicates()),
                    "roles": len(given),
                    **_largest(tests),
                    "largest_chosen_lift": best["lift"].max(),
                }
            )
    table = pd.DataFrame(rows)
    return table.astype({"null_seed": "Int64", "largest_role": "str", "largest_site": "str"})


def lifts_of_chosen(measured: Sequence[Measured]) -> pd.DataFrame:
    """One row per null, seed and testable role: the head that is best on select, and its lift on confirm."""
    frames = []
    for one in measured:
        best = _tested(best_heads(one.scores)).sort_values(["definition", "role", "site"], kind="stable")
        found = best[["definition", "role", "family", *HEAD, *NUMBERS]]
        frames.append(found.assign(null=one.null, null_seed=one.seed))
    table = pd.concat(frames, ignore_index=True).astype({"null_seed": "Int64"})
    return table[["null", "null_seed", *table.columns[:-2]]]


def _of_family(table: pd.DataFrame, family: str) -> pd.DataFrame:
    return table if family == "all" else table[table["family"] == family]


def _tested(scores: pd.DataFrame) -> pd.DataFrame:
    return scores[(scores["split"] == "confirm") & scores["p"].notna() & scores["lift"].notna()]


def _largest(tests: pd.DataFrame) -> dict[str, Any]:
    columns = {"lift": "largest_lift", "role": "largest_role"} | {name: f"largest_{name}" for name in HEAD}
    if tests.empty:
        return dict.fromkeys(columns.values())
    row = tests.sort_values("lift", ascending=False, kind="stable").iloc[0]
    return {new: row[old] for old, new in columns.items()}
