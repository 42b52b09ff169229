"""Ctrl-C at any moment, once or again and again: one line, and nothing that is taken for whole."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from experiments.cli.interrupts import STOPPED, was_interrupted
from interp.results import UNFINISHED, read_manifest
from tests.support.paths import ROOT
from tests.support.refusing_system import before

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

Interp = Callable[..., "Outcome"]


def interrupt(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "moment",
    [
        "experiments.__main__.make_folder",
        "experiments.__main__.import_runner",
        "interp.results.write_manifest",
        "interp.results.save_notes",
        "interp.corpora.text.sentence",
        "interp.models.loading.local",
        "interp.models.hugging_face.model.AttentionModel.run",
        "interp.results.save_tables",
        "interp.results.written",
        "os.replace",
    ],
)
def test_an_interrupt_at_any_moment(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setattr("experiments.sentence.draw", lambda tables, style: {})
    command = ("experiment=sentence", "text=the cat saw a dog.", *tiny, "hydra.run.dir=run")
    with monkeypatch.context() as patch:
        patch.setattr(moment, interrupt)
        outcome = interp(*command)
    assert (outcome.code, outcome.out, outcome.err) == (130, "", f"{STOPPED}\n")
    if (tmp_path / "run").exists():
        assert (read_manifest(tmp_path / "run") or {}).get("status") != "complete"
        assert list((tmp_path / "run").rglob(f"{UNFINISHED}*")) == []
    assert interp(*command).code == 0


def test_an_interrupt_that_a_library_turned_into_another_error(interp: Interp, monkeypatch: pytest.MonkeyPatch) -> None:
    def stumbles() -> None:
        try:
            raise KeyboardInterrupt
        finally:
            # as OmegaConf does in the middle of a copy
            raise AttributeError("'NoneType' object has no attribute '_invalidate_flags_cache'")

    monkeypatch.setattr("experiments.__main__.import_runner", stumbles)
    outcome = interp()
    assert (outcome.code, outcome.out, outcome.err) == (130, "", f"{STOPPED}\n")


def test_an_error_that_comes_of_itself_is_no_interrupt() -> None:
    cause, error = ValueError("cause"), ValueError("error")
    error.__cause__, cause.__context__ = cause, error
    assert not was_interrupted(error)


def test_a_second_interrupt_before_the_first_is_answered(interp: Interp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.__main__.import_runner", interrupt)
    pressed: list[object] = []
    monkeypatch.setattr(signal, "signal", before(lambda *how: pressed.append(how), lambda: None))
    assert interp().code == 130
    assert pressed[0] == (signal.SIGINT, signal.SIG_IGN)


# of a process of its own: what Python does before `main` and after it

AT_HYDRAS_IMPORT = """
import os, runpy, signal, sys
class Watch:
    def find_spec(self, name, *_):
        if name == "hydra":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Watch())
runpy.run_module("experiments", run_name="__main__")
"""
AT_THE_END = """
import atexit, os, signal, sys
import experiments.__main__ as command
def interrupt():
    raise KeyboardInterrupt
command.import_runner = interrupt
sys.argv[1:] = ["hydra.run.dir=run"]
atexit.register(os.kill, os.getpid(), signal.SIGINT)
command.main()
"""


@pytest.mark.parametrize("code", [AT_HYDRAS_IMPORT, AT_THE_END])
def test_an_interrupt_before_and_after_the_command(tmp_path: Path, code: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    # a shell says 130 of both
    assert done.returncode in (130, -signal.SIGINT)
    assert (done.stdout, done.stderr) == ("", f"{STOPPED}\n")
    assert list(tmp_path.iterdir()) == []
