"""What is said at the end of a run, and how."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from experiments.cli.run_folder import shown
from experiments.cli.summary_lines import shortened
from interp import results
from interp.corpora.fidelity import WARNING
from interp.plots.glyphs import without_glyph
from interp.plots.style import blank_reason
from interp.types import Corpus


def closing_words(
    corpus: Corpus | None, findings: results.Findings, gate: Mapping[str, Any] | None, seconds: str, folder: Path
) -> list[str]:
    """What a reader has to know of the numbers, how long they took, and where the files are."""
    lines = [f"Skipped: {count} {reason.replace('_', ' ')}." for reason, count in findings.skipped.items() if count]
    notes = (*(corpus.notes if corpus else ()), *findings.notes, *(gate_words(gate) if gate else ()))
    lines += [note if note.startswith(WARNING) else f"Note: {shortened(note)}" for note in notes]
    if corpus and corpus.generated:
        lines.append("Note: the corpus is generated: intervals and p-values describe its generator, not a language.")
    return [
        *lines,
        seconds,
        f"Tables ({', '.join(sorted(findings.tables))}), figures, report.html and manifest: {shown(folder)}",
    ]


def blank_words(figures: Mapping[str, Figure]) -> list[str]:
    """Which figures are not written, because they would show nothing, and why."""
    reasons = {name: blank_reason(figure) for name, figure in figures.items()}
    return [f"the figure {name} is left out, as it would be blank: {why}." for name, why in reasons.items() if why]


def glyph_words(figures: Mapping[str, Figure]) -> list[str]:
    """How many words stand in the figures as boxes, if any."""
    count = len(without_glyph(figures.values()))
    have = "word has" if count == 1 else "words have"
    return [f"{count} {have} letters that the figures' font lacks: boxes there; the tables have them."] if count else []


def clock_words(started: str, finished: str) -> list[str]:
    """That the machine's clock went back while the run worked, if it did: its seconds do not go by that clock."""
    if finished >= started:
        return []
    return [
        f"the clock went back: finished {finished}, started {started}. The seconds are of another clock, and right."
    ]


def gate_words(gate: Mapping[str, Any]) -> list[str]:
    """What was not validated on the model, if anything."""
    if gate["status"] == "off":
        return ["gate=off: the hooks are not validated on this model."]
    missing = ", ".join(gate["not_checked"])
    return (
        [f"hooks not validated for {missing}: the gate could not ask this model (why: manifest.json)."]
        if missing
        else []
    )


def to_json(folder: Path, manifest: dict[str, Any]) -> str:
    """The machine-readable summary: the manifest, and where it lies."""
    return json.dumps({"folder": str(folder), **manifest}, ensure_ascii=False, default=str)
