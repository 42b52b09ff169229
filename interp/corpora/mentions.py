"""Which words stand for mentions, and which earlier words a mention could be understood from."""

from interp.errors import InterpError, shown
from interp.types import Document, Mention


def head_word(document: Document, mention: Mention) -> int:
    """The first word of the span whose governor lies outside it.

    Where there is no syntax, the word that the reader has chosen or, if it has chosen none, the span's last word.
    """
    if document.governors is not None:
        for word in range(mention.start, mention.end):
            if not mention.start <= document.governors[word] < mention.end:
                return word
    return mention.end - 1 if mention.head is None else mention.head


def antecedents(document: Document) -> list[tuple[int, int]]:
    """(query, target) words: the head of a mention, and that of each earlier mention of the same entity."""
    return sorted({(query, target) for query, target, _ in antecedents_by_kind(document)})


def antecedents_by_kind(document: Document, width: int | None = None) -> list[tuple[int, int, str | None]]:
    """(query, target, kind of the query's mention): a word may head mentions of several kinds, one in another.

    Only words below `width` where it is given: those that a model reads. Raises `InterpError` for more pairs than there
    is memory for.
    """
    found: set[tuple[int, int, str | None]] = set()
    earlier: dict[int, list[int]] = {}
    for mention in sorted(document.mentions or (), key=lambda mention: (mention.start, mention.end)):
        head = head_word(document, mention)
        if width is not None and head >= width:
            continue
        before = earlier.setdefault(mention.entity, [])
        check_pairs(document, len(found) + len(before))
        found |= {(head, other, mention.kind) for other in before}
        before.append(head)
    return sorted(found, key=lambda one: (*one[:2], one[2] or ""))


MOST_PAIRS = 5_000_000
"""Pairs of words in one document: a gigabyte of them. Of one entity, some 3,000 mentions have as many."""


def check_pairs(document: Document, pairs: int) -> None:
    """Raises `InterpError` where so many pairs of words of one document would have to be held."""
    if pairs > MOST_PAIRS:
        raise InterpError(
            f"The document {shown(document.source)} ({len(document.words):,} words) has more than {MOST_PAIRS:,} pairs "
            "of words that are linked by its mentions or named entities. Allowed: as many. Cut it (corpus=conllu: "
            "corpus.unit=sentence; corpus=coreference: corpus.window=100), or take a model that reads less at once."
        )


def nearest_mentions(document: Document) -> list[int]:
    """For every word the nearest head word of a mention to its left, -1 where there is none."""
    heads = {head_word(document, mention) for mention in document.mentions or ()}
    nearest, last = [], -1
    for word in range(len(document.words)):
        nearest.append(last)
        if word in heads:
            last = word
    return nearest


def nearest_agreeing(document: Document) -> list[int]:
    """For the head word of a mention the nearest one to its left whose gender and number do not contradict its own.

    -1 where there is none, and for words that head no mention. What is not known contradicts nothing. A word that heads
    several mentions has the gender and the number of the shortest of them that says.
    """
    agreement: dict[int, tuple[str | None, str | None]] = {}
    for mention in sorted(document.mentions or (), key=lambda mention: mention.end - mention.start):
        word = head_word(document, mention)
        gender, number = agreement.get(word, (None, None))
        agreement[word] = gender or mention.gender, number or mention.number
    nearest = [-1] * len(document.words)
    # of each gender and number, of which there are few, the last head word so far
    last: dict[tuple[str | None, str | None], int] = {}
    for word, own in sorted(agreement.items(), key=lambda one: one[0]):
        nearest[word] = max((at for other, at in last.items() if not _contradict(own, other)), default=-1)
        last[own] = word
    return nearest


def nearest_same_word(document: Document) -> list[int]:
    """For the head word of a mention the nearest one to its left that is the same word, whatever its case.

    Where none is, the nearest that agrees (`nearest_agreeing`); -1 where there is none either, and for words that head
    no mention.
    """
    heads = {head_word(document, mention) for mention in document.mentions or ()}
    nearest, last = nearest_agreeing(document), dict[str, int]()
    for word in sorted(heads):
        spelling = document.words[word].casefold()
        nearest[word] = last.get(spelling, nearest[word])
        last[spelling] = word
    return nearest


def _contradict(own: tuple[str | None, str | None], other: tuple[str | None, str | None]) -> bool:
    return any(a is not None and b is not None and a != b for a, b in zip(own, other, strict=True))
