"""A validating, streaming reader of CoNLL-U: what it lets through is a tree over words that lie in a raw text.

The raw text is `# text`, or the forms joined by SpaceAfter. Multiword tokens are surface, their words are what
is read; empty nodes and enhanced dependencies are ignored. Columns are the ten of CoNLL-U, or those that CoNLL-U Plus
names; a sentence without any HEAD is read for its words and tags. Source documents are found by the comments of
`interp.corpora.conllu.newdoc`, mentions by the brackets of `interp.corpora.conllu.corefud`.
"""

import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, groupby, islice
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interp.corpora.conllu.columns import ABSENT, CONLLU, Columns, named_columns
from interp.corpora.conllu.corefud import KEYS, LOST, Chains, Fields, Found, Line, entity_fields, with_mentions
from interp.corpora.conllu.newdoc import Beginnings, document_marker, is_like_marker, may_name_source, split_comment
from interp.corpora.subsets import keep
from interp.corpora.text import digest, existing_file, numbered_lines, stem, with_targets
from interp.errors import CorpusError, InterpError, closest
from interp.types import UNSPECIFIED, Corpus, Document

UNITS = ("sentence", "document")
"""What one document is: a sentence, or all sentences under one `# newdoc`."""

MULTIWORD = ("first", "last", "content")
"""Which word has the span of a multiword token that its words do not spell (French *du*: `de`, `le`)."""

FUNCTION_TAGS = ("ADP", "DET", "CCONJ", "SCONJ", "PART")
"""The tags of words that are no `content`."""

TEXT = re.compile(r"#\s*text\s*=\s*(.*)")
SENT_ID = re.compile(r"#\s*sent_id\b")
# Nine digits are enough for any sentence; `int` refuses numbers that are very much longer
RANGE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})")
EMPTY_NODE = re.compile(r"[0-9]+\.[0-9]+")
HEAD = re.compile(r"-?[0-9]{1,9}")


class Said:
    """What there is to say of a file: counts, how each source was found, and comments that were not understood."""

    def __init__(self) -> None:
        self.counts = Counter[str]()
        self.how: dict[str, str] = {}
        self.first_line: dict[str, int] = {}

    def sources_by(self, documents: Iterable[Document]) -> dict[str, int]:
        """How many sources these documents come from, by how they were found."""
        return dict(Counter(self.how[source] for source in dict.fromkeys(document.source for document in documents)))

    def notes(self, documents: Iterable[Document]) -> tuple[str, ...]:
        """All of it in words."""
        alone = sum(self.how[source] == BY_ITSELF for source in {document.source for document in documents})
        notes = [
            f"{alone} sentences stand under no document marker, and each is a source document by itself: sentences of "
            "one document may lie in both halves"
        ] * (alone > 1)
        for comment, line in islice(self.first_line.items(), MOST_SHOWN):
            notes.append(
                f"comments like {comment!r}, which may say where a document begins, are not read (line {line})"
            )
        more = len(self.first_line) - MOST_SHOWN
        notes += [f"{more} more kinds of comments that may say where a document begins are not read"] * (more > 0)
        return (*notes, *(f"{what}: {count}" for what, count in self.counts.items() if count))


BY_ITSELF = "each sentence by itself (no document marker)"
UNMARKED = "sentences before the first document marker (by their text)"
MOST_SHOWN = 5
"""Kinds of comments that are shown where many are not understood."""

WITHHELD = "sentences of which most forms are `_`, in another number than in `# text` (the forms are read)"
NO_SYNTAX = "sentences without syntax (HEAD `_`)"
NO_HEADS = "sentences without syntax (no column HEAD)"
PARTLY = "documents of which some sentences have no syntax (left without)"
NO_RELATION = "words of unspecified relation (DEPREL `_`: no role)"
NO_TAG = "words of unspecified part of speech (UPOS `_`: no tag)"


class _Sentence(NamedTuple):
    """A sentence as it stands in the file: `rows` are its token lines, `newdoc` counts the documents begun so far."""

    line: int
    text: str | None
    source: str | None
    newdoc: int
    how: str
    columns: Columns
    fields: Fields | None
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


class _Part(NamedTuple):
    """A sentence as it is read; `space` is what stands between it and the next, `first` its first word in the source.

    Governors are None where there is no syntax, mentions where the file has none.
    """

    text: str
    space: str
    words: list[_Word]
    tagged: bool
    spans: list[tuple[int, int]]
    governors: list[int] | None
    found: list[Found] | None
    first: int


