"""Files that are whole or not there, and tables of many runs."""

import csv
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from experiments.cli import manifest as manifest_of
from interp import results
from interp.errors import InterpError


def some_run(folder: Path, status: str = "complete", **tables: pd.DataFrame) -> Path:
    folder.mkdir(parents=True)
    results.save_tables(folder, tables)
    listed = {name: len(table) for name, table in tables.items()}
    files = results.written(folder, tables, [])
    results.write_manifest(folder, {"status": status, "tables": listed, "files": files})
    return folder


# --- writing


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old", encoding="utf-8")
    seen = []

    def write(temporary: Path) -> None:
        temporary.write_text("new", encoding="utf-8")
        seen.append((temporary.parent, temporary.suffix, path.read_text(encoding="utf-8")))

    with path.open(encoding="utf-8") as reader:
        results.write_atomically(path, write)
        assert reader.read() == "old", "who reads while it is replaced reads the old file"
    assert seen == [(tmp_path, ".csv", "old")]
    assert path.read_text(encoding="utf-8") == "new"
    assert os.listdir(tmp_path) == ["table.csv"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o644


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_failing_write_leaves_the_old_file_and_nothing_temporary(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "table.csv"
    path.write_text("old", encoding="utf-8")

    def write(temporary: Path) -> None:
        temporary.write_text("half", encoding="utf-8")
        raise error

    with pytest.raises(error):
        results.write_atomically(path, write)
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["table.csv"]


CELLS = [
    "=1+1",
    "+1",
    "-1",
    "@home",
    "-x",
    "\t=1",
    "\r=1",
    "a=1",
    "offset-1",
    "'=1",
    "",
    None,
    'a,b"c',
    "＝1",
    "a;=1;b;-1",
]


def test_no_text_of_a_csv_is_a_formula_and_parquet_is_exact(tmp_path: Path) -> None:
    numbers = [-1.5, float("-inf"), float("nan"), *map(float, range(len(CELLS) - 3))]
    table = pd.DataFrame({"word": CELLS, "=lift": numbers, "n": range(-1, len(CELLS) - 1)})
    results.save_tables(tmp_path, {"table": table})
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "table.parquet"), table)
    with (tmp_path / "table.csv").open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert header == ["word", "'=lift", "n"]
    expected = ["'=1+1", "'+1", "'-1", "'@home", "'-x", "'\t=1", "\\u000d=1", "a=1", "offset-1", "'=1", "", ""]
    expected += ['a,b"c', "'＝1", "a;'=1;b;'-1"]
    assert [row[0] for row in rows] == expected
    assert [row[1] for row in rows][:4] == ["-1.5", "-inf", "", "0.0"]
    assert [int(row[2]) for row in rows] == list(table["n"])


