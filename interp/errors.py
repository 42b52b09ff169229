"""The project's errors: what was given, what is allowed, what to do. `main` prints them without a traceback."""

from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path


class InterpError(Exception):
    """Something in the input, the configuration or the environment that the user can mend."""


class CorpusError(InterpError):
    """A corpus file that cannot be read as what it claims to be; names the file and, where there is one, the line."""

    def __init__(self, path: Path | str, line: int | None, problem: str) -> None:
        # the arguments as given: an error that comes back from another process is made anew from them
        super().__init__(path, line, problem)
        self.path, self.line, self.problem = str(path), line, problem

    def __str__(self) -> str:
        where = self.path if self.line is None else f"{self.path}, line {self.line}"
        return f"{where}: {self.problem}"


class ModelError(InterpError):
    """A model that cannot be loaded, or that cannot do what was asked of it."""


def closest(given: object, allowed: Iterable[str]) -> str:
    """The sentence that lists what is allowed, opening with the closest match to `given` where there is one."""
    options = sorted(set(allowed))
    matches = get_close_matches(str(given), options, n=1, cutoff=0.5)
    hint = f"Did you mean {matches[0]!r}? " if matches else ""
    return f"{hint}Allowed: {', '.join(options)}."
