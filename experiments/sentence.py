"""One sentence: where does each word look, and which heads resolve a word to which candidate?"""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from interp import plots
from interp.errors import InterpError
from interp.explaining.sentence import attention_between_words
from interp.heads import HEAD, head_name
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.sentence import most_attending_heads, words_of
from interp.text.find_word import Word
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    query: Word | None = None,
    candidates: Sequence[Word] | None = None,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Word-level attention of every head; with a query, also its attention on each candidate (default: every word)."""
    if corpus.has_pictures:
        raise InterpError(
            f"The corpus {corpus.name!r} is of pictures, and experiment=sentence shows a sentence. "
            'Allowed: text="…"; for pictures another experiment, such as experiment=head_roles.'
        )
    found = attention_between_words(model, corpus, query, candidates, seed=seed, progress=progress)
    return Findings(found.tables, dict(found.skipped), found.notes)


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """The best heads as arcs and as matrices; with a query also its candidates, head by head."""
    return plots.sentence_figures(tables)


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """For each candidate the heads that look most at it; without a query, where the most decided heads look."""
    attention = tables["attention"]
    if "candidates" not in tables:
        heads = most_attending_heads(tables, 3) + most_attending_heads(tables, 3, sites=("cross",))
        return _where_each_word_looks(attention, heads)
    words, found = words_of(attention), tables["candidates"]
    query = int(found["query"].iloc[0])
    wide = found.pivot_table(index=HEAD, columns="candidate", values="mass")
    lines = [f"Where {words[query]!r} (word {query}) looks, and the heads that look there most:"]
    leading = wide.max().sort_values(ascending=False).index[:4]
    for candidate in leading:
        lines.append(f"  at {words[candidate]!r} (word {candidate})")
        top = wide.sort_values(candidate, ascending=False, kind="stable").head(3)
        for place, row in zip(top.index.to_list(), top.to_dict("records"), strict=True):
            others = ", ".join(f"{words[other]!r} {row[other]:.2f}" for other in leading if other != candidate)
            lines.append(f"    head {head_name(*place):<5} {row[candidate]:.2f}" + (f"  ({others})" if others else ""))
    return lines


def _where_each_word_looks(attention: pd.DataFrame, heads: Sequence[tuple[str, int, int]]) -> list[str]:
    lines = ["The heads whose words look most decidedly, and where (words with less than .30 left out):"]
    for site, layer, head in heads:
        mine = attention[(attention.site == site) & (attention.layer == layer) & (attention["head"] == head)]
        top = mine.loc[mine.groupby("query")["mass"].idxmax()]
        looks = ", ".join(f"{r.query_word}→{r.key_word} {r.mass:.2f}" for r in top[top.mass >= 0.3].itertuples())
        lines.append(f"    head {head_name(site, layer, head)}: {looks or 'nowhere with .30 or more'}")
    return lines
