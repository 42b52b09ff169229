"""Whether tokens are the text that they were made of: words are found, and read, by what tokens spell."""

import unicodedata
from collections.abc import Callable, Sequence

import numpy as np
from jaxtyping import Int

from interp.types import Encoding

Decode = Callable[[Int[np.ndarray, " pos"]], str | None]


def first_loss(texts: Sequence[str], encodings: Sequence[Encoding], decode: Decode, unknown: int | None) -> str | None:
    """Where the first of the texts is not what its tokens spell, in words; None where all of them are.

    Case, accents and spaces may be lost, which some models do without; a token that stands for the unknown counts as
    the text that it covers. Where nothing decodes, only whether every letter lies in a token is asked.
    """
    for text, encoding in zip(texts, encodings, strict=True):
        own = ~encoding.special
        spans = encoding.offsets[own]
        # what was cut off has no tokens, and a letter may be cut in two
        end = int(spans[:, 1].max(initial=0)) if encoding.truncated else len(text)
        if (lost := _uncovered(text[:end], spans)) is not None:
            return f"no token covers {text[lost]!r} in {_around(text, lost)!r}"
        spelled = decode(encoding.tokens[own])
        if spelled is None:
            continue
        unknown_word = "" if unknown is None else decode(np.array([unknown])) or ""
        expected = letters(_with_unknown(text[:end], encoding, own, unknown, unknown_word))
        found = letters(spelled)
        if encoding.truncated:
            short = max(0, min(len(expected), len(found)) - 4)
            expected, found = expected[:short], found[:short]
        if expected != found:
            pairs = zip(expected, found, strict=False)
            place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(found)))
            return f"{_around(expected, place)!r} came back as {_around(found, place)!r}"
    return None


def letters(text: str) -> str:
    """The text without case, accents, spaces and control characters; quotes of two characters are one."""
    plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
    return "".join(c for c in plain.replace("``", '"').replace("''", '"') if unicodedata.category(c)[0] not in "ZCM")


def _uncovered(text: str, spans: Int[np.ndarray, "token 2"]) -> int | None:
    """The first character that counts and that no token covers."""
    covered = np.zeros(len(text), dtype=bool)
    for start, end in spans.tolist():
        covered[start:end] = True
    return next((place for place in np.flatnonzero(~covered).tolist() if letters(text[place])), None)


def _with_unknown(
    text: str, encoding: Encoding, own: Int[np.ndarray, " pos"] | np.ndarray, unknown: int | None, word: str
) -> str:
    """The text with the unknown's own name where a token stands for the unknown."""
    parts: list[str] = []
    place = 0
    for token, (start, end) in zip(encoding.tokens[own].tolist(), encoding.offsets[own].tolist(), strict=True):
        if token == unknown:
            parts += [text[place:start], word]
            place = end
    return "".join([*parts, text[place:]])


def _around(text: str, place: int) -> str:
    return text[max(0, place - 12) : place + 12]
