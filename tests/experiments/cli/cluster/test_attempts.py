"""Shards that die and are submitted again: what the driver makes of manifests, locks and queues, which are fakes here.

On a Slurm, on Ray and on the processes of one machine: `test_for_real.py`.
"""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hydra.errors import MissingConfigException

from experiments.cli.cluster import attempts as attempts_module
from experiments.cli.cluster import slurm_queue
from experiments.cli.cluster.__main__ import main
from experiments.cli.cluster.attempts import Pace, complete
from experiments.cli.cluster.launched import Launched, last_words
from experiments.cli.cluster.shard_state import ShardState, shard_state
from experiments.cli.cluster.shard_sweep import JOBLIB, SLURM, ShardSweep
from experiments.cli.error_messages import explain
from experiments.cli.run_folder import LOCK, held
from experiments.cli.sums.kept import parent_of_shards
from interp.errors import InterpError
from interp.progress import Shard
from tests.support.launchers import is_installed
from tests.support.paths import ROOT

AT_ONCE = Pace(0, 0, 0)
SETTINGS = ("experiment=head_roles", "corpus.documents=5")


def write_manifest(folder: Path, status: str, config: dict | None = None) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "manifest.json").write_text(json.dumps({"status": status, "config": config or {}}), encoding="utf-8")


# --- how a shard stands


def test_a_shard_stands_as_its_manifest_and_lock_say(tmp_path: Path) -> None:
    assert shard_state(tmp_path / "shard") is ShardState.ABSENT
    with held(tmp_path):
        assert shard_state(tmp_path) is ShardState.RUNNING
        write_manifest(tmp_path, "running")
        assert shard_state(tmp_path) is ShardState.RUNNING
    assert shard_state(tmp_path) is ShardState.DIED
    write_manifest(tmp_path, "complete")
    assert shard_state(tmp_path) is ShardState.COMPLETE


def test_a_shard_killed_before_its_manifest_was_begun(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    assert shard_state(tmp_path) is ShardState.DIED


def test_to_look_at_a_lock_does_not_take_it(tmp_path: Path) -> None:
    (tmp_path / LOCK).touch()
    assert shard_state(tmp_path) is ShardState.DIED
    with held(tmp_path):
        pass


# --- what is submitted


def test_shards_have_the_same_folders_whenever_they_are_submitted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep = ShardSweep(Path("a, b"), 3, "slurm", ("seed=1", "json=true", "hydra.launcher.mem_gb=2"), Path("mine"))
    assert sweep.folder_of(2) == tmp_path / "a, b" / "shards" / "2" / "3"
    command = sweep.submit_command([1, 3], "name", {"_target_": SLURM})
    assert command[:6] == [sys.executable, "-m", "experiments", "--config-dir", f"{tmp_path}/mine", "--multirun"]
    place = f"hydra.sweep.dir='{tmp_path}/a, b/shards'"
    expected = {"shard=1/3,3/3", "hydra/launcher=slurm", place, "hydra.launcher.name=name", "hydra.launcher.mem_gb=2"}
    assert expected <= set(command)
    merge = sweep.merge_command()
    folders = ",".join(f"'{tmp_path}/a, b/shards/{shard}/3'" for shard in (1, 2, 3))
    assert merge[5:] == ["experiment=merge", f"runs=[{folders}]", "json=true", f"hydra.run.dir='{tmp_path}/a, b'"]


def test_what_is_about_the_whole_corpus_lies_beside_all_shards(tmp_path: Path) -> None:
    sweep = ShardSweep(tmp_path, 3, "basic", ())
    for shard in (1, 2, 3):
        assert parent_of_shards(sweep.folder_of(shard), Shard(shard, 3)) == sweep.place
    assert parent_of_shards(tmp_path / "second", Shard(2, 3)) == tmp_path
    assert parent_of_shards(tmp_path / "2" / "3", None) == tmp_path / "2"


def test_cores_are_shared_among_the_processes_of_one_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    sweep = ShardSweep(tmp_path, 20, "parallel", ())
    every = {"_target_": JOBLIB, "n_jobs": -1}
    assert sweep.submit_command([1, 2], "name", every)[-1] == "hydra.launcher.n_jobs=2"
    assert sweep.submit_command(range(1, 21), "name", every)[-1] == "hydra.launcher.n_jobs=8"
    assert "n_jobs" not in " ".join(sweep.submit_command([1, 2], "name", every | {"n_jobs": 3}))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--shards", "0"], "--shards 0 is no number of shards. Allowed: a whole number from 1"),
        (["--attempts", "0"], "--attempts 0 is no number of attempts"),
        (["shard=1/2"], "shard=1/2 has no place here. Give --shards N, and leave it out"),
        (["hydra.sweep.dir=x"], "Give --folder DIR"),
        (["hydra/launcher=slurm"], "Give --launcher NAME"),
        (["seed=0,1"], "seed=0,1 is a sweep. Allowed: one value"),
        (["--launcher", "basicc"], "hydra/launcher=basicc is not known. Did you mean 'basic'? Allowed: basic, "),
        (["modl=gpt2"], "modl is not a setting. Did you mean 'model'?"),
        (["seed=-1"], "seed=-1"),
        (["corpus=conllu"], "corpus.path has no value"),
    ],
)
def test_what_cannot_be_submitted_is_refused_before_it_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], said: str
) -> None:
    folder = tmp_path / "run"
    with pytest.raises(SystemExit) as stop:
        main(["--shards", "2", "--launcher", "basic", "--folder", str(folder), *given], AT_ONCE)
    out, err = capsys.readouterr()
    assert (stop.value.code, out) == (1, "")
    assert err.startswith("Error: ") and err.count("\n") == 1 and said in err
    assert not list(folder.glob("**/*.json")) and not list(folder.glob("**/*.log"))


