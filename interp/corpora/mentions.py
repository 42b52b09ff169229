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
