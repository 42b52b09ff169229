"""Coreference as CorefUD and GUM write it: brackets in MISC, `Entity=(e1-person-1` … `Entity=e1)`.

`# global.Entity = eid-etype-head-other` names what stands between the hyphens. Read are the entity (`eid`, or `GRP`,
which is one within a document) and the number of the head among the mention's words (`head`). Nodes are words and
empty nodes, which count for that number. A mention in several parts numbers them: `(e1[1/2]` … `e1[1/2])`.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from interp.corpora.coreference.mention_forms import described, opening_words
from interp.corpora.mentions import head_word
from interp.errors import CorpusError, cut, shown
from interp.types import UNSPECIFIED, Document, Mention

BRACKET = re.compile(r"\(?[^()]+\)?")
PART = re.compile(r"([^\[\]]+)\[([0-9]{1,9})/([0-9]{1,9})\]")
ENTITY = ("eid", "grp")
"""The fields that may say which entity a mention is of, in lower case."""

KEYS = ("Entity=", "ClusterId=", "Coref=")
"""The attributes of MISC that are annotation of mentions, in CorefUD and in formats before it; the first is read."""


class Fields(NamedTuple):
    """Where the entity stands between the hyphens of a bracket, and where the head's number; None: nowhere."""

    entity: int
    head: int | None


class Line(NamedTuple):
    """A token line: `words` is 1 for a word, 0 for an empty node, and of a range of words the number of them."""

    number: int
    words: int
    is_range: bool
    misc: str


class Found(NamedTuple):
    """A mention: (start, end) of its parts in words of the source document, and the word that is given as its head."""

    entity: int
    parts: tuple[tuple[int, int], ...]
    head: int | None


@dataclass(eq=False)
class _Open:
    """A mention while it is read: the (first, last) nodes of its parts so far."""

    entity: str
    count: int
    head: int | None
    line: int
    parts: list[tuple[int, int]] = field(default_factory=list)


def entity_fields(declared: str) -> Fields | None:
    """The fields of `# global.Entity`; None where none of them says which entity a mention is of."""
    names = [name.strip().casefold() for name in declared.split("-")]
    place = next((names.index(name) for name in ENTITY if name in names), None)
    return None if place is None else Fields(place, names.index("head") if "head" in names else None)


class Chains:
    """The brackets of one source document, sentence after sentence."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.words = 0
        self._word_of: list[int] = []  # of every node; the number of words before it where it is an empty one
        self._is_word: list[bool] = []
        self._open: defaultdict[str, list[tuple[_Open, int]]] = defaultdict(list)
        self._waiting: defaultdict[tuple[str, int, int], list[_Open]] = defaultdict(list)
        self._at_range_end: list[tuple[int, str, int]] = []
        self._numbers: dict[str, int] = {}

    def read(self, lines: Iterable[Line], fields: Fields) -> list[Found]:
        """The mentions that end in these lines. Raises CorpusError, with the line, at a bracket that has no other."""
        found: list[Found] = []
        for line in lines:
            if not line.is_range:
                self._word_of.append(self.words)
                self._is_word.append(line.words == 1)
                self.words += line.words
            for attribute in line.misc.split("|"):
                if attribute.startswith(KEYS[0]):
                    found += self._brackets(line, attribute.removeprefix(KEYS[0]), fields)
            while self._at_range_end and self._at_range_end[-1][0] == self.words and not line.is_range:
                _, name, number = self._at_range_end.pop()
                found += self._close(number, name)
        return found

    def end(self) -> None:
        """Raises CorpusError, with the line, where a mention is not whole at the end of its document."""
        unfinished = [mention for stack in self._open.values() for mention, _ in stack]
        unfinished += [mention for waiting in self._waiting.values() for mention in waiting]
        if unfinished:
            first = min(unfinished, key=lambda mention: mention.line)
            problem = (
                f"the mention ({cut(first.entity)} does not end before its document does; allowed is a bracket that"
            )
            raise CorpusError(
                self.path, first.line, f"{problem} closes each, and all parts of one. Add what is missing."
            )

    def _brackets(self, line: Line, value: str, fields: Fields) -> Iterator[Found]:
        if value in UNSPECIFIED:
            return
        pieces = BRACKET.findall(value)
        opens, closes = [piece[0] == "(" for piece in pieces], [piece[-1] == ")" for piece in pieces]
        if "".join(pieces) != value or not all(a or b for a, b in zip(opens, closes, strict=True)):
            problem = (
                f"Entity={value[:60]!r} is not read; allowed are brackets such as (e1-person-1, e1) and (e1-person-1)"
            )
            raise CorpusError(self.path, line.number, f"{problem}, one after another. Mend it.")
        # of a range the first node is still to come
        node = len(self._word_of) - (not line.is_range)
        for piece, opening, closing in zip(pieces, opens, closes, strict=True):
            values = piece.strip("()").split("-")
            # what closes has the entity alone, in old files all fields
            name = values[0] if not opening and len(values) == 1 else _at(values, fields.entity)
            if not name:
                problem = f"{shown(piece)} names no entity; `# global.Entity` says that field {fields.entity + 1} does."
                raise CorpusError(self.path, line.number, f"{problem} Mend the bracket, or that comment.")
            if opening:
                self._begin(line.number, name, node, self._head(line.number, piece, _at(values, fields.head)))
            if closing and line.is_range:
                self._at_range_end.append((self.words + line.words, name, line.number))
            elif closing:
                yield from self._close(line.number, name)

    def _head(self, line: int, piece: str, value: str) -> int | None:
        """The number of the head among the mention's nodes; the first where several are given."""
        first = value.split(",")[0]
        if first in UNSPECIFIED:
            return None
        if not re.fullmatch("[0-9]{1,9}", first) or not int(first):
            problem = (
                f"{shown(piece)} has the head {shown(value)}; allowed is the number of one of its "
                "words, from 1. Mend it."
            )
            raise CorpusError(self.path, line, problem)
        return int(first)

    def _begin(self, line: int, name: str, node: int, head: int | None) -> None:
        entity, part, count = self._numbered(line, name)
        waiting = self._waiting[entity, part, count]
        if part > 1 and not waiting:
            problem = (
                f"({cut(name)} has no part {part - 1} before it; allowed are parts in order, from 1. Mend the parts."
            )
            raise CorpusError(self.path, line, problem)
        mention = waiting.pop() if part > 1 else _Open(entity, count, head, line)
        self._open[name].append((mention, node))

    def _close(self, line: int, name: str) -> Iterator[Found]:
        if not self._open[name]:
            problem = (
                f"{cut(name)}) closes what no ({cut(name)} has opened; allowed is a bracket of each "
                "kind in one document."
            )
            raise CorpusError(self.path, line, f"{problem} Mend the pair.")
        mention, node = self._open[name].pop()
        mention.parts.append((node, len(self._word_of) - 1))
        if len(mention.parts) < mention.count:
            self._waiting[mention.entity, len(mention.parts) + 1, mention.count].append(mention)
        else:
            yield self._found(mention)

    def _found(self, mention: _Open) -> Found:
        head = None if mention.head is None else self._node(mention, mention.head)
        if mention.head is not None and head is None:
            problem = (
                f"the mention ({cut(mention.entity)} has the head {mention.head} and fewer words; "
                "allowed is one of them."
            )
            raise CorpusError(self.path, mention.line, f"{problem} Mend it.")
        parts: list[tuple[int, int]] = []
        for first, last in mention.parts:
            start, end = self._word_of[first], self._word_of[last] + self._is_word[last]
            if parts and start <= parts[-1][1]:
                parts[-1] = parts[-1][0], max(end, parts[-1][1])
            elif start < end:
                parts.append((start, end))
        number = self._numbers.setdefault(mention.entity, len(self._numbers))
        return Found(number, tuple(parts), self._word_of[head] if head is not None and self._is_word[head] else None)

    def _node(self, mention: _Open, number: int) -> int | None:
        """The node of this number in the mention, counted from 1; None beyond its last one."""
        left = number - 1
        for first, last in mention.parts:
            if left <= last - first:
                return first + left
            left -= last - first + 1
        return None

    def _numbered(self, line: int, name: str) -> tuple[str, int, int]:
        """The entity, and of how many parts of the mention this is which."""
        if "[" not in name:
            return name, 1, 1
        match = PART.fullmatch(name)
        if match is None or not 1 <= int(match[2]) <= int(match[3]):
            problem = f"({cut(name)} is no part of a mention; allowed are parts such as (e1[1/2] and (e1[2/2]. Mend it."
            raise CorpusError(self.path, line, problem)
        return match[1], int(match[2]), int(match[3])


