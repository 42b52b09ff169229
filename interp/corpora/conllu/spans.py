"""Character spans of the words of a CoNLL-U sentence in its raw text, multiword tokens included."""

from collections.abc import Iterator
from pathlib import Path

from interp.corpora.conllu.notes import Said
from interp.corpora.conllu.tokens import Surface, Word
from interp.errors import CorpusError, shown

MULTIWORD = ("first", "last", "content")
"""Which word has the span of a multiword token that its words do not spell (French *du*: `de`, `le`)."""

FUNCTION_TAGS = ("ADP", "DET", "CCONJ", "SCONJ", "PART")
"""The tags of words that are no `content`."""


def is_withheld(surfaces: list[Surface]) -> bool:
    """Whether more than half of the forms are `_`: then `# text` spells them in ways of its own, or is the real one."""
    return 2 * sum(not surface.form.strip("_") for surface in surfaces) > len(surfaces)


def spelled(surfaces: list[Surface]) -> str:
    """The forms joined by SpaceAfter."""
    return "".join(surface.form + " " * surface.space_after for surface in surfaces).rstrip(" ")


def spans_of(
    path: Path, text: str, surfaces: list[Surface], words: list[Word], multiword: str, said: Said
) -> Iterator[tuple[int, int]]:
    """Where each word stands in `text`; (-1, -1) for a word without a place of its own."""
    position = 0
    for surface in surfaces:
        position = _skip_spaces(text, position)
        if not text.startswith(surface.form, position):
            problem = (
                f"{shown(surface.form)} is not the next thing in `# text`, which has "
                f"{text[position : position + 40]!r};"
            )
            raise CorpusError(path, surface.line, f"{problem} the forms must spell it in order. Mend one or the other.")
        end = position + len(surface.form)
        parts = words[surface.start : surface.end]
        if "".join(part.form for part in parts) == surface.form:
            for part in parts:
                yield position, position + len(part.form)
                position += len(part.form)
        else:
            said.counts[f"multiword tokens that their words do not spell (corpus.multiword={multiword} has it)"] += 1
            standing = _standing(parts, multiword)
            yield from ((position, end) if place == standing else (-1, -1) for place in range(len(parts)))
        position = end
    position = _skip_spaces(text, position)
    if position < len(text):
        problem = f"`# text` goes on with {text[position : position + 40]!r} after the last token;"
        raise CorpusError(path, surfaces[-1].line, f"{problem} the forms must spell all of it. Mend one or the other.")


def _standing(parts: list[Word], multiword: str) -> int:
    """Which word of a multiword token stands for all of it."""
    if multiword == "last":
        return len(parts) - 1
    content = (place for place, part in enumerate(parts) if part.tag not in FUNCTION_TAGS)
    return next(content, 0) if multiword == "content" else 0


def _skip_spaces(text: str, position: int) -> int:
    """The first position from `position` on that holds no space."""
    while text[position : position + 1].isspace():
        position += 1
    return position
