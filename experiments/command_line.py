"""What Hydra leaves open: text typed as it is, a folder that can be written, errors that answer."""

import re
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from inspect import signature
from pathlib import Path
from tempfile import NamedTemporaryFile

import yaml
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from hydra.utils import get_method
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from interp.errors import InterpError, closest
from interp.text.words import is_word

CONF = next(
    folder
    for folder in (Path(__file__).parents[1] / "interp" / "conf", Path(__file__).parents[1] / "conf")
    if folder.is_dir()
)
"""The configuration: inside the package where it was installed from a wheel, beside it in a checkout."""

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

READ = re.compile(r"corpus\.target|sensitivity\.corpus|(?:[^~]*[._])?path")
WRITTEN = re.compile(r"hydra\.(?:run|sweep)\.dir")
"""Settings that are paths: of what is read, and of a folder that is written."""

ELSEWHERE = {
    "model": "A directory is given as model=local model.path=DIR, a name on the hub as model=hub model.name=NAME.",
    "corpus": "A file is given as corpus=conllu corpus.path=FILE (a treebank) or corpus=text corpus.path=FILE.",
    "hydra/launcher": "Other launchers are packages of their own, such as hydra-joblib-launcher.",
}
"""By group of options, how to give what is not one of them."""


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
        return f"{key}={_quoted(_unquoted(value))}"
    if name == "query" and separator:
        words = [value] if is_word(value) else _split(value)
        return f"{key}={value if CALL.fullmatch(value) else ','.join(map(_readable, words))}"
    if name == "candidates" and in_brackets:
        words = [word if word.startswith(("[", "{")) else _readable(word) for word in _split(value[1:-1])]
        return f"{key}=[{','.join(words)}]"
    if name == "words" and in_brackets:
        return f"{key}=[{','.join(_quoted(_unquoted(word)) for word in _split(value[1:-1]))}]"
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
    return word if kept else _quoted(word)


def _path(value: str, *, written: bool, sweep: bool) -> str:
    """A path for Hydra's grammar; what the grammar has a meaning for stays, unless there is a file of that name."""
    given = _unquoted(value)
    typed = _at_home(given)
    exists = _exists(typed)
    is_path = exists or written or given != value
    if not value or ("${" in value and not exists):
        return value
    if not is_path and (CALL.fullmatch(value) or GRAMMAR.search(value)):
        return value
    if "," in value and given == value and not written:
        parts = _items(value, rf"{QUOTED.pattern}|[^,]*?") or []
        if sweep and (not exists or all(_exists(_at_home(_unquoted(part))) for part in parts)):
            return ",".join(_path(part, written=False, sweep=False) for part in parts)
        if not exists:
            return value
    is_plain = PLAIN.fullmatch(typed) is not None and not (is_path and SCALAR.fullmatch(typed))
    return typed if is_plain else _quoted(typed)


def _at_home(path: str) -> str:
    """The path with the home directory for `~`, unless there is a file of that very name, or no such home."""
    if path.startswith("~") and not _exists(path):
        with suppress(RuntimeError):
            return str(Path(path).expanduser())
    return path


def _exists(path: str) -> bool:
    try:
        return bool(path) and Path(path).exists()
    except (OSError, ValueError):
        return False


