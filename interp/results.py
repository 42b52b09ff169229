"""A run's folder: tables, figures and the manifest, written so that nothing half-written is ever taken for whole."""

import json
import os
import re
import tempfile
import warnings
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from glob import escape, glob
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from textwrap import shorten
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from interp.errors import InterpError
from interp.examples import FILE as EXAMPLES
from interp.examples import Examples, to_bytes
from interp.manifest_form import wrong_part
from interp.storage import writing
from interp.text.printable import printable

MANIFEST = "manifest.json"

NOTES = ".hydra"
"""The folder of Hydra's notes: what was configured, before and after interpolation, and what was typed."""

UNFINISHED = ".interp-unfinished-"
"""How the names of temporary files begin, so that those of a killed run are told apart from a user's."""

FORMULA = re.compile("(^|;)(?=[=+\\-@\t\n＝＋－＠])")
"""Where a spreadsheet takes what follows for a formula: where a cell begins, with `;` where commas are decimal."""

ELSEWHERE = "choose another folder with hydra.run.dir=DIR"
"""What helps where a run's folder cannot be written."""

NAME = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9_. -]{0,99}")
"""A name of a table or figure that is that of its file as well."""


@dataclass(frozen=True)
class Findings:
    """What an experiment gives: tables by name, counts of what was skipped, and lines to be said at the end.

    `examples` are documents in which the attention of every head is kept, where the experiment keeps any.
    """

    tables: dict[str, pd.DataFrame]
    skipped: dict[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    examples: Examples | None = None


def write_atomically(path: Path, write: Callable[[Path], object]) -> None:
    """Let `write` fill a temporary file beside `path`, then put it in place in one step.

    Raises `InterpError` where the system refuses it: no room, read-only, a folder that is gone.
    """
    with writing(path, ELSEWHERE):
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=UNFINISHED, suffix=path.suffix)
        os.close(handle)
        try:
            write(Path(temporary))
            Path(temporary).chmod(0o644)
            os.replace(temporary, path)
        finally:
            Path(temporary).unlink(missing_ok=True)


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files that a killed run has left; only while no other run works in the folder."""
    for place in (folder, folder / "figures", folder / "tables", folder / NOTES):
        for path in place.glob(f"{UNFINISHED}*"):
            with writing(path, ELSEWHERE):
                path.unlink(missing_ok=True)


def save_tables(folder: Path, tables: Mapping[str, pd.DataFrame]) -> None:
    """Each table as NAME.parquet, exact, and NAME.csv, made harmless (`for_spreadsheets`)."""
    for name, table in tables.items():
        write_atomically(folder / f"{file_name(name)}.parquet", lambda path, table=table: write_parquet(path, table))
        safe = for_spreadsheets(table)
        write_atomically(folder / f"{file_name(name)}.csv", lambda path, table=safe: table.to_csv(path, index=False))


def write_parquet(path: Path, table: pd.DataFrame) -> None:
    """The table, under a path of any bytes: parquet's own writer takes only paths that are UTF-8."""
    with path.open("wb") as file:
        table.to_parquet(file, index=False)


def for_spreadsheets(table: pd.DataFrame) -> pd.DataFrame:
    """The table as spreadsheets may open it: a text that they would run has an apostrophe in front.

    Those are texts that begin with `=`, `+`, `-`, `@`, a tab or a line end. Control characters, which break lines and
    steer terminals, are shown (`\\u001b`). Numbers stay as they are.
    """
    safe = table.rename(columns=_harmless)
    for name, column in safe.items():
        values = list(column) if not pd.api.types.is_numeric_dtype(column) else []
        texts = [_harmless(value) for value in values]
        if any(new is not old for new, old in zip(texts, values, strict=True)):
            safe[name] = pd.Series(texts, index=safe.index, dtype=object)
    return safe


