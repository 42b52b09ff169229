"""What is computed in shards: their folders, and the commands that submit some of them and merge all."""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig, OmegaConf

from experiments.cli import settings
from experiments.cli.cluster.shard_state import ShardState, shard_state
from experiments.cli.error_messages import CONF
from experiments.cli.manifest import differences
from experiments.cli.run_folder import check_free, shown
from experiments.cli.shell_quoting import quote, quoted
from interp import results
from interp.errors import InterpError

OWN = {
    "shard": "--shards N",
    "hydra.run.dir": "--folder DIR",
    "hydra.sweep.dir": "--folder DIR",
    "hydra.sweep.subdir": "--folder DIR",
    "hydra/launcher": "--launcher NAME",
    "hydra.launcher.name": "nothing: jobs are found again by it",
    "hydra.mode": "nothing",
    "runs": "nothing",
}
"""Settings that are given otherwise here."""

KEPT_FOR_THE_MERGE = ("json", "quiet")

SHARDS = "shards"
"""The folder of the shards, inside that of the run."""

JOBLIB = "hydra_plugins.hydra_joblib_launcher.joblib_launcher.JoblibLauncher"
SLURM = "hydra_plugins.hydra_submitit_launcher.submitit_launcher.SlurmLauncher"


@dataclass(frozen=True)
class ShardSweep:
    """One run in parts: its folder gets the tables, and shard i of n lies in shards/i/n below it."""

    folder: Path
    shards: int
    launcher: str
    overrides: tuple[str, ...]
    config_dir: Path | None = None

    def __post_init__(self) -> None:
        if self.shards < 1:
            raise InterpError(f"--shards {self.shards} is no number of shards. Allowed: a whole number from 1.")
        object.__setattr__(self, "folder", Path(os.path.abspath(self.folder)))
        if self.config_dir is not None:
            object.__setattr__(self, "config_dir", self.config_dir.resolve())
        object.__setattr__(self, "overrides", tuple(map(quote, self.overrides)))
        for override in OverridesParser.create().parse_overrides(list(self.overrides)):
            if override.key_or_group in OWN:
                raise InterpError(
                    f"{override.input_line} has no place here. Give {OWN[override.key_or_group]}, and leave it out."
                )
            if override.is_sweep_override():
                raise InterpError(
                    f"{override.input_line} is a sweep. Allowed: one value, as shards are parts of one run. Give each "
                    "value a command and a folder of its own."
                )

    @property
    def place(self) -> Path:
        """Where the shards lie, and what their jobs say."""
        return self.folder / SHARDS

    @property
    def prefix(self) -> str:
        """How the names of its jobs begin, whoever submits them."""
        return f"interp-{blake2b(str(self.folder).encode(), digest_size=4).hexdigest()}-"

    def folder_of(self, shard: int) -> Path:
        """The folder of the i-th shard, the same whenever it is submitted."""
        return self.place / str(shard) / str(self.shards)

    def states(self) -> dict[int, ShardState]:
        """What became of every shard so far."""
        return {shard: shard_state(self.folder_of(shard)) for shard in range(1, self.shards + 1)}

    def named(self, shards: Sequence[int]) -> str:
        """Some of the shards, as they are given to a run; of many the first."""
        listed = [f"{shard}/{self.shards}" for shard in shards[:10]]
        return ", ".join([*listed, *(["…"] if len(shards) > 10 else [])])

    def submit_command(self, shards: Sequence[int], name: str, launcher: Mapping[str, Any]) -> list[str]:
        """Hydra's multirun over these shards."""
        target = launcher.get("_target_")
        beside = [f"hydra.launcher.name={name}"] if target == SLURM else []
        if target == JOBLIB and launcher.get("n_jobs") == -1:
            # cores are divided by the number of processes, however many runs there are
            beside = [f"hydra.launcher.n_jobs={min(len(shards), os.cpu_count() or 1)}"]
        return [
            *self._experiments(),
            "--multirun",
            *self.overrides,
            "shard=" + ",".join(f"{shard}/{self.shards}" for shard in shards),
            f"hydra/launcher={self.launcher}",
            f"hydra.sweep.dir={quoted(str(self.place))}",
            "hydra.sweep.subdir=${shard}",
            *beside,
        ]

    def merge_command(self) -> list[str]:
        """The run that makes the tables of all shards."""
        folders = ",".join(quoted(str(self.folder_of(shard))) for shard in range(1, self.shards + 1))
        kept = [override for override in self.overrides if override.partition("=")[0] in KEPT_FOR_THE_MERGE]
        return [
            *self._experiments(),
            "experiment=merge",
            f"runs=[{folders}]",
            *kept,
            f"hydra.run.dir={quoted(str(self.folder))}",
        ]

    def check(self) -> dict[str, Any]:
        """The settings of the launcher, once it is seen that shards can have these settings.

        Raises `InterpError`, or Hydra's errors, for a setting that is not known or refused, and where a shard's folder
        holds a run of other settings.
        """
        searched = [] if self.config_dir is None else [f"hydra.searchpath=[{quoted(f'file://{self.config_dir}')}]"]
        given = [*self.overrides, f"shard=1/{self.shards}", f"hydra/launcher={self.launcher}", *searched]
        with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
            config = compose("config", overrides=given, return_hydra_config=True)
        launcher: Any = OmegaConf.to_container(config.hydra.launcher, resolve=False)
        OmegaConf.set_readonly(config, False)
        OmegaConf.set_struct(config, False)
        config.pop("hydra")
        settings.check(self._resolved(config, 1))
        if results.read_manifest(self.folder) is None:
            check_free(self.folder)
        for shard in range(1, self.shards + 1):
            folder = self.folder_of(shard)
            recorded = results.read_manifest(folder)
            if recorded is not None:
                self._check_same(folder, recorded["config"], self._resolved(config, shard))
        return launcher

    def _check_same(self, folder: Path, recorded: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        alike = [{key: value for key, value in of.items() if key not in KEPT_FOR_THE_MERGE} for of in (recorded, given)]
        changed = differences(*alike)
        if changed:
            raise InterpError(
                f"{shown(folder)} holds another run. What differs, there → here: {'; '.join(changed)}. Choose another "
                "folder with --folder DIR, or give the same settings."
            )

    def _resolved(self, config: DictConfig, shard: int) -> dict[str, Any]:
        config.shard = f"{shard}/{self.shards}"
        return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # pyright: ignore[reportReturnType]

    def _experiments(self) -> list[str]:
        flags = [] if self.config_dir is None else ["--config-dir", str(self.config_dir)]
        return [sys.executable, "-m", "experiments", *flags]
