"""Which heads matter? Silence one head at a time and measure what the model loses."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.wording import interval, name_of, signed
from interp import plots
from interp.ablation import effects
from interp.ablation.effects import MetricsOf
from interp.api import label
from interp.corpora.encoding import encode
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.effects import NOTHING
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    ablation: Mapping[str, Any],
    metrics: MetricsOf,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Every head's output replaced in turn; `ablation` says by what, on how many documents, and how exactly."""
    encoded = encode(model, corpus)
    found = effects.measure(
        model, encoded, metrics=metrics, **ablation, seed=seed, min_blocks=min_blocks, progress=progress
    )
    tables = {name: label(table, model, corpus, seed) for name, table in found.tables.items()}
    return Findings(tables, {**encoded.skipped, **found.skipped}, (*encoded.notes, *found.said))


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """A layer × head map of effects."""
    return {"effects": plots.effect_map(tables["effects"])}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The five heads whose silence costs most, for each ablation and metric; none whose effect is nothing."""
    lines = []
    for (ablation, metric), table in tables["effects"].groupby(["ablation", "metric"]):
        matter = table[table.effect > NOTHING].sort_values("effect", ascending=False, kind="stable")
        measured = f"{ablation} ablation, effect on {metric} over {table.n.max()} documents"
        if matter.empty:
            lines += [f"No head matters ({measured}): {_the_others(table)}."]
        else:
            lines += [f"Heads that matter most ({measured}):"]
            lines += [
                f"    head {name_of(row):<5} {signed(row.effect, 4)}{interval(row.ci_low, row.ci_high, 4)}"
                for row in matter.head(5).itertuples()
            ]
        if 0 < len(matter) < min(5, len(table)):
            lines.append(f"    {len(matter)} of {len(table)} heads matter: {_the_others(table)}")
        if "top" in table:
            settled = table[table.top].sort_values("effect", ascending=False, kind="stable")
            names = ", ".join(name_of(row) for row in settled.itertuples())
            lines.append(f"    Settled as the top {len(settled)}: {names}")
    return [*lines, *_sets(tables["sets"])] if "sets" in tables else lines


def _the_others(table: pd.DataFrame) -> str:
    """What heads do whose effect is not above zero."""
    nothing, hurt = (table.effect.abs() <= NOTHING).sum(), (table.effect < -NOTHING).sum()
    unknown = int(table.effect.isna().sum())
    parts = [f"silencing {nothing} changes nothing (at most {NOTHING:.0e})"] if nothing else []
    parts += [f"without {hurt} the model does better"] if hurt else []
    parts += [f"of {unknown} no document has a value"] if unknown else []
    return ", ".join(parts)


def _sets(table: pd.DataFrame) -> list[str]:
    """What each set costs together, beside the sum of what its heads cost alone."""
    largest = (
        table.rename(columns={"size": "heads_in_it"}).sort_values("effect", ascending=False, kind="stable").head(8)
    )
    return ["Heads silenced together, largest effect first (all of them: sets.csv):"] + [
        f"    {row.set:<12} {signed(row.effect, 4)}{interval(row.ci_low, row.ci_high, 4)} on {row.metric}{_alone(row)}"
        for row in largest.itertuples()
    ]


def _alone(row: Any) -> str:
    if pd.isna(row.sum_of_effects):
        return ""
    return f", {signed(row.sum_of_effects, 4)} if what each of its {row.heads_in_it} heads costs alone is added up"
