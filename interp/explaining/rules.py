"""The rules that compete for a model's attention on a corpus, and what they give: as several experiments ask for it."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Int

from interp.attention.visibility import mask_groups
from interp.cells import CellAttention, RuleSets, Unit
from interp.corpora.batching import batches, evenly_spaced, read_batches
from interp.corpora.permuted_gold import permuted_gold
from interp.errors import InterpError
from interp.examples import Examples
from interp.progress import Progress
from interp.tables.explanations import in_brief, no_brief
from interp.tables.modelled import OnCells, modelled_attention, with_modelled
from interp.tallies.cells import CellTally, seen_cells
from interp.tallies.role_rules import role_rule_sets
from interp.tallies.rule_sets import rule_sets, side_of, with_own
from interp.tallies.stream import stream
from interp.types import EncodedCorpus, HeadModel, Role

LEAST_WORDS = 3
GIB = 2**30
BRIEF_MEMORY = 2.0
"""GiB of attention that is kept where rules are asked in brief."""


class CompetingRules(NamedTuple):
    """The rules of heads that see alike: on the gold as it is, and moved (None: not asked for); `built_in` by name."""

    sets: RuleSets
    moved: RuleSets | None
    built_in: frozenset[str]
    block: Int[np.ndarray, " query"]


def competing_rules(
    cells: CellAttention,
    encoded: EncodedCorpus,
    model: HeadModel,
    own: Sequence[Role],
    unit: Unit,
    seed: int,
    *,
    permuted: bool,
) -> CompetingRules:
    """Of the text that these heads attend within; `own` roles are rules beside the others."""

    def rules_in(text: EncodedCorpus) -> tuple[RuleSets, frozenset[str]]:
        sets = rule_sets(text, cells, unit)
        joined = with_own(sets, role_rule_sets(own, side_of(text, cells), model, cells, unit)) if own else sets
        return joined, frozenset(rule.name for rule in sets.rules)

    sets, built_in = rules_in(encoded)
    block = np.array([encoded.corpus.documents[number].block for number in cells.document], dtype=np.int64)
    side = side_of(encoded, cells)
    has_gold = any(one.governors is not None or one.mentions is not None for one in side.corpus.documents)
    if not (permuted and has_gold and unit == "word"):
        return CompetingRules(sets, None, built_in, block)
    moved, _ = rules_in(replace(side, corpus=permuted_gold(side.corpus, seed), target=None))
    return CompetingRules(sets, moved, built_in, block)


def choose_documents(
    model: HeadModel,
    encoded: EncodedCorpus,
    unit: Unit,
    memory: float,
    *,
    experiment: str = "explain",
    copies: int = 1,
) -> tuple[list[int], tuple[str, ...], dict[str, int]]:
    """Those of three words (or tokens) or more, all or as many as fit, evenly spaced; and what is left out.

    `experiment` is the one that asks, and `copies` how often it holds the attention. Raises `InterpError` where none is
    left, and for a model with cross-attention alone.
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
            f"experiment={experiment} asks {unit}s of documents of three or more, and {encoded.corpus.name!r} has none "
            f"for {model.name!r}. Allowed: a corpus of texts, and models with attention within one text."
        )
    needed = np.cumsum(words[long] * (words[long] + 2) * heads * 4.0 * copies)
    fitting = min(len(long), int(len(long) * memory * GIB / needed[-1]))
    if not fitting:
        raise InterpError(f"{experiment}.memory={memory:g} (GiB) holds no document. Allowed: more, such as 2.")
    chosen = long[np.linspace(0, len(long) - 1, fitting).round().astype(int)] if fitting < len(long) else long
    notes = (
        (f"{fitting:,} of {len(long):,} documents, evenly spaced, fit into {experiment}.memory={memory:g} GiB.",)
        if fitting < len(long)
        else ()
    )
    short = len(encoded.corpus.documents) - len(long)
    return chosen.tolist(), notes, {f"documents_of_fewer_than_3_{unit}s": short}


def examples_with_rules(
    model: HeadModel,
    encoded: EncodedCorpus,
    examples: Examples,
    shares: pd.DataFrame,
    own: Sequence[Role],
    unit: Unit,
) -> Examples:
    """The example documents with what the rules give there, whether or not they are among those that were measured."""
    numbers = sorted(one.document for one in examples.documents)
    if not numbers:
        return examples
    found = [
        OnCells(cells, modelled_attention(cells, rules.sets, shares))
        for cells in seen_cells(model, encoded, numbers, unit)
        if len(cells.query)
        for rules in [competing_rules(cells, encoded, model, own, unit, 0, permuted=False)]
    ]
    return with_modelled(examples, found, unit)


def explained_in_brief(
    model: HeadModel, encoded: EncodedCorpus, limit: int, *, seed: int, min_blocks: int, progress: Progress
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """A row per head with what rules explain of it, on at most `limit` documents, evenly spaced; and what to say.

    No row, and why, where there is nothing to ask: no text, or too little.
    """
    if encoded.corpus.has_pictures:
        return no_brief(), ("What rules explain of heads is asked of texts, and this corpus is of pictures.",)
    try:
        documents, _, _ = choose_documents(model, encoded, "word", BRIEF_MEMORY)
        some = [documents[place] for place in evenly_spaced(len(documents), limit)]
        tally = CellTally(model.heads, mask_groups(model))
        stream(model, read_batches(progress(batches(encoded, model, documents=some), "explained", tally)), tally)
        parts = []
        for cells in tally.cells():
            rules = competing_rules(cells, encoded, model, (), "word", seed, permuted=False)
            parts.append(in_brief(cells, rules.sets, rules.block, seed=seed, min_blocks=min_blocks))
    except InterpError as why:
        return no_brief(), (f"What rules explain of heads was not measured: {why}",)
    return pd.concat(parts, ignore_index=True), ()
