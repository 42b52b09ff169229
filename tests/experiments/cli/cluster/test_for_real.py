"""Shards on processes of this machine, on a Slurm of one node and on Ray, each with a shard that is killed hard."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest

from experiments.cli.cluster.attempts import Pace, complete, merge
from experiments.cli.cluster.shard_sweep import ShardSweep
from interp.results import read_manifest
from tests.support.launchers import is_installed
from tests.support.paths import ROOT, SHARED

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

DYING = """
defaults:
  - local
  - _self_
_target_: tests.support.dying.local
deaths: ???
times: 1
"""
"""The option model=dying, of which the first process dies."""

SETTINGS = ("experiment=head_roles", "roles=syntax", "classify.min_queries=5", "classify.min_blocks=3", "quiet=true")

QUICK = Pace(poll=0.5, settle=3, pause=0.5)
SLURM = SHARED / "tools" / "slurm_local.sh"


def without(plugin: str) -> str:
    """Why a test of this launcher is skipped; empty where it is there."""
    return "" if is_installed(plugin) else f"{plugin} is not installed"


def without_slurm() -> str:
    """Why there is no Slurm to start here; empty where there is one."""
    programs = [name for name in ("slurmctld", "slurmd", "munged", "sbatch") if shutil.which(name) is None]
    if programs:
        return f"{', '.join(programs)} not installed (Debian: slurm-wlm, munge)"
    if not SLURM.exists():
        return f"{SLURM} is absent"
    return "" if os.getuid() == 0 else "only root can start a Slurm here"


Drive = Callable[..., tuple[ShardSweep, list[str], str]]


@pytest.fixture
def drive(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tiny: tuple[str, str],
    corpus: tuple[str, str],
) -> Drive:
    """Two shards of the tiny model; the first process that loads it is killed. What is left to merge."""
    (tmp_path / "deaths").mkdir()
    (tmp_path / "mine" / "model").mkdir(parents=True)
    (tmp_path / "mine" / "model" / "dying.yaml").write_text(DYING, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    # jobs find the model that dies, and take their threads from the launcher
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "HYDRA_FULL_ERROR"):
        monkeypatch.delenv(name, raising=False)

    def run(launcher: str, *overrides: str) -> tuple[ShardSweep, list[str], str]:
        settings = (*SETTINGS, "model=dying", tiny[1], f"model.deaths={tmp_path}/deaths", *corpus, *overrides)
        sweep = ShardSweep(Path("run"), 2, launcher, settings, Path("mine"))
        sweep.place.mkdir(parents=True)
        complete(sweep, sweep.check(), attempts=3, pace=QUICK)
        said = capsys.readouterr().err
        assert [state.value for state in sweep.states().values()] == ["complete", "complete"]
        assert (tmp_path / "deaths" / "death-0").exists()
        threads = [file.read_text(encoding="utf-8") for file in (tmp_path / "deaths").glob("threads-*")]
        assert len(threads) >= 2 and set(threads) == {"1"}, "each has its share of the cores"
        return sweep, [line for line in said.splitlines() if line.startswith("Attempt")], said

    return run


@pytest.mark.skipif(bool(without("hydra_joblib_launcher")), reason=without("hydra_joblib_launcher"))
def test_on_one_machine_a_worker_is_killed(
    drive: Drive,
    monkeypatch: pytest.MonkeyPatch,
    interp: Callable[..., "Outcome"],
    tiny: tuple[str, str],
    corpus: tuple[str, str],
) -> None:
    # which joblib reads, too: two cores for two processes
    monkeypatch.setenv("LOKY_MAX_CPU_COUNT", "2")
    sweep, attempts, said = drive("parallel", "hydra.launcher.n_jobs=2")
    # with one worker joblib ends all
    assert attempts[0] == "Attempt 1: submitted 1/2, 2/2 (parallel)." and len(attempts) == 2
    assert "TerminatedWorkerError" in said
    assert merge(sweep) == 0
    assert (read_manifest(sweep.folder) or {})["status"] == "complete"
    whole = interp(*SETTINGS, *tiny, *corpus, "hydra.run.dir=whole")
    assert whole.code == 0, whole.err
    pd.testing.assert_frame_equal(pd.read_parquet("run/scores.parquet"), pd.read_parquet("whole/scores.parquet"))


@pytest.mark.skipif(bool(without("hydra_ray_launcher")), reason="hydra_ray_launcher is not installed: make ray")
def test_on_ray_a_worker_is_killed(drive: Drive) -> None:
    # by itself Ray would start it again; what is asked here is what happens when it does not
    _, attempts, said = drive(
        "ray_workers", "hydra.launcher.ray.remote.max_retries=0", "hydra.launcher.ray.init.num_cpus=2"
    )
    assert attempts[0] == "Attempt 1: submitted 1/2, 2/2 (ray_workers)." and len(attempts) == 2
    assert "WorkerCrashedError" in said


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A Slurm of one node while the test runs."""
    place = tmp_path / "slurm"
    place.mkdir()
    with subprocess.Popen(
        ["bash", str(SLURM), "sh", "-c", "echo ready; cat"],
        env=os.environ | {"SLURM_LOCAL_DIR": str(place)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as cluster:
        assert cluster.stdout is not None
        lines = iter(cluster.stdout.readline, "")
        started = [*_up_to(lines, "ready\n")]
        assert started[-1] == "ready\n", started
        monkeypatch.setenv("SLURM_CONF", str(place / "slurm.conf"))
        yield
        # at the end of what it reads the script stops what it has started
        cluster.communicate(timeout=90)


def _up_to(lines: Iterator[str], last: str) -> Iterator[str]:
    for line in lines:
        yield line
        if line == last:
            return


@pytest.mark.skipif(
    bool(without("hydra_submitit_launcher") or without_slurm()),
    reason=without("hydra_submitit_launcher") or without_slurm(),
)
@pytest.mark.usefixtures("slurm")
def test_on_slurm_a_job_is_killed(drive: Drive) -> None:
    _, attempts, said = drive("slurm", "hydra.launcher.cpus_per_task=1", "hydra.launcher.mem_gb=2")
    assert attempts[0] == "Attempt 1: submitted 1/2, 2/2 (slurm)." and len(attempts) == 2
    # only the one that was killed
    assert attempts[1] in ("Attempt 2: submitted 1/2 (slurm).", "Attempt 2: submitted 2/2 (slurm).")
    assert "1 complete, 1 died" in said
    end = time.monotonic() + 60
    while queued := subprocess.run(["squeue", "--noheader"], capture_output=True, text=True, check=True).stdout:
        assert time.monotonic() < end, queued
        time.sleep(0.5)
