"""A validating reader of the columns of CoNLL-2012: documents of several sentences with coreference in brackets.

The raw text is the words joined by single spaces, Penn Treebank's escapes (-LRB-, /., a backslash) undone. The columns
that are read are the word's number in its sentence, the word, its part of speech (`-` or `_`: none) and, last,
coreference.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from interp.corpora.text import numbered_lines
from interp.errors import CorpusError, shown

COLUMNS = 12
"""At least so many: eleven that are always there (predicates' arguments may follow), and coreference, the last."""

MARKERS = ("#begin document", "#end document")
BEGIN = re.compile(r"#begin document \(([^\t]*)\);?(?:\s+part\s+([0-9]{1,9}))?\s*")
BRACKET = re.compile(r"(\()?([0-9]{1,9})(\))?")
ESCAPES = {
    "-LRB-": "(", "-RRB-": ")", "-LSB-": "[", "-RSB-": "]", "-LCB-": "{", "-RCB-": "}", "/.": ".", "/?": "?", "/-": "-",
}  # fmt: skip
NOTHING = ("", "-", "_", "*")
DEEPEST = 100
"""Mentions that one word may lie in: annotation has a handful, and all that is asked of mentions grows with it."""


class Part(NamedTuple):
    """A document, or a part of one, as it stands in the file.

    `name` and `number` are those of its `#begin document` line (part 0 where it says none).
    `starts` are the first words of its sentences; `spans` are (start, end, entity) of its mentions, in order.
    `repeated` counts mentions over words that were one already, of which the first is kept; `escapes` words that the
    file writes otherwise. Tags are None where a word has none: `partly_tagged` says that others had one.
    """

    line: int
    name: str
    number: int
    words: tuple[str, ...]
    tags: tuple[str, ...] | None
    starts: tuple[int, ...]
    spans: tuple[tuple[int, int, int], ...]
    repeated: int
    escapes: int
    partly_tagged: bool


def unescaped(word: str) -> str:
    r"""What a word of the file stands for: `(` for -LRB-, `and/or` for `and\/or`, `*` for `\*`."""
    return ESCAPES.get(word) or word.replace("\\/", "/").replace("\\*", "*")


def read_parts(path: Path) -> Iterator[Part]:
    """The documents of a file, one by one. Raises CorpusError, with the line, at what is not CoNLL-2012."""
    current: _Building | None = None
    number = 0
    for number, line in numbered_lines(path):
        if match := BEGIN.fullmatch(line):
            if current is not None:
                problem = f"a document begins inside that of line {current.line}; allowed is after `#end document`."
                raise CorpusError(path, number, f"{problem} Add the line that ends it.")
            current = _Building(path, number, match[1], int(match[2] or 0))
        elif line.strip() == "#end document" and current is not None:
            yield current.part(number)
            current = None
        # one that ran into the next line has columns enough for a word
        elif line.startswith("#") and (line.startswith(MARKERS) or len(line.split()) < COLUMNS):
            problem = f"{line[:40]!r} is out of place; allowed are `#begin document (name); part 000`, its part of nine"
            raise CorpusError(path, number, f"{problem} digits at most, and, after it, `#end document`. Mend the line.")
        elif not line.strip():
            if current is not None:
                current.end_sentence(number)
        elif current is None:
            problem = f"{line[:40]!r} stands outside any document; allowed is between `#begin document` and"
            raise CorpusError(path, number, f"{problem} `#end document`. Add those lines.")
        else:
            current.add(number, line)
    if current is not None:
        problem = f"the document of line {current.line} does not end; allowed is `#end document` after each."
        raise CorpusError(path, number, f"{problem} Add the line, or fetch the file again.")


class _Building:
    """A document while its lines are read."""

    def __init__(self, path: Path, line: int, name: str, part_number: int) -> None:
        self.path, self.line, self.name, self.part_number = path, line, name, part_number
        self.words: list[str] = []
        self.tags: list[str] = []
        self.starts: list[int] = []
        self.spans: dict[tuple[int, int], int] = {}
        self.open: list[tuple[int, int, int]] = []
        self.repeated = self.escapes = self.in_sentence = 0

    def add(self, number: int, line: str) -> None:
        """A word, with what its columns say of it."""
        columns = line.split("\t") if "\t" in line else line.split()
        if len(columns) < COLUMNS:
            problem = f"{len(columns)} columns; allowed are {COLUMNS} or more, of which the last is coreference."
            raise CorpusError(self.path, number, f"{problem} Write `-` where there is nothing.")
        if columns[2] != str(self.in_sentence):
            problem = (
                f"the word's number is {shown(columns[2])}; allowed is {self.in_sentence}, counted in each sentence."
            )
            raise CorpusError(self.path, number, f"{problem} Renumber the sentence, or add the blank line before it.")
        word = unescaped(columns[3])
        if not word or word.split() != [word]:
            raise CorpusError(
                self.path, number, f"the word {shown(word)} is empty or has a space in it; allowed is neither. Mend it."
            )
        if not self.in_sentence:
            self.starts.append(len(self.words))
        self.words.append(word)
        self.tags.append(columns[4])
        self.escapes += word != columns[3]
        self.in_sentence += 1
        if columns[-1].strip() not in NOTHING:
            self._brackets(number, columns[-1].strip())

    def _brackets(self, number: int, cell: str) -> None:
        place = len(self.words) - 1
        for piece in cell.split("|"):
            match = BRACKET.fullmatch(piece)
            if match is None or not (match[1] or match[3]):
                problem = (
                    f"the coreference {shown(cell)} is none; allowed are `-` and pieces such as (3, 3) and (3) with |"
                )
                raise CorpusError(self.path, number, f"{problem} between them. Mend it.")
            entity = int(match[2])
            if match[1]:
                self.open.append((entity, place, number))
            if len(self.open) > DEEPEST:
                problem = f"{len(self.open)} mentions are open at once; allowed are {DEEPEST}, one within the other."
                raise CorpusError(self.path, number, f"{problem} Mend the brackets.")
            if match[3]:
                self._close(number, entity, place)

    def _close(self, number: int, entity: int, place: int) -> None:
        """The innermost open bracket of this entity is its other end."""
        at = next((i for i in reversed(range(len(self.open))) if self.open[i][0] == entity), None)
        if at is None:
            problem = (
                f"{entity}) closes what no ({entity} has opened; allowed is a bracket of each kind, in one sentence."
            )
            raise CorpusError(self.path, number, f"{problem} Mend the pair.")
        _, start, _ = self.open.pop(at)
        self.repeated += (start, place + 1) in self.spans
        self.spans.setdefault((start, place + 1), entity)

    def end_sentence(self, number: int) -> None:
        """A blank line, at which no bracket is open."""
        if self.open:
            entity, _, opened = self.open[-1]
            problem = f"the sentence ends before ({entity} of line {opened} closes; allowed are mentions within one."
            raise CorpusError(self.path, number, f"{problem} Add the bracket that closes it.")
        self.in_sentence = 0

    def part(self, number: int) -> Part:
        """All of it, once `#end document` is reached."""
        self.end_sentence(number)
        if not self.words:
            raise CorpusError(self.path, number, "a document without words; allowed is one or more. Remove it.")
        tagged = [tag not in NOTHING for tag in self.tags]
        return Part(
            line=self.line,
            name=self.name,
            number=self.part_number,
            words=tuple(self.words),
            tags=tuple(self.tags) if all(tagged) else None,
            starts=tuple(self.starts),
            spans=tuple(sorted((start, end, entity) for (start, end), entity in self.spans.items())),
            repeated=self.repeated,
            escapes=self.escapes,
            partly_tagged=any(tagged) and not all(tagged),
        )