@pytest.mark.parametrize(
    "name", ["../up", "a/b", "nul\0l", "n" * 300, "n\udce9", "\x1b[31m", ".", "..", ".hidden", "é"]
)
def test_a_name_that_is_no_file_name_stays_in_the_folder(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "run"
    tables = {name: pd.DataFrame({"n": [1]}), f"{name}2": pd.DataFrame({"n": [2]})}
    some_run(folder, "complete", **tables)
    results.save_figures(folder, {name: Figure((1, 1))})
    assert sorted(tmp_path.iterdir()) == [folder]
    assert len(list(folder.glob("*.parquet"))) == len(list(folder.glob("*.csv"))) == 2
    assert sorted(int(table["n"].iloc[0]) for table in results.load_runs(folder).values()) == [1, 2]
    assert len(list((folder / "figures").iterdir())) == 2


def test_names_of_tables_are_those_of_files() -> None:
    for name in ("scores", "planted_effects", "null-p", "table 1.b"):
        assert results.file_name(name) == name


def test_a_manifest_and_tables_in_a_folder_of_any_bytes(tmp_path: Path) -> None:
    folder = some_run(tmp_path / "n\udce9", scores=pd.DataFrame({"n": [1]}))
    manifest = {"status": "complete", "tables": {"scores": 1}, "path": "n\udce9", "é": "\x1b"}
    results.write_manifest(folder, manifest)
    assert results.read_manifest(folder) == manifest
    assert results.load_runs(folder)["scores"]["run"].tolist() == [str(tmp_path / "n") + "\\udce9"]


def test_a_table_is_the_same_in_both_formats(tmp_path: Path) -> None:
    table = pd.DataFrame(
        {"word": ['a "quoted", word', "élève", "None"], "n": [1, 2, 3], "p": [0.1, float("nan"), 1 / 3]}
    )
    results.save_tables(tmp_path, {"some": table})
    pd.testing.assert_frame_equal(pd.read_parquet(tmp_path / "some.parquet"), table)
    read = pd.read_csv(tmp_path / "some.csv", keep_default_na=False, na_values={"p": [""]})
    pd.testing.assert_frame_equal(read, table, check_exact=True)


def test_a_figure_is_written_twice_and_the_same_each_time(tmp_path: Path) -> None:
    def figure() -> Figure:
        drawn = Figure()
        drawn.subplots().plot([1, 2])
        return drawn

    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for folder in ("a", "b"):
        results.save_figures(tmp_path / folder, {"line": figure()})
    assert sorted(os.listdir(tmp_path / "a" / "figures")) == ["line.pdf", "line.png"]
    for name in ("line.pdf", "line.png"):
        first, second = ((tmp_path / folder / "figures" / name).read_bytes() for folder in ("a", "b"))
        assert first and first == second


# --- the manifest


def test_a_manifest_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert results.read_manifest(tmp_path) is None
    results.write_manifest(tmp_path, {"status": "running", "text": "élève", "place": Path("a")})
    assert results.read_manifest(tmp_path) == {"status": "running", "text": "élève", "place": "a"}
    assert "élève" in (tmp_path / "manifest.json").read_text(encoding="utf-8")


def test_a_new_manifest_holds_the_whole_config() -> None:
    config = {"seed": 3, "model": {"path": "x"}}
    manifest = manifest_of.new_manifest(config)
    assert manifest["status"] == "running"
    assert manifest["seed"] == 3
    assert manifest["config"] == config
    assert set(manifest["packages"]) == set(manifest_of.PACKAGES)


@pytest.mark.parametrize(
    ("recorded", "given", "lines"),
    [
        ({"a": 1}, {"a": 1}, []),
        ({"a": {"b": 1, "c": None}}, {"a": {"b": 2, "c": None}}, ["a.b: 1 → 2"]),
        ({"a": None}, {"a": "x"}, ["a: null → x"]),
        ({}, {"a": 1}, ["a: absent → 1"]),
        ({"a": {}}, {"a": {"b": 1}}, ["a: {} → absent", "a.b: absent → 1"]),
        (
            {"seed": 0, "model": {"seed": 0}, "experiment": {"seed": 0}},
            {"seed": 1, "model": {"seed": 1}, "experiment": {"seed": 1}},
            ["seed: 0 → 1"],
        ),
        ({"seed": 0, "model": {"seed": 0}}, {"seed": 0, "model": {"seed": 1}}, ["model.seed: 0 → 1"]),
        ({"experiment": {"_target_": "a", "x": 1}}, {"experiment": {"_target_": "b"}}, ["experiment._target_: a → b"]),
        ({"experiment": {"x": 1}}, {"experiment": {"x": 2}}, ["experiment.x: 1 → 2"]),
    ],
)
def test_differences_are_said_once_each(recorded: dict, given: dict, lines: list[str]) -> None:
    assert manifest_of.differences(recorded, given) == lines


def test_a_long_text_is_cut_in_a_difference() -> None:
    (line,) = manifest_of.differences({"text": "word " * 100}, {"text": "short"})
    assert len(line) < 120 and line.endswith("… → short")


@pytest.mark.parametrize(
    "content",
    [
        b"[1]",
        b"7",
        b'"complete"',
        b"null",
        b"{",
        b"",
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"name": "an app", "icons": []}',
        b'{"status": ["complete"]}',
        b'{"status": "complete", "tables": ["scores"]}',
        b'{"status": "complete", "config": 3}',
    ],
)
def test_a_manifest_that_is_none_is_an_error_that_names_the_file(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "manifest.json").write_bytes(content)
    with pytest.raises(InterpError, match=r"manifest\.json is not (a run's manifest|JSON)"):
        results.read_manifest(tmp_path)


# --- taking back


NOTES = {"config.yaml": "a: 1\n", "overrides.yaml": "[]\n"}


def test_to_take_back_removes_what_the_run_has_written_and_nothing_else(tmp_path: Path) -> None:
    results.write_manifest(tmp_path, {"status": "running"})
    results.save_notes(tmp_path, NOTES)
    (tmp_path / ".hydra" / "mine.yaml").touch()
    (tmp_path / "notes").touch()
    results.discard_run(tmp_path, None, NOTES)
    assert sorted(path.name for path in tmp_path.rglob("*")) == [".hydra", "mine.yaml", "notes"]
    (tmp_path / ".hydra" / "mine.yaml").unlink()
    results.discard_run(tmp_path, None, NOTES)
    assert os.listdir(tmp_path) == ["notes"]


