"""What is a head made of, and what does it carry? The four matrices of every head, and what it writes on a corpus."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import aligned, cut, interval, name_of, signed, table_lines
from interp import plots
from interp.api import examples_of, findings, lay_open_heads
from interp.corpora.encoding import encode
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.anatomy import PLACES
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """First the weights alone, then one pass over the corpus."""
    encoded = encode(model, corpus)
    examples = examples_of(model, encoded, (), seed=seed, progress=progress)
    table = lay_open_heads(model, encoded, seed=seed, min_blocks=min_blocks, progress=progress)
    return findings(model, encoded, seed, {"anatomy": table}, what_is_missing(table), examples=examples)


def what_is_missing(table: pd.DataFrame) -> tuple[str, ...]:
    """What there is to say of columns that are empty or stand for less."""
    lines = []
    unplaced = table.groupby("site").position_mass.agg(lambda column: column.isna().all())
    if unplaced.all():
        lines.append("No absolute positions of the model are known: the columns position_… are empty.")
    elif unplaced.get("cross", default=False):
        lines.append(
            "At cross the columns position_… are empty: the places of source and target have embeddings of their own, "
            "and none is the one before another."
        )
    if len(sites := _sites(table, "residual")):
        lines.append(
            f"No trained language head reads what the heads write by one linear map{_at(sites)}: copying is that of "
            "W_V W_O alone (copying_space residual)."
        )
    if len(sites := _sites(table, "none")):
        lines.append(
            f"Heads write into another stream than they read{_at(sites)}, and no table of embeddings joins the two: "
            "copying is empty (copying_space none)."
        )
    if table.share_ci_low.isna().all():
        lines.append("Too few blocks of source documents for intervals. More source documents do it.")
    return tuple(lines)


def _sites(table: pd.DataFrame, space: str) -> list[str]:
    """The sites at which copying is seen in this space."""
    return list(table[table.copying_space == space].site.unique())


def _at(sites: list[str]) -> str:
    """` at encoder, cross`; nothing for a model of one site that needs no name."""
    return "" if sites == ["self"] else f" at {', '.join(sites)}"


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """Maps of what heads are made of, and attention against attention weighted by norm."""
    return {
        "anatomy": plots.anatomy_maps(tables["anatomy"], style=style),
        "attention_by_norm": plots.attention_by_norm(tables["anatomy"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The heads that carry most of their layers, copy and suppress most, and what weighting by norm changes."""
    table = tables["anatomy"]
    counts = table.drop_duplicates("site")
    tokens = ", ".join(f"{n} tokens{_at([str(site)])}" for site, n in zip(counts.site, counts.n, strict=True))
    leading = table.sort_values("share", ascending=False, kind="stable").head(5)
    against = int((table.share < 0).sum())
    most: Any = next(leading.itertuples())
    lines = [
        f"Head {name_of(most)} has the largest share of its layer's output, {signed(most.share)}"
        f"{interval(most.share_ci_low, most.share_ci_high)}; {against} of {len(table)} heads write, in the mean, "
        "against theirs.",
        f"Largest shares of the layer's output, mean over {tokens} (anatomy.csv has every head):",
    ]
    rows: Any = leading.itertuples()
    shares = [
        (name_of(row), f"{signed(row.share)}{interval(row.share_ci_low, row.share_ci_high)}", f"{row.written:.2f}")
        for row in rows
    ]
    lines += aligned([("head", "share [95 %]", "norm"), *shares])
    for _, known in table[table.copying.notna()].groupby("copying_space"):
        if len(known) < 2:
            continue
        least, *_, most = known.sort_values("copying", kind="stable").itertuples()
        lines.append(
            f"OV copies most in head {name_of(most)} ({signed(most.copying)}) and reverses most in head "
            f"{name_of(least)} ({signed(least.copying)}); space: {most.copying_space}."
        )
    placed = table[table.position_mass >= 0.5].sort_values("position_mass", ascending=False, kind="stable")
    if len(placed):
        some = [f"{name_of(row)} ({row.position_offset:+.0f})" for row in placed.itertuples()]
        lines.append(
            f"By position embeddings alone, {len(placed)} heads put half of their attention or more on one offset: "
            f"{', '.join(cut(some, 8, 'anatomy.csv'))}."
        )
    lines.append("Mean attention over heads, and the same weighted by norm:")
    means = [
        (*(() if site == "self" else (str(site),)), place, f"{heads[place].mean():.2f}", f"{by_norm.mean():.2f}")
        for site, heads in table.groupby("site", sort=False)
        for place in PLACES.values()
        if heads[place].notna().any() and len(by_norm := heads[f"{place}_by_norm"])
    ]
    return [*lines, *table_lines(means, 16, "anatomy.csv")]
