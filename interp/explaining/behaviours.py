"""A behaviour as the subject of an experiment: the prompts that a model can read, and whether it can answer them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.ablation.effects import MetricsOf
from interp.answers import ACCURACY, answer_metrics, answers
from interp.api import label
from interp.corpora.encoding import encode
from interp.corpora.prompts import Prompts, has_prompts, prompt_table, read_prompts
from interp.errors import InterpError
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.abilities import ability_table
from interp.types import Corpus, EncodedCorpus, HeadModel, Metric


class Measured(NamedTuple):
    """A corpus as the model reads it, and the metrics of it; of a behaviour also the prompts that it can read."""

    encoded: EncodedCorpus
    metrics: MetricsOf | Sequence[Metric]
    prompts: Prompts | None

    def told(self, found: Findings, model: HeadModel, seed: int) -> Findings:
        """The findings with the prompts of a behaviour, and with those that the model cannot read, by reason."""
        if self.prompts is None:
            return found
        table = label_behaviour(prompt_table(self.prompts), model, self.encoded.corpus, seed)
        return replace(
            found, tables={**found.tables, "prompts": table}, skipped={**found.skipped, **self.prompts.skipped}
        )


def measured_on(model: HeadModel, corpus: Corpus, metrics: MetricsOf | Sequence[Metric]) -> Measured:
    """What is to be measured on a corpus: these metrics, or of a behaviour what the model answers."""
    if not has_prompts(corpus):
        return Measured(encode(model, corpus), metrics, None)
    prompts = read_prompts(model, corpus)
    return Measured(prompts.clean, answer_metrics(prompts), prompts)


@dataclass(frozen=True, eq=False)
class Subject:
    """A behaviour's prompts, and what the intact model answers: `clean[metric]` and `corrupted[metric]`, by prompt."""

    prompts: Prompts
    clean: Mapping[str, Float[np.ndarray, " prompt"]]
    corrupted: Mapping[str, Float[np.ndarray, " prompt"]]
    ability: pd.DataFrame

    @property
    def block(self) -> Int[np.ndarray, " prompt"]:
        """That of every prompt (`Prompts.block`)."""
        return self.prompts.block


def subject_of(
    model: HeadModel,
    corpus: Corpus,
    *,
    force: bool = False,
    seed: int = 0,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> Subject:
    """The behaviour, if the model can do it: its accuracy is above one half, by the lower end of the 95 % interval.

    Raises `InterpError` where it is not, or where there are too few prompts for an interval, unless `force` is given;
    and as `interp.corpora.prompts.read_prompts` does.
    """
    prompts = read_prompts(model, corpus)
    clean = answers(model, prompts, prompts.clean, "answers", progress=progress)
    corrupted = answers(model, prompts, prompts.corrupted, "corrupted answers", progress=progress)
    ability = ability_table({"clean": clean, "corrupted": corrupted}, prompts.block, seed=seed, min_blocks=min_blocks)
    if not force:
        _insist(ability, model.name, corpus.name, min_blocks)
    return Subject(prompts, clean, corrupted, ability)


def _insist(ability: pd.DataFrame, model: str, behaviour: str, min_blocks: int) -> None:
    row = ability[(ability["text"] == "clean") & (ability["metric"] == ACCURACY)].iloc[0]
    if row["ci_low"] > row["chance"]:
        return
    if np.isnan(row["ci_low"]):
        why = f"{row['n']} prompts from fewer than {min_blocks} sources (templates and names) have no interval"
    else:
        why = f"the 95 % interval is {row['ci_low']:.2f} to {row['ci_high']:.2f}, and chance is {row['chance']:g}"
    raise InterpError(
        f"{model!r} gives the right answer to {row['value']:.0%} of {row['n']} prompts of {behaviour!r}: {why}. How it "
        "does what it cannot do is not asked. Allowed: another behaviour, more prompts, or force=true."
    )


def label_behaviour(table: pd.DataFrame, model: HeadModel, corpus: Corpus, seed: int) -> pd.DataFrame:
    """The table with the columns `model behaviour seed` in front: the corpus is the behaviour."""
    return label(table, model, corpus, seed).rename(columns={"corpus": "behaviour"})


def behaviour_findings(
    model: HeadModel,
    subject: Subject,
    seed: int,
    tables: Mapping[str, pd.DataFrame],
    notes: Sequence[str] = (),
    skipped: Mapping[str, int] = MappingProxyType({}),
) -> Findings:
    """What an experiment on a behaviour gives: its tables, and with them `prompts` and `ability`."""
    corpus = subject.prompts.clean.corpus
    every = {**tables, "ability": subject.ability, "prompts": prompt_table(subject.prompts)}
    labelled = {name: label_behaviour(table, model, corpus, seed) for name, table in every.items()}
    left_out = {**subject.prompts.clean.skipped, **subject.prompts.skipped, **skipped}
    return Findings(labelled, left_out, (*subject.prompts.clean.notes, *notes))
