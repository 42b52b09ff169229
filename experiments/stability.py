"""Do role scores hold still? From one half of the documents to the other, and from one model to another."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

from experiments.wording import interval, name_of, unsigned
from interp import plots
from interp.api import RolesOf, label, tally_roles
from interp.corpora.batching import evenly_spaced
from interp.corpora.encoding import encode
from interp.corpora.fidelity import of_another
from interp.errors import InterpError
from interp.progress import Progress, silent
from interp.results import Findings
from interp.statistics import matching
from interp.statistics.lift import split_blocks
from interp.sums import RoleSums
from interp.tables.reliability import profiles, reliability_table
from interp.tallies.similarity import attention_similarity, same_tokens
from interp.types import Corpus, EncodedCorpus, HeadModel

LABELS = "role labels dealt anew"


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesOf,
    other: HeadModel | None,
    random: HeadModel | None,
    documents: int,
    permutations: int,
    classification: Mapping[str, Any],
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Reliability of each role; then heads are matched: with `other`'s, or where there is none with themselves.

    Themselves: by their profiles on the even blocks and on the odd ones, where every head should find itself. `random`
    is a model without training (other seeds of the same architecture), matched as a null.
    """
    encoded = encode(model, corpus)
    sums = tally_roles(model, encoded, roles, progress=progress)
    blocks = split_blocks(sums.n.shape[1])
    profiles_of = partial(profiles, **{name: int(classification[name]) for name in ("min_queries", "min_blocks")})
    if other is None:
        mine, theirs, others = profiles_of(sums, blocks["select"]), profiles_of(sums, blocks["confirm"]), sums.heads
        said = ["No other model was given: heads are matched with themselves, even blocks with odd ones."]
    else:
        read_by_other = encode(other, corpus)
        other_sums = tally_roles(other, read_by_other, roles, progress=progress)
        mine, theirs, others = (
            profiles_of(sums, blocks["all"]),
            profiles_of(other_sums, blocks["all"]),
            other_sums.heads,
        )
        said = [f"The other model is {other.name}; the correctness gate was not asked of it."]
        said += of_another(other.name, read_by_other.notes)
    similarity = {"roles": matching.profile_similarity(*in_common(mine, theirs))}
    null = matching.permuted(*in_common(mine, theirs), repeats=permutations, seed=seed)
    nulls = [("roles", LABELS, value) for value in null]
    if random is not None:
        untrained = profiles_of(tally_roles(random, encode(random, corpus), roles, progress=progress), blocks["all"])
        found = matching.profile_similarity(*in_common(profiles_of(sums, blocks["all"]), untrained))
        nulls.append(("roles", f"random: {random.name}", matching.matched_similarity(found)))
    chosen = evenly_spaced(len(encoded), documents)
    for name, one in (("other", other), ("random", random)):
        if one is None or other is None:
            continue
        as_read = encode(one, corpus)
        if not cuts_alike(model, one, encoded, as_read):
            said.append(f"{one.name} cuts texts into other tokens or lengths: its attention is not compared.")
            continue
        found = attention_similarity(model, one, encoded, as_read, documents=chosen, progress=progress)
        if name == "other":
            similarity["attention"] = found
        else:
            nulls.append(("attention", f"random: {one.name}", matching.matched_similarity(found)))

    tables = {
        "reliability": reliability_table(sums, seed=seed),
        "matches": all_matches(similarity, sums, others),
        "matching": matching_table(similarity, null),
        "matching_null": pd.DataFrame(nulls, columns=["by", "null", "similarity"]),
    }
    names = {"other": model.name if other is None else other.name}
    labelled = {name: label(table.assign(**names), model, corpus, seed) for name, table in tables.items()}
    return Findings(labelled, encoded.skipped, (*encoded.notes, *said))


def in_common(
    one: pd.DataFrame, other: pd.DataFrame
) -> tuple[Float[np.ndarray, "head role"], Float[np.ndarray, "other role"]]:
    """The profiles over the roles that both have. Raises `InterpError` where these are fewer than three."""
    shared = [role for role in one.columns if role in set(other.columns)]
    if len(shared) < 3:
        raise InterpError(
            f"Heads are matched by three roles or more that can be tested, and here are {len(shared)}. "
            "Give more documents, or ask for more roles (roles=all)."
        )
    return one[shared].to_numpy(), other[shared].to_numpy()


def cuts_alike(model: HeadModel, other: HeadModel, encoded: EncodedCorpus, other_encoded: EncodedCorpus) -> bool:
    """Whether both models read the same tokens of one text, so that their attention can be compared key by key."""
    sites = {head.site for head in (*model.heads, *other.heads)}
    return sites == {"self"} and same_tokens(encoded, other_encoded)


def all_matches(
    similarity: Mapping[str, Float[np.ndarray, "head other"]],
    sums: RoleSums,
    others: Sequence[tuple[str, int, int]],
) -> pd.DataFrame:
    """The matched pairs by every kind of similarity."""
    frames = [matching.match_table(found, sums.heads, tuple(others)).assign(by=by) for by, found in similarity.items()]
    return pd.concat(frames, ignore_index=True)


def matching_table(
    similarity: Mapping[str, Float[np.ndarray, "head other"]], null: Float[np.ndarray, " repeat"]
) -> pd.DataFrame:
    """One row per kind of similarity: its mean over matched heads, and by roles the null that it is held against."""
    rows = []
    for by, found in similarity.items():
        mean = matching.matched_similarity(found)
        tested = by == "roles"
        row = {"by": by, "heads": found.shape[0], "other_heads": found.shape[1], "similarity": mean}
        row |= {"null": LABELS if tested else "", "null_mean": null.mean() if tested else np.nan}
        row |= {"null_high": np.quantile(null, 0.95) if tested else np.nan}
        rows.append(row | {"p": matching.p_of(mean, null) if tested else np.nan})
    return pd.DataFrame(rows)


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """The reliability of every role, and matched heads against nulls."""
    return {
        "reliability": plots.reliability(tables["reliability"]),
        "matching": plots.matching(tables["matching"], tables["matching_null"]),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The spread of reliabilities, the least reliable of well asked roles, and what matching found."""
    table = tables["reliability"]
    known = table[table.reliability.notna()]
    lines = []
    if len(known):
        lines.append(
            f"Split-half reliability over heads: median {known.reliability.median():.2f} of {len(known)} roles; "
            f"{(known.reliability >= 0.9).sum()} at .90 or more."
        )
        asked = known[known.n >= known.n.median()].sort_values("reliability", kind="stable")
        for row in asked.head(3).itertuples():
            lines.append(  # noqa: PERF401 - a line a row reads best as a loop
                f"    least of the better half asked: {row.role} {unsigned(row.reliability)}"
                f"{interval(row.ci_low, row.ci_high)}, n {row.n}"
            )
    nulls = tables["matching_null"]
    for row in tables["matching"].itertuples():
        lines.append(f"Heads matched by {row.by}: mean similarity {row.similarity:.3f}{_against(row)}.")
        single = nulls[(nulls.by == row.by) & (nulls.null != LABELS)]
        lines += [f"    {one.null}: {one.similarity:.3f}" for one in single.itertuples()]
        if len(single) and row.similarity <= single.similarity.max():
            lines.append("    no more alike than with a model without training, whatever p says")
        elif row.by == "roles" and not len(single):
            lines.append(
                "    an untrained model passes this null too: add model@stability.random=NAME for a harder one"
            )
        pairs = tables["matches"][tables["matches"].by == row.by]
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
