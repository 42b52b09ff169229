"""How a shard stands, read from its own folder: what a scheduler says of its job is not asked."""

import os
from enum import StrEnum
from pathlib import Path

from experiments.cli.run_folder import LOCK
from interp import results


class ShardState(StrEnum):
    """What a shard's manifest and lock say together."""

    COMPLETE = "complete"
    RUNNING = "running"
    """A process holds its folder."""
    DIED = "died"
    """It was begun, and no process holds its folder any more."""
    ABSENT = "not begun"


def shard_state(folder: Path) -> ShardState:
    """What became of the shard of this folder.

    Where a file system has no locks, one that runs on another machine is taken for one that died: a scheduler that
    still lists its job knows better. Raises `InterpError` for a manifest that cannot be read.
    """
    manifest = results.read_manifest(folder)
    if manifest is not None and manifest["status"] == "complete":
        return ShardState.COMPLETE
    if is_held(folder / LOCK):
        return ShardState.RUNNING
    return ShardState.ABSENT if manifest is None and not (folder / LOCK).exists() else ShardState.DIED


def is_held(lock: Path) -> bool:
    """Whether a process holds this lock; it is taken for an instant to see."""
    try:
        import fcntl
    except ImportError:  # Windows
        return False
    try:
        handle = os.open(lock, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        # a file system without locks
        return False
    finally:
        os.close(handle)
    return False
