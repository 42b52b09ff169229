"""Along which paths does the answer come? From every head to the output, or to what a head reads."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from experiments.logit_attribution import ability_line
from experiments.patching import differences_line, largest_lines, several
from interp import plots
from interp.ablation.path_patching import OUTPUT, RECOMPUTED, patch_paths
from interp.answers import LOGIT_DIFFERENCE
from interp.explaining.behaviours import behaviour_findings, subject_of
from interp.plots.causes import RECEIVER
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.causes import Answers, path_table
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    receiver: str | Sequence[str] = OUTPUT,
    mlps: str = RECOMPUTED,
    force: bool = False,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Every head as sender: its z on the corrupted text goes to the receiver only, while other heads keep theirs.

    `receiver` is output, or a head and which of its inputs reads, such as L23H3.q; one or several. `mlps` on the way
    are recomputed or frozen. A behaviour that the model cannot do is refused, unless `force` is given.
    """
    subject = subject_of(model, corpus, force=force, seed=seed, min_blocks=min_blocks, progress=progress)
    found = patch_paths(model, subject.prompts, several(receiver), mlps=mlps, progress=progress)
    progress.measured()
    answers = Answers(subject.clean[LOGIT_DIFFERENCE], subject.corrupted[LOGIT_DIFFERENCE], subject.block)
    senders = [(one.site, one.layer, one.head) for one in model.heads]
    after = {(one.name, one.read): values for one, values in found.after.items()}
    table = path_table(senders, found.before, after, answers, seed=seed, min_blocks=min_blocks)
    note = "Heads in the layer of a receiver, and after it, have no path to it and no row."
    notes = (note,) if any(one.head is not None for one in found.after) else ()
    return behaviour_findings(model, subject, seed, {"paths": table}, notes)


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """A map of senders for each receiver, and the largest with intervals."""
    return {
        "paths": plots.path_maps(tables["paths"], style=style),
        "paths_largest": plots.path_bars(tables["paths"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What the model can do, and the senders with the largest effect through each receiver."""
    table = tables["paths"]
    groups = {receiver_name(*map(str, name)): rows for name, rows in table.groupby(RECEIVER, sort=False)}  # pyright: ignore[reportArgumentType]
    lines = [ability_line(tables["ability"]), differences_line(table)]
    return [*lines, *largest_lines(groups, ("to", "from"), "paths.csv")]


def receiver_name(receiver: str, read: str) -> str:
    """`output`, or `q of 23.3`."""
    return receiver if receiver == OUTPUT else f"{read} of {receiver}"
