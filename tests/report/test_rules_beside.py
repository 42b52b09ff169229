"""What rules give beside a head's attention on the page of a run, in a real browser."""

import base64
import gzip
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from interp.cells import Unit
from interp.examples import STEPS, Example, Examples, Side
from interp.report import page
from interp.report.example_data import RULES, example_data
from tests.support.browser import Opened, opened

pytest_plugins = ("tests.support.chromium",)

# two special tokens at the end, and a word of two tokens
WORDS = ("the", "elephant", "saw")
TOKENS = ("⟨start⟩", "the", "ele", "phant", "saw", "⟨special⟩", "⟨end⟩")
WORD = np.array([-1, 0, 1, 1, 2, -1, -1])
SPECIAL = np.array([True, False, False, False, False, True, True])
CELLS = ("⟨start⟩", "the", "elephant", "saw", "⟨special⟩")


def example(number: int, heads: int, rules: bool = True, unit: Unit = "word", seed: int = 0) -> Example:
    random = np.random.default_rng(seed + number)
    attention = np.rint(random.dirichlet(np.ones(len(TOKENS)), (heads, len(TOKENS))) * STEPS).astype(np.uint8)
    size = len(WORDS) if unit == "word" else len(TOKENS)
    given = np.rint(random.dirichlet(np.ones(size + 2), (heads, size)) * STEPS).astype(np.uint8)
    side = Side(WORDS, TOKENS, WORD, SPECIAL)
    none = np.zeros((0, 3), dtype=np.int64)
    modelled = {"self": given} if rules else {}
    return Example(number, "s", " ".join(WORDS), (side,), {"self": attention}, {"self": none}, modelled)


def page_of(*documents: Example, unit: Unit = "word") -> str:
    heads = tuple(("self", 0, head) for head in range(2))
    place = pd.DataFrame(heads, columns=["site", "layer", "head"])
    explanations = place.assign(n=3, explained=0.5, ci_low=0.4, ci_high=0.6, card="offset-1 1.00: explains 0.50")
    shares = place.assign(rule="offset-1", family="position", n=3, share=1.0, ci_low=0.9, ci_high=1.0)
    shares = shares.assign(strength=1.0, share_where_applies=1.0)
    examples = Examples(documents, heads, (), "all", unit)
    return page({"explanations": explanations, "shares": shares}, {"summary": ["one"]}, examples)


def select(shown: Any, name: str) -> Any:
    return shown.locator(".examples label", has_text=re.compile(f"^{name} ")).locator("select")


def titles(shown: Any, what: str) -> list[str]:
    """What is said of each cell of a matrix."""
    pictures = shown.locator(f".picture svg[aria-label^='matrix of {what}']")
    return pictures.locator("rect title").evaluate_all("(all) => all.map((one) => one.textContent)")


@pytest.fixture
def beside(chromium: Any, tmp_path: Path) -> Opened:
    (tmp_path / "report.html").write_text(page_of(example(3, 2), example(5, 2, rules=False)), encoding="utf-8")
    return opened(chromium, tmp_path / "report.html")


def expected_rules(one: Example, head: int) -> list[str]:
    """Cell by cell: the first special token, words, then the other special tokens, which are one cell."""
    given = one.modelled["self"][head]
    found = []
    for query, word in enumerate(WORDS):
        columns = [len(WORDS), 0, 1, 2, len(WORDS) + 1]
        for cell, column in zip(CELLS, columns, strict=True):
            value = np.rint(given[query, column] * (RULES / STEPS)) / RULES
            found.append(f"{word} → {cell}: {value:.2f}")
    return found


def test_the_matrix_of_rules_is_what_the_run_has_kept(beside: Opened) -> None:
    shown, one = beside.page, example(3, 2)
    shown.locator('td[data-head="self 0.1"]').click()
    select(shown, "As").select_option("matrix")
    assert titles(shown, "rules") == [] and len(titles(shown, "attention")) == 6**2
    select(shown, "Show").select_option("rules")
    assert titles(shown, "rules") == expected_rules(one, 1) and titles(shown, "attention") == []
    select(shown, "Show").select_option("both")
    assert titles(shown, "rules") == expected_rules(one, 1)
    # beside them attention over the same cells: both later special tokens together
    attention = one.patterns["self"][1] / STEPS
    wanted = [
        f"{word} → {cell}: {attention[np.ix_(rows, columns)].sum() / len(rows):.2f}"
        for word, rows in zip(WORDS, ([1], [2, 3], [4]), strict=True)
        for cell, columns in zip(CELLS, ([0], [1], [2, 3], [4], [5, 6]), strict=True)
    ]
    assert titles(shown, "attention") == wanted
    # the largest attention comes first, and what rules give there stands beside it
    shown.locator(".examples summary").click()
    table = shown.locator(".examples details table")
    assert [one.inner_text() for one in table.locator("th").all()] == ["from", "to", "attention", "rules", "marked"]
    rows = [[cell.inner_text() for cell in row.locator("td").all()] for row in table.locator("tbody tr").all()]
    of_rules = dict(line.rsplit(": ", 1) for line in expected_rules(one, 1))
    of_attention = dict(line.rsplit(": ", 1) for line in wanted)
    assert len(rows) == 15
    for query, cell, first, second, _ in rows:
        assert (first, second) == (of_attention[f"{query} → {cell}"], of_rules[f"{query} → {cell}"])
    assert [row[2] for row in rows] == sorted((row[2] for row in rows), reverse=True)
    assert beside.complaints == [] and len(beside.requests) == 1


