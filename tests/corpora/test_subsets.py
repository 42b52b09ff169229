"""Which documents a limit takes, held against the definition (DESIGN §4) written down once more."""

import json
from collections.abc import Callable, Sequence
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from interp.corpora.behaviours import blimp
from interp.corpora.conllu import read_conllu
from interp.corpora.coreference import read_coreference
from interp.corpora.entities import read_entities
from interp.corpora.minimal_pairs import read_minimal_pairs
from interp.corpora.pictures import read_pictures
from interp.corpora.subsets import keep
from interp.corpora.text import read_text, text_document
from interp.errors import CorpusError, InterpError
from interp.types import Corpus, Document

NAMES = ("anna", "bert", "cleo", "dora", "emil", "fritz", "gerda", "hanna")


def number_of(source: str) -> int:
    return int.from_bytes(blake2b(source.encode(), digest_size=8).digest(), "big")


def expected(sources: Sequence[str], limit: int) -> list[int]:
    """The places, from 0, of the documents that a limit takes: sources by number, the last one cut, back in order."""
    by_number = sorted(set(sources), key=number_of)
    places = [place for source in by_number for place, own in enumerate(sources) if own == source]
    return sorted(places[:limit])


def documents_of(sources: Sequence[str]) -> list[tuple[int, Document]]:
    return [(place, text_document(f"text {place}", source)) for place, source in enumerate(sources)]


@settings(deadline=None)
@given(st.lists(st.sampled_from(NAMES), min_size=1, max_size=40), st.integers(1, 45))
def test_sources_are_taken_by_their_hash_and_the_last_one_is_cut(sources: list[str], limit: int) -> None:
    kept = keep(documents_of(sources), Path("file"), limit=limit)
    assert list(kept.places) == expected(sources, limit)
    assert [document.text for document in kept.documents] == [f"text {place}" for place in kept.places]
    assert kept.last == len(sources) - 1
    assert bool(kept.notes) == (limit < len(sources))
    larger = keep(documents_of(sources), Path("file"), limit=limit + 1)
    assert set(kept.places) <= set(larger.places), "a larger limit holds a smaller one"


def test_no_more_documents_are_held_than_are_kept() -> None:
    """Documents are read one after the other; those of sources that are given up can go."""
    alive: set[int] = set()
    most = 0

    class Watched(Document):
        def __del__(self) -> None:
            alive.discard(id(self))

    def many() -> Any:
        nonlocal most
        for place in range(2000):
            document = Watched(f"source {place}", "a b", ("a", "b"), np.array([[0, 1], [2, 3]], dtype=np.int32))
            alive.add(id(document))
            most = max(most, len(alive))
            yield place, document

    kept = keep(many(), Path("file"), limit=20)
    assert len(kept.documents) == 20
    assert most <= 25


# Every reader


def conllu(folder: Path) -> Path:
    lines = []
    for number in range(24):
        name = NAMES[number % len(NAMES)]
        lines += [f"# newdoc id = {name}", f"1\tw{number}\t_\tX\t_\t_\t0\troot\t_\t_", ""]
    return written(folder / "a.conllu", lines)


def text(folder: Path) -> Path:
    return written(folder / "a.txt", [f"line {number % 20}" for number in range(24)])


def entities(folder: Path) -> Path:
    return written(folder / "a.conll", [line for number in range(24) for line in (f"w{number}\tO", "")])


def minimal_pairs(folder: Path) -> Path:
    pair = {"sentence_good": "Cats sleep.", "sentence_bad": "Cats sleeps.", "UID": "u"}
    return written(folder / "a.jsonl", [json.dumps({**pair, "pairID": str(number)}) for number in range(24)])


def prefixes(folder: Path) -> Path:
    """Of two pairs each is the other's corrupted text."""
    pairs = [("sleep", "sleeps"), ("sleeps", "sleep")]
    lines = [
        {
            "sentence_good": f"Cats {number} {good}.",
            "sentence_bad": f"Cats {number} {bad}.",
            "UID": "u",
            "pairID": number,
        }
        for number in range(24)
        for good, bad in [pairs[number % 2]]
    ]
    return written(folder / "a.jsonl", list(map(json.dumps, lines)))


