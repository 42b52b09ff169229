"""Which heads matter? Silence one head at a time and measure what the model loses."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.wording import interval, name_of
from interp import effects, plots
from interp.analysis import label
from interp.corpora.batching import encode
from interp.effects import MetricsOf
from interp.progress import Progress, silent
from interp.results import Findings
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
    """The five heads whose silence costs most, for each ablation and metric."""
    lines = []
    for (ablation, metric), table in tables["effects"].groupby(["ablation", "metric"]):
        lines.append(
            f"Heads that matter most ({ablation} ablation, effect on {metric} over {table.n.max()} documents):"
        )
        top = table.sort_values("effect", ascending=False, kind="stable").head(5)
        lines += [
            f"    head {name_of(row):<5} {row.effect:+.4f}{interval(row.ci_low, row.ci_high, 4)}"
            for row in top.itertuples()
        ]
        if "top" in table:
            settled = table[table.top].sort_values("effect", ascending=False, kind="stable")
            names = ", ".join(name_of(row) for row in settled.itertuples())
            lines.append(f"    Settled as the top {len(settled)}: {names}")
    return [*lines, *_sets(tables["sets"])] if "sets" in tables else lines


def _sets(table: pd.DataFrame) -> list[str]:
    """What each set costs together, beside the sum of what its heads cost alone."""
    largest = (
        table.rename(columns={"size": "heads_in_it"}).sort_values("effect", ascending=False, kind="stable").head(8)
    )
    return ["Heads silenced together, largest effect first (all of them: sets.csv):"] + [
        f"    {row.set:<12} {row.effect:+.4f}{interval(row.ci_low, row.ci_high, 4)} on {row.metric}, "
        f"{row.sum_of_effects:+.4f} if what each of its {row.heads_in_it} heads costs alone is added up"
        for row in largest.itertuples()
    ]