def read_conllu(
    path: str | Path,
    *,
    unit: str = "sentence",
    limit: int | None = None,
    first: int | None = None,
    subtypes: bool = False,
    multiword: str = "first",
    target: str | Path | None = None,
) -> Corpus:
    """A CoNLL-U file, `.gz` too, one document per `unit` (`sentence` or `document`).

    `limit` and `first` keep so many documents (`interp.corpora.subsets`).
    `multiword` says which of its words has the span of a multiword token that they do not spell: the `first`, the
    `last`, or the first `content` word (no adposition, determiner, conjunction or particle; the first where all are).
    `target` is a text file with a line for each document: what an encoder-decoder shall have written from it.
    What is unspecified (`_`) and what is not read is counted in the notes.
    Raises CorpusError, with the line, where what is read is not CoNLL-U; InterpError for another unit or word and a
    limit below 1.
    """
    path = existing_file(path)
    said = Said()
    documents = conllu_documents(path, unit, multiword=multiword, said=said)
    kept = keep(enumerate(documents, 1), path, limit=limit, first=first)
    if not kept.documents:
        raise CorpusError(path, None, "it holds no sentence; allowed is one or more. Give a file with sentences.")
    corpus = Corpus(
        stem(path),
        kept.documents,
        digest(path),
        subtypes=subtypes,
        notes=(*kept.notes, *said.notes(kept.documents)),
        cut=kept.cut,
        sources_by=said.sources_by(kept.documents),
    )
    return corpus if target is None else with_targets(corpus, target, kept)


def conllu_documents(
    path: str | Path, unit: str = "sentence", *, multiword: str = "first", said: Said | None = None
) -> Iterator[Document]:
    """The documents of a CoNLL-U file, read as they are asked for; `said` is told what there is to say of them.

    Raises CorpusError, with the line, at the first thing that is not CoNLL-U; InterpError for another unit or word.
    """
    if unit not in UNITS:
        raise InterpError(f"corpus.unit={unit} is not known. {closest(unit, UNITS)} Set corpus.unit to one of them.")
    if multiword not in MULTIWORD:
        allowed = closest(multiword, MULTIWORD)
        raise InterpError(f"corpus.multiword={multiword} is not known. {allowed} Set corpus.multiword to one of them.")
    path = existing_file(path)
    said = Said() if said is None else said
    sentences = _sentences(path, said) if unit == "sentence" else _under_newdoc(path, said)
    for (_, source, how), under in groupby(sentences, key=lambda one: (one.newdoc, one.source, one.how)):
        chains = Chains(path)
        parts = (_part(path, sentence, multiword, chains, said) for sentence in under)
        if unit == "document":
            whole = list(parts)
            yield _document(whole, _source(source, UNMARKED if how == BY_ITSELF else how, whole, said), said)
        elif how == BY_ITSELF or source is not None:
            yield from _each(((_source(source, how, [part], said), part) for part in parts), said)
        else:
            # the text of all of them is the source of each
            whole = list(parts)
            own = _source(source, how, whole, said)
            yield from _each(((own, part) for part in whole), said)
        chains.end()


def _source(source: str | None, how: str, parts: Iterable[_Part], said: Said) -> str:
    """The id of the source document of these sentences, their own text where it has none."""
    named = _joined(parts) if source is None else source
    said.how.setdefault(named, how)
    return named


def _joined(parts: Iterable[_Part]) -> str:
    pieces = [piece for part in parts for piece in (part.text, part.space)]
    return "".join(pieces[:-1])


def _each(parts: Iterable[tuple[str, _Part]], said: Said) -> Iterator[Document]:
    """Each sentence as a document. Counted are antecedents that lie in other sentences alone."""
    met: set[int] = set()
    for source, part in parts:
        document = _document([part], source, said)
        entities = {mention.entity for mention in document.mentions or ()}
        said.counts[LOST] += len(entities & met)
        met |= entities
        yield document


def _under_newdoc(path: Path, said: Said) -> Iterator[_Sentence]:
    """All sentences; an error at the end of a file that has sentences and no `# newdoc`."""
    newdoc = None
    for sentence in _sentences(path, said):
        newdoc = sentence.newdoc
        yield sentence
    if newdoc == 0:
        problem = "it has no `# newdoc`, which corpus.unit=document needs. Set corpus.unit=sentence."
        raise CorpusError(path, None, problem)


