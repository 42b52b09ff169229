"""One run: from a resolved configuration to a folder that says `complete`, or does not."""

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from pathlib import Path
from time import perf_counter
from typing import Any

from hydra.core.hydra_config import HydraConfig
from hydra.utils import instantiate
from omegaconf import DictConfig, OmegaConf
from tqdm import tqdm

from interp import results
from interp.errors import InterpError
from interp.types import Corpus, HeadModel

NOT_COMPARED = ("json", "quiet")
"""Settings that change what is printed, never what is found."""


def run_once(config: DictConfig) -> None:
    """Run the experiment into Hydra's folder, unless a complete run of the same configuration lies there."""
    folder = Path(HydraConfig.get().runtime.output_dir)
    plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # pyright: ignore[reportAssignmentType]
    if is_done(folder, plain):
        say(config, f"{folder} holds this run already, complete; it is left as it is.")
        return
    manifest = results.new_manifest(plain)
    results.write_manifest(folder, manifest)
    watch = Stopwatch()
    corpus: Corpus = instantiate(config.corpus, _convert_="all")
    watch.lap("corpus")
    model: HeadModel = instantiate(config.model, _convert_="all")
    watch.lap("model")
    manifest |= {"model": {"name": model.name, **model.provenance}, "corpus": describe(corpus)}
    results.write_manifest(folder, manifest)
    experiment = instantiate(config.experiment, _convert_="all")
    findings: results.Findings = experiment(model, corpus, progress=partial(bar, quiet=config.quiet))
    watch.lap("experiment")
    results.save_tables(folder, findings.tables)
    module = import_module(config.experiment["_target_"].rpartition(".")[0])
    results.save_figures(folder, module.draw(findings.tables))
    watch.lap("figures")
    summary = module.summarise(findings.tables)
    manifest |= {
        "skipped": findings.skipped,
        "said": findings.said,
        "tables": {name: len(table) for name, table in findings.tables.items()},
        "seconds": watch.laps,
        "finished": datetime.now(UTC).isoformat(timespec="seconds"),
        "status": "complete",
    }
    results.write_manifest(folder, manifest)
    if config.json:
        print(json.dumps({"folder": str(folder), **manifest, "summary": summary}, ensure_ascii=False, default=str))
        return
    for line in [f"{model.name} on {corpus.name}", *summary, *closing_words(corpus, findings, folder)]:
        print(line)


def is_done(folder: Path, config: dict[str, Any]) -> bool:
    """Whether the folder holds a complete run of this configuration. Raises `InterpError` if it belongs to another."""
    recorded = results.read_manifest(folder)
    if recorded is None:
        return False
    before, now = ({k: v for k, v in c.items() if k not in NOT_COMPARED} for c in (recorded.get("config", {}), config))
    changed = results.differences(before, now)
    if changed:
        raise InterpError(
            f"{folder} belongs to another run ({recorded.get('status')}). What differs: {'; '.join(changed)}. "
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


def closing_words(corpus: Corpus, findings: results.Findings, folder: Path) -> list[str]:
    """What a reader has to know of the numbers, and where the files are."""
    lines = [f"Skipped: {count} {reason.replace('_', ' ')}." for reason, count in findings.skipped.items() if count]
    lines += [f"Note: {note}" for note in (*corpus.notes, *findings.said)]
    if corpus.generated:
        lines.append("Note: the corpus is generated: intervals and p-values describe its generator, not a language.")
    shown = ", ".join(sorted(findings.tables))
    here = Path.cwd()
    place = folder.relative_to(here) if folder.is_relative_to(here) else folder
    return [*lines, f"Tables ({shown}), figures and manifest: {place}"]


def say(config: DictConfig, line: str) -> None:
    """Print for a reader, or nothing but JSON where JSON was asked for."""
    print(json.dumps({"said": line}) if config.json else line)


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
