"""A run in shards, on one machine or a cluster: `python -m experiments.cli.cluster`."""

import signal
import sys
from argparse import ArgumentParser, Namespace, RawDescriptionHelpFormatter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from experiments.cli import run_folder
from experiments.cli.cluster.attempts import Pace, complete, merge, say
from experiments.cli.cluster.launched import STOPPED
from experiments.cli.cluster.shard_sweep import ShardSweep
from experiments.cli.error_messages import explain
from interp.text.printable import printable

EPILOG = """\
python -m experiments.cli.cluster --shards 8 --launcher parallel --folder outputs/ewt \\
    experiment=head_roles model=smollm2 corpus=conllu corpus.path=FILE.conllu
python -m experiments.cli.cluster --shards 64 --launcher slurm --folder outputs/ewt \\
    hydra.launcher.partition=gpu hydra.launcher.gpus_per_node=1 experiment=…
Recipes: docs/clusters.md."""


def main(arguments: Sequence[str] | None = None, pace: Pace = Pace()) -> None:  # noqa: B008
    """Run what the command line asks for; an error that the user can mend is one paragraph and exit status 1."""
    given = _arguments(arguments)
    try:
        with _stopped_in_order():
            sweep = ShardSweep(given.folder, given.shards, given.launcher, tuple(given.overrides), given.config_dir)
            launcher = sweep.check()
            # one of these commands at a time
            with run_folder.held(sweep.place):
                complete(sweep, launcher, attempts=given.attempts, pace=pace)
            status = merge(sweep)
    except KeyboardInterrupt:
        say("Stopped. What was submitted is cancelled; the same command goes on from what is there.")
        sys.exit(STOPPED)
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        print(f"Error: {printable(message)}", file=sys.stderr)
        sys.exit(1)
    if status:
        sys.exit(status)


@contextmanager
def _stopped_in_order() -> Iterator[None]:
    """While it is open, SIGTERM stops the command as Ctrl-C does: it takes back what it has submitted."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _arguments(arguments: Sequence[str] | None) -> Namespace:
    parser = ArgumentParser(
        prog="python -m experiments.cli.cluster",
        description="A run in shards, on one machine or a cluster: submits them, again where they died, and merges.",
        epilog=EPILOG,
        formatter_class=RawDescriptionHelpFormatter,
    )
    parser.add_argument("--shards", type=int, required=True, metavar="N", help="parts of the run")
    parser.add_argument(
        "--folder", type=Path, required=True, metavar="DIR", help="gets the tables; shards lie below it"
    )
    parser.add_argument(
        "--launcher", default="parallel", metavar="NAME", help="parallel (default), slurm, ray_workers, or any other"
    )
    parser.add_argument("--attempts", type=int, default=5, metavar="N", help="how often a shard is submitted (5)")
    parser.add_argument("--config-dir", type=Path, metavar="DIR", help="as of python -m experiments")
    parser.add_argument(
        "overrides", nargs="*", metavar="KEY=VALUE", help="the run's settings, hydra.launcher.… among them"
    )
    return parser.parse_intermixed_args(arguments)


if __name__ == "__main__":
    main()
