"""The page of a run in a real browser: as somebody uses it with a mouse, with keys, and with a screen reader."""

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file

from interp.examples import Example, Examples, Marked, Side
from interp.report import page
from interp.report.example_data import example_data
from interp.report.page import as_json
from tests.support.browser import Opened, opened

if TYPE_CHECKING:
    from tests.support.command_line import Finished

pytest_plugins = ("tests.support.chromium", "tests.support.command_line")

HOSTILE = (
    "<script>document.title='taken'</script>",
    "</script><img src=x onerror=alert(1)>",
    "\"quoted\" & 'single'",
    "مرحبا",
    "👩‍👩‍👧",
    "w" * 300,
    "<!--SCRIPT-->",
)


def run_of(words: tuple[str, ...] = HOSTILE, model: str = "<b>model</b>") -> str:
    """A page of two layers of two heads on one document; head 1.0 attends from every word to the first."""
    count = len(words)
    patterns = np.zeros((4, count, count), dtype=np.uint8)
    patterns[:, np.arange(count), np.arange(count)] = 255
    patterns[2] = 0
    patterns[2, :, 0] = 255
    side = Side(words, words, np.arange(count), np.zeros(count, dtype=bool))
    marks = np.array([[0, query, query - 1] for query in range(1, count)])
    example = Example(7, words[0], " ".join(words), (side,), {"self": patterns}, {"self": marks})
    heads = tuple(("self", layer, head) for layer in range(2) for head in range(2))
    examples = Examples((example,), heads, (Marked("offset-1", "positional", "word", "positional/x@1"),), "one")
    place = pd.DataFrame(heads, columns=["site", "layer", "head"])
    assigned = place.assign(role="unclassified", family=None, lift=np.nan)
    assigned.loc[2, ["role", "family", "lift"]] = ["obj.to_governor", "syntax", 0.5]
    for name in ("n", "hit", "mass", "baseline", "ci_low", "ci_high", "p", "q", "stability"):
        assigned[name] = 0.25
    assigned["statistic"], assigned["definition"] = "hit", "syntax/x@1"
    effects = place.assign(metric="log_prob", ablation="mean", n=3, effect=[0.0, -1.0, 2.0, 0.5])
    chosen = pd.DataFrame(
        [("self", 1, 0, "offset-1", True, "highest", 7, 0.5, 6)],
        columns=["site", "layer", "head", "role", "assigned", "place", "document", "mass", "queries"],
    )
    tables = {"roles": assigned, "effects": effects, "examples": chosen, "words": pd.DataFrame({"word": words})}
    manifest = {"model": {"name": model}, "corpus": {"name": words[0]}, "summary": [words[1], words[0]], "said": words}
    return page(tables, manifest, examples)


@pytest.fixture
def hostile(chromium: Any, tmp_path: Path) -> Opened:
    (tmp_path / "report.html").write_text(run_of(), encoding="utf-8")
    return opened(chromium, tmp_path / "report.html")


@pytest.fixture
def atlas(chromium: Any, atlas_run: "Finished") -> Opened:
    return opened(chromium, atlas_run.folder / "report.html")


def quiet(shown: Opened) -> bool:
    """Whether the page asked for nothing but itself, and complained of nothing."""
    return len(shown.requests) == 1 and shown.requests[0].startswith("file:") and shown.complaints == []


def open_table(page: Any, name: str) -> Any:
    """The table of this name, once it is drawn."""
    table = page.locator(f"details[data-table='{name}']")
    table.locator("summary").click()
    table.locator("tbody tr").first.wait_for()
    return table


def test_a_run_has_a_page_that_opens_without_asking_for_anything(atlas: Opened, atlas_run: "Finished") -> None:
    assert quiet(atlas), (atlas.requests, atlas.complaints)
    text = (atlas_run.folder / "report.html").read_text(encoding="utf-8")
    policy = re.search(r'Content-Security-Policy" content="([^"]*)"', text)
    assert policy and policy[1].startswith("default-src &#x27;none&#x27;") and "unsafe-inline" not in policy[1]
    assert atlas.page.locator("h1").inner_text() == "local on small: atlas" or "atlas" in atlas.page.title()
    roles = pd.read_parquet(atlas_run.folder / "roles.parquet")
    heads = roles[["layer", "head"]].drop_duplicates()
    assert atlas.page.locator("table.map td[data-head]").count() == len(heads)


