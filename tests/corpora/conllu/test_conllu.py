import gzip
import hashlib
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import conllu
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.cli import settings as settings_of_a_run
from interp import roles
from interp.corpora.batching import collate
from interp.corpora.conllu import conllu_documents, read_conllu
from interp.corpora.encoding import encode
from interp.corpora.validation import validate
from interp.errors import CorpusError, InterpError
from interp.roles.annotation_baselines import annotation_baselines
from interp.types import Document
from tests.support.fakes import FakeModel, uniform
from tests.support.paths import SHARED

CASES = SHARED / "cases"
EWT = SHARED / "data/corpora/ud_english_ewt"
TAGS, RELATIONS = ("NOUN", "VERB", "_"), ("nsubj", "nsubj:pass", "dep", "_")


def row(identifier: int | str, form: str, head: int | str = "_", relation: str | None = None, misc: str = "_") -> str:
    relation = relation or ("root" if head == 0 else "dep")
    return f"{identifier}\t{form}\t_\tNOUN\t_\t_\t{head}\t{relation}\t_\t{misc}"


def write(path: Path, *lines: str) -> Path:
    path.write_bytes("".join(f"{line}\n" for line in lines).encode())
    return path


def cut_out(document: Document) -> list[str | None]:
    return [document.text[start:end] if start >= 0 else None for start, end in document.spans]


ONE = (row(1, "One", 0), "")
TWO = (row(1, "Two", 0), "")


# The file as the `conllu` library reads it


@pytest.fixture(scope="module")
def dev() -> Path:
    path = EWT / "en_ewt-ud-dev.conllu"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    return path