def test_it_is_switched_with_keys_and_where_nothing_is_kept_there_is_no_switch(beside: Opened) -> None:
    shown = beside.page
    select(shown, "Show").focus()
    shown.keyboard.press("ArrowDown")
    shown.keyboard.press("ArrowDown")
    assert select(shown, "Show").input_value() == "both"
    assert [one.inner_text() for one in shown.locator(".picture figcaption").all()] == ["attention", "rules"]
    # words are chosen among those that ask
    assert select(shown, "From").locator("option").all_inner_texts() == ["every word", *WORDS]
    select(shown, "From").select_option(label="saw")
    begins = shown.locator("path.arc title").evaluate_all("(all) => all.map((one) => one.textContent.split(' → ')[0])")
    assert set(begins) == {"saw"}
    select(shown, "Document").select_option("5")
    assert select(shown, "Show").count() == 0 and shown.locator(".picture figure").count() == 0
    assert "What rules give is on this page for 1 other document." in shown.locator(".examples").inner_text()
    select(shown, "Document").select_option("3")
    assert select(shown, "Show").input_value() == "both"
    assert beside.complaints == []


def test_over_tokens_rules_are_of_tokens(chromium: Any, tmp_path: Path) -> None:
    one = example(3, 2, unit="token")
    (tmp_path / "report.html").write_text(page_of(one, unit="token"), encoding="utf-8")
    shown = opened(chromium, tmp_path / "report.html").page
    select(shown, "As").select_option("matrix")
    select(shown, "Show").select_option("rules")
    given = one.modelled["self"][0]
    cells = list(zip((*TOKENS[:5], TOKENS[5]), (len(TOKENS), 1, 2, 3, 4, len(TOKENS) + 1), strict=True))
    assert titles(shown, "rules") == [
        f"{TOKENS[query]} → {cell}: {np.rint(given[query, column] * (RULES / STEPS)) / RULES:.2f}"
        for query in range(1, 5)
        for cell, column in cells
    ]


@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_serious_stands_in_the_way_of_both(chromium: Any, tmp_path: Path, width: int) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    (tmp_path / "report.html").write_text(page_of(example(3, 2)), encoding="utf-8")
    shown = opened(chromium, tmp_path / "report.html", width=width).page
    for picture in ("arcs", "matrix"):
        select(shown, "As").select_option(picture)
        select(shown, "Show").select_option("both")
        assert shown.locator(".picture svg").count() == 2
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        found = axe.run(shown).response["violations"]
        assert [one["id"] for one in found if one["impact"] in ("serious", "critical")] == []


def test_a_run_without_rules_has_no_switch(chromium: Any, tmp_path: Path) -> None:
    (tmp_path / "report.html").write_text(page_of(example(3, 2, rules=False)), encoding="utf-8")
    shown = opened(chromium, tmp_path / "report.html").page
    assert select(shown, "Show").count() == 0 and "rules give" not in shown.locator(".examples").inner_text()


def test_rules_take_no_more_than_a_fifth_of_the_room_of_attention() -> None:
    """Numbers at random, which pack worst: some documents have rules, the others say so."""
    heads = tuple(("self", 0, head) for head in range(80))
    documents = tuple(example(number, len(heads)) for number in range(9))
    found = example_data(Examples(documents, heads, (), "nine"), None)
    assert found is not None
    whole = sum(len(one["bytes"]) for one in found["documents"])
    packed = [one["rules"]["bytes"] for one in found["documents"] if "rules" in one]
    assert 0 < sum(map(len, packed)) <= 0.2 * whole
    assert found["with_rules"] == len(packed) < 9
    # what is packed is what was given
    steps = np.frombuffer(gzip.decompress(base64.b64decode(packed[0])), dtype=np.uint8)
    given = steps.reshape(len(heads), len(WORDS) + 2, len(WORDS)).transpose(0, 2, 1) / RULES
    np.testing.assert_allclose(given, documents[0].modelled["self"] / STEPS, atol=0.5 / RULES + 1e-9)
