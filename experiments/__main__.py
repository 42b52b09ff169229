"""The command line, `python -m experiments experiment=atlas model=minilm corpus=grammar`: where Hydra comes in."""

import os
import sys
from io import TextIOWrapper
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from experiments.cli.error_messages import CONF, explain
from experiments.cli.output_folder import make_folder, remove_empty, sweep_notes_kept
from experiments.cli.shell_quoting import is_sweep, quote, sweep_first
from interp.errors import InterpError
from interp.text.printable import printable


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def task(config: DictConfig) -> None:
    """One run; imported here so that --help and --cfg need neither torch nor TransformerLens."""
    from experiments.cli.running import run_once

    try:
        run_once(config)
    except Exception as error:
        message = explain(error)
        if message is None:
            raise
        if HydraConfig.get().mode == RunMode.RUN:
            # of an error Hydra would say first that there was one
            raise SystemExit(1) from error
        # a job of a sweep may run in another process, and causes do not come back from there
        raise InterpError(message) from error


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
        made = make_folder(sys.argv[1:])
        with sweep_notes_kept(sys.argv[1:]):
            task()
    except KeyboardInterrupt:
        print("Stopped. Nothing unfinished is marked as complete.", file=sys.stderr)
        sys.exit(130)
    except (Exception, SystemExit) as stop:
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
    main()
