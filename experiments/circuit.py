"""Are these heads the circuit of a behaviour? Faithful, complete, minimal: beside random sets of heads."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import interval, name_of, signed, table_lines
from interp import plots
from interp.ablation.controls import random_of_same_layers
from interp.ablation.donors import from_donors, same_place
from interp.ablation.patching import NOISE
from interp.ablation.replacements import REPLACEMENTS, named
from interp.ablation.sweep import tokens_a_sweep
from interp.answers import answer_metrics
from interp.corpora.batching import batches
from interp.errors import COUNT, SHARE, InterpError, require_choice, require_number
from interp.explaining.behaviours import behaviour_findings, subject_of
from interp.explaining.circuits import (
    BY_SIZE,
    BY_VALUE,
    Measure,
    chosen_heads,
    complement,
    direct_rankings,
    greedy_subset,
    random_subsets,
    subsets_of_minimality,
)
from interp.explaining.repetition import confirming
from interp.explaining.role_ablation import swept
from interp.plots.style import PAGE, Style
from interp.progress import AboutTheWhole, Progress, silent
from interp.results import Findings
from interp.tables.circuits import (
    Curve,
    Ends,
    circuit_table,
    completeness_table,
    curve_and_area_tables,
    minimality_table,
)
from interp.tallies.attribution import attribute
from interp.types import Corpus, Head, HeadModel

RANDOM = "random"


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    heads: Sequence[str] | None = None,
    file: str | None = None,
    from_run: str | None = None,
    role: str | None = None,
    top: Annotated[int, COUNT] = 8,
    replacement: str = "mean",
    draws: Annotated[int, COUNT] = 20,
    subsets: Annotated[int, COUNT] = 10,
    greedy: Annotated[int, COUNT] = 3,
    curve: Sequence[float] = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
    curve_draws: Annotated[int, COUNT] = 3,
    force: bool = False,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """What has to be chosen (heads, rankings, subsets K) is chosen on `select`; every number is of `confirm`.

    Heads outside the circuit are replaced, MLPs and embeddings stay. Raises `InterpError` for settings that do not go
    together, and for a behaviour that the model cannot do unless `force` is given.
    """
    require_choice("circuit.replacement", replacement, (*REPLACEMENTS, NOISE))
    for share in curve:
        require_number("circuit.curve", share, SHARE)
    whole = AboutTheWhole(progress)
    subject = subject_of(model, corpus, force=force, seed=seed, min_blocks=min_blocks, progress=whole)
    prompts = subject.prompts
    confirm = confirming(prompts.clean)
    select = [number for number in range(len(prompts)) if number not in set(confirm)]
    if not select or not confirm:
        raise InterpError(
            f"All {len(prompts)} prompts fall into one half (select: {len(select)}, confirm: {len(confirm)}): heads "
            "cannot be chosen on one and judged on the other. Allowed: more prompts (behaviour.documents=N)."
        )
    rankings = direct_rankings(model, attribute(model, prompts, progress=whole).value_of_heads()[:, select])
    circuit = chosen_heads(
        "circuit", model, rankings[BY_VALUE][:top], heads=heads, file=file, from_run=from_run, role=role
    )
    metric, every = answer_metrics(prompts)[0], tuple(model.heads)
    if replacement == NOISE:
        substitute = from_donors(model, same_place(prompts.corrupted))
    else:
        substitute = named(replacement)[1](model, prompts.clean, seed, whole)

    def measure_on(documents: Sequence[int], how: Progress) -> Measure:
        groups = batches(prompts.clean, model, documents=documents, tokens=tokens_a_sweep(model))

        def measure(sets: Sequence[Sequence[Head]], name: str) -> np.ndarray:
            (sums,) = swept(model, groups, substitute, [metric], sets, replacement, how, name=name)
            return sums.ablated

        return measure

    choose, judge = measure_on(select, whole), measure_on(confirm, progress)
    worst = greedy_subset(circuit, every, greedy, choose)
    subsets_k = [("none", ()), *(("random", one) for one in random_subsets(circuit, subsets, seed))]
    subsets_k += [("greedy", worst[:size]) for size in range(1, len(worst) + 1)]
    needed_with = subsets_of_minimality(circuit, every, [worst], choose)

    # every set of heads that is left, measured at once
    random = random_of_same_layers(circuit, every, draws, seed)
    without_k = [_less(circuit, some) for _, some in subsets_k]
    with_head = [_less(circuit, some) for some in needed_with]
    without = [_less(circuit, (*some, head)) for head, some in zip(circuit, needed_with, strict=True)]
    sizes = _sizes(curve, len(every))
    of_curve = [(BY_VALUE, None, rankings[BY_VALUE]), (BY_SIZE, None, rankings[BY_SIZE])]
    generator = np.random.default_rng(seed)
    of_curve += [(RANDOM, draw, [every[i] for i in generator.permutation(len(every))]) for draw in range(curve_draws)]
    steps = [tuple(ranking[:size]) for _, _, ranking in of_curve for size in sizes]
    parts = [[every, ()], [circuit], random, without_k, with_head, without, steps]
    left = [tuple(some) for part in parts for some in part]
    F = judge([complement(some, every) for some in left], "circuits")
    ends_, own, of_random, of_k, kept, taken, of_steps = np.split(F, np.cumsum([len(part) for part in parts])[:-1])
    model_k = judge([some for _, some in subsets_k], "model without subsets")
    progress.measured()

    n = np.bincount(subject.block[confirm], minlength=F.shape[1])
    ends, by = Ends(ends_[0], ends_[1], n), {"seed": seed, "min_blocks": min_blocks}
    curves = [
        Curve(name, draw, sizes, part)
        for (name, draw, _), part in zip(of_curve, np.split(of_steps, len(of_curve)), strict=True)
    ]
    points, areas = curve_and_area_tables(ends, curves, **by)
    tables = {
        "circuit": circuit_table(ends, own[0], circuit, of_random, **by),
        "circuit_completeness": completeness_table(ends, subsets_k, of_k, model_k, **by),
        "circuit_minimality": minimality_table(ends, circuit, needed_with, kept, taken, **by),
        "circuit_curve": points,
        "circuit_areas": areas,
    }
    tables = {name: table.assign(replacement=replacement, metric=metric.name) for name, table in tables.items()}
    note = f"Chosen on {len(select)} prompts (select), measured on {len(confirm)} (confirm)."
    return behaviour_findings(model, subject, seed, tables, (note,))


def _less(circuit: Sequence[Head], taken: Sequence[Head]) -> tuple[Head, ...]:
    return tuple(head for head in circuit if head not in taken)


def _sizes(shares: Sequence[float], heads: int) -> tuple[int, ...]:
    """How many heads are left at each step, from none to all."""
    return tuple(sorted({0, heads, *(round(share * heads) for share in shares)}))


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """The faithfulness curves, and the circuit less subsets against the model less the same."""
    return {
        "circuit_curve": plots.circuit_curve(tables["circuit_curve"], tables["circuit_areas"], style=style),
        "circuit_completeness": plots.circuit_completeness(tables["circuit_completeness"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """How much of the behaviour the circuit has, beside random ones; the worst subset; heads that are not needed."""
    table, complete, minimal, areas = (
        tables[name] for name in ("circuit", "circuit_completeness", "circuit_minimality", "circuit_areas")
    )
    own, random = table[table["circuit"] == "circuit"].iloc[0], table[table["circuit"] == "random"]
    lines = [
        f"The circuit ({own['size']} heads, all others by {own['replacement']}) has {own['share']:.0%}"
        f"{_in_percent(own['share_low'], own['share_high'])} of the {own['metric']} {own['full']:.2f} of all heads; "
        f"without any head it is {own['empty']:.2f} ({own['n']} prompts, confirm).",
        f"    its heads: {own['heads']}",
    ]
    rows: Any = table.itertuples()
    listed = [
        (
            row.circuit,
            f"{signed(row.value)}{interval(row.value_low, row.value_high)}",
            f"{signed(row.faithfulness)}{interval(row.faithfulness_low, row.faithfulness_high)}",
            f"{signed(row.normalised)}{interval(row.normalised_low, row.normalised_high)}",
        )
        for row in rows
    ]
    header = ("heads left", f"F: {own['metric']}", "|F(M) − F(C)|", "(F(C) − F(∅)) / (F(M) − F(∅))")
    lines += table_lines(listed, 4, "circuit.csv", header=header)
    if len(random):
        lines.append(
            f"    {own['reaching']:.0%} of {random['draws'].iloc[0]} random circuits are at least as faithful."
        )
    worst: Any = complete.sort_values("incompleteness", ascending=False, kind="stable").itertuples()
    lines.append("Completeness: subsets K with the largest |F(C∖K) − F(M∖K)|:")
    lines += table_lines(
        [(row.kind, row.heads or "none", f"{signed(row.circuit)} against {signed(row.model_without)}",
          f"{signed(row.incompleteness)}{interval(row.incompleteness_low, row.incompleteness_high)}") for row in worst],
        4, "circuit_completeness.csv",
    )  # fmt: skip
    unproven = minimal[~((minimal["change_low"] > 0) | (minimal["change_high"] < 0))]
    lines.append(f"Minimality: of {len(minimal)} heads {len(unproven)} change nothing whose interval is without zero:")
    ordered: Any = minimal.sort_values("change", key=abs, ascending=False, kind="stable").itertuples()
    lines += table_lines(
        [(f"head {name_of(row)}", f"with K = {row.subset or 'none'}",
          f"{signed(row.change)}{interval(row.change_low, row.change_high)}") for row in ordered],
        8, "circuit_minimality.csv",
    )  # fmt: skip
    lines.append("Areas of the faithfulness curve over all heads (CPR: larger is better; CMD: smaller is better):")
    summed: Any = areas[areas["draw"].isna()].itertuples()
    return lines + table_lines(
        [(row.ranking, f"CPR {row.cpr:.2f}{interval(row.cpr_low, row.cpr_high)}",
          f"CMD {row.cmd:.2f}{interval(row.cmd_low, row.cmd_high)}") for row in summed],
        5, "circuit_areas.csv",
    )  # fmt: skip


def _in_percent(low: float, high: float) -> str:
    return "" if pd.isna(low) or pd.isna(high) else f" [{low:.0%}, {high:.0%}]"
