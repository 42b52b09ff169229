"""Which words belong together because they name the same thing, or things of one kind."""

from interp.corpora.mentions import check_pairs
from interp.types import Document, EntityLink


def entity_pairs(document: Document, width: int | None = None) -> list[tuple[int, int, EntityLink]]:
    """(query word, target word, link) of all words of named entities, below `width` where it is given.

    Two words may be linked in several ways where mentions nest. A word is not linked with itself. Entities without a
    type are not of one type. Raises `InterpError` for more pairs than there is memory for.
    """
    end = len(document.words) if width is None else width
    # what lies beyond has no pairs, and may be long
    mentions = [one._replace(end=min(one.end, end)) for one in document.entities or () if one.start < end]
    links: set[tuple[int, int, EntityLink]] = set()
    for number, mine in enumerate(mentions):
        for other_number, other in enumerate(mentions):
            if number == other_number:
                link = EntityLink.WITHIN
            elif mine.entity == other.entity:
                link = EntityLink.SAME
            elif mine.kind is not None and mine.kind == other.kind:
                link = EntityLink.TYPE
            else:
                continue
            queries, targets = range(mine.start, mine.end), range(other.start, other.end)
            check_pairs(document, len(links) + len(queries) * len(targets))
            links |= {(query, target, link) for query in queries for target in targets if query != target}
    return sorted(links)
