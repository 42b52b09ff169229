"""What a run reads besides its corpus: the files that its settings name, by their hashes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from interp.models.folder import file_digest
from interp.results import flatten

NOT_FILES = ("text", "query", "candidates", "name", "_target_")
"""Settings, by the last part of their key, that name no file even where there is one of that name."""

MODEL_FILES = (".json", ".safetensors", ".txt", ".model", ".tiktoken", ".jinja")
"""What is read of a model directory: beside them lie copies of the weights for other libraries, and reports."""


def hashes(config: Mapping[str, Any]) -> dict[str, str]:
    """sha256 of every file that a setting names, and of the files in every folder, by the path as it was given.

    The corpus is left out: it has a hash of its own, of what was read of it. So are pipes, which can be read once.
    """
    found: dict[str, str] = {}
    for key, value in flatten(config).items():
        first, last = key.partition(".")[0], key.rpartition(".")[2]
        if first in ("corpus", "study") or last in NOT_FILES:
            continue
        for path in (path for text in (value if isinstance(value, list) else [value]) for path in _files(text)):
            try:
                found[str(path)] = file_digest(path)
            except OSError:
                # who needs it says that it cannot be read
                found[str(path)] = "cannot be read"
    return found


def cached_revision(name: str, revision: str | None) -> str | None:
    """The commit that this revision of a model on the hub has in the local cache; `None` where it is not there."""
    config = try_to_load_from_cache(name, "config.json", revision=revision)
    return Path(config).parent.name if isinstance(config, str) else None


def _files(value: object) -> list[Path]:
    """The file, or the files of the folder, hidden ones left out; none where a setting is neither."""
    if not isinstance(value, str) or not value:
        return []
    # these answer for every text, however long; the methods of Path raise for some
    place = os.path.expanduser(value)
    if os.path.isfile(place):
        return [Path(place)]
    if not os.path.isdir(place) or not os.access(place, os.R_OK | os.X_OK):
        return []
    inside = sorted(path for path in Path(place).iterdir() if path.is_file() and not path.name.startswith("."))
    is_model = any(path.name == "config.json" for path in inside)
    return [path for path in inside if path.suffix in MODEL_FILES] if is_model else inside
