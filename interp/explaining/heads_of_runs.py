"""Heads that another run has found: its tables, if it is complete, as it was written, and of the same model."""

from pathlib import Path

import pandas as pd

from interp.errors import InterpError, shown
from interp.results import compare_files, read_manifest
from interp.types import HeadModel


def tables_of_run(setting: str, folder: str, model: HeadModel, *names: str) -> tuple[dict[str, pd.DataFrame], str]:
    """These tables of a run, as far as it has them, and the hash of the corpus that they are of.

    Raises `InterpError`, which speaks of the `setting`, for a folder without a complete run, one that was changed, a
    run of another model, and one that has none of these tables.
    """
    path = Path(folder)
    manifest = read_manifest(path) if path.is_dir() else None
    if manifest is None or manifest["status"] != "complete":
        raise InterpError(f"{setting}={shown(folder)} is no folder of a complete run. Allowed: one, with its tables.")
    gone, damaged = compare_files(path, manifest)
    if gone or damaged:
        raise InterpError(
            f"{setting}={shown(folder)} is not as its run wrote it: {', '.join([*gone, *damaged][:5])}. "
            "Allowed: a run as it was written. Do the run again in another folder."
        )
    if (other := str(manifest["model"]["name"])) != model.name:
        raise InterpError(
            f"{setting}={shown(folder)} is a run of {other!r}, and this is {model.name!r}: heads of one model say "
            "nothing of another's. Allowed: a run of the same model."
        )
    known = manifest.get("tables", {})
    found = {name: pd.read_parquet(path / f"{name}.parquet") for name in names if name in known}
    if not found:
        raise InterpError(
            f"{setting}={shown(folder)} has none of the tables {', '.join(names)}. It has: {', '.join(sorted(known))}."
        )
    return found, str(manifest.get("corpus", {}).get("sha256", ""))
