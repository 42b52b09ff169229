"""One run: from a resolved configuration to a folder that says `complete`, or does not."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
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
from experiments.cli.closing_notes import blank_words, closing_words, glyph_words, say, to_json
from experiments.cli.earlier_run import is_done, literal, say_kept
from experiments.cli.error_messages import explain
from experiments.cli.kept_sums import SumsOnDisk
from experiments.cli.manifest_entries import describe, describe_gate, describe_machine, is_off
from experiments.cli.merged_sums import MergedSums
from experiments.cli.merging import SAME, Shards, check_same, find_shards, settings_compared, unsharded
from experiments.cli.stopwatch import Stopwatch
from experiments.cli.sum_files import SUMS, holds_sums, remove_sums
from interp import results
from interp.api import prove
from interp.errors import InterpError
from interp.models.checkpoint.files import file_digest
from interp.plots.style import blank_reason
from interp.progress import Passes, Shard, ShardEnds, read_shard
from interp.text.printable import printable
from interp.types import Corpus, HeadModel


class Run(NamedTuple):
    """A run whose tables are in memory and not yet on disk; an experiment may need no model and no corpus."""

    model: HeadModel | None
    corpus: Corpus | None
    findings: results.Findings | None
    """None of a shard, which leaves sums behind."""
    manifest: dict[str, Any]
    watch: Stopwatch


def run_once(config: DictConfig, watch: Stopwatch) -> None:
    """Run the experiment into Hydra's folder, unless a complete run of the same settings and data lies there.

    One that was stopped is gone on with; one that was shared out is made of its shards.

    An error that the user can mend leaves no trace of the run, so that the mended command can use the same folder.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        shards = None
        if config.get("runs") is not None:
            shards = find_shards(OmegaConf.to_container(config.runs) if OmegaConf.is_list(config.runs) else config.runs)
            config = unsharded(shards)
        with run_folder.held(folder):
            run_in(config, folder, watch, shards)
    except Exception as error:
        if explain(error) is not None:
            run_folder.remove_empty(folder, named=is_named())
        raise


def run_in(config: DictConfig, folder: Path, watch: Stopwatch, shards: Shards | None = None) -> None:
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
        typed = list(HydraConfig.get().overrides.task) if shards is None else shards.manifest["overrides"]
        manifest = manifest_of.new_manifest(plain) | {"overrides": typed, "inputs": read}
        run = begin(config, folder, recorded, manifest, watch, shards)
    except Exception as error:
        if recorded is None and config.get("study") and (said := explain(error)) is not None:
            raise InterpError(f"{said} {study.needs(config.study)}") from error
        raise
    if run.findings is None:
        record_shard(config, folder, run)
    else:
        record(config, folder, run, run.findings)


def begin(
    config: DictConfig,
    folder: Path,
    recorded: dict[str, Any] | None,
    manifest: dict[str, Any],
    watch: Stopwatch,
    shards: Shards | None,
) -> Run:
    """The manifest and Hydra's notes, then everything up to the tables.

    An error that the user can mend undoes both, unless sums were kept by then: the mended command goes on with them.
    """
    notes = hydra_notes(config)
    try:
        results.write_manifest(folder, manifest)
        results.remove_unfinished(folder)
        results.save_notes(folder, notes)
        return run_experiment(literal(manifest["config"]), folder, manifest, watch, shards)
    except Exception as error:
        said = explain(error)
        if said is not None and holds_sums(folder) and not (recorded and recorded["status"] == "complete"):
            # what stopped it may be that nothing can be written
            with suppress(OSError):
                results.write_manifest(folder, manifest | {"status": "stopped", "reason": said})
        elif said is not None:
            remove_sums(folder)
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


