"""WinoBias (Zhao et al. 2018): two occupations, and pronouns that refer to one of them; plain or in columns.

Only the occupation that is meant is marked. The other one is found by its name, which is marked elsewhere in the same
files: without it there would be nothing to choose from, and any rule that names a mention would be right.

The source is the pair of occupations: a sentence, its twin with the other pronoun, and the two with exchanged
occupations differ in little, and both types of sentence are built on the same pairs, so that all of them share a block.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interp.corpora.coreference.conll2012 import read_parts
from interp.corpora.coreference.mention_forms import described
from interp.corpora.coreference.windows import joined
from interp.corpora.tab_separated import words_under
from interp.corpora.text import numbered_lines
from interp.errors import CorpusError
from interp.text.words import cut_words
from interp.types import Document, Mention

NUMBER = re.compile(r"\A[0-9]+\s+")
MARKED = re.compile(r"\[([^\[\]]*)\]")
ARTICLES = ("the", "a", "an")
LONGEST = 20
"""Words of an occupation with its article: everywhere else each of these is looked for, at every article."""


class _Sentence(NamedTuple):
    """A sentence with the (start, end) words of what is marked in it, all of one entity."""

    text: str
    words: tuple[str, ...]
    places: list[tuple[int, int]]
    marked: list[tuple[int, int]]


def winobias_documents(files: Sequence[Path], said: Counter[str]) -> Iterator[Document]:
    """A document of every sentence; its mentions are what is marked (entity 0) and the other occupations."""
    sentences = [sentence for file in files for sentence in _sentences(file)]
    names = {name for sentence in sentences for name in _occupations(sentence)}
    longest = max((name.count(" ") + 1 for name in names), default=0)
    for sentence in sentences:
        others = _others(sentence, names, longest)
        said["sentences in which no other occupation was found"] += not others
        mentions = [described(sentence.words, *span, 0) for span in sentence.marked]
        mentions = [m if m.kind == "pronoun" else m._replace(kind="nominal", number="singular") for m in mentions]
        for entity, (start, end) in enumerate(others, 1):
            mentions.append(Mention(start, end, entity, "nominal", number="singular"))
        pair = {*_occupations(sentence), *(_name(sentence.words[start:end]) for start, end in others[:1])}
        spans = np.array(sentence.places, dtype=np.int32)
        source = " ".join(sorted(pair))
        yield Document(source, sentence.text, sentence.words, spans, mentions=tuple(sorted(mentions)))


def _sentences(file: Path) -> Iterator[_Sentence]:
    """Those of one file, whichever of the two forms it has."""
    first = next((line for _, line in numbered_lines(file) if line.strip()), "")
    if first.startswith("#begin document"):
        for part in read_parts(file):
            text, places = joined(part.words)
            marked = [(start, end) for start, end, _ in part.spans]
            _check(file, part.line, part.words, marked, len({entity for _, _, entity in part.spans}))
            yield _Sentence(text, part.words, [(int(start), int(end)) for start, end in places], marked)
        return
    for number, line in numbered_lines(file):
        if line.strip():
            yield _marked(file, number, NUMBER.sub("", line.rstrip()))


def _marked(file: Path, number: int, line: str) -> _Sentence:
    """A line without its brackets, and the words that stood in them."""
    text, stretches, last = "", [], 0
    for match in MARKED.finditer(line):
        text += line[last : match.start()]
        stretches.append((len(text), len(text) + len(match[1])))
        text += match[1]
        last = match.end()
    text += line[last:]
    if "[" in text or "]" in text:
        problem = f"{line[:40]!r} has a bracket without its other half; allowed are pairs, none inside another."
        raise CorpusError(file, number, f"{problem} Mend the line.")
    cuts = cut_words(text)
    marked = [words_under(cuts, *stretch) for stretch in stretches]
    words = tuple(word for word, _, _ in cuts)
    _check(file, number, words, marked, 1)
    return _Sentence(text, words, [(start, end) for _, start, end in cuts], marked)


def _check(file: Path, number: int, words: Sequence[str], marked: Sequence[tuple[int, int]], entities: int) -> None:
    """Raises CorpusError unless an occupation and a pronoun at least are marked, all as one entity."""
    if any(end - start > LONGEST for start, end in marked):
        problem = f"more than {LONGEST} words are marked as one; allowed are an occupation and its pronouns, as in"
        raise CorpusError(file, number, f"{problem} `[The cook] left because [he] was late.` Mend the marks.")
    kinds = [described(words, *span, 0).kind == "pronoun" for span in marked if span[1] > span[0]]
    if len(kinds) != len(marked) or len(set(marked)) != len(marked) or set(kinds) != {True, False} or entities != 1:
        shown = ", ".join(repr(" ".join(words[start:end])) for start, end in marked) or "nothing"
        problem = f"marked are {shown[:200]}; allowed are an occupation and the pronouns that refer to it, as in"
        raise CorpusError(file, number, f"{problem} `[The cook] left because [he] was late.` Mend the marks.")


def _occupations(sentence: _Sentence) -> set[str]:
    """The names that are marked."""
    found = (span for span in sentence.marked if described(sentence.words, *span, 0).kind != "pronoun")
    return {_name(sentence.words[start:end]) for start, end in found}


def _name(words: Sequence[str]) -> str:
    """In lower case and without an article."""
    lower = [word.lower() for word in words]
    return " ".join(lower[1:] if lower[0] in ARTICLES else lower)


def _others(sentence: _Sentence, names: set[str], longest: int) -> list[tuple[int, int]]:
    """Where an article and an occupation stand that are not marked, nor the one that is, in the order of the text."""
    own = _occupations(sentence)
    taken = {word for start, end in sentence.marked for word in range(start, end)}
    found: list[tuple[int, int]] = []
    for start, word in enumerate(sentence.words):
        if word.lower() not in ARTICLES or start in taken:
            continue
        for end in range(min(start + 1 + longest, len(sentence.words)), start + 1, -1):
            name = _name(sentence.words[start:end])
            if name in names and name not in own:
                found.append((start, end))
                taken |= set(range(start, end))
                break
    return found
