"""What the system refuses while files are written (no room, read-only, gone), told as an `InterpError`."""

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from interp.errors import InterpError

NO_ROOM = frozenset(
    getattr(errno, name, errno.ENOSPC)
    for name in ("ENOSPC", "EDQUOT", "EFBIG")  # Windows has no quotas
)
"""A disk, a quota or a limit on the size of files that is full."""

READ_ONLY = frozenset((errno.EROFS, errno.EACCES, errno.EPERM))
GONE = frozenset((errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, getattr(errno, "ESTALE", errno.ENOENT)))


@contextmanager
def writing(path: Path, otherwise: str) -> Iterator[None]:
    """While it is open, what the system refuses becomes an `InterpError`: which file, why, what to do or `otherwise`.

    For what is written whole or not at all, and is marked as complete last: the message says so.
    """
    try:
        yield
    except InterpError:
        raise
    except Exception as error:
        number = refused(error)
        if number is None:
            raise
        raise InterpError(
            f"{path} cannot be written ({os.strerror(number)}). No file is left half-written, and nothing unfinished "
            f"is marked as complete. {_advice(number)}, or {otherwise}; then give the command again."
        ) from error


def refused(error: BaseException) -> int | None:
    """The system's number of what it has refused, where that is what an error comes of; `None` for any other error."""
    link: BaseException | None = error
    while link is not None:
        if (number := _number(link)) is not None:
            return number
        link = link.__cause__
    return None


def _number(error: BaseException) -> int | None:
    if isinstance(error, OSError):
        return error.errno
    # safetensors and tokenizers are written in Rust, which puts it into words
    said = re.search(r"\(os error (\d+)\)", str(error))
    return int(said[1]) if said else None


def _advice(number: int) -> str:
    if number in NO_ROOM:
        return "Allowed: a folder with room for it. Make room there"
    if number in READ_ONLY:
        return "Allowed: a folder that can be written. Make it so"
    if number in GONE:
        return "Allowed: a folder that stays as it is while it is written to. See who removes or replaces it"
    return "Allowed: a folder that can be written. See to its disk"