def _at(values: Sequence[str], place: int | None) -> str:
    return values[place] if place is not None and place < len(values) else ""


def with_mentions(
    document: Document, found: Iterable[Found], first: int, starts: Sequence[int], said: Counter[str]
) -> Document:
    """The document with those mentions that lie in it; `first` is its first word in what they were read from.

    `starts` are the first words of its sentences. Of a mention in several parts, the one that has its head word is
    kept; of mentions over the same words the first. `said` counts what is left out.
    """
    # as other readers do: a tag is trusted where every word has one
    tags = None if document.tags is None or set(UNSPECIFIED) & set(document.tags) else document.tags
    opening = frozenset() if tags else opening_words(document.words, starts)
    lower = frozenset() if tags else frozenset(word for word in document.words if word.islower())
    mentions: dict[tuple[int, int], Mention] = {}
    for one in found:
        parts = [(start - first, end - first) for start, end in one.parts]
        given = None if one.head is None else one.head - first
        if not parts or parts[0][0] < 0:
            said[EMPTY if not parts else ACROSS] += 1
            continue
        said[PARTED] += len(parts) > 1
        start, end = _standing(document, parts, given)
        if (start, end) in mentions:
            said[REPEATED] += 1
            continue
        own = given if given is not None and start <= given < end else None
        known = document.governors is not None or own is not None
        head = head_word(document, Mention(start, end, one.entity, head=own)) if known else None
        mention = described(document.words, start, end, one.entity, tags=tags, opening=opening, lower=lower, head=head)
        mentions[start, end] = mention._replace(head=own)
    return replace(document, mentions=tuple(mentions[span] for span in sorted(mentions)))


EMPTY = "mentions of empty nodes alone (left out)"
ACROSS = "mentions in several sentences (left out; corpus.unit=document keeps them)"
PARTED = "mentions in several parts, of which the part with the head word stands for all"
REPEATED = "mentions over words that were a mention already (the first is kept)"
LOST = "mentions whose antecedents all lie in other sentences (corpus.unit=document keeps them)"


def _standing(document: Document, parts: Sequence[tuple[int, int]], given: int | None) -> tuple[int, int]:
    """The part that has the first word whose governor is in none; without syntax, the given head or the last word."""
    if len(parts) == 1:
        return parts[0]
    words = {word for part in parts for word in range(*part)}
    head = max(words) if given is None else given
    if document.governors is not None:
        head = next((word for word in sorted(words) if document.governors[word] not in words), head)
    return next(part for part in parts if part[0] <= head < part[1])
