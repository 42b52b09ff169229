"""Do heads stand in for each other? Joint effects of pairs, and what other heads do when one is replaced."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import interval, name_of, signed, table_lines
from interp import plots
from interp.ablation.donors import from_donors, same_place
from interp.ablation.patching import NOISE
from interp.ablation.replacements import REPLACEMENTS, named
from interp.ablation.self_repair import measure_repair
from interp.ablation.sweep import tokens_a_sweep
from interp.answers import answer_metrics
from interp.corpora.batching import batches
from interp.errors import COUNT, InterpError, require_choice
from interp.explaining.behaviours import behaviour_findings, subject_of
from interp.explaining.circuits import BY_VALUE, chosen_heads, direct_rankings
from interp.explaining.repetition import confirming
from interp.explaining.role_ablation import swept
from interp.heads import head_name
from interp.plots.style import PAGE, Style
from interp.progress import AboutTheWhole, Progress, silent
from interp.results import Findings
from interp.tables.interactions import interaction_table, self_repair_tables
from interp.tallies.attribution import attribute
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    heads: Sequence[str] | None = None,
    from_run: str | None = None,
    role: str | None = None,
    top: Annotated[int, COUNT._replace(lowest=2)] = 6,
    replacement: str = "mean",
    force: bool = False,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Heads chosen here are chosen on `select` and measured on `confirm`; heads that are given, on all prompts.

    Every head, every pair and all together are replaced; and while each head is, what all others write is read off.
    """
    require_choice("interactions.replacement", replacement, (*REPLACEMENTS, NOISE))
    whole = AboutTheWhole(progress)
    subject = subject_of(model, corpus, force=force, seed=seed, min_blocks=min_blocks, progress=whole)
    prompts = subject.prompts
    documents, ranking = list(range(len(prompts))), []
    if heads is None and from_run is None:
        documents = confirming(prompts.clean)
        select = [number for number in range(len(prompts)) if number not in set(documents)]
        if not select or not documents:
            raise InterpError(
                f"All {len(prompts)} prompts fall into one half: heads cannot be chosen on one and measured on the "
                "other. Allowed: more prompts (behaviour.documents=N), or interactions.heads."
            )
        ranking = direct_rankings(model, attribute(model, prompts, progress=whole).value_of_heads()[:, select])[
            BY_VALUE
        ]
    otherwise = ranking or list(model.heads)
    chosen = chosen_heads("interactions", model, otherwise[:top], heads=heads, from_run=from_run, role=role)
    if len(chosen) < 2:
        raise InterpError("One head interacts with none. Allowed: two heads or more (interactions.heads, .top).")
    if replacement == NOISE:
        substitute = from_donors(model, same_place(prompts.corrupted))
    else:
        substitute = named(replacement)[1](model, prompts.clean, seed, whole)
    sets = [*((head,) for head in chosen), *combinations(chosen, 2), *([chosen] if len(chosen) > 2 else [])]
    groups = batches(prompts.clean, model, documents=documents, tokens=tokens_a_sweep(model))
    (sums,) = swept(model, groups, substitute, answer_metrics(prompts)[:1], sets, replacement, progress)
    repair = measure_repair(model, prompts, documents, substitute, chosen, progress=progress)
    progress.measured()
    by: Any = {"seed": seed, "min_blocks": min_blocks}
    block = subject.block[np.array(repair.documents)]
    repaired, changed = self_repair_tables(
        repair.replaced, repair.heads, repair.before, repair.after, repair.total, block, **by
    )
    tables = {
        "interactions": interaction_table(sums, sets, **by),
        "self_repair": repaired.assign(replacement=replacement),
        "changed_heads": changed.assign(replacement=replacement),
    }
    note = f"Measured on {len(documents)} of {len(prompts)} prompts."
    return behaviour_findings(model, subject, seed, tables, (note,))


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """Direct beside total effects, and the interaction of every pair."""
    return {
        "self_repair": plots.self_repair(tables["self_repair"], style=style),
        "interactions": plots.interaction_map(tables["interactions"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What of direct effects others make up for; the pairs that interact most, the heads that change most."""
    pairs, repair, changed = (tables[name] for name in ("interactions", "self_repair", "changed_heads"))
    made_up = repair[repair["repaired_low"] > 0]
    lines = [
        f"Of {len(repair)} heads {len(made_up)} cost less than they add directly, because others make up for them "
        f"({repair['replacement'].iloc[0]}, {repair['n'].iloc[0]} prompts; intervals above zero). Nats:"
    ]
    rows: Any = repair.itertuples()
    listed = [
        (
            f"head {name_of(row)}",
            f"{signed(row.direct)}{interval(row.direct_low, row.direct_high)}",
            f"{signed(row.total)}{interval(row.total_low, row.total_high)}",
            f"{signed(row.repaired)}{interval(row.repaired_low, row.repaired_high)}",
            signed(row.by_heads),
            signed(row.by_rest),
        )
        for row in rows
    ]
    header = ("replaced", "direct effect", "total effect", "made up for", "by heads", "by the rest")
    lines += table_lines(listed, 8, "self_repair.csv", header=header)
    sure = pairs[(pairs["q"] <= 0.05)]
    lines.append(
        f"Joint effect less the sum of single ones: {len(sure)} of {len(pairs)} sets with q ≤ 0.05. The largest:"
    )
    ranked: Any = pairs.sort_values("interaction", key=abs, ascending=False, kind="stable").itertuples()
    listed = [
        (row.heads, f"{signed(row.joint)} against {signed(row.sum_of_effects)}",
         f"{signed(row.interaction)}{interval(row.ci_low, row.ci_high)}") for row in ranked
    ]  # fmt: skip
    lines += table_lines(listed, 8, "interactions.csv")
    lines.append("Later heads whose own addition changes most:")
    most: Any = changed.sort_values("change", key=abs, ascending=False, kind="stable").itertuples()
    listed = [
        (f"without {name_of(row)}", f"head {head_name(row.site, row.other_layer, row.other_head)}",
         f"{signed(row.before)} becomes {signed(row.before + row.change)}",
         f"{signed(row.change)}{interval(row.ci_low, row.ci_high)}") for row in most
    ]  # fmt: skip
    return lines + table_lines(listed, 8, "changed_heads.csv")
