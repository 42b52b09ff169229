"""What is read of earlier runs under watch: manifests, their tables, and claims about tables."""

import json
import math
from pathlib import Path
from random import Random
from typing import Any

import pandas as pd

from experiments.cli.earlier_run import changed_data, kept_notes
from experiments.cli.manifest import differences
from interp.errors import InterpError
from interp.results import MANIFEST, compare_files, load_runs, read_manifest, save_tables, write_manifest
from interp.tables.claims import compare, read_claims
from tests.fuzzing.watching import insist

SCORES = pd.DataFrame(
    [("obj", "self", 0, 0, 0.3, "x", 5), ("obj", "self", 0, 1, 0.7, "y", 6), ("amod", "self", 1, 0, math.nan, None, 7)],
    columns=["role", "site", "layer", "head", "hit", "note", "n"],
)

RUN = {
    "status": "complete",
    "project": {"name": "interp", "version": "0.1.0", "commit": "0"},
    "packages": {"torch": "2"},
    "config": {"seed": 0, "model": {"name": "small"}, "experiment": {"_target_": "x"}},
    "tables": {"scores": 3},
    "inputs": {"a.txt": "00"},
    "skipped": {"words": 1},
    "model": {"path": "small", "heads": 2},
}

CLAIMS = [
    {"claim": "a", "published": 0.7, "tolerance": 0.02, "source": "b", "where": {"role": "obj"}, "best": "hit"},
    {"claim": "b", "published": 1, "tolerance": 0, "source": "b", "where": {"role": "obj"}, "over": 0.5, "note": "c"},
    {
        "claim": "c",
        "published": None,
        "tolerance": None,
        "source": "b",
        "top": 1,
        "heads": ["0.1", "1.0"],
        "mean": False,
    },
    {"claim": "d", "published": 0.5, "tolerance": 0.1, "source": "b", "where": {"layer": 0}, "mean": True},
]


def manifest_seeds() -> list[bytes]:
    """Of a run that is complete, with the hashes of its files and without."""
    hashed = {**RUN, "files": {"scores.parquet": "0" * 64, "figures/a.png": "1" * 64}}
    return [json.dumps(one, indent=2).encode() for one in (RUN, hashed, {**RUN, "status": "running"})]


def manifest(path: Path, _chance: Random) -> None:
    """Read, compared with what is there and with what would be run, and its tables stacked."""
    folder = path.parent / "run"
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).write_bytes(path.read_bytes())
    save_tables(folder, {"scores": SCORES})
    recorded = read_manifest(folder)
    insist(recorded is not None, "no manifest")
    found: dict[str, Any] = recorded or {}
    differences(found.get("config", {}), RUN["config"])
    compare_files(folder, found)
    kept_notes(found)
    changed_data({key: value for key, value in found.items() if key != "corpus"}, {"model": {}}, {"a.txt": "01"})
    tables = load_runs(folder)
    insist(set(tables) <= set(found.get("tables", {})), "tables: others than are listed")


def table_seeds() -> list[bytes]:
    """Parquet, as runs write it."""
    made = []
    for table in (SCORES, SCORES.iloc[:0], SCORES.rename(columns={"note": "run"})):
        made.append(table.to_parquet(index=False))
    return made


def table(path: Path, _chance: Random) -> None:
    """A table of an older run, whose manifest has no hashes: it is stacked, or passed over and named."""
    folder = path.parent / "run"
    folder.mkdir(exist_ok=True)
    write_manifest(folder, {"status": "complete", "tables": {"scores": 3}})
    (folder / "scores.parquet").write_bytes(path.read_bytes())
    for one in load_runs(folder).values():
        insist("run" in one, "no column that names the run")


def claims(path: Path, _chance: Random) -> None:
    """As a configuration would give them: read, and held against a table."""
    try:
        given = json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return
    try:
        read = read_claims(given)
        rows = compare(read, {"scores": SCORES})
    except InterpError as error:
        insist("study.claims" in str(error) or "claim" in str(error), f"a refusal that names no claim: {error}")
        return
    insist(len(rows) == len(given), "claims: others than are given")
    judged = rows.dropna(subset=["measured", "published", "tolerance"])
    right = (judged.measured - judged.published).abs() <= judged.tolerance
    insist(((judged.verdict == "pass") == right).all(), "a wrong verdict")
