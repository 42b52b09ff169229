"""Minimal pairs as they are read, and what is refused."""

import gzip
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from interp.corpora.minimal_pairs import read_minimal_pairs
from interp.errors import CorpusError, InterpError


def line(number: int = 0, **changes: Any) -> str:
    pair = {"sentence_good": f"Cat {number} sleeps.", "sentence_bad": f"Cat {number} sleep.", "UID": "agreement"}
    return json.dumps({**pair, "pairID": str(number), "field": "syntax", **changes})


def written(path: Path, *lines: str) -> Path:
    content = "".join(f"{one}\n" for one in lines).encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


@pytest.mark.parametrize("name", ["agreement.jsonl", "agreement.jsonl.gz"])
def test_each_pair_is_one_document(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / name, line(0), "", line(1))
    corpus = read_minimal_pairs(path)
    assert corpus.name == "agreement"
    assert corpus.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    assert [document.text for document in corpus] == ["Cat 0 sleeps.", "Cat 1 sleeps."]
    assert [document.alternative for document in corpus] == ["Cat 0 sleep.", "Cat 1 sleep."]
    assert [document.source for document in corpus] == ["agreement/0", "agreement/1"]
    assert corpus.documents[0].words == ("Cat", "0", "sleeps", ".")
    assert corpus.notes == ()


def test_a_folder_is_read_file_by_file(tmp_path: Path) -> None:
    folder = tmp_path / "blimp"
    folder.mkdir()
    written(folder / "b.jsonl", line(1, UID="b"), line(2, UID="b"))
    written(folder / "a.jsonl.gz", line(0, UID="a"))
    (folder / "README.md").write_text("no pairs")
    corpus = read_minimal_pairs(folder)
    assert corpus.name == "blimp"
    assert [document.source for document in corpus] == ["a/0", "b/1", "b/2"]
    first = read_minimal_pairs(folder, first=2)
    assert [document.source for document in first] == ["a/0", "b/1"]
    assert first.notes[0].startswith(f"the first 2 documents of {folder}, ")
    before = corpus.digest
    written(folder / "b.jsonl", line(1, UID="b"), line(3, UID="b"))
    assert read_minimal_pairs(folder).digest != before


@pytest.mark.parametrize(
    ("bad", "problem"),
    [
        ("{", "it is no JSON"),
        ("[1]", r"'\[1\]' is no JSON object"),
        (json.dumps({"sentence_good": "A b.", "UID": "u"}), "it lacks sentence_bad, pairID"),
        (line(sentence_bad=""), "sentence_bad is ''; allowed is a text with at least one word"),
        (line(sentence_good=7), "sentence_good is 7; allowed is a text"),
    ],
)
def test_a_line_that_is_no_pair_is_named(tmp_path: Path, bad: str, problem: str) -> None:
    path = written(tmp_path / "pairs.jsonl", line(0), bad)
    with pytest.raises(CorpusError, match=rf"pairs\.jsonl, line 2: {problem}"):
        read_minimal_pairs(path)


def test_what_holds_no_pair_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"holds no file of minimal pairs; allowed are \*\.jsonl or \*\.jsonl\.gz"):
        read_minimal_pairs(tmp_path)
    with pytest.raises(CorpusError, match="it holds no pair"):
        read_minimal_pairs(written(tmp_path / "empty.jsonl", ""))
    with pytest.raises(CorpusError, match=r"there is no such file.*Did you mean"):
        read_minimal_pairs(tmp_path / "empty.json")
    with pytest.raises(InterpError, match="limit=0 keeps no document"):
        read_minimal_pairs(tmp_path / "empty.jsonl", limit=0)


@pytest.mark.real
def test_blimp_is_read(shared: Path) -> None:
    folder = shared / "corpora" / "blimp"
    corpus = read_minimal_pairs(folder / "anaphor_number_agreement.jsonl.gz")
    assert len(corpus) == 1000
    assert corpus.documents[0].text == "Susan revealed herself."
    assert corpus.documents[0].alternative == "Susan revealed themselves."
    assert corpus.documents[0].source == "anaphor_number_agreement/0"
