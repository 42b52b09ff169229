"""The commands that a page of the documentation shows, and whether each could be given."""

import re
import runpy
import shlex
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, NamedTuple, NoReturn
from unittest.mock import patch

from hydra import compose, initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra._internal.utils import get_args_parser
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf

from experiments.cli import settings
from experiments.cli.cluster import __main__ as cluster
from experiments.cli.error_messages import CONF
from experiments.cli.refused_flags import check_flags
from experiments.cli.shell_quoting import is_sweep, quote, sweep_first
from tests.support.paths import ROOT

FENCE = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```\s*$", re.MULTILINE | re.DOTALL)
SPAN = re.compile(r"`([^`]+)`")
YAML_FILE = re.compile(r"\A# (myconf/\S+\.yaml).*\n")
AND_MORE = "…"
"""Stands for options that a reader adds."""
ENDS = {";", "&", "&&", "||", "|", ">", ">>", "2>"}


class Command(NamedTuple):
    """What is started, `make`, `-m MODULE` or a script, and the words after it; whether that is all of them."""

    started: str
    words: tuple[str, ...]
    is_whole: bool

    def __str__(self) -> str:
        return " ".join([self.started, *self.words])


def commands(text: str) -> Iterator[Command]:
    """Every `make` and `python` of the blocks of a page, and of the code in its sentences."""
    blocks = [block for language, block in FENCE.findall(text) if language not in ("python", "yaml", "toml")]
    lines = [line for block in blocks for line in re.sub(r"\\\n", " ", block).splitlines()]
    spans = [" ".join(span.split()) for span in SPAN.findall(FENCE.sub("", text))]
    yield from (command for command in map(read, lines) if command)
    # without arguments a sentence only names what it speaks of
    named = (command for command in map(read, spans) if command)
    yield from (one if one.words else one._replace(is_whole=False) for one in named)


def read(line: str) -> Command | None:
    """The command of a line of a shell; none where it starts neither `make` nor `python`."""
    if not re.search(r"\b(?:make|python)\b", line):
        return None
    try:
        words = shlex.split(re.sub(r"\$\(\(.*?\)\)", "1", line), comments=True)
    except ValueError:
        # prose with one apostrophe
        return None
    while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
        del words[0]
    if words[:1] == ["make"]:
        return Command("make", _until_the_end(words[1:]), True) if len(words) > 1 else None
    if not words or Path(words[0]).name != "python" or len(words) < 2:
        return None
    given = words[1:]
    started = f"-m {given[1]}" if given[0] == "-m" else given[0]
    rest = _until_the_end(given[2 if given[0] == "-m" else 1 :])
    is_whole = not {AND_MORE, "SETTINGS"} & set(rest)
    return Command(started, tuple(word for word in rest if word not in (AND_MORE, "SETTINGS")), is_whole)


def _until_the_end(words: Sequence[str]) -> tuple[str, ...]:
    ends = [number for number, word in enumerate(words) if word.rstrip(";") == "" or word in ENDS]
    return tuple(word.rstrip(";") for word in words[: ends[0] if ends else None])


def check(command: Command, text: str, folder: Path) -> None:
    """Raises where the command could not be given as it stands; `text` is its page, whose yaml files go to `folder`."""
    if command.started == "make":
        targets = set(re.findall(r"^([a-z][a-z0-9]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
        assert set(command.words) <= targets, f"{command}: the Makefile has {sorted(targets)}"
    elif command.started == "-m experiments":
        check_run(command.words, text, folder, is_whole=command.is_whole)
    elif command.started == "-m experiments.cli.cluster":
        given = cluster._arguments([word.replace(AND_MORE, "x") for word in command.words])
        own = ["--config-dir", str(given.config_dir)] if given.config_dir else []
        launched = [f"hydra/launcher={given.launcher}", *given.overrides]
        check_run([*own, *launched], text, folder, is_whole=command.is_whole)
    elif command.started.startswith("-m ") and not (ROOT / command.started[3:].split(".")[0]).exists():
        assert command.started in ("-m pip", "-m pytest", "-m build"), f"{command}: no module of this project"
    else:
        parse(command)


def check_run(words: Sequence[str], text: str, folder: Path, *, is_whole: bool) -> None:
    """Composes what `python -m experiments` would be given, and checks its values; nothing is loaded.

    What has to be given may be left out where the command is not whole (`…`).
    """
    check_flags(words)
    sweep = is_sweep(words)
    given = get_args_parser().parse_args(sweep_first(words))
    searched: list[str] = []
    if given.config_dir:
        assert write_yaml_files(text, folder), f"no yaml file of {given.config_dir} is shown"
        searched = [f"hydra.searchpath=[file://{folder / given.config_dir}]"]
    overrides = [quote(_filled_in(word), sweep=sweep) for word in given.overrides]
    jobs = [overrides]
    if sweep:
        jobs = BasicSweeper.split_arguments(OverridesParser.create().parse_overrides(overrides), None)[0]
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        for job in jobs:
            config = compose("config", [*job, *searched])
            if not is_whole:
                for missing in OmegaConf.missing_keys(config):
                    OmegaConf.update(config, missing, "x")
            plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
            settings.check(plain)
            if plain["plots"]["theme"] is None and not searched:
                settings.make(config)


def write_yaml_files(text: str, folder: Path) -> list[Path]:
    """The yaml files of a page that say where they lie, `# myconf/…`, under `folder`."""
    written = []
    for language, block in FENCE.findall(text):
        named = YAML_FILE.match(block) if language == "yaml" else None
        if named:
            path = folder / named[1]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block, encoding="utf-8")
            written.append(path)
    return written


def _filled_in(word: str) -> str:
    """A setting with an option of its group where the page has `NAME`, and lists without `…`."""
    key, equals, value = word.partition("=")
    options = sorted((CONF / key).glob("*.yaml"))
    if value == "NAME" and options:
        return f"{key}={options[0].stem}"
    return word if key == "text" else f"{key}{equals}{value.replace(f',{AND_MORE}', '')}"


class _ParsedError(Exception):
    """Raised by a parser that has taken its arguments, before anything is done with them."""


def parse(command: Command) -> None:
    """Hands the arguments to the parser of a module or script; without a parser it only has to exist."""
    name = command.started.removeprefix("-m ")
    is_module = name != command.started
    path = ROOT / (name.replace(".", "/") if is_module else name)
    found = [one for one in (path, path.with_suffix(".py"), path / "__main__.py") if one.is_file()]
    assert found, f"{command}: there is no such file"
    if "ArgumentParser(" not in found[0].read_text(encoding="utf-8") or not (command.words or command.is_whole):
        return
    with ExitStack() as held:
        for method in ("parse_args", "parse_intermixed_args"):
            held.enter_context(patch.object(ArgumentParser, method, _parsing(getattr(ArgumentParser, method))))
        held.enter_context(patch.object(sys, "argv", [name, *command.words]))
        # a script imports what lies beside it
        held.enter_context(patch.object(sys, "path", [str(path.parent), *sys.path]))
        # as in a process of its own, where nothing has imported it; else runpy warns
        for one in (name, f"{name}.__main__"):
            imported = sys.modules.pop(one, None)
            if imported is not None:
                held.callback(sys.modules.__setitem__, one, imported)
        try:
            runpy.run_module(name, run_name="__main__") if is_module else runpy.run_path(str(path), run_name="__main__")
        except _ParsedError:
            return
    raise AssertionError(f"{command}: its parser was not asked")


def _parsing(method: Any) -> Any:
    def parsed(parser: ArgumentParser, args: Any = None, namespace: Any = None) -> NoReturn:
        method(parser, args, namespace)
        raise _ParsedError

    return parsed
