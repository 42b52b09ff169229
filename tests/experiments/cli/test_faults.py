"""Disk full, read-only, folder removed, clock going back, no temporary space: the data whole, and the reason said."""

import errno
import json
import locale
import os
import shutil
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from experiments.cli.run_folder import LOCK, held
from interp import results
from tests.support.refusing_system import before, no_room

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

Interp = Callable[..., "Outcome"]

COMMAND = ("experiment=sentence", "text=the cat saw a dog.", "hydra.run.dir=run")

# of each stage of a run the function that writes, and which call of it
STAGES = {
    "first manifest": ("write_manifest", 1),
    "notes": ("save_notes", 1),
    "second manifest": ("write_manifest", 2),
    "tables": ("save_tables", 1),
    "figures": ("save_figures", 1),
    "last manifest": ("write_manifest", 3),
}


@pytest.fixture
def command(tiny: tuple[str, str]) -> tuple[str, ...]:
    return (*COMMAND, *tiny)


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("experiments.sentence.draw", lambda tables, style: {})


def content(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(outcome: "Outcome", *said: str) -> None:
    """One paragraph that says it, and no traceback."""
    assert outcome.code == 1, outcome.out + outcome.err
    assert outcome.err.startswith("Error: ") and outcome.err.count("\n") == 1
    for part in said:
        assert part in outcome.err
    assert outcome.out == ""


def not_complete(folder: Path) -> bool:
    """Nothing there says that it is complete, and nothing is half-written."""
    left = [path.name for path in folder.rglob(f"{results.UNFINISHED}*")]
    manifest = results.read_manifest(folder) or {}
    return left == [] and manifest.get("status") != "complete" and not (folder / LOCK).exists()


def when(monkeypatch: pytest.MonkeyPatch, stage: str, happens: Callable[[], object]) -> None:
    name, at = STAGES[stage]
    monkeypatch.setattr(results, name, before(getattr(results, name), happens, at=at))


# --- no room


@pytest.mark.parametrize("stage", STAGES)
def test_a_full_disk_at_any_stage(
    interp: Interp, tmp_path: Path, command: tuple[str, ...], stage: str, request: pytest.FixtureRequest
) -> None:
    if stage != "figures":
        request.getfixturevalue("without_figures")
    with pytest.MonkeyPatch.context() as patch, ExitStack() as until:
        when(patch, stage, lambda: until.enter_context(no_room(20)))
        outcome = interp(*command)
    refused(outcome, " cannot be written (", "Make room there", "hydra.run.dir=DIR")
    assert not_complete(tmp_path / "run")
    # with room again, the same command
    outcome = interp(*command)
    assert outcome.code == 0, outcome.err
    assert (results.read_manifest(tmp_path / "run") or {})["status"] == "complete"


def test_a_complete_run_survives_a_full_disk(
    interp: Interp, tmp_path: Path, command: tuple[str, ...], without_figures: None
) -> None:
    assert interp(*command).code == 0
    whole = content(tmp_path / "run")
    with no_room():
        outcome = interp(*command)
    assert outcome.code == 0 and "It is left as it is" in outcome.out
    assert content(tmp_path / "run") == whole
    # of one that lacks a table the rest stays, and it is not called complete for what it was
    (tmp_path / "run" / "attention.csv").unlink()
    whole.pop("attention.csv")
    with no_room(20):
        outcome = interp(*command)
    assert outcome.code == 1 and "Traceback" not in outcome.err and "Make room" in outcome.err
    assert content(tmp_path / "run") == whole


def test_the_notes_of_an_earlier_sweep_survive_a_full_disk(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None
) -> None:
    sweep = ("-m", "experiment=sentence", "text=the cat saw a dog.", *tiny, "hydra.sweep.dir=sweep")
    assert interp(*sweep, "seed=0").code == 0
    whole = content(tmp_path / "sweep")
    with no_room():
        outcome = interp(*sweep, "seed=1")
    refused(outcome, "Allowed: room where the run's folder", "give the command again")
    assert content(tmp_path / "sweep") == whole
    assert interp(*sweep, "seed=0").code == 0


# --- read-only, damaged, gone


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES, errno.EIO])
def test_a_folder_that_cannot_be_written_any_more(
    interp: Interp,
    tmp_path: Path,
    command: tuple[str, ...],
    without_figures: None,
    monkeypatch: pytest.MonkeyPatch,
    number: int,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patch:
        when(patch, "tables", lambda: patch.setattr(results.tempfile, "mkstemp", refuse))
        outcome = interp(*command)
    refused(outcome, "attention.parquet cannot be written", os.strerror(number), "hydra.run.dir=DIR")
    assert not_complete(tmp_path / "run")


@pytest.mark.parametrize("place", ["run", "run/figures", "run/.hydra", "above"])
def test_a_folder_that_is_read_only(interp: Interp, tmp_path: Path, command: tuple[str, ...], place: str) -> None:
    run = tmp_path / ("above/deeper/run" if place == "above" else "run")
    command = (*command, f"hydra.run.dir={run}")
    if place in ("run/figures", "run/.hydra"):
        # a run that was not finished
        assert interp(*command).code == 0
        manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
        (run / "manifest.json").write_text(json.dumps(manifest | {"status": "running"}), encoding="utf-8")
    closed = tmp_path / place
    closed.mkdir(exist_ok=True)
    closed.chmod(0o555)
    try:
        if os.access(closed, os.W_OK):
            pytest.skip("this user, root perhaps, may write into a read-only folder")
        outcome = interp(*command)
    finally:
        closed.chmod(0o755)
    refused(outcome, os.strerror(errno.EACCES), "hydra.run.dir=DIR")
    assert not_complete(run)


def test_a_file_where_a_folder_has_to_be(tmp_path: Path) -> None:
    (tmp_path / "figures").touch()
    with pytest.raises(results.InterpError, match=r"figures cannot be written .*See who removes or replaces it"):
        results.save_figures(tmp_path, {})


@pytest.mark.parametrize("stage", ["tables", "figures", "last manifest", "hashes"])
@pytest.mark.parametrize("gone", ["run", "."])
def test_a_folder_that_is_removed_while_the_run_works(
    interp: Interp,
    tmp_path: Path,
    command: tuple[str, ...],
    without_figures: None,
    monkeypatch: pytest.MonkeyPatch,
    stage: str,
    gone: str,
) -> None:
    """The run's own, or the one that the command was given in."""
    (tmp_path / "here").mkdir()
    place = tmp_path / "here" / gone
    here = tmp_path / "here"
    with monkeypatch.context() as patch:
        patch.setitem(STAGES, "hashes", ("written", 1))
        when(patch, stage, lambda: shutil.rmtree(place))
        from tests.support.command_line import run_in

        outcome = run_in(here, *command)
    refused(outcome, " cannot be written (", "See who removes or replaces it")
    assert not place.exists() or not_complete(place)


def test_a_note_of_who_holds_the_folder_is_not_worth_a_run(tmp_path: Path) -> None:
    with no_room(), held(tmp_path):
        assert (tmp_path / LOCK).read_bytes() == b""
    assert os.listdir(tmp_path) == []


# --- the clock


def test_a_clock_that_goes_back(
    interp: Interp,
    tmp_path: Path,
    command: tuple[str, ...],
    without_figures: None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    moments = iter(datetime(2020, 1, 1, tzinfo=UTC) - timedelta(days=day) for day in range(100))

    class Backwards(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # pyright: ignore[reportIncompatibleMethodOverride]
            return next(moments)

    monkeypatch.setattr("experiments.cli.manifest.datetime", Backwards)
    monkeypatch.setattr("time.time", lambda: next(moments).timestamp())
    outcome = interp(*command)
    assert outcome.code == 0, outcome.err
    manifest = results.read_manifest(tmp_path / "run") or {}
    assert manifest["status"] == "complete" and manifest["finished"] < manifest["started"]
    passes = manifest["seconds"].pop("passes")
    assert all(seconds >= 0 for seconds in (*passes.values(), *manifest["seconds"].values()))
    assert f"Note: the clock went back: finished {manifest['finished']}, started" in outcome.out
    assert any("the clock went back" in note for note in manifest["said"])
    # the next run of the same folder finds it complete, whenever it was
    assert "complete. It is left as it is" in interp(*command).out


# --- temporary files, and other numbers


def test_no_folder_for_temporary_files(interp: Interp, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/nowhere/a", "/nowhere/b"])
    # as a library does that torch imports
    monkeypatch.setattr("experiments.__main__.import_runner", tempfile.gettempdir)
    refused(interp(), "No folder for temporary files can be written (tried: /nowhere/a, /nowhere/b)", "TMPDIR=DIR")


def test_numbers_have_a_point_where_the_locale_has_a_comma(
    interp: Interp, tmp_path: Path, command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    before_it = locale.setlocale(locale.LC_ALL)
    for name in ("de_DE.UTF-8", "fr_FR.UTF-8", "tr_TR.UTF-8", "de_DE.utf8"):
        try:
            locale.setlocale(locale.LC_ALL, name)
            break
        except locale.Error:
            continue
    else:
        pytest.skip("no locale with a decimal comma is installed")
    try:
        outcome = interp(*command)
    finally:
        locale.setlocale(locale.LC_ALL, before_it)
    assert outcome.code == 0, outcome.err
    other = interp(*command[:2], *command[3:], "hydra.run.dir=other")
    assert other.code == 0
    here, there = content(tmp_path / "run"), content(tmp_path / "other")
    assert all(here[name] == there[name] for name in here if name.endswith((".csv", ".png")))


@pytest.mark.parametrize(
    ("number", "said"),
    [(errno.EMFILE, "ulimit -n"), (errno.EIO, "disks that can be read"), (errno.ENOSPC, "room where the run's folder")],
)
def test_what_the_machine_refuses_elsewhere(
    interp: Interp, monkeypatch: pytest.MonkeyPatch, number: int, said: str
) -> None:
    def refuse() -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("experiments.__main__.import_runner", refuse)
    refused(interp(), os.strerror(number), said)
