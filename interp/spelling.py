"""Whether tokens are the text that they were made of: words are found, and read, by what tokens spell."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Int

from interp.types import Encoding

_NO_LETTERS = {code: None for code in range(128) if unicodedata.category(chr(code))[0] in "ZCM"}
"""What `letters` leaves out, of ASCII."""

Decode = Callable[[Int[np.ndarray, " pos"]], str | None]


def first_loss(texts: Sequence[str], encodings: Sequence[Encoding], decode: Decode, unknown: int | None) -> str | None:
    """Where the first of the texts is not what its tokens spell, in words; None where all of them are."""
    return next((lost for lost in losses(texts, encodings, decode, unknown) if lost is not None), None)


def losses(
    texts: Sequence[str], encodings: Sequence[Encoding], decode: Decode, unknown: int | None
) -> Iterator[str | None]:
    """For every text where it is not what its tokens spell, in words; None where it is.

    Case, accents and spaces may be lost, which some models do without; a token that stands for the unknown counts as
    the text that it covers. Where nothing decodes, only whether every letter lies in a token is asked.
    """
    unknown_word = "" if unknown is None else decode(np.array([unknown])) or ""
    for text, encoding in zip(texts, encodings, strict=True):
        yield _loss(text, encoding, decode, unknown, unknown_word)


def _loss(text: str, encoding: Encoding, decode: Decode, unknown: int | None, unknown_word: str) -> str | None:
    own = ~encoding.special
    tokens, spans = encoding.tokens[own], encoding.offsets[own]
    # what was cut off has no tokens, and a letter may be cut in two
    end = int(spans[:, 1].max(initial=0)) if encoding.truncated else len(text)
    spelled = decode(tokens)
    if spelled is not None:
        expected, found = letters(_with_unknown(text[:end], tokens, spans, unknown, unknown_word)), letters(spelled)
        if encoding.truncated:
            short = max(0, min(len(expected), len(found)) - 4)
            expected, found = expected[:short], found[:short]
        if expected != found:
            pairs = zip(expected, found, strict=False)
            place = next((i for i, (a, b) in enumerate(pairs) if a != b), min(len(expected), len(found)))
            return f"{_around(expected, place)!r} came back as {_around(found, place)!r}"
    lost = _uncovered(text[:end], spans)
    return None if lost is None else f"no token covers {text[lost]!r} in {_around(text, lost)!r}"


def letters(text: str) -> str:
    """The text without case, accents, spaces, control and replacement characters; quotes of two characters are one."""
    if text.isascii():
        plain = text.lower().translate(_NO_LETTERS)
    else:
        plain = unicodedata.normalize("NFKD", unicodedata.normalize("NFKD", text).casefold())
        plain = "".join(c for c in plain if unicodedata.category(c)[0] not in "ZCM" and c != "\ufffd")
    # after spaces are gone: some decoders put one between the two
    return plain.replace("``", '"').replace("''", '"')


def _uncovered(text: str, spans: Int[np.ndarray, "token 2"]) -> int | None:
    """The first character that counts and that no token covers."""
    opened, closed = (np.bincount(spans[:, side], minlength=len(text) + 1) for side in (0, 1))
    bare = np.flatnonzero((opened[: len(text)] - closed[: len(text)]).cumsum() == 0)
    return next((place for place in bare.tolist() if not text[place].isspace() and letters(text[place])), None)


def _with_unknown(
    text: str,
    tokens: Int[np.ndarray, " token"],
    spans: Int[np.ndarray, "token 2"],
    unknown: int | None,
    word: str,
) -> str:
    """The text with the unknown's own name where a token stands for the unknown."""
    parts: list[str] = []
    place = 0
    for start, end in spans[tokens == unknown].tolist():
        parts += [text[place:start], word]
        place = end
    return "".join([*parts, text[place:]])


def _around(text: str, place: int) -> str:
    return text[max(0, place - 12) : place + 12]
