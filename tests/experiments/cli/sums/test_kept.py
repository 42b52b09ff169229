"""Sums on disk: what is damaged, of another version or of other shards is seen; the rest is gone on with."""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from experiments.cli.sums.files import SUMS, DamagedError, read_index, read_state, remove_sums, write_index, write_state
from experiments.cli.sums.kept import WHOLE, SumsOnDisk
from experiments.cli.sums.merged import MergedSums
from interp.errors import InterpError
from interp.folds import State, restore_to, state_of
from interp.progress import Passes, Shard
from interp.results import UNFINISHED, read_manifest
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

Interp = Callable[..., "Outcome"]

VALUES = [float(n) / 7 for n in range(150)]


class Sum:
    def __init__(self) -> None:
        self.total, self.n = np.zeros(3), 0

    def state(self) -> State:
        return state_of(self, ("total", "n"))

    def restore(self, state: State) -> None:
        restore_to(self, ("total", "n"), state)


class StoppedError(Exception):
    pass


def keeper_in(folder: Path, made_by: dict[str, Any] | None = None, shard: Shard | None = None) -> SumsOnDisk:
    folder.mkdir(exist_ok=True)
    keeper = SumsOnDisk(folder, made_by or {"config": {"seed": 0}}, shard, every=0)
    keeper.take_up()
    return keeper


def run(keeper: Any, shard: Shard | None = None, *, stop: int | None = None) -> tuple[Sum, Sum, list[int]]:
    """Two loops, the first about the whole corpus; how many items of each were left to do."""
    progress, mean, sums, done = Passes(keeper=keeper, shard=shard), Sum(), Sum(), [0, 0]
    for value in progress(VALUES[:20], "mean", mean, whole=True):
        mean.total += value
        mean.n += 1
        done[0] += 1
    for value in progress(VALUES, "sums", sums):
        if done[1] == stop:
            raise StoppedError
        sums.total += value * mean.total
        sums.n += 1
        done[1] += 1
    return mean, sums, done


def test_what_was_done_is_not_done_again(tmp_path: Path) -> None:
    with pytest.raises(StoppedError):
        run(keeper_in(tmp_path), stop=100)
    mean, sums, done = run(keeper_in(tmp_path))
    # of the item that was begun nothing is kept
    assert done == [0, len(VALUES) - 100]
    whole_mean, whole, _ = run(None)
    assert (mean.total.tobytes(), sums.total.tobytes()) == (whole_mean.total.tobytes(), whole.total.tobytes())
    assert (mean.n, sums.n) == (20, len(VALUES))
    assert run(keeper_in(tmp_path))[2] == [0, 0]


def test_states_that_are_not_needed_any_more_are_removed(tmp_path: Path) -> None:
    for stop in (10, 40, 90):
        with pytest.raises(StoppedError):
            run(keeper_in(tmp_path), stop=stop)
    assert len(list((tmp_path / SUMS).glob("002-*.safetensors"))) <= 8
    run(keeper_in(tmp_path))
    names = sorted(re.sub("-.*", "", path.stem) for path in (tmp_path / SUMS).iterdir())
    assert names == ["001", "001", "002", "002", "made_by"]
    # a killed run may have left this
    (tmp_path / SUMS / f"{UNFINISHED}x.safetensors").touch()
    remove_sums(tmp_path)
    assert not (tmp_path / SUMS).exists()


def test_a_foreign_file_among_the_sums_stays(tmp_path: Path) -> None:
    run(keeper_in(tmp_path))
    (tmp_path / SUMS / "notes.txt").write_text("mine", encoding="utf-8")
    remove_sums(tmp_path)
    assert [path.name for path in (tmp_path / SUMS).iterdir()] == ["notes.txt"]


def shortened(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))


