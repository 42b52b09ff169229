"""Paths as users give them: `~` is their home, and a name is text that can be written down."""

from pathlib import Path

from interp.errors import CorpusError


def given(path: str | Path) -> Path:
    """The path with `~` or `~user` at its beginning as that home; as it stands where a file or folder is called so.

    Raises CorpusError where no home is known, and where the name is not UTF-8.
    """
    path = Path(path)
    if path.parts[:1] and path.parts[0].startswith("~") and not path.exists():
        try:
            path = path.expanduser()
        except RuntimeError:
            problem = f"no home of {path.parts[0]!r} is known here; allowed is a whole path. Give it without `~`."
            raise CorpusError(path, None, problem) from None
    check_name(path)
    return path


def check_name(path: Path) -> None:
    """Raises CorpusError where the name is not UTF-8: no table or manifest could hold it."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        problem = "its name is not UTF-8, and no table could say where it came from; allowed is UTF-8. Rename it."
        raise CorpusError(ascii(str(path)), None, problem) from None
