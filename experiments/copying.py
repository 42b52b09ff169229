"""Does a head copy? It depends on whom one asks: every published score of the same heads on the same attention."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from experiments.wording import interval, name_of, signed
from interp import plots
from interp.api import label
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.progress import Progress, silent
from interp.results import Findings
from interp.roles.copying_scores import DEFINITIONS
from interp.tables import agreement_table, number_table, spread_table
from interp.tallies.copying_scores import VariantTally, periods
from interp.tallies.stream import stream
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    threshold: float = 0.4,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """One pass over documents that repeat; then how far the scores lie apart, head by head and pair by pair.

    Raises `InterpError` for a document that does not repeat.
    """
    encoded = encode(model, corpus)
    tally = VariantTally(model, periods(encoded))
    stream(model, (group.batch() for group in progress(batches(encoded, model), "copying")), tally)
    scores = number_table(tally.sums(), seed=seed, min_blocks=min_blocks)
    scores.insert(1, "role", scores["definition"].map({card.id: card.role for card in DEFINITIONS}))
    tables = {
        "copying": scores,
        "copying_spread": spread_table(scores, threshold),
        "copying_agreement": agreement_table(scores, threshold),
    }
    labelled = {name: label(table, model, corpus, seed) for name, table in tables.items()}
    return Findings(labelled, encoded.skipped, (*encoded.notes, *_what_is_missing(model, tally, scores)))


def _what_is_missing(model: HeadModel, tally: VariantTally, scores: pd.DataFrame) -> tuple[str, ...]:
    lines = []
    if not model.causal:
        lines.append("TransformerLens's abs is left out: it is of causal models, and this one sees later tokens.")
    if left_out := len(model.heads) - len(tally.heads):
        lines.append(f"{left_out} heads of the decoder are left out: what it writes need not repeat.")
    if scores["ci_low"].isna().any():
        lines.append("Too few blocks of documents for intervals. More documents do it.")
    return tuple(lines)


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """All scores of the best heads of every role, side by side."""
    return {"copying": plots.score_variants(tables["copying"], float(tables["copying_spread"]["threshold"].iloc[0]))}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """For every role the best head with all its scores, and where the scores disagree."""
    scores, spread, agreement = (tables[name] for name in ("copying", "copying_spread", "copying_agreement"))
    lines = []
    for role, of_role in scores.groupby("role", sort=False):
        valid = of_role[of_role.definition.str.contains("-valid-rows@")]
        best = next(valid.sort_values("value", ascending=False, kind="stable").itertuples())
        same = (of_role.site == best.site) & (of_role.layer == best.layer) & (of_role["head"] == best.head)
        lines.append(f"{role}: head {name_of(best)} looks most to the rows' target. Its scores:")
        lines += [
            f"    {row.definition:<36} {signed(row.value, 3)}{interval(row.ci_low, row.ci_high, 3)}"
            for row in of_role[same].itertuples()
        ]
        heads, pairs = spread[spread.role == role], agreement[agreement.role == role]
        lines.append(
            f"    {int(heads.flips.sum())} of {len(heads)} heads reach {heads.threshold.iloc[0]:g} by one score and "
            "not by another."
        )
        worst = pairs[pairs.rank_correlation.notna()].sort_values("rank_correlation", kind="stable").head(1)
        lines += [
            f"    They rank heads least alike: {row.first} and {row.second} (Spearman {row.rank_correlation:+.2f})."
            for row in worst.itertuples()
        ]
    return lines
