"""From the folders of shards to the run that they are parts of: the same settings, and no shard."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from experiments.cli.composing import compose_again
from experiments.cli.earlier_run import NOT_COMPARED
from experiments.cli.manifest import differences
from experiments.cli.run_folder import find_runs, shown
from interp import results
from interp.errors import InterpError
from interp.progress import read_shard

SAME = ("project", "packages", "machine", "inputs", "model", "corpus")
"""What the manifests of shards have to agree in, beside their settings."""

SAME_HERE = ("inputs", "model", "corpus")
"""What they have to agree in with the run that merges them."""


MERGE = "experiments.cli.merging.find_shards"
"""The `_target_` of experiment=merge; other experiments may take `runs` as well."""


@dataclass(frozen=True)
class Shards:
    """The folders of all shards of one run, by shard; and what the manifest of the first says."""

    folders: Mapping[str, Path]
    manifest: Mapping[str, Any]


def find_shards(runs: object) -> Shards:
    """The shards in these folders, in their order: `runs` are folders or patterns, one at least.

    Raises `InterpError` where one is missing, not finished, there twice, or not of the same run as the others.
    """
    texts = [runs] if isinstance(runs, str) else runs
    if not isinstance(texts, Sequence) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise InterpError(f"runs={runs}. Allowed: folders of shards in brackets, or a pattern: runs=[DIR/1,DIR/2].")
    manifests = {folder: results.read_manifest(folder) or {} for text in texts for folder in find_runs(text)}
    for folder, manifest in manifests.items():
        if not isinstance(manifest.get("shard"), str):
            raise InterpError(f"{shown(folder)} holds no shard. Allowed: folders of runs with shard=i/n.")
    by_shard: dict[str, Path] = {}
    for folder, manifest in sorted(manifests.items(), key=lambda one: read_shard(one[1]["shard"]).number):
        if manifest["shard"] in by_shard:
            both = f"{shown(by_shard[manifest['shard']])} and {shown(folder)}"
            raise InterpError(f"The shard {manifest['shard']} is there twice, in {both}. Give one of them.")
        by_shard[manifest["shard"]] = folder
    _check_complete([*by_shard], [manifests[folder]["status"] for folder in by_shard.values()])
    first, *others = [(shard, manifests[folder]) for shard, folder in by_shard.items()]
    for shard, manifest in others:
        changed = differences(settings_compared(first[1]["config"]), settings_compared(manifest["config"]))
        changed += differences(*({key: of.get(key) for key in SAME} for of in (first[1], manifest)))
        if changed:
            raise InterpError(
                f"The shards {first[0]} and {shard} are not of one run. What differs: {'; '.join(changed)}. "
                "Give the shards of one run."
            )
    for shard, folder in by_shard.items():
        gone, damaged = results.compare_files(folder, manifests[folder])
        if gone or damaged:
            raise InterpError(
                f"The shard {shard} in {shown(folder)} is not as it was written: {', '.join([*gone, *damaged])}. "
                "Move these files away and start it again: what is missing is measured."
            )
    return Shards(by_shard, first[1])


def unsharded(shards: Shards) -> DictConfig:
    """The configuration of the whole run, composed anew from what was typed for the shards.

    Nothing that the manifest says is made into an object: what is made is what the configuration here, or that of a
    `--config-dir` of this command, says. Raises `InterpError` where that is not the configuration of the shards.
    """
    config, plain = compose_again(shards.manifest, "the shards")
    changed = differences(settings_compared(shards.manifest["config"]), settings_compared(plain))
    if changed:
        raise InterpError(
            f"The same options give another configuration here than they gave the shards. There → here: "
            f"{'; '.join(changed)}. Merge with the version that ran the shards, or run them anew."
        )
    return config


def check_same(shards: Shards, manifest: Mapping[str, Any]) -> None:
    """Raises `InterpError` where model, corpus or files are not what the shards have read."""
    here = json.loads(json.dumps({key: manifest.get(key) for key in SAME_HERE}, default=str))
    there = {key: shards.manifest.get(key) for key in SAME_HERE}
    changed = differences(there, here)
    if changed:
        raise InterpError(
            f"The shards have read other data. There → here: {'; '.join(changed)}. Put it back, or run the shards anew."
        )


def _check_complete(shards: Sequence[str], states: Sequence[str]) -> None:
    counts = {read_shard(shard).count for shard in shards}
    if len(counts) > 1:
        raise InterpError(f"These are shards of several divisions: {', '.join(shards)}. Give those of one.")
    [count] = counts
    missing = [f"{number}/{count}" for number in range(1, count + 1) if f"{number}/{count}" not in shards]
    unfinished = [shard for shard, state in zip(shards, states, strict=True) if state != "complete"]
    if missing or unfinished:
        said = [f"not there: {', '.join(missing)}"] if missing else []
        said += [f"not finished: {', '.join(unfinished)}"] if unfinished else []
        raise InterpError(
            f"Of the {count} shards some are {'; '.join(said)}. Start them again in their folders (hydra.run.dir=DIR): "
            "they go on where they were."
        )


def settings_compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """Those that decide what is found: shards of one run have the same."""
    return {key: value for key, value in config.items() if key not in (*NOT_COMPARED, "shard")}
