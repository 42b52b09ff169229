"""What does every head attend to, and does it matter? Roles and ablation on the same model and corpus, joined."""

from collections.abc import Mapping
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure

from experiments import head_ablation, head_roles
from experiments.cli.summary_lines import interval, signed, table_lines
from interp import plots
from interp.ablation.effects import MetricsOf, measure_effects
from interp.ablation.plan import Plan
from interp.answers import LOGIT_DIFFERENCE
from interp.api import RolesOf, examples_of, findings, tally_roles
from interp.corpora.prompts import Prompts
from interp.errors import COUNT
from interp.explaining.behaviours import measured_on
from interp.explaining.rules import explained_in_brief
from interp.heads import HEAD
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.statistics.criteria import Criteria
from interp.tables.atlas import atlas_table
from interp.tables.attribution import block_sums
from interp.tables.blocks import blocks_of, role_block_table
from interp.tables.examples import example_tables
from interp.tables.measures import direct_effects, measure_table
from interp.tallies.attribution import Attribution, attribute
from interp.tallies.spread import FirstTokenTally, ShapeTally, shapes_of_heads
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesOf,
    plan: Plan,
    metrics: MetricsOf,
    criteria: Criteria,
    explain_limit: Annotated[int, COUNT] = 200,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Two passes over the corpus and a sweep over every head; one row per head in the end.

    What rules explain of a head's attention is asked on `explain_limit` documents, evenly spaced. On a behaviour
    effects are on its answers, and beside them stands what each head writes towards the right one (`direct`).
    """
    subject = measured_on(model, corpus, metrics)
    encoded, prompts = subject.encoded, subject.prompts
    shape, first = ShapeTally(model.heads), FirstTokenTally(model.heads)
    sums = tally_roles(model, encoded, roles, shape, first, progress=progress)
    found = measure_effects(
        model, encoded, plan, subject.metrics, seed=seed, min_blocks=criteria.min_blocks, progress=progress
    )
    written = None if prompts is None else attribute(model, prompts, progress=progress)
    explained, unexplained = explained_in_brief(
        model, encoded, explain_limit, seed=seed, min_blocks=criteria.min_blocks, progress=progress
    )
    examples = examples_of(model, encoded, roles, seed=seed, progress=progress)
    progress.measured()
    tables = head_roles.role_tables(sums, criteria, seed, progress=progress)
    tables["role_blocks"] = role_block_table(sums, criteria.min_blocks)
    tables |= found.tables
    shapes = shapes_of_heads(shape, first)
    tables["atlas"] = atlas_table(shapes, tables["scores"], tables["roles"], tables["effects"], explained)
    if prompts is not None and written is not None:
        tables |= measures(tables["atlas"], found.blocks, prompts, written, seed, criteria.min_blocks)
    tables |= example_tables(examples, tables["scores"], tables["roles"])
    notes = (*head_roles.missing_evidence(sums, criteria, model.causal, corpus), *found.notes, *unexplained)
    return subject.told(findings(model, encoded, seed, tables, notes, found.skipped, examples), model, seed)


def measures(
    atlas: pd.DataFrame,
    effects: pd.DataFrame | None,
    prompts: Prompts,
    written: Attribution,
    seed: int,
    min_blocks: int,
) -> dict[str, pd.DataFrame]:
    """The atlas with what each head writes towards the answer, and how far role, writing and effect rank heads alike.

    The latter only where every head was ablated on every prompt.
    """
    of_heads = [place for place, one in enumerate(written.components) if one.name == "head"]
    heads = [("self", written.components[place].layer, written.components[place].head) for place in of_heads]
    direct, n = block_sums(written.value[of_heads], prompts.block)
    told = {"seed": seed, "min_blocks": min_blocks}
    found = {"atlas": atlas.merge(direct_effects(heads, direct, n, **told), on=HEAD, how="left", validate="one_to_one")}
    if effects is not None:
        own = effects[effects["metric"] == LOGIT_DIFFERENCE].set_index(HEAD).loc[heads].reset_index()
        effect, counts = blocks_of(own, "effect")
        if (counts == n).all():
            rows = atlas.set_index(HEAD).loc[heads].reset_index()
            found["measures"] = measure_table(rows, direct, effect, n, **told)
    return found


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """The figures of both experiments, and role against effect."""
    return (
        head_roles.draw(tables, style)
        | head_ablation.draw(tables, style)
        | {"role_against_effect": plots.role_against_effect(tables["atlas"], style=style)}
    )


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Whether role and effect go together, and both summaries, each with a shorter list."""
    counts = tables["atlas"].agreement.value_counts()
    together = ", ".join(f"{name}: {count}" for name, count in counts.items())
    verdict, *roles = head_roles.summary_of(tables, most=8)
    lines = [verdict, f"Heads by role and effect: {together}.", *_explained(tables["atlas"])]
    if "measures" in tables:
        lines += _measures(tables["measures"])
    if "untested" in counts:
        lines.append("Untested: too few blocks of documents were swept for an interval; raise ablation.limit.")
    return [*lines, *roles, *head_ablation.summary_of(tables, most=2, metrics=2)]


def _explained(atlas: pd.DataFrame) -> list[str]:
    """How much rules explain of attention, and which rule explains most of most heads."""
    known = atlas[atlas["explained"].notna()]
    if known.empty:
        return []
    counts = known.loc[known["first_rule"] != "", "first_rule"].value_counts()
    most = ", ".join(f"{rule} in {count}" for rule, count in counts.head(3).items())
    first = f"; the one that explains most is {most}" if most else ""
    explained = f"{known['explained'].mean():.2f} of what there is to explain (mean over {len(known)} heads)"
    return [f"Rules explain {explained}{first}."]


def _measures(measures: pd.DataFrame) -> list[str]:
    """How far what a head attends to, writes and causes rank heads alike, and where they part most."""
    rows: Any = measures.itertuples()
    listed = [
        (
            f"{row.first}, {row.second}",
            f"{signed(row.rank_correlation)}{interval(row.ci_low, row.ci_high)}",
            row.parting,
        )
        for row in rows
    ]
    header = ("ranks of heads by", "correlation [95 %]", "furthest apart")
    return [
        "What heads attend to (lift), write (direct) and cause (effect):",
        *table_lines(listed, 3, "measures.csv", header=header),
    ]
