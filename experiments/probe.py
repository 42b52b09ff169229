"""How much of syntax is in attention? A parser that knows nothing else (after Clark et al. 2019, section 5)."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import interval, signed, table_lines, unsigned
from interp import plots
from interp.api import examples_of, findings, tally_roles
from interp.attention.visibility import mask_groups
from interp.cells import CellAttention
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.errors import COUNT, InterpError, Range
from interp.explaining.rules import choose_documents
from interp.models.loading import random_weights
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.statistics.criteria import STANDARD, Criteria
from interp.statistics.false_discovery import benjamini_hochberg
from interp.sums import RoleSums
from interp.tables.probe import probe_tables
from interp.tables.scores import score_table
from interp.tallies.cells import CellTally
from interp.tallies.governor_choices import governor_choices
from interp.tallies.stream import stream
from interp.types import Corpus, EncodedCorpus, HeadModel

COPIES = 4
"""How often attention is held: of the model, of random weights, and as features both ways."""


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    memory: Annotated[float, Range(False, 0.001)] = 4.0,
    random_seeds: Annotated[int, COUNT._replace(lowest=0)] = 1,
    criteria: Criteria = STANDARD,
    seed: int = 0,
    fresh: Callable[[HeadModel, int], HeadModel] = random_weights,
    progress: Progress = silent,
) -> Findings:
    """Attention is read once, of the model and of each with random weights; then parsers are fitted on one half.

    Raises `InterpError` for a corpus without syntax, and a model without attention within one text that it reads.
    """
    if all(document.governors is None for document in corpus.documents):
        raise InterpError(
            f"experiment=probe asks for governors, and {corpus.name!r} has none. Allowed: corpora with syntax, such as "
            "corpus=grammar or corpus=conllu corpus.path=FILE."
        )
    encoded = encode(model, corpus)
    copies = COPIES + max(random_seeds - 1, 0)
    documents, notes, short = choose_documents(model, encoded, "word", memory, experiment="probe", copies=copies)
    examples = examples_of(model, encoded, (), seed=seed, progress=progress)
    sums = tally_roles(model, encoded, "syntax", progress=progress)
    cells = _cells(model, encoded, documents, progress)
    others = [fresh(model, one) for one in range(seed, seed + random_seeds)]
    of_others = [_cells(other, encode(other, corpus), documents, progress) for other in others]
    progress.measured()
    choices, skipped = governor_choices(corpus.documents, cells)
    random = {seed + place: governor_choices(corpus.documents, one)[0] for place, one in enumerate(of_others)}
    role_heads = heads_with_role_on_select(sums, criteria, seed)
    if not role_heads:
        notes = (*notes, "No head has a role of syntax on the discovery split: there is no parser of such heads.")
    tables = probe_tables(choices, role_heads, random, seed=seed, min_blocks=criteria.min_blocks, progress=progress)
    return findings(model, encoded, seed, tables, notes, {**short, **skipped}, examples)


def _cells(model: HeadModel, encoded: EncodedCorpus, documents: list[int], progress: Progress) -> list[CellAttention]:
    """The attention between words of the text that the model reads, of all heads that see alike together."""
    heads = [head for head in model.heads if head.site in ("self", "encoder")]
    if not heads:
        raise InterpError(f"{model.name!r} has no attention within the text that it reads. Allowed: models that have.")
    tally = CellTally(heads, mask_groups(model))
    stream(model, read_batches(progress(batches(encoded, model, documents=documents), "attention", tally)), tally)
    return tally.cells()


def heads_with_role_on_select(sums: RoleSums, criteria: Criteria, seed: int) -> list[tuple[str, int, int]]:
    """The heads with a role of syntax by the discovery split alone: lift ≥ margin, and q ≤ alpha over its own tests."""
    scores = score_table(sums, criteria, seed=seed)
    select = scores[(scores["split"] == "select") & scores["p"].notna()]
    has_role = (select["lift"] >= criteria.margin) & (benjamini_hochberg(select["p"].to_numpy(float)) <= criteria.alpha)
    found = select.loc[np.asarray(has_role), ["site", "layer", "head"]].drop_duplicates()
    return [(str(site), int(layer), int(head)) for site, layer, head in found.itertuples(index=False)]


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """The share of governors that every parser finds."""
    return {"probe": plots.probe_bars(tables["probe"], style=style)}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What the parser of all heads finds, beside all others, and the heads that it weighs most."""
    table = tables["probe"]
    rows: Any = table.sort_values("uas", ascending=False, kind="stable").itertuples()
    first: Any = next(table[table["probe"] == "all_heads"].itertuples())
    found = f"{unsigned(first.uas)}{interval(first.ci_low, first.ci_high)} of governors"
    over = f"{signed(first.over_right)}{interval(first.over_right_low, first.over_right_high)}"
    verdict = f"Attention alone finds {found} (UAS, held-out split, without punctuation), {over} over right-branching."
    listed = []
    for row in rows:
        seeded = "" if pd.isna(row.null_seed) else f" (seed {row.null_seed})"
        heads = row.which if 0 < row.heads <= 3 else str(row.heads)
        over = f"{signed(row.over_right)}{interval(row.over_right_low, row.over_right_high)}"
        listed.append((f"{row.probe}{seeded}", heads, f"{unsigned(row.uas)}{interval(row.ci_low, row.ci_high)}", over))
    header = ("parser", "heads", "UAS [95 %]", "over right-branching [95 %]")
    return [verdict, *table_lines(listed, 14, "probe.csv", header=header)]
