"""What a manifest says before anything ran: every setting, what runs it, and in which settings two runs differ."""

import subprocess
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from textwrap import shorten
from typing import Any

PACKAGES = ("torch", "transformers", "transformer-lens", "numpy", "pandas", "scipy", "hydra-core")


def new_manifest(config: Mapping[str, Any]) -> dict[str, Any]:
    """What is known before anything ran: the status `running`, the whole resolved config, and what runs it."""
    return {
        "status": "running",
        "started": now(),
        "project": {"name": "interp", "version": _version("interp"), "commit": commit()},
        "packages": {name: _version(name) for name in PACKAGES},
        "seed": config.get("seed"),
        "config": dict(config),
    }


def now() -> str:
    """The moment, in UTC, to the second, as a manifest has it."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def flatten(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every setting under its dotted key, as on the command line."""
    flat: dict[str, Any] = {}
    for key, value in config.items():
        nested = isinstance(value, Mapping) and value
        flat |= flatten(value, f"{prefix}{key}.") if nested else {f"{prefix}{key}": value}
    return flat


def differences(recorded: Mapping[str, Any], given: Mapping[str, Any]) -> list[str]:
    """One line per setting in which two configs differ: `key: recorded → given`.

    What repeats another setting is left out: `model.seed` beside `seed`, and what `experiment` is given from above.
    """
    old, new = flatten(recorded), flatten(given)
    keys = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    changes = {key: f"{_shown(old, key)} → {_shown(new, key)}" for key in keys}
    own = [key for key in keys if not key.startswith("experiment.") or key == "experiment._target_"] or keys
    return [
        f"{key}: {changes[key]}" for key in own if "." not in key or changes.get(key.rpartition(".")[2]) != changes[key]
    ]


def commit() -> str:
    """The checkout's commit, with `+changes` where files differ from it; `unknown` outside a checkout."""
    here = Path(__file__).parent
    try:
        # installed inside another project's checkout, this file is not one of that project's
        _git(here, "ls-files", "--error-unmatch", Path(__file__).name)
        head = _git(here, "rev-parse", "HEAD")
        return head + ("+changes" if _git(here, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def _git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=True)  # noqa: S603, S607
    return done.stdout.strip()


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"


def _shown(config: Mapping[str, Any], key: str) -> str:
    """A setting as it would be typed; a long text is cut."""
    if key not in config:
        return "absent"
    value = config[key]
    return "null" if value is None else shorten(str(value), 80, placeholder="…")
