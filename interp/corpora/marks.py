"""Which words are punctuation, and which of those separate sentences and clauses."""

from unicodedata import category

from interp.types import Document

DELIMITERS = frozenset(".,;。，；、،؛।")
"""Full stop, comma and semicolon, and what stands for them in scripts that have their own."""

NO_TAG = "_"
"""What CoNLL-U writes in the place of a tag that is not known."""

NO_MARK, PUNCTUATION, DELIMITER = -1, 0, 1


def marks(document: Document) -> list[int]:
    """For every word 1 if it is a delimiter, 0 if it is other punctuation, else -1.

    Punctuation is what is tagged PUNCT; a word without a tag, if it has punctuation characters alone (Unicode's P).
    """
    tags = document.tags or [NO_TAG] * len(document.words)
    return [_mark(word, tag) for word, tag in zip(document.words, tags, strict=True)]


def _mark(word: str, tag: str) -> int:
    by_letters = all(category(letter).startswith("P") for letter in word)
    if not (by_letters if tag == NO_TAG else tag == "PUNCT"):
        return NO_MARK
    return DELIMITER if word in DELIMITERS else PUNCTUATION
