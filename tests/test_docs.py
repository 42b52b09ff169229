"""The README and the pages of the documentation: links lead to what exists, and commands could be given."""

import re
import runpy
import sys
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from hydra.errors import HydraException
from omegaconf.errors import OmegaConfBaseException

import interp
from interp.errors import InterpError
from tests.support import documented_commands
from tests.support.documented_commands import Command
from tests.support.paths import ROOT

AT_THE_ROOT = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")]
DOCS = [page for page in sorted((ROOT / "docs").rglob("*.md")) if "_build" not in page.parts]
PAGES = [*AT_THE_ROOT, *DOCS]
# the changelog has what was new then, and may have been renamed since
COMMANDS = [
    (page, command)
    for page in PAGES
    if page.name != "CHANGELOG.md"
    for command in dict.fromkeys(documented_commands.commands(page.read_text(encoding="utf-8")))
]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)

TOCTREE = re.compile(r"^```\{toctree\}\n(.*?)^```", re.MULTILINE | re.DOTALL)
REFUSED = (AssertionError, HydraException, InterpError, OmegaConfBaseException, SystemExit)


def anchors(page: Path) -> set[str]:
    """The names that GitHub gives the headings of a page."""
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in HEADING.findall(page.read_text())}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    for link in LINK.findall(page.read_text()):
        if link.startswith(("http:", "https:")):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists() and target.is_relative_to(ROOT), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link} has no such heading"


def test_the_readme_is_what_a_reader_needs_first() -> None:
    text = (ROOT / "README.md").read_text()
    assert len(text.splitlines()) <= 150


def test_every_page_is_in_the_contents_of_the_site() -> None:
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = {line for block in TOCTREE.findall(index) for line in block.split("\n") if line and line[0] != ":"}
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in DOCS}
    assert listed == pages - {"index"}


@pytest.mark.parametrize(
    ("page", "command"), COMMANDS, ids=[f"{page.relative_to(ROOT)}: {command}" for page, command in COMMANDS]
)
def test_every_command_could_be_given(page: Path, command: Command, tmp_path: Path) -> None:
    """Its options exist and its values are allowed; nothing is run."""
    if "ray_workers" in command.words:
        pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="Ray's launcher is not installed: make ray")
    documented_commands.check(command, page.read_text(encoding="utf-8"), tmp_path)


def test_the_pages_have_the_commands_that_a_reader_needs() -> None:
    """So that no change of how a page is written takes its commands out of the test above."""
    found = {command.started for _, command in COMMANDS}
    assert {"make", "-m experiments", "-m experiments.cli.cluster", "docs/figures.py", "docs/tables.py"} <= found
    assert len(COMMANDS) > 70


@pytest.mark.parametrize(
    "line",
    [
        "make walk",
        "python -m experiments corpus.pathh=FILE.conllu",
        "python -m experiments experiment=no_such",
        "python -m experiments ablation.top=-1",
        "python -m experiments corpus=conllu",
        "python -m experiments -m seed=0,x",
        "python -m experiments --config-dir myconf roles=mine",
        "python -m experiments seed=1 --quiet model=small",
        "python -m experiments seed=1 --cfg job model=small",
        "python -m experiments.cli.cluster --shardss 3 --folder DIR",
        "python -m experiments.cli.cluster --shards 3 --folder DIR no_such=small",
        "python -m benchmarks.killed --folderr DIR",
        "python docs/no_such.py",
    ],
)
def test_a_command_that_could_not_be_given_is_found(line: str, tmp_path: Path) -> None:
    [command] = documented_commands.commands(f"```\n{line}   # why\n```\n")
    with pytest.raises(REFUSED):
        documented_commands.check(command, "", tmp_path)


def test_commands_are_read_as_a_shell_would() -> None:
    text = """Prose with `make run`, and `python docs/tables.py FOLDER`.

```
OMP_NUM_THREADS=2 .venv/bin/python -m experiments seed=1 \\
    text="it's # one" …   # a comment
for gpu in 0 1; do
    python -m experiments SETTINGS shard=$((gpu + 1))/4 &
done; wait
```

```python
python = "-m experiments nothing=here"
```
"""
    assert [tuple(command) for command in documented_commands.commands(text)] == [
        ("-m experiments", ("seed=1", "text=it's # one"), False),
        ("-m experiments", ("shard=1/4",), False),
        ("make", ("run",), True),
        ("docs/tables.py", ("FOLDER",), True),
    ]


