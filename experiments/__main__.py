"""The command line, `python -m experiments experiment=atlas model=minilm corpus=grammar`: where Hydra comes in."""

import gc
import os
import sys
from collections.abc import Callable
from functools import cache
from io import TextIOWrapper
from pathlib import Path
from time import perf_counter

from experiments.cli import interrupts

interrupts.say_while_importing()

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from experiments import BEGAN
from experiments.cli.error_messages import CONF, explain
from experiments.cli.output_folder import make_folder, remove_empty, sweep_notes_kept
from experiments.cli.printing import flush
from experiments.cli.refused_flags import check_flags
from experiments.cli.shell_quoting import is_sweep, quote, sweep_first
from experiments.cli.stopwatch import Stopwatch
from interp.errors import InterpError
from interp.text.printable import printable


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def task(config: DictConfig) -> None:
    """One run; of several in one process each begins with itself."""
    is_only = HydraConfig.get().mode == RunMode.RUN
    watch = Stopwatch(BEGAN if is_only else perf_counter())
    try:
        import_runner()(config, watch)
    except Exception as error:
        if interrupts.was_interrupted(error):
            raise KeyboardInterrupt from error
        message = explain(error)
        if message is None:
            raise
        if is_only:
            # of an error Hydra would say first that there was one
            raise SystemExit(1) from error
        # a job of a sweep may run in another process, and causes do not come back from there
        raise InterpError(message) from error


@cache
def import_runner() -> Callable[[DictConfig, Stopwatch], None]:
    """What runs an experiment; imported here so that --help and --cfg need neither torch nor TransformerLens.

    Half a million objects come with these libraries and stay to the end. Looking for garbage among them, again and
    again while they come, and once more at the end, would take a third of the time that they take.
    """
    gc.disable()
    from experiments.cli.running import run_once

    gc.freeze()
    gc.enable()
    return run_once


def main() -> None:
    """Run what the command line asks for; an error that the user can mend is one paragraph and exit status 1."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # of letters that the terminal does not have, their numbers
            stream.reconfigure(errors="backslashreplace")
    asked = os.environ.get("HYDRA_FULL_ERROR")
    # without this Hydra prints its own traceback before the error reaches us
    os.environ["HYDRA_FULL_ERROR"] = "1"
    sweep = is_sweep(sys.argv)
    sys.argv[1:] = [quote(argument, sweep=sweep) for argument in sweep_first(sys.argv[1:])]
    made: list[Path] = []
    try:
        check_flags(sys.argv[1:])
        made = make_folder(sys.argv[1:])
        with sweep_notes_kept(sys.argv[1:]):
            task()
        flush()
    except KeyboardInterrupt:
        interrupts.stop()
    except (Exception, SystemExit) as stop:
        if interrupts.was_interrupted(stop):
            interrupts.stop()
        error = stop.__cause__ if isinstance(stop, SystemExit) else stop
        if error is None:
            raise
        message = explain(error)
        if asked == "1" or message is None:
            raise error from error.__cause__
        print(f"Error: {printable(message)}", file=sys.stderr)
        sys.exit(1)
    finally:
        del os.environ["HYDRA_FULL_ERROR"]
        os.environ |= {} if asked is None else {"HYDRA_FULL_ERROR": asked}
        remove_empty(made)


if __name__ == "__main__":
    # by the name that other processes know it by: a launcher's workers import what they are given
    from experiments.__main__ import main as importable_main

    importable_main()
