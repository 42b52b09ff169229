"""What is measured in a run, up to its tables: model, corpus, gate, and the loops of the experiment."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from hydra.utils import instantiate
from omegaconf import DictConfig
from tqdm import tqdm

from experiments.cli import study
from experiments.cli.manifest_entries import describe, describe_gate, describe_machine, is_off
from experiments.cli.merging import SAME, Shards, check_same, settings_compared
from experiments.cli.stopwatch import Stopwatch
from experiments.cli.sums.kept import SumsOnDisk
from experiments.cli.sums.merged import MergedSums
from interp import results
from interp.api import prove
from interp.errors import InterpError
from interp.progress import Passes, Progress, Shard, ShardEnds, read_shard
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


class Subject(NamedTuple):
    """What an experiment is about, and what the manifest says of it; some experiments need no model and no corpus."""

    model: HeadModel | None
    corpus: Corpus | None
    about: dict[str, Any]


def open_subject(config: DictConfig, watch: Stopwatch, *, gate: bool) -> Subject:
    """Corpus and model, and with `gate` the proof that the model's hooks are right."""
    watch.lap("start")
    corpus: Corpus | None = instantiate(config.corpus, _convert_="all")
    watch.lap("corpus")
    model: HeadModel | None = instantiate(config.model, _convert_="all")
    watch.lap("model")
    about: dict[str, Any] = {"machine": describe_machine(model)}
    if model is not None and corpus is not None:
        about |= {"model": {"name": model.name, **model.provenance}, "corpus": describe(corpus)}
        if gate:
            proven = [] if is_off(config) else prove(model, corpus)
            watch.lap("gate")
            status = "off" if is_off(config) else "passed"
            about["gate"] = describe_gate(status, proven, round(watch.laps["gate"], 2))
    return Subject(model, corpus, about)


def run_experiment(
    config: DictConfig, folder: Path, manifest: dict[str, Any], watch: Stopwatch, shards: Shards | None = None
) -> Run:
    """Everything up to the tables, which are in memory; the manifest grows on the way. A shard ends before its tables.

    Raises `InterpError` for a shard of an experiment that has nothing to share out.
    """
    subject = open_subject(config, watch, gate=shards is None)
    manifest |= subject.about
    if shards is not None:
        check_same(shards, manifest)
        # every shard has asked
        gate = {"gate": shards.manifest["gate"]} if "gate" in shards.manifest else {}
        manifest |= gate | {"shards": {shard: str(place) for shard, place in shards.folders.items()}}
    results.write_manifest(folder, manifest)
    shard = None if config.shard is None else read_shard(config.shard)
    every = config.keep_every
    keeper = take_up(folder, manifest, shard, every) if shards is None else MergedSums(shards.folders)
    show = watch.timed(partial(bar, quiet=config.quiet or config.json))
    findings = measured(config, subject, Passes(show, keeper, shard))
    if findings is not None:
        if shard is not None:
            raise InterpError(f"shard={shard}: this experiment has no passes to share out. Leave shard= out.")
        if config.get("study"):
            findings = study.judge(findings, config.study)
        watch.lap("tables")
    return Run(subject.model, subject.corpus, findings, manifest, watch)


def measured(config: DictConfig, subject: Subject, progress: Progress) -> results.Findings | None:
    """What the experiment finds; `None` where its loops are not to be followed by tables."""
    try:
        return findings_of(config, subject, progress)
    except ShardEnds:
        return None


def findings_of(config: DictConfig, subject: Subject, progress: Progress) -> results.Findings:
    """What the experiment finds; raises `ShardEnds` where its loops are all that is to be done."""
    return instantiate(config.experiment, _convert_="all")(subject.model, subject.corpus, progress=progress)


def take_up(folder: Path, manifest: Mapping[str, Any], shard: Shard | None, every: float) -> SumsOnDisk:
    """What an earlier start has kept, if it was of the same settings, data, versions and machine."""
    made_by = {"config": settings_compared(manifest["config"]), **{key: manifest.get(key) for key in SAME}}
    keeper = SumsOnDisk(folder, made_by, shard, every=every)
    keeper.take_up()
    return keeper


def bar(items: Sequence[Any], name: str, *, quiet: bool) -> Iterable[Any]:
    """A progress bar with an estimate; silent where the output is no terminal."""
    return tqdm(items, desc=printable(name), leave=False, disable=quiet or not sys.stderr.isatty())
