"""Does a behaviour rest on the heads of a role? Their ablation, four ways and patched, beside that of other heads."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import interval, signed, table_lines
from interp import plots
from interp.ablation.controls import nearest_by_norm, random_of_same_layers
from interp.ablation.replacements import REPLACEMENTS
from interp.ablation.sets import HeadSets, head_sets
from interp.api import RolesOf, tally_roles
from interp.corpora.encoding import encode
from interp.errors import COUNT, InterpError, closest
from interp.explaining.heads_of_runs import tables_of_run
from interp.explaining.role_ablation import ablate_sets, measurable, patch_sets
from interp.plots.style import PAGE, Style
from interp.progress import AboutTheWhole, Progress, silent
from interp.results import Findings
from interp.statistics.criteria import Criteria
from interp.tables import score_table
from interp.tables.role_ablation import ITSELF, Compared, draw_table, role_ablation_table
from interp.tables.role_heads import heads_by_role
from interp.tables.roles import classify
from interp.tallies.output_norms import output_norms
from interp.types import Corpus, Head, HeadModel

RANDOM, AS_LOUD = "random", "as loud"


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    asked: RolesOf,
    scored_on: Corpus,
    criteria: Criteria,
    roles: Sequence[str] | None = None,
    most: Annotated[int, COUNT] = 8,
    heads: HeadSets | None = None,
    roles_run: str | None = None,
    draws: Annotated[int, COUNT] = 20,
    replacements: Sequence[str] = tuple(REPLACEMENTS),
    force: bool = False,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """The heads of each role, given or assigned on `select`, replaced together, and so are those they are held against.

    Controls are `draws` random sets of as many heads of the same layers, the heads whose output is most nearly as
    long, and as many of each other role. Prompts are also patched: then the same heads of a prompt with the same
    answer are a control. Raises `InterpError` where no head has any of the roles.
    """
    unknown = [one for one in replacements if one not in REPLACEMENTS]
    if unknown or not replacements:
        given = ",".join(map(str, unknown or replacements))
        raise InterpError(f"role_ablation.replacements=[{given}] is not known. {closest(given, REPLACEMENTS)}")
    whole = AboutTheWhole(progress)
    by_role, assigned_on = _heads_of_roles(
        model, asked, scored_on, criteria, roles, most, heads, roles_run, seed=seed, progress=whole
    )
    options = {"force": force, "seed": seed, "min_blocks": criteria.min_blocks, "progress": whole}
    on = measurable(model, corpus, assigned_on=assigned_on, **options)
    norms = output_norms(model, on.encoded, whole)

    compared, sets, notes = list[Compared](), list[tuple[Head, ...]](), list[str]()
    for role, own in by_role.items():
        controls = {
            RANDOM: random_of_same_layers(own, model.heads, draws, seed),
            AS_LOUD: [nearest_by_norm(own, model.heads, norms)],
            **{f"heads of {name}": [_others(some, own)] for name, some in by_role.items() if name != role},
        }
        for control, found in {ITSELF: [tuple(own)], **controls}.items():
            if len(found[0]) < len(own):
                notes.append(_too_few(role, control, len(own), len(found[0])))
            if found[0]:
                numbers = tuple(range(len(sets), len(sets) + len(found)))
                compared.append(Compared(role, control, numbers, tuple(found)))
                sets += found
    found = ablate_sets(model, on, replacements, sets, seed=seed, progress=progress)
    same_answer = []
    if on.subject is not None:
        owned = [tuple(own) for own in by_role.values()]
        patched, same_answer, note = patch_sets(model, on, sets, owned, seed=seed, progress=progress)
        found, notes = found + patched, [*notes, *note]
    progress.measured()
    tables = {
        "role_ablation": role_ablation_table(found, compared, same_answer, seed=seed, min_blocks=criteria.min_blocks),
        "role_ablation_draws": draw_table(found, compared),
    }
    return on.findings(model, seed, tables, notes)


def _heads_of_roles(
    model: HeadModel,
    asked: RolesOf,
    scored_on: Corpus,
    criteria: Criteria,
    roles: Sequence[str] | None,
    most: int,
    heads: HeadSets | None,
    roles_run: str | None,
    *,
    seed: int,
    progress: Progress,
) -> tuple[Mapping[str, Sequence[Head]], str]:
    """By role, and the hash of the corpus on which they were assigned; none where they are given by hand."""
    if heads is not None:
        if roles_run is not None:
            raise InterpError("role_ablation.heads and role_ablation.roles_run are both given. Give one of them.")
        return head_sets(heads, model.heads), ""
    if roles_run is not None:
        tables, digest = tables_of_run("role_ablation.roles_run", roles_run, model, "scores", "roles")
        if len(tables) < 2:
            raise InterpError(f"role_ablation.roles_run={roles_run} lacks one of the tables scores and roles.")
        scores, assigned = tables["scores"], tables["roles"]
    else:
        sums, digest = tally_roles(model, encode(model, scored_on), asked, progress=progress), scored_on.digest
        scores = score_table(sums, criteria, seed=seed)
        assigned = classify(sums, scores, criteria, seed=seed, splits=0)
    every = heads_by_role(scores, assigned, most)
    unknown = [role for role in roles or () if role not in set(scores["role"])]
    if unknown:
        raise InterpError(f"role_ablation.roles: {unknown[0]!r} was not asked. {closest(unknown[0], scores['role'])}")
    known = {(one.site, one.layer, one.head): one for one in model.heads}
    chosen = {role: [known[head] for head in every[role]] for role in (roles or every) if role in every}
    if not chosen:
        raise InterpError(
            f"No head of {model.name!r} has a role of {', '.join(roles or ['those asked'])} by the criteria. Allowed: "
            "other roles, a lower classify.margin, or the heads themselves (role_ablation.heads={NAME:[L0H1]})."
        )
    return chosen, digest


def _others(heads: Sequence[Head], own: Sequence[Head]) -> tuple[Head, ...]:
    """As many of these as there are own ones, and none of them."""
    return tuple(head for head in heads if head not in own)[: len(own)]


def _too_few(role: str, control: str, wanted: int, there: int) -> str:
    has = there or "none, and is left out"
    return f"{role} has {wanted} heads, and the control {control!r} {has}: no more can be had."


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """Under every replacement, what the role's heads do beside their controls."""
    return {
        "role_ablation": plots.role_ablation(tables["role_ablation"], tables["role_ablation_draws"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Of the first metric: whether each role's heads matter under every replacement, and beside every control."""
    table = tables["role_ablation"]
    table = table[table["metric"] == table["metric"].iloc[0]]
    lines = [_verdict(table)]
    every: Any = list(table.groupby("role", sort=False))
    for role, of_role in every[:3]:
        own: Any = of_role[of_role["control"] == ITSELF].iloc[0]
        lines.append(f"{role}: {own['heads']}")
        rows: Any = of_role.itertuples()
        listed = [
            (row.replacement, row.control if row.control != ITSELF else "the role's heads",
             f"{signed(row.effect, 3)}{interval(row.ci_low, row.ci_high, 3)}", row.verdict, row.disagrees)
            for row in rows
        ]  # fmt: skip
        most = 30 // min(len(every), 3)
        header = ("replacement", "heads", f"effect on {table['metric'].iloc[0]}", "verdict", "disagrees")
        lines += table_lines(listed, most - 3, "role_ablation.csv", header=header)
    return [*lines, *([f"… and {len(every) - 3} more roles in role_ablation.csv"] if len(every) > 3 else [])]


def _verdict(table: pd.DataFrame) -> str:
    """Of how many roles every replacement and every control says the same."""
    own = table[table["control"] == ITSELF]
    agree = [
        role for role, rows in own.groupby("role", sort=False)
        if (rows["verdict"] == "matter").all() and (rows["disagrees"] == "").all()
    ]  # fmt: skip
    count, n = own["role"].nunique(), int(own["n"].max())
    return (
        f"The heads of {len(agree)} of {count} roles matter under every replacement, and more than every control "
        f"({table['metric'].iloc[0]}, up to {n} documents; intervals without zero)."
    )
