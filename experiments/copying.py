"""Does a head copy? It depends on whom one asks: every published score of the same heads on the same attention."""

from collections.abc import Mapping
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import cut, interval, name_of, signed, table_lines
from interp import plots
from interp.api import examples_of, findings
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.errors import SHARE
from interp.plots.style import PAGE, Style
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
    threshold: Annotated[float, SHARE] = 0.4,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """One pass over documents that repeat; then how far the scores lie apart, head by head and pair by pair.

    Raises `InterpError` for a document that does not repeat.
    """
    encoded = encode(model, corpus)
    tally = VariantTally(model, periods(encoded))
    stream(model, read_batches(progress(batches(encoded, model), "copying", tally)), tally)
    examples = examples_of(model, encoded, (), seed=seed, progress=progress)
    progress.measured()
    scores = number_table(tally.sums(), seed=seed, min_blocks=min_blocks)
    scores.insert(1, "role", scores["definition"].map({card.id: card.role for card in DEFINITIONS}))
    tables = {
        "copying": scores,
        "copying_spread": spread_table(scores, threshold),
        "copying_agreement": agreement_table(scores, threshold),
    }
    return findings(model, encoded, seed, tables, _what_is_missing(model, tally, scores), examples=examples)


def _what_is_missing(model: HeadModel, tally: VariantTally, scores: pd.DataFrame) -> tuple[str, ...]:
    lines = []
    if not model.causal:
        lines.append("TransformerLens's abs is left out: it is of causal models, and this one sees later tokens.")
    if left_out := len(model.heads) - len(tally.heads):
        lines.append(f"{left_out} heads of the decoder are left out: what it writes need not repeat.")
    if scores["ci_low"].isna().any():
        lines.append("Too few blocks of documents for intervals. More documents do it.")
    return tuple(lines)


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """All scores of the best heads of every role, side by side."""
    return {
        "copying": plots.score_variants(
            tables["copying"], float(tables["copying_spread"]["threshold"].iloc[0]), style=style
        )
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Where the published scores disagree; for every role the best head with all its scores."""
    scores, spread, agreement = (tables[name] for name in ("copying", "copying_spread", "copying_agreement"))
    roles = list(dict.fromkeys(scores.role))
    flips = [f"{role} {int(spread[spread.role == role].flips.sum())}" for role in roles]
    heads = len(spread.drop_duplicates(["site", "layer", "head"]))
    verdict = (
        f"Of {heads} heads, those that reach {spread.threshold.iloc[0]:g} by one published score and not by another: "
        f"{', '.join(cut(flips, 8, 'copying_spread.csv'))}."
    )
    parts = [_of_role(role, scores[scores.role == role], agreement[agreement.role == role]) for role in roles[:3]]
    left_out = [f"… and {len(roles) - 3} more roles in copying.csv"] if len(roles) > 3 else []
    return [verdict, *(line for part in parts for line in part), *left_out]


def _of_role(role: str, scores: pd.DataFrame, agreement: pd.DataFrame) -> list[str]:
    """The head that attends most to the rows' target, all its scores, and the two scores that agree least."""
    valid = scores[scores.definition.str.contains("-valid-rows@")]
    best: Any = next(valid.sort_values("value", ascending=False, kind="stable").itertuples())
    same = (scores.site == best.site) & (scores.layer == best.layer) & (scores["head"] == best.head)
    rows: Any = scores[same].itertuples()
    listed = [(row.definition, f"{signed(row.value, 3)}{interval(row.ci_low, row.ci_high, 3)}") for row in rows]
    lines = [
        f"{role}: head {name_of(best)} attends most to the rows' target. Its scores:",
        *table_lines(listed, 9, "copying.csv"),
    ]
    worst: Any = agreement[agreement.rank_correlation.notna()].sort_values("rank_correlation", kind="stable").head(1)
    return lines + [
        f"    Least agreement: {row.first} and {row.second} (Spearman {row.rank_correlation:+.2f} over heads)"
        for row in worst.itertuples()
    ]
