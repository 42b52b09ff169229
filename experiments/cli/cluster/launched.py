"""The process of a sweep: Hydra's multirun, which hands the jobs to its launcher and waits for them."""

import ctypes
import os
import re
import signal
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from textwrap import shorten

GRACE = 10.0
"""Seconds for a process to end by itself, before it is made to."""

ERROR = re.compile(r"(?:slurmstepd: |sbatch: |srun: )?(?:error|[\w.]*Error|[\w.]*Exception): ")
"""How a line begins that says what went wrong."""

STOPPED = 130
"""The exit status of a command that was interrupted."""


class Launched:
    """A command that runs with its words in a file; it and its children are ended together."""

    def __init__(self, command: Sequence[str], log: Path) -> None:
        self.log = log
        with log.open("wb") as words:
            # a session of its own: Ctrl-C reaches who waits for it, and who waits ends it
            self._process = subprocess.Popen(  # noqa: S603
                command,
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
                # Ray asks and reports home otherwise, and leaves out lines that look alike
                env={"RAY_USAGE_STATS_ENABLED": "0", "RAY_DEDUP_LOGS": "0"} | os.environ,
            )

    def status(self) -> int | None:
        """Its exit status, `None` while it runs."""
        return self._process.poll()

    def end(self) -> None:
        """Let it stop in order, as Ctrl-C does; what is left of it and of its children is killed."""
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(GRACE)
        # it leads the group of its children, which has its number as long as one of them is there
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def error(self) -> str | None:
        """What it refused, where it ended with an error that the user can mend."""
        last = next(reversed(_lines(self.log)), "")
        return last.removeprefix("Error: ") if self.status() not in (None, 0) and last.startswith("Error: ") else None

    def last_words(self) -> str:
        """What it wrote last: the name and text of its error, where there is one; or which signal has ended it."""
        status = self.status() or 0
        return f"its launcher was ended by {signal.Signals(-status).name}" if status < 0 else last_words(self.log)


def _end_with_parent() -> None:
    """In the new process: let Ctrl-C stop it, and the death of the one that waits for it, where Linux can do that."""
    # a shell's command in the background ignores it, and so would what that starts
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if sys.platform == "linux":
        set_death_signal = 1
        ctypes.CDLL(None).prctl(set_death_signal, signal.SIGINT)


def last_words(file: Path) -> str:
    """The last error that a file names, or else its last line; empty where there is none."""
    lines = _lines(file)
    errors = [line for line in lines if ERROR.match(line)]
    return shorten(next(reversed(errors or lines), ""), 300, placeholder=" …")


def _lines(file: Path) -> list[str]:
    """Those that hold something."""
    with suppress(OSError):
        words = file.read_text(encoding="utf-8", errors="replace")
        return [line.strip() for line in words.split("\n") if line.strip()]
    return []
