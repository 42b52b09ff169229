"""The readers of corpora under watch: what they read is counted again here, in the plainest way."""

import hashlib
import re
import unicodedata
from collections.abc import Callable, Sequence
from functools import partial
from operator import attrgetter
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from interp.corpora.batching import batches
from interp.corpora.conllu import read_conllu
from interp.corpora.coreference import read_coreference
from interp.corpora.encoding import align, encode
from interp.corpora.entities import read_entities
from interp.corpora.entity_pairs import entity_pairs
from interp.corpora.mentions import antecedents_by_kind, nearest_same_word
from interp.corpora.minimal_pairs import read_minimal_pairs
from interp.corpora.pictures import read_pictures
from interp.corpora.text import numbered_lines, read_text
from interp.corpora.validation import validate
from interp.errors import InterpError
from interp.text.punctuation import marks
from interp.types import Corpus, Encoding
from tests.fuzzing.watching import insist
from tests.support.fakes import FakeModel, uniform

Lines = Sequence[str]

UNSEEN = "\u034f\u115f\u1160\u17b4\u17b5\u3164\uffa0\u180b\u180c\u180d" + "".join(map(chr, range(0xFE00, 0xFE10)))


def lines_of(path: Path) -> Lines:
    """The lines of a file that was read, which says that they are UTF-8."""
    if path.suffix == ".gz":
        return [line for _, line in numbered_lines(path)]
    content = path.read_bytes().removeprefix(b"\xef\xbb\xbf")
    lines = [line.rstrip(b"\r\n") for line in content.split(b"\n")]
    return [line.decode() for line in (lines if content.rpartition(b"\n")[2] else lines[:-1])]


def blocks(lines: Lines, drop: Callable[[str], bool] = lambda _: False) -> list[list[str]]:
    """The lines between blank ones, without those to drop; none that is empty then."""
    found: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            found[-1].append(line)
        else:
            found.append([])
    kept = [[line for line in block if not drop(line)] for block in found]
    return [block for block in kept if block]


def filled(lines: Lines) -> int:
    """How many lines are not blank."""
    return sum(bool(line.strip()) for line in lines)


def begins(line: str) -> bool:
    """Whether a line of columns begins a document."""
    return line.startswith("#begin document (")


def is_seen(character: str) -> bool:
    """Whether a character has a width, by its category; marks count, and a few letters that fill space do not."""
    return unicodedata.category(character) not in ("Zs", "Zl", "Zp", "Cc", "Cf") and character not in UNSEEN


def note(corpus: Corpus, begins: str) -> int:
    """The number in a note of the corpus; 0 where there is none."""
    return next((int(found[1]) for one in corpus.notes if (found := re.fullmatch(rf"{begins}.*: (\d+)", one))), 0)


# What must hold of any corpus

OF_A_CORPUS = [attrgetter(name) for name in ("relations", "tags", "mention_kinds", "resumed_kinds", "has_agreement")]
OF_A_DOCUMENT = (antecedents_by_kind, nearest_same_word, marks, entity_pairs)


def check(corpus: Corpus, path: Path, chance: Random, *, trees: bool = True, digest: bool = True) -> None:
    """Every document is valid, every word that has a place is found by its characters, and batches can be made."""
    insist(len(corpus) > 0, "an empty corpus")
    insist(not digest or corpus.digest == hashlib.sha256(path.read_bytes()).hexdigest(), "another digest")
    for ask in (repr, *OF_A_CORPUS):
        ask(corpus)
    for document in corpus:
        try:
            if trees:
                validate(document)
        except InterpError as error:
            insist(False, f"invalid: {error}")
        insist(all(document.words), "an empty word")
        places = np.arange(len(document.text), dtype=np.int32)
        spelled = Encoding(places, np.stack([places, places + 1], 1), np.zeros(len(places), dtype=bool))
        owned = set(align(document, spelled).tolist()) - {-1}
        standing = {word for word, (start, _) in enumerate(document.spans.tolist()) if start >= 0}
        insist(owned == standing, f"words without their characters: {sorted(standing - owned)[:5]}")
        for ask in OF_A_DOCUMENT:
            ask(document)
    if chance.random() < 0.2:
        try:
            model = FakeModel(uniform, 1)
            for group in batches(encode(model, corpus), model, documents=range(min(len(corpus), 8))):
                group.batch()
        except InterpError:
            return


def some(chance: Random) -> dict[str, Any]:
    """No limit, most of the time."""
    return chance.choice(({}, {}, {}, {"limit": 2}, {"first": 1}))


def enough(corpus: Corpus, documents: int, asked: dict[str, Any], what: str) -> None:
    """As many documents as stand there, or as were asked for."""
    expected = min(documents, *asked.values()) if asked else documents
    insist(len(corpus) == expected, f"{what}: {len(corpus)} documents where {expected} stand")