def test_to_take_back_puts_the_earlier_manifest_back(tmp_path: Path) -> None:
    results.write_manifest(tmp_path, {"status": "running", "started": "later"})
    results.discard_run(tmp_path, {"status": "complete", "started": "earlier"}, NOTES)
    assert results.read_manifest(tmp_path) == {"status": "complete", "started": "earlier"}


def test_what_a_killed_run_has_not_finished_is_removed_and_nothing_like_it(tmp_path: Path) -> None:
    (tmp_path / "figures").mkdir()
    killed = (
        "import os, sys\nfrom pathlib import Path\nfrom interp.results import write_atomically\n"
        "write_atomically(Path(sys.argv[1]), lambda path: os.kill(os.getpid(), 9))"
    )
    for name in ("scores.parquet", "figures/roles.pdf"):
        subprocess.run([sys.executable, "-c", killed, str(tmp_path / name)], check=False)
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2, "a kill leaves the temporary file"
    mine = {".scores.original.csv", "scores.parquet", ".interp"}
    for name in mine:
        (tmp_path / name).touch()
    results.remove_unfinished(tmp_path)
    assert {path.name for path in tmp_path.rglob("*") if path.is_file()} == mine


# --- the tables of many runs


def test_runs_are_stacked_with_a_column_that_names_them(tmp_path: Path) -> None:
    first = some_run(tmp_path / "x" / "one", scores=pd.DataFrame({"n": [1, 2], "p": [0.5, None]}))
    second = some_run(tmp_path / "y" / "two", scores=pd.DataFrame({"n": [3], "p": [None]}, dtype=float))
    third = some_run(tmp_path / "three", effects=pd.DataFrame({"effect": [0.5]}))
    tables = results.load_runs(tmp_path / "**")
    assert set(tables) == {"scores", "effects"}
    assert list(tables["scores"].columns) == ["run", "n", "p"]
    assert list(tables["scores"]["run"]) == [str(first), str(first), str(second)]
    assert list(tables["scores"]["n"]) == [1, 2, 3]
    assert list(tables["effects"]["run"]) == [str(third)]


def test_one_folder_is_a_pattern_too(tmp_path: Path) -> None:
    folder = some_run(tmp_path / "seed=[1]*", scores=pd.DataFrame({"n": [1]}))
    assert list(results.load_runs(folder)["scores"]["run"]) == [str(folder)]


def test_runs_that_are_not_complete_are_passed_over(tmp_path: Path) -> None:
    some_run(tmp_path / "one", scores=pd.DataFrame({"n": [1]}))
    some_run(tmp_path / "two", status="running", scores=pd.DataFrame({"n": [2]}))
    assert list(results.load_runs(tmp_path / "*")["scores"]["n"]) == [1]


def test_what_a_killed_run_left_half_written_is_passed_over(tmp_path: Path) -> None:
    folder = some_run(tmp_path / "one", scores=pd.DataFrame({"n": [1]}))
    (folder / ".scores.abc.parquet").write_bytes(b"half")
    assert set(results.load_runs(folder)) == {"scores"}


def test_only_the_tables_that_the_manifest_lists_are_stacked(tmp_path: Path) -> None:
    folder = some_run(tmp_path / "one", scores=pd.DataFrame({"n": [1]}))
    pd.DataFrame({"x": [1]}).to_parquet(folder / "somebodys.parquet")
    assert set(results.load_runs(folder)) == {"scores"}


def test_what_cannot_be_read_stops_nothing_and_is_named(tmp_path: Path) -> None:
    one = pd.DataFrame({"n": [1]})
    for name in ("bad", "gone", "good", "old", "other"):
        some_run(tmp_path / name, effects=one, scores=one)
    (tmp_path / "bad" / "scores.parquet").write_bytes(b"PAR1 no table PAR1")
    (tmp_path / "gone" / "scores.parquet").unlink()
    # readable, and not what the run wrote
    pd.DataFrame({"n": [5]}).to_parquet(tmp_path / "other" / "scores.parquet")
    # as an older version wrote it: no hashes
    results.write_manifest(tmp_path / "old", {"status": "complete", "tables": {"effects": 1, "scores": 1}})
    (tmp_path / "old" / "scores.parquet").write_bytes(b"")
    for name, text in (("list", "[1]"), ("half", '{"status": "comp')):
        (tmp_path / name).mkdir()
        (tmp_path / name / "manifest.json").write_text(text, encoding="utf-8")
    with pytest.warns(UserWarning, match="6 files passed over") as said:
        tables = results.load_runs(tmp_path / "*")
    assert list(tables["scores"]["run"]) == [str(tmp_path / "good")]
    assert len(tables["effects"]) == 5, "the other tables of these runs are whole"
    named = str(said[0].message)
    assert str(tmp_path / "bad" / "scores") in named and "not as the run wrote it" in named and "…" in named


