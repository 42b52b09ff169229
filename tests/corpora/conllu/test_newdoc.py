from hashlib import blake2b
from pathlib import Path
from typing import Any

import pytest

from experiments.cli.manifest_entries import describe
from interp.corpora.conllu import read_conllu
from interp.corpora.conllu.newdoc import document_marker, is_like_marker, may_name_source
from interp.errors import CorpusError

UNDERSTOOD = {
    "# newdoc": (True, None),
    "#newdoc": (True, None),
    "# newdoc id = a": (True, "a"),
    "# newdoc id=a": (True, "a"),
    "#newdoc id =a": (True, "a"),
    "# newdoc id = a paper: its title = b ": (True, "a paper: its title = b"),
    "# newdoc id: a": (True, "a"),
    "# newdoc id a": (True, "a"),
    "# newdoc id\ta": (True, "a"),
    "#\tnewdoc\tid\t=\ta": (True, "a"),
    "# newdoc_id = a": (True, "a"),
    "# newdoc-id = a": (True, "a"),
    "# newdoc = a": (True, "a"),
    "# newdoc a": (True, "a"),
    "# newdoc http://x.org/?page=1": (True, "http://x.org/?page=1"),
    "# NEWDOC ID = A": (True, "A"),
    "## newdoc id = a": (True, "a"),
    "# new doc": (True, None),
    "# new document id = a": (True, "a"),
    "# new document a": (True, "a"),
    "# new_document = true": (True, None),
    "# newdoc id =": (True, None),
    "# newdoc id": (True, None),
    "# newdoc id = _": (True, None),
    "# doc_id = a": (False, "a"),
    "# document_id: a": (False, "a"),
    "# docid=a": (False, "a"),
    "# doc = a": (False, "a"),
    '# <doc id="a">': (False, '"a">'),
}


@pytest.mark.parametrize(("comment", "expected"), UNDERSTOOD.items(), ids=UNDERSTOOD.keys())
def test_every_way_to_mark_a_document_is_understood(comment: str, expected: tuple[bool, str | None]) -> None:
    marker = document_marker(comment)
    assert marker is not None
    assert (marker.begins, marker.name) == expected


NO_MARKERS = (
    "# newpar",
    "# newpar id = a",
    "# sent_id = doc-1",
    "# text_en = a new doc = b",
    "# doc_id =",
    "# documented by: A",
)


@pytest.mark.parametrize("comment", NO_MARKERS)
def test_other_comments_mark_none(comment: str) -> None:
    assert document_marker(comment) is None


def test_what_looks_like_a_marker_is_told_from_what_does_not() -> None:
    likely = ("# doc title = a", "# begin document (a); part 000", "# newdocs a", "# meta::doc = a", "# doc_id =")
    assert all(is_like_marker(comment) for comment in likely)
    assert not any(
        map(is_like_marker, ("# newpar id = a", "# sent_id = doc-1", "# annotated with care by the doc team: A B"))
    )
    assert may_name_source("# source = a")
    assert may_name_source("# orig_file_sentence: a#1")
    assert not may_name_source("# source")


def write(path: Path, *sentences: tuple[str, ...]) -> Path:
    """Each sentence: its comments, and last its one word."""
    blocks = ["\n".join((*comments, f"1\t{word}\t_\tX\t_\t_\t0\troot\t_\t_")) for *comments, word in sentences]
    path.write_text("\n\n".join(blocks) + "\n")
    return path


def sources(path: Path, unit: str = "sentence") -> list[str]:
    return [document.source for document in read_conllu(path, unit=unit)]


