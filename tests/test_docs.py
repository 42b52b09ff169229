"""The README and what it links to: short, and every link leads to a file that exists."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest

import interp
from tests.support.paths import ROOT

AT_THE_ROOT = [ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")]
PAGES = [*AT_THE_ROOT, *sorted((ROOT / "docs").glob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)


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
    assert len(text.splitlines()) <= 200
    for page in PAGES:
        if page.parent.name == "docs":
            assert f"(docs/{page.name}" in text, f"no link leads from the README to {page.name}"


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


def test_python_names_that_exist() -> None:
    for page in PAGES:
        for code in BLOCK.findall(page.read_text()):
            compile(code, str(page), "exec")
            used = "\n".join(line for line in code.splitlines() if "import" not in line)
            for name in re.findall(r"\binterp\.(\w+)", used):
                assert hasattr(interp, name), f"{page.name}: interp.{name}"


def test_the_role_of_one_s_own_in_contributing_works() -> None:
    [code] = BLOCK.findall((ROOT / "CONTRIBUTING.md").read_text())
    found: dict[str, Any] = {}
    exec(code, found)
    [role] = found["roles"](interp.grammar(documents=5))
    assert (role.name, role.family) == ("before_governor", "mine")


WORDS = ("silenc", "best guess", "harder guess", "without ground", "looks at", "look at", "hold the truth", "laid open")


@pytest.mark.parametrize("page", [*PAGES, *sorted((ROOT / "conf").rglob("*.yaml"))], ids=lambda page: page.name)
def test_the_words_are_the_field_s(page: Path) -> None:
    """A reader of the field need not translate; the table of names that have changed is left aside."""
    if page.name in ("moved.md", "CHANGELOG.md"):
        return
    text = page.read_text().lower().replace("what does bert look at?", "")
    assert not [word for word in WORDS if word in text]
