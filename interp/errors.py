"""The project's errors: what was given, what is allowed, what to do. `main` prints them without a traceback."""

import math
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import NamedTuple


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


LONGEST = 60
"""Characters of what was given that an error repeats."""


def cut(given: object, most: int = LONGEST) -> str:
    """What was given, no longer than is read; half of a character, which no output takes, as its number."""
    text = str(given)
    short = text if len(text) <= most else text[: most - 1] + "…"
    return short.encode(errors="backslashreplace").decode()


def cut_path(given: object) -> str:
    """The same of what has parts, such as a weight's name: as long as those of real networks are."""
    return cut(given, 160)


def shown(given: object) -> str:
    """The same in quotes, with what cannot be seen as escapes."""
    return repr(cut(given))


def closest(given: object, allowed: Iterable[str]) -> str:
    """The sentence that lists what is allowed, opening with the closest match to `given` where there is one."""
    options = sorted(set(allowed))
    matches = get_close_matches(str(given), options, n=1, cutoff=0.5)
    hint = f"Did you mean {matches[0]!r}? " if matches else ""
    return f"{hint}Allowed: {', '.join(options)}."


class Range(NamedTuple):
    """The numbers that a setting may have; `null`: what null means, where it is allowed as well."""

    whole: bool
    lowest: float
    highest: float = math.inf
    null: str = ""
    above: bool = False
    """Whether `lowest` itself is left out."""

    def holds(self, value: object) -> bool:
        """Whether a setting may have this value; a truth value is no number."""
        if value is None:
            return bool(self.null)
        kind = int if self.whole else int | float
        if not isinstance(value, kind) or isinstance(value, bool):
            return False
        return self.lowest <= value <= self.highest and not (self.above and value == self.lowest)

    def __str__(self) -> str:
        number = "a whole number" if self.whole else "a number"
        bounds = f"from {self.lowest} to {self.highest}"
        if self.highest == math.inf:
            bounds = f"of {self.lowest} or more"
        elif self.above:
            bounds = f"above {self.lowest}, up to {self.highest}"
        return f"{number} {bounds}" + (f", or null for {self.null}" if self.null else "")


SHARE, COUNT = Range(False, 0, 1), Range(True, 1)


def require_number(setting: str, value: object, allowed: Range) -> None:
    """Raises `InterpError` where a setting, as the command line calls it, has a value outside its range."""
    if not allowed.holds(value):
        raise refusal(setting, value, str(allowed))


def require_choice(setting: str, value: object, allowed: Iterable[str]) -> None:
    """Raises `InterpError` where a setting, as the command line calls it, is none of its choices."""
    options, given = tuple(allowed), "null" if value is None else value
    if given not in options:
        raise InterpError(f"{setting}={given} is not known. {closest(given, options)}")


def refusal(setting: str, value: object, allowed: str) -> InterpError:
    """The error of a setting that has a value it cannot have."""
    return InterpError(f"{setting}={'null' if value is None else value} is not allowed. Allowed: {allowed}.")
