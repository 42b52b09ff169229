"""Text typed as it is in a shell, made readable for Hydra's grammar."""

import re
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from interp.text.words import is_word

MULTIRUN = ("-m", "--multirun")
"""The flag of a sweep."""

QUOTED = re.compile(r"(['\"])((?:\\.|(?!\1)[^\\])*)\1", re.DOTALL)
"""One value in quotes, in Hydra's grammar: inside, a quote of the same kind has a backslash before it."""

PLAIN = re.compile(r"[A-Za-z0-9_/.+%@?|*:$-]+")
"""Characters that Hydra reads as they are."""

SCALAR = re.compile(r"null|true|false|nan|[+-]?inf|[+-]?[\d_.]+(?:e[+-]?[\d_]+)?", re.IGNORECASE)
"""What Hydra reads as something else than text."""

CALL = re.compile(r"(?:choice|glob|interval|range|shuffle|sort|tag|int|float|bool|str|json_str)\(.*\)", re.DOTALL)
"""One of the functions of Hydra's grammar."""

GRAMMAR = re.compile(r"\A[\[{].*[\]}]\Z|\\[\\()\[\]{}:=, \t]", re.DOTALL)
"""A list or mapping, or a character with a backslash before it, which Hydra takes away."""

READ = re.compile(r"run|explained_by|corpus\.target|sensitivity\.corpus|plots\.theme|(?:[^~]*[._])?path")
WRITTEN = re.compile(r"hydra\.(?:run|sweep)\.dir")
"""Settings that are paths: of what is read, and of a folder that is written."""


def is_sweep(arguments: Sequence[str]) -> bool:
    """Whether the command line asks for several jobs."""
    return bool({*MULTIRUN, "hydra.mode=MULTIRUN"} & set(arguments))


def sweep_first(arguments: Sequence[str]) -> list[str]:
    """The arguments with `-m` before all: between settings, argparse takes those after it for unknown."""
    return sorted(arguments, key=lambda argument: argument not in MULTIRUN)


def quote(argument: str, *, sweep: bool = False) -> str:
    """An override with its value quoted for Hydra's grammar, where it is text that can be typed as it stands.

    `text=…` holds a whole sentence, and is never an interpolation, a list or a sweep; quotes around all of it are
    taken off. In `query=…` and `candidates=[…]` the words that Hydra cannot read are quoted (`didn't`, `élève`), in
    `words=[…]` all, numbers too. A path is taken as it is typed where there is such a file, and where its value means
    nothing else to Hydra; `~` is the home directory. In a `sweep` commas separate paths.
    """
    key, separator, value = argument.partition("=")
    name = key.lstrip("+")
    in_brackets = value.startswith("[") and value.endswith("]")
    if separator and (name == "text" or (name == "words" and value != "null" and not in_brackets)):
        return f"{key}={quoted(unquoted(value))}"
    if name == "query" and separator:
        words = [value] if is_word(value) else _split(value)
        return f"{key}={value if CALL.fullmatch(value) else ','.join(map(_readable, words))}"
    if name == "candidates" and in_brackets:
        words = [word if word.startswith(("[", "{")) else _readable(word) for word in _split(value[1:-1])]
        return f"{key}=[{','.join(words)}]"
    if name == "words" and in_brackets:
        return f"{key}=[{','.join(quoted(unquoted(word)) for word in _split(value[1:-1]))}]"
    if value and (READ.fullmatch(name) or WRITTEN.fullmatch(name)):
        return f"{key}={_path(value, written=WRITTEN.fullmatch(name) is not None, sweep=sweep)}"
    return argument


def _split(listed: str) -> list[str]:
    """The items between commas, each as it is typed; one in quotes may hold commas, where all quotes are in pairs.

    Else they are apostrophes (`it,'s`), and only a comma alone is in such quotes.
    """
    apostrophes = r"""','|"(?:\\.|[^"\\])*"|[^,]*?"""
    return _items(listed, rf"{QUOTED.pattern}|[^'\",]*?") or _items(listed, apostrophes) or []


def _items(listed: str, item: str) -> list[str] | None:
    """What stands between commas where all of it is such items, else `None`."""
    pattern = re.compile(rf"\s*(?:{item})\s*(?P<end>,|\Z)", re.DOTALL)
    found: list[str] = []
    place = 0
    while match := pattern.match(listed, place):
        found.append(listed[place : match.start("end")].strip())
        if not match["end"]:
            return found
        place = match.end()
    return None


def _readable(word: str) -> str:
    """A word, or its number, for Hydra's grammar."""
    kept = not word or QUOTED.fullmatch(word) or "${" in word or re.fullmatch(r"[A-Za-z0-9]+|-?[0-9.]+", word)
    return word if kept else quoted(word)


def _path(value: str, *, written: bool, sweep: bool) -> str:
    """A path for Hydra's grammar; what the grammar has a meaning for stays, unless there is a file of that name."""
    given = unquoted(value)
    typed = _at_home(given)
    there = exists(typed)
    is_path = there or written or given != value
    if not value or ("${" in value and not there):
        return value
    if not is_path and (CALL.fullmatch(value) or GRAMMAR.search(value)):
        return value
    if "," in value and given == value and not written:
        parts = _items(value, rf"{QUOTED.pattern}|[^,]*?") or []
        if sweep and (not there or all(exists(_at_home(unquoted(part))) for part in parts)):
            return ",".join(_path(part, written=False, sweep=False) for part in parts)
        if not there:
            return value
    is_plain = PLAIN.fullmatch(typed) is not None and not (is_path and SCALAR.fullmatch(typed))
    return typed if is_plain else quoted(typed)


def _at_home(path: str) -> str:
    """The path with the home directory for `~`, unless there is a file of that very name, or no such home."""
    if path.startswith("~") and not exists(path):
        with suppress(RuntimeError):
            return str(Path(path).expanduser())
    return path


def exists(path: str) -> bool:
    """Whether there is such a file or folder; a text that cannot be a path is none."""
    try:
        return bool(path) and Path(path).exists()
    except (OSError, ValueError):
        return False


def unquoted(value: str) -> str:
    """The value without the quotes around it, where it has them."""
    match = QUOTED.fullmatch(value)
    if match is None:
        return value
    # backslashes count before a quote of the same kind, and at the end
    return re.sub(rf"(\\+)({match[1]}|\Z)", lambda m: m[1][: len(m[1]) // 2] + m[2], match[2])


def quoted(text: str) -> str:
    """The text in quotes, as Hydra reads it."""
    # backslashes count before a quote, at the end and before ${, which would be an interpolation
    escaped = re.sub(r"(\\*)'", lambda m: m[1] * 2 + r"\'", text)
    escaped = re.sub(r"(\\+)\Z", lambda m: m[1] * 2, escaped)
    escaped = re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + r"\${", escaped)
    return f"'{escaped}'"
