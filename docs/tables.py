"""Tables of roles beside random weights: python docs/tables.py FOLDER [ROLE …] (of a run of experiment=nulls)."""

import sys
from collections.abc import Collection
from typing import Any

import pandas as pd

from interp.tables.best_heads import best_heads

KEYS = ["role", "site", "layer", "head"]


def table(folder: str, wanted: Collection[str] = ()) -> str:
    """Of each role the head that was best on select, if it has the role, as confirm saw it; where none has, the best 3.

    Beside it the head of each random model that is chosen in the same way. Of the roles `wanted`, where any are named.
    """
    scores, roles, lifts = (pd.read_parquet(f"{folder}/{name}.parquet") for name in ("scores", "roles", "null_lifts"))
    best = best_heads(scores)
    best = best[best.role.isin(wanted)] if wanted else best
    best = best[best.p.notna()].merge(roles[[*KEYS, "stability"]], on=KEYS, how="left")
    best = best[best.stability.notna()] if best.stability.notna().any() else best.head(3)
    random = lifts[lifts.null == "random_init"].groupby(["role", "site"]).lift
    lines = [
        "| role | head | hit or mass | best baseline | lift [95 %] | q | stability | lift over the annotation baseline "
        "| random weights: mean, largest lift | n |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows: Any = best.itertuples()
    for row in rows:
        harder = (
            "–"
            if pd.isna(row.lift_pos)
            else f"{row.lift_pos:+.2f} [{row.lift_pos_low:.2f}, {row.lift_pos_high:.2f}] (`{row.guess_pos}`)"
        )
        stable = "–" if pd.isna(row.stability) else f"{row.stability:.2f}"
        asked = (row.role, row.site)
        nothing = f"{random.mean()[asked]:+.2f}, {random.max()[asked]:+.2f}" if asked in random.groups else "–"
        lines.append(
            f"| `{row.role}` | {row.layer}.{row.head} | {row.hit if row.statistic == 'hit' else row.mass:.2f} "
            f"| {row.baseline:.2f} (`{row.baseline_name}`) | {row.lift:+.2f} [{row.ci_low:.2f}, {row.ci_high:.2f}] "
            f"| {row.q:.0e} | {stable} | {harder} | {nothing} | {row.n} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    print(table(sys.argv[1], sys.argv[2:]))
