"""Some documents of a corpus: of source documents in the order of their hash, or the first ones."""

import heapq
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Literal, NamedTuple

from interp.corpora.withheld import check_words, withheld_notes
from interp.errors import InterpError
from interp.types import Document

Numbered = tuple[int, Document]
"""A document and its place in the corpus: its line or its number, from 1, ascending."""


class Kept(NamedTuple):
    """What is kept, in the corpus's own order, with the place of each document there.

    `last` is the place of the corpus's last document, None where reading stopped before it was known; `cut` is the
    setting that left some out.
    """

    documents: tuple[Document, ...]
    places: tuple[int, ...]
    last: int | None
    notes: tuple[str, ...]
    cut: Literal["", "limit", "first"]


def keep(documents: Iterable[Numbered], path: Path, *, limit: int | None = None, first: int | None = None) -> Kept:
    """All documents, or with `limit` or `first` so many; never more than these are held in memory.

    `limit` takes source documents in ascending order of their hash number until `limit` documents are there, and cuts
    the last one; what a larger limit keeps includes what a smaller one does. `first` stops reading after so many.
    Raises InterpError where one of them is below 1 or both are given, CorpusError where the words are withheld.
    """
    check_limit(limit)
    check_limit(first, "first")
    if limit is not None and first is not None:
        raise InterpError(
            f"limit={limit} and first={first} are both given. Allowed: one of them: limit takes source documents in "
            "the order of their hash, first takes documents in the order of the corpus. Leave one of them out."
        )
    counted = _Counted(islice(documents, first))
    kept = list(counted) if limit is None else _lowest(counted, limit)
    chosen = tuple(document for _, document in kept)
    missing = check_words(chosen, path)
    notes, cut = (), ""
    if first is not None and len(kept) == first:
        cut = "first"
        notes = (f"the first {first} documents of {path}, which are often of one genre and from few source documents",)
    elif len(kept) < counted.count:
        cut = "limit"
        sources = len({document.source for document in chosen})
        notes = (
            f"{len(kept)} of {counted.count} documents of {path}, from {sources} source documents, the lowest by their "
            "hash; other counts of the reader are of all its documents",
        )
    last = None if cut == "first" else counted.last
    return Kept(chosen, tuple(place for place, _ in kept), last, (*notes, *withheld_notes(missing)), cut)


def check_limit(limit: int | None, name: str = "limit") -> None:
    """Raises InterpError where `limit` is below 1."""
    if limit is not None and limit < 1:
        raise InterpError(f"{name}={limit} keeps no document. Allowed: 1 or more, or nothing for all. Raise it.")


class _Counted:
    """Documents that are counted as they are read."""

    def __init__(self, documents: Iterable[Numbered]) -> None:
        self.documents, self.count, self.last = documents, 0, 0

    def __iter__(self) -> Iterator[Numbered]:
        for place, document in self.documents:
            self.count, self.last = self.count + 1, place
            yield place, document


def _lowest(documents: Iterable[Numbered], limit: int) -> list[Numbered]:
    """`limit` documents of the source documents with the lowest numbers, in the order in which they came.

    A source is given up as soon as those below it have enough documents, so that memory does not grow with the corpus.
    """
    held: dict[int, list[Numbered]] = {}
    highest: list[int] = []
    count, given_up = 0, 2**64
    for place, document in documents:
        number = document.number
        if number >= given_up or len(held.get(number, ())) == limit:
            continue
        if number not in held:
            held[number] = []
            heapq.heappush(highest, -number)
        held[number].append((place, document))
        count += 1
        while count - len(held[-highest[0]]) >= limit:
            given_up = -heapq.heappop(highest)
            count -= len(held.pop(given_up))
    taken = [one for number in sorted(held) for one in held[number]][:limit]
    return sorted(taken, key=lambda one: one[0])
