"""Sentences with names and citations in them, as Markdown and as LaTeX."""

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from interp.paper.escaping import escaped
from interp.paper.references import BY_KEY
from interp.text.printable import printable


class Code(NamedTuple):
    """A name as it is in a configuration, a corpus or a table."""

    text: str


class Cite(NamedTuple):
    """The works that are cited here, by their keys."""

    keys: tuple[str, ...]


Piece = str | Code | Cite
Paragraph = Sequence[Piece]


def cited(paragraphs: Iterable[Paragraph]) -> list[str]:
    """The keys of all works that are cited, in the order of their first citation."""
    pieces = (piece for paragraph in paragraphs for piece in paragraph)
    return list(dict.fromkeys(key for piece in pieces if isinstance(piece, Cite) for key in piece.keys))


def as_markdown(paragraph: Paragraph) -> str:
    """The paragraph, its names as code, its citations as `(Clark et al. 2019)`."""
    return "".join(map(_markdown, paragraph))


def as_latex(paragraph: Paragraph) -> str:
    r"""The paragraph, its names in `\texttt`, its citations as `\cite{clark2019}`."""
    return "".join(map(_latex, paragraph))


def listed(pieces: Sequence[Sequence[Piece]]) -> list[Piece]:
    """`a, b and c` of several pieces."""
    found: list[Piece] = []
    for place, piece in enumerate(pieces):
        before = "" if place == 0 else " and " if place == len(pieces) - 1 else ", "
        found += [*([before] if before else []), *piece]
    return found


def _markdown(piece: Piece) -> str:
    if isinstance(piece, Cite):
        return f" ({'; '.join(BY_KEY[key].cited_as for key in piece.keys)})"
    if isinstance(piece, Code):
        # more backticks than stand in it, so that it ends where it ends
        text = " ".join(printable(piece.text).split()) or " "
        fence = "`" * (1 + max(map(len, re.findall("`+", text)), default=0))
        space = " " if text.startswith("`") or text.endswith("`") else ""
        return f"{fence}{space}{text}{space}{fence}"
    return piece


def _latex(piece: Piece) -> str:
    if isinstance(piece, Cite):
        return rf"~\cite{{{','.join(piece.keys)}}}"
    if isinstance(piece, Code):
        # a long name may go on in the next line
        parts = re.split("(?<=[/.@_=:])", piece.text)
        breakable = r"\allowbreak{}".join(map(escaped, parts))
        return rf"\texttt{{{breakable}}}"
    return escaped(piece)
