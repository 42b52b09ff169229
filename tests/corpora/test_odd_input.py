"""What readers meet in files that no one wrote by hand: numbers, nesting and characters that break a parser; size."""

import json
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.corpora.coreference import read_coreference
from interp.corpora.coreference.head_words import before_postmodifier
from interp.corpora.mentions import antecedents_by_kind, nearest_agreeing
from interp.corpora.minimal_pairs import read_minimal_pairs
from interp.corpora.tab_separated import words_under
from interp.corpora.text import cut_words, read_text, sentence, text_document
from interp.errors import CorpusError, InterpError
from interp.paths import given as given_path
from interp.types import Corpus, Document, Mention
from tests.support.paths import SHARED

CASES = SHARED / "cases"
PAIR = {"sentence_good": "A dog barks.", "sentence_bad": "A dog bark.", "UID": "x", "pairID": "0"}
GAP = "ID\tText\tPronoun\tPronoun-offset\tA\tA-offset\tA-coref\tB\tB-offset\tB-coref\tURL"


def written(path: Path, *lines: str) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def case(name: str) -> Path:
    path = CASES / name
    if not path.is_file():
        pytest.skip("the cases beside the checkout (../shared/cases) are absent")
    return path


# Numbers, nesting, characters

LONG = "9" * 5000
DEEP = "[" * 50_000


@pytest.mark.parametrize(
    "line",
    [
        DEEP,
        '{"a":' * 50_000,
        f'{{"sentence_good": {DEEP}',
        f'{{"a": {LONG}}}',
        f"-{LONG}",
        json.dumps({**PAIR, "pairID": 0}).replace(" 0}", f" {LONG}}}"),
        json.dumps({**PAIR, "sentence_good": "A dog \ud800 barks."}),
        json.dumps({**PAIR, "sentence_bad": "A dog \udfff bark."}),
        json.dumps({**PAIR, "UID": "\ud83d"}),
        json.dumps({**PAIR, "pairID": "\ude00"}),
        json.dumps({**PAIR, "pairID": None}),
        json.dumps({**PAIR, "sentence_good": json.loads("[" * 900 + "]" * 900)}),
        json.dumps({**PAIR, "UID": json.loads("[" * 900 + "]" * 900)}),
    ],
)
def test_json_that_no_one_can_read_is_an_error_with_its_line(tmp_path: Path, line: str) -> None:
    path = written(tmp_path / "pairs.jsonl", json.dumps(PAIR), line)
    with pytest.raises(CorpusError) as caught:
        read_minimal_pairs(path)
    assert (caught.value.path, caught.value.line) == (str(path), 2)
    assert len(str(caught.value)) < 500
    str(caught.value).encode()


def test_whole_pairs_of_surrogates_are_characters(tmp_path: Path) -> None:
    path = written(tmp_path / "pairs.jsonl", json.dumps({**PAIR, "sentence_good": "A dog \U0001f600 barks."}))
    assert r"\ud83d\ude00" in path.read_text()
    assert read_minimal_pairs(path).documents[0].words == ("A", "dog", "\U0001f600", "barks", ".")


@pytest.mark.parametrize("offset", [LONG, "-1", "1.5", "", "²", "٣", "24", "999999999"])
def test_an_offset_that_is_none_is_an_error_with_its_line(tmp_path: Path, offset: str) -> None:
    row = f"x\tAnn met Bo when she ran.\tshe\t{offset}\tAnn\t0\tTRUE\tBo\t8\tFALSE\tu"
    path = written(tmp_path / "gap-test.tsv", GAP, row.replace(f"\t{offset}\t", "\t16\t", 1), row)
    with pytest.raises(CorpusError, match="Pronoun-offset") as caught:
        read_coreference(path, "gap")
    assert caught.value.line == 3
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize("number", [LONG, "1234567890"])
def test_numbers_of_columns_are_errors_with_their_line(tmp_path: Path, number: str) -> None:
    word = "d\t0\t0\tw\t-\t-\t-\t-\t-\t-\t*\t{}"
    for begin, cell in ((f"#begin document (d); part {number}", "-"), ("#begin document (d)", f"({number})")):
        path = written(tmp_path / "a_conll", begin, word.format(cell), "", "#end document")
        with pytest.raises(CorpusError) as caught:
            read_coreference(path, "conll2012")
        assert caught.value.line == (1 if cell == "-" else 2)