@pytest.fixture(scope="module")
def dev_sentences(dev: Path) -> list[conllu.TokenList]:
    return conllu.parse(dev.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def dev_documents(dev: Path) -> tuple[Document, ...]:
    return tuple(read_conllu(dev).documents)


@pytest.mark.real
def test_ewt_is_read_as_the_conllu_library_reads_it(
    dev_sentences: list[conllu.TokenList], dev_documents: tuple[Document, ...]
) -> None:
    source = None
    assert len(dev_sentences) == len(dev_documents) == 2001
    for sentence, document in zip(dev_sentences, dev_documents, strict=True):
        words = [token for token in sentence if isinstance(token["id"], int)]
        source = sentence.metadata.get("newdoc id", source)
        assert document.source == source
        assert document.text == sentence.metadata["text"]
        assert document.words == tuple(word["form"] for word in words)
        assert document.tags == tuple(word["upos"] for word in words)
        assert document.relations == tuple(word["deprel"] for word in words)
        assert document.governors == tuple(word["head"] - 1 for word in words)
        assert document.mentions is None


@pytest.mark.real
def test_ewt_words_stand_where_their_spans_say(dev_documents: tuple[Document, ...]) -> None:
    pieces = [(word, piece) for d in dev_documents for word, piece in zip(d.words, cut_out(d), strict=True)]
    placed = [(word, piece) for word, piece in pieces if word == piece]
    unplaced = [(word, piece) for word, piece in pieces if word != piece]
    assert len(placed) > 25_000
    assert all(piece is None or piece.startswith(word[0]) for word, piece in unplaced)
    assert len(unplaced) < 20
    starts = [d.spans[:, 0][d.spans[:, 0] >= 0] for d in dev_documents]
    assert all((np.diff(start) > 0).all() for start in starts)


@pytest.mark.real
def test_ewt_documents_are_their_sentences_in_order(dev: Path, dev_documents: tuple[Document, ...]) -> None:
    corpus = read_conllu(dev, unit="document")
    assert len(corpus) == 318
    sentences = iter(dev_documents)
    for document in corpus:
        roots = document.governors.count(-1) if document.governors else 0
        parts = list(islice(sentences, roots))
        assert {part.source for part in parts} == {document.source}
        assert document.words == sum((part.words for part in parts), ())
        assert cut_out(document) == [piece for part in parts for piece in cut_out(part)]
    assert next(sentences, None) is None


# What is read


def test_a_corpus_says_where_it_comes_from(tmp_path: Path) -> None:
    path = tmp_path / "small.conllu.gz"
    path.write_bytes(gzip.compress("\n".join(ONE).encode()))
    corpus = read_conllu(str(path), subtypes=True)
    assert corpus.name == "small"
    assert corpus.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert corpus.subtypes
    assert not corpus.generated
    assert corpus.notes == ()
    assert corpus.documents[0].words == ("One",)


def test_multiword_tokens_that_spell_their_form_are_split_and_others_are_not(tmp_path: Path) -> None:
    path = write(
        tmp_path / "multiword.conllu",
        "# text = Don't parle du chat.",
        row("1-2", "Don't"),
        row(1, "Do", 3),
        row(2, "n't", 3),
        row(3, "parle", 0),
        row("4-5", "du"),
        row(4, "de", 6),
        row(5, "le", 6),
        row(6, "chat", 3, "obl:arg", "SpaceAfter=No"),
        row(7, ".", 3),
    )
    (document,) = read_conllu(path).documents
    assert document.words == ("Do", "n't", "parle", "de", "le", "chat", ".")
    assert cut_out(document) == ["Do", "n't", "parle", "du", None, "chat", "."]
    assert document.spans.dtype == np.int32
    assert document.spans.tolist() == [[0, 2], [2, 5], [6, 11], [12, 14], [-1, -1], [15, 19], [19, 20]]
    assert document.governors == (2, 2, -1, 5, 5, 2, 2)
    assert document.relations is not None
    assert document.relations[5] == "obl:arg"


HEBREW = (
    *("# text = ב בבית", row(1, "ב", 5), row("2-4", "בבית")),
    *(row(2, "ב", 4).replace("NOUN", "ADP"), row(3, "ה", 4).replace("NOUN", "DET"), row(4, "בית", 5)),
    row(5, "x", 0, misc="SpaceAfter=No"),
)
DU = ("# text = du x", row("1-2", "du"), row(1, "de", 3).replace("NOUN", "ADP"), row(2, "le", 3).replace("NOUN", "DET"))


@pytest.mark.parametrize(
    ("multiword", "hebrew", "du"),
    [("first", 1, 0), ("last", 3, 1), ("content", 3, 0)],
    ids=["first", "last", "content"],
)
def test_a_multiword_token_stands_for_the_word_that_is_asked_for(
    tmp_path: Path, multiword: str, hebrew: int, du: int
) -> None:
    lines = (HEBREW[0] + " x", *HEBREW[1:], "", *DU, row(3, "x", 0), "")
    corpus = read_conllu(write(tmp_path / "multiword.conllu", *lines), multiword=multiword)
    expected = ["ב", None, None, None, "x"], [None, None, "x"]
    expected[0][hebrew], expected[1][du] = "בבית", "du"
    assert [cut_out(document) for document in corpus] == list(expected)
    assert corpus.notes[-1] == (
        f"multiword tokens that their words do not spell (corpus.multiword={multiword} has it): 2"
    )


def test_another_word_of_a_multiword_token_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InterpError, match=r"corpus\.multiword=contents .*Did you mean 'content'\?"):
        read_conllu(write(tmp_path / "one.conllu", *ONE), multiword="contents")
    with pytest.raises(InterpError, match=r"corpus\.multiword=lats .*Did you mean 'last'\?"):
        settings_of_a_run.check({"corpus": {"multiword": "lats"}})


UNSPECIFIED = (
    *("1\tthe\t_\tDET\t_\t_\t2\t_\t_\t_", "2\tcat\t_\t_\t_\t_\t3\tnsubj\t_\t_", "3\tsat\t_\t \t_\t_\t0\t\t_\t_"),
    *("4\tup\t_\t\t_\t_\t3\t_:x\t_\t_", ""),
)


@pytest.mark.parametrize("subtypes", [False, True])
def test_what_is_unspecified_is_no_relation_and_no_tag_and_is_counted(tmp_path: Path, subtypes: bool) -> None:
    corpus = read_conllu(write(tmp_path / "unspecified.conllu", *UNSPECIFIED), subtypes=subtypes)
    assert (corpus.relations, corpus.tags) == (("nsubj",), ("DET",))
    assert corpus.documents[0].governors == (1, 2, -1, 2)
    asked = {role.name for role in roles.everything(corpus)} | set(annotation_baselines(corpus))
    assert "nsubj.to_governor" in asked
    assert "previous tag DET" in asked
    assert not any(
        "_" in name.replace("to_governor", "").replace("to_dependent", "").split(".")[0].split() for name in asked
    )
    assert "words of unspecified relation (DEPREL `_`: no role): 3" in corpus.notes
    assert "words of unspecified part of speech (UPOS `_`: no tag): 3" in corpus.notes


