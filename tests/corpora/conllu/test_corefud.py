from pathlib import Path

import pytest

import interp
from interp.corpora.conllu import read_conllu
from interp.corpora.coreference import read_coreference
from interp.corpora.mentions import antecedents
from interp.corpora.text import numbered_lines
from interp.corpora.validation import validate
from interp.errors import CorpusError
from interp.types import Corpus, Mention
from tests.support.paths import SHARED

LITBANK = SHARED / "data/corpora/litbank"
CASE = SHARED / "cases/13_coref_in_misc/t.conllu"
DECLARED = "# global.Entity = eid-etype-head-other"


def row(identifier: int | str, form: str, misc: str = "_", head: int | str = "_", tag: str = "X") -> str:
    relation = "_" if head == "_" else "root" if head == 0 else "dep"
    return f"{identifier}\t{form}\t_\t{tag}\t_\t_\t{head}\t{relation}\t_\t{misc}"


def sentence(*values: str, start: int = 1) -> tuple[str, ...]:
    """Words a, b, c … without syntax, with these values of `Entity`."""
    rows = (row(n, "abcdefghij"[n - 1], f"Entity={v}" if v else "_") for n, v in enumerate(values, start))
    return (*rows, "")


def read(path: Path, *lines: str, unit: str = "sentence", declared: str = DECLARED) -> Corpus:
    path.write_text("\n".join((declared, *lines)) + "\n")
    return read_conllu(path, unit=unit)


def spans(corpus: Corpus, document: int = 0) -> list[tuple[int, int, int]]:
    return [(m.start, m.end, m.entity) for m in corpus.documents[document].mentions or ()]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.conllu"


BRACKETS = {
    "one word": (("(e1-person-1)", "", "(e1--1-)"), {(0, 1): "e1", (2, 3): "e1"}),
    "several words": (("(e1-person-2-x:1", "", "e1)"), {(0, 3): "e1"}),
    "nested": (("(e1-p-3(e2-p-1)", "(e3-p-1", "e3)e1)"), {(0, 3): "e1", (0, 1): "e2", (1, 3): "e3"}),
    "nested, one entity": (("(e1-p-3(e1-p-2", "e1)", "e1)"), {(0, 3): "e1", (0, 2): "e1"}),
    "crossing": (("(e1", "(e2", "e1)", "e2)"), {(0, 3): "e1", (1, 4): "e2"}),
    "end and beginning in one value": (("(e1", "e1)(e2", "e2)"), {(0, 2): "e1", (1, 3): "e2"}),
    "one word before an end": (("(e1", "(e2)e1)"), {(0, 2): "e1", (1, 2): "e2"}),
}


@pytest.mark.parametrize(("values", "expected"), BRACKETS.values(), ids=BRACKETS.keys())
def test_brackets_are_mentions(path: Path, values: tuple[str, ...], expected: dict[tuple[int, int], str]) -> None:
    (document,) = read(path, *sentence(*values)).documents
    validate(document)
    assert document.mentions is not None
    assert {(m.start, m.end) for m in document.mentions} == set(expected)
    # which number an entity has says nothing, that it is the same one does
    number = {name: m.entity for m in document.mentions if (name := expected[m.start, m.end])}
    assert all(m.entity == number[expected[m.start, m.end]] for m in document.mentions)
    assert len(set(number.values())) == len(number)


def test_the_fields_stand_where_the_global_line_says(path: Path) -> None:
    gum = "# global.Entity = GRP-etype-infstat-centering-minspan-link-identity"
    values = (
        "(7-person-giv:act-cf1*-1-coref-Ada_Lovelace(8-place-new-cf2-1-sgl)",
        "7)",
        "(7-person-giv:act-cf1*-1-ana)",
    )
    assert spans(read(path, *sentence(*values), declared=gum)) == [(0, 1, 0), (0, 2, 1), (2, 3, 1)]
    old = "# global.Entity = entity-GRP-infstat-MIN-coref_type-identity"
    assert spans(read(path, *sentence("(place-7-new-1-coref", "place-7)", "(place-7-giv)"), declared=old)) == [
        (0, 2, 0),
        (2, 3, 0),
    ]


def test_the_head_is_the_word_that_is_counted(path: Path) -> None:
    mentions = read(path, *sentence("(e1-p-2-", "", "e1)", "(e2-p-)", "(e3-p-1,2", "e3)")).documents[0].mentions
    assert mentions is not None
    assert [(m.start, m.end, m.head) for m in mentions] == [(0, 3, 1), (3, 4, None), (4, 6, 4)]