def test_a_newdoc_without_an_id_holds_its_sentences_together_by_their_text(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", ("# newdoc", "One"), ("Two",), ("# newdoc", "Three"), ("# newpar", "Four"))
    assert sources(path) == ["One Two", "One Two", "Three Four", "Three Four"]
    assert sources(path, "document") == ["One Two", "Three Four"]
    corpus = read_conllu(path)
    assert corpus.sources_by == {"# newdoc without an id (by its text)": 2}
    assert len({document.block for document in corpus.documents[:2]}) == 1


def test_a_document_that_is_named_above_every_sentence_begins_where_its_name_changes(tmp_path: Path) -> None:
    above = [("# sent_id = 1", f"# doc_id = {name}", word) for name, word in zip("aabbb", "vwxyz", strict=True)]
    path = write(tmp_path / "named.conllu", *above)
    assert sources(path) == ["a", "a", "b", "b", "b"]
    assert [document.text for document in read_conllu(path, unit="document")] == ["v w", "x y z"]
    assert read_conllu(path).sources_by == {"# doc_id": 2}


def test_an_id_that_is_said_again_begins_no_other_document(tmp_path: Path) -> None:
    repeated = write(tmp_path / "a.conllu", ("# newdoc id = a", "One"), ("# newdoc id = a", "Two"))
    assert [document.text for document in read_conllu(repeated, unit="document")] == ["One Two"]
    both = write(
        tmp_path / "b.conllu",
        ("# doc_id = 7", "# newdoc id = a", "One"),
        ("# doc_id = 7", "Two"),
        ("# doc_id = 8", "Three"),
    )
    assert sources(both) == ["a", "a", "a"], "in a file with a `newdoc`, names begin nothing"
    (note,) = read_conllu(both).notes
    assert note.startswith("comments like '# doc_id = …', which may say where a document begins, are not read (line 8)")
    named_below = write(tmp_path / "c.conllu", ("# newdoc", "# doc_id = 7", "One"), ("Two",))
    assert sources(named_below) == ["7", "7"]


BESIDE = (
    "# document_name = corpus",
    "# source_document = PTB",
    "# doc = news",
    "# document: weblog",
    "# doc_no = {sentence}",
    "# doc_id = {document}",
    "# new par = {sentence}",
)


@pytest.mark.parametrize("beside", BESIDE)
@pytest.mark.parametrize("newdoc", ["# newdoc id = D{}", "# newdoc"])
def test_other_comments_on_documents_change_nothing_where_there_is_a_newdoc(
    tmp_path: Path, newdoc: str, beside: str
) -> None:
    sentences = [
        (
            *([newdoc.format(document)] if sentence == 0 else []),
            beside.format(document=document, sentence=sentence),
            f"w{document}{sentence}",
        )
        for document in range(6)
        for sentence in range(2)
    ]
    path = write(tmp_path / "a.conllu", *sentences)
    found = sources(path)
    assert found[::2] == found[1::2]
    assert len(set(found)) == 6
    assert [document.text for document in read_conllu(path, unit="document")] == [f"w{d}0 w{d}1" for d in range(6)]
    counts = "doc_no" in beside
    assert len(read_conllu(path).notes) == counts, "a comment that says otherwise within a document is said"


@pytest.mark.parametrize("constant", ["# document_name = corpus", "# source_doc = PTB", "# doc_no = {sentence}"])
def test_of_several_names_one_decides_wherever_it_stands(tmp_path: Path, constant: str) -> None:
    for order in (1, -1):
        sentences = [
            (*(constant.format(sentence=sentence), f"# doc_id = {document}")[::order], f"w{document}{sentence}")
            for document in range(3)
            for sentence in range(2)
        ]
        assert sources(write(tmp_path / "a.conllu", *sentences)) == ["0", "0", "1", "1", "2", "2"]


def test_a_document_without_sentences_does_not_give_its_id_to_the_next(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", ("# newdoc id = a", "# newdoc id = b", "One"), ("# newdoc id = b", "Two"))
    assert sources(path) == ["b", "b"]


def test_comments_with_a_blank_line_below_are_of_the_next_sentence(tmp_path: Path) -> None:
    licence = ("# global.columns = ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC", "# licence: free", "", "")
    path = write(
        tmp_path / "a.conllu",
        (*licence, "# newdoc id = a", "", "# sent_id = 1", "One"),
        ("# newdoc id = empty", "", "# newdoc id = b", "", "Two"),
        ("Three",),
    )
    path.write_text(f"{path.read_text()}\n# the end\n")
    assert sources(path) == ["a", "b", "b"]
    assert [document.text for document in read_conllu(path, unit="document")] == ["One", "Two Three"]
    path.write_text("# newdoc id = a\n\n# the end\n")
    with pytest.raises(CorpusError, match="it holds no sentence"):
        read_conllu(path)
    path.write_text("# sent_id = 1\n\n")
    with pytest.raises(CorpusError, match="a sentence without words"):
        read_conllu(path)


def test_the_source_of_a_long_document_is_held_once_and_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[int] = []

    def counted(text: bytes, **size: Any) -> Any:
        hashed.append(len(text))
        return blake2b(text, **size)

    monkeypatch.setattr("interp.documents.blake2b", counted)
    documents = read_conllu(write(tmp_path / "a.conllu", ("# newdoc", "w0"), *((f"w{n}",) for n in range(1, 500))))
    assert len({id(document.source) for document in documents}) == 1
    expected = int.from_bytes(blake2b(documents.documents[0].source.encode(), digest_size=8).digest(), "big")
    assert [document.number for document in documents] == [expected] * 500
    assert [document.block for document in documents] == [expected % 64] * 500
    assert len(hashed) == 1


def test_one_id_is_one_source_wherever_it_stands(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.conllu", ("# newdoc id = a", "One"), ("# newdoc id = b", "Two"), ("# newdoc id = a", "Three")
    )
    corpus = read_conllu(path)
    assert [document.source for document in corpus] == ["a", "b", "a"]
    assert corpus.sources_by == {"# newdoc id": 2}


def test_sentences_without_a_marker_are_sources_by_themselves_and_this_is_said(tmp_path: Path) -> None:
    corpus = read_conllu(write(tmp_path / "a.conllu", ("One",), ("Two",), ("# newdoc id = a", "Three")))
    assert [document.source for document in corpus] == ["One", "Two", "a"]
    assert corpus.sources_by == {"each sentence by itself (no document marker)": 2, "# newdoc id": 1}
    assert any("2 sentences stand under no document marker" in note for note in corpus.notes)


def test_comments_that_look_like_markers_and_are_not_understood_are_said_with_their_line(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", ("One",), ("# doc title = a", "Two"), ("# source = \x1b[31m", "Three"))
    notes = " ".join(read_conllu(path).notes)
    assert "'# doc title = …', which may say where a document begins, are not read (line 3)" in notes
    assert "'# source = …', which may say where a document begins, are not read (line 6)" in notes
    marked = write(tmp_path / "b.conllu", ("# doc title = a", "# newdoc id = a", "# source = b", "One"))
    assert read_conllu(marked).notes == ()


def test_what_is_said_counts_the_documents_that_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", ("# newdoc id = a", "One"), ("# newdoc id = b", "Two"))
    corpus = read_conllu(path, limit=1)
    assert corpus.sources_by == {"# newdoc id": 1}
    assert (describe(corpus)["sources"], describe(corpus)["sources_by"]) == (1, {"# newdoc id": 1})


def test_an_id_of_spaces_is_read_in_linear_time(tmp_path: Path) -> None:
    # by the expression that was here, hours
    name = "a" + " " * 1_000_000 + "b"
    assert sources(write(tmp_path / "a.conllu", (f"# newdoc id = {name}" + " " * 1_000_000, "One"))) == [name]