def test_words_of_no_relation_are_asked_in_none(tmp_path: Path) -> None:
    corpus = read_conllu(write(tmp_path / "unspecified.conllu", *UNSPECIFIED))
    model = FakeModel(uniform, 1)
    batch = collate(encode(model, corpus), [0], model)
    assert batch.relation.tolist() == [[-1, 0, -1, -1]]
    assert batch.tag.tolist() == [[0, -1, -1, -1]]


@pytest.mark.real
def test_a_treebank_of_unspecified_relations_has_no_role_of_syntax() -> None:
    path = CASES / "10_deprel_underscore/t.conllu"
    if not path.is_file():
        pytest.skip(f"{path} is absent")
    corpus = read_conllu(path)
    assert corpus.relations == ()
    assert roles.syntax(corpus) == ()
    unspecified = [line for line in path.read_text().splitlines() if line.split("\t")[7:8] == ["_"]]
    assert f"words of unspecified relation (DEPREL `_`: no role): {len(unspecified)}" in corpus.notes


def test_a_root_of_unspecified_relation_is_one(tmp_path: Path) -> None:
    (document,) = read_conllu(write(tmp_path / "root.conllu", row(1, "a", 0, "_"), row(2, "b", 1))).documents
    validate(document)


def test_without_text_the_forms_are_joined_by_space_after(tmp_path: Path) -> None:
    path = write(
        tmp_path / "joined.conllu",
        row(1, "Vamos", 0, misc="Gloss=go|SpaceAfter=No"),
        row(2, ",", 1),
        row("3-4", "dámelo", misc="SpaceAfter=No"),
        row(3, "da", 1),
        row(4, "melo", 1),
        row(5, "!", 1),
        row(6, "20 000", 1, misc="SpaceAfter=Nope"),
        row("7-8", "al"),
        row(7, "a", 1, misc="SpaceAfter=No"),
        row(8, "el", 1, misc="SpaceAfter=No"),
        row(9, "mar", 1),
    )
    (document,) = read_conllu(path).documents
    assert document.text == "Vamos, dámelo! 20 000 al mar"
    assert document.source == document.text
    assert cut_out(document) == ["Vamos", ",", "dámelo", None, "!", "20 000", "al", None, "mar"]


def test_empty_nodes_and_enhanced_dependencies_are_ignored(tmp_path: Path) -> None:
    path = write(
        tmp_path / "empty.conllu",
        row("0.1", "hidden"),
        row("1-2", "can't"),
        row(1, "can", 0).replace("\tdep\t_", "\tdep\t7:nonsense|x"),
        row("1.1", "not_here"),
        row(2, "'t", 1),
        row("2.1", "nor_here", "x"),
    )
    (document,) = read_conllu(path).documents
    assert document.words == ("can", "'t")
    assert document.text == "can't"
    assert document.governors == (-1, 0)


def test_whitespace_in_the_text_may_differ(tmp_path: Path) -> None:
    path = write(
        tmp_path / "spaces.conllu", "# text = a \u00a0b\u3000c ", row(1, "a", 0), row(2, "b", 1), row(3, "c", 1)
    )
    (document,) = read_conllu(path).documents
    assert document.text == "a \u00a0b\u3000c "
    assert document.spans.tolist() == [[0, 1], [3, 4], [5, 6]]


def test_line_ends_byte_order_mark_and_a_missing_last_blank_line_are_tolerated(tmp_path: Path) -> None:
    path = tmp_path / "windows.conllu"
    path.write_bytes(("\ufeff# text = One\r\n" + row(1, "One", 0) + "\r\n\r\n \r\n" + row(1, "Two", 0)).encode())
    assert [document.text for document in read_conllu(path)] == ["One", "Two"]


NEWDOCS = (
    ONE,
    TWO,
    ("# newdoc id = first paper ", "# newpar id = p1", *ONE),
    ("# text = No. ", row(1, "No", 0, misc="SpaceAfter=No"), row(2, ".", 1, misc="SpaceAfter=No"), ""),
    TWO,
    ("# newdoc", *ONE),
    TWO,
    ("# newdoc", *TWO),
    ("# newdoc id =", *TWO),
    ("#newdoc id=last", *ONE),
)


