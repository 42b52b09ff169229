"""Named entities as they are read, and what is refused."""

from pathlib import Path

import pytest

from interp.corpora.entities import read_entities
from interp.corpora.minimal_pairs import read_minimal_pairs
from interp.corpora.validation import validate
from interp.errors import CorpusError
from interp.types import Mention


def written(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows), encoding="utf-8")
    return path


def test_entities(tmp_path: Path) -> None:
    rows = ["New\tB-location", "York\tI-location", "beats\tO", "new\tB-location", "york\tI-location", "Ann\tB-person",
            "York\tB-person", "\t", "Ann\tB-location", "slept\tO", "", ""]  # fmt: skip
    corpus = read_entities(written(tmp_path / "some.conll", *rows))
    first, second = corpus
    validate(first)
    assert first.text == first.source == "New York beats new york Ann York"
    assert first.entities == (
        Mention(0, 2, 0, "location"),
        Mention(3, 5, 0, "location"),
        Mention(5, 6, 1, "person"),
        Mention(6, 7, 2, "person"),
    )
    assert second.entities == (Mention(0, 1, 0, "location"),)
    assert first.mentions is None
    assert corpus.has_entities
    assert read_entities(tmp_path / "some.conll", first=1).notes[0].startswith("the first 1 documents of ")


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ("b\tI-person", "after O"),
        ("b\tX", "the tag is 'X'"),
        ("b", "1 columns"),
        ("b c\tO", "has a space"),
        ("b\tB-", "B-"),
    ],
)
def test_what_is_no_word_and_tag_is_refused(tmp_path: Path, row: str, says: str) -> None:
    path = written(tmp_path / "bad.conll", "a\tO", row)
    with pytest.raises(CorpusError) as error:
        read_entities(path)
    assert error.value.line == 2
    assert says in error.value.problem


def test_another_type_does_not_go_on(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="I-person continues an entity after B-group"):
        read_entities(written(tmp_path / "bad.conll", "a\tB-group", "b\tI-person"))
    with pytest.raises(CorpusError, match="no sentence"):
        read_entities(written(tmp_path / "empty.conll", ""))


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "sentences", "entities"),
    [("wnut17train.conll", 3394, 1975), ("emerging.dev.conll", 1009, 836), ("emerging.test.annotated", 1287, 1079)],
)
def test_gold_is_read_whole(shared: Path, name: str, sentences: int, entities: int) -> None:
    """Counted in the files with awk: blank lines that end a sentence, and tags that begin with B; no BIO is broken."""
    corpus = read_entities(shared / "corpora" / "wnut17" / name)
    assert len(corpus) == sentences
    assert sum(len(document.entities or ()) for document in corpus) == entities
    for document in corpus:
        validate(document)


@pytest.mark.real
def test_blimp_is_read(shared: Path) -> None:
    """The whole folder in a few seconds more; two of its sets and a half are enough to see how it goes on."""
    folder = shared / "corpora" / "blimp"
    corpus = read_minimal_pairs(folder, first=2500)
    assert [document.source.split("/")[0] for document in corpus.documents[::1000]] == [
        file.name.removesuffix(".jsonl.gz") for file in sorted(folder.glob("*.jsonl.gz"))[:3]
    ]
    assert all(document.alternative for document in corpus)
    assert len(read_minimal_pairs(folder / "wh_island.jsonl.gz")) == 1000
