"""Flags of Hydra that this command line refuses."""

from collections.abc import Sequence

from interp.errors import InterpError

RERUN = "--experimental-rerun"
"""Hydra reads a pickle for it, and a pickle runs what it likes."""


def check_flags(arguments: Sequence[str]) -> None:
    """Raises `InterpError` for a flag that is refused, also cut short, as Hydra takes it."""
    for flag in (argument.split("=")[0] for argument in arguments):
        if len(flag) > len("--") and RERUN.startswith(flag):
            raise InterpError(
                f"{flag} is not allowed: Hydra would load a pickle, which can run anything. Allowed: the settings of a "
                "run as they were typed, which its .hydra/overrides.yaml lists. Give them again."
            )
