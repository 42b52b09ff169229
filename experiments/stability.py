"""Do role scores hold still? From one half of the documents to the other, and from one model to another."""

from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import aligned, cut, interval, name_of, unsigned
from interp import plots
from interp.api import RolesOf, findings, tally_roles
from interp.corpora.batching import evenly_spaced
from interp.corpora.encoding import encode
from interp.corpora.fidelity import of_another
from interp.errors import COUNT
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.statistics import matching
from interp.statistics.criteria import Criteria
from interp.statistics.lift import split_blocks
from interp.tables.matching import LABELS, all_matches, in_common, matching_table
from interp.tables.reliability import profiles, reliability_table
from interp.tallies.similarity import attention_similarity, same_tokens
from interp.types import Corpus, EncodedCorpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesOf,
    other: HeadModel | None,
    random: HeadModel | None,
    documents: Annotated[int, COUNT],
    permutations: Annotated[int, COUNT],
    criteria: Criteria,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Reliability of each role; then heads are matched: with `other`'s, or where there is none with themselves.

    Themselves: by their profiles on the even blocks and on the odd ones, where every head should find itself. `random`
    is a model without training (other seeds of the same architecture), matched as a null.
    """
    encoded = encode(model, corpus)
    sums = tally_roles(model, encoded, roles, progress=progress)
    others = {name: one for name, one in (("other", other), ("random", random)) if one is not None}
    read = {name: encode(one, corpus) for name, one in others.items()}
    sums_of = {name: tally_roles(one, read[name], roles, progress=progress) for name, one in others.items()}
    compared = others if other is not None else {}
    alike = {name for name, one in compared.items() if cuts_alike(model, one, encoded, read[name])}
    chosen = evenly_spaced(len(encoded), documents)
    attention = {
        name: attention_similarity(model, one, encoded, read[name], documents=chosen, progress=progress)
        for name, one in compared.items()
        if name in alike
    }
    progress.measured()

    blocks = split_blocks(sums.n.shape[1])
    profiles_of = partial(profiles, criteria=criteria)
    if other is None:
        mine, theirs = profiles_of(sums, blocks["select"]), profiles_of(sums, blocks["confirm"])
        said = ["No other model was given: heads are matched with themselves, even blocks with odd ones."]
    else:
        mine, theirs = profiles_of(sums, blocks["all"]), profiles_of(sums_of["other"], blocks["all"])
        said = [f"The other model is {other.name}; the correctness gate was not asked of it."]
        said += of_another(other.name, read["other"].notes)
    said += [
        f"{one.name} cuts texts into other tokens or lengths: its attention is not compared."
        for name, one in compared.items()
        if name not in alike
    ]
    similarity = {"roles": matching.profile_similarity(*in_common(mine, theirs))}
    null = matching.permuted(*in_common(mine, theirs), repeats=permutations, seed=seed)
    nulls = [("roles", LABELS, value) for value in null]
    if random is not None:
        untrained = profiles_of(sums_of["random"], blocks["all"])
        found = matching.profile_similarity(*in_common(profiles_of(sums, blocks["all"]), untrained))
        nulls.append(("roles", f"random: {random.name}", matching.matched_similarity(found)))
        if "random" in attention:
            by_attention = matching.matched_similarity(attention["random"])
            nulls.append(("attention", f"random: {random.name}", by_attention))
    if "other" in attention:
        similarity["attention"] = attention["other"]
    tables = {
        "reliability": reliability_table(sums, seed=seed),
        "matches": all_matches(similarity, sums, sums.heads if other is None else sums_of["other"].heads),
        "matching": matching_table(similarity, null),
        "matching_null": pd.DataFrame(nulls, columns=["by", "null", "similarity"]),
    }
    names = {"other": model.name if other is None else other.name}
    named = {name: table.assign(**names) for name, table in tables.items()}
    return findings(model, encoded, seed, named, said)


def cuts_alike(model: HeadModel, other: HeadModel, encoded: EncodedCorpus, other_encoded: EncodedCorpus) -> bool:
    """Whether both models read the same tokens of one text, so that their attention can be compared key by key."""
    sites = {head.site for head in (*model.heads, *other.heads)}
    return sites == {"self"} and same_tokens(encoded, other_encoded)


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """The reliability of every role, and matched heads against nulls."""
    return {
        "reliability": plots.reliability(tables["reliability"], style=style),
        "matching": plots.matching(tables["matching"], tables["matching_null"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The spread of reliabilities, the least reliable of well asked roles, and what matching found."""
    table = tables["reliability"]
    known = table[table.reliability.notna()]
    if known.empty:
        lines = ["No role has a split-half reliability: too few queries in a half, or no head differs from another."]
    else:
        lines = [
            f"Split-half reliability over heads: median {known.reliability.median():.2f} of {len(known)} roles; "
            f"{(known.reliability >= 0.9).sum()} at .90 or more. Lowest of the half of roles with more queries:"
        ]
        rows: Any = known[known.n >= known.n.median()].sort_values("reliability", kind="stable").head(3).itertuples()
        lines += aligned(
            [
                (row.role, f"{unsigned(row.reliability)}{interval(row.ci_low, row.ci_high)}", f"n {row.n}")
                for row in rows
            ]
        )
    rows = tables["matching"].itertuples()
    matched = [line for row in rows for line in _of_matching(row, tables["matching_null"], tables["matches"])]
    return [*lines, *cut(matched, 30, "matching.csv")]


def _of_matching(row: Any, nulls: pd.DataFrame, matches: pd.DataFrame) -> list[str]:
    """How alike the matched heads of two models are, beside every null, and which are most alike."""
    lines = [f"Heads matched by {row.by}: mean similarity {row.similarity:.3f}{_against(row)}."]
    single = nulls[(nulls.by == row.by) & (nulls.null != LABELS)]
    lines += cut([f"    {one.null}: {one.similarity:.3f}" for one in single.itertuples()], 5, "matching_null.csv")
    if len(single) and row.similarity <= single.similarity.max():
        lines.append("    no more alike than with an untrained model, whatever p says")
    elif row.by == "roles" and not len(single):
        lines.append("    an untrained model passes this null too: add model@stability.random=NAME for a harder one")
    pairs = matches[matches.by == row.by]
    same = (pairs.layer == pairs.other_layer) & (pairs["head"] == pairs.other_head)
    lines.append(
        f"    {(pairs.layer == pairs.other_layer).sum()} of {len(pairs)} in the same layer, {same.sum()} with the "
        f"head of the same name; most alike: {_pairs(pairs)}"
    )
    return lines


def _against(row: Any) -> str:
    if pd.isna(row.p):
        return ""
    return f" ({row.null}: {row.null_mean:.3f} on average, p {row.p:.2g})"


def _pairs(pairs: pd.DataFrame) -> str:
    most = pairs.sort_values("similarity", ascending=False, kind="stable").head(4)
    return ", ".join(
        f"{name_of(row)} → {row.other_layer}.{row.other_head} ({row.similarity:.2f})" for row in most.itertuples()
    )