@pytest.mark.parametrize(
    ("name", "read"),
    [
        ("t_deep.jsonl", read_minimal_pairs),
        ("t_bigint.jsonl", read_minimal_pairs),
        ("t_surrogate_good.jsonl", read_minimal_pairs),
        ("t_off_off5000.tsv", partial(read_coreference, format="gap")),
        ("t_part_5000_digits.txt", partial(read_coreference, format="conll2012")),
    ],
)
def test_the_cases_are_errors_with_their_line(name: str, read: Callable[[Path], Corpus]) -> None:
    with pytest.raises(CorpusError) as caught:
        read(case(f"readers/{name}"))
    assert caught.value.line is not None


def test_text_from_python_with_half_a_character_is_refused_wherever_it_comes_from() -> None:
    spans = np.array([[0, 1]], dtype=np.int32)
    made: list[Callable[[], Any]] = [
        lambda: text_document("a \ud800 b"),
        lambda: text_document("a", source="\ud800"),
        lambda: sentence("a \udcff"),
        lambda: Document("s", "\ud800", ("\ud800",), spans),
        lambda: Document("s", "a", ("a",), spans, alternative="\ud800"),
    ]
    for make in made:
        with pytest.raises(InterpError, match="lone surrogate at character"):
            make()
    assert text_document("a \U0001f600 b").number


# Escapes


def test_escapes_of_the_penn_treebank_are_undone(tmp_path: Path) -> None:
    words = {
        r"and\/or": "and/or",
        r"\*": "*",
        r"1\/2\/3": "1/2/3",
        r"\*\*": "**",
        "-LRB-": "(",
        "/.": ".",
        "a\\b": "a\\b",
    }
    rows = [f"d\t0\t{n}\t{word}\t-\t-\t-\t-\t-\t-\t*\t-" for n, word in enumerate(words)]
    corpus = read_coreference(
        written(tmp_path / "a_conll", "#begin document (d)", *rows, "", "#end document"), "conll2012"
    )
    assert corpus.documents[0].words == tuple(words.values())
    assert corpus.notes == (r"words whose escapes were undone (-LRB-, /., \/, \*): 6",)


def test_the_case_of_escapes() -> None:
    corpus = read_coreference(case("16_ptb_escapes/t_gold_conll"), "conll2012")
    assert len(corpus) == 40
    assert {document.text for document in corpus} == {"The very old king left his and/or her * castle . He wept ."}


# Size: what is done grows with the input, and no faster


