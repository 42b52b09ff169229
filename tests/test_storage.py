"""What the system refuses while a file is written, in words."""

import errno
import os
from pathlib import Path

import pytest

from interp.errors import InterpError
from interp.storage import refused, writing
from tests.support.refusing_system import no_room


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, "Make room there"),
        (errno.EROFS, "can be written. Make it so"),
        (errno.EACCES, "can be written. Make it so"),
        (errno.ENOENT, "See who removes"),
        (errno.EIO, "See to its disk"),
    ],
)
def test_what_the_system_refuses_is_said_with_what_to_do(number: int, advice: str) -> None:
    with pytest.raises(InterpError) as told, writing(Path("run/a.csv"), "do otherwise"):
        raise OSError(number, os.strerror(number))
    assert str(told.value).startswith(f"run/a.csv cannot be written ({os.strerror(number)}). No file is left half-")
    assert advice in str(told.value) and ", or do otherwise; " in str(told.value)


def test_a_file_that_may_not_grow(tmp_path: Path) -> None:
    with no_room(10), pytest.raises(InterpError, match="Make room"), writing(tmp_path / "a", "do otherwise"):
        (tmp_path / "a").write_bytes(b"x" * 11)


def test_what_an_error_comes_of_is_found_and_nothing_that_was_dealt_with() -> None:
    full = OSError(errno.ENOSPC, "full")
    assert refused(full) == errno.ENOSPC
    wrapped, beside = ValueError("wrapped"), ValueError("raised where another was dealt with")
    wrapped.__cause__, beside.__context__ = full, full
    assert refused(wrapped) == errno.ENOSPC
    assert refused(beside) is None
    assert refused(ValueError("I/O error: No space left on device (os error 28)")) == 28
    assert refused(ValueError("anything else")) is None


def test_other_errors_are_as_they_are(tmp_path: Path) -> None:
    mine = InterpError("mine")
    for error in (mine, RuntimeError("bug"), KeyboardInterrupt()):
        with pytest.raises(type(error)) as told, writing(tmp_path, "do otherwise"):
            raise error
        assert told.value is error
