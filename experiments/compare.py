"""What differs between runs: models, checkpoints, seeds or corpora, role by role and head by head?

No model is loaded: the runs' own tables are joined. `interp.tables.compared` says what is the same, and where
differences have intervals.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.run_folder import find_runs, shown
from experiments.cli.summary_lines import interval, name_of, signed, table_lines
from interp import plots, results
from interp.errors import InterpError
from interp.heads import HEAD
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.compared import ComparedRun, compared_effects, compared_heads, compared_roles

READ = ("scores", "roles", "effects", "role_blocks", "effect_blocks")
"""The tables of a run that are compared."""

Manifest = Mapping[str, Any]


def run(
    model: None = None,  # noqa: ARG001
    corpus: None = None,  # noqa: ARG001
    *,
    runs: Sequence[str] | str | None,
    margin: float = 0.1,
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,  # noqa: ARG001
) -> Findings:
    """The tables of complete runs of one experiment, joined: at least two folders, or patterns of folders.

    Raises `InterpError` for fewer, for what is no complete run or not as it was written, for runs of different
    experiments, and for runs without roles and effects.
    """
    folders = _folders(runs)
    manifests = {folder: _manifest(folder) for folder in folders}
    _check_alike(manifests)
    names = _names(manifests)
    found = [
        ComparedRun(names[folder], _documents(manifest), _tables(folder, manifest))
        for folder, manifest in manifests.items()
    ]
    every = {
        "compared_runs": _overview(found, manifests),
        "compared_roles": compared_roles(found, seed=seed, min_blocks=min_blocks),
        "compared_heads": compared_heads(found, seed=seed, margin=margin, min_blocks=min_blocks),
        "compared_effects": compared_effects(found, seed=seed, min_blocks=min_blocks),
    }
    tables = {name: table for name, table in every.items() if name == "compared_runs" or len(table)}
    return Findings(tables, notes=tuple(_notes(found, tables)))


def _folders(runs: Sequence[str] | str | None) -> list[Path]:
    texts = [runs] if isinstance(runs, str) else runs
    if not isinstance(texts, Sequence) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise InterpError(f"runs={runs}. Allowed: folders of runs in brackets, or a pattern: runs=[DIR,DIR].")
    folders = list(dict.fromkeys(folder for text in texts for folder in find_runs(text)))
    if len(folders) < 2:
        raise InterpError(f"runs={texts}: {shown(folders[0])} alone. Allowed: two runs or more: runs=[DIR,DIR].")
    return folders


def _manifest(folder: Path) -> Manifest:
    manifest = results.read_manifest(folder)
    if manifest is None or manifest["status"] != "complete":
        state = "no run" if manifest is None else f"a run that is not complete (status {manifest['status']})"
        raise InterpError(
            f"{shown(folder)} holds {state}. Allowed: folders of complete runs. Start it again in its folder."
        )
    gone, damaged = results.compare_files(folder, manifest)
    if gone or damaged:
        raise InterpError(
            f"{shown(folder)} is not as its run wrote it: {', '.join([*gone, *damaged][:5])}. Allowed: runs as they "
            "were written. Do the run again in another folder."
        )
    if "corpus" not in manifest or not {"scores", "effects"} & set(manifest.get("tables", {})):
        raise InterpError(
            f"{shown(folder)} holds neither of the tables scores and effects. Allowed: runs of experiment=atlas, "
            "head_roles or head_ablation, and others that leave one of these behind."
        )
    return manifest


def _check_alike(manifests: Mapping[Path, Manifest]) -> None:
    kinds = {folder: str(_setting(manifest, "experiment._target_")) for folder, manifest in manifests.items()}
    first, *others = kinds
    for folder in others:
        if kinds[folder] != kinds[first]:
            raise InterpError(
                f"{shown(first)} is of {kinds[first]}, {shown(folder)} of {kinds[folder]}. Allowed: runs of one "
                "experiment. Leave the others out."
            )


def _names(manifests: Mapping[Path, Manifest]) -> dict[Path, str]:
    """The shortest names that tell the runs apart: model, corpus and seed as far as they differ; else their folders."""
    about = {
        folder: {
            "model": str(manifest["model"]["name"]),
            "corpus": str(manifest["corpus"]["name"]),
            "seed": f"seed {manifest.get('seed')}",
        }
        for folder, manifest in manifests.items()
    }
    differing = [name for name in ("model", "corpus", "seed") if len({one[name] for one in about.values()}) > 1]
    names = {folder: " ".join(one[name] for name in differing) for folder, one in about.items()}
    if len(set(names.values())) == len(names):
        return names
    return {folder: str(shown(folder)) for folder in manifests}


def _documents(manifest: Manifest) -> str:
    """What tells the documents of a run: the hash of what they were read from, how they were read, and how many.

    The hash alone is of a whole file, of which `corpus.limit` takes a part. Where the file lies does not matter.
    """
    corpus = manifest["corpus"]
    read_by = {key: value for key, value in (_setting(manifest, "corpus") or {}).items() if key != "path"}
    counts = {key: corpus.get(key) for key in ("sha256", "documents", "words", "sources")}
    return json.dumps([counts, read_by], sort_keys=True, default=str)


def _setting(manifest: Manifest, key: str) -> Any:
    found: Any = manifest.get("config", {})
    for part in key.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _tables(folder: Path, manifest: Manifest) -> dict[str, pd.DataFrame]:
    return {name: pd.read_parquet(folder / f"{name}.parquet") for name in READ if name in manifest["tables"]}


def _overview(runs: Sequence[ComparedRun], manifests: Mapping[Path, Manifest]) -> pd.DataFrame:
    """One row per run: what it is of, and how many roles it has given."""
    rows = []
    for one, (folder, manifest) in zip(runs, manifests.items(), strict=True):
        roles = one.tables.get("roles")
        assigned = None if roles is None else roles[roles["role"] != "unclassified"]
        rows.append(
            {
                "run": one.name,
                "folder": str(shown(folder)),
                "model": manifest["model"]["name"],
                "weights_sha256": manifest["model"].get("weights_sha256"),
                "corpus": manifest["corpus"]["name"],
                "corpus_sha256": manifest["corpus"]["sha256"],
                "documents": manifest["corpus"].get("documents"),
                "seed": manifest.get("seed"),
                "same_documents": one.same_documents(runs[0]),
                "heads": None if roles is None else len(roles[HEAD].drop_duplicates()),
                "heads_with_role": None if assigned is None else len(assigned[HEAD].drop_duplicates()),
                "roles": None if assigned is None else len(assigned),
            }
        )
    return pd.DataFrame(rows).astype(dict.fromkeys(("heads", "heads_with_role", "roles"), "Int64"))


def _notes(runs: Sequence[ComparedRun], tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Which runs are of other documents or heads, and which differences lack an interval although they are not."""
    other = [one.name for one in runs if not one.same_documents(runs[0])]
    notes = (
        [f"Other documents than in the first run, so differences have no interval: {', '.join(other)}."]
        if other
        else []
    )
    for name, table in tables.items():
        if name == "compared_runs":
            continue
        known = table[table["same_documents"] & table["difference"].notna()]
        alone = int(known["difference_low"].isna().sum())
        if alone:
            notes.append(
                f"{alone} of {len(known)} differences in {name} have no interval although the documents are the same: "
                "too few blocks, a sweep that stopped early or of other documents, or a run of an older version."
            )
    unlike = [one.name for one in runs if _heads(one) != _heads(runs[0])]
    words = f"Other heads than in the first run, not compared one by one: {', '.join(unlike)}."
    return [*notes, *([words] if unlike else [])]


