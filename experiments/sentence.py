"""One sentence: what does each word attend to, and which heads resolve a word to which candidate?"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import aligned, cut
from interp import plots
from interp.api import examples_of
from interp.corpora.encoding import encode
from interp.errors import InterpError
from interp.explaining.sentence import attention_between_words
from interp.heads import HEAD, head_name
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.modelled import with_modelled
from interp.tables.sentence import most_attending_heads, words_of
from interp.text.find_word import Word
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    query: Word | None = None,
    candidates: Sequence[Word] | None = None,
    explained_by: str | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Word-level attention of every head; with a query, also its attention on each candidate (default: every word).

    With the folder of a run of `experiment=explain` of the same model in `explained_by`, also what its rules give.
    """
    if corpus.has_pictures:
        raise InterpError(
            f"The corpus {corpus.name!r} is of pictures, and experiment=sentence shows a sentence. "
            'Allowed: text="…"; for pictures another experiment, such as experiment=head_roles.'
        )
    found = attention_between_words(model, corpus, query, candidates, explained_by, seed=seed, progress=progress)
    examples = examples_of(model, encode(model, corpus), (), seed=seed, progress=progress)
    if found.explained is not None:
        examples = with_modelled(examples, found.explained.given, "word")
    return Findings(found.tables, dict(found.skipped), found.notes, replace(examples, rule="the sentence"))


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """The best heads as arcs and as matrices; with a query also its candidates, head by head."""
    return plots.sentence_figures(tables, style=style)


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """For each candidate the heads that attend most to it; without a query, what the most decided heads attend to."""
    attention = tables["attention"]
    if "candidates" not in tables:
        heads = most_attending_heads(tables, 3) + most_attending_heads(tables, 3, sites=("cross",))
        return _what_each_word_attends_to(attention, heads)
    words, found = words_of(attention), tables["candidates"]
    query = int(found["query"].iloc[0])
    wide = found.pivot_table(index=HEAD, columns="candidate", values="mass")
    leading = wide.max().sort_values(ascending=False).index[:4]
    first = wide[leading[0]].sort_values(ascending=False, kind="stable").index.to_list()[0]
    lines = [
        f"From {words[query]!r} (word {query}), head {head_name(*first)} attends most: "
        f"{wide.loc[first, leading[0]]:.2f} to {words[leading[0]]!r} (word {leading[0]}). The heads that attend most:"
    ]
    for candidate in leading:
        lines.append(f"  to {words[candidate]!r} (word {candidate})")
        top = wide.sort_values(candidate, ascending=False, kind="stable").head(3)
        rows = []
        for place, row in zip(top.index.to_list(), top.to_dict("records"), strict=True):
            others = ", ".join(f"{words[other]!r} {row[other]:.2f}" for other in leading if other != candidate)
            rows.append((f"head {head_name(*place)}", f"{row[candidate]:.2f}", f"({others})" if others else ""))
        lines += aligned(rows)
    more = f"  … and {wide.shape[1] - len(leading)} more candidates in candidates.csv"
    return [*lines, *([more] if wide.shape[1] > len(leading) else [])]


def _what_each_word_attends_to(attention: pd.DataFrame, heads: Sequence[tuple[str, int, int]]) -> list[str]:
    lines = ["The heads whose words attend most decidedly, and to what (words with less than .30 left out):"]
    for site, layer, head in heads:
        mine = attention[(attention.site == site) & (attention.layer == layer) & (attention["head"] == head)]
        top = mine.loc[mine.groupby("query")["mass"].idxmax()]
        attended = [f"{r.query_word}→{r.key_word} {r.mass:.2f}" for r in top[top.mass >= 0.3].itertuples()]
        said = ", ".join(cut(attended, 12, "attention.csv")) or "to nothing with .30 or more"
        lines.append(f"    head {head_name(site, layer, head)}: {said}")
    return lines
