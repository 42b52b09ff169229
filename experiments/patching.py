"""Which heads carry the answer? Each head in turn gets what it would compute with on the other text of a prompt."""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import cut, interval, name_of, signed, table_lines
from experiments.logit_attribution import ability_line
from interp import plots
from interp.ablation.patching import DIRECTIONS, EVERYWHERE, patch
from interp.answers import LOGIT_DIFFERENCE
from interp.explaining.behaviours import behaviour_findings, subject_of
from interp.plots.causes import SETTING
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.causes import Answers, patching_table, rank_agreements
from interp.types import Corpus, HeadModel

ROWS = 24
"""Of the largest effects, in a summary."""


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    part: str | Sequence[str] = "z",
    direction: str | Sequence[str] = DIRECTIONS,
    position: str | Sequence[str] = EVERYWHERE,
    estimate: bool = False,
    force: bool = False,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """The behaviour's prompts on both texts; then every head alone with one part of it from the other run.

    `part` is z, q, k, v, pattern; `direction` noise or denoise; `position` all, end or a named position of the
    behaviour; one or several of each. A behaviour that the model cannot do is refused, unless `force` is given.
    """
    subject = subject_of(model, corpus, force=force, seed=seed, min_blocks=min_blocks, progress=progress)
    found = patch(
        model,
        subject.prompts,
        parts=several(part),
        directions=several(direction),
        positions=several(position),
        estimate=estimate,
        progress=progress,
    )
    progress.measured()
    answers = Answers(subject.clean[LOGIT_DIFFERENCE], subject.corrupted[LOGIT_DIFFERENCE], subject.block)
    heads = [(one.site, one.layer, one.head) for one in model.heads]
    table = patching_table(
        heads, found.before, found.after, found.estimate, answers, seed=seed, min_blocks=min_blocks
    )  # fmt: skip
    absent = {
        f"prompts_without_the_position_{name}": int((subject.prompts.named[name] < 0).sum())
        for name in several(position)
        if name != EVERYWHERE
    }
    return behaviour_findings(model, subject, seed, {"patching": table}, skipped=absent)


def several(given: str | Sequence[str]) -> list[str]:
    """What is given as one or as a list, as a list."""
    return [given] if isinstance(given, str) else list(given)


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """A map of heads for each direction, part and position, and the largest with intervals."""
    return {
        "patching": plots.patching_maps(tables["patching"], style=style),
        "patching_largest": plots.patching_bars(tables["patching"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What the model can do, and the heads with the largest effect of each direction, part and position."""
    table = tables["patching"]
    groups = {" ".join(map(str, name)): rows for name, rows in table.groupby(SETTING, sort=False)}  # pyright: ignore[reportArgumentType]
    lines = [ability_line(tables["ability"]), differences_line(table)]
    agreements = rank_agreements(table) if "estimate" in table else {}
    said = [f"{' '.join(setting)} {signed(value)}" for setting, value in agreements.items()]
    if said:
        lines.append(
            f"Spearman's correlation of estimates with exact effects: {', '.join(cut(said, 4, 'patching.csv'))}."
        )
    return [*lines, *largest_lines(groups, ("patched", "head"), "patching.csv")]


def differences_line(table: pd.DataFrame) -> str:
    """What there is to share out, in a sentence."""
    row: Any = table.iloc[0]
    return (
        f"Effects are shares of {signed(row.clean - row.corrupted)} nats, the logit difference on clean texts "
        f"({signed(row.clean)}) less that on corrupted ones ({signed(row.corrupted)})."
    )


def largest_lines(groups: Mapping[str, pd.DataFrame], header: tuple[str, str], file: str) -> list[str]:
    """The largest effects of each group, as many of each as there is room for, then where the others are."""
    most = max(1, ROWS // len(groups))
    ranked = {
        name: rows.sort_values("effect", key=abs, ascending=False, kind="stable") for name, rows in groups.items()
    }
    rows = [(name, row) for name, some in ranked.items() for row in some.head(most).itertuples()][:ROWS]
    rest = [(name, row) for name, some in ranked.items() for row in some.iloc[most:].itertuples()]
    written = [_written(name, row) for name, row in [*rows, *rest]]
    return table_lines(written, len(rows), file, header=(*header, "share [95 %]", "q"))


def _written(name: str, row: Any) -> tuple[str, str, str, str]:
    q = "" if pd.isna(row.q) else f"{row.q:.2g}"
    return name, name_of(row), f"{signed(row.effect)}{interval(row.ci_low, row.ci_high)}", q
