"""What is a head made of, and what does it carry? The four matrices of every head, and what it writes on a corpus."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.wording import interval, signed
from interp import plots
from interp.api import label, lay_open_heads
from interp.corpora.encoding import encode
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
    table = lay_open_heads(model, encoded, seed=seed, min_blocks=min_blocks, progress=progress)
    said = (*encoded.notes, *what_is_missing(table))
    return Findings({"anatomy": label(table, model, corpus, seed)}, encoded.skipped, said)


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


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """Maps of what heads are made of, and attention against attention weighted by norm."""
    return {
        "anatomy": plots.anatomy_maps(tables["anatomy"]),
        "attention_by_norm": plots.attention_by_norm(tables["anatomy"]),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The heads that carry most of their layers, copy and suppress most, and what weighting by norm changes."""
    table = tables["anatomy"]
    counts = table.drop_duplicates("site")
    tokens = ", ".join(_tokens(n, str(site)) for site, n in zip(counts.site, counts.n, strict=True))
    lines = [f"Heads that carry most of their layer's output (mean share over {tokens}):"]
    for row in table.sort_values("share", ascending=False, kind="stable").head(5).itertuples():
        ends = interval(row.share_ci_low, row.share_ci_high)
        lines.append(f"    {_name(row)} {signed(row.share)}{ends}, norm {row.written:.2f}")
    against = table[table.share < 0]
    if len(against):
        lines.append(f"{len(against)} of {len(table)} heads write, on the whole, against their layer.")
    for _, known in table[table.copying.notna()].groupby("copying_space"):
        if len(known) < 2:
            continue
        least, *_, most = known.sort_values("copying", kind="stable").itertuples()
        lines.append(
            f"OV copies most in {_name(most)} ({signed(most.copying)}) and reverses most in "
            f"{_name(least)} ({signed(least.copying)}); space: {most.copying_space}."
        )
    placed = table[table.position_mass >= 0.5].sort_values("position_mass", ascending=False, kind="stable")
    if len(placed):
        some = ", ".join(f"{_name(row)} ({row.position_offset:+.0f})" for row in placed.head(8).itertuples())
        more = f" and {len(placed) - 8} more" if len(placed) > 8 else ""
        lines.append(f"By position alone, {len(placed)} heads put half or more on one place: {some}{more}.")
    lines.append("Mean attention over heads, and the same weighted by norm:")
    for site, heads in table.groupby("site", sort=False):
        where = "" if site == "self" else f"{site:<8}"
        for place in [place for place in PLACES.values() if heads[place].notna().any()]:
            means = heads[place].mean(), heads[f"{place}_by_norm"].mean()
            lines.append(f"    {where}{place:<12} {means[0]:.2f}  {means[1]:.2f}")
    return lines


def _tokens(count: int, site: str) -> str:
    return f"{count} tokens{_at([site])}"


def _name(row: Any) -> str:
    """`head 3.1` of a row from `itertuples`, with the site where a model has several."""
    return f"head {row.layer}.{row.head}" if row.site == "self" else f"{row.site} head {row.layer}.{row.head}"
