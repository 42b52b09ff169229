"""Paths as users give them: `~` is their home."""

from pathlib import Path

from interp.errors import CorpusError


def given(path: str | Path) -> Path:
    """The path with `~` or `~user` at its beginning as that home; as it stands where a file or folder is called so.

    Raises CorpusError where no home is known.
    """
    path = Path(path)
    if path.parts[:1] and path.parts[0].startswith("~") and not path.exists():
        try:
            path = path.expanduser()
        except RuntimeError:
            problem = f"no home of {path.parts[0]!r} is known here; allowed is a whole path. Give it without `~`."
            raise CorpusError(path, None, problem) from None
    return path
