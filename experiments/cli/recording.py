"""What a run leaves behind: tables, figures and the complete manifest, or the sums of a shard; and what it says."""

from collections.abc import Mapping
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from types import ModuleType

import pandas as pd
from matplotlib.figure import Figure
from omegaconf import DictConfig

from experiments.cli import manifest as manifest_of
from experiments.cli import run_folder, study
from experiments.cli.closing_notes import blank_words, clock_words, closing_words, glyph_words, to_json
from experiments.cli.measuring import Run, bar
from experiments.cli.outputs import texts_of
from experiments.cli.printing import say
from experiments.cli.sums.files import SUMS, remove_sums
from interp import results
from interp.models.checkpoint.files import file_digest
from interp.plots.style import Style, blank_reason


def record_shard(config: DictConfig, folder: Path, run: Run) -> None:
    """The complete manifest of a shard, whose sums are its result; then what there is to say."""
    run.watch.lap("sums")
    manifest = run.manifest | {
        "shard": config.shard,
        "tables": {},
        "files": {f"{SUMS}/{path.name}": file_digest(path) for path in sorted((folder / SUMS).iterdir())},
        "summary": [f"Shard {config.shard} is complete. Of all shards, experiment=merge runs=[…] makes the tables."],
        "seconds": run.watch.seconds(),
        "finished": manifest_of.now(),
        "status": "complete",
    }
    results.write_manifest(folder, manifest)
    words = [*manifest["summary"], run.watch.words(), f"Sums and manifest: {run_folder.shown(folder)}"]
    for line in [to_json(folder, manifest)] if config.json else words:
        say(line)


def record(config: DictConfig, folder: Path, run: Run, findings: results.Findings, style: Style) -> None:
    """Tables, figures and the complete manifest, which make the sums needless; then what there is to say."""
    manifest, silent = run.manifest, config.quiet or config.json
    results.save_tables(folder, findings.tables)
    module, judged = module_of(config), config.get("study")
    drawn = draw(config, findings.tables, style)
    figures = {name: figure for name, figure in drawn.items() if blank_reason(figure) is None}
    # one at a time, to show how far it is; without any, their folder is made all the same
    for one in bar([{name: figure} for name, figure in figures.items()] or [{}], "figures", quiet=silent):
        results.save_figures(folder, one)
    finished = manifest_of.now()
    notes = *blank_words(drawn), *glyph_words(figures), *clock_words(manifest["started"], finished)
    findings = replace(findings, notes=(*findings.notes, *notes))
    summary = module.summarise(findings.tables)
    if judged:
        # the paper's claims are what a study is about; of the experiment, its verdict
        summary = [*study.summarise(findings.tables, judged), *summary[:1]]
    run.watch.lap("figures")
    manifest |= {
        "skipped": findings.skipped,
        "said": findings.notes,
        "tables": {name: len(table) for name, table in findings.tables.items()},
        "figures": sorted(figures),
        "summary": summary,
        "finished": finished,
    }
    kept = results.save_examples(folder, findings.examples)
    texts = texts_of(findings, manifest, figures)
    results.save_texts(folder, texts)
    files = results.written(folder, findings.tables, figures, [*texts, *kept])
    run.watch.lap("texts")
    manifest |= {"files": files, "seconds": run.watch.seconds(), "status": "complete"}
    results.write_manifest(folder, manifest)
    remove_sums(folder)
    if config.json:
        say(to_json(folder, manifest))
        return
    beginning = [] if run.model is None or run.corpus is None else [f"{run.model.name} on {run.corpus.name}"]
    if run.model is not None and "not_finite" in run.model.provenance:
        beginning.append(f"Note: weights that hold NaN or ∞: {run.model.provenance['not_finite']}.")
    if run.model is not None and "language_head" in run.model.provenance:
        beginning.append(f"Note: language head: {run.model.provenance['language_head']}.")
    closing = closing_words(run.corpus, findings, manifest.get("gate"), run.watch.words(), folder)
    for line in [*beginning, *summary, *closing]:
        say(line)


def draw(config: DictConfig, tables: Mapping[str, pd.DataFrame], style: Style) -> dict[str, Figure]:
    """The figures of the experiment, and of the study where it is one, also those that would show nothing."""
    figures = module_of(config).draw(tables, style)
    return figures | (study.draw(tables, style) if config.get("study") else {})


def insist(config: DictConfig, tables: Mapping[str, pd.DataFrame]) -> None:
    """Raises what the experiment has to object to its own tables, if it has an `insist`: the run stays complete."""
    module = module_of(config)
    if hasattr(module, "insist"):
        module.insist(tables)


def module_of(config: DictConfig) -> ModuleType:
    """The module of the experiment, which has `draw` and `summarise` beside `run`."""
    return import_module(config.experiment["_target_"].rpartition(".")[0])
