"""Where a source document begins, as comments of CoNLL-U say it: `# newdoc id = x`, and the other ways in use."""

import re
from collections.abc import Sequence
from typing import NamedTuple

SIGN = re.compile("=|(?<!:):(?!:)")
WORD = re.compile(r"[^\W_]+")

BEGINS = ("newdoc", "newdocid", "newdocument", "newdocumentid")
"""Comments that begin a document, with an id or without, as `squeezed`: `# newdoc id = x`, `# new_document: x`."""

NAMES = tuple(
    before + stem + after
    for before in ("", "source")
    for after in ("id", "", "name", "no", "number")
    for stem in ("doc", "document")
)
"""Comments that say which document a sentence is of, which begins where the name changes: `# doc_id = x`.

The first of them that a file has decides: `# doc_id` where `# doc_name` is the same everywhere, or `# doc_no` counts.
"""

NO_ID = ("", "_", "true", "yes")
"""What stands in the place of an id where there is none (`# new_document = true`)."""

OF_SOURCES = (
    *("source", "sourceid", "sourceurl", "metasource", "metasourceurl", "url", "file", "fileid", "filename"),
    *("origfile", "origfilesentence", "convertedfromfile", "article", "articleid", "textid", "book", "story"),
)
"""Comments that may tell documents apart, and may not: of a file without any marker it is said that they are there."""


class Marker(NamedTuple):
    """What a comment says of the document: whether one begins, its id, how it says so, and who decides.

    One that does not begin here names the document that a sentence is of. Of several, the lowest `rank` decides.
    """

    begins: bool
    name: str | None
    how: str
    rank: int = 0


class Beginnings:
    """Where the documents of a file begin, by the markers above one sentence after the other.

    Only the kind of marker decides that has the lowest rank so far: where there is a `newdoc`, names begin nothing.
    An id or a name that is said again begins nothing either.
    """

    def __init__(self) -> None:
        self.rank = len(NAMES) + 1
        self.ids = set[str]()
        self.beside = set[str]()
        self.last: dict[str, str | None] = {}

    def begun(self, markers: Sequence[Marker]) -> Marker | None:
        """What says that a document begins here and what it is called, None where none begins."""
        rank = min((marker.rank for marker in markers), default=self.rank)
        if rank < self.rank:
            self.rank, self.ids = rank, set()
        deciding = [marker for marker in markers if marker.rank == self.rank]
        ids = {marker.name for marker in deciding if marker.name is not None}
        if not deciding or ids & self.ids:
            self.ids |= ids
            return None
        self.ids = ids
        # of several ids the last: a document may have no sentence
        chosen = next((marker for marker in reversed(deciding) if marker.name is not None), None)
        return chosen or self._named_beside(deciding[0], markers)

    def _named_beside(self, newdoc: Marker, markers: Sequence[Marker]) -> Marker:
        """A `newdoc` without an id has the name beside it, unless an earlier one had that name."""
        beside = min((marker for marker in markers if not marker.begins), key=lambda one: one.rank, default=newdoc)
        if beside.name is None or beside.name in self.beside:
            return newdoc
        self.beside.add(beside.name)
        return beside

    def differing(self, markers: Sequence[Marker]) -> list[Marker]:
        """Those that do not decide and name another document than the last of their kind."""
        others = [marker for marker in markers if marker.rank != self.rank]
        found = [marker for marker in others if self.last.get(marker.how, marker.name) != marker.name]
        self.last |= {marker.how: marker.name for marker in others}
        return found


def document_marker(comment: str) -> Marker | None:
    """What a comment line says of the source document, None where it says nothing that is understood."""
    if "doc" not in comment.casefold():
        return None
    body = comment.lstrip("#").strip()
    key, value = split_comment(body)
    if squeezed(key) in BEGINS:
        return _beginning(value or "")
    if squeezed(key) in NAMES:
        return None if value is None or value.casefold() in NO_ID else _naming(key, value)
    words = body.split(None, 2)
    for size in (1, 2):  # without a sign: `newdoc x`, `new document id x`
        if len(words) > size and squeezed("".join(words[:size])) in BEGINS:
            rest = body.split(None, size)[size]
            first, *others = rest.split(None, 1)
            return _beginning("".join(others) if first.casefold() == "id" else rest)
    return None


def _beginning(name: str) -> Marker:
    if name.casefold() in NO_ID:
        return Marker(True, None, "# newdoc without an id (by its text)")
    return Marker(True, name, "# newdoc id")


def _naming(key: str, name: str) -> Marker:
    # a `newdoc` is 0
    return Marker(False, name, f"# {key}", 1 + NAMES.index(squeezed(key)))


def is_like_marker(comment: str) -> bool:
    """Whether a comment looks as if it marked a document: a short key with `doc`, `document` or `newdoc…` in it."""
    if "doc" not in comment.casefold():
        return False
    key, _ = split_comment(comment.lstrip("#").strip())
    words = [word.casefold() for word in WORD.findall(key[:80])]
    return len(words) <= 5 and any(word in NAMES or word.startswith("newdoc") for word in words)


def may_name_source(comment: str) -> bool:
    """Whether a comment is of a kind that may tell source documents apart (`OF_SOURCES`)."""
    key, value = split_comment(comment.lstrip("#").strip())
    return value is not None and squeezed(key) in OF_SOURCES


def split_comment(body: str) -> tuple[str, str | None]:
    """What stands before the first = or : of a comment, and what after it; None where there is neither."""
    sign = SIGN.search(body)
    if sign is None:
        return body, None
    return body[: sign.start()].strip(), body[sign.end() :].strip()


def squeezed(key: str) -> str:
    """A key in lower case, letters and digits alone: `newdoc_id`, `Newdoc ID` and `newdoc-id` are one."""
    return "".join(WORD.findall(key)).casefold()