def _harmless(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = FORMULA.sub(r"\1'", printable(value))
    return value if text == value else text


def file_name(name: str) -> str:
    """The name of a table or figure as that of a file: itself where it can be one, else made so, and told apart."""
    if NAME.fullmatch(name):
        return name
    known = sha256(name.encode(errors="backslashreplace")).hexdigest()[:8]
    return f"{re.sub('[^A-Za-z0-9_-]+', '_', name)[:80]}-{known}"


def save_figures(folder: Path, figures: Mapping[str, Figure]) -> None:
    """Each figure as figures/NAME.pdf and figures/NAME.png."""
    place = folder / "figures"
    with writing(place, ELSEWHERE):
        place.mkdir(exist_ok=True)
    with warnings.catch_warnings():
        # a letter that no font here has is drawn as a box; the tables have it
        warnings.filterwarnings("ignore", message="Glyph .* missing from|Matplotlib currently does not support")
        # without a date of its own the same table gives the same file
        undated = {"CreationDate": None}
        for name, figure in figures.items():
            _write_bytes(place / f"{file_name(name)}.pdf", _drawn(figure, "pdf", metadata=undated))
            # once laid out it stays as it is
            figure.set_layout_engine("none")
            _write_bytes(place / f"{file_name(name)}.png", _drawn(figure, "png", dpi=200))


def save_examples(folder: Path, examples: Examples | None) -> list[str]:
    """The examples in their file, whose name is given back; nothing where there are none."""
    if examples is None or not examples.documents:
        return []
    _write_bytes(folder / EXAMPLES, to_bytes(examples))
    return [EXAMPLES]


def save_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Each text under its own name, which may be in a folder (`tables/roles.tex`); UTF-8."""
    for name, text in texts.items():
        with writing(folder / name, ELSEWHERE):
            (folder / name).parent.mkdir(exist_ok=True)
        _write_bytes(folder / name, text.encode("utf-8", errors="backslashreplace"))


def _drawn(figure: Figure, kind: str, **options: Any) -> bytes:
    """Drawn in memory: on a disk that is full, matplotlib would stumble over its own half-written file."""
    content = BytesIO()
    figure.savefig(content, format=kind, **options)
    return content.getvalue()


def _write_bytes(path: Path, content: bytes) -> None:
    write_atomically(path, lambda temporary: temporary.write_bytes(content))


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """The manifest of a run's folder, `None` where there is none. Raises `InterpError` for one that is not a run's."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InterpError(
            f"{path} is not JSON, or cannot be read ({error}). Choose another hydra.run.dir, or move this folder away."
        ) from error
    wrong = wrong_part(manifest)
    if wrong is not None:
        about = f": its {wrong!r} is not what a run writes" if wrong else ""
        raise InterpError(
            f"{path} is not a run's manifest{about}. Choose another hydra.run.dir, or move this file away."
        )
    return manifest


def save_notes(folder: Path, notes: Mapping[str, str]) -> None:
    """Each of Hydra's notes as .hydra/NAME."""
    with writing(folder / NOTES, ELSEWHERE):
        (folder / NOTES).mkdir(exist_ok=True)
    for name, text in notes.items():
        write_atomically(folder / NOTES / name, lambda path, text=text: path.write_text(text, encoding="utf-8"))


def discard_run(folder: Path, recorded: Mapping[str, Any] | None, notes: Iterable[str]) -> None:
    """Undo what a run that came to nothing has put there: its manifest and its notes, by their names.

    The manifest that was there before is put back; its notes say the same. Where the system refuses even that, the
    manifest that stands says `running`, and the same command runs again.
    """
    if recorded is not None:
        with suppress(InterpError):
            write_manifest(folder, recorded)
        return
    with suppress(OSError):
        (folder / MANIFEST).unlink(missing_ok=True)
    for name in notes:
        with suppress(OSError):
            (folder / NOTES / name).unlink(missing_ok=True)
    # one that holds something stays
    with suppress(OSError):
        (folder / NOTES).rmdir()


def written(folder: Path, tables: Iterable[str], figures: Iterable[str], others: Iterable[str] = ()) -> dict[str, str]:
    """sha256 of every file of these tables and figures, and of others by their names, by its path in the folder."""
    names = [f"{file_name(name)}.{kind}" for name in sorted(tables) for kind in ("parquet", "csv")]
    names += [f"figures/{file_name(name)}.{kind}" for name in sorted(figures) for kind in ("pdf", "png")]
    names += sorted(others)
    # whoever removes the folder while the run works may do it between two of them
    with writing(folder, ELSEWHERE):
        return {name: sha256((folder / name).read_bytes()).hexdigest() for name in names}