def test_empty_nodes_count_for_the_head_and_are_no_words(path: Path) -> None:
    lines = (
        row(1, "a", "Entity=(e1-p-3"),
        row("1.1", "_", "Entity=(e2-p-1)"),
        row(2, "b", "Entity=e1)"),
        row("2.1", "_", "Entity=(e1-p-2"),
        row(3, "c", "Entity=e1)"),
        "",
    )
    corpus = read(path, *lines)
    mentions = corpus.documents[0].mentions or ()
    assert [(m.start, m.end, m.head) for m in mentions] == [(0, 2, 1), (2, 3, 2)]
    assert "mentions of empty nodes alone (left out): 1" in corpus.notes


def test_brackets_of_a_multiword_token_are_those_of_its_words(path: Path) -> None:
    lines = (
        row("1-2", "ab", "Entity=(e1-p-1)"),
        row(1, "a", "Entity=(e2-p-1)"),
        row(2, "b"),
        row(3, "c", "Entity=(e3"),
    )
    ends = (row("4-5", "de", "Entity=e3)"), row(4, "d"), row(5, "e"), "")
    assert {(start, end) for start, end, _ in spans(read(path, *lines, *ends))} == {(0, 2), (0, 1), (2, 5)}


def test_of_a_mention_in_parts_the_one_with_the_head_stands(path: Path) -> None:
    values = ("(e1[1/2]-p-3-", "e1[1/2])", "", "(e1[2/2]-p-3-", "e1[2/2])", "(e1-p-1)")
    corpus = read(path, *sentence(*values))
    assert spans(corpus) == [(3, 5, 0), (5, 6, 0)]
    assert [mention.head for mention in corpus.documents[0].mentions or ()] == [3, 5]
    assert any(note.startswith("mentions in several parts") and note.endswith(": 1") for note in corpus.notes)
    # by syntax: a, the root, is the first word whose governor is none of the mention's
    rows = [row(n, "abcdef"[n - 1], f"Entity={v}" if v else "_", 0 if n == 1 else 1) for n, v in enumerate(values, 1)]
    assert spans(read(path, *rows)) == [(0, 2, 0), (5, 6, 0)]


TWO = ("# newdoc id = x", *sentence("(e1-p-1)", "(e2"), *sentence("e2)", "(e1-p-1)", "(e1-p-1)"))


def test_a_sentence_has_the_mentions_within_it_and_a_document_all(path: Path) -> None:
    apart = read(path, *TWO)
    assert [spans(apart, 0), spans(apart, 1)] == [[(0, 1, 0)], [(1, 2, 0), (2, 3, 0)]]
    assert "mentions in several sentences (left out; corpus.unit=document keeps them): 1" in apart.notes
    assert "mentions whose antecedents all lie in other sentences (corpus.unit=document keeps them): 1" in apart.notes
    whole = read(path, *TWO, unit="document")
    assert spans(whole) == [(0, 1, 0), (1, 3, 1), (3, 4, 0), (4, 5, 0)]
    assert antecedents(whole.documents[0]) == [(3, 0), (4, 0), (4, 3)]
    assert not any("sentences" in note for note in whole.notes if "syntax" not in note)


def test_an_entity_of_another_document_is_another(path: Path) -> None:
    corpus = read(
        path,
        "# newdoc id = x",
        *sentence("(1)"),
        "# newdoc id = y",
        *sentence("(2)", "(1)"),
        declared="# global.Entity = GRP",
    )
    assert [spans(corpus, 0), spans(corpus, 1)] == [[(0, 1, 0)], [(0, 1, 0), (1, 2, 1)]]


def test_the_kind_is_the_form_by_tag_and_tree_not_the_type(path: Path) -> None:
    lines = (
        row(1, "král", "Entity=(e1-person-1", 3, "NOUN"),
        row(2, "Čech", "Entity=e1)", 1, "PROPN"),
        row(3, "ví", "_", 0, "VERB"),
        row(4, "ona", "Entity=(e2-person-1)", 3, "PRON"),
        row(5, "jeho", "Entity=(e1-person-1)", 6, "DET"),
        row(6, "Petr", "Entity=(e3-place-1)", 3, "PROPN"),
    )
    mentions = read(path, *lines).documents[0].mentions or ()
    assert [mention.kind for mention in mentions] == ["nominal", "pronoun", "pronoun", "proper"]


def test_of_mentions_over_the_same_words_the_first_is_kept(path: Path) -> None:
    corpus = read(path, *sentence("(e1(e2", "e2)e1)"))
    validate(corpus.documents[0])
    assert [span[:2] for span in spans(corpus)] == [(0, 2)]
    assert "mentions over words that were a mention already (the first is kept): 1" in corpus.notes


