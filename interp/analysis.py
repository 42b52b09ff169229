"""The two measurements, from a model and a corpus to a table: where heads look, and what happens without them."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import pandas as pd

from interp import metrics as known_metrics
from interp import roles as known_roles
from interp.ablation import replacements
from interp.ablation.replacements import Replacement
from interp.ablation.sweep import sweep
from interp.corpora.batching import EncodedCorpus, batches, encode, evenly_spaced
from interp.errors import InterpError, closest
from interp.statistics import effect_table, score_table
from interp.sums import EffectSums, RoleSums
from interp.tallies import RoleTally, Tally, stream
from interp.types import Corpus, HeadModel, Metric, Role

Item = TypeVar("Item")

Progress = Callable[[Sequence[Any], str], Iterable[Any]]
"""Shows how far a loop over the items has come, under a name."""

RolesOf = Callable[[Corpus], Sequence[Role]]
RolesAsked = RolesOf | Sequence[Role] | Role | str
"""Roles themselves, one or several; the name of a family; or a question to ask the corpus (`roles.everything`)."""

FAMILIES = ("positional", "syntax", "coreference", "everything")
MetricsOf = Callable[[HeadModel], Sequence[Metric]]

REPLACEMENTS: dict[str, Replacement] = {
    "zero": replacements.zero,
    "mean": replacements.mean,
    "resample": replacements.resample,
    "uniform": replacements.uniform,
}


TOKENS_A_SWEEP = 512
"""Padded tokens of a batch that is swept: the engine stacks several variants of it to fill a pass."""


def silent(items: Sequence[Item], name: str) -> Iterable[Item]:  # noqa: ARG001 - the quiet kind of progress
    """The items themselves."""
    return items


def score(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesAsked = known_roles.everything,
    seed: int = 0,
    min_queries: int = 50,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The table `scores`: one row per role, head and split, with hit, mass, baseline, lift, interval, p and q."""
    sums = tally_roles(model, encode(model, corpus), roles, progress=progress)
    table = score_table(sums, seed=seed, min_queries=min_queries, min_blocks=min_blocks)
    return label(table, model, corpus, seed)


def ablate(
    model: HeadModel,
    corpus: Corpus,
    *,
    replacement: str | Replacement = "mean",
    metrics: MetricsOf | Sequence[Metric] = known_metrics.automatic,
    limit: int | None = None,
    seed: int = 0,
    min_blocks: int = 12,
    engine: str = "auto",
    progress: Progress = silent,
) -> pd.DataFrame:
    """The table `effects`: one row per head and metric, effect = intact − ablated, averaged over documents.

    `limit` sweeps that many documents, evenly spaced; what a replacement measures, it measures on the whole corpus.
    """
    encoded = encode(model, corpus)
    sums = tally_effects(model, encoded, replacement, metrics, limit=limit, seed=seed, engine=engine, progress=progress)
    return label(effect_table(sums, seed=seed, min_blocks=min_blocks), model, corpus, seed)


def tally_roles(
    model: HeadModel,
    encoded: EncodedCorpus,
    roles: RolesAsked,
    *others: Tally,
    progress: Progress = silent,
) -> RoleSums:
    """One pass over the corpus; `others` are fed along. Raises `InterpError` where there is no role to ask about."""
    chosen = _roles_asked(roles, encoded.corpus)
    if not chosen:
        raise InterpError(
            f"The corpus {encoded.corpus.name!r} has no annotation for the roles asked for. "
            "Choose other roles (roles=positional needs none), or a corpus with gold annotation."
        )
    tally = RoleTally(chosen, model.heads)
    groups = batches(encoded, model)
    stream(model, (group.batch() for group in progress(groups, "roles")), tally, *others)
    return tally.sums()


def _roles_asked(roles: RolesAsked, corpus: Corpus) -> tuple[Role, ...]:
    if isinstance(roles, Role):
        return (roles,)
    if isinstance(roles, str):
        if roles not in FAMILIES:
            raise InterpError(f"The family of roles {roles!r} is not known. {closest(roles, FAMILIES)}")
        roles = getattr(known_roles, roles)
    return tuple(roles(corpus) if callable(roles) else roles)  # pyright: ignore[reportCallIssue, reportArgumentType]


def tally_effects(
    model: HeadModel,
    encoded: EncodedCorpus,
    replacement: str | Replacement,
    metrics: MetricsOf | Sequence[Metric],
    *,
    limit: int | None = None,
    seed: int = 0,
    engine: str = "auto",
    progress: Progress = silent,
) -> list[EffectSums]:
    """Every head silenced in turn. Raises `InterpError` for a replacement that is not known."""
    if isinstance(replacement, str):
        if replacement not in REPLACEMENTS:
            raise InterpError(f"The replacement {replacement!r} is not known. {closest(replacement, REPLACEMENTS)}")
        name, prepare = replacement, REPLACEMENTS[replacement]
    else:
        # behind a partial, such as a configuration makes, stands the function that has the name
        name, prepare = getattr(getattr(replacement, "func", replacement), "__name__", "custom"), replacement
    if limit is not None and limit < 1:
        raise InterpError(f"ablation.limit={limit}. Allowed: null (all documents) or a whole number of 1 or more.")
    chosen = metrics(model) if callable(metrics) else metrics
    silence = prepare(model, encoded, seed)
    some = evenly_spaced(len(encoded), limit)
    groups = batches(encoded, model, documents=some, tokens=TOKENS_A_SWEEP)
    swept = (group.batch() for group in progress(groups, f"ablation ({name})"))
    return sweep(model, swept, silence, chosen, ablation=name, using=engine)


def label(table: pd.DataFrame, model: HeadModel, corpus: Corpus, seed: int) -> pd.DataFrame:
    """The table with the columns that say where it comes from in front."""
    names = {"model": model.name, "corpus": corpus.name, "seed": seed}
    return pd.concat([pd.DataFrame(names, index=table.index), table], axis=1)