def compare_files(folder: Path, manifest: Mapping[str, Any]) -> tuple[list[str], list[str]]:
    """The files of a complete run that are gone, and those that are not as the run has written them.

    An older manifest has no hashes: of its tables only what is gone is seen.
    """
    listed = [f"{file_name(name)}.{kind}" for name in manifest.get("tables", {}) for kind in ("parquet", "csv")]
    hashes: Mapping[str, str] = manifest.get("files", dict.fromkeys(listed, ""))
    gone = [name for name in hashes if not (folder / name).is_file()]
    there = {name: digest for name, digest in hashes.items() if name not in gone and digest}
    return gone, [name for name, digest in there.items() if sha256((folder / name).read_bytes()).hexdigest() != digest]


def write_manifest(folder: Path, manifest: Mapping[str, Any]) -> None:
    """Replace the folder's manifest."""
    text = json.dumps(manifest, indent=2, ensure_ascii=False, default=str) + "\n"
    # of a path that is not UTF-8, JSON has escapes
    write_atomically(folder / MANIFEST, lambda path: path.write_text(text, encoding="utf-8", errors="backslashreplace"))


def load_runs(pattern: str | Path) -> dict[str, pd.DataFrame]:
    """The tables of all complete runs in folders that match `pattern` (`outputs/**`), stacked, with a column `run`.

    These are the tables that a run's manifest lists. A table that is gone, cannot be read or is not as its run wrote
    it is passed over, and so is a folder whose manifest is none: a warning counts and names them.
    Raises `InterpError` where no complete run is found.
    """
    # a folder's own name may hold what would be a pattern
    place = escape(str(pattern)) if Path(pattern).is_dir() else str(pattern)
    folders = sorted({Path(path).parent for path in glob(str(Path(place) / MANIFEST), recursive=True)})
    stacked: dict[str, list[pd.DataFrame]] = {}
    complete: list[Path] = []
    passed_over: list[str] = []
    for folder in folders:
        try:
            manifest = read_manifest(folder) or {}
        except InterpError:
            passed_over.append(f"{folder / MANIFEST} (not a run's manifest)")
            continue
        if manifest.get("status") != "complete":
            continue
        complete.append(folder)
        if "tables" not in manifest:
            passed_over.append(f"{folder / MANIFEST} (it lists no tables)")
        for name in sorted(manifest.get("tables", {})):
            try:
                table = read_table(folder, name, manifest.get("files", {}))
            except Exception as error:  # what a damaged file makes of pandas and pyarrow is of any class
                passed_over.append(f"{folder / file_name(name)}.parquet ({shorten(str(error), 80, placeholder='…')})")
                continue
            if "run" in table:
                passed_over.append(f"{folder / file_name(name)}.parquet (it has a column `run` of its own)")
                continue
            table.insert(0, "run", printable(str(folder)))
            stacked.setdefault(name, []).append(table)
    beginning = "; ".join([*passed_over[:5], *(["…"] if len(passed_over) > 5 else [])])
    if not complete:
        raise InterpError(
            f"{pattern}: {len(folders)} run folders found, none of them complete. "
            + (f"Not read: {beginning}. " if passed_over else "")
            + "Give a run's folder or a pattern such as outputs/**, after a run has ended."
        )
    if passed_over:
        warnings.warn(f"{pattern}: {len(passed_over)} files passed over: {beginning}", stacklevel=2)
    return {name: pd.concat(tables, ignore_index=True) for name, tables in stacked.items()}


def read_table(folder: Path, name: str, hashes: Mapping[str, str]) -> pd.DataFrame:
    """A table of a run; raises what pandas raises where it cannot be read, ValueError where the run wrote another."""
    file = f"{file_name(name)}.parquet"
    content = (folder / file).read_bytes()
    digest = hashes.get(file)
    if digest is not None and digest != sha256(content).hexdigest():
        raise ValueError("not as the run wrote it")
    return pd.read_parquet(BytesIO(content))
