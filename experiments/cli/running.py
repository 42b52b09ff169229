"""One run: from a resolved configuration to a folder that says `complete`, or does not."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from experiments.cli import inputs, run_folder, settings, study
from experiments.cli import manifest as manifest_of
from experiments.cli.closing_notes import blank_words, clock_words, closing_words, glyph_words, to_json
from experiments.cli.earlier_run import is_done, literal, say_kept
from experiments.cli.error_messages import explain
from experiments.cli.manifest_entries import describe, describe_gate, is_off
from experiments.cli.printing import say
from experiments.cli.stopwatch import Stopwatch
from interp import results
from interp.api import prove
from interp.errors import InterpError
from interp.plots.style import blank_reason
from interp.text.printable import printable
from interp.types import Corpus, HeadModel


class Run(NamedTuple):
    """A run whose tables are in memory and not yet on disk; an experiment may need no model and no corpus."""

    model: HeadModel | None
    corpus: Corpus | None
    findings: results.Findings
    manifest: dict[str, Any]
    watch: Stopwatch


def run_once(config: DictConfig, watch: Stopwatch) -> None:
    """Run the experiment into Hydra's folder, unless a complete run of the same settings and data lies there.

    An error that the user can mend leaves no trace of the run, so that the mended command can use the same folder.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        with run_folder.held(folder):
            run_in(config, folder, watch)
    except Exception as error:
        if explain(error) is not None:
            run_folder.remove_empty(folder, named=is_named())
        raise


def run_in(config: DictConfig, folder: Path, watch: Stopwatch) -> None:
    """The run in a folder that is held: nothing is written before it is seen that the folder is free for it."""
    recorded = results.read_manifest(folder)
    if recorded is None:
        run_folder.check_free(folder)
    try:
        plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # pyright: ignore[reportAssignmentType]
        settings.check(plain)
        settings.make(config)
        read = inputs.hashes(plain)
        if recorded and is_done(folder, recorded, plain, read):
            say_kept(folder, recorded, as_json=config.json)
            return
        run = begin(config, folder, recorded, manifest_of.new_manifest(plain) | {"inputs": read}, watch)
    except Exception as error:
        if recorded is None and config.get("study") and (said := explain(error)) is not None:
            raise InterpError(f"{said} {study.needs(config.study)}") from error
        raise
    record(config, folder, run)


def begin(
    config: DictConfig, folder: Path, recorded: dict[str, Any] | None, manifest: dict[str, Any], watch: Stopwatch
) -> Run:
    """The manifest and Hydra's notes, then everything up to the tables; an error that the user can mend undoes both."""
    notes = hydra_notes(config)
    try:
        results.write_manifest(folder, manifest)
        results.remove_unfinished(folder)
        results.save_notes(folder, notes)
        return run_experiment(literal(manifest["config"]), folder, manifest, watch)
    except Exception as error:
        if explain(error) is not None:
            results.discard_run(folder, recorded, notes)
        raise


def hydra_notes(config: DictConfig) -> dict[str, str]:
    """What Hydra writes into .hydra: it would before the folder is looked at, and over a complete run's."""
    whole = HydraConfig.instance().cfg
    parts = {"config.yaml": config, "hydra.yaml": whole, "overrides.yaml": HydraConfig.get().overrides.task}
    return {name: OmegaConf.to_yaml(part) for name, part in parts.items()}


def is_named() -> bool:
    """Whether the command line names the run's folder itself, which `folders.make_folder` then has made."""
    typed = [override.lstrip("+") for override in HydraConfig.get().overrides.hydra]
    return any(override.startswith("hydra.run.dir=") and "${" not in override for override in typed)


def run_experiment(config: DictConfig, folder: Path, manifest: dict[str, Any], watch: Stopwatch) -> Run:
    """Everything up to the tables, which are in memory; the manifest grows on the way."""
    watch.lap("start")
    corpus: Corpus | None = instantiate(config.corpus, _convert_="all")
    watch.lap("corpus")
    model: HeadModel | None = instantiate(config.model, _convert_="all")
    watch.lap("model")
    if model is not None and corpus is not None:
        proven = [] if is_off(config) else prove(model, corpus)
        watch.lap("gate")
        manifest |= {
            "model": {"name": model.name, **model.provenance},
            "corpus": describe(corpus),
            "gate": describe_gate("off" if is_off(config) else "passed", proven, round(watch.laps["gate"], 2)),
        }
        results.write_manifest(folder, manifest)
    experiment = instantiate(config.experiment, _convert_="all")
    findings: results.Findings = experiment(model, corpus, progress=watch.timed(partial(bar, quiet=config.quiet)))
    if config.get("study"):
        findings = study.judge(findings, config.study)
    watch.lap("tables")
    return Run(model, corpus, findings, manifest, watch)


def record(config: DictConfig, folder: Path, run: Run) -> None:
    """Tables, figures and the complete manifest; then what there is to say."""
    findings, manifest = run.findings, run.manifest
    results.save_tables(folder, findings.tables)
    module = import_module(config.experiment["_target_"].rpartition(".")[0])
    judged = config.get("study")
    drawn = module.draw(findings.tables) | (study.draw(findings.tables) if judged else {})
    figures = {name: figure for name, figure in drawn.items() if blank_reason(figure) is None}
    results.save_figures(folder, figures)
    finished = manifest_of.now()
    notes = *blank_words(drawn), *glyph_words(figures), *clock_words(manifest["started"], finished)
    findings = replace(findings, notes=(*findings.notes, *notes))
    summary = module.summarise(findings.tables)
    if judged:
        # the paper's claims are what a study is about; of the experiment, its verdict
        summary = [*study.summarise(findings.tables, judged), *summary[:1]]
    files = results.written(folder, findings.tables, figures)
    run.watch.lap("figures")
    manifest |= {
        "skipped": findings.skipped,
        "said": findings.notes,
        "tables": {name: len(table) for name, table in findings.tables.items()},
        "files": files,
        "summary": summary,
        "seconds": run.watch.seconds(),
        "finished": finished,
        "status": "complete",
    }
    results.write_manifest(folder, manifest)
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


def bar(items: Sequence[Any], name: str, *, quiet: bool) -> Iterable[Any]:
    """A progress bar with an estimate; silent where the output is no terminal."""
    return tqdm(items, desc=printable(name), leave=False, disable=quiet or not sys.stderr.isatty())
