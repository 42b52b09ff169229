"""One process in a run's folder at a time, however it ends."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from experiments.cli.run_folder import LOCK, check_free, held, remove_empty
from interp.errors import InterpError
from tests.support.paths import ROOT

HOLDS = """
import sys
from pathlib import Path
from experiments.cli.run_folder import held
with held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_is_held_by_one_and_then_free(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "run"
    with held(folder):
        assert os.listdir(folder) == [LOCK]
        with pytest.raises(InterpError, match="in use by another run"), held(folder):
            pytest.fail("two hold it")
        with pytest.raises(InterpError), held(folder):
            pytest.fail("the one that was refused has let it go")
    assert os.listdir(folder) == []
    with held(folder):
        pass


@pytest.mark.parametrize("ends", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_process_holds_it_as_long_as_it_lives(tmp_path: Path, ends: signal.Signals) -> None:
    command = [sys.executable, "-c", HOLDS, str(tmp_path)]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    ) as other:
        assert other.stdout is not None and other.stdout.readline() == b"held\n"
        with pytest.raises(InterpError, match=f"process {other.pid} on "), held(tmp_path):
            pytest.fail("two hold it")
        other.send_signal(ends)
        other.wait()
    with held(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def test_a_link_in_the_locks_place_is_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine", encoding="utf-8")
    (tmp_path / LOCK).symlink_to("mine")
    with pytest.raises(InterpError, match="nothing can be written there"), held(tmp_path):
        pytest.fail("it is held")
    assert (tmp_path / "mine").read_text(encoding="utf-8") == "mine"


def test_a_place_where_no_folder_can_be_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InterpError, match="nothing can be written there"), held(tmp_path / "file"):
        pytest.fail("it is held")


def test_what_a_run_would_overwrite_is_named(tmp_path: Path) -> None:
    check_free(tmp_path)
    for name in ("notes.txt", ".gitignore", LOCK, "data.conllu"):
        (tmp_path / name).touch()
    check_free(tmp_path)
    for number in range(7):
        (tmp_path / f"{number}.csv").touch()
    with pytest.raises(InterpError, match=r"holds 0\.csv, 1\.csv, 2\.csv, 3\.csv, 4\.csv, … and no manifest"):
        check_free(tmp_path)


def test_a_readme_of_somebody_else_s_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(InterpError, match=r"holds README\.md and no manifest of a run"):
        check_free(tmp_path)


def test_empty_folders_are_removed_as_far_as_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run = tmp_path / "outputs" / "a" / "run"
    run.mkdir(parents=True)
    (tmp_path / "outputs" / "b").mkdir()
    remove_empty(run, named=True)
    assert run.is_dir()
    remove_empty(run, named=False)
    assert [path.name for path in tmp_path.rglob("*")] == ["outputs", "b"]
    remove_empty(tmp_path / "outputs" / "b", named=False)
    assert tmp_path.is_dir() and os.listdir(tmp_path) == []
