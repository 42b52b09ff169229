"""Paths as users give them, where `~` is their home; and as they are shown to them."""

from pathlib import Path

from interp.errors import InterpError


def given(path: str | Path) -> Path:
    """The path with `~` or `~user` at its beginning as that home; as it stands where a file or folder is called so.

    Raises InterpError where no home is known.
    """
    path = Path(path)
    if path.parts[:1] and path.parts[0].startswith("~") and not path.exists():
        try:
            path = path.expanduser()
        except RuntimeError:
            raise InterpError(
                f"{path}: no home of {path.parts[0]!r} is known here; allowed is a whole path. Give it without `~`."
            ) from None
    return path


def working_directory() -> Path | None:
    """Where the command was given; `None` where that was removed meanwhile."""
    try:
        return Path.cwd()
    except OSError:
        return None


def shown(path: Path) -> Path:
    """The path as seen from the working directory; as it stands where it lies elsewhere."""
    here = working_directory()
    return path.relative_to(here) if here is not None and path.is_relative_to(here) else path