def steps(work: Callable[[], object]) -> int:
    """Lines of this project's code that are run, whatever the machine."""
    count = 0

    def trace(frame: Any, event: str, _: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace if "/interp/" in frame.f_code.co_filename else None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except CorpusError:
        pass
    finally:
        sys.settrace(before)
    return count


def columns(*rows: tuple[str, str]) -> list[str]:
    """Rows of a word and its coreference; an empty word ends the sentence."""
    lines, number = [], 0
    for word, cell in rows:
        lines.append(f"d\t0\t{number}\t{word}\t-\t-\t-\t-\t-\t-\t*\t{cell}" if word else "")
        number = number + 1 if word else 0
    return ["#begin document (d); part 000", *lines, "", "#end document"]


def nested(depth: int, size: int) -> list[str]:
    opened = [(f"w{place}", f"({place}") for place in range(depth)]
    closed = [(f"v{place}", f"{depth - 1 - place})") for place in range(depth)]
    return columns(*opened, *((f"u{place}", "-") for place in range(size)), *closed)


GROWING: dict[str, tuple[str, Callable[[int], Sequence[str]]]] = {
    "long names": ("winobias", lambda n: ["[The " + "a " * n + "b] saw [her].", "[The cook] saw " + "a " * n + "him"]),
    "many articles": ("winobias", lambda n: ["[The cook of the old inn] saw " + "a the " * n + "because [he] left."]),
    "many names": ("winobias", lambda n: [f"[The cook{i}] saw the maid because [he] left." for i in range(n)]),
    "many marks": ("winobias", lambda n: ["[The cook] saw " + " ".join(f"w{i} [he]" for i in range(n))]),
    "mentions in mentions": ("conll2012", lambda n: nested(n, 0)),
    "long mentions in long mentions": ("conll2012", lambda n: nested(20, n)),
    "sentences with a mention each": ("sentences", lambda n: columns(*[("w", "(1)"), ("", "")] * n)),
}  # fmt: skip


@pytest.mark.parametrize(("kind", "lines"), GROWING.values(), ids=GROWING.keys())
def test_four_times_the_input_takes_hardly_more_than_four_times_the_steps(
    tmp_path: Path, kind: str, lines: Callable[[int], Sequence[str]]
) -> None:
    read = {"sentences": partial(read_coreference, format="conll2012", unit="sentence")}.get(
        kind, partial(read_coreference, format=kind)
    )
    small, large = (written(tmp_path / f"{n}_conll", *lines(n)) for n in (100, 400))
    assert steps(lambda: read(large)) < 6 * steps(lambda: read(small))


def test_the_case_of_winobias_is_refused_in_few_steps() -> None:
    path = case("readers/winobias_slow.txt")
    assert steps(lambda: read_coreference(path, "winobias")) < 2_000_000
    with pytest.raises(CorpusError, match="line 2: more than 20 words are marked as one"):
        read_coreference(path, "winobias")


@pytest.mark.parametrize("tagged", [True, False])
def test_the_head_of_a_long_mention_takes_few_steps(tagged: bool) -> None:
    def find(size: int) -> int:
        words = [","] * size
        return steps(lambda: before_postmodifier(words, 0, size, ["NN"] * size if tagged else None))

    assert find(4000) < 6 * find(1000)


def test_pairs_are_looked_for_within_entities_only() -> None:
    def document(size: int) -> Document:
        mentions = tuple(Mention(place, place + 1, place) for place in range(size))
        words = tuple(f"w{place}" for place in range(size))
        return Document("s", " ".join(words), words, np.full((size, 2), -1, dtype=np.int32), mentions=mentions)

    for function in (antecedents_by_kind, nearest_agreeing):
        assert steps(lambda f=function: f(document(4000))) < 6 * steps(lambda f=function: f(document(1000)))


def test_words_under_characters_are_those_that_a_search_finds() -> None:
    text = "It's  a well-known «fact», 漢字!"
    cuts = cut_words(text)
    for start in range(len(text)):
        for end in range(start + 1, len(text) + 1):
            under = [place for place, (_, begins, ends) in enumerate(cuts) if begins < end and ends > start]
            assert words_under(cuts, start, end) == ((under[0], under[-1] + 1) if under else (0, 0))


# Paths


def test_the_home_is_written_as_a_tilde(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path / "a.txt", "One line.")
    written(tmp_path / "target.txt", "Eine Zeile.")
    assert read_text("~/a.txt").documents[0].text == "One line."
    assert read_text(Path("~/a.txt"), target="~/target.txt").documents[0].target is not None
    (tmp_path / "pairs").mkdir()
    written(tmp_path / "pairs" / "a.jsonl", json.dumps(PAIR))
    assert read_minimal_pairs("~/pairs").name == "pairs"
    with pytest.raises(CorpusError, match=f"{tmp_path}/b.txt: there is no such file"):
        read_text("~/b.txt")
    with pytest.raises(InterpError, match=r"no home of '~no-such-user' is known here.*Give it without `~`"):
        read_text("~no-such-user/a.txt")


def test_what_is_called_with_a_tilde_is_found_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "~a.txt", "One line.")
    assert read_text("~a.txt").name == "~a"
    assert given_path(Path("b~c/~d")) == Path("b~c/~d")
