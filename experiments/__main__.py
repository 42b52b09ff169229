"""The command line, `python -m experiments experiment=atlas model=minilm corpus=grammar`: where Hydra comes in."""

import os
import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from experiments import command_line

CONF = next(
    folder
    for folder in (Path(__file__).parents[1] / "interp" / "conf", Path(__file__).parents[1] / "conf")
    if folder.is_dir()
)


@hydra.main(version_base="1.3", config_path=str(CONF), config_name="config")
def task(config: DictConfig) -> None:
    """One run; imported here so that --help and --cfg need neither torch nor TransformerLens."""
    from experiments.running import run_once

    run_once(config)


def main() -> None:
    """Run what the command line asks for; an error that the user can mend is one paragraph and exit status 1."""
    wants_traceback = os.environ.get("HYDRA_FULL_ERROR") == "1"
    # without this Hydra prints its own traceback before the error reaches us
    os.environ["HYDRA_FULL_ERROR"] = "1"
    arguments = [command_line.quote_text(argument) for argument in sys.argv[1:]]
    sys.argv[1:] = arguments
    made: list[Path] = []
    try:
        made = command_line.make_folder(arguments)
        task()
    except KeyboardInterrupt:
        sys.exit("Stopped. Nothing unfinished is marked as complete.")
    except Exception as error:
        message = command_line.explain(error, CONF)
        if wants_traceback or message is None:
            raise
        print(message, file=sys.stderr)
        sys.exit(1)
    finally:
        command_line.remove_empty(made)


if __name__ == "__main__":
    main()
