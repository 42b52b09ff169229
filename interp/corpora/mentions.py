"""Which words stand for mentions, and which earlier words a mention could be understood from."""

from interp.types import Document, Mention


def head_word(document: Document, mention: Mention) -> int:
    """The first word of the span whose governor lies outside it; the span's last word where there is no syntax."""
    if document.governors is not None:
        for word in range(mention.start, mention.end):
            if not mention.start <= document.governors[word] < mention.end:
                return word
    return mention.end - 1


def antecedents(document: Document) -> list[tuple[int, int]]:
    """(query, target) words: the head of a mention, and that of each earlier mention of the same entity."""
    ordered = sorted(document.mentions or (), key=lambda mention: (mention.start, mention.end))
    heads = [head_word(document, mention) for mention in ordered]
    return sorted(
        {
            (heads[later], heads[earlier])
            for later in range(len(ordered))
            for earlier in range(later)
            if ordered[earlier].entity == ordered[later].entity
        }
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


def nearest_agreeing_mentions(document: Document) -> list[int]:
    """For the head word of a mention that of the nearest earlier mention that could be the same by gender and number.

    Of earlier mentions (by start, then end) whose head word stands to the left, the one whose head word is closest;
    what is not annotated contradicts nothing. -1 where there is none and for every other word. A word that is the head
    of several mentions asks for the first of them that finds one.
    """
    ordered = sorted(document.mentions or (), key=lambda mention: (mention.start, mention.end))
    heads = [head_word(document, mention) for mention in ordered]
    nearest = [-1] * len(document.words)
    for later, mention in enumerate(ordered):
        agreeing = [
            heads[earlier]
            for earlier in range(later)
            if heads[earlier] < heads[later] and _agree(ordered[earlier], mention)
        ]
        if nearest[heads[later]] < 0:
            nearest[heads[later]] = max(agreeing, default=-1)
    return nearest


def _agree(one: Mention, other: Mention) -> bool:
    pairs = ((one.gender, other.gender), (one.number, other.number))
    return all(a is None or b is None or a == b for a, b in pairs)
