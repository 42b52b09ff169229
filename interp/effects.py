"""What the model loses without each head, as a table: exactly, until enough is known, or estimated."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from interp import metrics as known_metrics
from interp.ablation import replacements
from interp.ablation.replacements import Replacement, Silencer
from interp.ablation.sweep import sweep
from interp.corpora.batching import EncodedCorpus, batches, evenly_spaced
from interp.errors import InterpError, closest
from interp.statistics import effect_table
from interp.sums import EffectSums
from interp.types import Head, HeadModel, Metric

Progress = Callable[[Sequence[Any], str], Iterable[Any]]
"""Shows how far a loop over the items has come, under a name."""

MetricsOf = Callable[[HeadModel], Sequence[Metric]]

REPLACEMENTS: dict[str, Replacement] = {
    "zero": replacements.zero,
    "mean": replacements.mean,
    "resample": replacements.resample,
    "uniform": replacements.uniform,
}

TOKENS_A_SWEEP = 512
"""Padded tokens of a batch that is swept: the engine stacks several variants of it to fill a pass."""


@dataclass(frozen=True)
class Effects:
    """The table `effects` without the columns that say where it comes from, and what has to be said about it."""

    table: pd.DataFrame
    skipped: Mapping[str, int]
    said: tuple[str, ...] = ()


def silent(items: Sequence[Any], name: str) -> Iterable[Any]:  # noqa: ARG001 - the quiet kind of progress
    """The items themselves."""
    return items


def measure(
    model: HeadModel,
    encoded: EncodedCorpus,
    *,
    replacement: str | Replacement = "mean",
    metrics: MetricsOf | Sequence[Metric] = known_metrics.automatic,
    limit: int | None = None,
    engine: str = "auto",
    seed: int = 0,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> Effects:
    """One row per head and metric: effect = intact − ablated, averaged over documents.

    `limit` takes that many documents, evenly spaced; what a replacement measures, it measures on the whole corpus.
    Raises `InterpError` for a setting that is not known.
    """
    name, prepare = named(replacement)
    chosen = metrics(model) if callable(metrics) else metrics
    silence = prepare(model, encoded, seed)
    documents = evenly_spaced(len(encoded), checked_limit(limit))
    sums = exact(model, encoded, silence, chosen, name, documents=documents, engine=engine, progress=progress)
    return Effects(effect_table(sums, seed=seed, min_blocks=min_blocks), without_value(sums))


def exact(
    model: HeadModel,
    encoded: EncodedCorpus,
    silence: Silencer,
    metrics: Sequence[Metric],
    name: str,
    *,
    documents: Sequence[int],
    heads: Sequence[Head] | None = None,
    engine: str = "auto",
    progress: Progress = silent,
) -> list[EffectSums]:
    """Every head silenced in turn on these documents."""
    groups = batches(encoded, model, documents=documents, tokens=TOKENS_A_SWEEP)
    swept = progress(groups, f"ablation ({name})")
    return sweep(model, swept, silence, metrics, ablation=name, heads=heads, using=engine)


def named(replacement: str | Replacement) -> tuple[str, Replacement]:
    """A replacement and its name. Raises `InterpError` for one that is not known."""
    if isinstance(replacement, str):
        if replacement not in REPLACEMENTS:
            raise InterpError(f"The replacement {replacement!r} is not known. {closest(replacement, REPLACEMENTS)}")
        return replacement, REPLACEMENTS[replacement]
    # behind a partial, such as a configuration makes, stands the function that has the name
    return getattr(getattr(replacement, "func", replacement), "__name__", "custom"), replacement


def checked_limit(limit: int | None) -> int | None:
    """The limit as it is given. Raises `InterpError` for none at all."""
    if limit is not None and limit < 1:
        raise InterpError(f"ablation.limit={limit}. Allowed: null (all documents) or a whole number of 1 or more.")
    return limit


def without_value(sums: Sequence[EffectSums]) -> dict[str, int]:
    """How many documents were too short for each metric."""
    return {f"documents_without_{one.metric}": one.left_out for one in sums}
