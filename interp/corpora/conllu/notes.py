"""Counts and notes about a CoNLL-U file: what was not read, and how each source document was found."""

from collections import Counter
from collections.abc import Iterable
from itertools import islice

from interp.types import Document

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