def _heads(run: ComparedRun) -> set[tuple[Any, ...]]:
    table = run.tables["scores" if "scores" in run.tables else "effects"]
    return set(table[HEAD].itertuples(index=False, name=None))


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """The best head of each role in every run, and the effects that differ most."""
    figures = {}
    if "compared_roles" in tables:
        figures["compared_roles"] = plots.compared_roles(tables["compared_roles"], style=style)
    if "compared_effects" in tables:
        figures["compared_effects"] = plots.compared_effects(tables["compared_effects"], style=style)
    return figures


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """What each run has found, and the differences from the first that are largest beside their intervals."""
    runs: Any = list(tables["compared_runs"].itertuples())
    clear = {name: _clear(table) for name, table in tables.items() if name != "compared_runs"}
    with_interval = sum(int(tables[name]["difference_low"].notna().sum()) for name in clear)
    lines = [
        f"{len(runs)} runs: {sum(map(len, clear.values()))} of {with_interval} differences from the first "
        f"({runs[0].run}) have an interval without zero."
    ]
    rows = [
        (row.run, "the first" if place == 0 else "same documents" if row.same_documents else "other documents",
         "" if pd.isna(row.roles) else f"{row.roles} roles on {row.heads_with_role} of {row.heads} heads")
        for place, row in enumerate(runs)
    ]  # fmt: skip
    lines += table_lines(rows, 6, "compared_runs.csv")
    titles = {
        "compared_roles": "Best head of each role, lift less that of the first run's best head:",
        "compared_heads": "The same head in both, lift less that in the first run:",
        "compared_effects": "Effect of ablating the same head, less that in the first run:",
    }
    for name, title in titles.items():
        if name not in tables:
            continue
        known = tables[name][tables[name]["difference"].notna()]
        known = known.loc[known["difference"].abs().sort_values(ascending=False, kind="stable").index]
        if len(known):
            listed = [_of_difference(row) for row in known.itertuples()]
            lines += [title, *table_lines(listed, 7, f"{name}.csv")]
    return lines


def _clear(table: pd.DataFrame) -> pd.DataFrame:
    return table[(table["difference_low"] > 0) | (table["difference_high"] < 0)]


def _of_difference(row: Any) -> tuple[str, ...]:
    of = row.role if hasattr(row, "role") else row.metric
    digits = 2 if hasattr(row, "role") else 4
    return (
        row.run,
        of,
        name_of(row),
        f"{signed(row.difference, digits)}{interval(row.difference_low, row.difference_high, digits)}",
    )
