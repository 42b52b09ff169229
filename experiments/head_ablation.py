"""Which heads matter? Silence one head at a time and measure what the model loses."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from experiments.wording import interval
from interp import plots
from interp.ablation.replacements import Replacement
from interp.analysis import MetricsOf, Progress, label, silent, tally_effects
from interp.corpora.batching import encode
from interp.results import Findings
from interp.statistics import effect_table
from interp.sums import EffectSums
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    replacement: str | Replacement,
    metrics: MetricsOf,
    limit: int | None = None,
    engine: str = "auto",
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Every head's output replaced in turn, exactly, on `limit` documents evenly spaced over the corpus."""
    encoded = encode(model, corpus)
    sums = tally_effects(model, encoded, replacement, metrics, limit=limit, seed=seed, engine=engine, progress=progress)
    effects = effect_table(sums, seed=seed, min_blocks=min_blocks)
    return Findings({"effects": label(effects, model, corpus, seed)}, encoded.skipped | without_value(sums))


def without_value(sums: Sequence[EffectSums]) -> dict[str, int]:
    """How many documents were too short for each metric."""
    return {f"documents_without_{one.metric}": one.left_out for one in sums}


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """A layer × head map of effects."""
    return {"effects": plots.effect_map(tables["effects"])}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The five heads whose silence costs most, for each ablation and metric."""
    lines = []
    for (ablation, metric), effects in tables["effects"].groupby(["ablation", "metric"]):
        lines.append(
            f"Heads that matter most ({ablation} ablation, effect on {metric} over {effects.n.max()} documents):"
        )
        top = effects.sort_values("effect", ascending=False, kind="stable").head(5)
        lines += [
            f"    head {row.layer}.{row.head:<3} {row.effect:+.4f}{interval(row.ci_low, row.ci_high, 4)}"
            for row in top.itertuples()
        ]
    return lines
