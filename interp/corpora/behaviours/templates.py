"""Texts with places to fill in, which remember where each filling stands."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from string import Formatter

from interp.corpora.text import text_document
from interp.documents import Corpus, Document, Prompt
from interp.errors import InterpError

Spans = dict[str, tuple[int, int]]
"""Of each field the (start, end) characters of what fills it, where it stands last."""


MOST = 10_000
"""Prompts that a behaviour makes at most where its words could be drawn for ever."""


def check_documents(documents: int, most: int = MOST) -> None:
    """Raises `InterpError` for fewer prompts than one, and for more than a behaviour has, none of them twice."""
    if not 1 <= documents <= most:
        raise InterpError(f"documents={documents} prompts. Allowed: 1 to {most:,}, none of them twice.")


def fill(template: str, words: Mapping[str, str]) -> tuple[str, Spans]:
    """The template with its fields filled, and where each stands."""
    text, spans = "", {}
    for before, field, _, _ in Formatter().parse(template):
        text += before
        if field is not None:
            spans[field] = (len(text), len(text) + len(words[field]))
            text += words[field]
    return text, spans


def prompt_document(
    text: str,
    source: str,
    *,
    template: str,
    right: str,
    wrong: str,
    corrupted: str,
    named: Mapping[str, tuple[int, int]],
) -> Document:
    """A prompt; prompts that share a `source`, such as a template and its names, stay in one block."""
    places = tuple((name, *span) for name, span in named.items())
    return replace(text_document(text, source=source), prompt=Prompt(template, right, wrong, corrupted, places))


def prompt_corpus(name: str, documents: Sequence[Document], note: str) -> Corpus:
    """These prompts as a corpus; its digest is that of all that they ask."""
    asked = "\n".join(repr((one.source, one.text, one.prompt)) for one in documents)
    return Corpus(name, tuple(documents), sha256(asked.encode()).hexdigest(), generated=True, notes=(note,))
