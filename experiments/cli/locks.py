"""Locks that a process holds until it ends, however it ends."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def is_locked(handle: int, *, wait: bool = False) -> bool:
    """Whether the file was free, and is now this process's; with `wait`, once it is."""
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        # some network file systems have no locks: there, two runs in one folder are the user's to avoid
        return True
    return True


@contextmanager
def waited_for(path: Path, before_waiting: Callable[[], object]) -> Iterator[None]:
    """While it is open no other process has this lock; `before_waiting` is called where one has it now."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o644)
    try:
        if not is_locked(handle):
            before_waiting()
            is_locked(handle, wait=True)
        yield
    finally:
        os.close(handle)
