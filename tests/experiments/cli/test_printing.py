"""A standard output that is full, gone or closed: the run is complete, and the reason said."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.cli.printing import flush, say
from interp.errors import InterpError
from tests.support.paths import ROOT


class Refusing:
    """A stream that takes nothing."""

    def __init__(self, number: int) -> None:
        self.number = number

    def write(self, _: str) -> int:
        raise OSError(self.number, os.strerror(self.number))

    def flush(self) -> None:
        self.write("")


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EPIPE])
def test_an_output_that_takes_nothing(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdout", Refusing(number))
        for call in (lambda: say("a line"), flush):
            with pytest.raises(InterpError, match=rf"cannot be written \({os.strerror(number)}\).*manifest\.json"):
                call()
        say("a note", to=Refusing(number))  # pyright: ignore[reportArgumentType]
        patch.setattr(sys, "stdout", None)
        flush()


CLOSED = "import sys; sys.argv[1:] = ['--cfg', 'job']; from experiments.__main__ import main; main()"


@pytest.mark.parametrize("where", ["/dev/full", "pipe"])
def test_what_is_printed_into_a_full_device_or_a_closed_pipe(tmp_path: Path, where: str) -> None:
    if where == "pipe":
        read, write = os.pipe()
        os.close(read)
    elif Path(where).exists():
        write = os.open(where, os.O_WRONLY)
    else:
        pytest.skip(f"this system has no {where}")
    try:
        done = subprocess.run(
            [sys.executable, "-c", CLOSED],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=write,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )
    finally:
        os.close(write)
    assert done.returncode == 1
    assert done.stderr.startswith("Error: ") and done.stderr.count("\n") == 1, done.stderr
    assert "Allowed: " in done.stderr
