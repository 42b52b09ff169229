"""What does every number mean? The card of every definition id; no model and no corpus is looked at."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from interp.api import definitions
from interp.progress import Progress, silent
from interp.results import Findings


def run(model: None = None, corpus: None = None, *, progress: Progress = silent) -> Findings:  # noqa: ARG001
    """The cards, as they are in the code."""
    return Findings({"definitions": definitions()})


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:  # noqa: ARG001
    """Cards are read, not drawn."""
    return {}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Every card in full."""
    lines = []
    for card in tables["definitions"].itertuples():
        lines += [
            f"{card.definition}   role {card.role}, over {card.unit}s, by {card.statistic}",
            f"    formula: {card.formula}",
            f"    left out: {card.exclusions}",
            f"    baseline: {card.baseline}",
            f"    source: {card.source}",
        ]
    return lines
