"""The shards of a run are submitted, waited for, judged each by its own manifest, and merged.

A scheduler may call a job that failed complete, and may never say that one was killed: so a shard counts as done when
its manifest says so, and is submitted again when nobody works on it any more. The same command given again goes on.
"""

import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from time import monotonic, sleep, time
from typing import Any, NamedTuple

from experiments.cli import run_folder
from experiments.cli.cluster import slurm_queue
from experiments.cli.cluster.launched import Launched, last_words
from experiments.cli.cluster.shard_state import ShardState
from experiments.cli.cluster.shard_sweep import SLURM, ShardSweep
from interp.errors import InterpError
from interp.text.printable import printable

LONGEST_PAUSE = 600.0
NO_SETTING = ("is in use by another run", "Error in call to target")
"""In errors that another attempt may not have: a folder that was still held; memory or time that ran out in a job.

What comes back of these from another process has lost its cause, and looks like an error of the command line.
"""


class Pace(NamedTuple):
    """Seconds: between two looks, until silence counts, before the second attempt (twice as long before each next)."""

    poll: float = 5.0
    settle: float = 20.0
    pause: float = 10.0


def complete(sweep: ShardSweep, launcher: dict[str, Any], *, attempts: int, pace: Pace) -> None:
    """Submit the shards that are not complete, again and again until all are.

    Raises `InterpError` for what a shard refuses, and where some are not complete after so many attempts.
    """
    if attempts < 1:
        raise InterpError(f"--attempts {attempts} is no number of attempts. Allowed: a whole number from 1.")
    on_slurm = launcher.get("_target_") == SLURM
    prefix = sweep.prefix if on_slurm else None
    if ShardState.RUNNING in sweep.states().values() or (prefix and _is_queued(slurm_queue.jobs(prefix))):
        say("Jobs of an earlier command are still there: they are waited for.")
        with _cancelled(prefix):
            _wait(sweep, None, prefix, pace)
    words = ""
    for attempt in range(1, attempts + 1):
        left = _unfinished(sweep)
        if not left:
            return
        if attempt > 1:
            pause = min(pace.pause * 2 ** (attempt - 2), LONGEST_PAUSE)
            say(f"Not complete: {sweep.named(left)}{f' ({words})' if words else ''}. Submitted again in {pause:.0f} s.")
            sleep(pause)
        words = _attempt(sweep, left, attempt, launcher, pace)
    left = _unfinished(sweep)
    if left:
        raise InterpError(
            f"After {attempts} {'attempt' if attempts == 1 else 'attempts'} not complete: {sweep.named(left)}"
            f"{f' ({words})' if words else ''}. What was said is in {run_folder.shown(sweep.place)}. "
            "Mend what ends them, and give the same command again: it goes on from what is there."
        )


def merge(sweep: ShardSweep) -> int:
    """Make the tables of all shards, in the run's folder; the exit status."""
    say(f"All {sweep.shards} shards are complete. They are merged into {run_folder.shown(sweep.folder)}.")
    return subprocess.run(sweep.merge_command(), check=False).returncode  # noqa: S603


def _attempt(sweep: ShardSweep, left: list[int], attempt: int, launcher: dict[str, Any], pace: Pace) -> str:
    """Submit these shards once and wait for them; the last words of one that did not complete."""
    on_slurm = launcher.get("_target_") == SLURM
    name = f"{sweep.prefix}{time():.0f}"
    log = sweep.place / f"attempt-{attempt}.log"
    began = time()
    with _cancelled(sweep.prefix if on_slurm else None):
        launched = Launched(sweep.submit_command(left, name, launcher), log)
        say(f"Attempt {attempt}: submitted {sweep.named(left)} ({sweep.launcher}).")
        try:
            submitted = _wait(sweep, launched, name if on_slurm else None, pace)
            refused, failed, words = launched.error(), launched.status() not in (None, 0), launched.last_words()
        finally:
            launched.end()
    if refused is not None and not any(words in refused for words in NO_SETTING):
        raise InterpError(refused)
    if failed and attempt == 1 and not submitted:
        raise InterpError(
            f"Nothing could be submitted ({words}). Mend the launcher's settings, hydra.launcher.…: "
            f"all that it said is in {run_folder.shown(log)}."
        )
    return _last_words(sweep, left, began) or words


def _wait(sweep: ShardSweep, launched: Launched | None, name: str | None, pace: Pace) -> bool:
    """Until every shard is complete or nobody works on one any more; whether anything was begun at all.

    On Slurm (a `name` of jobs) the launcher is not believed: without accounting it waits for ever for a job that was
    killed. Elsewhere it is, and ends by itself.
    """
    silent_since: float | None = None
    begun, said = False, ""
    while True:
        states = list(sweep.states().values())
        jobs = None if name is None else slurm_queue.jobs(name)
        queued = name is not None and _is_queued(jobs)
        begun = begun or bool(jobs) or any(state is not ShardState.ABSENT for state in states)
        said = _say_change(said, states, jobs)
        done = all(state is ShardState.COMPLETE for state in states)
        ended = launched is None or launched.status() is not None
        over = ended and not queued
        idle = over or done or (not queued and bool(jobs))
        silent_since = (silent_since or monotonic()) if idle and ShardState.RUNNING not in states else None
        # one that has nothing to say any more is not waited for
        if silent_since is not None and (over or monotonic() - silent_since >= pace.settle):
            return begun
        sleep(pace.poll)


def _is_queued(jobs: Sequence[slurm_queue.Job] | None) -> bool:
    """Whether one of them runs or may still run; a queue that does not answer may hold anything."""
    return jobs is None or any(job.is_left for job in jobs)


def _say_change(said: str, states: Sequence[ShardState], jobs: Sequence[slurm_queue.Job] | None) -> str:
    """Say how the shards stand where that has changed; what was said last."""
    counts = {state: states.count(state) for state in ShardState if state in states}
    line = f"{len(states)} shards: {', '.join(f'{count} {state}' for state, count in counts.items())}"
    waiting = sorted({job.reason for job in jobs or () if job.state == "PENDING"})
    line += f" (queue: {', '.join(waiting)})." if waiting else "."
    if line != said:
        say(line)
    return line


def _last_words(sweep: ShardSweep, left: Sequence[int], since: float) -> str:
    """What the job of the first shard that is not complete wrote last, where submitit keeps it."""
    states = sweep.states()
    for index, shard in enumerate(left):
        if states[shard] is ShardState.COMPLETE:
            continue
        # one job alone is no array, and has no index
        logs = [*sweep.place.glob(f".submitit/*{f'_{index}' if len(left) > 1 else ''}/*_log.err")]
        newest = max(
            (log for log in logs if log.stat().st_mtime >= since), key=lambda log: log.stat().st_mtime, default=None
        )
        if newest is not None and last_words(newest):
            return f"{sweep.named([shard])}: {last_words(newest)}"
    return ""


def _unfinished(sweep: ShardSweep) -> list[int]:
    return [shard for shard, state in sweep.states().items() if state is not ShardState.COMPLETE]


@contextmanager
def _cancelled(prefix: str | None) -> Iterator[None]:
    """Whatever happens meanwhile, no job whose name begins so is left in Slurm's queue afterwards."""
    try:
        yield
    finally:
        if prefix is not None:
            slurm_queue.cancel(prefix)


def say(line: str) -> None:
    """Print it on stderr; stdout is for what was found."""
    print(printable(line), file=sys.stderr, flush=True)