def test_the_source_is_the_newdoc_in_force_or_the_text(tmp_path: Path) -> None:
    path = write(tmp_path / "sources.conllu", *(line for lines in NEWDOCS for line in lines))
    assert [document.source for document in read_conllu(path)] == [
        *("One", "Two"),
        *("first paper",) * 3,
        *("One Two", "One Two", "Two", "Two", "last"),
    ]


def test_a_document_is_what_lies_under_one_newdoc(tmp_path: Path) -> None:
    path = write(tmp_path / "sources.conllu", *(line for lines in NEWDOCS for line in lines))
    corpus = read_conllu(path, unit="document")
    assert [(document.source, document.text) for document in corpus] == [
        ("One Two", "One Two"),
        ("first paper", "One No. Two"),
        ("One Two", "One Two"),
        ("Two", "Two"),
        ("Two", "Two"),
        ("last", "One"),
    ]


def test_sentences_of_a_document_are_shifted_and_keep_their_roots(tmp_path: Path) -> None:
    path = write(
        tmp_path / "shifted.conllu",
        *("# newdoc id = a", "# text = Il va.", row(1, "Il", 2), row(2, "va", 0), row(3, ".", 2, misc="SpaceAfter=No")),
        *("", row("1-2", "Au"), row(1, "À", 3), row(2, "le", 3), row(3, "lit", 0), row(4, "?", 3)),
        *("", row(1, "Oui", 0)),
    )
    (document,) = read_conllu(path, unit="document").documents
    assert document.text == "Il va.Au lit ? Oui"
    assert document.governors == (1, -1, 1, 5, 5, -1, 5, -1)
    assert cut_out(document) == ["Il", "va", ".", "Au", None, "lit", "?", "Oui"]
    assert document.spans[4].tolist() == [-1, -1]


@pytest.mark.parametrize("unit", ["sentence", "document"])
def test_reading_stops_after_the_first_and_says_so(tmp_path: Path, unit: str) -> None:
    newdoc = ("# newdoc id = a", *ONE, "# newdoc id = b", *TWO, "# newdoc id = c", "nonsense", "")
    path = write(tmp_path / "limited.conllu", *newdoc)
    corpus = read_conllu(path, unit=unit, first=2)
    assert [document.text for document in corpus] == ["One", "Two"]
    (note,) = corpus.notes
    assert note.startswith(f"the first 2 documents of {path}, ")
    with pytest.raises(CorpusError, match="neither a comment"):
        read_conllu(path, unit=unit, first=3)
    with pytest.raises(CorpusError, match="neither a comment"):
        read_conllu(path, unit=unit, limit=1)


def test_a_limit_beyond_the_end_is_not_noted(tmp_path: Path) -> None:
    corpus = read_conllu(write(tmp_path / "short.conllu", *ONE), limit=2)
    assert (len(corpus), corpus.notes) == (1, ())


# What is refused

