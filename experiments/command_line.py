"""What Hydra leaves open: text typed as it is, a folder that can be written, errors that answer."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import yaml
from hydra.errors import (
    ConfigCompositionException,
    HydraException,
    InstantiationException,
    MissingConfigException,
    OverrideParseException,
)
from omegaconf.errors import MissingMandatoryValue, OmegaConfBaseException

from interp.errors import InterpError, closest

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


def quote_text(argument: str) -> str:
    """The override `text=…` with its value quoted for Hydra's grammar, so that a sentence can be typed as it is.

    A value that is quoted already, quotes and all inside the shell's, is left alone.
    """
    key, separator, value = argument.partition("=")
    if key not in ("text", "+text", "++text") or not separator or _is_quoted(value):
        return argument
    # in a quoted value a backslash counts only before a quote, and ${ would be an interpolation
    escaped = re.sub(r"(\\*)'", lambda m: m.group(1) * 2 + r"\'", value)
    escaped = re.sub(r"(\\+)$", lambda m: m.group(1) * 2, escaped)
    escaped = re.sub(r"(\\*)\$\{", lambda m: m.group(1) * 2 + r"\${", escaped)
    return f"{key}='{escaped}'"


def _is_quoted(value: str) -> bool:
    return any(
        len(value) >= 2 and value[0] == value[-1] == quote and not re.search(rf"(?<!\\){quote}", value[1:-1])
        for quote in "'\""
    )


def make_folder(arguments: Sequence[str]) -> list[Path]:
    """Make the run's folder before Hydra starts, where the command line names one, and see that it can be written.

    Returns the folders that were made. Raises `InterpError` where it cannot be made or written.
    """
    if any(argument.split("=")[0] in HYDRA_FLAGS_WITHOUT_A_RUN for argument in arguments):
        return []
    named = {key: value for key, _, value in (argument.partition("=") for argument in arguments)}
    key = "hydra.sweep.dir" if {"-m", "--multirun"} & set(arguments) else "hydra.run.dir"
    given = named.get(key, "outputs").strip("'\"")
    if "${" in given:
        return []
    folder = Path(given)
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".can-be-written"
        probe.touch()
        probe.unlink()
    except OSError as error:
        remove_empty(missing)
        raise InterpError(
            f"{key}={given}: nothing can be written there ({error.strerror}). "
            "Allowed: a folder that exists or can be made. Choose another with hydra.run.dir=DIR."
        ) from error
    return missing


def remove_empty(folders: Sequence[Path]) -> None:
    """Take back the folders that were made for nothing, innermost first."""
    for folder in folders:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()


def explain(error: BaseException, conf: Path) -> str | None:
    """One paragraph for an error that the user can mend; `None` for one that is ours."""
    chain = list(_chain(error))
    ours = next((link for link in chain if isinstance(link, InterpError)), None)
    if ours is not None:
        return f"Error: {ours}"
    missing = next((link for link in chain if isinstance(link, MissingMandatoryValue)), None)
    if missing is not None:
        key = re.search(r"Missing mandatory value: (\S+)", str(missing))
        name = key.group(1) if key else "A setting"
        return f"Error: {name} has no value. Give it on the command line: {name}=…"
    wrong_type = next((link for link in chain if isinstance(link, InstantiationException)), None)
    if wrong_type is not None:
        return None if chain[-1] is not wrong_type else f"Error: {_one_line(wrong_type)}"
    if isinstance(error, MissingConfigException):
        return f"Error: {_unknown_choice(error, conf)}"
    if isinstance(error, OverrideParseException):
        return (
            f"Error: the override {error.override!r} cannot be read ({_one_line(error.message)}). Allowed: KEY=VALUE. "
            "Put quotes around a value with spaces, commas or brackets: 'KEY=\"a, b\"'."
        )
    if isinstance(error, ConfigCompositionException | OmegaConfBaseException):
        return f"Error: {_unknown_key(error, conf)}"
    if isinstance(error, HydraException):
        return f"Error: {_one_line(error)}"
    return None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _unknown_choice(error: MissingConfigException, conf: Path) -> str:
    """`experiment=foo`: an option that its group does not have."""
    group, _, name = str(error.missing_cfg_file or "").rpartition("/")
    allowed = [file.stem for file in (conf / group).glob("*.yaml")] if group else []
    if not allowed:
        return _one_line(error)
    return f"{group}={name} is not known. {closest(name, allowed)}"


def _unknown_key(error: BaseException, conf: Path) -> str:
    """`modle=gpt2` or `classify.margn=0.2`: a key that the configuration does not have."""
    text = str(error)
    found = re.search(r"Could not override '([^']+)'", text) or re.search(r"Key '([^']+)' is not in struct", text)
    if found is None:
        return _one_line(error)
    key = found.group(1)
    return f"{key} is not a setting. {closest(key, _known_keys(conf))} See them all with --cfg job."


def _known_keys(conf: Path) -> set[str]:
    keys = {folder.name for folder in conf.iterdir() if folder.is_dir()}
    for file in [conf / "config.yaml", *conf.glob("*/*.yaml")]:
        prefix = "" if file.parent == conf else f"{file.parent.name}."
        content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
        for key, value in content.items():
            if key in ("defaults", "hydra") or key.startswith("_") or file.parent.name == "experiment":
                continue
            keys |= {f"{prefix}{key}.{inner}" for inner in value} if isinstance(value, dict) else {f"{prefix}{key}"}
    return {key for key in keys if "_target_" not in key and "_partial_" not in key}


def _one_line(error: object) -> str:
    return " ".join(str(error).split())