def run_experiment(
    config: DictConfig, folder: Path, manifest: dict[str, Any], watch: Stopwatch, shards: Shards | None = None
) -> Run:
    """Everything up to the tables, which are in memory; the manifest grows on the way. A shard ends before its tables.

    Raises `InterpError` for a shard of an experiment that has nothing to share out.
    """
    watch.lap("start")
    corpus: Corpus | None = instantiate(config.corpus, _convert_="all")
    watch.lap("corpus")
    model: HeadModel | None = instantiate(config.model, _convert_="all")
    watch.lap("model")
    if model is not None and corpus is not None:
        manifest |= {"model": {"name": model.name, **model.provenance}, "corpus": describe(corpus)}
        if shards is None:
            proven = [] if is_off(config) else prove(model, corpus)
            watch.lap("gate")
            status = "off" if is_off(config) else "passed"
            manifest["gate"] = describe_gate(status, proven, round(watch.laps["gate"], 2))
        else:
            check_same(shards, manifest)
            # every shard has asked
            manifest["gate"] = shards.manifest["gate"]
            manifest["shards"] = {shard: str(place) for shard, place in shards.folders.items()}
    manifest["machine"] = describe_machine(model)
    results.write_manifest(folder, manifest)
    shard = None if config.shard is None else read_shard(config.shard)
    every = config.keep_every
    keeper = take_up(folder, manifest, shard, every) if shards is None else MergedSums(shards.folders)
    progress = Passes(watch.timed(partial(bar, quiet=config.quiet)), keeper, shard)
    experiment = instantiate(config.experiment, _convert_="all")
    try:
        findings: results.Findings = experiment(model, corpus, progress=progress)
    except ShardEnds:
        return Run(model, corpus, None, manifest, watch)
    if shard is not None:
        raise InterpError(f"shard={shard}: this experiment has no passes to share out. Leave shard= out.")
    if config.get("study"):
        findings = study.judge(findings, config.study)
    watch.lap("tables")
    return Run(model, corpus, findings, manifest, watch)


def take_up(folder: Path, manifest: Mapping[str, Any], shard: Shard | None, every: float) -> SumsOnDisk:
    """What an earlier start has kept, if it was of the same settings, data, versions and machine."""
    made_by = {"config": settings_compared(manifest["config"]), **{key: manifest.get(key) for key in SAME}}
    keeper = SumsOnDisk(folder, made_by, shard, every=every)
    keeper.take_up()
    return keeper


def record_shard(config: DictConfig, folder: Path, run: Run) -> None:
    """The complete manifest of a shard, whose sums are its result; then what there is to say."""
    run.watch.lap("sums")
    manifest = run.manifest | {
        "shard": config.shard,
        "tables": {},
        "files": {f"{SUMS}/{path.name}": file_digest(path) for path in sorted((folder / SUMS).iterdir())},
        "summary": [f"Shard {config.shard} is complete. Of all shards, experiment=merge runs=[…] makes the tables."],
        "seconds": run.watch.seconds(),
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": "complete",
    }
    results.write_manifest(folder, manifest)
    words = [*manifest["summary"], run.watch.words(), f"Sums and manifest: {run_folder.shown(folder)}"]
    for line in [to_json(folder, manifest)] if config.json else words:
        say(line)


def record(config: DictConfig, folder: Path, run: Run, findings: results.Findings) -> None:
    """Tables, figures and the complete manifest, which make the sums needless; then what there is to say."""
    manifest = run.manifest
    results.save_tables(folder, findings.tables)
    module = import_module(config.experiment["_target_"].rpartition(".")[0])
    judged = config.get("study")
    drawn = module.draw(findings.tables) | (study.draw(findings.tables) if judged else {})
    figures = {name: figure for name, figure in drawn.items() if blank_reason(figure) is None}
    results.save_figures(folder, figures)
    findings = replace(findings, notes=(*findings.notes, *blank_words(drawn), *glyph_words(figures)))
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
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": "complete",
    }
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


def bar(items: Sequence[Any], name: str, *, quiet: bool) -> Iterable[Any]:
    """A progress bar with an estimate; silent where the output is no terminal."""
    return tqdm(items, desc=printable(name), leave=False, disable=quiet or not sys.stderr.isatty())