def _sentences(path: Path, said: Said) -> Iterator[_Sentence]:
    """The file cut at its blank lines, comments read; token lines are left as they are."""
    newdoc, source, how = 0, None, BY_ITSELF
    beginnings = Beginnings()
    columns, fields = CONLLU, None
    start, text, rows = 0, None, list[tuple[int, str]]()
    comments: list[tuple[int, str]] = []
    possible: dict[str, int] = {}
    for number, line in chain(numbered_lines(path), [(0, "")]):
        if not line.strip():
            if start and not rows and text is None and not any(map(SENT_ID.match, (one for _, one in comments))):
                # comments alone are of what comes next
                start = 0
                continue
            if start:
                found = [(at, marker) for at, comment in comments if (marker := document_marker(comment))]
                markers = [marker for _, marker in found]
                if not markers:
                    _look_for_markers(comments, said, possible)
                begun, differing = beginnings.begun(markers), beginnings.differing(markers)
                if begun is not None:
                    newdoc, source, how = newdoc + 1, begun.name, begun.how
                else:
                    for at, marker in found:
                        if marker in differing:
                            said.first_line.setdefault(f"{marker.how} = …", at)
                yield _Sentence(start, text, source, newdoc, how, columns, fields, rows)
            start, text, rows, comments = 0, None, [], []
            continue
        start = start or number
        if line.startswith("\ufeff"):
            problem = "a byte order mark inside the file, as where files are joined; allowed is one at its start."
            raise CorpusError(path, number, f"{problem} Remove it.")
        if not line.startswith("#"):
            rows.append((number, line))
        elif rows:
            problem = "a comment inside a sentence; comments stand above its words. Add the blank line that ends it."
            raise CorpusError(path, number, problem)
        elif match := TEXT.fullmatch(line):
            text = match[1]
        else:
            comments.append((number, line))
            key, value = split_comment(line.lstrip("#").strip())
            if key.casefold() == "global.columns":
                columns = named_columns(path, number, value or "")
            elif key.casefold() == "global.entity":
                fields = entity_fields(value or "")
                if fields is None:
                    said.counts[
                        f"lines `# global.Entity` that name no eid or GRP ({(value or '')[:60]!r}; not read)"
                    ] += 1
    if newdoc == 0:
        said.first_line |= possible


def _look_for_markers(comments: Iterable[tuple[int, str]], said: Said, possible: dict[str, int]) -> None:
    """Tell `said` of comments that look as if they said where a document begins; `possible` are those that may."""
    for number, comment in comments:
        like = is_like_marker(comment)
        if like or may_name_source(comment):
            key, value = split_comment(comment.lstrip("#").strip())
            shown = f"# {key[:40]}" + (" = …" if value is not None else "")
            (said.first_line if like else possible).setdefault(shown, number)


def _part(path: Path, sentence: _Sentence, multiword: str, chains: Chains, said: Said) -> _Part:
    """A sentence, checked."""
    surfaces, words, lines = _tokens(path, sentence, said)
    text = _spelled(surfaces) if sentence.text is None or _is_withheld(surfaces) else sentence.text
    said.counts[WITHHELD] += sentence.text is not None and text.split() != sentence.text.split()
    governors = _governors(path, words)
    tagged = sentence.columns.tag != ABSENT
    said.counts[NO_HEADS if sentence.columns.head == ABSENT else NO_SYNTAX] += governors is None
    said.counts[NO_RELATION] += (
        0 if governors is None else sum(word.relation.split(":")[0] in UNSPECIFIED for word in words)
    )
    said.counts[NO_TAG] += tagged and sum(word.tag in UNSPECIFIED for word in words)
    spans = list(_spans(path, text, surfaces, words, multiword, said))
    space = " " if surfaces[-1].space_after else ""
    first = chains.words
    found = None if sentence.fields is None else chains.read(lines, sentence.fields)
    chains.words = first + len(words)
    return _Part(text, space, words, tagged, spans, governors, found, first)


def _document(parts: list[_Part], source: str, said: Said) -> Document:
    """Sentences as one document; each keeps its own root."""
    words = [word for part in parts for word in part.words]
    spans: list[tuple[int, int]] = []
    governors: list[int] = []
    starts: list[int] = []
    offset = first = 0
    for part in parts:
        spans += [(start + offset, end + offset) if start >= 0 else (start, end) for start, end in part.spans]
        governors += [-1 if governor < 0 else governor + first for governor in part.governors or ()]
        starts.append(first)
        offset += len(part.text) + len(part.space)
        first += len(part.words)
    parsed = len(governors) == len(words)
    said.counts[PARTLY] += bool(governors) and not parsed
    document = Document(
        source=source,
        text=_joined(parts),
        words=tuple(word.form for word in words),
        spans=np.array(spans, dtype=np.int32),
        tags=tuple(word.tag for word in words) if all(part.tagged for part in parts) else None,
        governors=tuple(governors) if parsed else None,
        relations=tuple(word.relation for word in words) if parsed else None,
    )
    if all(part.found is None for part in parts):
        return document
    found = (one for part in parts for one in part.found or ())
    return with_mentions(document, found, parts[0].first, starts, said.counts)