REFUSED = {
    "nine columns": ([*ONE, "1\ta\t_\t_\t_\t_\t0\troot\t_"], 3, "9 columns"),
    "eleven columns": ([row(1, "a", 0) + "\t"], 1, "11 columns"),
    "spaces for tabs": ([row(1, "a", 0).replace("\t", "    ")], 1, "neither a comment"),
    "a file joined to another": (["\ufeff# text = a", row(1, "a", 0)], 1, "a byte order mark inside the file"),
    "prose": (["# text = a", "once upon a time", row(1, "a", 0)], 2, "neither a comment"),
    "empty form": ([row(1, "", 0)], 1, "the FORM '' is empty"),
    "space before a form": ([row(1, " a", 0)], 1, "the FORM ' a' is empty or has a space at an end"),
    "word for an id": ([row("one", "a", 0)], 1, "the id 'one' is out of place; allowed is 1"),
    "id with a leading zero": ([row("01", "a", 0)], 1, "the id '01' is out of place"),
    "id that is left out": ([row(1, "a", 0), row(3, "b", 1)], 2, "the id '3' is out of place; allowed is 2"),
    "id given twice": ([row(1, "a", 0), row(1, "b", 1)], 2, "the id '1' is out of place; allowed is 2"),
    "no blank line between": ([row(1, "a", 0), "# text = b", row(1, "b", 0)], 2, "a comment inside a sentence"),
    "range that is no range": ([row("1-b", "a", 0)], 1, "the id '1-b' is out of place"),
    "range that goes back": ([row(1, "a", 0), row("2-1", "bc"), row(2, "b", 1)], 2, "the range '2-1' is out of place"),
    "range that starts late": ([row("2-3", "bc"), row(1, "a", 0)], 1, "the range '2-3' is out of place"),
    "range in a range": (
        [row("1-3", "abc"), row(1, "a", 0), row("2-3", "bc"), row(2, "b", 1), row(3, "c", 1)],
        3,
        "the range '2-3' is out of place; allowed is one from 4",
    ),
    "range past the end": ([row(1, "a", 0), row("2-3", "bc"), row(2, "b", 1)], 2, "the range runs to 3, past the end"),
    "no governor": ([row(1, "a", 0), row(2, "b", "_")], 2, "word 2 'b' has HEAD '_', which is not an integer"),
    "word for a governor": ([row(1, "a", 0), row(2, "b", "a")], 2, "word 2 'b' has HEAD 'a', which is not an integer"),
    "governor past the end": ([row(1, "a", 0), row(2, "b", 3)], 2, "word 2 'b' has HEAD 3, which is out of range"),
    "negative governor": ([row(1, "a", -1)], 1, "word 1 'a' has HEAD -1, which is out of range"),
    "own governor": ([row(1, "a", 0), row(2, "b", 2)], 2, "word 2 'b' is its own governor"),
    "cycle": (
        [row(1, "a", 0), row(2, "b", 3), row(3, "c", 5), row(4, "d", 1), row(5, "e", 3)],
        3,
        "the words 3 'c', 5 'e' govern one another in a cycle",
    ),
    "root that has a governor": (
        [row(1, "a", 2, "root"), row(2, "b", 0)],
        1,
        "word 1 'a' has HEAD 2 and the DEPREL 'root'",
    ),
    "root of another relation": (
        [row(1, "a", 2), row(2, "b", 0, "dep")],
        2,
        "word 2 'b' has HEAD 0 and the DEPREL 'dep'",
    ),
    "root with a subtype elsewhere": ([row(1, "a", 0), row(2, "b", 1, "root:x")], 2, "and the DEPREL 'root:x'"),
    "two roots": ([row(1, "a", 0), row(2, "b", 1), row(3, "c", 0)], 3, "word 3 'c' is a second root beside 1 'a'"),
    "no root": (["# newdoc", row(1, "a", 2), row(2, "b", 1)], 2, "the sentence has no root"),
    "only comments": ([*ONE, "# text = a", "", *TWO], 3, "a sentence without words"),
    "only an empty node": ([row("0.1", "a", 0)], 1, "a sentence without words"),
    "other word": (["# text = a c", row(1, "a", 0), row(2, "b", 1)], 3, "'b' is not the next thing in `# text`.*'c'"),
    "text that ends early": (["# text = a", row(1, "a", 0), row(2, "b", 1)], 3, "'b' is not the next thing"),
    "text that goes on": (["# text = a b c", row(1, "a", 0), row(2, "b", 1)], 3, "goes on with 'c' after the last"),
    "multiword form not in the text": (
        ["# text = del mar", row("1-2", "dal"), row(1, "de", 3), row(2, "el", 3), row(3, "mar", 0)],
        2,
        "'dal' is not the next thing in `# text`.*'del mar'",
    ),
}


@pytest.mark.parametrize("unit", ["sentence", "document"])
@pytest.mark.parametrize(("lines", "line", "phrase"), REFUSED.values(), ids=REFUSED.keys())
def test_what_is_not_conllu_is_refused_with_its_line(
    tmp_path: Path, lines: list[str], line: int, phrase: str, unit: str
) -> None:
    path = write(tmp_path / "bad.conllu", "# newdoc id = before", *ONE, *lines)
    with pytest.raises(CorpusError, match=phrase) as caught:
        read_conllu(path, unit=unit)
    assert (caught.value.path, caught.value.line) == (str(path), line + 3)
    assert str(caught.value).startswith(f"{path}, line {line + 3}: ")
    assert "\n" not in str(caught.value)


