"""Where a run's time goes, on a clock that the test turns."""

import pytest

from experiments.cli import stopwatch
from interp.progress import unseen


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    turned = Clock()
    monkeypatch.setattr(stopwatch, "perf_counter", turned)
    return turned


def test_every_moment_is_in_one_lap_or_one_pass(clock: Clock) -> None:
    watch = stopwatch.Stopwatch(began=90.0)
    watch.lap("start")
    progress = watch.timed(unseen)
    clock.now += 1
    for _ in progress([1, 2, 3], "roles"):
        clock.now += 2
    clock.now += 4
    for _ in range(2):
        for _ in progress([1], "ablation"):
            clock.now += 8
    watch.lap("tables")
    clock.now += 16
    watch.lap("figures")
    expected = {"start": 10, "tables": 5, "figures": 16, "passes": {"roles": 6, "ablation": 16}, "total": 53}
    assert watch.seconds() == expected
    assert watch.words() == (
        "Seconds: 53.0 = 22.0 passes + 10.0 start + 5.0 tables + 16.0 figures. Passes: 6.0 roles + 16.0 ablation."
    )


def test_a_pass_within_a_loop_counts_once_and_so_does_one_that_is_broken_off(clock: Clock) -> None:
    watch = stopwatch.Stopwatch()
    progress = watch.timed(unseen)
    for _ in progress([1, 2], "random networks"):
        for _ in progress([1, 2], "roles"):
            clock.now += 1
    for _ in progress([1, 2], "ablation"):
        clock.now += 3
        break
    watch.lap("tables")
    assert watch.seconds() == {"tables": 0, "passes": {"random networks": 4, "ablation": 3}, "total": 7}


def test_a_run_without_passes_says_so(clock: Clock) -> None:
    watch = stopwatch.Stopwatch()
    clock.now += 2
    watch.lap("tables")
    assert watch.words() == "Seconds: 2.0 = 0.0 passes + 2.0 tables. Passes: none."
