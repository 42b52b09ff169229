"""One run: from a resolved configuration to a folder that says `complete`, or does not."""

import json
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any, NamedTuple

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from experiments import settings, study
from experiments.command_line import explain
from interp import results
from interp.analysis import prove
from interp.errors import InterpError
from interp.models.evidence import Check
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
    """Run the experiment into Hydra's folder, unless a complete run of the same configuration lies there.

    An error that the user can mend leaves no trace of the run, so that the mended command can use the same folder.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    recorded = results.read_manifest(folder)
    try:
        plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # pyright: ignore[reportAssignmentType]
        settings.check(plain)
        if recorded and is_done(folder, recorded, plain):
            say_kept(folder, recorded, as_json=config.json)
            return
        run = measure(literal(plain), folder, results.new_manifest(plain))
    except Exception as error:
        if recorded is None and (said := explain(error)) is not None:
            results.take_back(folder)
            if config.get("study"):
                raise InterpError(f"{said} {study.needs(config.study)}") from error
        raise
    record(config, folder, run)


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
    results.write_manifest(folder, manifest)
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
    figures = module.draw(findings.tables) | (study.draw(findings.tables) if judged else {})
    results.save_figures(folder, figures)
    run.watch.lap("figures")
    summary = module.summarise(findings.tables) + (study.summarise(findings.tables, judged) if judged else [])
    manifest |= {
        "skipped": findings.skipped,
        "said": findings.said,
        "tables": {name: len(table) for name, table in findings.tables.items()},
        "summary": summary,
        "seconds": run.watch.laps,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": "complete",
    }
    results.write_manifest(folder, manifest)
    if config.json:
        print(to_json(folder, manifest))
        return
    beginning = [] if run.model is None or run.corpus is None else [f"{run.model.name} on {run.corpus.name}"]
    if run.model is not None and "language_head" in run.model.provenance:
        beginning.append(f"Note: language head: {run.model.provenance['language_head']}.")
    for line in [*beginning, *summary, *closing_words(run.corpus, findings, manifest.get("gate"), folder)]:
        print(line)


def is_done(folder: Path, recorded: dict[str, Any], config: dict[str, Any]) -> bool:
    """Whether the folder holds a complete run of this configuration. Raises `InterpError` if it belongs to another."""
    before, now = ({k: v for k, v in c.items() if k not in NOT_COMPARED} for c in (recorded.get("config", {}), config))
    changed = results.differences(before, now)
    if changed:
        state = "complete" if recorded.get("status") == "complete" else "not finished"
        raise InterpError(
            f"{shown(folder)} holds another run ({state}). What differs, there → here: {'; '.join(changed)}. "
            "Choose another folder with hydra.run.dir=DIR, or give the same settings."
        )
    return recorded.get("status") == "complete"


def describe(corpus: Corpus) -> dict[str, Any]:
    """What the manifest says of a corpus."""
    return {
        "name": corpus.name,
        "sha256": corpus.digest,
        "documents": len(corpus),
        "words": sum(len(document.words) for document in corpus),
        "sources": len({document.source for document in corpus}),
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
    lines += [f"Note: {note}" for note in notes]
    if corpus and corpus.generated:
        lines.append("Note: the corpus is generated: intervals and p-values describe its generator, not a language.")
    return [*lines, f"Tables ({', '.join(sorted(findings.tables))}), figures and manifest: {shown(folder)}"]


def gate_words(gate: Mapping[str, Any]) -> list[str]:
    """What was not proved of the model, if anything."""
    if gate["status"] == "off":
        return ["gate=off: nothing proved that the taps see, and change, what the model does."]
    missing = ", ".join(gate["not_checked"])
    return [f"the correctness gate could not ask this model for {missing} (why: manifest.json)."] if missing else []


def say_kept(folder: Path, recorded: dict[str, Any], *, as_json: bool) -> None:
    """Say that a complete run is left as it is; as JSON, what it said when it ran."""
    print(to_json(folder, recorded) if as_json else f"{shown(folder)} holds this run, complete. It is left as it is.")


def to_json(folder: Path, manifest: dict[str, Any]) -> str:
    """The machine-readable summary: the manifest, and where it lies."""
    return json.dumps({"folder": str(folder), **manifest}, ensure_ascii=False, default=str)


def shown(folder: Path) -> Path:
    """The folder as seen from here."""
    return folder.relative_to(Path.cwd()) if folder.is_relative_to(Path.cwd()) else folder


def bar(items: Sequence[Any], name: str, *, quiet: bool) -> Iterable[Any]:
    """A progress bar with an estimate; silent where the output is no terminal."""
    return tqdm(items, desc=name, leave=False, disable=quiet or not sys.stderr.isatty())


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