def test_a_table_with_a_column_run_and_one_that_pandas_cannot_make_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some_run(tmp_path / "a", "complete", one=pd.DataFrame({"n": [1]}), two=pd.DataFrame({"run": ["x"]}))
    with pytest.warns(UserWarning, match=r"1 files passed over: .*two\.parquet \(it has a column `run` of its own\)"):
        assert set(results.load_runs(tmp_path / "a")) == {"one"}

    def fail(_file: object) -> pd.DataFrame:
        raise KeyError("numpy_type")

    monkeypatch.setattr(results.pd, "read_parquet", fail)
    with pytest.warns(UserWarning, match=r"2 files passed over: .*one\.parquet \('numpy_type'\)"):
        assert results.load_runs(tmp_path / "a") == {}


@pytest.mark.parametrize(
    ("wrong", "part"),
    [
        ({"inputs": {"a.txt": 1.5}}, "inputs"),
        ({"inputs": []}, "inputs"),
        ({"files": {"a.csv": None}}, "files"),
        ({"files": {"../a.csv": "0"}}, "files"),
        ({"files": {"/a.csv": "0"}}, "files"),
        ({"files": {"n" * 300: "0"}}, "files"),
        ({"files": {"a\0": "0"}}, "files"),
        ({"files": {"": "0"}}, "files"),
        ({"corpus": "x"}, "corpus"),
        ({"corpus": {"name": "x"}}, "corpus"),
        ({"model": {"revision": 1}}, "model"),
        ({"tables": ["scores"]}, "tables"),
    ],
)
def test_a_manifest_of_which_a_part_is_wrong_says_which(tmp_path: Path, wrong: dict, part: str) -> None:
    sound = {"status": "complete", "corpus": {"name": "x", "sha256": "0"}, "model": {"path": "x", "revision": None}}
    results.write_manifest(tmp_path, sound)
    assert results.read_manifest(tmp_path) == sound
    results.write_manifest(tmp_path, sound | wrong)
    with pytest.raises(InterpError, match=rf"manifest\.json is not a run's manifest: its '{part}' is not what a run"):
        results.read_manifest(tmp_path)


def test_manifests_that_are_none_are_named_where_no_run_is_complete(tmp_path: Path) -> None:
    (tmp_path / "list").mkdir()
    (tmp_path / "list" / "manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InterpError, match=r"none of them complete. Not read: .*list.*not a run's manifest"):
        results.load_runs(tmp_path / "*")


@pytest.mark.parametrize(("statuses", "count"), [([], 0), (["running"], 1)])
def test_no_complete_run_is_an_error_that_says_so(tmp_path: Path, statuses: list[str], count: int) -> None:
    for number, status in enumerate(statuses):
        some_run(tmp_path / str(number), status=status)
    with pytest.raises(InterpError, match=f"{count} run folders found, none of them complete.*outputs/\\*\\*"):
        results.load_runs(tmp_path / "**")


# --- where the code comes from


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({"ls-files": "results.py", "rev-parse": "abc", "status": ""}, "abc"),
        ({"ls-files": "results.py", "rev-parse": "abc", "status": " M x"}, "abc+changes"),
        # installed below somebody else's checkout: git answers, but not about this file
        ({"rev-parse": "abc", "status": ""}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_the_commit_is_that_of_this_code(
    monkeypatch: pytest.MonkeyPatch, answers: dict[str, str], expected: str
) -> None:
    def git(folder: Path, *words: str) -> str:
        if words[0] not in answers:
            raise subprocess.CalledProcessError(128, words)
        return answers[words[0]]

    monkeypatch.setattr(manifest_of, "_git", git)
    assert manifest_of.commit() == expected


def test_no_git_no_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(*_: object, **__: object) -> None:
        raise FileNotFoundError("git")

    monkeypatch.setattr(subprocess, "run", absent)
    assert manifest_of.commit() == "unknown"


def test_findings_are_a_table_and_what_was_skipped() -> None:
    findings = results.Findings({"a": pd.DataFrame()})
    assert findings.skipped == {} and findings.notes == ()
    assert json.dumps(findings.skipped) == "{}"
