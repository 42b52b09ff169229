"""The README of a run's folder: it names every file and column, and nothing in a name becomes Markdown."""

import re
import shlex
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

from interp.folder_readme import command, folder_readme
from interp.results import read_manifest

if TYPE_CHECKING:
    from tests.support.command_line import Finished

pytest_plugins = ("tests.support.command_line",)


def manifest(**more: Any) -> dict[str, Any]:
    return {
        "project": {"version": "0.1.0"},
        "config": {"experiment": {"_target_": "experiments.head_ablation.run"}},
        "model": {"name": "gpt2"},
        "corpus": {"name": "small", "documents": 1, "words": 1200},
        "seed": 7,
        "overrides": ["experiment=head_ablation", "model=gpt2"],
        **more,
    }


def test_every_file_of_a_run_is_named(atlas_run: "Finished") -> None:
    text = (atlas_run.folder / "README.md").read_text(encoding="utf-8")
    files = [path.relative_to(atlas_run.folder) for path in atlas_run.folder.rglob("*") if path.is_file()]
    assert len(files) > 15
    for file in files:
        assert f"`{'.hydra/' if file.parts[0] == '.hydra' else file}`" in text, file
    assert "# atlas: tiny on small\n" in text
    assert "of its own" not in text


def test_every_column_of_a_run_has_a_row_of_its_table(atlas_run: "Finished") -> None:
    text = (atlas_run.folder / "README.md").read_text(encoding="utf-8")
    for file in atlas_run.folder.glob("*.parquet"):
        [part] = re.findall(rf"^### `{file.stem}`\n(.*?)(?=^### |\Z)", text, re.DOTALL | re.MULTILINE)
        # of columns for every block of documents, such as n_17, one row tells
        columns = [re.sub(r"_[0-9]+$", "_B", str(column)) for column in pd.read_parquet(file)]
        assert re.findall(r"^\| `(\w+)` \|", part, re.MULTILINE) == list(dict.fromkeys(columns))


def test_the_readme_is_among_the_hashes_and_a_missing_one_makes_the_run_incomplete(atlas_run: "Finished") -> None:
    files = (read_manifest(atlas_run.folder) or {})["files"]
    assert "README.md" in files


def test_what_was_typed_is_what_a_shell_takes_the_command_for() -> None:
    texts = ('The student didn\\\'t "try" \\', "$HOME `x`", "wow!", "a  b\\n")
    typed = [f"text='{text}'" for text in texts] + ["corpus.path=a b.conllu", "roles=~x", "a=\n"]
    again = command(manifest(overrides=[*typed, "+shard=1/3"]))
    assert shlex.split(again) == ["python", "-m", "experiments", *typed], "a shard is a part of a run"
    said = subprocess.run(["sh", "-c", f"printf '%s\\0' {again}"], capture_output=True, text=True, check=True)
    assert said.stdout.split("\0")[3:-1] == typed


def test_a_run_without_model_and_corpus() -> None:
    made = {name: value for name, value in manifest().items() if name not in ("model", "corpus")}
    assert folder_readme({}, made).startswith("# head\\_ablation\n\nWritten by interp 0.1.0. The same again:\n")


def test_counts_are_said_in_words_that_fit() -> None:
    text = folder_readme({"power": pd.DataFrame({"n": [1]}), "scores": pd.DataFrame({"n": range(2000)})}, manifest())
    assert "Corpus small: 1 document, 1,200 words, seed 7. " in text
    assert "table `power`, 1 row: " in text and "table `scores`, 2,000 rows: " in text


HOSTILE = (
    "<script>alert(1)</script>",
    "a | b",
    "x\n# title",
    "[link](http://a)",
    "`code`",
    "*b* _i_",
    "\x1b[31mred",
    "$x$",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_names_do_not_become_markdown(name: str) -> None:
    about = manifest(
        model={"name": name},
        corpus={"name": name, "documents": 2},
        overrides=[f"text={name}"],
        config={"experiment": {"_target_": name}},
        figures=[name],
    )
    text = folder_readme({name: pd.DataFrame({name: [1]})}, about, [f"tables/{name}.tex", name])
    outside = [line for line in text.splitlines() if not line.startswith("    ")]
    joined = "\n".join(outside)
    assert "\x1b" not in text
    assert [line for line in outside if line.startswith("# ")] == [outside[0]]
    # what is left when every escaped sign is gone has none that opens anything
    bare = re.sub(r"\\.", "", joined)
    assert not re.search(r"<|\]\(|\$|&", bare)
    assert bare.count("`") % 2 == 0
    for line in bare.splitlines():
        if line.startswith("|"):
            assert line.count("|") in (3, 7), line


def test_the_same_run_has_the_same_page_whatever_the_time() -> None:
    tables = {"power": pd.DataFrame({"n": [1]})}
    early, late = (
        folder_readme(tables, manifest(started=day, finished=day, seconds={"total": day}))
        for day in ("2020-01-01", "2026-01-01")
    )
    assert early == late


def test_what_is_not_told_of_is_listed_all_the_same() -> None:
    tables = {"mine": pd.DataFrame({"weight": [0.5], "word": ["a"]})}
    text = folder_readme(tables, manifest(figures=["mine"]), ["tables/mine.tex", "methods.md", "other.txt"])
    assert "| `weight` | number |" in text and "| `word` | text |" in text
    assert "| `tables/mine.tex` | table `mine` for LaTeX |" in text
    for path in ("figures/mine.pdf", "methods.md", "other.txt"):
        assert f"`{path}`" in text


def test_a_folder_with_a_foreign_readme_is_refused(tmp_path: Path) -> None:
    from tests.support.command_line import run_in

    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "README.md").write_text("mine", encoding="utf-8")
    outcome = run_in(tmp_path, "experiment=definitions", "hydra.run.dir=run")
    assert outcome.code == 1 and "README.md and no manifest of a run" in outcome.err
    assert (tmp_path / "run" / "README.md").read_text(encoding="utf-8") == "mine"
