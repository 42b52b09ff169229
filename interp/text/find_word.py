"""Which word of a sentence is meant, by how it is written or by its number."""

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from unicodedata import normalize

from interp.errors import InterpError

Word = str | int
"""A word of the sentence, as it stands there or by its number from 0."""


def find_word(words: Sequence[str], given: Word, what: str) -> int:
    """The number of the word: exactly as written, else in another Unicode form, else whatever its case.

    Raises `InterpError` if it is not one."""
    if isinstance(given, int) and not isinstance(given, bool):
        if not 0 <= given < len(words):
            raise InterpError(
                f"{what}={given}: the sentence has words 0 to {len(words) - 1}. Allowed: one of these numbers."
            )
        return given
    text = str(given)
    places: list[int] = []
    for form in (str, _composed, lambda word: _composed(word.lower())):
        places = places or [i for i, word in enumerate(words) if form(word) == form(text)]
    if not places:
        near = get_close_matches(text, words, n=1)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise InterpError(
            f"{what}={text} is not in the sentence.{hint} Its words: {numbered(words)}{_cut_out(words, text)}"
        )
    if len(places) > 1:
        raise InterpError(
            f"{what}={text} stands {len(places)} times in the sentence, as words {', '.join(map(str, places))}. "
            f"Pick one by its number, for example {places[0]} instead of {text}."
        )
    return places[0]


def _composed(word: str) -> str:
    """The word with its accents as they are mostly typed: one character with the letter where there is such a one."""
    return normalize("NFC", word)


def numbered(words: Sequence[str], chosen: Iterable[int] | None = None) -> str:
    """The words, or the chosen ones of them, each with its number."""
    return " ".join(f"{i}:{words[i]}" for i in (range(len(words)) if chosen is None else chosen))


def _cut_out(words: Sequence[str], text: str) -> str:
    """How to make a word of what is only a part of one, such as `it` of `it's` or a word of a Chinese sentence."""
    place = next((i for i, word in enumerate(words) if text and text.lower() in word.lower()), None)
    if place is None:
        return ""
    start = words[place].lower().find(text.lower())
    end = start + len(text)
    parts = (words[place][:start], words[place][start:end], words[place][end:])
    cut = [*words[:place], *filter(None, parts), *words[place + 1 :]]
    listed = ",".join(repr(word) if word in (",", '"') else word for word in cut)
    return f'. It is a part of {words[place]!r}; to make it a word, give all words: "words=[{listed}]"'
