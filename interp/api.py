"""From a model and a corpus to a table: where heads attend, what happens without them, and what they are made of."""

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Literal

import pandas as pd

from interp import metrics as known_metrics
from interp import roles as known_roles
from interp.ablation.effects import MetricsOf, measure_effects
from interp.ablation.plan import Plan
from interp.ablation.replacements import Replacement
from interp.ablation.sets import HeadSets
from interp.attention.visibility import mask_groups
from interp.corpora.batching import batches, collate, read_batches
from interp.corpora.encoding import encode
from interp.corpora.fidelity import WARNING
from interp.corpora.probe_documents import probe_documents
from interp.errors import InterpError
from interp.examples import Examples
from interp.folds import Folds
from interp.models.circuits import circuit_table
from interp.models.gate import check, insist
from interp.models.gate.evidence import Check
from interp.progress import Progress, silent
from interp.results import Findings
from interp.roles.annotation_baselines import annotation_baselines
from interp.schema import column_table
from interp.statistics.criteria import Correction, Criteria
from interp.sums import RoleSums
from interp.tables import anatomy_table, score_table
from interp.tables.roles import classify
from interp.tallies import definitions as shape_definitions
from interp.tallies import explanation_definitions, tags
from interp.tallies.contributions import measure_contributions
from interp.tallies.examples import keep_examples
from interp.tallies.roles import RoleTally
from interp.tallies.stream import SummedTally, Tally, stream
from interp.types import Corpus, EncodedCorpus, HeadModel, Metric, Role
from interp.types.arguments import check_arguments

RolesOf = Callable[[Corpus], Sequence[Role]]
RolesAsked = RolesOf | Sequence[Role] | Role | str
"""Roles themselves, one or several; the name of a family; or a question to ask the corpus (`roles.everything`)."""

MetricsAsked = MetricsOf | Sequence[Metric] | str
"""Metrics themselves; the name of a group; or what chooses them for a model (`metrics.automatic`)."""


