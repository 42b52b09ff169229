"""Named entities in CoNLL's two columns, as WNUT-17 (Derczynski et al. 2017) has them: a word, a tab, its BIO tag."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from interp.corpora.coreference.windows import joined
from interp.corpora.subsets import keep
from interp.corpora.text import digest, existing_file, numbered_lines, stem
from interp.errors import CorpusError, cut, shown
from interp.types import Corpus, Document, Mention


def read_entities(path: str | Path, *, limit: int | None = None, first: int | None = None) -> Corpus:
    """A file of sentences with blank lines between them, `.gz` too: each is one document.

    `limit` and `first` keep so many documents (`interp.corpora.subsets`).

    The text is the words joined by single spaces, and the source the text: sentences have no other id. The kind of an
    entity is its type; those of the same type that are the same words but for their case are one entity.

    Raises CorpusError, with the line, where a line is not a word and a tag, or an entity is continued that has not
    begun; InterpError for a limit below 1.
    """
    path = existing_file(path)
    documents = (_document(path, rows) for rows in _sentences(path))
    kept = keep(enumerate(documents, 1), path, limit=limit, first=first)
    if not kept.documents:
        problem = "it holds no sentence; allowed are lines of a word and its tag. Give a file with sentences."
        raise CorpusError(path, None, problem)
    return Corpus(stem(path), kept.documents, digest(path), notes=kept.notes, cut=kept.cut)


def _sentences(path: Path) -> Iterator[list[tuple[int, str]]]:
    """The lines between blank ones; a line with nothing but a tab is blank, too."""
    rows: list[tuple[int, str]] = []
    for number, line in chain(numbered_lines(path), [(0, "")]):
        if line.strip():
            rows.append((number, line))
        elif rows:
            yield rows
            rows = []


def _document(path: Path, rows: list[tuple[int, str]]) -> Document:
    words: list[str] = []
    found: list[tuple[int, int, str]] = []
    before = "O"
    for place, (number, row) in enumerate(rows):
        word, tag = _columns(path, number, row)
        words.append(word)
        if tag.startswith("B-"):
            found.append((place, place + 1, tag[2:]))
        elif tag.startswith("I-"):
            if before[2:] != tag[2:]:
                kind = cut(tag[2:])
                problem = (
                    f"{cut(tag)} continues an entity after {cut(before)}; allowed is B-{kind} or I-{kind} before it."
                )
                raise CorpusError(path, number, f"{problem} Begin the entity with B-{kind}.")
            start, _, kind = found[-1]
            found[-1] = start, place + 1, kind
        before = tag
    numbers: dict[tuple[str, str], int] = {}
    entities = tuple(
        Mention(start, end, numbers.setdefault((" ".join(words[start:end]).lower(), kind), len(numbers)), kind)
        for start, end, kind in found
    )
    text, spans = joined(words)
    return Document(text, text, tuple(words), spans, entities=entities)


def _columns(path: Path, number: int, row: str) -> tuple[str, str]:
    """The word and its tag."""
    columns = row.split("\t")
    if len(columns) != 2:
        problem = (
            f"{row[:40]!r} has {len(columns)} columns; allowed are 2, a word and its tag, with a tab between them."
        )
        raise CorpusError(path, number, f"{problem} Mend the line, or leave it blank between sentences.")
    word, tag = columns[0], columns[1].strip()
    if word.split() != [word]:
        problem = f"the word {shown(word)} is empty or has a space in it; allowed is neither. Mend it."
        raise CorpusError(path, number, problem)
    if tag != "O" and not (tag[:2] in ("B-", "I-") and tag[2:]):
        problem = f"the tag is {shown(tag)}; allowed are O, B-TYPE where an entity begins and I-TYPE where it goes on."
        raise CorpusError(path, number, f"{problem} Mend the tag.")
    return word, tag