PLUGINS = {"parallel": "hydra_joblib_launcher", "slurm": "hydra_submitit_launcher", "ray_workers": "hydra_ray_launcher"}


def test_every_launcher_of_the_project_composes(tmp_path: Path) -> None:
    assert {file.stem for file in (ROOT / "conf" / "hydra" / "launcher").glob("*.yaml")} == set(PLUGINS)
    for name, plugin in PLUGINS.items():
        sweep = ShardSweep(tmp_path, 2, name, SETTINGS)
        if is_installed(plugin):
            assert sweep.check()["_target_"].startswith(f"hydra_plugins.{plugin}.")
            continue
        with pytest.raises(MissingConfigException) as missing:
            sweep.check()
        assert "is not installed here. Allowed without it: hydra/launcher=basic" in str(explain(missing.value))


def test_a_launcher_that_is_not_installed_is_said_with_its_extra() -> None:
    said = explain(MissingConfigException("not found", "hydra/launcher/submitit_slurm"))
    assert said is not None and "launcher submitit_slurm is not installed" in said and "-e '.[slurm]'" in said


def test_folders_of_another_run_are_refused(tmp_path: Path) -> None:
    sweep = ShardSweep(tmp_path, 2, "basic", (*SETTINGS, "quiet=true"))
    assert sweep.check()["_target_"].endswith("BasicLauncher")
    (tmp_path / "scores.csv").touch()
    with pytest.raises(InterpError, match=r"holds scores\.csv and no manifest of a run"):
        sweep.check()
    (tmp_path / "scores.csv").unlink()
    write_manifest(sweep.folder_of(2), "complete", {"seed": 3})
    with pytest.raises(InterpError, match=r"2/2 holds another run\. What differs, there → here: .*seed: 3 → 0"):
        sweep.check()


# --- Slurm's queue


LISTED = """\
7_0|COMPLETED|None|interp-ab-1
7_1|RUNNING|None|interp-ab-1
7_2|PENDING|Resources|interp-ab-1
7_3|PENDING|launch failed requeued held|interp-ab-1
9|RUNNING|None|another|one
"""


def test_the_queue_is_read_and_what_is_left_of_ours_is_cancelled() -> None:
    asked: list[list[str]] = []

    def ask(command: Sequence[str]) -> str | None:
        asked.append(list(command))
        return LISTED

    listed = slurm_queue.jobs("interp-ab-", ask=ask)
    assert listed is not None
    assert [(job.number, job.is_left) for job in listed] == [
        ("7_0", False),
        ("7_1", True),
        ("7_2", True),
        ("7_3", False),
    ]
    assert slurm_queue.cancel("interp-ab-", ask=ask) == 3
    assert asked[-1] == ["scancel", "7_1", "7_2", "7_3"]
    assert slurm_queue.cancel("interp-xy-", ask=ask) == 0
    assert asked[-1][0] == "squeue"