def _tokens(path: Path, sentence: _Sentence, said: Said) -> tuple[list[_Surface], list[_Word], list[Line]]:
    """The surface tokens of a sentence, its syntactic words and, where mentions are read, what MISC says line by line.

    Refuses columns and ids that are not CoNLL-U.
    """
    surfaces: list[_Surface] = []
    words: list[_Word] = []
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
                surfaces.append(_Surface(line, form, space_after, due - 1, due))
            tag, relation = sys.intern(_known(cells[at_tag])), sys.intern(_known(cells[at_relation]))
            words.append(_Word(line, sys.intern(form), tag, cells[at_head], relation))
            size = 1
        elif match := RANGE.fullmatch(identifier):
            start, end = int(match[1]), int(match[2])
            if start != due or start <= covered or end < start:
                problem = f"the range {identifier!r} is out of place; allowed is one from {max(due, covered + 1)} up."
                raise CorpusError(path, line, f"{problem} Renumber the sentence.")
            surfaces.append(_Surface(line, form, space_after, start - 1, end))
            covered = end
            size, is_range = end - start + 1, True
        elif not EMPTY_NODE.fullmatch(identifier):
            problem = f"the id {identifier!r} is out of place; allowed is {due}, a range such as {due}-{due + 1}, or an"
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
        problem = f"the FORM {form!r} is empty or has a space at an end; allowed are spaces inside. Mend it."
        raise CorpusError(path, line, problem)
    return [*cells, "_"]


def _is_withheld(surfaces: list[_Surface]) -> bool:
    """Whether more than half of the forms are `_`: then `# text` spells them in ways of its own, or is the real one."""
    return 2 * sum(not surface.form.strip("_") for surface in surfaces) > len(surfaces)


def _spelled(surfaces: list[_Surface]) -> str:
    """The forms joined by SpaceAfter."""
    return "".join(surface.form + " " * surface.space_after for surface in surfaces).rstrip(" ")


def _spans(
    path: Path, text: str, surfaces: list[_Surface], words: list[_Word], multiword: str, said: Said
) -> Iterator[tuple[int, int]]:
    """Where each word stands in `text`; (-1, -1) for a word without a place of its own."""
    position = 0
    for surface in surfaces:
        position = _skip_spaces(text, position)
        if not text.startswith(surface.form, position):
            problem = (
                f"{surface.form!r} is not the next thing in `# text`, which has {text[position : position + 40]!r};"
            )
            raise CorpusError(path, surface.line, f"{problem} the forms must spell it in order. Mend one or the other.")
        end = position + len(surface.form)
        parts = words[surface.start : surface.end]
        if "".join(part.form for part in parts) == surface.form:
            for part in parts:
                yield position, position + len(part.form)
                position += len(part.form)
        else:
            said.counts[f"multiword tokens that their words do not spell (corpus.multiword={multiword} has it)"] += 1
            standing = _standing(parts, multiword)
            yield from ((position, end) if place == standing else (-1, -1) for place in range(len(parts)))
        position = end
    position = _skip_spaces(text, position)
    if position < len(text):
        problem = f"`# text` goes on with {text[position : position + 40]!r} after the last token;"
        raise CorpusError(path, surfaces[-1].line, f"{problem} the forms must spell all of it. Mend one or the other.")


def _standing(parts: list[_Word], multiword: str) -> int:
    """Which word of a multiword token stands for all of it."""
    if multiword == "last":
        return len(parts) - 1
    content = (place for place, part in enumerate(parts) if part.tag not in FUNCTION_TAGS)
    return next(content, 0) if multiword == "content" else 0


def _skip_spaces(text: str, position: int) -> int:
    """The first position from `position` on that holds no space."""
    while text[position : position + 1].isspace():
        position += 1
    return position


def _governors(path: Path, words: list[_Word]) -> list[int] | None:
    """The governor of each word, -1 at the root, or None where no word has one; refuses what is not a tree."""
    if all(word.head in UNSPECIFIED for word in words):
        _check_bare(path, words)
        return None
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
    _check_root(path, words, governors)
    return governors


def _check_bare(path: Path, words: list[_Word]) -> None:
    """Refuses a relation where no word has a governor."""
    for place, word in enumerate(words):
        if word.relation not in UNSPECIFIED:
            problem = (
                f"word {_named(words, [place])} has the DEPREL {word.relation!r} and no HEAD; allowed are both, or"
            )
            raise CorpusError(path, word.line, f"{problem} `_` for both. Add the HEADs of the sentence, or remove it.")


def _check_root(path: Path, words: list[_Word], governors: list[int]) -> None:
    """Refuses the relation `root` elsewhere than at the root, and any other there."""
    for place, (word, governor) in enumerate(zip(words, governors, strict=True)):
        called = word.relation.split(":")[0] == "root"
        if called != (governor < 0) and (called or word.relation not in UNSPECIFIED):
            problem = f"word {_named(words, [place])} has HEAD {word.head} and the DEPREL {word.relation!r}; allowed is"
            raise CorpusError(path, word.line, f"{problem} `root` where HEAD is 0, and nowhere else. Mend one of them.")


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
