"""Sets of heads replaced on a behaviour's prompts or on repeated tokens: by every ablation, and by other prompts' z."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from interp.ablation.donors import Donors, from_donors, of_another_source, same_answer, same_place
from interp.ablation.patching import DENOISE, NOISE
from interp.ablation.replacements import Substitute, named
from interp.ablation.sweep import sweep, tokens_a_sweep
from interp.answers import answer_metrics
from interp.corpora.batching import Group, batches
from interp.corpora.encoding import encode
from interp.corpora.prompts import has_prompts
from interp.explaining.behaviours import Subject, behaviour_findings, label_behaviour, subject_of
from interp.explaining.repetition import confirming, repeated_log_prob
from interp.progress import Progress, silent
from interp.results import Findings
from interp.sums import EffectSums
from interp.types import Corpus, EncodedCorpus, Head, HeadModel, Metric

Sets = Mapping[tuple[str, int, int], Sequence[Head]]


@dataclass(frozen=True, eq=False)
class Measurable:
    """What heads are replaced on, and by which metrics that is measured; `subject` where there are prompts."""

    encoded: EncodedCorpus
    documents: Sequence[int]
    """Those that are measured; a replacement measures on all."""
    metrics: Sequence[Metric]
    subject: Subject | None
    notes: tuple[str, ...] = ()

    def findings(
        self, model: HeadModel, seed: int, tables: Mapping[str, pd.DataFrame], notes: Sequence[str]
    ) -> Findings:
        """The tables of an experiment, labelled alike whether there are prompts or not."""
        notes = (*self.notes, *notes)
        if self.subject is not None:
            return behaviour_findings(model, self.subject, seed, tables, notes)
        labelled = {name: label_behaviour(table, model, self.encoded.corpus, seed) for name, table in tables.items()}
        return Findings(labelled, dict(self.encoded.skipped), (*self.encoded.notes, *notes))


def measurable(
    model: HeadModel,
    corpus: Corpus,
    *,
    assigned_on: str,
    force: bool,
    seed: int,
    min_blocks: int,
    progress: Progress = silent,
) -> Measurable:
    """A behaviour's prompts, or documents of repeated tokens.

    Where heads were assigned to roles on this very corpus (its hash is `assigned_on`), only its confirm half is
    measured. Raises `InterpError` as `subject_of` and `repeated_log_prob` do.
    """
    if has_prompts(corpus):
        options = {"force": force, "seed": seed, "min_blocks": min_blocks, "progress": progress}
        subject = subject_of(model, corpus, **options)
        encoded, metrics = subject.prompts.clean, answer_metrics(subject.prompts)
    else:
        subject, encoded = None, encode(model, corpus)
        metrics = (repeated_log_prob(model, encoded),)
    if assigned_on != corpus.digest:
        return Measurable(encoded, range(len(encoded)), metrics, subject)
    half = confirming(encoded)
    note = f"Roles were assigned on this corpus: its confirm half is measured, {len(half)} of {len(encoded)} documents."
    return Measurable(encoded, half, metrics, subject, (note,))


def ablate_sets(
    model: HeadModel,
    on: Measurable,
    replacements: Sequence[str],
    sets: Sequence[Sequence[Head]],
    *,
    seed: int,
    progress: Progress = silent,
) -> list[EffectSums]:
    """Every set under every replacement, each measured on all documents; one sum per replacement and metric."""
    groups = batches(on.encoded, model, documents=on.documents, tokens=tokens_a_sweep(model))
    found: list[EffectSums] = []
    for replacement in replacements:
        substitute = named(replacement)[1](model, on.encoded, seed, progress)
        found += swept(model, groups, substitute, on.metrics, sets, replacement, progress)
    return found


def patch_sets(
    model: HeadModel,
    on: Measurable,
    sets: Sequence[Sequence[Head]],
    own: Sequence[Sequence[Head]],
    *,
    seed: int,
    progress: Progress = silent,
) -> tuple[list[EffectSums], list[EffectSums], tuple[str, ...]]:
    """Every set patched with the prompt's other text, both ways; and the sets `own` with a prompt of the same answer.

    All on the prompts that have such a donor; on all prompts, and without that control, where none has. The effect of
    `denoise` is patched − corrupted, that of `noise` clean − patched.
    """
    assert on.subject is not None
    prompts, documents = on.subject.prompts, list(on.documents)
    donors = same_answer(prompts, seed)
    served = [number for number in documents if donors.document[number] >= 0]
    if served:
        documents, elsewhere = served, of_another_source(prompts, donors)
        note = (
            f"Patching is measured on {len(served)} of {len(on.documents)} prompts: those for which another template "
            f"asks for the same answer. Over all prompts {elsewhere} such donors have other names, and the others are "
            "of the same names in another order."
        )
    else:
        note = "No two templates ask for the same answer: patching has no same-answer control."
    other, own_text = same_place(prompts.corrupted), same_place(prompts.clean)
    passes = [_Pass(NOISE, prompts.clean, other, sets), _Pass(DENOISE, prompts.corrupted, own_text, sets)]
    if served:
        passes += [_Pass(NOISE, prompts.clean, donors, own), _Pass(DENOISE, prompts.corrupted, donors, own)]
    found = [_patched(model, one, documents, on.metrics, progress) for one in passes]
    return [*found[0], *found[1]], [one for sums in found[2:] for one in sums], (note,)


class _Pass(NamedTuple):
    """Which way is patched, in which texts, from where, and which sets of heads."""

    way: str
    base: EncodedCorpus
    donors: Donors
    sets: Sequence[Sequence[Head]]


def _patched(
    model: HeadModel, one: _Pass, documents: Sequence[int], metrics: Sequence[Metric], progress: Progress
) -> list[EffectSums]:
    groups = batches(one.base, model, documents=documents, tokens=tokens_a_sweep(model))
    sums = swept(model, groups, from_donors(model, one.donors), metrics, one.sets, one.way, progress)
    if one.way == NOISE:
        return sums
    return [replace(some, effect=0 - some.effect, effect_by_token=0 - some.effect_by_token) for some in sums]


def swept(
    model: HeadModel,
    groups: Sequence[Group],
    substitute: Substitute,
    metrics: Sequence[Metric],
    sets: Sequence[Sequence[Head]],
    replacement: str,
    progress: Progress,
    *,
    name: str | None = None,
) -> list[EffectSums]:
    """Sums in the order of the sets; an empty one, which changes nothing, has the effect 0."""
    some: Sets = {("set", number, 0): heads for number, heads in enumerate(sets) if heads}
    sums = sweep(
        model, groups, substitute, metrics, ablation=replacement, sets=some, name=name or f"sets ({replacement})",
        progress=progress,
    )  # fmt: skip
    return [_with_empty_sets(one, len(sets)) for one in sums]


def _with_empty_sets(sums: EffectSums, count: int) -> EffectSums:
    effect, by_token = (np.zeros((count, len(sums.n))) for _ in range(2))
    ablated = np.repeat(sums.intact[None], count, axis=0)
    there = [number for _, number, _ in sums.heads]
    effect[there], by_token[there], ablated[there] = sums.effect, sums.effect_by_token, sums.ablated
    every = tuple(("set", number, 0) for number in range(count))
    return replace(sums, heads=every, effect=effect, effect_by_token=by_token, ablated=ablated)
