"""What is printed, on its way to a terminal, a file or another program, which may be full or gone."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TextIO

from interp.errors import InterpError
from interp.text.printable import printable


def say(line: str, *, to: TextIO | None = None) -> None:
    """Print a line whose words may come from files: nothing in it steers the terminal.

    Raises `InterpError` where the standard output takes nothing any more; where stderr does, nobody can be told.
    """
    with printing() if to is None else suppress(OSError):
        print(printable(line), file=to)


def flush() -> None:
    """Hand over what was printed and still waits. Raises `InterpError` where that cannot be done."""
    # None where the shell has closed it
    if sys.stdout is not None:
        with printing():
            sys.stdout.flush()


@contextmanager
def printing() -> Iterator[None]:
    """While it is open, a standard output that is full or gone becomes an `InterpError`, and is not tried again.

    Python would try once more when it ends, and print a traceback about it.
    """
    try:
        yield
    except OSError as error:
        with suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, sys.stdout.fileno())
            os.close(nowhere)
        raise InterpError(
            f"What is printed cannot be written ({error.strerror or error}). Allowed: a standard output that takes it. "
            "A run that has come this far is complete, with all of this in its manifest.json: see its folder, and "
            "make room, or let what reads the output read to its end."
        ) from error
