"""What writes the answer? The logit difference of right and wrong answer as a sum of what every component writes."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import interval, signed, table_lines
from interp import plots
from interp.explaining.behaviours import behaviour_findings, subject_of
from interp.plots.attribution import component_name
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.attribution import attribution_by_key_table, attribution_table
from interp.tallies.attribution import attribute
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    force: bool = False,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """The behaviour's prompts, once; every part goes through the final norm with the scale that the whole has.

    A behaviour that the model cannot do is refused, unless `force` is given.
    """
    subject = subject_of(model, corpus, force=force, seed=seed, min_blocks=min_blocks, progress=progress)
    found = attribute(model, subject.prompts, progress=progress)
    progress.measured()
    by, heads = {"seed": seed, "min_blocks": min_blocks}, [(one.site, one.layer, one.head) for one in model.heads]
    tables = {
        "attribution": attribution_table(found.components, found.value, subject.block, **by),
        "attribution_by_key": attribution_by_key_table(heads, found.by_key, subject.block, **by),
    }
    apart = abs(found.value.sum(axis=0) - subject.clean["logit_difference"]).max()
    note = f"The components' values add up to the logit difference of every prompt within {apart:.1g} nats."
    return behaviour_findings(model, subject, seed, tables, (note,))


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """A map of heads, and the components that add most."""
    return {
        "attribution": plots.attribution_map(tables["attribution"], style=style),
        "components": plots.attribution_bars(tables["attribution"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What the model can do, and the components that add most and take most, with what heads attend to for it."""
    table, by_key = tables["attribution"], tables["attribution_by_key"]
    lines = [f"{ability_line(tables['ability'])} Its logit difference is the sum of {len(table)} components:"]
    ranked = table.sort_values("value", key=abs, ascending=False, kind="stable")
    keys = by_key.set_index(["layer", "head"])
    rows: Any = ranked.itertuples()
    listed = []
    for row in rows:
        most = ""
        if row.component == "head":
            of_head = keys.loc[[(row.layer, row.head)]].dropna(subset="value")
            best: Any = of_head.iloc[of_head["value"].abs().to_numpy().argmax()]
            most = f"{signed(best['value'])} by {best['key']}"
        name = component_name(row.component, row.layer, row.head)
        listed.append((name, f"{signed(row.value)}{interval(row.ci_low, row.ci_high)}", most))
    header = ("component", "adds [95 %], nats", "most of it by attending to")
    return [*lines, *table_lines(listed, 12, "attribution.csv", header=header)]


def ability_line(ability: pd.DataFrame) -> str:
    """What the model answers, in a sentence."""
    clean = ability[ability["text"] == "clean"].set_index("metric")
    accuracy, difference = clean.loc["accuracy"], clean.loc["logit_difference"]
    return (
        f"Right in {accuracy['value']:.0%} of {accuracy['n']} prompts"
        f"{interval(accuracy['ci_low'], accuracy['ci_high'])}; logit difference {difference['value']:.2f}"
        f"{interval(difference['ci_low'], difference['ci_high'])} nats."
    )