def _unquoted(value: str) -> str:
    """The value without the quotes around it, where it has them."""
    match = QUOTED.fullmatch(value)
    if match is None:
        return value
    # backslashes count before a quote of the same kind, and at the end
    return re.sub(rf"(\\+)({match[1]}|\Z)", lambda m: m[1][: len(m[1]) // 2] + m[2], match[2])


def _quoted(text: str) -> str:
    # backslashes count before a quote, at the end and before ${, which would be an interpolation
    escaped = re.sub(r"(\\*)'", lambda m: m[1] * 2 + r"\'", text)
    escaped = re.sub(r"(\\+)\Z", lambda m: m[1] * 2, escaped)
    escaped = re.sub(r"(\\*)\$\{", lambda m: m[1] * 2 + r"\${", escaped)
    return f"'{escaped}'"


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
    missing = [path for path in (folder, *folder.parents) if not _exists(str(path))]
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
    return key, _unquoted(named.get(key, "outputs"))


@contextmanager
def sweep_notes_kept(arguments: Sequence[str]) -> Iterator[None]:
    """While it is open, a sweep that fails leaves an earlier one's multirun.yaml as it was.

    Hydra writes it before any job has seen whether its folder is free. Raises `InterpError` where a file of this name
    is none of this project's sweeps.
    """
    key, given = _named_folder(arguments)
    file = Path(given) / "multirun.yaml"
    before = file.read_bytes() if key == "hydra.sweep.dir" and file.is_file() else None
    if before is not None and b"app_name: interp" not in before:
        raise InterpError(
            f"{file} is of no sweep of this project, and would be overwritten. Choose another folder with {key}=DIR, "
            "or move it away."
        )
    try:
        yield
    except BaseException:
        if before is not None:
            file.write_bytes(before)
        raise


def remove_empty(folders: Sequence[Path]) -> None:
    """Take back the folders that were made for nothing, innermost first; one that holds something stays."""
    for folder in folders:
        with suppress(OSError, ValueError):
            folder.rmdir()


def explain(error: BaseException) -> str | None:
    """One paragraph for an error that the user can mend; `None` for one that is ours."""
    chain = list(_chain(error))
    ours = next((link for link in chain if isinstance(link, InterpError)), None)
    if ours is not None:
        return str(ours)
    missing = next((link for link in chain if isinstance(link, MissingMandatoryValue)), None)
    if missing is not None:
        return f"{missing.full_key} has no value. Give it on the command line: {missing.full_key}=…"
    no_path = next((link for link in chain if isinstance(link, OSError) and link.filename and link.strerror), None)
    if no_path is not None:
        return (
            f"{no_path.filename}: {no_path.strerror}. Allowed: a path that is there and can be read. Give such a path."
        )
    wrong_call = next((link for link in chain if isinstance(link, InstantiationException)), None)
    if wrong_call is not None:
        return _wrong_call(wrong_call, chain)
    if isinstance(error, MissingConfigException):
        return _unknown_choice(error)
    if isinstance(error, OverrideParseException):
        return _unreadable(error)
    if isinstance(error, ConfigCompositionException | OmegaConfBaseException):
        return _unknown_key(error)
    if "Config group override" in str(error):
        # Hydra does not say which: model=7
        return "A group of options has a number. Allowed: a name, such as model=minilm. See the groups with --help."
    return _one_line(error) if isinstance(error, HydraException) else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _wrong_call(error: InstantiationException, chain: Sequence[BaseException]) -> str | None:
    """An argument too many (`+corpus.foo=1`), or a `_target_` outside the project that cannot be imported."""
    place = re.search(r"full_key: (\S+)", str(error))
    key = place[1] if place else "the configuration"
    target = re.search(r"Error locating target '([^']+)'", str(error))
    if target and not target[1].startswith(("interp.", "experiments.")):
        return (
            f"{key}._target_={target[1]} cannot be imported ({_one_line(chain[-1])}). Allowed: the dotted path of a "
            "function or class. Check its spelling, and that its package is installed here."
        )
    cause = chain[chain.index(error) + 1 :]
    if not cause:
        return _one_line(error)
    unexpected = re.search(r"unexpected keyword argument '(\w+)'", str(cause[0]))
    called = re.search(r"Error in call to target '([^']+)'", str(error))
    if unexpected and called:
        allowed = signature(get_method(called[1])).parameters
        if unexpected[1] not in allowed:
            name = f"{key}.{unexpected[1]}"
            return f"{name} is not a setting of the {key} chosen here. {closest(unexpected[1], allowed)} Leave it out."
    return None


def _unknown_choice(error: MissingConfigException) -> str:
    """`experiment=foo`: an option that its group does not have."""
    path, options = str(error.missing_cfg_file or ""), error.options or ()
    group, _, name = path.rpartition("/") if path.startswith("hydra/") else path.partition("/")
    if not options:
        return _one_line(error)
    return " ".join([f"{group}={name} is not known. {closest(name, options)}", ELSEWHERE.get(group, "")]).strip()


def _unreadable(error: OverrideParseException) -> str:
    if not re.match(r"[^=]+=", error.override):
        return (
            f"{error.override!r} is not a setting with its value. Allowed: KEY=VALUE. "
            'Put quotes around a text with spaces: text="the whole sentence".'
        )
    key, _, value = error.override.partition("=")
    return (
        f"{error.override!r} cannot be read. Allowed: KEY=VALUE, and quotes inside the shell's quotes around a value "
        f"with commas, brackets, quotes or letters such as é: {_in_shell(key, value)}."
    )


def _in_shell(key: str, value: str) -> str:
    """An override as it is typed in a shell, its value taken as text."""
    override = f"{key}={_quoted(value)}"
    return shlex.quote(override) if re.search(r'["$`\\!]', override) else f'{key}="{_quoted(value)}"'


def _unknown_key(error: BaseException) -> str:
    """`modl=gpt2` or `classify.margn=0.2`: a key that the configuration does not have, or not here."""
    several = re.search(r"Ambiguous value for argument '(.*)'", str(error))
    if several:
        key, _, value = several[1].partition("=")
        return (
            f"{several[1]} has a comma in it. Allowed: one value. Give one; or add -m, which runs one after another; "
            f"or put brackets around a list, quotes around a text: {_in_shell(key, value)}."
        )
    absent = re.search(r"Key '([^']+)' is not in struct|Interpolation key '([^']+)' not found", str(error))
    if absent:
        name = absent[1] or absent[2]
        return f"{name} is asked for and not set. Leave ~{name} out, or mend what says ${{{name}}}."
    found = re.search(r"Could not override '([^']*)'", str(error))
    if found is None:
        return _one_line(error)
    key, known = found[1], _known_keys()
    place, _, name = key.rpartition(".")
    if key in known:
        homes = " or ".join(f"{place}={option}" for option in known[key])
        return f"{key} is not a setting of the {place} chosen here. It belongs to {homes}: add it, or leave {key} out."
    if place.startswith("hydra"):
        return f"{key} is not a setting of Hydra. See them all with --cfg hydra."
    same_name = sorted(other for other in known if other.endswith(f".{name}"))
    beside = [other for other in known if other.rpartition(".")[0] == place]
    hint = f"Did you mean {' or '.join(same_name)}? " if same_name and not place else ""
    listed = closest(key, beside or [other for other in known if "." not in other])
    return f"{key or 'An empty name'} is not a setting. {hint}{listed} See all settings with --cfg job."


def _known_keys() -> dict[str, list[str]]:
    """Every key that the files in conf set; a key of a group of options with the options that have it."""
    known: dict[str, list[str]] = {}
    for file in [CONF / "config.yaml", *sorted(CONF.glob("*/*.yaml"))]:
        group = "" if file.parent == CONF else file.parent.name
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        known.setdefault(group, []).append(file.stem)
        for key, value in content.items():
            if group == "experiment" or key in ("defaults", "hydra") or key.startswith("_"):
                continue
            known.setdefault(f"{group}.{key}".lstrip("."), []).append(file.stem)
            if not group and isinstance(value, dict):
                known |= {f"{key}.{inner}": [] for inner in value}
    return {key: options for key, options in known.items() if key}


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