def test_the_line_of_the_first_byte_that_is_not_utf8_is_named(tmp_path: Path) -> None:
    path = tmp_path / "latin.conllu"
    path.write_bytes("\r\n".join([*ONE, row(1, "café", 0), row(2, "é", 1)]).encode("latin-1"))
    with pytest.raises(CorpusError, match="0xe9 is not UTF-8") as caught:
        read_conllu(path)
    assert caught.value.line == 3


@pytest.mark.parametrize("unit", ["sentence", "document"])
@pytest.mark.parametrize("lines", [(), ("", "", "")])
def test_a_file_without_sentences_is_refused(tmp_path: Path, lines: tuple[str, ...], unit: str) -> None:
    with pytest.raises(CorpusError, match="it holds no sentence") as caught:
        read_conllu(write(tmp_path / "empty.conllu", *lines), unit=unit)
    assert caught.value.line is None


@pytest.mark.parametrize("limit", [None, 1])
def test_documents_of_a_file_without_newdoc_are_refused(tmp_path: Path, limit: int | None) -> None:
    path = write(tmp_path / "loose.conllu", *ONE, *TWO)
    with pytest.raises(CorpusError, match=r"no `# newdoc`.*corpus\.unit=sentence"):
        read_conllu(path, unit="document", limit=limit)


def test_another_unit_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "one.conllu", *ONE)
    with pytest.raises(InterpError, match=r"corpus\.unit=documents .*Did you mean 'document'\?"):
        read_conllu(path, unit="documents")


@pytest.mark.parametrize("limit", [0, -3])
def test_a_limit_below_one_is_refused(tmp_path: Path, limit: int) -> None:
    with pytest.raises(InterpError, match=f"limit={limit} keeps no document"):
        read_conllu(write(tmp_path / "one.conllu", *ONE), limit=limit)


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "one-dev.conllu", *ONE)
    with pytest.raises(CorpusError, match=r"no such file.*Did you mean .*one-dev\.conllu"):
        read_conllu(tmp_path / "one-dve.conllu")
    with pytest.raises(CorpusError, match="it is a directory"):
        read_conllu(tmp_path)


def test_documents_come_before_the_rest_of_the_file_is_read(tmp_path: Path) -> None:
    documents = conllu_documents(write(tmp_path / "stream.conllu", *ONE, "nonsense"))
    assert next(documents).words == ("One",)
    with pytest.raises(CorpusError, match="neither a comment"):
        next(documents)


# Random trees


@dataclass(frozen=True)
class Tree:
    """A random sentence: what is written, and what is to be read."""

    text: str
    words: tuple[str, ...]
    spans: tuple[tuple[int, int], ...]
    tags: tuple[str, ...]
    governors: tuple[int, ...]
    relations: tuple[str, ...]
    ranges: dict[int, tuple[int, str]]
    glued: frozenset[int]
    with_text: bool

    def lines(self, governors: tuple[int, ...]) -> list[str]:
        lines = [f"# text = {self.text}"] if self.with_text else []
        for word, form in enumerate(self.words):
            misc = "SpaceAfter=No" if word in self.glued else "_"
            if word in self.ranges:
                end, whole = self.ranges[word]
                lines.append(row(f"{word + 1}-{end}", whole, misc=misc))
            head, tag = governors[word] + 1, self.tags[word]
            lines.append(f"{word + 1}\t{form}\t_\t{tag}\t_\t_\t{head}\t{self.relations[word]}\t_\t{misc}")
        return lines

    def to_the_root(self, word: int) -> list[int]:
        chain = [word]
        while self.governors[chain[-1]] >= 0:
            chain.append(self.governors[chain[-1]])
        return chain


FORMS = st.text(alphabet="aBéß漢#_-’.1 \u00a0", min_size=1, max_size=5).filter(lambda form: form == form.strip())


