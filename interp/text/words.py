"""The one rule by which a text without gold is cut into words; what a reader sees as one character is never cut."""

from collections.abc import Sequence
from unicodedata import normalize

import regex

from interp.errors import InterpError

_LETTERS = r"\p{L}\p{N}\p{M}_\u200c\u200d\xad\u2060\ufeff"
"""Letters, digits, underscores and the marks on them (accents, vowel signs, joiners), which may be characters too.

Among them those without a width that break no word: soft hyphens, word joiners, byte order marks (UAX #29, rule WB4).
"""

_INVISIBLE = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{Cc}]+")
"""Of no width: joiners, marks of direction, spaces of no width, fillers, control characters. Alone they are no word."""

_EXTENSION = r"[\p{M}\p{Emoji_Modifier}\u200c\U000e0020-\U000e007f]"
_EMOJI = rf"\u200d\p{{Extended_Pictographic}}{_EXTENSION}*"

WORD = regex.compile(
    rf"[{_LETTERS}]+(?:['’][{_LETTERS}]+)*"  # with apostrophes inside
    rf"|(?:\p{{Regional_Indicator}}{{2}}|[^\s\x1c-\x1f{_LETTERS}]){_EXTENSION}*(?:{_EMOJI})*\u200d?"
)
r"""A word: letters with apostrophes inside; or one other character that is no space, a flag or a joined emoji.

In text without marks, joiners, emoji and characters of no width this is `\w+(?:['’]\w+)*|[^\w\s]` of Python's `re`.
"""


def cut_words(text: str) -> list[tuple[str, int, int]]:
    """The words of a text without gold, each with its (start, end) characters; nothing that cannot be seen is one."""
    found = ((match.group(), match.start(), match.end()) for match in WORD.finditer(text))
    return [cut for cut in found if "!" <= cut[0][0] <= "~" or not _INVISIBLE.fullmatch(cut[0])]


def is_word(text: str) -> bool:
    """Whether the text is one word, all of it."""
    return WORD.fullmatch(text) is not None and not _INVISIBLE.fullmatch(text)


def cut_words_given(text: str, words: Sequence[str]) -> list[tuple[str, int, int]]:
    """The same for words that are given: they spell the text in order, spaces between them left out.

    One that is given in another Unicode form (an accent as a character of its own) becomes what stands there.
    Raises InterpError, with the place, where they do not.
    """
    cuts: list[tuple[str, int, int]] = []
    end = 0
    for number, word in enumerate(words):
        start = _next_letter(text, end)
        forms = (word, normalize("NFC", word), normalize("NFD", word))
        there = next((form for form in forms if form.strip() and text.startswith(form, start)), None)
        if there is None:
            raise _not_spelled(f"word {number} is {word!r}", text, start)
        end = start + len(there)
        cuts.append((there, start, end))
    if _next_letter(text, end) < len(text):
        raise _not_spelled(f"they end after {len(words)} words", text, _next_letter(text, end))
    return cuts


def _next_letter(text: str, place: int) -> int:
    return next((i for i in range(place, len(text)) if not text[i].isspace()), len(text))


def _not_spelled(what: str, text: str, place: int) -> InterpError:
    there = f"goes on with {text[place : place + 20]!r} at character {place}" if place < len(text) else "has ended"
    return InterpError(
        f"The words given do not spell the sentence: {what}, where the sentence {there}. Allowed: words that are, in "
        "order and but for the spaces between them, the whole of it. Give them as words=[it,'s] or, with spaces "
        'between them, as words="it \'s".'
    )