def test_a_queue_that_does_not_answer_is_not_an_empty_one(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert slurm_queue.jobs("interp-ab-") is None
    assert slurm_queue.cancel("interp-ab-") == 0


# --- attempts


@dataclass
class Attempt:
    """What becomes of one submission: the shards that end well or are killed, and how the launcher ends."""

    complete: Sequence[int] = ()
    killed: Sequence[int] = ()
    status: int | None = 0
    words: str = ""


@dataclass
class Launcher:
    """In the place of `Launched`: every submission goes as planned."""

    sweep: ShardSweep
    attempts: list[Attempt]
    submitted: list[list[int]] = field(default_factory=list)
    ended: int = 0

    def __call__(self, command: Sequence[str], log: Path) -> "FakeLaunched":
        [shards] = [word.removeprefix("shard=") for word in command if word.startswith("shard=")]
        self.submitted.append([int(shard.partition("/")[0]) for shard in shards.split(",")])
        attempt = self.attempts[len(self.submitted) - 1]
        for status, which in (("complete", attempt.complete), ("running", attempt.killed)):
            for shard in which:
                write_manifest(self.sweep.folder_of(shard), status)
        log.write_text(attempt.words, encoding="utf-8")
        return FakeLaunched(self, attempt, log)


@dataclass
class FakeLaunched:
    launcher: Launcher
    attempt: Attempt
    log: Path

    def status(self) -> int | None:
        return self.attempt.status

    def end(self) -> None:
        self.launcher.ended += 1

    error = Launched.error
    last_words = Launched.last_words


Planned = Callable[..., tuple[ShardSweep, Launcher]]


@pytest.fixture
def planned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Planned:
    """A run of three shards whose submissions go as planned."""

    def plan(*attempts: Attempt) -> tuple[ShardSweep, Launcher]:
        sweep = ShardSweep(tmp_path, 3, "basic", ())
        sweep.place.mkdir(parents=True)
        launcher = Launcher(sweep, list(attempts))
        monkeypatch.setattr(attempts_module, "Launched", launcher)
        return sweep, launcher

    return plan


def test_only_what_died_is_submitted_again(planned: Planned, capsys: pytest.CaptureFixture[str]) -> None:
    sweep, launcher = planned(
        Attempt(complete=[2], killed=[1], status=1, words="WorkerError: a worker died\n  and more"),
        Attempt(complete=[3]),
        Attempt(complete=[1]),
    )
    complete(sweep, {}, attempts=3, pace=AT_ONCE)
    assert launcher.submitted == [[1, 2, 3], [1, 3], [1]]
    assert launcher.ended == 3
    said = capsys.readouterr().err
    assert "3 shards: 1 complete, 1 died, 1 not begun." in said
    assert "Not complete: 1/3, 3/3 (WorkerError: a worker died). Submitted again in 0 s." in said
    complete(sweep, {}, attempts=1, pace=AT_ONCE)
    assert len(launcher.submitted) == 3, "what is complete is not submitted at all"


def test_pauses_grow(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep, _ = planned(Attempt(), Attempt(), Attempt(), Attempt(complete=[1, 2, 3]))
    slept: list[float] = []
    monkeypatch.setattr(attempts_module, "sleep", slept.append)
    complete(sweep, {}, attempts=4, pace=Pace(0, 0, 10))
    assert [seconds for seconds in slept if seconds] == [10, 20, 40]


def test_after_so_many_attempts_it_says_which_are_missing(planned: Planned) -> None:
    sweep, launcher = planned(*[Attempt(complete=[2], killed=[1, 3], status=-9)] * 2)
    with pytest.raises(
        InterpError,
        match=r"After 2 attempts not complete: 1/3, 3/3 \(its launcher was ended by SIGKILL\)\. .*same command again",
    ):
        complete(sweep, {}, attempts=2, pace=AT_ONCE)
    assert launcher.submitted == [[1, 2, 3], [1, 3]]


def test_what_the_user_has_to_mend_is_not_tried_again(planned: Planned) -> None:
    sweep, launcher = planned(Attempt(complete=[1], status=1, words="noise\nError: model.path=x is no directory.\n"))
    with pytest.raises(InterpError, match=r"^model\.path=x is no directory\.$"):
        complete(sweep, {}, attempts=5, pace=AT_ONCE)
    assert launcher.submitted == [[1, 2, 3]]


@pytest.mark.parametrize(
    "words",
    [
        "Error: 1/3 is in use by another run (process 1 on here).",
        "Error: Error in call to target 'interp.models.loading.local': OutOfMemoryError() full_key: model",
    ],
)
def test_what_is_no_setting_is_tried_again(planned: Planned, words: str) -> None:
    sweep, launcher = planned(Attempt(complete=[1, 2], status=1, words=words), Attempt(complete=[3]))
    complete(sweep, {}, attempts=2, pace=AT_ONCE)
    assert launcher.submitted == [[1, 2, 3], [3]]


def test_a_launcher_that_submits_nothing_is_not_tried_again(planned: Planned) -> None:
    sweep, _ = planned(Attempt(status=1, words="FailedJobError: sbatch: error: invalid partition\n"))
    with pytest.raises(InterpError, match=r"Nothing could be submitted \(FailedJobError: sbatch: error: invalid part"):
        complete(sweep, {}, attempts=5, pace=AT_ONCE)


def test_on_slurm_a_launcher_that_waits_for_ever_is_ended(planned: Planned, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without accounting submitit never learns that a job was killed; the queue and the shards' folders tell."""
    sweep, launcher = planned(
        Attempt(complete=[1, 2], killed=[3], status=None), Attempt(complete=[3], status=None, words="")
    )
    answers = iter([[], [], None, ["RUNNING", "PENDING"], ["COMPLETED", "RUNNING"], ["COMPLETED", "FAILED"]])
    cancelled: list[str] = []

    def jobs(prefix: str) -> list[slurm_queue.Job] | None:
        states = next(answers, ["COMPLETED", "COMPLETED"])
        return None if states is None else [slurm_queue.Job("1", prefix, state, "None") for state in states]

    monkeypatch.setattr(slurm_queue, "jobs", jobs)
    monkeypatch.setattr(slurm_queue, "cancel", cancelled.append)
    complete(sweep, {"_target_": SLURM}, attempts=2, pace=AT_ONCE)
    assert launcher.submitted == [[1, 2, 3], [3]]
    assert launcher.ended == 2 and cancelled == [sweep.prefix] * 2
    assert list(answers) == [], "as long as a job was queued, it was waited for"


def test_jobs_of_an_earlier_command_are_waited_for(
    planned: Planned, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep, launcher = planned(Attempt(complete=[2, 3]))
    asked: list[str] = []

    def jobs(prefix: str) -> list[slurm_queue.Job]:
        asked.append(prefix)
        if len(asked) == 3:
            write_manifest(sweep.folder_of(1), "complete")
        return [slurm_queue.Job("1", prefix, "RUNNING" if len(asked) < 4 else "FAILED", "None")]

    monkeypatch.setattr(slurm_queue, "jobs", jobs)
    monkeypatch.setattr(slurm_queue, "cancel", lambda prefix: None)
    complete(sweep, {"_target_": SLURM}, attempts=1, pace=AT_ONCE)
    assert launcher.submitted == [[2, 3]]
    assert "Jobs of an earlier command are still there" in capsys.readouterr().err


def test_two_commands_do_not_share_a_folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with held(tmp_path / "shards"), pytest.raises(SystemExit):
        main(["--shards", "2", "--launcher", "basic", "--folder", str(tmp_path), *SETTINGS], AT_ONCE)
    assert "is in use by another run" in capsys.readouterr().err


# --- the launcher's process


def test_words_that_say_what_went_wrong(tmp_path: Path) -> None:
    file = tmp_path / "log"
    assert last_words(file) == ""
    file.write_text("one\ntwo\n\n", encoding="utf-8")
    assert last_words(file) == "two"
    file.write_text("slurmstepd: error: Detected 1 oom_kill event\nafter it\n", encoding="utf-8")
    assert last_words(file) == "slurmstepd: error: Detected 1 oom_kill event"


CHILD = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
"""A process with a child, which says the child's number."""

PARENT = """
import sys, time
from pathlib import Path
from experiments.cli.error_messages import explain
from experiments.cli.cluster.launched import Launched
Launched([sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1]))
print("launched", flush=True)
time.sleep(600)
"""


def is_there(process: int) -> bool:
    """Whether a process runs; one that has ended and is not yet asked about does not."""
    status = Path(f"/proc/{process}/stat")
    return status.exists() and status.read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"


def until(seen: Callable[[], object], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not seen():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.05)


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="there is no /proc here to see processes in")
def test_a_process_is_ended_with_its_children(tmp_path: Path) -> None:
    launched = Launched([sys.executable, "-c", CHILD], tmp_path / "log")
    until(lambda: (tmp_path / "log").read_text(encoding="utf-8").endswith("\n"))
    child = int((tmp_path / "log").read_text(encoding="utf-8"))
    assert launched.status() is None and is_there(child)
    launched.end()
    assert launched.status() is not None
    until(lambda: not is_there(child))


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends a process with the one that waits for it")
def test_a_process_ends_with_the_driver_that_was_killed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "log")]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, env=environment, text=True) as driver:
        assert driver.stdout is not None and driver.stdout.readline() == "launched\n"
        children = Path(f"/proc/{driver.pid}/task/{driver.pid}/children").read_text(encoding="utf-8").split()
        assert len(children) == 1
        driver.send_signal(signal.SIGKILL)
    until(lambda: not is_there(int(children[0])))


def test_the_help_says_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        main(["--help"])
    assert stop.value.code == 0
    said = capsys.readouterr().out
    assert all(word in said for word in ("--shards N", "--launcher NAME", "--folder DIR", "docs/clusters.md"))
