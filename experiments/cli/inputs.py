"""What a run reads besides its corpus: the files that its settings name, by their hashes."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from huggingface_hub.errors import HFValidationError

from experiments.cli.manifest import flatten
from experiments.cli.run_folder import find_runs
from experiments.cli.shell_quoting import READ
from interp.errors import InterpError
from interp.models.checkpoint.files import file_digest, read_files
from interp.results import MANIFEST, read_manifest


def hashes(config: Mapping[str, Any]) -> dict[str, str]:
    """sha256 of every file that a setting of a path names, and of what is read of every folder, by the path given.

    Which settings are paths goes by their names, as on the command line: `path`, or one's own that ends so. The corpus
    is left out: it has a hash of its own, of what was read of it. So are pipes, which can be read once, and what only
    figures depend on. Raises `InterpError` for a folder of runs that has none.
    """
    found: dict[str, str] = {}
    explained_by = [Path(text) for text in _texts(config.get("explained_by"))]
    for folder in (one for one in explained_by if not (one / MANIFEST).is_file()):
        raise InterpError(
            f"explained_by={folder} holds no run. Allowed: the folder of a complete run of experiment=explain."
        )
    for folder in (*explained_by, *(one for text in _texts(config.get("runs")) for one in find_runs(text))):
        # it has the hash of every file of its run
        found[str(folder / MANIFEST)] = file_digest(folder / MANIFEST)
    for folder in (one for text in _texts(config.get("run")) for one in find_runs(text)):
        found |= _of_a_run(folder)
    for key, value in flatten(config).items():
        if (
            key in ("run", "explained_by")
            or key.startswith(("corpus.", "study.", "plots."))
            or READ.fullmatch(key) is None
        ):
            continue
        for path in (path for text in _texts(value) for path in _files(text)):
            try:
                found[str(path)] = file_digest(path)
            except OSError:
                # who needs it says that it cannot be read
                found[str(path)] = "cannot be read"
    return found


def _of_a_run(folder: Path) -> dict[str, str]:
    """What computing a run again reads: its files as they are, and what it has read, its corpus too."""
    recorded = (read_manifest(folder) or {}).get("config", {})
    corpus = {key: value for key, value in flatten(recorded).items() if key.startswith("corpus.")}
    paths = [
        path for key, value in corpus.items() if READ.fullmatch(key) for text in _texts(value) for path in _files(text)
    ]
    own = [path for path in sorted(folder.iterdir()) if path.is_file() and not path.name.startswith(".")]
    return {str(path): file_digest(path) for path in (*own, *paths)} | hashes({**recorded, "run": None})


def cached_revision(name: str, revision: str | None) -> str | None:
    """The commit that this revision of a model on the hub has in the local cache; `None` where it is not there."""
    try:
        config = try_to_load_from_cache(name, "config.json", revision=revision)
    except HFValidationError:
        # of a manifest that names no model of the hub
        return None
    return Path(config).parent.name if isinstance(config, str) else None


def _texts(value: object) -> list[str]:
    return [one for one in (value if isinstance(value, list) else [value]) if isinstance(one, str) and one]


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
    folder = Path(place)
    if (folder / "config.json").is_file():
        return read_files(folder)
    return sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