def test_every_experiment_and_option_of_a_group_is_in_the_reference() -> None:
    readme, reference = (ROOT / "README.md").read_text(), (ROOT / "docs" / "reference.md").read_text()
    for path in (ROOT / "conf" / "experiment").glob("*.yaml"):
        assert f"| `{path.stem}`" in readme, path.stem
    studies = (ROOT / "docs" / "studies.md").read_text()
    for group in ("model", "corpus", "roles", "ablation", "metrics", "study"):
        for path in (ROOT / "conf" / group).glob("*.yaml"):
            if path.stem == "sentence":
                continue
            assert f"`{path.stem}`" in (studies if group == "study" else reference), f"{group}={path.stem}"


BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def test_the_page_of_columns_is_written_anew_when_a_column_changes() -> None:
    page = runpy.run_path(str(ROOT / "docs" / "columns.py"))["page"]()
    assert page == (ROOT / "docs" / "columns.md").read_text(), "python docs/columns.py writes it"


def test_every_picture_is_drawn_by_a_command_and_shown_by_a_page() -> None:
    drawn = re.findall(r"\b\w+\.png", (ROOT / "docs" / "figures.py").read_text(encoding="utf-8").split('"""')[1])
    assert set(drawn) == {path.name for path in (ROOT / "docs").glob("*.png")}
    shown = " ".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert [name for name in drawn if f"{name})" not in shown] == []


def test_a_picture_is_drawn_from_a_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run, pictures = tmp_path / "run", tmp_path / "pictures"
    run.mkdir()
    pictures.mkdir()
    (run / "memory.csv").write_text("second,mib,tokens\n0,100.0,5000\n1,300.0,5000\n", encoding="utf-8")
    figures(str(run), "--folder", str(pictures))
    assert [path.name for path in pictures.iterdir()] == ["memory.png"]
    assert capsys.readouterr().out == f"{pictures / 'memory.png'}\n"


def test_a_folder_without_a_run_is_no_picture(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="holds no run"):
        figures(str(tmp_path), "--folder", str(tmp_path))


def figures(*arguments: str) -> None:
    """`python docs/figures.py` with these arguments."""
    with (
        patch.object(sys, "argv", ["docs/figures.py", *arguments]),
        patch.object(sys, "path", [str(ROOT / "docs"), *sys.path]),
    ):
        runpy.run_path(str(ROOT / "docs" / "figures.py"), run_name="__main__")


def test_python_names_that_exist() -> None:
    for page in PAGES:
        for code in BLOCK.findall(page.read_text()):
            compile(code, str(page), "exec")
            used = "\n".join(line for line in code.splitlines() if "import" not in line)
            for name in re.findall(r"\binterp\.(\w+)", used):
                assert hasattr(interp, name), f"{page.name}: interp.{name}"


def example(page: str) -> dict[str, Any]:
    """What the first block of Python of a how-to defines."""
    found: dict[str, Any] = {}
    exec(BLOCK.findall((ROOT / "docs" / "howto" / page).read_text(encoding="utf-8"))[0], found)
    return found


def test_the_role_of_one_s_own_works() -> None:
    [role] = example("own_role.md")["roles"](interp.grammar(documents=5))
    assert (role.name, role.family) == ("before_governor", "mine")


def test_the_metric_of_one_s_own_is_what_it_says() -> None:
    model: Any = interp.load_model("small")
    corpus = interp.grammar(documents=8)
    [metric] = example("own_metric.md")["metrics"](model)
    table = interp.ablate(model, corpus, metrics=(metric,))
    shares = []
    for encoding in model.encode([document.text for document in corpus.documents]):
        tokens = torch.tensor(encoding.tokens)
        with torch.no_grad():
            logits = model.network(tokens[None]).logits[0]
        shares.append(float((logits[:-1].argmax(-1) == tokens[1:]).double().mean()))
    assert set(table["metric"]) == {"first_choice"}
    assert table["intact"].to_numpy() == pytest.approx(sum(shares) / len(shares), abs=1e-6)


WORDS = ("silenc", "best guess", "harder guess", "without ground", "looks at", "look at", "hold the truth", "laid open")


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "conf").rglob("*.yaml"))], ids=lambda page: page.name)
def test_the_words_are_the_field_s(page: Path) -> None:
    """A reader of the field need not translate; the table of names that have changed is left aside."""
    if page.name in ("moved.md", "CHANGELOG.md"):
        return
    text = page.read_text().lower().replace("what does bert look at?", "")
    assert not [word for word in WORDS if word in text]
