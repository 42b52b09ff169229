"""Is a run what its folder says? Everything is computed again from its manifest, and compared column by column."""

import sys
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.printing import say
from experiments.cli.recomputing import DATA, Circumstance, recompute
from experiments.cli.run_folder import find_runs, shown
from experiments.cli.summary_lines import cut, table_lines
from interp import results
from interp.errors import InterpError
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.verify import ARITHMETIC, DIFFERS, TOLERANCE, verify_table


def run(
    model: None = None,  # noqa: ARG001
    corpus: None = None,  # noqa: ARG001
    *,
    folder: str | None,
    progress: Progress = silent,
) -> Findings:
    """The tables `verify` and `circumstances` of a complete run: what its numbers are now, and what is not as it was.

    Raises `InterpError` for what is no complete run, or cannot be run here.
    """
    place = _folder(folder)
    recorded = _manifest(place)
    found, circumstances = recompute(place, recorded, progress)
    before = {name: _read(place / f"{results.file_name(name)}.parquet") for name in recorded.get("tables", {})}
    # as they would be read again: parquet has types of its own
    now = {name: pd.read_parquet(BytesIO(_written(table))) for name, table in found.tables.items()}
    around = pd.DataFrame(circumstances, columns=Circumstance._fields, dtype="str")
    tables = {"verify": verify_table(before, now), "circumstances": around}
    return Findings({name: table.assign(run=str(shown(place))) for name, table in tables.items()})


def _folder(text: str | None) -> Path:
    if not isinstance(text, str) or not text:
        raise InterpError(f"run={'null' if text is None else text}. Allowed: the folder of a complete run: run=DIR.")
    folders = find_runs(text)
    if len(folders) != 1:
        raise InterpError(f"run={text} has {len(folders)} runs in it. Allowed: the folder of one. Give one of them.")
    return folders[0]


def _manifest(folder: Path) -> Mapping[str, Any]:
    recorded = results.read_manifest(folder) or {}
    if recorded.get("status") != "complete" or "shard" in recorded:
        state = "a shard" if "shard" in recorded else f"a run that is not complete (status {recorded.get('status')})"
        raise InterpError(
            f"{shown(folder)} holds {state}. Allowed: a complete run. Finish it, or merge its shards, first."
        )
    target = str((recorded.get("config", {}).get("experiment") or {}).get("_target_"))
    if target == f"{__name__}.run":
        raise InterpError(f"{shown(folder)} is a verification itself. Allowed: a run. Give the run that it is of.")
    return recorded


def _read(path: Path) -> pd.DataFrame | None:
    try:
        return pd.read_parquet(BytesIO(path.read_bytes()))
    except Exception as error:  # what a damaged file makes of pandas and pyarrow is of any class
        say(f"Not read: {path.name} ({type(error).__name__})", to=sys.stderr)
        return None


def _written(table: pd.DataFrame) -> bytes:
    file = BytesIO()
    table.to_parquet(file, index=False)
    return file.getvalue()


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:  # noqa: ARG001
    """Nothing: the tables are short."""
    return {}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The verdict; what is not as it was recorded; and the columns that differ, the largest difference first."""
    table, around = tables["verify"], tables["circumstances"]
    lines = [_verdict(tables)]
    if len(around):
        rows: Any = around.sort_values("kind", key=lambda kind: ~kind.isin(DATA), kind="stable").itertuples()
        listed = [f"    {Circumstance(row.kind, row.name, row.recorded, row.now).words}" for row in rows]
        lines += ["Not as recorded, there → here:", *cut(listed, 14, "circumstances.csv")]
    for verdict, title in ((DIFFERS, "What differs:"), (ARITHMETIC, "What differs by arithmetic alone:")):
        found = table[table.verdict == verdict].sort_values("largest_difference", ascending=False, kind="stable")
        if len(found):
            header = ("column", "rows", "differing", "largest difference")
            rows = found.itertuples()
            named = [(f"{row.table}.{row.column}", f"{row.rows}", f"{row.differing}", _size(row)) for row in rows]
            lines += [title, *table_lines(named, 7, "verify.csv", header=header)]
    return lines


def insist(tables: Mapping[str, pd.DataFrame]) -> None:
    """Raises `InterpError` where the run is not reproduced, or is of other data now: the command then ends with 1."""
    if not _is_reproduced(tables):
        raise InterpError(
            f"{_verdict(tables)} Allowed: what its manifest says, from the data that it names. See above."
        )


def _is_reproduced(tables: Mapping[str, pd.DataFrame]) -> bool:
    return not (tables["verify"].verdict == DIFFERS).any() and not tables["circumstances"].kind.isin(DATA).any()


def _verdict(tables: Mapping[str, pd.DataFrame]) -> str:
    """The whole, in a sentence."""
    table, around = tables["verify"], tables["circumstances"]
    name = str(table.run.iloc[0]) if len(table) else "The run"
    of = f"{len(table)} columns of {table.table.nunique()} tables"
    other = around[around.kind.isin(DATA)]
    data = ""
    if len(other):
        first = other.iloc[0]
        data = f" {len(other)} of its files and data are not as recorded ({first.kind} {first['name']})."
    differing = table[table.verdict == DIFFERS]
    if len(differing):
        first = differing.iloc[0]
        return (
            f"{name} is NOT reproduced: {len(differing)} of {of} differ by more than {TOLERANCE:g}, among them "
            f"{first.table}.{first.column}.{data}"
        )
    by_arithmetic = table[table.verdict == ARITHMETIC]
    if len(by_arithmetic):
        largest = by_arithmetic.sort_values("largest_difference", kind="stable").iloc[-1]
        return (
            f"{name} is reproduced up to arithmetic: {len(by_arithmetic)} of {of} differ by {TOLERANCE:g} or less "
            f"(most: {largest.table}.{largest.column}, {largest.largest_difference:.1e}), all others not at all.{data}"
        )
    return f"{name} is reproduced: all {of} are the same to the last bit.{data}"


def _size(row: Any) -> str:
    return "" if pd.isna(row.largest_difference) else f"{row.largest_difference:.1e}"
