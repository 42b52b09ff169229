"""Paths as users give them: `~` is their home."""

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
