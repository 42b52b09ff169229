import gzip
import hashlib
from pathlib import Path

import numpy as np
import pytest
import regex
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.corpora.text import read_text, text_document
from interp.errors import CorpusError, InterpError
from interp.text.words import cut_words


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The cat sat.", ["The", "cat", "sat", "."]),
        ("I don't know", ["I", "don't", "know"]),
        ("aujourd’hui", ["aujourd’hui"]),
        ("rock'n'roll", ["rock'n'roll"]),
        ("the dogs' tails", ["the", "dogs", "'", "tails"]),
        ("well-known", ["well", "-", "known"]),
        ("wait...", ["wait", ".", ".", "."]),
        ("3.14 snake_case", ["3", ".", "14", "snake_case"]),
        ("naïve 漢字 😀", ["naïve", "漢字", "😀"]),
        (" \t\n", []),
    ],
)
def test_words_are_cut_where_the_definition_says(text: str, words: list[str]) -> None:
    assert [word for word, _, _ in cut_words(text)] == words


UNSEEN = regex.compile(r"[\s\p{Cc}\p{Default_Ignorable_Code_Point}]*")


@settings(deadline=None)
@given(st.text())
def test_words_are_their_characters_and_leave_only_spaces_and_what_has_no_width(text: str) -> None:
    position = 0
    for word, start, end in cut_words(text):
        assert text[start:end] == word
        assert UNSEEN.fullmatch(text[position:start])
        position = end
    assert UNSEEN.fullmatch(text[position:])


def test_a_document_has_no_gold_and_is_its_own_source() -> None:
    document = text_document(" It's fine. ")
    assert (document.text, document.source) == (" It's fine. ", " It's fine. ")
    assert document.words == ("It's", "fine", ".")
    assert document.spans.dtype == np.int32
    assert document.spans.tolist() == [[1, 5], [6, 10], [10, 11]]
    assert (document.tags, document.governors, document.relations, document.mentions) == (None,) * 4
    assert text_document("Fine", source="book").source == "book"


@pytest.mark.parametrize("text", ["", "  \n\u3000"])
def test_a_text_without_words_is_refused(text: str) -> None:
    with pytest.raises(InterpError, match="is empty"):
        text_document(text)


@pytest.mark.parametrize("name", ["story.txt", "story.txt.gz"])
def test_every_line_that_is_not_blank_is_a_document(tmp_path: Path, name: str) -> None:
    content = "\ufeffOnce.\r\n\r\n  \nUpon a time\n".encode()
    path = tmp_path / name
    path.write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    corpus = read_text(path)
    assert [document.text for document in corpus] == ["Once.", "Upon a time"]
    assert corpus.name == "story"
    assert corpus.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert corpus.notes == ("2 blank lines skipped",)
    assert not corpus.generated


def test_reading_stops_after_the_first_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "story.txt"
    path.write_bytes(b"One\n\nTwo\nThree \xff\n")
    corpus = read_text(path, first=2)
    assert [document.text for document in corpus] == ["One", "Two"]
    said = f"the first 2 documents of {path}, which are often of one genre and from few source documents"
    assert corpus.notes == (said, "1 blank line skipped")
    path.write_text("One\n")
    assert read_text(path, first=2).notes == read_text(path, limit=2).notes == ()


@pytest.mark.parametrize(
    ("content", "line", "phrase"),
    [
        (b"", None, "it holds no text"),
        (b"\n  \n", None, "it holds no text"),
        (b"fine\nna\xefve\n", 2, "0xef is not UTF-8"),
        ("fine\n".encode("utf-16"), 1, "is not UTF-8"),
    ],
)
def test_a_bad_file_is_refused(tmp_path: Path, content: bytes, line: int | None, phrase: str) -> None:
    path = tmp_path / "story.txt"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=phrase) as caught:
        read_text(path)
    assert (caught.value.path, caught.value.line) == (str(path), line)


def test_a_path_that_is_no_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "story.txt").write_text("Once.")
    with pytest.raises(CorpusError, match=r"no such file.*Did you mean .*story\.txt"):
        read_text(tmp_path / "stori.txt")
    with pytest.raises(CorpusError, match="no such file") as caught:
        read_text(tmp_path / "absent" / "story.txt")
    assert "Did you mean" not in str(caught.value)
    with pytest.raises(CorpusError, match="it is a directory"):
        read_text(str(tmp_path))


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_below_one_is_refused(tmp_path: Path, limit: int) -> None:
    path = tmp_path / "story.txt"
    path.write_text("Once.")
    with pytest.raises(InterpError, match=f"limit={limit} keeps no document"):
        read_text(path, limit=limit)


@pytest.mark.parametrize(
    "content", [b"no gzip at all", gzip.compress(b"Once upon a time\n" * 99, mtime=0)[:-12]], ids=["none", "cut"]
)
def test_a_broken_archive_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "story.txt.gz"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match="cannot be read on"):
        read_text(path)


# Targets


def test_each_document_has_the_line_of_its_target(tmp_path: Path) -> None:
    (tmp_path / "source.txt").write_text("one two\n\nthree\nfour\n")
    (tmp_path / "target.txt").write_text("eins zwei\n\ndrei\nvier\n")
    corpus = read_text(tmp_path / "source.txt", target=tmp_path / "target.txt")
    pairs = [(document.text, document.target.text) for document in corpus if document.target is not None]
    assert pairs == [("one two", "eins zwei"), ("three", "drei"), ("four", "vier")]
    assert [document.target.block for document in corpus if document.target] == [document.block for document in corpus]
    assert corpus.digest != read_text(tmp_path / "source.txt").digest
    limited = read_text(tmp_path / "source.txt", first=2, target=tmp_path / "target.txt")
    assert [document.target.text for document in limited if document.target] == ["eins zwei", "drei"]


@pytest.mark.parametrize(
    ("target", "phrase"),
    [("eins\nzwei\n", "it has 2 lines"), ("a\nb\nc\nd\n", "it has 4 lines"), ("eins\n \ndrei\n", "line is blank")],
)
def test_targets_that_do_not_go_along_are_refused(tmp_path: Path, target: str, phrase: str) -> None:
    (tmp_path / "source.txt").write_text("one\ntwo\nthree\n")
    (tmp_path / "target.txt").write_text(target)
    with pytest.raises(CorpusError, match=phrase):
        read_text(tmp_path / "source.txt", target=tmp_path / "target.txt")
