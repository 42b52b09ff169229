"""A validating, streaming reader of CoNLL-U: what it lets through is a tree over words that lie in a raw text.

The raw text is `# text`, or the forms joined by SpaceAfter. Multiword tokens are surface, their words are what
is read; empty nodes and enhanced dependencies are ignored.
"""

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import chain, groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interp.corpora.keeping import keep
from interp.corpora.text import digest, existing_file, numbered_lines, stem, with_targets
from interp.errors import CorpusError, InterpError, closest
from interp.types import Corpus, Document

UNITS = ("sentence", "document")
"""What one document is: a sentence, or all sentences under one `# newdoc`."""

NEWDOC = re.compile(r"#\s*newdoc(?:\s+id\s*=\s*(.*?))?\s*")
TEXT = re.compile(r"#\s*text\s*=\s*(.*)")
# Nine digits are enough for any sentence; `int` refuses numbers that are very much longer
RANGE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
EMPTY_NODE = re.compile(r"[0-9]+\.[0-9]+")
HEAD = re.compile(r"-?[0-9]{1,9}")


class _Sentence(NamedTuple):
    """A sentence as it stands in the file: `rows` are its token lines, `newdoc` counts the `# newdoc` so far."""

    line: int
    text: str | None
    source: str | None
    newdoc: int
    rows: list[tuple[int, str]]


class _Surface(NamedTuple):
    """A stretch of the raw text, a multiword token or a word outside one, and the words in it: `start` to `end`."""

    line: int
    form: str
    space_after: bool
    start: int
    end: int


class _Word(NamedTuple):
    """A syntactic word; `head` as it stands in the file."""

    line: int
    form: str
    tag: str
    head: str
    relation: str


def read_conllu(
    path: str | Path,
    *,
    unit: str = "sentence",
    limit: int | None = None,
    first: int | None = None,
    subtypes: bool = False,
    target: str | Path | None = None,
) -> Corpus:
    """A CoNLL-U file, `.gz` too, one document per `unit` (`sentence` or `document`).

    `limit` and `first` keep so many documents (`interp.corpora.keeping`).
    `target` is a text file with a line for each document: what an encoder-decoder shall have written from it.
    Raises CorpusError, with the line, where what is read is not CoNLL-U; InterpError for another unit or a limit
    below 1.
    """
    path = existing_file(path)
    kept = keep(enumerate(conllu_documents(path, unit), 1), path, limit=limit, first=first)
    if not kept.documents:
        raise CorpusError(path, None, "it holds no sentence; allowed is one or more. Give a file with sentences.")
    corpus = Corpus(stem(path), kept.documents, digest(path), subtypes=subtypes, notes=kept.notes, cut=kept.cut)
    return corpus if target is None else with_targets(corpus, target, kept)


def conllu_documents(path: str | Path, unit: str = "sentence") -> Iterator[Document]:
    """The documents of a CoNLL-U file, read as they are asked for.

    Raises CorpusError, with the line, at the first thing that is not CoNLL-U; InterpError for another unit.
    """
    if unit not in UNITS:
        raise InterpError(f"corpus.unit={unit} is not known. {closest(unit, UNITS)} Set corpus.unit to one of them.")
    path = existing_file(path)
    if unit == "sentence":
        for sentence in _sentences(path):
            yield _document(path, [sentence])
    else:
        for _, sentences in groupby(_under_newdoc(path), key=lambda sentence: sentence.newdoc):
            yield _document(path, sentences)


def _under_newdoc(path: Path) -> Iterator[_Sentence]:
    """All sentences; an error at the end of a file that has sentences and no `# newdoc`."""
    newdoc = None
    for sentence in _sentences(path):
        newdoc = sentence.newdoc
        yield sentence
    if newdoc == 0:
        problem = "it has no `# newdoc`, which corpus.unit=document needs. Set corpus.unit=sentence."
        raise CorpusError(path, None, problem)


