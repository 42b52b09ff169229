"""Which roles hang on a choice? Everything the contract chose, chosen otherwise, one thing at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import LINES, table_lines
from experiments.head_roles import missing_evidence, role_tables
from interp import plots
from interp.api import RolesOf, findings, tally_roles
from interp.attention.aggregation import ATTENDED_TO, ATTENDING, words_by
from interp.attention.visibility import mask_groups
from interp.corpora.batching import batches
from interp.corpora.conllu import read_conllu
from interp.corpora.encoding import encode
from interp.corpora.fidelity import of_another
from interp.errors import COUNT, InterpError
from interp.folds import Collected, Folds
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.roles.redefined import redefined
from interp.statistics.criteria import Criteria
from interp.sums import RoleSums
from interp.tables.roles import untestable
from interp.tables.sensitivity import agreement
from interp.tallies.roles import RoleTally
from interp.tallies.stream import stream
from interp.types import Corpus, EncodedCorpus, HeadModel

QUARTERS = 4

Choice = tuple[str, str, RoleSums, Criteria, int]
"""A factor, its level, and what roles are then assigned from: sums, criteria, seed."""


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesOf,
    other_corpus: str | None,
    margins: Sequence[float],
    seeds: Annotated[int, COUNT._replace(lowest=0)],
    criteria: Criteria,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """The corpus in quarters, whose sums add up to all others; then roles are assigned anew for every choice."""
    encoded = encode(model, corpus)
    quarters, otherwise = tally_choices(model, encoded, roles, seed, progress)
    another = None if other_corpus is None else encode(model, read_conllu(other_corpus))
    sums_of_another = None if another is None else tally_roles(model, another, roles, progress=progress)
    progress.measured()
    whole = reduce(RoleSums.merge, quarters)
    choices: list[Choice] = [(*way, sums, criteria, seed) for way, sums in otherwise.items()]
    for parts in range(1, QUARTERS):
        sample = reduce(RoleSums.merge, quarters[:parts])
        choices.append(("sample size", f"{parts / QUARTERS:.0%}", sample, criteria, seed))
    first, second = (reduce(RoleSums.merge, quarters[start : start + 2]) for start in (0, 2))
    choices += [("corpus", "one half", first, criteria, seed), ("corpus", "other half", second, criteria, seed)]
    of_other: tuple[str, ...] = ()
    if another is not None and sums_of_another is not None:
        of_other = of_another(another.corpus.name, another.notes)
        choices.append(("corpus", another.corpus.name, sums_of_another, criteria, seed))
    choices += [("margin", f"{margin:.2f}", whole, replace(criteria, margin=margin), seed) for margin in margins]
    choices += [("seed", str(seed + by), whole, criteria, seed + by) for by in range(1, seeds + 1)]

    # how stable a role is under new halves is not asked here
    baseline = role_tables(whole, criteria, seed, splits=0)["roles"]
    compared = Collected()
    for place, choice in progress(list(enumerate(choices)), "choices", compared):
        factor, level, sums, own_criteria, own_seed = choice
        found = role_tables(sums, own_criteria, own_seed, splits=0)["roles"]
        numbers = agreement(baseline, found, tested=tested(whole, criteria), tested_there=tested(sums, criteria))
        compared.add(place, row=pd.DataFrame([{"factor": factor, "level": level, **numbers}]))
    tables = {"sensitivity": compared.table("row"), "roles": baseline}
    said = (
        f"The baseline: word attention by sum and mean, the whole corpus, margin {criteria.margin}, seed "
        f"{seed}. Roles are compared where both choices could test them.",
        "Definitions: by mass, what is judged by the largest attention is judged by the attention itself; by largest, "
        "the reverse; from governor, the word that attends most to a dependent should be its governor. A dependent's "
        "first token in place of the mean is the aggregation `attending: first`.",
    )
    missing = missing_evidence(whole, criteria, model.causal, corpus)
    return findings(model, encoded, seed, tables, (*of_other, *said, *missing))


def tested(sums: RoleSums, criteria: Criteria) -> set[str]:
    """The roles that these sums can test."""
    return {role.name for role in sums.roles} - set(untestable(sums, criteria))


def tally_choices(
    model: HeadModel, encoded: EncodedCorpus, roles: RolesOf, seed: int, progress: Progress
) -> tuple[list[RoleSums], dict[tuple[str, str], RoleSums]]:
    """One pass: the sums of every quarter of the source documents, and of the whole counted in every other way."""
    asked, groups = tuple(roles(encoded.corpus)), mask_groups(model)
    if not asked:
        raise InterpError(
            f"The corpus {encoded.corpus.name!r} has no annotation for the roles asked for. "
            "Choose other roles (roles=positional needs none), or a corpus with gold annotation."
        )
    others = {
        ("aggregation", name): RoleTally(asked, model.heads, groups, words=words_by(to, by))
        for name, to, by in other_aggregations()
    }
    for name, changed in redefined(asked).items():
        others["definition", name] = RoleTally(changed, model.heads, groups)
    parts = in_quarters(encoded, seed)
    quarters = [RoleTally(asked, model.heads, groups) for _ in parts]
    work = [
        (tally, group)
        for tally, documents in zip(quarters, parts, strict=True)
        for group in batches(encoded, model, documents=documents)
    ]
    for tally, group in progress(work, "quarters", Folds(*quarters, *others.values())):
        stream(model, [group.batch()], tally, *others.values())
    return [tally.sums() for tally in quarters], {name: tally.sums() for name, tally in others.items()}


def other_aggregations() -> Iterator[tuple[str, str, str]]:
    """Each way to aggregate that differs from the contract's in one of its two parts, with a name."""
    for to in ATTENDED_TO[1:]:
        yield f"attended to: {to}", to, ATTENDING[0]
    for by in ATTENDING[1:]:
        yield f"attending: {by}", ATTENDED_TO[0], by


