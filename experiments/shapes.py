"""What is a head's attention like, whatever it attends to? Its spread, its reach, its rest, and its local kernel."""

from collections.abc import Mapping
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import aligned, interval, name_of, table_lines, unsigned
from interp import plots
from interp.api import examples_of, findings
from interp.attention.visibility import mask_groups
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.errors import COUNT
from interp.folds import Folds
from interp.heads import HEAD, head_name
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.roles.lexical import MOST_FREQUENT
from interp.tables import kernel_numbers, kernel_table, number_table
from interp.tallies import definitions as of
from interp.tallies.largest import ConfidenceTally, RarestTally
from interp.tallies.local_kernel import KernelTally
from interp.tallies.spread import DistanceTally, FirstTokenTally, ShapeTally
from interp.tallies.stream import stream
from interp.tallies.variability import FIRST, MeanPattern, VariabilityTally
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    reach: Annotated[int, COUNT] = 10,
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
    # the second pass needs all of the first
    tallies = (spread, distance, confidence, first, mean, rarest, kernel)
    stream(model, read_batches(progress(groups, "shapes", Folds(*tallies), whole=True)), *tallies)
    variability = VariabilityTally(mean)
    stream(model, read_batches(progress(groups, "variability", variability)), variability)
    examples = examples_of(model, encoded, (), seed=seed, progress=progress)
    progress.measured()

    settings = {"seed": seed, "min_blocks": min_blocks}
    in_order = (spread, distance, confidence, first, variability, rarest)
    numbers = [number_table(tally.sums(), **settings) for tally in in_order]
    ids = (of.MASS.id, of.EXPLAINED.id, of.WIDTH.id, of.PEAK.id)
    shape = pd.concat([*numbers, kernel_numbers(kernel.sums(), *ids, **settings)], ignore_index=True)
    tables = {"shape": shape, "kernel": kernel_table(kernel.sums(), of.OFFSET.id, **settings, progress=progress)}
    short = sum(len(encoding.tokens) < FIRST for encoding in encoded.encodings)
    skipped = {f"documents_too_short_for_variability_(fewer_than_{FIRST}_tokens)": short}
    return findings(model, encoded, seed, tables, _what_is_missing(model, shape, most_frequent), skipped, examples)


def _what_is_missing(model: HeadModel, shape: pd.DataFrame, most_frequent: int) -> tuple[str, ...]:
    lines = []
    if any(head.site == "cross" for head in model.heads):
        lines.append("Cross-attention has no kernel: its queries and keys are places of two texts.")
    if not (shape.definition == of.RAREST.id).any():
        lines.append(
            f"Which heads attend to rare tokens is not told: no document has a token that {most_frequent} tokens of "
            "the corpus are more frequent than. A larger corpus does it, or a smaller shapes.most_frequent."
        )
    if shape.loc[shape.definition == of.ENTROPY.id, "ci_low"].isna().all():
        lines.append("Too few blocks of source documents for intervals. More source documents do it.")
    return tuple(lines)


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """The kernels of all heads."""
    return {"kernels": plots.kernel_map(tables["kernel"], tables["shape"], style=style)}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """For every number the mean over heads and the heads at both ends; the heads most like a convolution."""
    shape = tables["shape"]
    named = {of.ENTROPY.id: "entropy", of.DISTANCE.id: "distance", of.NULL.id: "attention on the first token"}
    means = shape[shape.value.notna()].groupby("definition").value.mean()
    verdict = "; ".join(f"{said} {unsigned(means[key])}" for key, said in named.items() if key in means)
    lines = [f"Mean over heads: {verdict or 'no value'}.", "Over heads: mean, and the heads at both ends:"]
    rows = []
    for definition, every in shape.groupby("definition", sort=False):
        every = every[every.value.notna()]
        if definition in (of.WIDTH.id, of.PEAK.id) or every.empty:
            continue
        low, *_, high = [*every.sort_values("value", kind="stable").itertuples()] * 2
        rows.append((str(definition), unsigned(every.value.mean()), f"lowest {_said(low)}", f"highest {_said(high)}"))
    lines += table_lines(rows, 20, "shape.csv")
    wide = shape.pivot_table(index=HEAD, columns="definition", values="value").reset_index()
    if of.EXPLAINED.id not in wide:
        return lines
    near = wide[wide[of.EXPLAINED.id].notna()].sort_values(of.EXPLAINED.id, ascending=False, kind="stable").head(5)
    if len(near):
        lines.append("Heads most like a convolution:")
    convolved = [
        (
            f"head {head_name(row['site'], row['layer'], row['head'])}",
            *(f"{row[card.id]:{form}}" for card, form in ((of.EXPLAINED, ".2f"), (of.PEAK, "+.0f"), (of.WIDTH, ".0f"))),
            f"{row[of.MASS.id]:.2f}",
        )
        for row in near.to_dict("records")
    ]
    header = ("", "variance explained by offset", "peak at", "offsets that hold half", "attention in the window")
    return [*lines, *(aligned([header, *convolved]) if convolved else [])]


def _said(row: Any) -> str:
    return f"{name_of(row)} {unsigned(row.value)}{interval(row.ci_low, row.ci_high)}"