def _sentences(path: Path) -> Iterator[_Sentence]:
    """The file cut at its blank lines, comments read; token lines are left as they are."""
    newdoc, source = 0, None
    start, text, rows = 0, None, []
    for number, line in chain(numbered_lines(path), [(0, "")]):
        if not line.strip():
            if start:
                yield _Sentence(start, text, source, newdoc, rows)
            start, text, rows = 0, None, []
            continue
        start = start or number
        if not line.startswith("#"):
            rows.append((number, line))
        elif rows:
            problem = "a comment inside a sentence; comments stand above its words. Add the blank line that ends it."
            raise CorpusError(path, number, problem)
        elif match := NEWDOC.fullmatch(line):
            newdoc, source = newdoc + 1, match[1] or None
        elif match := TEXT.fullmatch(line):
            text = match[1]


def _document(path: Path, sentences: Iterable[_Sentence]) -> Document:
    """Sentences as one document; each keeps its own root."""
    source, text, space = None, "", ""
    words: list[_Word] = []
    governors: list[int] = []
    spans: list[tuple[int, int]] = []
    for sentence in sentences:
        surfaces, own_words = _tokens(path, sentence)
        own_text = _spelled(surfaces) if sentence.text is None else sentence.text
        offset = len(text) + len(space)
        text += space + own_text
        spans += _spans(path, text, offset, surfaces, own_words)
        governors += [-1 if governor < 0 else governor + len(words) for governor in _governors(path, own_words)]
        words += own_words
        source = sentence.source
        space = " " if surfaces[-1].space_after else ""
    return Document(
        source=text if source is None else source,
        text=text,
        words=tuple(word.form for word in words),
        spans=np.array(spans, dtype=np.int32),
        tags=tuple(word.tag for word in words),
        governors=tuple(governors),
        relations=tuple(word.relation for word in words),
    )


def _tokens(path: Path, sentence: _Sentence) -> tuple[list[_Surface], list[_Word]]:
    """The surface tokens of a sentence and its syntactic words; refuses columns and ids that are not CoNLL-U."""
    surfaces: list[_Surface] = []
    words: list[_Word] = []
    covered = 0
    for line, row in sentence.rows:
        columns = _columns(path, line, row)
        identifier, form = columns[0], columns[1]
        space_after = "SpaceAfter=No" not in columns[9].split("|")
        due = len(words) + 1
        if identifier == str(due):
            if due > covered:
                surfaces.append(_Surface(line, form, space_after, due - 1, due))
            words.append(_Word(line, sys.intern(form), sys.intern(columns[3]), columns[6], sys.intern(columns[7])))
        elif match := RANGE.fullmatch(identifier):
            start, end = int(match[1]), int(match[2])
            if start != due or start <= covered or end < start:
                problem = f"the range {identifier!r} is out of place; allowed is one from {max(due, covered + 1)} up."
                raise CorpusError(path, line, f"{problem} Renumber the sentence.")
            surfaces.append(_Surface(line, form, space_after, start - 1, end))
            covered = end
        elif not EMPTY_NODE.fullmatch(identifier):
            problem = f"the id {identifier!r} is out of place; allowed is {due}, a range such as {due}-{due + 1}, or an"
            raise CorpusError(path, line, f"{problem} empty node such as {due - 1}.1. Renumber the sentence.")
    if not words:
        problem = "a sentence without words; allowed is one word or more. Add its words, or remove these lines."
        raise CorpusError(path, sentence.line, problem)
    if covered > len(words):
        problem = f"the range runs to {covered}, past the end of the sentence; allowed is {len(words)}. Shorten it."
        raise CorpusError(path, surfaces[-1].line, problem)
    return surfaces, words


def _columns(path: Path, line: int, row: str) -> list[str]:
    """The ten columns of a token line."""
    columns = row.split("\t")
    if len(columns) == 1:
        problem = f"{row[:40]!r} is neither a comment (#), nor a token (10 columns with tabs between them), nor blank;"
        raise CorpusError(path, line, f"{problem} nothing else is allowed. Mend or remove the line.")
    if len(columns) != 10:
        problem = f"{len(columns)} columns; allowed are 10, with tabs between them. Write `_` where there is nothing."
        raise CorpusError(path, line, problem)
    if not columns[1] or columns[1] != columns[1].strip():
        problem = f"the FORM {columns[1]!r} is empty or has a space at an end; allowed are spaces inside. Mend it."
        raise CorpusError(path, line, problem)
    return columns


