"""The documentation is built as a site without a warning, and says what there is."""

import html
import importlib
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import interp
from experiments.__main__ import CONF
from tests.support.paths import ROOT

GROUPS = ("model", "corpus", "roles", "ablation", "metrics", "study")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make docs` builds, from the pages as they are, by the command of the Makefile."""
    for name in ("sphinx", "furo", "myst_parser"):
        pytest.importorskip(name, reason=f"{name} is absent: pip install -e '.[docs]'")
    [line] = re.findall(
        r"^\t\$\(BIN\)/python -m sphinx (.*) docs docs/_build/html$", (ROOT / "Makefile").read_text(), re.M
    )
    assert "-W" in line.split() and "-n" in line.split(), "a warning is an error, a name that leads nowhere a warning"
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        *line.split(),
        "-d",
        str(folder / "read"),
        str(ROOT / "docs"),
        str(folder / "html"),
    ]
    # the site needs no network
    offline = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9", "HF_HUB_OFFLINE": "1"}
    environment = os.environ | offline | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    return folder / "html"


def text_of(page: Path) -> str:
    """What a reader sees of a page."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text(encoding="utf-8")))


def names_of(page: Path) -> set[str]:
    """What the functions and classes of a page are called."""
    return set(re.findall(r'<dt class="sig[^"]*" id="([\w.]+)"', page.read_text(encoding="utf-8")))


def test_every_public_name_has_its_docstring_in_the_site(site: Path) -> None:
    named, text = names_of(site / "api.html"), " ".join(text_of(site / "api.html").split())
    modules = {name for name in interp.__all__ if getattr(interp, name).__class__.__name__ == "module"}
    assert modules == {"metrics", "plots", "roles"}
    assert {f"interp.{name}" for name in interp.__all__ if name not in modules} <= named
    for name in sorted(modules):
        module = importlib.import_module(f"interp.{name}")
        public = getattr(module, "__all__", None) or [
            one for one in vars(module) if callable(getattr(module, one)) and one[0].islower()
        ]
        own = [one for one in public if getattr(module, one).__module__.startswith(f"interp.{name}")]
        assert len(own) > 4
        assert {f"interp.{name}.{one}" for one in own} <= named
    first = (interp.score.__doc__ or "").split("\n")[0].replace("`", "")
    assert first in text


def test_signatures_are_short_and_have_shapes(site: Path) -> None:
    text = text_of(site / "api.html")
    assert "Float[Tensor, 'batch query head d_head']" in text
    # a signature that Sphinx cannot read is shown with the marks that are for Sphinx
    for raw in ("jaxtyping.", "pandas.core", "collections.abc", "~typing", "<factory>"):
        assert raw not in text


def test_every_experiment_and_option_is_in_the_site(site: Path) -> None:
    experiments = text_of(site / "experiments.html")
    for path in (CONF / "experiment").glob("*.yaml"):
        assert re.search(rf"^{path.stem}\b", experiments, re.MULTILINE), path.stem
    pages = text_of(site / "reference.html") + text_of(site / "studies.html")
    for group in GROUPS:
        for path in (CONF / group).glob("*.yaml"):
            # what experiment=sentence brings along
            assert path.stem == "sentence" or re.search(rf"\b{path.stem}\b", pages), f"{group}={path.stem}"


def test_every_definition_has_its_card(site: Path) -> None:
    text = " ".join(text_of(site / "definitions.html").split())
    table = interp.definitions()
    assert len(table) > 60
    for row in table.itertuples():
        assert str(row.definition) in text
    # typed as a formula, shown as it was typed
    formula = table.set_index("definition").loc["syntax/to-governor@1", "formula"]
    assert str(formula) in text


def test_links_of_the_site_lead_to_pages_of_the_site(site: Path) -> None:
    checked = 0
    for page in site.rglob("*.html"):
        if "_static" in page.parts or "_modules" in page.parts:
            continue
        for link in re.findall(r'(?:href|src)="([^"#]+)[^"]*"', page.read_text(encoding="utf-8")):
            if re.match(r"[a-z]+:", link):
                continue
            checked += 1
            assert (page.parent / link.partition("?")[0]).exists(), f"{page.name}: {link}"
    assert checked > 500


def test_a_page_asks_for_nothing_of_another_machine(site: Path) -> None:
    for page in site.rglob("*.html"):
        text = page.read_text(encoding="utf-8")
        asked = re.findall(r"<(?:script|img|iframe|source)[^>]+src=\"(https?:[^\"]+)", text)
        asked += re.findall(r"<link[^>]+rel=\"(?:stylesheet|preload)\"[^>]+href=\"(https?:[^\"]+)", text)
        assert asked == [], page.name
