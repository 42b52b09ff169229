"""The files of kept sums: states of parts as safetensors, named by their hashes, and an index of each loop's.

An index is replaced in one step, and states that it lists no more go only then: whenever a run is killed, what lies
there is whole.
"""

import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load, save

from interp.folds import State
from interp.results import UNFINISHED, write_atomically
from interp.sum_tree import Node

SUMS = "sums"
"""The folder of them in a run's folder."""


class DamagedError(Exception):
    """A file of kept sums that is not as it was written."""


def digest_of(content: bytes) -> str:
    """sha256."""
    return sha256(content).hexdigest()


def read_index(folder: Path, stem: str) -> dict[str, Any] | None:
    """The index of a loop, `None` where there is none. Raises `DamagedError` for one that is not as it was written."""
    path = folder / f"{stem}.json"
    try:
        text = path.read_text(encoding="utf-8")
        digest, _, content = text.partition("\n")
        index = json.loads(content) if digest == digest_of(content.encode()) else None
    except FileNotFoundError:
        return None
    except (OSError, ValueError):
        index = None
    if index is None:
        raise DamagedError(f"{path} is not as it was written.")
    return index


def write_index(folder: Path, stem: str, index: Mapping[str, Any], listed: Sequence[str]) -> None:
    """Replace the index of a loop; then remove its states that are not `listed` any more."""
    content = json.dumps(index)
    text = f"{digest_of(content.encode())}\n{content}"
    write_atomically(folder / f"{stem}.json", lambda path: path.write_text(text, encoding="utf-8"))
    for path in folder.glob(f"{stem}-*.safetensors"):
        if path.stem.removeprefix(f"{stem}-") not in listed:
            path.unlink(missing_ok=True)


def read_nodes(folder: Path, stem: str, index: Mapping[str, Any]) -> dict[Node, str]:
    """The parts that an index lists, and their hashes. Raises `DamagedError` for one that is not as it was written."""
    return {Node(start, size, read_state(folder, stem, digest)): digest for start, size, digest in index["nodes"]}


def read_state(folder: Path, stem: str, digest: str) -> State:
    """A state by its hash. Raises `DamagedError` where it is gone, or not as it was written."""
    path = folder / f"{stem}-{digest}.safetensors"
    try:
        content = path.read_bytes()
        if digest_of(content) == digest:
            # sums are added to, and what is read is read only
            return {name: np.array(array) for name, array in load(content).items()}
    except FileNotFoundError as error:
        raise DamagedError(f"{path} is gone.") from error
    except (OSError, SafetensorError):
        pass
    raise DamagedError(f"{path} is not as it was written.")


def write_state(folder: Path, stem: str, state: State) -> str:
    """Write a state, unless it is there; its hash."""
    content = save({name: np.asarray(array, order="C") for name, array in state.items()})
    digest = digest_of(content)
    path = folder / f"{stem}-{digest}.safetensors"
    if not path.exists():
        write_atomically(path, lambda temporary: temporary.write_bytes(content))
    return digest


def holds_sums(folder: Path) -> bool:
    """Whether anything that was measured is kept in a run's folder."""
    return any((folder / SUMS).glob("*.safetensors"))


def remove_sums(folder: Path) -> None:
    """Remove what a run has kept in its folder, and what a killed one has left half-written; nothing else."""
    place = folder / SUMS
    if place.is_dir():
        for path in [*place.glob("*.safetensors"), *place.glob("*.json"), *place.glob(f"{UNFINISHED}*")]:
            path.unlink(missing_ok=True)
        # one that holds something else stays
        if not any(place.iterdir()):
            place.rmdir()
