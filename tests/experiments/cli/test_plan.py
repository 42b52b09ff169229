"""What a run would cost is foretold from a few items, and nothing is left behind."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from tokenizers import Tokenizer

from experiments.cli import plan
from experiments.cli.plan import Planner, interpolated, places, plan_lines, said
from interp.folds import Collected
from interp.progress import Shard, ShardEnds

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

Interp = Callable[..., "Outcome"]


class Clock:
    """Time passes only where it is told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(plan, "perf_counter", found)
    return found


def run(planner: Planner, clock: Clock, costs: list[float], *, whole: bool = False) -> list[int]:
    done, fold = [], Collected()
    for number in planner(range(len(costs)), "loop", fold, whole=whole):
        done.append(number)
        clock.now += costs[number]
    return done


def test_what_grows_evenly_is_foretold_exactly(clock: Clock) -> None:
    planner, costs = Planner(), [1 + 0.01 * number for number in range(1000)]
    done = run(planner, clock, costs)
    assert len(done) < 10
    assert planner.loops[0].seconds == pytest.approx(sum(costs))
    assert planner.loops[0].items == 1000 and planner.loops[0].tokens == 0


def test_what_is_short_is_done_whole(clock: Clock) -> None:
    planner, costs = Planner(), [0.01 + 0.001 * number for number in range(50)]
    assert set(run(planner, clock, costs)) == set(range(50))
    assert planner.loops[0].seconds == pytest.approx(sum(costs))


def test_the_first_pass_of_all_is_not_what_is_foretold_from(clock: Clock) -> None:
    planner, seen = Planner(), []
    for number in planner(range(100), "loop", Collected()):
        # as if libraries were loaded on the way
        clock.now += 0.2 if seen else 0.9
        seen.append(number)
    assert seen[0] == seen[1]
    assert planner.loops[0].seconds == pytest.approx(100 * 0.2)


def test_a_shard_does_its_share_and_the_whole_of_what_is_about_the_whole(clock: Clock) -> None:
    planner = Planner(Shard(2, 4))
    for whole in (False, True):
        run(planner, clock, [1.0] * 80, whole=whole)
    assert [loop.seconds for loop in planner.loops] == pytest.approx([20, 80])
    with pytest.raises(ShardEnds):
        planner.measured()


def test_a_loop_without_items_costs_nothing(clock: Clock) -> None:
    planner = Planner()
    assert run(planner, clock, []) == [] and planner.loops[0].seconds == 0
    assert list(planner([1, 2], "no fold")) == [1, 2]


@pytest.mark.parametrize("count", [0, 1, 2, 5, 9, 100])
def test_the_longest_is_among_those_that_are_timed(count: int) -> None:
    found = places(count)
    assert len(set(found)) == len(found) == min(count, 9)
    assert not count or {0, count - 1} <= set(found)
    known = {place: float(place) for place in found}
    assert interpolated(known, count) == pytest.approx(np.arange(count).sum())


def test_times_are_said_in_units_that_one_reads() -> None:
    assert [said(seconds) for seconds in (0.4, 119, 120, 7000, 7200, 90000)] == [
        "0 s", "119 s", "2 min", "117 min", "2.0 h", "25.0 h"
    ]  # fmt: skip


def test_a_plan_is_said_and_nothing_is_written(
    interp: Interp, tiny: tuple[str, str], corpus: tuple[str, str], tmp_path: Path, tiny_folder: Path
) -> None:
    settings = (*tiny, *corpus, "experiment=head_roles", "plan=true")
    for folder in ((), ("hydra.run.dir=named/run",)):
        found = interp(*settings, *folder)
        assert found.code == 0, found.err
        assert "About " in found.out and "until all is measured; tables and figures follow." in found.out
        assert os.listdir(tmp_path) == []
    as_json = json.loads(interp(*settings, "json=true").out)
    assert [one["name"] for one in as_json["passes"]] == ["roles", "examples"]
    text = Path(corpus[1].partition("=")[2]).read_text(encoding="utf-8")
    tokenizer = Tokenizer.from_file(str(tiny_folder / "tokenizer.json"))
    sentences = [line.removeprefix("# text = ") for line in text.splitlines() if line.startswith("# text = ")]
    assert as_json["passes"][0]["tokens"] == sum(len(tokenizer.encode(one).ids) for one in sentences)
    assert as_json["seconds"] >= as_json["seconds_before"] > 0 and as_json["memory"] > 2**20


def test_what_a_run_would_refuse_a_plan_refuses(interp: Interp, tiny: tuple[str, str], tmp_path: Path) -> None:
    found = interp(*tiny, "corpus=conllu", "corpus.path=nowhere.conllu", "plan=true")
    assert found.code == 1 and "nowhere.conllu" in found.err and os.listdir(tmp_path) == []
    found = interp(*tiny, "plan=maybe")
    assert found.code == 1 and "Allowed: true or false" in found.err


def test_a_complete_run_is_left_alone(
    interp: Interp, tiny: tuple[str, str], corpus: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "manifest.json").write_text("mine", encoding="utf-8")
    assert interp(*tiny, *corpus, "experiment=head_roles", "plan=true", "hydra.run.dir=run").code == 0
    assert (tmp_path / "run" / "manifest.json").read_text(encoding="utf-8") == "mine"


def test_the_lines_of_a_plan_have_every_pass() -> None:
    import torch

    loops = [plan.Planned("roles", 20, 15_000, 30.0), plan.Planned("ablation (mean)", 40, 15_000, 4000.0)]
    first, *rows = plan_lines(loops, 12.0, torch.device("cpu"))
    assert first.startswith("About 67 min until all is measured")
    assert [row.split()[-2:] for row in rows[1:]] == [["30", "s"], ["67", "min"], ["12", "s"]]