# The readers


def conllu(path: Path, chance: Random) -> None:
    """As sentences and as documents; counted are the blocks between blank lines and the ids that are numbers."""
    asked, multiword = some(chance), chance.choice(("first", "last", "content"))
    subtypes = chance.random() < 0.5
    corpus = read_conllu(path, multiword=multiword, subtypes=subtypes, **asked)
    check(corpus, path, chance)
    if "first" in asked:
        return
    lines = lines_of(path)
    sentences = blocks(lines, lambda line: line.startswith("#"))
    enough(corpus, len(sentences), asked, "sentences")
    if not asked and not any("global.columns" in line.casefold() for line in lines):
        words = [[row.split("\t")[1] for row in rows if row.split("\t")[0].isdigit()] for rows in sentences]
        insist([list(one.words) for one in corpus] == words, "words: others than stand there")
    if any("doc" in line.casefold() for line in lines):
        whole = read_conllu(path, unit="document", multiword=multiword)
        check(whole, path, chance, trees=False)
        inside = sum(len(one.words) for one in whole)
        insist(asked or inside == sum(len(one.words) for one in corpus), "words: others in documents than in sentences")


def columns(path: Path, chance: Random) -> None:
    """Whole documents, windows or sentences; counted are the lines that begin a document, and words."""
    unit, window = chance.choice(("document", "beginning", "sentence")), chance.choice((None, 1, 3, 100))
    heads, asked = chance.choice(("last", "before_postmodifier")), some(chance)
    check(read_coreference(path, "conll2012", unit=unit, window=window, heads=heads, **asked), path, chance)
    whole = read_coreference(path, "conll2012", window=None)
    check(whole, path, chance)
    lines = lines_of(path)
    begun = sum(map(begins, lines))
    again = note(whole, "documents read before")
    enough(whole, begun - again, {}, "documents")
    if not again:
        words = [row for row in lines if row.strip() and not begins(row) and row.strip() != "#end document"]
        insist(sum(len(one.words) for one in whole) == len(words), "words: others than stand there")


def schema(path: Path, chance: Random, name: str) -> None:
    """One document of every line below the header (WinoBias has none)."""
    asked = some(chance)
    corpus = read_coreference(path, name, **asked)
    check(corpus, path, chance)
    if "first" in asked:
        return
    lines = lines_of(path)
    if name == "winobias":
        first = next(line for line in lines if line.strip())
        begun = sum(map(begins, lines))
        enough(corpus, begun if first.startswith("#begin document") else filled(lines), asked, "sentences")
    else:
        enough(corpus, filled(lines[1:]), asked, "lines")
    for document in corpus:
        insist(len(document.mentions or ()) >= 2, "mentions: fewer than two")


def text(path: Path, chance: Random) -> None:
    """Every line is a document, or blank and said to be; now and then it is its own target."""
    asked = some(chance)
    corpus = read_text(path, target=path if chance.random() < 0.2 and not asked else None, **asked)
    check(corpus, path, chance, digest=not any(one.startswith("targets from") for one in corpus.notes))
    if not asked:
        lines = lines_of(path)
        said = next((int(one.split()[0]) for one in corpus.notes if one.endswith("skipped")), 0)
        insist(len(corpus) + said == len(lines), f"lines: {len(corpus)} and {said} skipped of {len(lines)}")
        seen = sum(any(map(is_seen, line)) for line in lines)
        insist(len(corpus) == seen, f"lines: {len(corpus)} documents where {seen} lines can be seen")


def pairs(path: Path, chance: Random) -> None:
    """Every line that is not blank is a pair."""
    asked = some(chance)
    corpus = read_minimal_pairs(path, **asked)
    check(corpus, path, chance)
    if "first" in asked:
        return
    enough(corpus, filled(lines_of(path)), asked, "pairs")


def entities(path: Path, chance: Random) -> None:
    """Every block of lines is a sentence, and every line of it a word; a B- begins an entity."""
    asked = some(chance)
    corpus = read_entities(path, **asked)
    check(corpus, path, chance)
    if "first" in asked:
        return
    found = blocks(lines_of(path))
    enough(corpus, len(found), asked, "sentences")
    if not asked:
        insist([len(one.words) for one in corpus] == [len(block) for block in found], "words: others than stand there")
        begun = [sum(row.split("\t")[1].strip().startswith("B-") for row in block) for block in found]
        insist([len(one.entities or ()) for one in corpus] == begun, "entities: others than stand there")


def picture(path: Path, _chance: Random) -> None:
    """Red, green and blue."""
    (one,) = read_pictures(path).documents
    insist(one.picture is not None and one.picture.dtype == np.uint8 and one.picture.shape[2] == 3, "no picture")


gap, winobias, winogender = (partial(schema, name=name) for name in ("gap", "winobias", "winogender"))
