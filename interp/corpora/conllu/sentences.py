"""Cuts a CoNLL-U file into sentences at its blank lines and reads their comments; token lines stay as they are."""

import re
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path
from typing import NamedTuple

from interp.corpora.conllu.columns import CONLLU, Columns, named_columns
from interp.corpora.conllu.corefud import Fields, entity_fields
from interp.corpora.conllu.newdoc import Beginnings, document_marker, is_like_marker, may_name_source, split_comment
from interp.corpora.conllu.notes import BY_ITSELF, Said
from interp.corpora.text import numbered_lines
from interp.errors import CorpusError

TEXT = re.compile(r"#\s*text\s*=\s*(.*)")
SENT_ID = re.compile(r"#\s*sent_id\b")


class Sentence(NamedTuple):
    """A sentence as it stands in the file: `rows` are its token lines, `newdoc` counts the documents begun so far."""

    line: int
    text: str | None
    source: str | None
    newdoc: int
    how: str
    columns: Columns
    fields: Fields | None
    rows: list[tuple[int, str]]


def sentences_under_newdoc(path: Path, said: Said) -> Iterator[Sentence]:
    """All sentences; an error at the end of a file that has sentences and no `# newdoc`."""
    newdoc = None
    for sentence in sentences_of(path, said):
        newdoc = sentence.newdoc
        yield sentence
    if newdoc == 0:
        problem = "it has no `# newdoc`, which corpus.unit=document needs. Set corpus.unit=sentence."
        raise CorpusError(path, None, problem)


def sentences_of(path: Path, said: Said) -> Iterator[Sentence]:
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
                yield Sentence(start, text, source, newdoc, how, columns, fields, rows)
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
