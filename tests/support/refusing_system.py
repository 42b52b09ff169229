"""A system that refuses what a run asks of it, as far as it can be made on any machine."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest


@contextmanager
def no_room(size: int = 0) -> Iterator[None]:
    """While it is open, no file of this process may grow beyond `size` bytes: the system itself refuses it."""
    resource = pytest.importorskip("resource", reason="this system has no limit on the size of files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def before(call: Callable[..., Any], happens: Callable[[], object], *, at: int = 1) -> Callable[..., Any]:
    """The same function; before it is called the `at`-th time, something happens."""
    calls: list[None] = []

    def called(*arguments: Any, **options: Any) -> Any:
        calls.append(None)
        if len(calls) == at:
            happens()
        return call(*arguments, **options)

    return called
