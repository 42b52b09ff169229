"""One input under watch: what is neither a result nor a refusal, takes too long, or counts wrongly is a finding."""

import faulthandler
import signal
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from interp.errors import CorpusError, InterpError

LONGEST_MESSAGE = 3000
"""Characters of an error, which may list every check of the gate; the path of the file comes on top."""

WHOLE_FILE = (
    *(
        "it holds no",
        "cannot be read on after line",
        "it has no `# newdoc`",
        "which nothing",
        "allowed is a corpus with",
    ),
    *(
        "leaves nothing to tell heads apart",
        "cannot be read as a picture",
        "documents that fit",
        "the last document",
    ),
)
"""What is wrong with a file as a whole, and has no line."""


class Finding(NamedTuple):
    """What went wrong, in a word that is the same for all findings of one kind, and in full."""

    kind: str
    said: str


class TooLongError(BaseException):
    """An input that takes longer than it may; no `Exception`, so that nobody catches it on the way."""


class WrongCountError(AssertionError):
    """What was read is not what stands there."""


def insist(holds: object, said: str) -> None:
    """Raises `WrongCountError` where it does not hold."""
    if not holds:
        raise WrongCountError(said)


@contextmanager
def limit(seconds: float) -> Iterator[None]:
    """Raises `TooLongError` inside after so many seconds of work, or ten times as many by the clock.

    A machine that is busy with something else is no hang. A library that does not come back ends the process after
    twice that, with all stacks on stderr.
    """

    def late(_number: int, _frame: Any) -> None:
        raise TooLongError

    clocks = ((signal.ITIMER_PROF, signal.SIGPROF, seconds), (signal.ITIMER_REAL, signal.SIGALRM, 10 * seconds))
    before = {number: signal.signal(number, late) for _, number, _ in clocks}
    faulthandler.dump_traceback_later(20 * seconds, exit=True)
    try:
        for clock, _, most in clocks:
            signal.setitimer(clock, most)
        yield
    finally:
        for clock, _, _ in clocks:
            signal.setitimer(clock, 0)
        faulthandler.cancel_dump_traceback_later()
        for number, handler in before.items():
            signal.signal(number, handler)


def watch(read: Callable[[Path], None], path: Path, *, by_lines: bool, seconds: float) -> Finding | str:
    """`result` or `refusal`, or what is wrong with what `read` does with the file."""
    try:
        # what a library warns of is not looked at here
        with limit(seconds), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(path)
    except InterpError as error:
        problem = wrong_with(error, path, by_lines=by_lines)
        return "refusal" if problem is None else Finding(f"refusal: {problem}", str(error)[:2000])
    except TooLongError:
        return Finding("too long", f"more than {seconds} s")
    except WrongCountError as error:
        return Finding(f"wrong: {str(error).split(':')[0]}", str(error)[:2000])
    except BaseException as error:
        # a panic of a library in Rust is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit):
            raise
        where = traceback.extract_tb(error.__traceback__)
        own = [frame for frame in where if "/interp/" in frame.filename] or list(where)
        place = f"{Path(own[-1].filename).name}:{own[-1].name}"
        return Finding(f"{type(error).__name__} in {place}", "".join(traceback.format_exception(error))[-4000:])
    return "result"


def wrong_with(error: InterpError, path: Path, *, by_lines: bool) -> str | None:
    """What a refusal lacks: the file, the line, or words that can be printed and are few."""
    try:
        said = str(error)
        said.encode()
    except UnicodeEncodeError:
        return "half of a character in it"
    # once it is read, a model is spoken of by its name
    is_named = not by_lines and any(f"{name!r}" in said for name in ("model", path.stem))
    if str(path) not in said and str(path.parent) not in said and not is_named:
        return "names no file"
    if len(said) > LONGEST_MESSAGE + said.count(str(path)) * len(str(path)):
        return "too long to be read"
    if "\n" in said:
        return "more than one line"
    if by_lines:
        if not isinstance(error, CorpusError):
            return "no error of a corpus"
        if error.line is None and not any(words in said for words in WHOLE_FILE):
            return "no line"
        if error.line is not None and error.line < 1:
            return "a line that is none"
    return None
