"""Whether tokens are the text that they were made of: words are found, and read, by what tokens spell."""

import unicodedata
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from jaxtyping import Int

from interp.types import Encoding

_NO_LETTERS = {code: None for code in range(128) if unicodedata.category(chr(code))[0] in "ZCM"}
"""What `letters` leaves out, of ASCII."""

QUOTES = ("``", "''")
"""Each is one quote, which some tokenizers write as one character."""

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
        # marks go first: without case, the iota below a Greek vowel is a letter
        plain = unicodedata.normalize("NFKD", _without(unicodedata.normalize("NFKD", text), "M").casefold())
        plain = _without(plain, "ZCM").replace("\ufffd", "")
    # after spaces are gone: some decoders put one between the two
    return plain.replace("``", '"').replace("''", '"')


def _without(text: str, categories: str) -> str:
    """The text without the characters of these general categories, such as marks (M)."""
    return "".join(c for c in text if unicodedata.category(c)[0] not in categories)


def _uncovered(text: str, spans: Int[np.ndarray, "token 2"]) -> int | None:
    """The first character that counts and that no token covers."""
    opened, closed = (np.bincount(spans[:, side], minlength=len(text) + 1) for side in (0, 1))
    covered = (opened[: len(text)] - closed[: len(text)]).cumsum() > 0
    for place in np.flatnonzero(~covered).tolist():
        beside = [other for other in (place - 1, place + 1) if 0 <= other < len(text) and covered[other]]
        is_half = any(text[place] + text[other] in QUOTES for other in beside)
        if letters(text[place]) and not is_half and not _composes(text, place):
            return place
    return None


def _composes(text: str, place: int) -> bool:
    """Whether a character becomes one with those before it, as the letters of Hangul do (NFC)."""
    before, whole = (unicodedata.normalize("NFC", text[max(0, place - 2) : end]) for end in (place, place + 1))
    return len(before) == len(whole)


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
        # what became one character with it
        if start and text[start - 1 : start + 1] in QUOTES:
            start = max(place, start - 1)
        while end < len(text) and _composes(text, end):
            end += 1
        parts += [text[place:start], word]
        place = end
    return "".join([*parts, text[place:]])


def _around(text: str, place: int) -> str:
    return text[max(0, place - 12) : place + 12]