@pytest.mark.parametrize("pattern", ["002.json", "002-*.safetensors", "001.json", "001-*.safetensors"])
@pytest.mark.parametrize("damage", [shortened, flipped, Path.unlink, lambda path: path.write_bytes(b"")])
def test_damage_is_seen_said_and_mended(
    pattern: str, damage: Callable[[Path], Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(StoppedError):
        run(keeper_in(tmp_path), stop=100)
    for path in (tmp_path / SUMS).glob(pattern):
        damage(path)
    _, sums, done = run(keeper_in(tmp_path))
    assert sums.total.tobytes() == run(None)[1].total.tobytes()
    is_second = pattern.startswith("002")
    assert done == ([0, len(VALUES)] if is_second else [20, len(VALUES) - 100])
    said = capsys.readouterr().err
    if damage is not Path.unlink or "-" in pattern:
        assert re.search(r"(is not as it was written|is gone)\. '(sums|mean)' is measured again\.", said), said
        assert re.search("Traceback", said) is None


@pytest.mark.parametrize("other", [{"config": {"seed": 1}}, {"config": {"seed": 0}, "project": {"version": "2"}}])
def test_sums_of_something_else_are_not_gone_on_with(
    other: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(keeper_in(tmp_path))
    assert run(keeper_in(tmp_path, other))[2] == [20, len(VALUES)]
    assert "measured again. There → here: " in capsys.readouterr().err
    (tmp_path / SUMS / "made_by.json").write_text("[", encoding="utf-8")
    assert run(keeper_in(tmp_path, other))[2] == [20, len(VALUES)]
    (tmp_path / SUMS / "made_by.json").unlink()
    assert run(keeper_in(tmp_path, other))[2] == [20, len(VALUES)]


def test_what_depends_on_another_measurement_is_measured_anew(tmp_path: Path) -> None:
    run(keeper_in(tmp_path))
    progress, sums = Passes(keeper=keeper_in(tmp_path)), Sum()
    for value in progress(VALUES[:19], "mean", sums, whole=True):
        sums.total += value
    assert len([None for _ in progress(VALUES, "sums", Sum())]) == len(VALUES)


# --- files


def test_a_state_is_what_was_written(tmp_path: Path) -> None:
    state = {
        "n": np.arange(6).reshape(2, 3)[:, ::-1],
        "left": np.asarray(4),
        "none": np.zeros((0, 2)),
        "is": np.array([True]),
    }
    digest = write_state(tmp_path, "007", state)
    found = read_state(tmp_path, "007", digest)
    assert found.keys() == state.keys()
    for name, array in state.items():
        assert found[name].shape == array.shape and found[name].dtype == array.dtype
        assert np.array_equal(found[name], array) and found[name].flags.writeable
    with pytest.raises(DamagedError, match="is gone"):
        read_state(tmp_path, "008", digest)
    assert read_index(tmp_path, "007") is None
    write_index(tmp_path, "007", {"a": [1]}, [])
    assert read_index(tmp_path, "007") == {"a": [1]} and not list(tmp_path.glob("*.safetensors"))


# --- shards


def shards_in(tmp_path: Path, count: int) -> dict[str, Path]:
    folders = {str(Shard(number, count)): tmp_path / str(number) for number in range(1, count + 1)}
    for number, folder in enumerate(folders.values(), 1):
        run(keeper_in(folder, shard=Shard(number, count)), Shard(number, count))
    return folders


def test_the_first_shard_measures_what_is_about_the_whole(tmp_path: Path) -> None:
    lefts = [run(keeper_in(tmp_path / str(n), shard=Shard(n, 3)), Shard(n, 3))[2] for n in (1, 2, 3)]
    assert [first for first, _ in lefts] == [20, 0, 0]
    assert sum(second for _, second in lefts) == len(VALUES)
    assert (tmp_path / WHOLE).is_dir()


def test_a_shard_that_waits_for_a_killed_one_goes_on_where_that_was(tmp_path: Path) -> None:
    # a killed process leaves sums and an open lock behind
    program = f"""
import os, signal, sys
sys.path.insert(0, {str(ROOT)!r})
from pathlib import Path
from tests.experiments.cli.sums.test_kept import VALUES, Sum, keeper_in
from interp.progress import Passes, Shard
mean, done = Sum(), 0
for value in Passes(keeper=keeper_in(Path({str(tmp_path / "1")!r}), shard=Shard(1, 2)), shard=Shard(1, 2))(
    VALUES[:20], "mean", mean, whole=True
):
    if done == 12:
        print("there", flush=True)
        sys.stdin.read()
    mean.total += value
    mean.n += 1
    done += 1
"""
    with subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as first:
        assert first.stdout is not None and first.stdout.readline() == b"there\n"
        waiting = subprocess.Popen(
            [sys.executable, "-c", program.replace("/1", "/2").replace("done == 12", "False")],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert waiting.stderr is not None
        assert waiting.stderr.readline() == "Another shard measures 'mean': waiting for it.\n"
        assert waiting.poll() is None
        os.kill(first.pid, signal.SIGKILL)
        waiting.communicate(timeout=120)
    assert waiting.returncode == 0
    lefts = run(keeper_in(tmp_path / "1", shard=Shard(1, 2)), Shard(1, 2))[2]
    assert lefts[0] == 0


def test_merged_sums_are_those_of_one_run(tmp_path: Path) -> None:
    mean, sums, done = run(MergedSums(shards_in(tmp_path, 3)))
    whole_mean, whole, _ = run(None)
    assert done == [0, 0]
    assert (mean.total.tobytes(), sums.total.tobytes()) == (whole_mean.total.tobytes(), whole.total.tobytes())


def test_shards_that_lack_something_are_not_merged(tmp_path: Path) -> None:
    folders = shards_in(tmp_path, 3)
    with pytest.raises(InterpError, match=r"Of 'sums' no shard has the parts 42, 43"):
        run(MergedSums({shard: folder for shard, folder in folders.items() if shard != "3/3"}))
    with pytest.raises(InterpError, match="Of 'sums' several shards have the same: part 0 is there already"):
        run(MergedSums({**folders, "1/3 again": folders["1/3"]}))
    (folders["2/3"] / SUMS / "002.json").unlink()
    with pytest.raises(InterpError, match="Of 'sums' the shards 2/3 have nothing, or not all"):
        run(MergedSums(folders))


def test_shards_that_go_on_other_measurements_are_not_merged(tmp_path: Path) -> None:
    folders = shards_in(tmp_path / "a", 2) if (tmp_path / "a").mkdir() is None else {}
    (tmp_path / "b").mkdir()
    VALUES[0] += 1e-9
    try:
        others = shards_in(tmp_path / "b", 2)
    finally:
        VALUES[0] -= 1e-9
    with pytest.raises(InterpError, match="Of 'mean' the shards 1/2, 2/2 have other sums than go together"):
        run(MergedSums({"1/2": folders["1/2"], "2/2": others["2/2"]}))


def test_a_damaged_shard_is_not_merged(tmp_path: Path) -> None:
    folders = shards_in(tmp_path, 2)
    flipped(next((folders["1/2"] / SUMS).glob("002-*.safetensors")))
    with pytest.raises(InterpError, match=r"is not as it was written\. Move it away and start"):
        run(MergedSums(folders))


# --- the command line

SETTINGS = ("experiment=head_roles", "quiet=true", "keep_every=0", "classify.min_queries=5", "classify.min_blocks=3")


@pytest.fixture
def settings(tiny: tuple[str, str], corpus: tuple[str, str], monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    # many small batches, to be shared out
    monkeypatch.setattr("interp.corpora.batching.TOKENS_A_BATCH", 60)
    return (*tiny, *corpus, *SETTINGS)


def tables_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.parquet"))}


def test_shards_are_run_and_merged(interp: Interp, settings: tuple[str, ...], tmp_path: Path) -> None:
    assert interp(*settings, "hydra.run.dir=whole").code == 0
    for number in (1, 2, 3):
        found = interp(*settings, f"shard={number}/3", f"hydra.run.dir=parts/{number}")
        assert found.code == 0 and f"Shard {number}/3 is complete." in found.out, found.err
        manifest = read_manifest(tmp_path / "parts" / str(number)) or {}
        assert manifest["status"] == "complete" and manifest["shard"] == f"{number}/3" and manifest["tables"] == {}
        assert not tables_of(tmp_path / "parts" / str(number))
    again = interp(*settings, "shard=2/3", "hydra.run.dir=parts/2")
    assert again.code == 0 and "It is left as it is" in again.out
    merged = interp("experiment=merge", "runs=parts", "hydra.run.dir=merged")
    assert merged.code == 0, merged.err
    assert tables_of(tmp_path / "merged") == tables_of(tmp_path / "whole") != {}
    manifest, whole = (read_manifest(tmp_path / name) or {} for name in ("merged", "whole"))
    assert manifest["shards"].keys() == {"1/3", "2/3", "3/3"} and manifest["config"] == whole["config"]
    assert manifest["gate"]["status"] == "passed"
    assert not (tmp_path / "merged" / SUMS).exists()
    # in any order, by pattern, and one by one
    listed = "runs=[parts/3,parts/1,parts/2]"
    assert interp("experiment=merge", listed, "hydra.run.dir=merged_again").code == 0
    assert tables_of(tmp_path / "merged_again") == tables_of(tmp_path / "whole")
    assert "It is left as it is" in interp("experiment=merge", "runs=parts/*", "hydra.run.dir=merged").out

    def refused(*arguments: str) -> str:
        found = interp("experiment=merge", *arguments, "hydra.run.dir=refused")
        assert found.code == 1 and "Traceback" not in found.err and not (tmp_path / "refused").exists()
        return found.err

    assert "not there: 2/3" in refused("runs=[parts/1,parts/3]")
    assert interp(*settings, "shard=1/2", "hydra.run.dir=halves/1").code == 0
    assert "several divisions" in refused("runs=[parts,halves/1]")
    assert interp(*settings, "seed=1", "shard=2/2", "hydra.run.dir=halves/2").code == 0
    assert "The shards 1/2 and 2/2 are not of one run. What differs: seed: 0 → 1" in refused("runs=halves")
    assert interp(*settings, "shard=2/3", "hydra.run.dir=twice/2").code == 0
    assert "The shard 2/3 is there twice" in refused("runs=[parts,twice]")
    assert "holds no shard" in refused("runs=[parts,whole]")
    assert "has no run in it" in refused("runs=nowhere")
    flipped(next((tmp_path / "parts" / "1" / SUMS).glob("*.safetensors")))
    assert "is not as it was written" in refused("runs=parts")


def test_nothing_of_a_manifest_is_run(interp: Interp, settings: tuple[str, ...], tmp_path: Path) -> None:
    for number in (1, 2):
        assert interp(*settings, f"shard={number}/2", f"hydra.run.dir=parts/{number}").code == 0
        file = tmp_path / "parts" / str(number) / "manifest.json"
        manifest = json.loads(file.read_text(encoding="utf-8"))
        manifest["overrides"] += ["corpus._target_=os.system", "+corpus.command=touch hacked"]
        file.write_text(json.dumps(manifest), encoding="utf-8")
    found = interp("experiment=merge", "runs=parts", "hydra.run.dir=merged")
    assert found.code == 1 and "_target_=os.system, which is in no configuration here" in found.err
    assert not (tmp_path / "hacked").exists()


def test_what_cannot_be_shared_out_says_so(interp: Interp, tiny: tuple[str, str]) -> None:
    for asked in (("experiment=definitions",), (*tiny, "experiment=sentence", "text=the cat saw a dog.")):
        found = interp(*asked, "shard=1/2", "hydra.run.dir=there")
        assert found.code == 1 and "has no passes to share out" in found.err, found.err


@pytest.mark.parametrize("shard", ["3/2", "0/2", "half"])
def test_a_shard_that_is_none_is_refused(interp: Interp, settings: tuple[str, ...], shard: str) -> None:
    found = interp(*settings, f"shard={shard}")
    assert found.code == 1 and "shard=1/8 to shard=8/8" in found.err


KILLED_WHEN = """
import os, signal, sys
sys.path.insert(0, {root!r})
from experiments.cli.sums import kept as sums_kept
kept = sums_kept.LoopOnDisk.save
def save(*arguments):
    kept(*arguments)
    save.count += 1
    if save.count == {count}:
        os.kill(os.getpid(), signal.SIGKILL)
save.count = 0
sums_kept.LoopOnDisk.save = save
from interp.corpora import batching
batching.TOKENS_A_BATCH = 60
from experiments.__main__ import main
sys.argv = ["interp", *{arguments!r}]
main()
"""


def test_a_killed_run_goes_on(settings: tuple[str, ...], tmp_path: Path) -> None:
    def start(folder: str, count: int) -> int:
        arguments = [*settings, f"hydra.run.dir={folder}"]
        program = KILLED_WHEN.format(root=str(ROOT), count=count, arguments=arguments)
        return subprocess.run(
            [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, check=False
        ).returncode

    assert start("whole", 0) == 0
    assert [start("killed", count) for count in (3, 2)] == [-signal.SIGKILL, -signal.SIGKILL]
    manifest = read_manifest(tmp_path / "killed") or {}
    assert manifest["status"] == "running"
    assert list((tmp_path / "killed" / SUMS).glob("001-*.safetensors"))
    assert start("killed", 0) == 0
    assert tables_of(tmp_path / "killed") == tables_of(tmp_path / "whole") != {}
    assert not (tmp_path / "killed" / SUMS).exists()