REFUSED = {
    "not closed": (("(e1", ""), 2, r"\(e1 does not end before its document does"),
    "not opened": (("", "e1)"), 3, r"e1\) closes what no \(e1 has opened"),
    "no bracket": (("", "e1"), 3, "is not read; allowed are brackets"),
    "stray brackets": (("()", ""), 2, "is not read; allowed are brackets"),
    "words after": (("(e1)x", ""), 2, "is not read; allowed are brackets"),
    "no entity": (("(-person-1)", ""), 2, "names no entity"),
    "head in words": (("(e1-p-one)", ""), 2, "has the head 'one'"),
    "head zero": (("(e1-p-0)", ""), 2, "has the head '0'"),
    "head beyond": (("(e1-p-3", "e1)"), 2, "has the head 3 and fewer words"),
    "part that is none": (("(e1[2])", ""), 2, "is no part of a mention"),
    "part beyond": (("(e1[3/2])", ""), 2, "is no part of a mention"),
    "part without a first": (("", "(e1[2/2])"), 3, "has no part 1 before it"),
    "part without a last": (("(e1[1/2])", ""), 2, "does not end before its document does"),
}


@pytest.mark.parametrize("unit", ["sentence", "document"])
@pytest.mark.parametrize(("values", "line", "phrase"), REFUSED.values(), ids=REFUSED.keys())
def test_brackets_that_are_none_are_refused_with_their_line(
    path: Path, values: tuple[str, ...], line: int, phrase: str, unit: str
) -> None:
    first, *rest = sentence(*values)
    with pytest.raises(CorpusError, match=phrase) as caught:
        read(path, first, *rest, "# newdoc id = x", *sentence("(e1"), unit=unit)
    assert caught.value.line == line


def test_annotation_that_is_not_read_is_said(path: Path) -> None:
    silent = read(path, *sentence("(1", "1)"), declared="# sent_id = 1")
    assert silent.documents[0].mentions is None
    assert any(
        note.startswith("lines with mentions in MISC that no `# global.Entity` explains") for note in silent.notes
    )
    old = read(path, row(1, "a", "ClusterId=c1|MentionSpan=1"), declared="# sent_id = 1")
    assert any("no `# global.Entity` explains (not read): 1" in note for note in old.notes)
    types = read(path, *sentence("(place)"), declared="# global.Entity = etype-identity")
    assert any(
        "`# global.Entity` that name no eid or GRP ('etype-identity'; not read): 1" in note for note in types.notes
    )


def test_deeply_nested_and_long_values_are_read_in_linear_time(path: Path) -> None:
    count = 20_000
    nested = "".join(f"(e{n}" for n in range(count)), "".join(f"e{n})" for n in range(count))
    corpus = read(path, *sentence(*nested))
    assert "mentions over words that were a mention already (the first is kept): 19999" in corpus.notes
    with pytest.raises(CorpusError, match="allowed are brackets"):
        read(path, *sentence("e" * 1_000_000))


@pytest.mark.real
def test_litbank_written_as_corefud_has_the_mentions_that_its_own_format_has(path: Path) -> None:
    file = next(iter(sorted(LITBANK.glob("**/*_brat.conll.gz"))), None)
    if file is None:
        pytest.skip(f"{LITBANK} is absent")
    columns = read_coreference(file, "litbank", window=None).documents[0]
    cells = [line.split("\t")[-1] for _, line in numbered_lines(file) if "\t" in line]
    lines: list[str] = []
    for number, (word, cell) in enumerate(zip(columns.words, cells, strict=True), 1):
        pieces = cell.split("|") if cell not in ("", "_") else []
        opening = "".join("(e" + piece[1:] for piece in pieces if piece.startswith("("))
        closing = "".join(f"e{piece}" for piece in pieces if not piece.startswith("("))
        lines.append(row(number, word, f"Entity={closing}{opening}"))
    (document,) = read(path, "# newdoc id = x", *lines, unit="document").documents
    expected, found = columns.mentions or (), document.mentions or ()
    assert len(found) > 100
    assert {(m.start, m.end) for m in found} == {(m.start, m.end) for m in expected}
    assert antecedents(document) == antecedents(columns)


@pytest.mark.skipif(not CASE.is_file(), reason=f"{CASE} is absent")
@pytest.mark.parametrize("unit", ["sentence", "document"])
def test_the_case_can_be_asked_for_coreference(unit: str) -> None:
    corpus = read_conllu(CASE, unit=unit)
    assert corpus.documents[0].mentions == (
        Mention(0, 1, 0, "proper", head=0),
        Mention(3, 4, 0, "pronoun", "feminine", "singular", head=3),
    )
    assert antecedents(corpus.documents[0]) == [(3, 0)]
    assert "coref.antecedent" in [role.name for role in interp.roles.coreference(corpus)]
