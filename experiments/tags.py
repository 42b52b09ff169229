"""From which parts of speech to which does each head look? The matrix of tags by tags (after Vig & Belinkov 2019)."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.wording import interval, name_of, signed
from interp import plots
from interp.api import label
from interp.corpora.encoding import encode
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
    table = tag_table(tally_tags(model, encoded, progress), TAGS.id, seed=seed, min_blocks=min_blocks)
    return Findings({"tags": label(table, model, corpus, seed)}, encoded.skipped, encoded.notes)


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Tags by tags, of the heads that depart most from even attention."""
    return {"tags": plots.tag_matrices(tables["tags"])}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """For each tag the head that gives it most, beside the mean head and even attention."""
    table = tables["tags"]
    overall = table[(table.from_tag == ANY) & table.share.notna()]
    lines = ["Share of the attention on words that a part of speech gets (head with most; all heads; even attention):"]
    means = overall.groupby("to_tag")["share"].mean()
    strong = 0
    most: Any
    for most in overall.loc[overall.groupby("to_tag")["share"].idxmax()].itertuples():
        mean = means[str(most.to_tag)]
        strong += most.share > 2 * mean
        lines.append(
            f"    {most.to_tag:<6} head {name_of(most):<5} {most.share:.2f}  {mean:.2f}  {most.expected:.2f}, "
            f"over even attention {signed(most.excess)}{interval(most.ci_low, most.ci_high)}"
        )
    lines.append(f"{strong} of {overall.to_tag.nunique()} tags have a head with more than twice the mean of all heads.")
    return lines
