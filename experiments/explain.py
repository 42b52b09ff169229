"""What is each head's attention made of? Rules compete for it; what they do not explain is said."""

from collections.abc import Mapping
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import interval, name_of, signed, table_lines
from interp import plots
from interp.api import examples_of, findings
from interp.attention.visibility import mask_groups
from interp.cells import CellAttention, RuleSets, Unit
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.corpora.permuted_gold import permuted_gold
from interp.errors import InterpError, Range
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.explanations import explanation_tables
from interp.tallies.cells import CellTally
from interp.tallies.rule_sets import token_rule_sets, word_rule_sets
from interp.tallies.stream import stream
from interp.types import Corpus, EncodedCorpus, HeadModel

LEAST_WORDS = 3
GIB = 2**30


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    unit: Unit = "word",
    memory: Annotated[float, Range(False, 0.001)] = 2.0,
    permuted: bool = True,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """One pass over the corpus; then strengths are fitted on the discovery split, and judged on the held-out one.

    `unit` is word, or token: then only what tokens are and where they stand is known.
    Kept are at most `memory` GiB of attention; of a larger corpus documents evenly spaced are taken.
    """
    encoded = encode(model, corpus)
    examples = examples_of(model, encoded, (), seed=seed, progress=progress)
    documents, notes, skipped = choose_documents(model, encoded, unit, memory)
    tally = CellTally(model.heads, mask_groups(model), unit)
    stream(model, read_batches(progress(batches(encoded, model, documents=documents), "attention", tally)), tally)
    progress.measured()
    parts = [
        explanation_tables(
            cells, *_rules(cells, encoded, unit, seed, permuted=permuted), seed=seed, min_blocks=min_blocks,
            progress=progress,
        )
        for cells in tally.cells()
    ]  # fmt: skip
    tables = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
    return findings(model, encoded, seed, tables, notes, skipped, examples)


def _rules(
    cells: CellAttention, encoded: EncodedCorpus, unit: Unit, seed: int, *, permuted: bool
) -> tuple[RuleSets, np.ndarray, RuleSets | None]:
    """The rules of the text that these heads attend within, the block of each query, and the rules of moved gold."""
    side = encoded.target if encoded.target is not None and cells.heads[0][0] == "decoder" else encoded
    documents = side.corpus.documents
    block = np.array([encoded.corpus.documents[number].block for number in cells.document], dtype=np.int64)
    if unit == "token":
        return token_rule_sets(side.encodings, cells), block, None
    has_gold = any(one.governors is not None or one.mentions is not None for one in documents)
    moved = word_rule_sets(permuted_gold(side.corpus, seed).documents, cells) if permuted and has_gold else None
    return word_rule_sets(documents, cells), block, moved


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
    if adds.empty:
        return lines
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