def test_a_head_is_chosen_with_the_mouse_and_with_keys(hostile: Opened) -> None:
    shown = hostile.page
    # it opens on the head with a role
    assert shown.locator("article[data-card]").get_attribute("data-card") == "self 1.0"
    shown.locator('td[data-head="self 0.1"]').click()
    assert shown.locator("article[data-card]").get_attribute("data-card") == "self 0.1"
    shown.keyboard.press("ArrowDown")
    shown.keyboard.press("ArrowLeft")
    # walking does not choose
    assert shown.locator("article[data-card]").get_attribute("data-card") == "self 0.1"
    shown.keyboard.press("Enter")
    assert shown.locator("article[data-card]").get_attribute("data-card") == "self 1.0"
    assert "obj.to_governor" in shown.locator("#said").inner_text()
    shown.keyboard.press("ArrowUp")
    shown.keyboard.press("c")
    both = [one.get_attribute("data-card") for one in shown.locator("article[data-card]").all()]
    assert both == ["self 1.0", "self 0.0"]
    shown.locator("article[data-card='self 1.0'] button", has_text="Close").click()
    assert shown.locator("article[data-card]").get_attribute("data-card") == "self 0.0"
    # the Tab key reaches one cell of the map, not all
    assert shown.locator("table.map td[tabindex='0']").count() == 1
    assert quiet(hostile)


def test_the_map_takes_the_colours_of_what_is_chosen(hostile: Opened) -> None:
    shown = hostile.page
    colours = "[...document.querySelectorAll('td[data-head]')].map((cell) => cell.style.backgroundColor)"
    assert shown.evaluate(colours) == ["", "", "rgb(0, 158, 115)", ""]
    assert [cell.inner_text() for cell in shown.locator("td[data-head]").all()] == ["", "", "S", ""]
    shown.locator("#colour").select_option(label="effect of mean ablation on log_prob (nats per token)")
    # from -2 to 2: zero is the middle of the ramp, 2 its end; -1 and 0.5 lie between
    middle, below, end, above = shown.evaluate(colours)
    assert middle == "rgb(247, 247, 247)" and end == "rgb(178, 24, 43)"
    assert below not in (middle, end, above)
    titles = [cell.get_attribute("title") for cell in shown.locator("td[data-head]").all()]
    assert titles[1].endswith(" -1.000") and titles[2].endswith(" 2.000")


def test_heads_are_filtered_by_role_and_search(hostile: Opened) -> None:
    shown = hostile.page

    def left() -> list[str]:
        return [one.get_attribute("data-head") for one in shown.locator("td[data-head]:not(.dimmed)").all()]

    shown.locator("#role").select_option("obj.to_governor")
    assert left() == ["self 1.0"]
    shown.locator("#role").select_option(label="no role")
    assert left() == ["self 0.0", "self 0.1", "self 1.1"]
    shown.locator("#role").select_option(label="any role or none")
    shown.locator("#search").fill("0.1")
    assert left() == ["self 0.1"]
    assert shown.locator("#found").inner_text() == "1 of 4 heads"


def test_arcs_and_matrix_show_the_attention_and_what_the_role_marks(hostile: Opened) -> None:
    shown = hostile.page
    # head 1.0: from each of the other words to the first
    assert shown.locator("path.arc").count() == len(HOSTILE) - 1
    assert shown.locator("path.gold").count() == len(HOSTILE) - 1
    shown.locator("label", has_text=re.compile("^From ")).locator("select").select_option("3")
    assert shown.locator("path.arc").count() == 1 and shown.locator("path.gold").count() == 1
    title = shown.locator("path.arc title").evaluate("(title) => title.textContent")
    assert title == f"{HOSTILE[3]} → {HOSTILE[0]}: 1.00"
    shown.locator("label", has_text=re.compile("^As ")).locator("select").select_option("matrix")
    assert shown.locator(".picture rect:not(.gold-cell)").count() == len(HOSTILE) ** 2
    assert shown.locator(".picture rect.gold-cell").count() == len(HOSTILE) - 1


def test_words_and_names_that_look_like_markup_are_text(hostile: Opened) -> None:
    shown = hostile.page
    assert shown.title() == f"<b>model</b> on {HOSTILE[0]}: run"
    assert shown.locator("h1").inner_text() == f"<b>model</b> on {HOSTILE[0]}: run"
    assert shown.locator("h1 b, img, #about script").count() == 0
    assert shown.locator("script").count() == 2
    assert HOSTILE[1] in shown.locator(".verdict").inner_text()
    open_table(shown, "words")
    cells = [cell.inner_text() for cell in shown.locator("details[data-table='words'] tbody td").all()]
    assert cells == list(HOSTILE)
    drawn = shown.evaluate("[...document.querySelectorAll('.picture svg > text > title')].map((t) => t.textContent)")
    assert drawn == list(HOSTILE)
    # a word of 300 letters is cut where it is drawn, and whole where it is pointed at
    assert shown.locator(".picture svg > text").nth(5).evaluate("(text) => text.lastChild.textContent.length") == 24
    assert quiet(hostile), hostile.complaints


