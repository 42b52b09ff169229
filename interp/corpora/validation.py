"""What every document must keep, wherever it came from: offsets that fit its text, annotation that fits its words."""

from collections.abc import Iterator
from dataclasses import fields

from interp.errors import InterpError, shown
from interp.types import UNSPECIFIED, Document

PER_WORD = [one.name for one in fields(Document) if one.type in (tuple[str, ...] | None, tuple[int, ...] | None)]
"""The layers of gold with a name or a number for each word."""


def validate(document: Document) -> None:
    """Raise an `InterpError` that says what is wrong with the document; annotation that is absent is not checked."""
    # lengths first: the later checks pair words with their annotation
    for checks in (_lengths, _spans, _tree, _root, _mentions):
        problem = next(checks(document), None)
        if problem is not None:
            raise InterpError(
                f"the document {shown(document.text)} is not valid: {problem}. Mend its reader or its annotation."
            )


def _lengths(document: Document) -> Iterator[str]:
    """One span per word, and one entry of every layer that has a name or a number for each."""
    count = len(document.words)
    if document.spans.shape != (count, 2):
        yield f"spans have the shape {document.spans.shape}; allowed: ({count}, 2), a start and an end for each word"
    for name in PER_WORD:
        column = getattr(document, name)
        if column is not None and len(column) != count:
            yield f"{len(column)} {name} were given for {count} words; allowed: one for each word"


def _spans(document: Document) -> Iterator[str]:
    """Words stand in the text where their spans say, in order and without overlap."""
    last = 0
    spans = document.spans.tolist()
    for place, (word, (start, end)) in enumerate(zip(document.words, spans, strict=True)):
        if (start, end) == (-1, -1):
            continue
        # one word of a multiword token that its words do not spell has the place of all
        for_others = [-1, -1] in spans[max(place - 1, 0) : place + 2]
        where = f"word {place} {shown(word)} has the span ({start}, {end})"
        if not 0 <= start < end <= len(document.text):
            yield f"{where}; allowed: 0 <= start < end <= {len(document.text)}, or (-1, -1) without a place in the text"
        elif start < last:
            yield f"{where}, before the end of the word to its left; allowed: a start of {last} or more"
        elif document.text[start:end] != word and not for_others:
            yield f"{where}, where the text says {shown(document.text[start:end])}; allowed: the word itself"
        last = end


def _tree(document: Document) -> Iterator[str]:
    """Governors exist, and from every word they lead to a root."""
    governors = document.governors or ()
    for place, governor in enumerate(governors):
        if not -1 <= governor < len(governors):
            yield f"word {place} has the governor {governor}; allowed: -1 (root) to {len(governors) - 1}"
    leads_to_root: set[int] = {-1}
    for place in range(len(governors)):
        path: dict[int, None] = {}
        at = place
        while at not in leads_to_root and at not in path:
            path[at] = None
            at = governors[at]
        if at in path:
            cycle = " -> ".join(map(str, (*path, at)))
            yield f"word {place} is governed in a cycle ({cycle}); allowed: a path to the root"
        leads_to_root.update(path)


def _root(document: Document) -> Iterator[str]:
    """There is one root, and it alone is called so."""
    if document.governors is None or not document.words:
        return
    roots = [place for place, governor in enumerate(document.governors) if governor == -1]
    if len(roots) != 1:
        yield f"words {roots} have no governor; allowed: exactly one root"
    if document.relations is None:
        return
    called = [place for place, relation in enumerate(document.relations) if relation.split(":")[0] == "root"]
    # a root whose relation is unspecified is one all the same
    if called != roots and not (not called and document.relations[roots[0]] in UNSPECIFIED):
        yield f"words {called} have the relation `root`; allowed: the root, word {roots[0]}, and no other"


def _mentions(document: Document) -> Iterator[str]:
    """Mentions cover words of the document, no span twice; a head word that is given is one of them."""
    seen: set[tuple[int, int]] = set()
    for mention in document.mentions or ():
        span = (mention.start, mention.end)
        if not 0 <= mention.start < mention.end <= len(document.words):
            yield f"a mention has the span {span}; allowed: 0 <= start < end <= {len(document.words)} words"
        if mention.head is not None and not mention.start <= mention.head < mention.end:
            yield f"a mention of the span {span} has the head word {mention.head}; allowed: one of its words, or None"
        if span in seen:
            yield f"two mentions have the span {span}; allowed: each span once"
        seen.add(span)
