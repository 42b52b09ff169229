"""The folder that a command writes to, seen before Hydra starts: it can be written; a failed sweep leaves it alone."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import NamedTemporaryFile

from experiments.cli.shell_quoting import exists, is_sweep, unquoted
from interp.errors import InterpError

KEPT = ".interp-earlier-multirun.yaml"
"""What an earlier sweep's notes are called while another one runs in its folder."""

HYDRA_FLAGS_WITHOUT_A_RUN = (
    "--help",
    "-h",
    "--hydra-help",
    "--version",
    "--cfg",
    "-c",
    "--info",
    "-i",
    "--shell-completion",
    "-sc",
)


def make_folder(arguments: Sequence[str]) -> list[Path]:
    """Make the run's folder before Hydra starts, where the command line names one, and see that it can be written.

    Returns the folders that were made. Raises `InterpError` where it cannot be made or written.
    """
    if any(argument.split("=")[0] in HYDRA_FLAGS_WITHOUT_A_RUN for argument in arguments):
        return []
    key, given = _named_folder(arguments)
    if "${" in given:
        return []
    folder = Path(given)
    missing = [path for path in (folder, *folder.parents) if not exists(str(path))]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=folder, prefix=".can-be-written-"):
            pass
    except (OSError, ValueError) as error:
        remove_empty(missing)
        reason = error.strerror if isinstance(error, OSError) else error
        raise InterpError(
            f"{key}={given}: nothing can be written there ({reason}). "
            f"Allowed: a folder that exists or can be made. Choose another with {key}=DIR."
        ) from error
    return missing


def _named_folder(arguments: Sequence[str]) -> tuple[str, str]:
    """The setting that says where the command writes, and its value; `outputs` where none is given."""
    named = {key.lstrip("+"): value for key, _, value in (argument.partition("=") for argument in arguments)}
    key = "hydra.sweep.dir" if is_sweep(arguments) else "hydra.run.dir"
    return key, unquoted(named.get(key, "outputs"))


@contextmanager
def sweep_notes_kept(arguments: Sequence[str]) -> Iterator[None]:
    """While it is open, a sweep that fails leaves an earlier one's multirun.yaml as it was.

    Hydra writes it before any job has seen whether its folder is free. Raises `InterpError` where a file of this name
    is none of this project's sweeps.
    """
    key, given = _named_folder(arguments)
    file = Path(given) / "multirun.yaml"
    is_there = key == "hydra.sweep.dir" and file.is_file()
    if is_there and b"app_name: interp" not in file.read_bytes():
        raise InterpError(
            f"{file} is of no sweep of this project, and would be overwritten. Choose another folder with {key}=DIR, "
            "or move it away."
        )
    # under another name meanwhile: to put it back takes no room on a disk that is full
    kept = file.with_name(KEPT)
    if is_there:
        os.replace(file, kept)
    try:
        yield
    except BaseException:
        # not where the folder is gone
        with suppress(OSError):
            if is_there:
                os.replace(kept, file)
        raise
    if is_there:
        kept.unlink(missing_ok=True)


def remove_empty(folders: Sequence[Path]) -> None:
    """Take back the folders that were made for nothing, innermost first; one that holds something stays."""
    for folder in folders:
        with suppress(OSError, ValueError):
            folder.rmdir()
