"""Every notebook runs in a fresh kernel, shows its figures and finds what it tells of; only their text is kept."""

import ast
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import jupytext
import nbformat
import pandas as pd
import pytest
from nbclient import NotebookClient

from tests.support.paths import ROOT

NOTEBOOKS = {path.stem: path for path in sorted((ROOT / "notebooks").glob("*.py"))}
FIGURES = {
    "ablation_and_pruning": 3,
    "induction_heads": 3,
    "ioi": 3,
    "own_model": 1,
    "own_role": 1,
    "syntax_heads": 4,
    "tour": 6,
}
"""How many pictures each shows."""

ARITHMETIC = {
    "abs",
    "add",
    "cov",
    "corr",
    "diff",
    "div",
    "mean",
    "median",
    "mul",
    "quantile",
    "std",
    "sub",
    "sum",
    "var",
}
"""What a notebook would call on a table to compute a number that the table lacks."""

pytestmark = pytest.mark.filterwarnings(
    "ignore::DeprecationWarning"
)  # of jupyter's own packages, in their kernel's start


@pytest.fixture(scope="module")
def outputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder like `outputs`, where the notebooks keep their runs."""
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def atlas(outputs: Path) -> Path:
    """A run on 400 generated sentences, its ablation on 40: what `tour` reads."""
    folder = outputs / "atlas" / "minilm" / "2026-01-01_00-00-00"
    arguments = ["corpus.documents=400", "ablation.limit=40", f"hydra.run.dir={folder}"]
    done = subprocess.run(
        [sys.executable, "-m", "experiments", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return folder


def executed(name: str, outputs: Path, monkeypatch: pytest.MonkeyPatch) -> nbformat.NotebookNode:
    monkeypatch.setenv("INTERP_OUTPUTS", str(outputs))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]))
    for choice in ("INTERP_MODEL", "INTERP_TREEBANK"):
        monkeypatch.delenv(choice, raising=False)
    book = jupytext.read(NOTEBOOKS[name])
    place = {"metadata": {"path": str(ROOT / "notebooks")}}
    NotebookClient(book, timeout=300, kernel_name="python3", resources=place).execute()
    given = [output for cell in book.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in given) == FIGURES[name]
    assert not [output["text"] for output in given if output.get("name") == "stderr"]
    return book


def shown(book: nbformat.NotebookNode, code: str) -> pd.DataFrame:
    """The table below the first cell that holds this code."""
    (cell, *_) = (cell for cell in book.cells if cell.cell_type == "code" and code in cell.source)
    html = next(out["data"]["text/html"] for out in cell.outputs if "text/html" in out.get("data", {}))
    rows = [
        re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in re.findall(r"<tr.*?</tr>", html, re.DOTALL)
    ]
    text = "\n".join("\t".join(row[1:]) for row in rows if len(row) == len(rows[0]))
    return pd.read_csv(io.StringIO(text), sep="\t").dropna(how="all")


def test_there_are_these() -> None:
    assert NOTEBOOKS.keys() == FIGURES.keys()
    told = (ROOT / "docs" / "notebooks.md").read_text()
    assert all(f"notebooks/{name}.py" in told for name in NOTEBOOKS)


@pytest.mark.usefixtures("atlas", "minilm")
def test_tour(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = executed("tour", outputs, monkeypatch)
    assert (outputs / "notebooks" / "best_heads.pdf").read_bytes().startswith(b"%PDF")
    counts = shown(book, "crosstab")
    # 72 heads each; those of the random network have no role
    assert counts["unclassified"].iloc[1] == 72 and counts["unclassified"].iloc[0] < 72
    said = "".join(output["text"] for cell in book.cells for output in cell.get("outputs", []) if "text" in output)
    assert all(name in said for name in ("report.html", "methods.tex", "captions.md", "roles.tex", "README.md"))


@pytest.mark.usefixtures("minilm")
def test_syntax_heads(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = executed("syntax_heads", outputs, monkeypatch)
    assigned = shown(book, "assigned = roles")
    # published of this model on a treebank, and found on generated sentences, too
    assert {(2, 0, "obj.to_governor")} <= set(zip(assigned["layer"], assigned["head"], assigned["role"], strict=True))
    assert (assigned["ci_low"] < assigned["lift"]).all() and (assigned["lift"] >= 0.1).all()
    null = shown(book, "null = tables").set_index("null")
    assert null.loc["random_init", "roles"] == 0 and null.loc["none", "roles"] == len(assigned)


def test_induction_heads(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = executed("induction_heads", outputs, monkeypatch)
    assigned = shown(book, "assigned = roles").query("role == 'induction'")
    # its card says that they are all in layer 1
    assert len(assigned) >= 4 and set(assigned["layer"]) == {1}
    scores = shown(book, "of_induction = ").set_index("definition")["value"]
    # prefix matching is the attention that the role's mass is, of the same documents; TransformerLens's is about half
    assert scores["copying/induction-entry-mean@1"] == pytest.approx(assigned["mass"].max(), abs=0.02)
    assert scores["copying/induction-tl-mul@1"] < 0.6 * scores["copying/induction-entry-mean@1"]


def test_ioi(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = executed("ioi", outputs, monkeypatch)
    ability = shown(book, '"ability"').query("text == 'clean' and metric == 'accuracy'")
    assert ability["ci_low"].iloc[0] > 0.9, "its card says that it continues what was there before"
    by_key = shown(book, "by_key = written").set_index("key")["value"]
    assert by_key.idxmax() == "answer", "the head that adds most attends to the answer"
    # induction takes two layers: by its keys the head of the later one reads what the earlier one wrote
    largest = shown(book, "largest = paths").iloc[0]
    both = shown(book, "both = heads").iloc[0]
    assert largest["receiver_input"] == "k" and int(largest["receiver"]) == 1
    assert both["layer"] == 0 and largest["sender"] == pytest.approx(both["head"] / 10)
    assert largest["ci_low"] > 0.1 and both["ci_low"] > 0.1


def test_ablation_and_pruning(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = executed("ablation_and_pruning", outputs, monkeypatch)
    ranked = shown(book, "ranked = effects")
    assert (ranked["intact"] - ranked["ablated"]).to_list() == pytest.approx(ranked["effect"].to_list(), abs=2e-4)
    assert ((ranked["ci_low"] <= ranked["effect"]) & (ranked["effect"] <= ranked["ci_high"])).all()
    areas = shown(book, "areas = tables").query("order == 'effect'")
    assert (areas["difference_ci_low"] > 0).all(), "an order by effect is better than random ones"
    joint = shown(book, "joint = tables")
    assert joint["heads_left"].iloc[0] == 32 and joint["heads_left"].iloc[-1] == 0
    assert joint["excess_ci_low"].iloc[-1] > 0, "all heads together cost more than their sum"


def test_own_model(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = executed("own_model", outputs, monkeypatch)
    checks = shown(book, "interp.prove(model, corpus)").dropna()
    assert len(checks) > 10 and (checks["deviation"] <= checks["allowed"]).all()
    assert set(shown(book, "roles = interp.roles_of(model")["role"]) == {"induction"}
    assert set(shown(book, "interp.roles_of(null")["role"]) == {"unclassified"}
    assert set(shown(book, "interp.roles_of(gpt2")["role"]) == {"unclassified"}
    effects = shown(book, "effects = interp.ablate").query("metric == 'log_prob'")
    assert (effects["ci_low"] > 0).all(), "what was learned is in these heads alone"
    # one layer cannot find what stood before an earlier word
    assert (shown(book, "other = interp.repeats")["lift"] < 0.1).all()


@pytest.mark.usefixtures("minilm")
def test_own_role(outputs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = executed("own_role", outputs, monkeypatch)
    marked = shown(book, "pairs = next_noun")
    assert list(zip(marked["from"], marked["to"], strict=True)) == [("The", "student"), ("the", "quiz")]
    # the one head that was planted so, whose number the layout of this seed has
    found = shown(book, "found = interp.roles_of(planted")
    assert list(zip(found["layer"], found["head"], strict=True)) == [(3, 3)] and found["hit"].iloc[0] > 0.95
    control = shown(book, "control = interp.score")
    assert control["lift"].iloc[1] == pytest.approx(0, abs=1e-3), "the head of the next word is its baseline"
    assert shown(book, "null = interp.roles_of").iloc[0].to_list() == [16]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_only_text_is_kept(name: str) -> None:
    """No outputs, no counts of runs; the first cell says what it shows and how to run it."""
    text = NOTEBOOKS[name].read_text(encoding="utf-8")
    book = jupytext.read(NOTEBOOKS[name])
    assert text.startswith("# ---\n# jupyter:\n") and "image/png" not in text
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in book.cells)
    first = book.cells[0]
    assert first.cell_type == "markdown" and first.source.startswith("# ")
    said = " ".join(first.source.split())
    assert "This notebook shows" in said and "Run it with `make notebook`" in said
    ignored = subprocess.run(
        ["git", "check-ignore", "--quiet", f"notebooks/{name}.ipynb"], cwd=ROOT, check=False, capture_output=True
    )
    assert ignored.returncode in (0, 128), "an executed notebook is never committed"


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_no_number_is_computed_that_a_table_lacks(name: str) -> None:
    """A notebook imports no numpy or scipy, and calls no arithmetic on a table; a module that it trains is its own."""
    tree = ast.parse(NOTEBOOKS[name].read_text(encoding="utf-8"))
    imported = {
        alias.name.partition(".")[0] for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names
    }
    assert not imported & {"numpy", "scipy"}
    called = {
        node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
    }
    # the loss of the training that `own_model` does itself
    assert called & ARITHMETIC <= ({"mean"} if name == "own_model" else set())


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_colours_are_those_of_the_figures(name: str) -> None:
    text = NOTEBOOKS[name].read_text(encoding="utf-8")
    assert not re.findall(r"#[0-9a-fA-F]{6}\b|color=|cmap=", text)
    assert "palette=" not in text or "palette=PALETTE" in text