def _spelled(surfaces: list[_Surface]) -> str:
    """The forms joined by SpaceAfter."""
    return "".join(surface.form + " " * surface.space_after for surface in surfaces).rstrip(" ")


def _spans(
    path: Path, text: str, position: int, surfaces: list[_Surface], words: list[_Word]
) -> Iterator[tuple[int, int]]:
    """Where each word stands in `text` from `position` on; (-1, -1) for a word without a place of its own."""
    for surface in surfaces:
        position = _skip_spaces(text, position)
        if not text.startswith(surface.form, position):
            problem = (
                f"{surface.form!r} is not the next thing in `# text`, which has {text[position : position + 40]!r};"
            )
            raise CorpusError(path, surface.line, f"{problem} the forms must spell it in order. Mend one or the other.")
        end = position + len(surface.form)
        parts = [word.form for word in words[surface.start : surface.end]]
        if "".join(parts) == surface.form:
            for part in parts:
                yield position, position + len(part)
                position += len(part)
        else:
            yield position, end
            yield from [(-1, -1)] * (len(parts) - 1)
        position = end
    position = _skip_spaces(text, position)
    if position < len(text):
        problem = f"`# text` goes on with {text[position : position + 40]!r} after the last token;"
        raise CorpusError(path, surfaces[-1].line, f"{problem} the forms must spell all of it. Mend one or the other.")


def _skip_spaces(text: str, position: int) -> int:
    """The first position from `position` on that holds no space."""
    while text[position : position + 1].isspace():
        position += 1
    return position


def _governors(path: Path, words: list[_Word]) -> list[int]:
    """The governor of each word, -1 at the root; refuses what is not a tree."""
    governors: list[int] = []
    for number, word in enumerate(words, 1):
        head = int(word.head) if HEAD.fullmatch(word.head) else None
        if head is None:
            problem = f"has HEAD {word.head!r}, which is not an integer"
        elif not 0 <= head <= len(words):
            problem = f"has HEAD {head}, which is out of range"
        elif head == number:
            problem = "is its own governor"
        elif head == 0 and -1 in governors:
            problem = f"is a second root beside {_named(words, [governors.index(-1)])}"
        else:
            governors.append(head - 1)
            continue
        allowed = f"allowed is 0 at the one root, another word (1 to {len(words)}) elsewhere. Mend its HEAD."
        raise CorpusError(path, word.line, f"word {_named(words, [number - 1])} {problem}; {allowed}")
    if -1 not in governors:
        problem = "the sentence has no root; allowed is exactly one word with HEAD 0. Give its root HEAD 0."
        raise CorpusError(path, words[0].line, problem)
    if cycle := _cycle(governors):
        problem = f"the words {_named(words, cycle)} govern one another in a cycle; allowed is a tree. Mend a HEAD."
        raise CorpusError(path, words[cycle[0]].line, problem)
    return governors


def _named(words: list[_Word], positions: list[int]) -> str:
    """Words as an error names them: by number and form."""
    return ", ".join(f"{position + 1} {words[position].form!r}" for position in positions)


def _cycle(governors: list[int]) -> list[int]:
    """The words of a cycle in ascending order; none in a tree."""
    reached_from = [-1] * len(governors)
    for start in range(len(governors)):
        word = start
        while word >= 0 and reached_from[word] < 0:
            reached_from[word] = start
            word = governors[word]
        # Only a walk that came back to itself ends on a word of its own
        if word >= 0 and reached_from[word] == start:
            cycle = [word]
            while (word := governors[word]) != cycle[0]:
                cycle.append(word)
            return sorted(cycle)
    return []
