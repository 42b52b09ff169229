"""The folder of a run: one process at a time, and nobody else's files."""

import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from glob import glob
from pathlib import Path

from experiments.cli.locks import is_locked
from interp import paths
from interp.errors import InterpError
from interp.results import MANIFEST

LOCK = ".interp-lock"
"""Held by the process that works in the folder; what a killed one leaves holds nobody up."""

WRITTEN = (
    *("manifest.json", "README.md", ".hydra", "figures", "tables", "sums", "report.html", "examples.safetensors"),
    *("*.parquet", "*.csv", "methods.md", "methods.tex", "references.bib", "head_cards.json"),
)
"""What a run writes, by its names; other files may lie beside them."""


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """While it is open, no other run can use the folder, which is made where it is missing.

    Raises `InterpError` where another process holds it, or it cannot be written.
    """
    handle = _acquire(folder)
    try:
        yield
    finally:
        # removed before it is let go: who waits for it sees that its file is not the folder's any more
        # a folder that cannot be written any more keeps its file, which holds nobody up
        with suppress(OSError):
            (folder / LOCK).unlink(missing_ok=True)
        os.close(handle)


def check_free(folder: Path) -> None:
    """Raises `InterpError` where a folder without a manifest holds files that a run would overwrite."""
    # also a link that leads nowhere
    found = sorted({path.name for name in WRITTEN for path in folder.glob(name)} | _links(folder))
    if found:
        listed = ", ".join([*found[:5], *(["…"] if len(found) > 5 else [])])
        raise InterpError(
            f"{shown(folder)} holds {listed} and no manifest of a run: they are not this project's, and a run would "
            "overwrite them. Choose another folder with hydra.run.dir=DIR, or move them away."
        )


def remove_empty(folder: Path, *, named: bool) -> None:
    """Remove the folder and those above it as far as the working directory, where nothing is in them.

    One that was `named` on the command line may have been there before: who made it takes it back.
    """
    here = paths.working_directory()
    above = [parent for parent in folder.parents if here in parent.parents]
    for place in [] if named else [folder, *above]:
        # one that holds something stays
        with suppress(OSError):
            place.rmdir()


def shown(folder: Path) -> Path:
    """The folder as seen from here."""
    return paths.shown(folder)


def find_runs(text: str) -> list[Path]:
    """The folder of this name if it has a manifest, or those below it that have one; else those that match a pattern.

    Raises `InterpError` where there is none.
    """
    if (Path(text) / MANIFEST).is_file():
        return [Path(text)]
    places = list(Path(text).glob(f"**/{MANIFEST}")) if Path(text).is_dir() else []
    places = places or [Path(path) / MANIFEST for path in glob(text, recursive=True)]
    folders = sorted(path.parent for path in places if path.is_file())
    if not folders:
        raise InterpError(f"runs: {text} has no run in it. Allowed: folders of runs, or a pattern such as DIR/*.")
    return folders


def _links(folder: Path) -> set[str]:
    return {name for name in WRITTEN if (folder / name).is_symlink()}


def _acquire(folder: Path) -> int:
    path = folder / LOCK
    while True:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
        except FileNotFoundError:
            # another run took the empty folder back in between
            continue
        except OSError as error:
            # a link in the lock's place among them
            raise InterpError(
                f"{shown(folder)}: nothing can be written there ({error.strerror}). Choose another folder with "
                "hydra.run.dir=DIR."
            ) from error
        if not is_locked(handle):
            holder = os.read(handle, 200).decode(errors="replace").strip()
            os.close(handle)
            raise InterpError(
                f"{shown(folder)} is in use by another run ({holder or 'just started'}). Wait until it has ended, or "
                "choose another folder with hydra.run.dir=DIR."
            )
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(handle), path.stat()):
                # who holds it is only for the message: a full disk has no room for it
                with suppress(OSError):
                    os.truncate(handle, 0)
                    os.write(handle, f"process {os.getpid()} on {socket.gethostname()}\n".encode())
                return handle
        os.close(handle)
