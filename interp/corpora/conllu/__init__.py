"""A validating, streaming reader of CoNLL-U: what it lets through is a tree over words that lie in a raw text.

The raw text is `# text`, or the forms joined by SpaceAfter. Multiword tokens are surface, their words are what
is read; empty nodes and enhanced dependencies are ignored. Columns are the ten of CoNLL-U, or those that CoNLL-U Plus
names; a sentence without any HEAD is read for its words and tags. Source documents are found by the comments of
`interp.corpora.conllu.newdoc`, mentions by the brackets of `interp.corpora.conllu.corefud`.
"""

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np

from interp.corpora.conllu.columns import ABSENT
from interp.corpora.conllu.corefud import LOST, Chains, Found, with_mentions
from interp.corpora.conllu.notes import (
    BY_ITSELF,
    NO_HEADS,
    NO_RELATION,
    NO_SYNTAX,
    NO_TAG,
    PARTLY,
    UNMARKED,
    WITHHELD,
    Said,
)
from interp.corpora.conllu.sentences import Sentence, sentences_of, sentences_under_newdoc
from interp.corpora.conllu.spans import MULTIWORD, is_withheld, spans_of, spelled
from interp.corpora.conllu.tokens import Word, tokens_of
from interp.corpora.conllu.tree import governors_of
from interp.corpora.subsets import keep
from interp.corpora.text import digest, existing_file, stem, with_targets
from interp.errors import CorpusError, InterpError, closest
from interp.types import UNSPECIFIED, Corpus, Document

UNITS = ("sentence", "document")
"""What one document is: a sentence, or all sentences under one `# newdoc`."""


class _Part(NamedTuple):
    """A sentence as it is read; `space` is what stands between it and the next, `first` its first word in the source.

    Governors are None where there is no syntax, mentions where the file has none.
    """

    text: str
    space: str
    words: list[Word]
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
    sentences = sentences_of(path, said) if unit == "sentence" else sentences_under_newdoc(path, said)
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


def _part(path: Path, sentence: Sentence, multiword: str, chains: Chains, said: Said) -> _Part:
    """A sentence, checked."""
    surfaces, words, lines = tokens_of(path, sentence, said)
    text = spelled(surfaces) if sentence.text is None or is_withheld(surfaces) else sentence.text
    said.counts[WITHHELD] += sentence.text is not None and text.split() != sentence.text.split()
    governors = governors_of(path, words)
    tagged = sentence.columns.tag != ABSENT
    said.counts[NO_HEADS if sentence.columns.head == ABSENT else NO_SYNTAX] += governors is None
    said.counts[NO_RELATION] += (
        0 if governors is None else sum(word.relation.split(":")[0] in UNSPECIFIED for word in words)
    )
    said.counts[NO_TAG] += tagged and sum(word.tag in UNSPECIFIED for word in words)
    spans = list(spans_of(path, text, surfaces, words, multiword, said))
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