def test_tables_are_sorted_by_any_column_and_what_is_empty_comes_last(hostile: Opened) -> None:
    shown = hostile.page
    table = open_table(shown, "effects")
    column = table.locator("th button", has_text=re.compile("^effect$"))
    place = shown.evaluate(
        "[...document.querySelectorAll('[data-table=effects] th')].map((th) => th.textContent)"
    ).index("effect")
    column.click()
    cells = table.locator(f"tbody td:nth-child({place + 1})")
    assert [cell.inner_text() for cell in cells.all()] == ["-1.0000", "0.0000", "0.5000", "2.0000"]
    column.click()
    assert [cell.inner_text() for cell in cells.all()] == ["2.0000", "0.5000", "0.0000", "-1.0000"]
    assert table.locator("th[aria-sort='descending']").inner_text().startswith("effect")
    roles = open_table(shown, "roles")
    for _ in range(2):
        roles.locator("th button", has_text=re.compile("^lift$")).click()
        place = shown.evaluate(
            "[...document.querySelectorAll('[data-table=roles] th')].map((th) => th.textContent)"
        ).index("lift")
        first = roles.locator(f"tbody tr:first-child td:nth-child({place + 1})").inner_text()
        assert first == "0.5000"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 400])
def test_nothing_serious_stands_in_anybodys_way(
    chromium: Any, atlas_run: "Finished", tmp_path: Path, width: int, scheme: str
) -> None:
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    (tmp_path / "hostile.html").write_text(run_of(), encoding="utf-8")
    for path in (atlas_run.folder / "report.html", tmp_path / "hostile.html"):
        shown = opened(chromium, path, width=width, scheme=scheme).page
        assert shown.evaluate("document.documentElement.dataset.theme") == scheme
        assert shown.evaluate("document.documentElement.scrollWidth") <= width
        for table in shown.locator("details[data-table] > summary").all():
            table.click()
        if shown.locator("#colour option").count() > 1:
            shown.locator("#colour").select_option(index=1)
        found = axe.run(shown).response["violations"]
        serious = [
            (one["id"], one["nodes"][0]["html"][:200]) for one in found if one["impact"] in ("serious", "critical")
        ]
        assert serious == []


def test_a_run_without_heads_has_a_page_of_its_tables(chromium: Any, tmp_path: Path) -> None:
    table = pd.DataFrame({"definition": ["a/b@1"], "formula": ["Σ"], "number": [np.nan]})
    (tmp_path / "report.html").write_text(page({"definitions": table}, {"summary": ["one"]}), encoding="utf-8")
    shown = opened(chromium, tmp_path / "report.html")
    assert shown.page.locator("#heads, #chosen").count() == 0
    open_table(shown.page, "definitions")
    assert [cell.inner_text() for cell in shown.page.locator("tbody td").all()] == ["a/b@1", "Σ", ""]
    assert quiet(shown)


def test_nothing_ends_the_data_that_it_stands_in() -> None:
    text = as_json({"word": "</script><!--\u2028", "half": "\ud800"})
    assert not re.search("[<>&\u2028]", text)
    assert json.loads(text.replace("\\ud800", "x"))["word"] == "</script><!--\u2028"


def test_the_page_has_the_attention_that_the_run_has_kept(atlas: Opened, atlas_run: "Finished") -> None:
    kept = load_file(atlas_run.folder / "examples.safetensors")
    documents = pd.read_parquet(atlas_run.folder / "example_documents.parquet")
    of_page = atlas.page.evaluate(
        "data.examples.documents.map((one) => [one.document, placeOf(one, 'self 0.1') < 0 ? null : "
        "patternOf(one, 'self 0.1')])"
    )
    assert len(of_page) >= 2
    for number, pattern in of_page:
        place = documents.index[documents["document"] == number][0]
        if pattern is not None:
            np.testing.assert_allclose(np.array(pattern) * 255, kept[f"{place}.self.pattern"][1], atol=1e-9)
    # and the same over words: the mean over the tokens of the one, the sum over those of the other
    words = atlas.page.evaluate(
        "(() => { const one = data.examples.documents[0], cells = cellsOf(one.sides[0], 'word');"
        " return [cells.map((c) => c.tokens), between(patternOf(one, 'self 0.1'), cells, cells)]; })()"
    )
    tokens, attention = words
    pattern = np.array(of_page[0][1])
    expected = [[np.mean([pattern[q, k].sum() for q in query for k in [key]]) for key in tokens] for query in tokens]
    np.testing.assert_allclose(attention, expected, atol=1e-9)


