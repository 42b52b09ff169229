"""One run: from a resolved configuration to a folder that says `complete`, or does not."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import pandas as pd
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig, OmegaConf

from experiments.cli import inputs, plan, run_folder, settings, study
from experiments.cli import manifest as manifest_of
from experiments.cli.earlier_run import is_done, literal, say_kept
from experiments.cli.error_messages import explain
from experiments.cli.measuring import Run, run_experiment
from experiments.cli.merging import MERGE, Shards, find_shards, unsharded
from experiments.cli.recording import insist, record, record_shard
from experiments.cli.redrawing import is_drawn_so, redraw, theme_of
from experiments.cli.stopwatch import Stopwatch
from experiments.cli.sums.files import holds_sums, remove_sums
from interp import results
from interp.errors import InterpError
from interp.storage import refused


def run_once(config: DictConfig, watch: Stopwatch) -> None:
    """Run the experiment into Hydra's folder, unless a complete run of the same settings and data lies there.

    One that was stopped is gone on with; one that was shared out is made of its shards; one that is only planned
    leaves nothing behind.

    An error that the user can mend leaves no trace of the run, so that the mended command can use the same folder.
    """
    folder = Path(HydraConfig.get().runtime.output_dir)
    try:
        shards = None
        if config.experiment.get("_target_") == MERGE:
            shards = find_shards(OmegaConf.to_container(config.runs) if OmegaConf.is_list(config.runs) else config.runs)
            config = unsharded(shards)
        elif config.plan:
            plan.plan_once(config, watch)
            run_folder.remove_empty(folder, named=is_named())
            return
        with run_folder.held(folder):
            run_in(config, folder, watch, shards)
    except Exception as error:
        if explain(error) is not None:
            run_folder.remove_empty(folder, named=is_named())
        raise


def run_in(config: DictConfig, folder: Path, watch: Stopwatch, shards: Shards | None = None) -> None:
    """The run in a folder that is held: nothing is written before it is seen that the folder is free for it.

    Of a complete one only the figures are drawn anew, where `plots` says so.
    """
    recorded = results.read_manifest(folder)
    if recorded is None:
        run_folder.check_free(folder)
    try:
        plain: dict[str, Any] = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # pyright: ignore[reportAssignmentType]
        settings.check(plain)
        settings.make(config)
        style = settings.make_style(literal(plain))
        read = inputs.hashes(plain)
        if recorded and is_done(folder, recorded, plain, read):
            if is_drawn_so(recorded, plain["plots"]):
                say_kept(folder, recorded, as_json=config.json)
            else:
                redraw(config, folder, recorded, plain["plots"], style)
            insist(config, {name: pd.read_parquet(folder / f"{name}.parquet") for name in recorded["tables"]})
            return
        typed = list(HydraConfig.get().overrides.task) if shards is None else shards.manifest["overrides"]
        manifest = manifest_of.new_manifest(plain) | {"overrides": typed, "inputs": read} | theme_of(plain["plots"])
        run = begin(config, folder, recorded, manifest, watch, shards)
    except Exception as error:
        if recorded is None and config.get("study") and (said := explain(error)) is not None:
            raise InterpError(f"{said} {study.needs(config.study)}") from error
        raise
    if run.findings is None:
        record_shard(config, folder, run)
    else:
        record(config, folder, run, run.findings, style)
        insist(config, run.findings.tables)


def begin(
    config: DictConfig,
    folder: Path,
    recorded: dict[str, Any] | None,
    manifest: dict[str, Any],
    watch: Stopwatch,
    shards: Shards | None,
) -> Run:
    """The manifest and Hydra's notes, then everything up to the tables.

    An error that the user can mend undoes both. Where the system has refused something (a full disk) and sums were kept
    by then, they stay: the same command goes on with them.
    """
    notes = hydra_notes(config)
    try:
        results.write_manifest(folder, manifest)
        results.remove_unfinished(folder)
        results.save_notes(folder, notes)
        return run_experiment(literal(manifest["config"]), folder, manifest, watch, shards)
    except Exception as error:
        said = explain(error)
        is_refused = refused(error) is not None and holds_sums(folder)
        if said is not None and is_refused and not (recorded and recorded["status"] == "complete"):
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
