"""Ctrl-C, at any moment: one line and exit status 130, never a traceback."""

import signal
import sys
from contextlib import suppress
from types import TracebackType

STOPPED = "Stopped. Nothing unfinished is marked as complete."


def stop() -> None:
    """Say so and exit with 130; who presses the keys again while Python ends is not answered by a traceback."""
    # only the main thread may, and only there is an interrupt raised
    with suppress(ValueError):
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    print(STOPPED, file=sys.stderr)
    sys.exit(130)


def was_interrupted(error: BaseException) -> bool:
    """Whether an error comes of an interrupt: OmegaConf stumbles where it is interrupted, and raises what it met."""
    # a cause that is raised anew has what it was the cause of for its context: a circle
    seen: set[int] = set()
    link: BaseException | None = error
    while link is not None and id(link) not in seen:
        if isinstance(link, KeyboardInterrupt):
            return True
        seen.add(id(link))
        link = link.__cause__ or link.__context__
    return False


def say_while_importing() -> None:
    """From here on an interrupt before `main` has begun, while Hydra is imported, is one line as well."""
    before = sys.excepthook

    def said(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if was_interrupted(error):
            print(STOPPED, file=sys.stderr)
        else:
            before(kind, error, trace)

    sys.excepthook = said
