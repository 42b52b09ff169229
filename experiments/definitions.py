"""What does every number mean? The card of every definition id; no model and no corpus is looked at."""

from collections.abc import Mapping
from textwrap import wrap

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import LINES, table_lines
from interp.api import definitions
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings


def run(model: None = None, corpus: None = None, *, progress: Progress = silent) -> Findings:  # noqa: ARG001
    """The cards, as they are in the code."""
    return Findings({"definitions": definitions()})


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:  # noqa: ARG001
    """Cards are read, not drawn."""
    return {}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Every definition id by its family; the cards themselves are the table."""
    table = tables["definitions"]
    families: dict[str, list[str]] = {}
    for name in table.definition:
        family, _, short = name.partition("/")
        families.setdefault(family, []).append(short)
    verdict = f"{len(table)} definitions in {len(families)} families; definitions.csv has the card of each"
    lines = [f"{verdict} (formula, exclusions, baseline, source)."]
    rows = [(family, part) for family, names in families.items() for part in _wrapped(names)]
    shown = [("" if n and rows[n - 1][0] == family else f"{family}/", part) for n, (family, part) in enumerate(rows)]
    return [*lines, *table_lines(shown, LINES - 2, "definitions.csv")]


def _wrapped(names: list[str]) -> list[str]:
    """The names after commas, in lines of a width that a terminal has."""
    return wrap(", ".join(names), 96, break_long_words=False, break_on_hyphens=False)