def score(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesAsked = "all",
    seed: int = 0,
    alpha: float = 0.05,
    correction: Correction = "bh",
    min_queries: int = 50,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The table `scores`: one row per role, head and split, with hit, mass, baseline, lift, interval, p and q.

    `alpha` and `correction` decide the column `detectable` alone. Raises `InterpError` for a value that none of these
    can have (`interp.statistics.criteria.Criteria`), and where the corpus has no annotation for the roles.
    """
    check_arguments(model, corpus)
    criteria = Criteria(alpha=alpha, correction=correction, min_queries=min_queries, min_blocks=min_blocks)
    sums = tally_roles(model, _read(model, corpus), roles, progress=progress)
    return label(score_table(sums, criteria, seed=seed, progress=progress), model, corpus, seed)


def roles_of(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesAsked = "all",
    margin: float = 0.10,
    alpha: float = 0.05,
    correction: Correction = "bh",
    min_queries: int = 50,
    min_blocks: int = 12,
    min_word_mass: float = 0.10,
    seed: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The table `roles`: one row per head and role that it has on the held-out split, or one row `unclassified`.

    The thresholds are those of `interp.statistics.criteria.Criteria`. Raises `InterpError` as `score` does.
    """
    check_arguments(model, corpus)
    criteria = Criteria(margin, alpha, correction, min_queries, min_blocks, min_word_mass)
    sums = tally_roles(model, _read(model, corpus), roles, progress=progress)
    scores = score_table(sums, criteria, seed=seed, progress=progress)
    table = classify(sums, scores, criteria, seed=seed, progress=progress)
    return label(table, model, corpus, seed)


def ablate(
    model: HeadModel,
    corpus: Corpus,
    *,
    replacement: str | Replacement = "mean",
    metrics: MetricsAsked = "auto",
    limit: int | None = None,
    engine: Literal["auto", "fast", "plain"] = "auto",
    precision: Literal["float32", "delta", "bfloat16"] = "float32",
    until: float | None = None,
    top: int | None = None,
    margin: float = 0.05,
    estimate: Literal["gate_gradient", "attribution", "gauss_newton"] | None = None,
    sample: int = 32,
    seed: int = 0,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The table `effects`: one row per head and metric, effect = intact − ablated, averaged over documents.

    The settings are those of `interp.ablation.plan.Plan`. Raises `InterpError` for one that none can have, or that
    this model does not allow.
    """
    check_arguments(model, corpus)
    plan = Plan(replacement, limit, engine, precision, until, top, margin, estimate, sample)
    read = _read(model, corpus)
    found = measure_effects(
        model, read, plan, _metrics_asked(metrics), seed=seed, min_blocks=min_blocks, progress=progress
    )
    return label(found.table, model, corpus, seed)


def ablate_sets(
    model: HeadModel,
    corpus: Corpus,
    sets: HeadSets = "layers",
    *,
    replacement: str | Replacement = "mean",
    metrics: MetricsAsked = "auto",
    limit: int | None = None,
    seed: int = 0,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The table `sets`: one row per set of heads and metric, its heads ablated together and exactly.

    `sets` is `layers`, or names with heads such as `{"pair": ["L2H0", "L2H8"]}`. Beside the effect stands the sum of
    the effects of its heads alone. Raises `InterpError` for what is no set of the model's heads, and as `ablate` does.
    """
    check_arguments(model, corpus)
    plan = Plan(replacement, limit, sets=sets)
    read = _read(model, corpus)
    found = measure_effects(
        model, read, plan, _metrics_asked(metrics), seed=seed, min_blocks=min_blocks, progress=progress
    )
    assert found.sets is not None
    return label(found.sets, model, corpus, seed)


def prove(model: HeadModel, corpus: Corpus) -> list[Check]:
    """The correctness gate on a few short documents: every check, with the largest deviation it found.

    Raises `ModelError` that names the checks that do not hold.
    """
    check_arguments(model, corpus)
    encoded = probe_documents(model, corpus)
    checks = check(model, encoded, collate(encoded, range(len(encoded)), model))
    insist(model, checks)
    return checks


def anatomy(
    model: HeadModel,
    corpus: Corpus,
    *,
    seed: int = 0,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The table `anatomy`: one row per head, what its weights say and what it writes on the corpus.

    Its columns are those of `interp.models.circuits.circuit_table` and `interp.tables.anatomy_table`; the weights
    themselves are given by `interp.head_weights`. Raises `ModelError` for a model whose heads cannot be laid open.
    """
    check_arguments(model, corpus)
    table = lay_open_heads(model, _read(model, corpus), seed=seed, min_blocks=min_blocks, progress=progress)
    return label(table, model, corpus, seed)


def lay_open_heads(
    model: HeadModel, encoded: EncodedCorpus, *, seed: int, min_blocks: int, progress: Progress = silent
) -> pd.DataFrame:
    """The table of `anatomy` without the columns that say where it comes from."""
    circuits = circuit_table(model, progress)
    sums = measure_contributions(model, encoded, progress)
    progress.measured()
    return anatomy_table(circuits, sums, seed=seed, min_blocks=min_blocks)


def definitions() -> pd.DataFrame:
    """The table `definitions`: one row per definition id that a table may hold, with unit, formula and source."""
    cards = (
        *known_roles.DEFINITIONS,
        *shape_definitions.DEFINITIONS,
        *tags.DEFINITIONS,
        *explanation_definitions.DEFINITIONS,
    )
    return pd.DataFrame([asdict(card) for card in cards]).rename(columns={"id": "definition"})


def columns(table: str | None = None) -> pd.DataFrame:
    """The table `columns`: what every column of every table means, with type, unit and what it may hold.

    Of one `table` only, where it is named. Raises `InterpError` for a name that no table has.
    """
    return column_table(table)


def tally_roles(
    model: HeadModel,
    encoded: EncodedCorpus,
    roles: RolesAsked,
    *others: SummedTally,
    through: Callable[[Tally], Tally] = lambda tally: tally,
    progress: Progress = silent,
) -> RoleSums:
    """One pass over the corpus; `others` are fed along, and `through` may stand between the model and the roles.

    Raises `InterpError` where there is no role to ask about.
    """
    chosen = roles_asked(roles, encoded.corpus)
    if not chosen:
        raise InterpError(
            f"The corpus {encoded.corpus.name!r} has no annotation for the roles asked for. "
            "Choose other roles (roles=positional needs none), or a corpus with gold annotation."
            + (f" What was read: {'; '.join(encoded.corpus.notes)}." if encoded.corpus.notes else "")
        )
    sides = (encoded.corpus,) if encoded.target is None else (encoded.corpus, encoded.target.corpus)
    tally = RoleTally(chosen, model.heads, mask_groups(model), annotation_baselines(*sides))
    if not tally.roles:
        raise InterpError(
            f"None of the roles asked for can be asked of {model.name!r}: they belong to other sites than its heads' "
            f"({', '.join(sorted({head.site for head in model.heads}))}). Choose other roles, or another model."
        )
    groups = progress(batches(encoded, model), "roles", Folds(tally, *others))
    stream(model, read_batches(groups), through(tally), *others)
    return tally.sums()


def examples_of(
    model: HeadModel, encoded: EncodedCorpus, roles: RolesAsked, *, seed: int, progress: Progress = silent
) -> Examples:
    """Every head's attention in up to 100 documents drawn by the seed, and what these roles mark there."""
    return keep_examples(model, encoded, roles_asked(roles, encoded.corpus), seed=seed, progress=progress)


def _read(model: HeadModel, corpus: Corpus) -> EncodedCorpus:
    """The corpus as the model reads it, with a warning of each thing that a table alone would not say."""
    encoded = encode(model, corpus)
    for note in encoded.notes:
        if note.startswith(WARNING):
            warnings.warn(note.removeprefix(WARNING), stacklevel=3)
    return encoded


def _metrics_asked(metrics: MetricsAsked) -> MetricsOf | Sequence[Metric]:
    return known_metrics.named(metrics) if isinstance(metrics, str) else metrics


def roles_asked(roles: RolesAsked, corpus: Corpus) -> tuple[Role, ...]:
    """The roles that are meant, of those that the corpus can be asked."""
    if isinstance(roles, Role):
        return (roles,)
    if isinstance(roles, str):
        roles = known_roles.named(roles)
    return tuple(roles(corpus) if callable(roles) else roles)


def findings(
    model: HeadModel,
    encoded: EncodedCorpus,
    seed: int,
    tables: Mapping[str, pd.DataFrame],
    notes: Sequence[str] = (),
    skipped: Mapping[str, int] = MappingProxyType({}),
    examples: Examples | None = None,
) -> Findings:
    """What an experiment gives: its tables, each with where it comes from; and what was skipped, and noted, on the way.

    Of the corpus as the model reads it both are said first.
    """
    labelled = {name: label(table, model, encoded.corpus, seed) for name, table in tables.items()}
    return Findings(labelled, {**encoded.skipped, **skipped}, (*encoded.notes, *notes), examples)


def label(table: pd.DataFrame, model: HeadModel, corpus: Corpus, seed: int) -> pd.DataFrame:
    """The table with the columns that say where it comes from in front."""
    names = {"model": model.name, "corpus": corpus.name, "seed": seed}
    return pd.concat([pd.DataFrame(names, index=table.index), table], axis=1)
