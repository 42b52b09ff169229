"""What the system refuses beside the files of a run, told in one paragraph."""

import errno
from collections.abc import Iterable

from interp.storage import NO_ROOM

SHORT_OF = {
    **dict.fromkeys(NO_ROOM, "room where the run's folder, the folder for temporary files and the caches lie"),
    errno.EROFS: "folders for the run, for temporary files and for caches that can be written",
    errno.EIO: "disks that can be read and written",
    errno.EPIPE: "a program that reads what is printed to its end",
    errno.EMFILE: "as many open files as a run needs (ulimit -n)",
    errno.ENFILE: "as many open files as a run needs",
}
"""By the system's number: what has to be there."""


def explain_system(chain: Iterable[BaseException]) -> str | None:
    """One paragraph for the first error of a chain that is the machine's, not the user's and not ours; else `None`."""
    for link in chain:
        if not isinstance(link, OSError):
            continue
        if "No usable temporary directory" in str(link):
            tried = str(link).rpartition("found in ")[2].strip("[]").replace("'", "")
            return (
                f"No folder for temporary files can be written (tried: {tried}), and libraries that are loaded need "
                "one. Allowed: any folder with room. Name one in the environment: TMPDIR=DIR."
            )
        if link.errno in SHORT_OF:
            place = f"{link.filename}: " if link.filename else ""
            return f"{place}{link.strerror}. Allowed: {SHORT_OF[link.errno]}. See to it, and give the command again."
    return None
