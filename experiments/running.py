"""One run: from a resolved configuration to a folder that says `complete`, or does not."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple, TextIO

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from matplotlib.figure import Figure
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from experiments import inputs, run_folder, settings, study
from experiments.command_line import explain
from experiments.run_folder import shown
from interp import results
from interp.api import prove
from interp.corpora.fidelity import WARNING
from interp.errors import InterpError
from interp.models.gate.evidence import Check
from interp.plots.glyphs import without_glyph
from interp.plots.style import blank_reason
from interp.text.printable import printable
from interp.types import Corpus, HeadModel

NOT_COMPARED = ("json", "quiet")
"""Settings that change what is printed, never what is found."""


class Run(NamedTuple):
    """A run whose tables are in memory and not yet on disk; an experiment may need no model and no corpus."""

    model: HeadModel | None
    corpus: Corpus | None
    findings: results.Findings
    manifest: dict[str, Any]
    watch: "Stopwatch"


def run_once(config: DictConfig) -> None:
    """Run the experiment into Hydra's folder, unless a complete run of the same settings and data lies there.

    An error that the user can mend leaves no trace of the run, so that the mended command can use the same folder.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        with run_folder.held(folder):
            run_in(config, folder)
    except Exception as error:
        if explain(error) is not None:
            run_folder.remove_empty(folder, named=is_named())
        raise


def run_in(config: DictConfig, folder: Path) -> None:
    """The run in a folder that is held: nothing is written before it is seen that the folder is free for it."""
    recorded = results.read_manifest(folder)
    if recorded is None:
        run_folder.check_free(folder)
    try:
        plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # pyright: ignore[reportAssignmentType]
        settings.check(plain)
        read = inputs.hashes(plain)
        if recorded and is_done(folder, recorded, plain, read):
            say_kept(folder, recorded, as_json=config.json)
            return
        run = begin(config, folder, recorded, results.new_manifest(plain) | {"inputs": read})
    except Exception as error:
        if recorded is None and config.get("study") and (said := explain(error)) is not None:
            raise InterpError(f"{said} {study.needs(config.study)}") from error
        raise
    record(config, folder, run)


def begin(config: DictConfig, folder: Path, recorded: dict[str, Any] | None, manifest: dict[str, Any]) -> Run:
    """The manifest and Hydra's notes, then everything up to the tables; an error that the user can mend undoes both."""
    notes = hydra_notes(config)
    try:
        results.write_manifest(folder, manifest)
        results.remove_unfinished(folder)
        results.save_notes(folder, notes)
        return measure(literal(manifest["config"]), folder, manifest)
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
    """Whether the command line names the run's folder itself, which `command_line.make_folder` then has made."""
    typed = [override.lstrip("+") for override in HydraConfig.get().overrides.hydra]
    return any(override.startswith("hydra.run.dir=") and "${" not in override for override in typed)


