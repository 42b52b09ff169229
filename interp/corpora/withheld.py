"""Corpora without their words: treebanks are distributed with `_` for every form where a licence withholds the text."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from interp.errors import CorpusError
from interp.types import Document

NO_WORD = re.compile(r"[\[<{(].*[\])>}]|[^\w]|_|x", re.DOTALL)
"""A form that says that a word was here, such as `[MASK]` or `<unk>`, and a repeated character that spells none."""

NEVER_A_WORD = re.compile(r"_|＿|�|[\[<{][^\W\d]\w*[\]>}]")
"""Of these, what stands in no text for itself, in whatever document: the others may be punctuation."""

MOST = 0.5
"""Refused above, when hardly anything is left to read; below it is said. No form of a language is half of its words."""

LEAST_SAID = 0.01
"""Share of the words from which on it is said that they are missing."""

FEW, SOME = 10, 50
"""Words (or documents) from which on a corpus can be judged by a form that is no word, and words by one that is."""


class Missing(NamedTuple):
    """The commonest placeholder, how many words it stands for, of how many, and in how many documents."""

    form: str = ""
    words: int = 0
    of: int = 0
    documents: int = 0

    @property
    def share(self) -> float:
        """Of all words."""
        return self.words / max(self.of, 1)


def check_words(documents: Sequence[Document], corpus: Path | str) -> Missing:
    """What is missing of the words. Raises CorpusError where more than half of them are one and the same form."""
    # `[MASK]` is three words of a text without gold, and one thing between spaces
    found = (_missing(document.words for document in documents), _missing(d.text.split() for d in documents))
    missing = max(found, key=lambda one: one.share)
    if missing.share > MOST:
        raise CorpusError(
            corpus,
            None,
            f"{missing.words} of its {missing.of} words are {missing.form!r}: a placeholder, and nothing that a model "
            "could read; allowed is a corpus with its words. Put them back: a treebank that is distributed without its "
            "words says how to merge them from the original text, for which a licence may be needed (such as LDC's). "
            "Or give another corpus.",
        )
    return missing


def withheld_notes(missing: Missing) -> tuple[str, ...]:
    """The note that part of the words are withheld, where it is a hundredth of them or more."""
    if missing.share < LEAST_SAID or missing.words < FEW or not NO_WORD.fullmatch(missing.form):
        return ()
    return (
        f"{missing.words} of {missing.of} words are {missing.form!r} (in {missing.documents} of the documents): "
        "where it stands for words that are withheld or unknown, roles found on them say nothing of a language",
    )


def is_withheld(document: Document) -> bool:
    """Whether more than half of its words are one form."""
    return any(_dominant(Counter(map(_form, words))) for words in (document.words, document.text.split()))


def _missing(documents: Iterable[Sequence[str]]) -> Missing:
    """Counted where a form is more than half of its document, and of what is never a word everywhere.

    Nothing is missing in a corpus that is too small to tell.
    """
    words, concerned, count, number = Counter[str](), Counter[str](), 0, 0
    for document in documents:
        forms = Counter(map(_form, document))
        count, number = count + len(document), number + 1
        dominant = _dominant(forms)
        for form in {dominant} if dominant else filter(NEVER_A_WORD.fullmatch, forms):
            words[form] += forms[form]
            concerned[form] += 1
    form, times = max(words.items(), key=lambda one: one[1], default=("", 0))
    return Missing(form, times, count, concerned[form]) if _enough(form, count, number) else Missing(of=count)


def _enough(form: str, words: int, documents: int) -> bool:
    """Whether a corpus is large enough to be judged: `???` may be said, and one word a thousand times."""
    if form == "_":
        return words >= FEW or documents > 1
    if NO_WORD.fullmatch(form):
        return words >= FEW and documents > 1
    return words >= SOME and documents >= FEW


def _dominant(forms: Counter[str]) -> str:
    """The form that more than half of the words have, the empty one where none has."""
    form, times = max(forms.items(), key=lambda one: one[1], default=("", 0))
    # a single word is more than half of its document, which says nothing
    return form if times > MOST * forms.total() and (times > 1 or len(form) == 1) else ""


def _form(word: str) -> str:
    """Without case, and one character for a run of it: `___` and `_`, `Xxxx` and `xx` are one form."""
    lower = word.casefold()
    return lower[:1] if lower == lower[:1] * len(lower) else lower
