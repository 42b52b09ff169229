"""What is a head's attention like, whatever it looks at? Its spread, its reach, its rest, and its local kernel."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.wording import interval, name_of, unsigned
from interp import plots
from interp.api import label
from interp.attention.visibility import mask_groups
from interp.corpora.batching import batches, encode, read_batches
from interp.heads import HEAD, head_name
from interp.progress import Progress, silent
from interp.results import Findings
from interp.roles.lexical import MOST_FREQUENT
from interp.tables import kernel_numbers, kernel_table, number_table
from interp.tallies import definitions as of
from interp.tallies.kernel import KernelTally
from interp.tallies.largest import ConfidenceTally, RarestTally
from interp.tallies.spread import DistanceTally, FirstTokenTally, ShapeTally
from interp.tallies.stream import stream
from interp.tallies.variability import FIRST, MeanPattern, VariabilityTally
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    reach: int = 10,
    most_frequent: int = MOST_FREQUENT,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Two passes over the corpus: the second for how far attention lies from its mean."""
    encoded = encode(model, corpus)
    groups = batches(encoded, model)
    spread, first, mean = ShapeTally(model.heads), FirstTokenTally(model.heads), MeanPattern(model.heads)
    confidence, rarest = ConfidenceTally(model.heads), RarestTally(model.heads, most_frequent)
    distance = DistanceTally(model.heads)
    kernel = KernelTally(model.heads, mask_groups(model), reach)
    stream(model, read_batches(progress(groups, "shapes")), spread, distance, confidence, first, mean, rarest, kernel)
    variability = VariabilityTally(mean)
    stream(model, read_batches(progress(groups, "variability")), variability)

    settings = {"seed": seed, "min_blocks": min_blocks}
    tallies = (spread, distance, confidence, first, variability, rarest)
    numbers = [number_table(tally.sums(), **settings) for tally in tallies]
    ids = (of.MASS.id, of.EXPLAINED.id, of.WIDTH.id, of.PEAK.id)
    shape = pd.concat([*numbers, kernel_numbers(kernel.sums(), *ids, **settings)], ignore_index=True)
    tables = {"shape": shape, "kernel": kernel_table(kernel.sums(), of.OFFSET.id, **settings)}
    short = sum(len(encoding.tokens) < FIRST for encoding in encoded.encodings)
    skipped = {**encoded.skipped, f"documents_too_short_for_variability_(fewer_than_{FIRST}_tokens)": short}
    labelled = {name: label(table, model, corpus, seed) for name, table in tables.items()}
    return Findings(labelled, skipped, (*encoded.notes, *_what_is_missing(model, shape, most_frequent)))


def _what_is_missing(model: HeadModel, shape: pd.DataFrame, most_frequent: int) -> tuple[str, ...]:
    lines = []
    if any(head.site == "cross" for head in model.heads):
        lines.append("Cross-attention has no kernel: its queries and keys are places of two texts.")
    if not (shape.definition == of.RAREST.id).any():
        lines.append(
            f"Which heads look at rare tokens is not told: no document has a token that {most_frequent} tokens of the "
            "corpus are more frequent than. A larger corpus does it, or a smaller shapes.most_frequent."
        )
    if shape.loc[shape.definition == of.ENTROPY.id, "ci_low"].isna().all():
        lines.append("Too few blocks of source documents for intervals. More source documents do it.")
    return tuple(lines)


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """The kernels of all heads."""
    return {"kernels": plots.kernel_map(tables["kernel"], tables["shape"])}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """For every number the mean over heads and the heads at both ends; the heads most like a convolution."""
    shape = tables["shape"]
    lines = ["Over heads: mean, and the heads at both ends."]
    for definition, every in shape.groupby("definition", sort=False):
        every = every[every.value.notna()]
        if definition in (of.WIDTH.id, of.PEAK.id) or every.empty:
            continue
        low, *_, high = [*every.sort_values("value", kind="stable").itertuples()] * 2
        mean = unsigned(every.value.mean())
        lines.append(f"    {definition:<32} {mean:>6}   lowest {_said(low)}   highest {_said(high)}")
    wide = shape.pivot_table(index=HEAD, columns="definition", values="value").reset_index()
    if of.EXPLAINED.id not in wide:
        return lines
    near = wide[wide[of.EXPLAINED.id].notna()].sort_values(of.EXPLAINED.id, ascending=False, kind="stable").head(5)
    if len(near):
        lines.append("Most like a convolution (variance that offset alone explains; peak; offsets that hold half):")
    for row in near.to_dict("records"):
        explained, peak, width, mass = (row[card.id] for card in (of.EXPLAINED, of.PEAK, of.WIDTH, of.MASS))
        head = head_name(row["site"], row["layer"], row["head"])
        lines.append(
            f"    head {head:<6} {explained:.2f}   at {peak:+.0f}   {width:.0f}   window holds {mass:.2f} of attention"
        )
    return lines


def _said(row: Any) -> str:
    return f"{name_of(row)} {unsigned(row.value)}{interval(row.ci_low, row.ci_high)}"
