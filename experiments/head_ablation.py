"""Which heads matter? Ablate one head at a time and measure what the model loses."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import aligned, cut, interval, name_of, signed, table_lines
from interp import plots
from interp.ablation.effects import MetricsOf, measure_effects
from interp.ablation.plan import Plan
from interp.api import examples_of, findings
from interp.explaining.behaviours import measured_on
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.effects import NOTHING
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    plan: Plan,
    metrics: MetricsOf,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Every head's output replaced in turn; `plan` says by what, on how many documents, and how exactly.

    On a behaviour (`corpus=behaviour`) effects are on the answers to its prompts.
    """
    subject = measured_on(model, corpus, metrics)
    encoded = subject.encoded
    found = measure_effects(model, encoded, plan, subject.metrics, seed=seed, min_blocks=min_blocks, progress=progress)
    examples = examples_of(model, encoded, (), seed=seed, progress=progress)
    progress.measured()
    told = findings(model, encoded, seed, found.tables, found.notes, found.skipped, examples)
    return subject.told(told, model, seed)


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """A layer × head map of effects."""
    return {"effects": plots.effect_map(tables["effects"], style=style)}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The five heads whose ablation costs most, for each ablation and metric; none whose effect is nothing."""
    return summary_of(tables, most=5, metrics=3)


def summary_of(tables: Mapping[str, pd.DataFrame], *, most: int, metrics: int) -> list[str]:
    """The same for so many metrics, with `most` heads in each list: fewer in experiments that join summaries."""
    every = list(tables["effects"].groupby(["ablation", "metric"], sort=False))
    parts = [_of_metric(str(ablation), str(metric), table, most) for (ablation, metric), table in every[:metrics]]
    lines = [line for part in parts for line in part]
    if len(every) > metrics:
        lines.append(f"… and {len(every) - metrics} more metrics in effects.csv")
    return [*lines, *_sets(tables["sets"], most)] if "sets" in tables else lines


def _of_metric(ablation: str, metric: str, table: pd.DataFrame, most: int) -> list[str]:
    """The head whose ablation costs most, those after it, and what the others do."""
    matter = table[table.effect > NOTHING].sort_values("effect", ascending=False, kind="stable")
    measured = f"{ablation} ablation, effect on {metric} over {table.n.max()} documents"
    if matter.empty:
        return [f"No head matters ({measured}): {_the_others(table)}."]
    first: Any = next(matter.itertuples())
    lines = [f"Head {name_of(first)} matters most, {_effect(first)} ({measured}). The largest effects:"]
    rows: Any = matter.head(most).itertuples()
    lines += aligned([(f"head {name_of(row)}", _effect(row)) for row in rows])
    if 0 < len(matter) < min(most, len(table)):
        lines.append(f"    {len(matter)} of {len(table)} heads matter: {_the_others(table)}")
    if "top" in table:
        settled = table[table.top].sort_values("effect", ascending=False, kind="stable")
        names = [name_of(row) for row in settled.itertuples()]
        lines.append(f"    Settled as the top {len(settled)}: {', '.join(cut(names, 10, 'effects.csv'))}")
    return lines


def _effect(row: Any) -> str:
    return f"{signed(row.effect, 4)}{interval(row.ci_low, row.ci_high, 4)}"


def _the_others(table: pd.DataFrame) -> str:
    """What heads do whose effect is not above zero."""
    nothing, hurt = (table.effect.abs() <= NOTHING).sum(), (table.effect < -NOTHING).sum()
    unknown = int(table.effect.isna().sum())
    parts = [f"ablating {nothing} changes nothing (at most {NOTHING:.0e})"] if nothing else []
    parts += [f"without {hurt} the model does better"] if hurt else []
    parts += [f"of {unknown} no document has a value"] if unknown else []
    return ", ".join(parts)


def _sets(table: pd.DataFrame, most: int) -> list[str]:
    """What each set costs together, beside the sum of what its heads cost alone."""
    rows: Any = (
        table.rename(columns={"size": "heads_in_it"}).sort_values("effect", ascending=False, kind="stable").itertuples()
    )
    listed = [(row.set, f"{_effect(row)} on {row.metric}", _alone(row)) for row in rows]
    return ["Heads ablated together, largest effect first:", *table_lines(listed, most + 1, "sets.csv")]


def _alone(row: Any) -> str:
    if pd.isna(row.sum_of_effects):
        return ""
    return f"the sum of the effects of its {row.heads_in_it} heads alone: {signed(row.sum_of_effects, 4)}"
