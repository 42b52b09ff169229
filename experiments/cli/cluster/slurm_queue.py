"""The jobs of one sweep in Slurm's queue: whether one is still there, and how to take them out of it."""

import os
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import NamedTuple

GONE = (
    "BOOT_FAIL",
    "CANCELLED",
    "COMPLETED",
    "DEADLINE",
    "FAILED",
    "NODE_FAIL",
    "OUT_OF_MEMORY",
    "PREEMPTED",
    "REVOKED",
    "TIMEOUT",
)
"""States of a job that has left the queue and is remembered for a while; how it went, its shard's manifest says."""

STUCK = "launch failed requeued held"
"""The reason of a job that no node could start: it waits for ever."""


class Job(NamedTuple):
    """A job as squeue lists it."""

    number: str
    name: str
    state: str
    reason: str

    @property
    def is_left(self) -> bool:
        """Whether it runs or may still run."""
        return self.state not in GONE and self.reason != STUCK


def jobs(prefix: str, *, ask: "Ask | None" = None) -> list[Job] | None:
    """This user's jobs whose name begins so, those that have ended lately too; `None` where Slurm did not answer."""
    command = ["squeue", "--noheader", "--array", f"--user={os.getuid()}", "--states=all", "--format=%i|%T|%r|%j"]
    answer = (ask or _ask)(command)
    if answer is None:
        return None
    rows = [line.strip().split("|", 3) for line in answer.splitlines()]
    found = [Job(number, name, state, reason) for number, state, reason, name in (row for row in rows if len(row) == 4)]
    return [job for job in found if job.name.startswith(prefix)]


def cancel(prefix: str, *, ask: "Ask | None" = None) -> int:
    """Take those that are left out of the queue; their number."""
    left = [job.number for job in jobs(prefix, ask=ask) or [] if job.state not in GONE]
    if left:
        (ask or _ask)(["scancel", *left])
    return len(left)


Ask = Callable[[Sequence[str]], str | None]
"""Runs a command of Slurm's: what it printed, `None` where it failed."""


def _ask(command: Sequence[str]) -> str | None:
    with suppress(OSError, subprocess.SubprocessError):
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout  # noqa: S603
    return None
