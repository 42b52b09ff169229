"""A folder that already holds a run: the same one, complete or not, or another."""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from hydra.utils import instantiate
from omegaconf import DictConfig

from experiments.cli import inputs
from experiments.cli import manifest as manifest_of
from experiments.cli.closing_notes import to_json
from experiments.cli.printing import say
from experiments.cli.run_folder import shown
from interp import results
from interp.errors import InterpError
from interp.types import Corpus

NOT_COMPARED = ("json", "quiet", "keep_every", "plan", "plots")
"""Settings that change what is printed, drawn, or kept on the way, never what is found."""


def is_done(folder: Path, recorded: dict[str, Any], config: dict[str, Any], read: Mapping[str, str]) -> bool:
    """Whether the folder holds a complete run of this configuration and of the files as they are now.

    One that lacks some of its files is not complete any more, and this is said on stderr. Raises `InterpError` where
    the run is another's: of other settings, of other data, or with files that somebody has changed.
    """
    before, now = ({k: v for k, v in c.items() if k not in NOT_COMPARED} for c in (recorded.get("config", {}), config))
    changed = manifest_of.differences(before, now)
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


def kept_notes(recorded: Mapping[str, Any]) -> list[str]:
    """What else a reader of a run that was kept has to know: other versions, and what could not be compared."""
    now = manifest_of.new_manifest({})
    versions = manifest_of.differences(
        *({key: of.get(key) for key in ("project", "packages")} for of in (recorded, now))
    )
    lines = [f"other versions have made it, there → here: {'; '.join(versions)}."] if versions else []
    if "inputs" not in recorded:
        lines.append("an older version has made it: whether the model's files have changed since cannot be said.")
    if "files" not in recorded:
        lines.append("an older version has made it: whether its tables are as they were written cannot be said.")
    return lines


def say_kept(folder: Path, recorded: dict[str, Any], *, as_json: bool) -> None:
    """Say that a complete run is left as it is; as JSON, what it said when it ran. Notes then go to stderr."""
    say(to_json(folder, recorded) if as_json else f"{shown(folder)} holds this run, complete. It is left as it is.")
    for note in kept_notes(recorded):
        say(f"Note: {note}", to=sys.stderr if as_json else sys.stdout)


def literal(config: dict[str, Any]) -> DictConfig:
    """A resolved configuration for Hydra to instantiate, which resolves twice what it is given: `${` stays `${`."""

    def escaped(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: escaped(inner) for key, inner in value.items()}
        if isinstance(value, list):
            return [escaped(inner) for inner in value]
        return re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + r"\${", value) if isinstance(value, str) else value

    return DictConfig(escaped(escaped(config)))
