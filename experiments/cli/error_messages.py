"""Errors that answer: what Hydra, OmegaConf and the project raise, told in one paragraph."""

import re
import shlex
from collections.abc import Iterator, Sequence
from inspect import signature
from pathlib import Path
from typing import Any

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

from experiments.cli.shell_quoting import quoted
from experiments.cli.system_errors import explain_system
from interp.errors import InterpError, closest

CONF = next(
    folder
    for folder in (Path(__file__).parents[2] / "interp" / "conf", Path(__file__).parents[2] / "conf")
    if folder.is_dir()
)
"""The configuration: inside the package where it was installed from a wheel, beside it in a checkout."""

ELSEWHERE = {
    "model": "A directory is given as model=local model.path=DIR, a name on the hub as model=hub model.name=NAME.",
    "corpus": "A file is given as corpus=conllu corpus.path=FILE (a treebank) or corpus=text corpus.path=FILE.",
}
"""By group of options, how to give what is not one of them."""

LAUNCHERS = {"joblib": "parallel", "submitit_local": "slurm", "submitit_slurm": "slurm", "ray": "ray"}
"""Hydra's launchers that are packages of their own, and the extra that brings each."""


def explain(error: BaseException) -> str | None:
    """One paragraph for an error that the user can mend; `None` for one that is ours."""
    chain = list(_chain(error))
    ours = next((link for link in chain if isinstance(link, InterpError)), None)
    if ours is not None:
        return str(ours)
    missing = next((link for link in chain if isinstance(link, MissingMandatoryValue)), None)
    if missing is not None:
        return f"{missing.full_key} has no value. Give it on the command line: {missing.full_key}=…"
    refused = explain_system(chain)
    if refused is not None:
        return refused
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
    if group == "hydra/launcher" and name in LAUNCHERS:
        extra = LAUNCHERS[name]
        return (
            f"Hydra's launcher {name} is not installed here. Allowed without it: hydra/launcher=basic. Install the "
            f"extra {extra!r}; in a checkout: pip install -c constraints.txt -e '.[{extra}]'."
        )
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
    override = f"{key}={quoted(value)}"
    return shlex.quote(override) if re.search(r'["$`\\!]', override) else f'{key}="{quoted(value)}"'


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
        if group == "shared":
            continue
        known.setdefault(group, []).append(file.stem)
        content = _content(file)
        # an option that sets more than its own group has that under its name
        for key, value in content.get(group, content).items():
            if group == "experiment" or key in ("defaults", "hydra") or key.startswith("_"):
                continue
            known.setdefault(f"{group}.{key}".lstrip("."), []).append(file.stem)
            if not group and isinstance(value, dict):
                known |= {f"{key}.{inner}": [] for inner in value if not inner.startswith("_")}
    return {key: options for key, options in known.items() if key}


def _content(file: Path) -> dict[str, Any]:
    """What a file in conf sets, with what it shares with others of its group."""
    own = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    shared = [name for name in own.get("defaults", ()) if isinstance(name, str) and name.startswith("/shared/")]
    pieces = [_content(CONF / f"{name.removeprefix('/').removesuffix('@_here_')}.yaml") for name in shared]
    return {key: value for piece in (*pieces, own) for key, value in piece.items()}


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