def sentence(words: str, heads: int = 3) -> tuple[Examples, pd.DataFrame]:
    """Head h attends from every word to word h alone; the table has that."""
    said = tuple(words.split())
    count = len(said)
    patterns = np.zeros((heads, count, count), dtype=np.uint8)
    patterns[np.arange(heads), :, np.arange(heads)] = 255
    side = Side(said, said, np.arange(count), np.zeros(count, dtype=bool))
    example = Example(0, "given", words, (side,), {"self": patterns}, {"self": np.zeros((0, 3), dtype=int)})
    rows = [
        ("self", 0, head, query, said[query], key, said[key], float(key == head))
        for head in range(heads) for query in range(count) for key in range(count) if key != query
    ]  # fmt: skip
    columns = ["site", "layer", "head", "query", "query_word", "key", "key_word", "mass"]
    of = tuple(("self", 0, head) for head in range(heads))
    return Examples((example,), of, (), "the sentence"), pd.DataFrame(rows, columns=columns)


def test_a_sentence_opens_on_its_query_and_the_head_that_attends_from_it(chromium: Any, tmp_path: Path) -> None:
    examples, attention = sentence("the quiz because it was")
    from_it = attention[attention["query"] == 3].rename(columns={"key": "candidate", "key_word": "candidate_word"})
    candidates = from_it[from_it["candidate"].isin([0, 1])].assign(mass=lambda t: t["mass"] * (0.5 + t["head"] / 4))
    text = page({"attention": attention, "candidates": candidates}, {"summary": ["one"]}, examples)
    (tmp_path / "report.html").write_text(text, encoding="utf-8")
    shown = opened(chromium, tmp_path / "report.html")
    # head 1 gives the quiz .75, head 0 the article .5
    assert shown.page.locator("article[data-card]").get_attribute("data-card") == "self 0.1"
    assert shown.page.locator("#colour option").all_inner_texts() == [
        "attention to quiz (word 1)",
        "attention to the (word 0)",
    ]
    titles = shown.page.locator("path.arc title").evaluate_all("(all) => all.map((one) => one.textContent)")
    assert titles == ["it → quiz: 1.00"]
    # what there is nothing to choose from is not there: documents, marks, roles
    assert shown.page.locator(".examples label").all_inner_texts()[0].startswith("Over")
    assert shown.page.locator("label", has_text=re.compile("^Mark|^Only heads with")).count() == 0
    assert quiet(shown)


def test_two_heads_are_shown_in_the_same_document(atlas: Opened) -> None:
    shown = atlas.page
    shown.locator("td[data-head]").nth(0).click()
    shown.locator("td[data-head]").nth(1).focus()
    shown.keyboard.press("c")
    assert shown.locator("article[data-card]").count() == 2

    def documents() -> list[str]:
        labels = shown.locator(".examples label", has_text=re.compile("^Document"))
        return labels.locator("select").evaluate_all("(all) => all.map((one) => one.value)")

    first, second = documents()
    assert first == second
    every = shown.evaluate(
        "data.examples.documents.filter((one) => one.patterns.self.heads === 'all').map((d) => d.document)"
    )
    other = next(str(number) for number in every if str(number) != first)
    shown.locator(".examples label", has_text=re.compile("^Document")).first.locator("select").select_option(other)
    assert documents() == [other, other]
    assert quiet(atlas)


@pytest.mark.parametrize(("heads", "tokens"), [(144, 30), (270, 40), (768, 40), (270, 100)])
def test_examples_take_no_more_than_the_room_of_a_page(heads: int, tokens: int) -> None:
    """Attention as even as it can be, which packs worst: the page stays small, and says what it has left out."""
    random = np.random.default_rng(0)
    said = tuple(f"w{number}" for number in range(tokens))
    side = Side(said, said, np.arange(tokens), np.zeros(tokens, dtype=bool))
    marks = {"self": np.array([[0, 1, 0]])}
    documents = tuple(
        Example(
            number, "s", "x", (side,), {"self": random.integers(0, 40, (heads, tokens, tokens), dtype=np.uint8)}, marks
        )
        for number in range(9)
    )
    of = tuple(("self", 0, head) for head in range(heads))
    chosen = pd.DataFrame(
        [(*head, "r", True, place, number, 0.5, 1) for head in of for number, place in enumerate(PLACES_OF_NINE)],
        columns=["site", "layer", "head", "role", "assigned", "place", "document", "mass", "queries"],
    )
    found = example_data(Examples(documents, of, (Marked("r", "syntax", "word", "r@1"),), "nine"), chosen)
    assert found is not None
    room = 1_150_000 if heads <= 144 else 1_900_000
    whole = [one for one in found["documents"] if one["patterns"]["self"]["heads"] == "all"]
    size = sum(len(one["bytes"]) for one in found["documents"])
    assert whole and (size <= room or len(whole) == len(found["documents"]) == 1)
    words = "one of them" if len(whole) == 1 else f"{len(whole)} of them"
    assert f"{words} with every head" in found["rule"]
    shown = {len(one["documents"]) for one in found["own"].values()}
    assert shown <= {9, 3, 1} and ("of each head also" in found["rule"]) == bool(shown)


PLACES_OF_NINE = [place for place in ("highest", "median", "lowest") for _ in range(3)]
