"""From which parts of speech to which does each head attend? The matrix of tags by tags (after Vig & Belinkov 2019)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import interval, name_of, signed, table_lines
from interp import plots
from interp.api import examples_of, findings
from interp.corpora.encoding import encode
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.tags import ANY, tag_table
from interp.tallies.tags import TAGS, tally_tags
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel, corpus: Corpus, *, min_blocks: int = 12, seed: int = 0, progress: Progress = silent
) -> Findings:
    """One pass over the corpus."""
    encoded = encode(model, corpus)
    examples = examples_of(model, encoded, (), seed=seed, progress=progress)
    sums = tally_tags(model, encoded, progress)
    table = tag_table(sums, TAGS.id, seed=seed, min_blocks=min_blocks, progress=progress)
    return findings(model, encoded, seed, {"tags": table}, examples=examples)


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """Tags by tags, of the heads that depart most from even attention."""
    return {"tags": plots.tag_matrices(tables["tags"], style=style)}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """For each tag the head that gives it most, beside the mean head and uniform attention."""
    table = tables["tags"]
    overall = table[(table.from_tag == ANY) & table.share.notna()]
    means = overall.groupby("to_tag")["share"].mean()
    rows, strong = [], 0
    leading: Any = overall.loc[overall.groupby("to_tag")["share"].idxmax()].itertuples()
    for most in leading:
        mean = means[str(most.to_tag)]
        strong += most.share > 2 * mean
        over = f"{signed(most.excess)}{interval(most.ci_low, most.ci_high)}"
        rows.append((most.to_tag, name_of(most), f"{most.share:.2f}", f"{mean:.2f}", f"{most.expected:.2f}", over))
    header = ("tag", "head", "its share", "mean of heads", "uniform", "over uniform [95 %]")
    return [
        f"{strong} of {overall.to_tag.nunique()} tags have a head with more than twice the mean of all heads.",
        "Share of the attention on words that each part of speech gets, by the head that gives it most:",
        *table_lines(rows, 30, "tags.csv", header=header),
    ]
