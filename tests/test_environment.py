"""What torch and its libraries read when they are imported, set before."""

import os
import subprocess
import sys

import pytest

from tests.support.paths import ROOT

COMMANDS = {
    "from Python": "import interp; interp.load_model",
    "command line": "import experiments.__main__, experiments.cli.running",
    "benchmarks": "import benchmarks.common",
    "tests": "import tests.conftest",
}


def as_openmp_reads(code: str, **environment: str) -> str:
    """What OpenMP says of its settings while a new process runs the code, which imports torch."""
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=clean | {"OMP_DISPLAY_ENV": "VERBOSE", "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    if "GOMP_SPINCOUNT" not in done.stderr:
        pytest.skip("this torch has no GNU OpenMP, which says how long its threads spin")
    return done.stderr


@pytest.mark.parametrize("name", COMMANDS)
def test_threads_that_wait_do_not_spin(name: str) -> None:
    # the policy itself reads PASSIVE where nobody has set one, and threads spin all the same
    assert "GOMP_SPINCOUNT = '0'" in as_openmp_reads(COMMANDS[name])


def test_what_the_user_has_set_stays() -> None:
    said = as_openmp_reads(COMMANDS["from Python"], OMP_WAIT_POLICY="ACTIVE")
    assert "OMP_WAIT_POLICY = 'ACTIVE'" in said
