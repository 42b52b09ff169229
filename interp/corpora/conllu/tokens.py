"""Parses the token lines of one CoNLL-U sentence: surface tokens, multiword ranges, and syntactic words."""

import re
import sys
from pathlib import Path
from typing import NamedTuple

from interp.corpora.conllu.columns import ABSENT, Columns
from interp.corpora.conllu.corefud import KEYS, Line
from interp.corpora.conllu.notes import Said
from interp.corpora.conllu.sentences import Sentence
from interp.errors import CorpusError, shown

# Nine digits are enough for any sentence; `int` refuses numbers that are very much longer
RANGE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
EMPTY_NODE = re.compile(r"[0-9]+\.[0-9]+")


class Surface(NamedTuple):
    """A stretch of the raw text, a multiword token or a word outside one, and the words in it: `start` to `end`."""

    line: int
    form: str
    space_after: bool
    start: int
    end: int


class Word(NamedTuple):
    """A syntactic word; `head` as it stands in the file."""

    line: int
    form: str
    tag: str
    head: str
    relation: str


def tokens_of(path: Path, sentence: Sentence, said: Said) -> tuple[list[Surface], list[Word], list[Line]]:
    """The surface tokens of a sentence, its syntactic words and, where mentions are read, what MISC says line by line.

    Refuses columns and ids that are not CoNLL-U.
    """
    surfaces: list[Surface] = []
    words: list[Word] = []
    lines: list[Line] = []
    covered = 0
    _, at_id, at_form, at_tag, at_head, at_relation, at_misc = sentence.columns
    for line, row in sentence.rows:
        cells = _cells(path, line, row, sentence.columns)
        form, misc = cells[at_form], cells[at_misc]
        space_after = misc == "_" or "SpaceAfter=No" not in misc.split("|")
        due = len(words) + 1
        identifier = str(due) if at_id == ABSENT else cells[at_id]
        size, is_range = 0, False
        if identifier == str(due):
            if due > covered:
                surfaces.append(Surface(line, form, space_after, due - 1, due))
            tag, relation = sys.intern(_known(cells[at_tag])), sys.intern(_known(cells[at_relation]))
            words.append(Word(line, sys.intern(form), tag, cells[at_head], relation))
            size = 1
        elif match := RANGE.fullmatch(identifier):
            start, end = int(match[1]), int(match[2])
            if start != due or start <= covered or end < start:
                problem = (
                    f"the range {shown(identifier)} is out of place; allowed is one from {max(due, covered + 1)} up."
                )
                raise CorpusError(path, line, f"{problem} Renumber the sentence.")
            surfaces.append(Surface(line, form, space_after, start - 1, end))
            covered = end
            size, is_range = end - start + 1, True
        elif not EMPTY_NODE.fullmatch(identifier):
            problem = (
                f"the id {shown(identifier)} is out of place; allowed is {due}, a range such as {due}-{due + 1}, or an"
            )
            raise CorpusError(path, line, f"{problem} empty node such as {due - 1}.1. Renumber the sentence.")
        if sentence.fields is not None:
            lines.append(Line(line, size, is_range, misc))
        elif misc != "_" and any(attribute.startswith(KEYS) for attribute in misc.split("|")):
            said.counts["lines with mentions in MISC that no `# global.Entity` explains (not read)"] += 1
    if not words:
        problem = "a sentence without words; allowed is one word or more. Add its words, or remove these lines."
        raise CorpusError(path, sentence.line, problem)
    if covered > len(words):
        problem = f"the range runs to {covered}, past the end of the sentence; allowed is {len(words)}. Shorten it."
        raise CorpusError(path, surfaces[-1].line, problem)
    return surfaces, words, lines


def _known(cell: str) -> str:
    """A tag or a relation, `_` where it is blank."""
    return cell if cell.strip() else "_"


def _cells(path: Path, line: int, row: str, columns: Columns) -> list[str]:
    """The columns of a token line, and at the end `_` for those that are absent."""
    cells = row.split("\t")
    if len(cells) == 1 < columns.size:
        problem = f"{row[:40]!r} is neither a comment (#), nor a token ({columns.size} columns with tabs between them),"
        raise CorpusError(path, line, f"{problem} nor blank; nothing else is allowed. Mend or remove the line.")
    if len(cells) != columns.size:
        problem = f"{len(cells)} columns; allowed are {columns.size}, with tabs between them. Write `_` where there is"
        raise CorpusError(path, line, f"{problem} nothing. (`# global.columns = ID FORM …` above them names others.)")
    form = cells[columns.form]
    if not form or form != form.strip():
        problem = f"the FORM {shown(form)} is empty or has a space at an end; allowed are spaces inside. Mend it."
        raise CorpusError(path, line, problem)
    return [*cells, "_"]
