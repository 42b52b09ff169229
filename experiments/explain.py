"""What is each head's attention made of? Rules compete for it; what they do not explain is said."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int
from matplotlib.figure import Figure

from experiments.cli.summary_lines import interval, name_of, signed, table_lines, unsigned
from interp import plots
from interp.api import RolesAsked, examples_of, findings, roles_asked
from interp.attention.visibility import mask_groups
from interp.cells import CellAttention, RuleSets, Unit
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.corpora.permuted_gold import permuted_gold
from interp.errors import InterpError, Range, closest
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.explanations import PERMUTED, SHUFFLED, explanation_tables, shuffled_tables
from interp.tallies.cells import CellTally
from interp.tallies.role_rules import insist_on_rules, role_rule_sets
from interp.tallies.rule_sets import token_rule_sets, with_own, word_rule_sets
from interp.tallies.shuffled import ShuffledRows
from interp.tallies.stream import stream
from interp.types import Corpus, EncodedCorpus, HeadModel, Role

LEAST_WORDS = 3
NULLS = (PERMUTED, SHUFFLED)
GIB = 2**30


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    unit: Unit = "word",
    roles: RolesAsked | None = None,
    memory: Annotated[float, Range(False, 0.001)] = 2.0,
    nulls: Sequence[str] | str = (PERMUTED,),
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """One pass over the corpus; then strengths are fitted on the discovery split, and judged on the held-out one.

    `unit` is word, or token: then only what tokens are and where they stand is known.
    `roles` of one's own are rules beside the others, of the family of the role; one whose name a rule has already is
    not taken twice. Kept are at most `memory` GiB of attention; of a larger corpus documents evenly spaced are taken.
    `nulls`: `permuted_gold` (what relations and chains add that were moved to other words), `shuffled_rows` (what is
    explained, and what families add, where each row of attention is shuffled among its visible keys: a second pass
    over the same documents). Raises `InterpError` for a null that is not known, and for a role that
    cannot be a rule (`interp.tallies.role_rules`).
    """
    chosen = _known(nulls)
    own = () if roles is None else _own_rules(roles, corpus, unit)
    encoded = encode(model, corpus)
    examples = examples_of(model, encoded, (), seed=seed, progress=progress)
    passes = 2 if SHUFFLED in chosen else 1
    documents, notes, skipped = choose_documents(model, encoded, unit, memory, passes)
    groups = mask_groups(model)
    tally = CellTally(model.heads, groups, unit)
    stream(model, read_batches(progress(batches(encoded, model, documents=documents), "attention", tally)), tally)
    shuffled = CellTally(model.heads, groups, unit) if SHUFFLED in chosen else None
    if shuffled is not None:
        again = progress(batches(encoded, model, documents=documents), "attention, rows shuffled", shuffled)
        stream(model, read_batches(again), ShuffledRows(shuffled, groups, seed))
    progress.measured()
    of_null = [None] * len(tally.cells()) if shuffled is None else shuffled.cells()
    parts: list[dict[str, pd.DataFrame]] = []
    found: list[_Rules] = []
    for cells, null in zip(tally.cells(), of_null, strict=True):
        rules = _rules(cells, encoded, model, own, unit, seed, permuted=PERMUTED in chosen)
        found.append(rules)
        told = {"seed": seed, "min_blocks": min_blocks, "progress": progress}
        tables = explanation_tables(cells, rules.sets, rules.block, rules.moved, **told)
        if null is not None:
            of_shuffled = shuffled_tables(null, rules.sets, rules.block, **told)
            tables["adds"] = pd.concat([tables["adds"], of_shuffled["adds"]], ignore_index=True)
            tables["null_explanations"] = of_shuffled["null_explanations"]
        parts.append(tables)
    tables = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
    if PERMUTED in chosen and not (tables["adds"].empty or (tables["adds"]["null"] == PERMUTED).any()):
        notes = (*notes, f"There are no relations or chains to move here, so the null {PERMUTED} says nothing.")
    notes = (*notes, *_not_taken(own, found))
    return findings(model, encoded, seed, tables, notes, skipped, examples)


def _own_rules(roles: RolesAsked, corpus: Corpus, unit: Unit) -> tuple[Role, ...]:
    """The roles that are asked for as rules, the first of each name."""
    asked = roles_asked(roles, corpus)
    if not asked:
        raise InterpError(
            f"The corpus {corpus.name!r} has no annotation for the roles in explain.roles. Choose other roles, or a "
            "corpus with gold annotation."
        )
    insist_on_rules(asked, unit)
    return tuple({role.name: role for role in reversed(asked)}.values())[::-1]


def _not_taken(own: Sequence[Role], found: Sequence["_Rules"]) -> list[str]:
    """Notes of the roles that are no rules of their own."""
    names = [role.name for role in own]
    built_in = [name for name in names if any(name in one.built_in for one in found)]
    nowhere = [name for name in names if not any(name in {rule.name for rule in one.sets.rules} for one in found)]
    said = []
    if built_in:
        said.append(f"Roles that are not taken twice, because a rule has their name: {', '.join(built_in)}.")
    if nowhere:
        said.append(f"Roles that are no rules here, because they name no cell that is seen: {', '.join(nowhere)}.")
    return said


def _known(nulls: Sequence[str] | str) -> tuple[str, ...]:
    chosen = (nulls,) if isinstance(nulls, str) else tuple(nulls)
    for name in chosen:
        if name not in NULLS:
            raise InterpError(f"explain.nulls={name} is not known. {closest(name, NULLS)}")
    return chosen


class _Rules(NamedTuple):
    """The rules of heads that see alike: on the gold as it is, and moved (None: not asked for); `built_in` by name."""

    sets: RuleSets
    moved: RuleSets | None
    built_in: frozenset[str]
    block: Int[np.ndarray, " query"]


def _rules(
    cells: CellAttention,
    encoded: EncodedCorpus,
    model: HeadModel,
    own: Sequence[Role],
    unit: Unit,
    seed: int,
    *,
    permuted: bool,
) -> _Rules:
    """Of the text that these heads attend within."""
    side = encoded.target if encoded.target is not None and cells.heads[0][0] == "decoder" else encoded

    def rules_in(text: EncodedCorpus) -> tuple[RuleSets, frozenset[str]]:
        documents, encodings = text.corpus.documents, text.encodings
        sets = token_rule_sets(encodings, cells) if unit == "token" else word_rule_sets(documents, cells)
        joined = with_own(sets, role_rule_sets(own, text, model, cells, unit)) if own else sets
        return joined, frozenset(rule.name for rule in sets.rules)

    sets, built_in = rules_in(side)
    block = np.array([encoded.corpus.documents[number].block for number in cells.document], dtype=np.int64)
    has_gold = any(one.governors is not None or one.mentions is not None for one in side.corpus.documents)
    if not (permuted and has_gold and unit == "word"):
        return _Rules(sets, None, built_in, block)
    moved, _ = rules_in(replace(side, corpus=permuted_gold(side.corpus, seed)))
    return _Rules(sets, moved, built_in, block)


def choose_documents(
    model: HeadModel, encoded: EncodedCorpus, unit: Unit, memory: float, passes: int = 1
) -> tuple[list[int], tuple[str, ...], dict[str, int]]:
    """Those of three words (or tokens) or more, all or as many as fit, evenly spaced; and what is left out.

    Attention is kept of so many `passes`.

    Raises `InterpError` where none is left, and for a model with cross-attention alone.
    """
    if unit == "word":
        words = np.array([len(set(one[one >= 0].tolist())) for one in encoded.words])
        size = np.array([len(one.words) for one in encoded.corpus.documents])
    else:
        words = size = np.array([int((~one.special).sum()) for one in encoded.encodings])
    long = np.flatnonzero(size >= LEAST_WORDS)
    long = long[words[long] > 0]
    heads = sum(head.site != "cross" for head in model.heads)
    if not len(long) or not heads:
        raise InterpError(
            f"experiment=explain asks {unit}s of documents of three or more, and {encoded.corpus.name!r} has none "
            f"for {model.name!r}. Allowed: a corpus of texts, and models with attention within one text."
        )
    needed = np.cumsum(words[long] * (words[long] + 2) * heads * 4.0 * passes)
    fitting = min(len(long), int(len(long) * memory * GIB / needed[-1]))
    if not fitting:
        raise InterpError(f"explain.memory={memory:g} (GiB) holds no document. Allowed: more, such as 2.")
    chosen = long[np.linspace(0, len(long) - 1, fitting).round().astype(int)] if fitting < len(long) else long
    notes = (
        (f"{fitting:,} of {len(long):,} documents, evenly spaced, fit into explain.memory={memory:g} GiB.",)
        if fitting < len(long)
        else ()
    )
    short = len(encoded.corpus.documents) - len(long)
    return chosen.tolist(), notes, {f"documents_of_fewer_than_3_{unit}s": short}


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """A bar of shares for every head, a map of what is explained, and maps of what each family adds."""
    return {
        "shares": plots.share_bars(tables["explanations"], tables["shares"], style=style),
        "explained": plots.explained_map(tables["explanations"], style=style),
        "adds": plots.adds_maps(tables["adds"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The heads that are explained best and worst, what each family adds, and the heads that gold adds most to."""
    every = tables["explanations"]
    heads = every[every["explained"].notna()].sort_values("explained", ascending=False, kind="stable")
    if heads.empty:
        return ["The attention of every head is even: there is nothing to explain."]
    even = f"; {len(every) - len(heads)} more have even attention" if len(heads) < len(every) else ""
    lines = [
        f"Rules explain {heads['explained'].mean():.2f} of what there is to explain "
        f"(mean over {len(heads)} heads{even})."
    ]
    for title, some in (("Best explained:", heads.head(3)), ("Worst explained:", heads.tail(3).iloc[::-1])):
        rows: Any = some.itertuples()
        listed = [
            (f"head {name_of(row)}", f"{row.explained:.2f}{interval(row.ci_low, row.ci_high)}", row.card)
            for row in rows
        ]
        lines += [title, *table_lines(listed, 3, "explanations.csv")]
    adds = tables["adds"]
    lines += _of_shuffled(tables)
    if adds.empty:
        return lines
    adds = adds[adds["null"] != SHUFFLED]
    rows_of_families = []
    for (family, null), some in adds.groupby(["family", "null"], sort=False):
        most: Any = next(some.sort_values("adds", ascending=False, kind="stable").itertuples())
        sure = int(((some["q"] <= 0.05) & (some["adds"] > 0)).sum()) if some["q"].notna().any() else "–"
        name = str(family) if null == "none" else f"{family}, permuted"
        best = f"{signed(most.adds, 3)}{interval(most.ci_low, most.ci_high, 3)} (head {name_of(most)})"
        rows_of_families.append((name, signed(some["adds"].mean(), 3), best, str(sure)))
    header = ("family", "adds in the mean", "at most [95 %]", "heads at q ≤ .05")
    lines += ["What each family adds to all others:", *table_lines(rows_of_families, 9, "adds.csv", header=header)]
    gold = [family for family in ("syntax", "coreference") if (adds["family"] == family).any()]
    for family in gold:
        some = adds[(adds["family"] == family) & (adds["null"] == "none")]
        ranked: Any = some.sort_values("adds", ascending=False, kind="stable").itertuples()
        listed = [
            (
                f"head {name_of(row)}",
                f"{signed(row.adds, 3)}{interval(row.ci_low, row.ci_high, 3)}",
                "untested" if pd.isna(row.q) else f"q {row.q:.2g}",
            )
            for row in ranked
        ]
        lines += [f"The heads that {family} adds most to:", *table_lines(listed, 10 // len(gold), "adds.csv")]
    return lines


def _of_shuffled(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """A line of what is explained, and added, where rows are shuffled; none where this was not asked for."""
    null = tables.get("null_explanations")
    if null is None or null["explained"].isna().all():
        return []
    line = f"With each row of attention shuffled, rules explain {unsigned(null['explained'].mean())} in the mean"
    adds = tables["adds"]
    adds = adds[adds["adds"].notna()] if adds.empty else adds[(adds["null"] == SHUFFLED) & adds["adds"].notna()]
    if adds.empty:
        return [f"{line}."]
    most: Any = next(adds.sort_values("adds", ascending=False, kind="stable").itertuples())
    return [f"{line}; most is added by {most.family}, {signed(most.adds, 3)} (head {name_of(most)})."]
