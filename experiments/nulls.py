"""What is found where there is nothing to find? Roles of the real model on the real gold, and of three nulls."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Annotated

import pandas as pd
from matplotlib.figure import Figure

from experiments import head_roles
from experiments.cli.summary_lines import table_lines
from interp import plots
from interp.api import RolesOf, findings, tally_roles
from interp.attention.visibility import mask_groups
from interp.corpora.encoding import encode
from interp.corpora.permuted_gold import MOVED, permuted_gold
from interp.errors import COUNT, InterpError, closest
from interp.folds import Collected
from interp.models.loading import random_weights
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.statistics.criteria import Criteria
from interp.sums import RoleSums
from interp.tables.nulls import REAL, Measured, lifts_of_chosen, null_table
from interp.tallies.shuffled import ShuffledRows
from interp.types import Corpus, HeadModel, Role

NULLS = ("permuted_gold", "shuffled_rows", "random_init")


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesOf,
    criteria: Criteria,
    null: Sequence[str] | str = NULLS,
    null_seeds: Annotated[int, COUNT] = 5,
    seed: int = 0,
    fresh: Callable[[HeadModel, int], HeadModel] = random_weights,
    progress: Progress = silent,
) -> Findings:
    """The real pass, and one for each null and seed, all through the same scores and the same rules.

    `permuted_gold`: relations and mentions moved to other words, distances kept. `shuffled_rows`: each row of attention
    shuffled among its visible keys. `random_init`: the same architecture, weights from a seed, made by `fresh(model,
    seed)`. Seeds are `seed`, `seed` + 1, …; raises `InterpError` for a null that is not known.
    """
    chosen = _known(null)
    encoded = encode(model, corpus)
    sums = tally_roles(model, encoded, roles, progress=progress)
    seeds = range(seed, seed + null_seeds)
    passes = [
        (null, one, *_sums_of(null, one, model, corpus, roles, fresh, progress)) for null in chosen for one in seeds
    ]
    progress.measured()
    tables = head_roles.role_tables(sums, criteria, seed, progress=progress)
    notes = head_roles.missing_evidence(sums, criteria, model.causal, corpus)
    scored = Collected()
    asked = [(null, one, found) for null, one, found, _ in passes if found is not None]
    for place, (_, _, found) in progress(list(enumerate(asked)), "tables of nulls", scored):
        # without re-splits: how stable a null's role is, nobody asks
        scored.add(place, **head_roles.role_tables(found, criteria, seed, splits=0))
    notes = (*notes, *(line for _, _, _, said in passes for line in said))
    measured = [Measured(REAL, None, tables["scores"], tables["roles"])]
    for (null, one, _), scores, assigned in zip(asked, scored.tables("scores"), scored.tables("roles"), strict=True):
        measured.append(Measured(null, one, scores, assigned))
    tables |= {"nulls": null_table(measured), "null_lifts": lifts_of_chosen(measured)}
    missing = [name for name in chosen if name not in {one.null for one in measured}]
    if missing:
        notes = (*notes, f"No role here asks for gold that could be moved, so this null says nothing: {missing[0]}.")
    return findings(model, encoded, seed, tables, notes)


def _known(null: Sequence[str] | str) -> tuple[str, ...]:
    chosen = (null,) if isinstance(null, str) else tuple(null)
    for name in chosen:
        if name not in NULLS:
            raise InterpError(f"null={name} is not known. {closest(name, NULLS)}")
    return chosen


def _sums_of(
    null: str,
    seed: int,
    model: HeadModel,
    corpus: Corpus,
    roles: RolesOf,
    fresh: Callable[[HeadModel, int], HeadModel],
    progress: Progress,
) -> tuple[RoleSums | None, tuple[str, ...]]:
    """One pass of a null, and what there is to say of it; None where it leaves nothing to ask."""
    asked = roles(corpus)
    if null == "permuted_gold":
        # what does not ask for gold that moves would come out as in the real pass
        moving: Sequence[Role] = [role for role in asked if role.family in MOVED]
        moved = permuted_gold(corpus, seed)
        if not moving:
            return None, ()
        return tally_roles(model, encode(model, moved), moving, progress=progress), moved.notes[-1:]
    if null == "shuffled_rows":
        through = partial(ShuffledRows, groups=mask_groups(model), seed=seed)
        return tally_roles(model, encode(model, corpus), asked, through=through, progress=progress), ()
    other = fresh(model, seed)
    return tally_roles(other, encode(other, corpus), asked, progress=progress), ()


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """Every role's best head, real and in the nulls; and the figures of `head_roles`."""
    return head_roles.draw(tables, style) | {"nulls": plots.real_against_nulls(tables["null_lifts"], style=style)}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Roles under every null beside the real ones; per null and family the largest lift that chance reached."""
    table = tables["nulls"]
    listed = [
        _of_null(str(null), str(family), rows)
        for (null, family), rows in table.groupby(["null", "family"], sort=False)
        if rows.tests.any()
    ]
    listed.sort(key=lambda row: row[1] != "all")
    header = ("null", "family", "heads with a role", "roles", "largest lift (held-out split)")
    found = head_roles.summary_of(tables, most=5)
    return [
        _verdict(table),
        "By seed, all families first:",
        *table_lines(listed, 13, "nulls.csv", header=header, indent="  "),
        f"On the real model and gold: {found[0]}",
        *found[1:],
    ]


def _verdict(table: pd.DataFrame) -> str:
    """How many roles all seeds of each null have together, and the real pass."""
    whole = table[table.family == "all"]
    nulls = [
        f"{rows.roles.sum()} in {len(rows)} {'seed' if len(rows) == 1 else 'seeds'} of {null}"
        for null, rows in whole[whole.null != REAL].groupby("null", sort=False)
    ]
    real = whole.loc[whole.null == REAL, "roles"].sum()
    return f"Roles under the nulls: {', '.join(nulls) or 'none was run'}; without a null: {real}."


def _of_null(null: str, family: str, rows: pd.DataFrame) -> tuple[str, ...]:
    """Per seed the heads with a role and the roles, and the largest lift of all seeds."""
    best = rows.sort_values("largest_lift", ascending=False, kind="stable").iloc[0]
    heads, roles = (_over_seeds(list(rows[name])) for name in ("heads_with_role", "roles"))
    largest = f"{best.largest_lift:+.2f} {best.largest_role}" if best.tests else "–"
    return "real" if null == REAL else null, family, f"{heads} of {best.heads}", roles, largest


def _over_seeds(counts: list[int]) -> str:
    """Every seed's count, or from the least to the most where there are many."""
    return ", ".join(map(str, counts)) if len(counts) <= 5 else f"{min(counts)} to {max(counts)}"