def literal(config: dict[str, Any]) -> DictConfig:
    """A resolved configuration for Hydra to instantiate, which resolves twice what it is given: `${` stays `${`."""

    def escaped(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: escaped(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [escaped(inner) for inner in value]
        return re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + r"\${", value) if isinstance(value, str) else value

    return DictConfig(escaped(escaped(config)))


def measure(config: DictConfig, folder: Path, manifest: dict[str, Any]) -> Run:
    """Everything up to the tables, which are in memory; the manifest grows on the way."""
    watch = Stopwatch()
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
            "gate": describe_gate("off" if is_off(config) else "passed", proven, watch.laps["gate"]),
        }
        results.write_manifest(folder, manifest)
    experiment = instantiate(config.experiment, _convert_="all")
    findings: results.Findings = experiment(model, corpus, progress=partial(bar, quiet=config.quiet))
    if config.get("study"):
        findings = study.judge(findings, config.study)
    watch.lap("experiment")
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
    findings = replace(findings, said=(*findings.said, *blank_words(drawn), *glyph_words(figures)))
    run.watch.lap("figures")
    summary = module.summarise(findings.tables) + (study.summarise(findings.tables, judged) if judged else [])
    manifest |= {
        "skipped": findings.skipped,
        "said": findings.said,
        "tables": {name: len(table) for name, table in findings.tables.items()},
        "files": results.written(folder, findings.tables, figures),
        "summary": summary,
        "seconds": run.watch.laps,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
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
    for line in [*beginning, *summary, *closing_words(run.corpus, findings, manifest.get("gate"), folder)]:
        say(line)


def is_done(folder: Path, recorded: dict[str, Any], config: dict[str, Any], read: Mapping[str, str]) -> bool:
    """Whether the folder holds a complete run of this configuration and of the files as they are now.

    One that lacks some of its files is not complete any more, and this is said on stderr. Raises `InterpError` where
    the run is another's: of other settings, of other data, or with files that somebody has changed.
    """
    before, now = ({k: v for k, v in c.items() if k not in NOT_COMPARED} for c in (recorded.get("config", {}), config))
    changed = results.differences(before, now)
    if changed:
        state = "complete" if recorded["status"] == "complete" else "not finished"
        raise InterpError(
            f"{shown(folder)} holds another run ({state}). What differs, there → here: {'; '.join(changed)}. "
            "Choose another folder with hydra.run.dir=DIR, or give the same settings."
        )
    if recorded["status"] != "complete":
        return False
    other = changed_data(recorded, config, read)
    if other:
        raise InterpError(
            f"{shown(folder)} holds a run (complete) of other data under the same names. "
            f"What differs (sha256), there → here: {'; '.join(other)}. "
            "Choose another folder with hydra.run.dir=DIR, or put the data of that run back."
        )
    gone, damaged = results.compare_files(folder, recorded)
    if damaged:
        raise InterpError(
            f"{shown(folder)} holds this run, but not as it was written: {', '.join(damaged)}. Choose another folder "
            "with hydra.run.dir=DIR; or move these files away, and what is missing is computed again."
        )
    if gone:
        say(f"{shown(folder)} lacks {', '.join(gone)}: the run is done again.", to=sys.stderr)
    return not gone


def changed_data(recorded: Mapping[str, Any], config: dict[str, Any], read: Mapping[str, str]) -> list[str]:
    """What a complete run has read and would read otherwise now, a line each; no model is loaded for it."""
    before, now = dict(recorded.get("inputs", {})), dict(read) if "inputs" in recorded else {}
    if "corpus" in recorded:
        corpus: Corpus = instantiate(literal(config).corpus, _convert_="all")
        label = f"corpus {recorded['corpus']['name']}"
        before[label], now[label] = recorded["corpus"]["sha256"], corpus.digest
    if revision := recorded.get("model", {}).get("revision"):
        name = recorded["model"]["path"]
        # without a copy in the cache there is nothing to compare it with
        cached = inputs.cached_revision(name, config["model"].get("revision")) or revision
        before[f"model {name}"], now[f"model {name}"] = revision, cached
    paths = sorted(path for path in before.keys() | now.keys() if before.get(path) != now.get(path))
    return [f"{path}: {before.get(path, 'absent')[:12]} → {now.get(path, 'absent')[:12]}" for path in paths]


def describe(corpus: Corpus) -> dict[str, Any]:
    """What the manifest says of a corpus."""
    return {
        "name": corpus.name,
        "sha256": corpus.digest,
        "documents": len(corpus),
        "words": sum(len(document.words) for document in corpus),
        "sources": len({document.source for document in corpus}),
        "sources_by": dict(corpus.sources_by),
        "generated": corpus.generated,
        "notes": corpus.notes,
    }


def is_off(config: DictConfig) -> bool:
    """Whether the correctness gate is left out: `off`, which YAML reads as false."""
    return config.gate in ("off", False)


def describe_gate(status: str, checks: Sequence[Check], seconds: float) -> dict[str, Any]:
    """What the manifest says of the gate: the largest deviation of every check, and what could not be asked."""
    return {
        "status": status,
        "checks": {check.name: check.deviation for check in checks if check.deviation is not None},
        "not_checked": {check.name: check.detail for check in checks if check.deviation is None},
        "seconds": seconds,
    }


def closing_words(
    corpus: Corpus | None, findings: results.Findings, gate: Mapping[str, Any] | None, folder: Path
) -> list[str]:
    """What a reader has to know of the numbers, and where the files are."""
    lines = [f"Skipped: {count} {reason.replace('_', ' ')}." for reason, count in findings.skipped.items() if count]
    notes = (*(corpus.notes if corpus else ()), *findings.said, *(gate_words(gate) if gate else ()))
    lines += [note if note.startswith(WARNING) else f"Note: {note}" for note in notes]
    if corpus and corpus.generated:
        lines.append("Note: the corpus is generated: intervals and p-values describe its generator, not a language.")
    return [*lines, f"Tables ({', '.join(sorted(findings.tables))}), figures and manifest: {shown(folder)}"]


def blank_words(figures: Mapping[str, Figure]) -> list[str]:
    """Which figures are not written, because they would show nothing, and why."""
    reasons = {name: blank_reason(figure) for name, figure in figures.items()}
    return [f"the figure {name} is left out, as it would be blank: {why}." for name, why in reasons.items() if why]


def glyph_words(figures: Mapping[str, Figure]) -> list[str]:
    """How many words stand in the figures as boxes, if any."""
    count = len(without_glyph(figures.values()))
    have = "word has" if count == 1 else "words have"
    return [f"{count} {have} letters that the figures' font lacks: boxes there; the tables have them."] if count else []


def gate_words(gate: Mapping[str, Any]) -> list[str]:
    """What was not proved of the model, if anything."""
    if gate["status"] == "off":
        return ["gate=off: nothing proved that the taps see, and change, what the model does."]
    missing = ", ".join(gate["not_checked"])
    return [f"the correctness gate could not ask this model for {missing} (why: manifest.json)."] if missing else []


def say_kept(folder: Path, recorded: dict[str, Any], *, as_json: bool) -> None:
    """Say that a complete run is left as it is; as JSON, what it said when it ran. Notes then go to stderr."""
    say(to_json(folder, recorded) if as_json else f"{shown(folder)} holds this run, complete. It is left as it is.")
    for note in kept_notes(recorded):
        say(f"Note: {note}", to=sys.stderr if as_json else sys.stdout)


def say(line: str, *, to: TextIO | None = None) -> None:
    """Print a line whose words may come from files: nothing in it steers the terminal."""
    print(printable(line), file=to)


def kept_notes(recorded: Mapping[str, Any]) -> list[str]:
    """What else a reader of a run that was kept has to know: other versions, and what could not be compared."""
    now = results.new_manifest({})
    versions = results.differences(*({key: of.get(key) for key in ("project", "packages")} for of in (recorded, now)))
    lines = [f"other versions have made it, there → here: {'; '.join(versions)}."] if versions else []
    if "inputs" not in recorded:
        lines.append("an older version has made it: whether the model's files have changed since cannot be said.")
    if "files" not in recorded:
        lines.append("an older version has made it: whether its tables are as they were written cannot be said.")
    return lines


def to_json(folder: Path, manifest: dict[str, Any]) -> str:
    """The machine-readable summary: the manifest, and where it lies."""
    return json.dumps({"folder": str(folder), **manifest}, ensure_ascii=False, default=str)


def bar(items: Sequence[Any], name: str, *, quiet: bool) -> Iterable[Any]:
    """A progress bar with an estimate; silent where the output is no terminal."""
    return tqdm(items, desc=printable(name), leave=False, disable=quiet or not sys.stderr.isatty())


class Stopwatch:
    """Seconds that each part of a run took."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._last = perf_counter()

    def lap(self, name: str) -> None:
        """The time since the last lap belongs to `name`."""
        now = perf_counter()
        self.laps[name] = round(now - self._last, 2)
        self._last = now