def conll2012(folder: Path) -> Path:
    lines = []
    for number in range(24):
        begin = f"#begin document ({NAMES[number % len(NAMES)]}); part {number:03d}"
        lines += [begin, f"d 0 0 w{number} - - - - - - * -", "", "#end document"]
    return written(folder / "a_conll", lines)


def gap(folder: Path) -> Path:
    header = "ID Text Pronoun Pronoun-offset A A-offset A-coref B B-offset B-coref URL".replace(" ", "\t")
    row = "x\tAnn met Bo when she ran.\tshe\t16\tAnn\t0\tTRUE\tBo\t8\tFALSE\t"
    return written(folder / "a.tsv", [header, *(row + NAMES[number % len(NAMES)] for number in range(24))])


def pictures(folder: Path) -> Path:
    for number in range(24):
        Image.new("RGB", (2, 2), (number, 0, 0)).save(folder / f"{number:02d}.png")
    return folder


def written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


READERS: dict[str, tuple[Callable[[Path], Path], Callable[..., Corpus]]] = {
    "conllu": (conllu, read_conllu),
    "text": (text, read_text),
    "entities": (entities, read_entities),
    "minimal_pairs": (minimal_pairs, read_minimal_pairs),
    "blimp": (prefixes, blimp),
    "conll2012": (conll2012, partial(read_coreference, format="conll2012")),
    "gap": (gap, partial(read_coreference, format="gap")),
    "pictures": (pictures, read_pictures),
}


@pytest.mark.parametrize(("write", "read"), READERS.values(), ids=READERS.keys())
def test_every_reader_takes_them_so(tmp_path: Path, write: Callable[[Path], Path], read: Callable[..., Corpus]) -> None:
    path = write(tmp_path)
    whole = read(path)
    sources = [document.source for document in whole]
    assert len(sources) == 24
    kept = read(path, limit=7)
    assert [document.source for document in kept] == [sources[place] for place in expected(sources, 7)]
    assert kept.cut == "limit"
    number = len({document.source for document in kept})
    assert kept.notes[0].startswith(f"7 of 24 documents of {path}, from {number} source documents, ")
    first = read(path, first=7)
    assert [document.source for document in first] == sources[:7]
    assert first.cut == "first"
    assert "often of one genre and from few source documents" in first.notes[0]
    assert read(path, limit=24).notes == whole.notes
    for wrong in ({"limit": 0}, {"first": 0}, {"limit": 7, "first": 7}):
        with pytest.raises(InterpError, match=r"keeps no document|Leave one of them out"):
            read(path, **wrong)


def test_targets_go_with_the_documents_that_are_kept(tmp_path: Path) -> None:
    lines = [line for number in range(30) for line in (f"line {number}", "")]
    source = written(tmp_path / "source.txt", lines)
    target = written(tmp_path / "target.txt", [line.replace("line", "Zeile") for line in lines])
    kept = read_text(source, limit=5, target=target)
    assert [document.target.text for document in kept if document.target] == [
        document.text.replace("line", "Zeile") for document in kept
    ]
    short = written(tmp_path / "short.txt", [line.replace("line", "Zeile") for line in lines[:-4]])
    with pytest.raises(CorpusError, match=r"it has 56 lines, and the last document of 'source' belongs to line 59"):
        read_text(source, limit=5, target=short)
    treebank = conllu(tmp_path)
    written(target, [f"Satz {number}" for number in range(24)])
    chosen = expected([document.source for document in read_conllu(treebank)], 5)
    kept = read_conllu(treebank, limit=5, target=target)
    assert [document.target.text for document in kept if document.target] == [f"Satz {place}" for place in chosen]


@pytest.mark.real
def test_a_limit_on_the_english_web_treebank_comes_from_many_sources(shared: Path) -> None:
    path = shared / "corpora" / "ud_english_ewt" / "en_ewt-ud-dev.conllu"
    whole = [document.source for document in read_conllu(path)]
    kept = read_conllu(path, limit=500)
    assert [document.source for document in kept] == [whole[place] for place in expected(whole, 500)]
    sources, first = ({d.source for d in corpus} for corpus in (kept, read_conllu(path, first=500)))
    assert len(sources) > 2 * len(first)