@st.composite
def trees(draw: st.DrawFn, smallest: int = 1) -> Tree:
    words = draw(st.lists(FORMS, min_size=smallest, max_size=8))
    order = draw(st.permutations(range(len(words))))
    governors = [-1] * len(words)
    for place in range(1, len(words)):
        governors[order[place]] = order[draw(st.integers(0, place - 1))]
    text, spans, ranges, glued, word = "", [], {}, set(), 0
    while word < len(words):
        parts = words[word : word + draw(st.integers(1, 3))]
        spelled = draw(st.booleans())
        whole = parts[0] if len(parts) == 1 else "".join(parts) if spelled else f"{parts[0]}~"
        if len(parts) > 1:
            ranges[word] = (word + len(parts), whole)
        if len(parts) > 1 and not spelled:
            spans += [(len(text), len(text) + len(whole)), *[(-1, -1)] * (len(parts) - 1)]
        else:
            ends = np.cumsum([len(part) for part in parts]) + len(text)
            spans += [(int(end) - len(part), int(end)) for part, end in zip(parts, ends, strict=True)]
        text += whole
        if draw(st.booleans()):
            glued.add(word)
        elif word + len(parts) < len(words):
            text += " "
        word += len(parts)
    return Tree(
        text=text,
        words=tuple(words),
        spans=tuple(spans),
        tags=tuple(draw(st.sampled_from(TAGS)) for _ in words),
        governors=tuple(governors),
        relations=tuple("root" if governor < 0 else draw(st.sampled_from(RELATIONS)) for governor in governors),
        ranges=ranges,
        glued=frozenset(glued),
        with_text=draw(st.booleans()),
    )


@settings(max_examples=150, deadline=None)
@given(tree=trees(), relations=st.lists(st.sampled_from(("root", "root:x", "dep", "_")), min_size=8, max_size=8))
def test_what_validate_refuses_of_relations_is_refused(
    tmp_path_factory: pytest.TempPathFactory, tree: Tree, relations: list[str]
) -> None:
    # each word with a form of its own, no multiword tokens: what is left to refuse are relations
    words = tuple(f"w{number}" for number in range(len(tree.words)))
    named = replace(tree, words=words, relations=tuple(relations[: len(words)]), ranges={}, with_text=False)
    path = write(tmp_path_factory.getbasetemp() / "relations.conllu", *named.lines(named.governors))
    called = [word for word in range(len(words)) if named.relations[word].startswith("root")]
    root = named.governors.index(-1)
    if called == [root] or (not called and named.relations[root] == "_"):
        validate(read_conllu(path).documents[0])
    else:
        with pytest.raises(CorpusError, match="and the DEPREL"):
            read_conllu(path)


@settings(max_examples=150, deadline=None)
@given(tree=trees())
def test_a_random_tree_is_read_back(tmp_path_factory: pytest.TempPathFactory, tree: Tree) -> None:
    path = write(tmp_path_factory.getbasetemp() / "tree.conllu", *tree.lines(tree.governors))
    (document,) = read_conllu(path).documents
    assert (document.text, document.words) == (tree.text, tree.words)
    assert (document.governors, document.relations) == (tree.governors, tree.relations)
    assert document.tags == tree.tags
    assert [tuple(span) for span in document.spans.tolist()] == list(tree.spans)


@settings(max_examples=150, deadline=None)
@given(tree=trees(smallest=2), data=st.data())
def test_a_random_cycle_is_refused(tmp_path_factory: pytest.TempPathFactory, tree: Tree, data: st.DataObject) -> None:
    word = data.draw(st.integers(0, len(tree.words) - 1).filter(lambda word: tree.governors[word] >= 0))
    chains = [tree.to_the_root(descendant) for descendant in range(len(tree.words))]
    chain = data.draw(st.sampled_from([chain for chain in chains if word in chain]))
    cycle = sorted(chain[: chain.index(word) + 1])
    governors = (*tree.governors[:word], chain[0], *tree.governors[word + 1 :])
    path = write(tmp_path_factory.getbasetemp() / "cycle.conllu", *tree.lines(governors))
    with pytest.raises(CorpusError) as caught:
        read_conllu(path)
    names = ", ".join(f"{member + 1} {tree.words[member]!r}" for member in cycle)
    expected = f"the words {names} govern one another" if len(cycle) > 1 else f"word {names} is its own governor"
    assert expected in str(caught.value)
    assert caught.value.line is not None
    assert path.read_text(encoding="utf-8").split("\n")[caught.value.line - 1].startswith(f"{cycle[0] + 1}\t")