def in_quarters(encoded: EncodedCorpus, seed: int) -> list[list[int]]:
    """The numbers of the documents of each quarter of the source documents, dealt out at random."""
    sources = list(dict.fromkeys(document.source for document in encoded.corpus))
    if len(sources) < QUARTERS:
        raise InterpError(
            f"The corpus {encoded.corpus.name!r} comes from {len(sources)} source documents, and sensitivity deals "
            f"them out to {QUARTERS} quarters. Give more source documents."
        )
    order = np.random.default_rng(seed).permutation(len(sources))
    quarter = {sources[place]: number % QUARTERS for number, place in enumerate(order)}
    parts: list[list[int]] = [[] for _ in range(QUARTERS)]
    for number, document in enumerate(encoded.corpus):
        parts[quarter[document.source]].append(number)
    return parts


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """The share of heads whose roles flip, choice by choice."""
    return {"sensitivity": plots.sensitivity(tables["sensitivity"], style=style)}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Per choice the heads whose roles change and how far the sets agree, over the roles that both could test."""
    table = tables["sensitivity"]
    compared = table[table.roles_compared > 0]
    if compared.empty:
        lines = ["No role had enough queries and source documents to be tested: nothing was compared."]
    else:
        most: Any = next(compared.sort_values("heads_flipped", ascending=False, kind="stable").itertuples())
        lines = [
            f"{(compared.heads_flipped == 0).sum()} of {len(compared)} choices change no head's roles; the choice that "
            f"changes most is {most.factor} {most.level}: {most.heads_flipped} of {most.heads} heads."
        ]
    header = (
        "choice",
        "",
        "heads that change",
        "share",
        "of those with a role",
        "Jaccard",
        "roles",
        "not testable here",
    )
    rows: Any = table.itertuples()
    return [*lines, *table_lines([*map(_agreement, rows)], LINES - 3, "sensitivity.csv", header=header)]


def _agreement(row: Any) -> tuple[str, ...]:
    """One choice: the heads whose set of roles it changes, of all and of those with a role either way."""
    beside = (f"{row.not_testable}",) if row.not_testable else ()
    if not row.roles_compared:
        return row.factor, row.level, "no role to compare", "–", "–", "–", "0", *beside
    with_role = "–" if pd.isna(row.share_flipped_with_role) else f"{row.share_flipped_with_role:.2f}"
    changed = f"{row.heads_flipped} of {row.heads}", f"{row.share_flipped:.2f}", with_role
    return row.factor, row.level, *changed, f"{row.jaccard:.2f}", f"{row.roles_compared}", *beside
