"""Corpora without their words: treebanks are distributed with `_` for every form where a licence withholds the text."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from interp.errors import CorpusError, shown
from interp.types import Document

BRACKETED = re.compile(r"[\[<{(].*[\])>}]", re.DOTALL)

NO_WORD = re.compile(rf"{BRACKETED.pattern}|[^\w]|_|x", re.DOTALL)
"""A form that says that a word was here, such as `[MASK]` or `<unk>`, and a repeated character that spells none."""

NEVER_A_WORD = re.compile(r"_|＿|�|[\[<{][^\W\d]\w*[\]>}]")
"""Of these, what stands in no text for itself, in whatever document: the others may be punctuation, rules, tables."""

PUNCTUATION = frozenset(".,;:!?。、，")
"""What a corpus may keep that withholds its words, and what ends and fills many short lines."""

MOST = 0.5
"""Refused above, of a form that is never a word, when hardly anything is left to read; below it is said."""

NEARLY_ALL = 0.9
"""Refused above, of any other form, punctuation left aside: tables, music and numbers are half of one form."""

LEAST_SAID = 0.01
"""Share of the words from which on it is said that they are missing."""

FEW, SOME = 10, 50
"""Words (or documents) from which on a corpus can be judged by a form that is no word, and words by one that is."""

Words = tuple[Sequence[str], str]
"""The words of a text, and the text."""


class Missing(NamedTuple):
    """The commonest placeholder, as it is first written, for how many words it stands, and in how many documents.

    `of` counts all words, `punctuation` those of them that are other punctuation.
    """

    form: str = ""
    words: int = 0
    of: int = 0
    documents: int = 0
    punctuation: int = 0

    @property
    def share(self) -> float:
        """Of all words."""
        return self.words / max(self.of, 1)

    @property
    def is_placeholder(self) -> bool:
        """Whether it stands in no text for itself."""
        return NEVER_A_WORD.fullmatch(_form(self.form)) is not None

    @property
    def is_too_much(self) -> bool:
        """Whether nothing is left that a model could read."""
        if self.is_placeholder:
            return self.share > MOST
        return self.words > NEARLY_ALL * (self.of - self.punctuation)


def check_words(documents: Sequence[Document], corpus: Path | str) -> Missing:
    """What is missing of the words. Raises CorpusError where a placeholder, or nearly always one form, is all there is.

    Targets and alternative sentences are held to the same, each by themselves.
    """
    missing = _missing([(document.words, document.text) for document in documents])
    targets = [document.target for document in documents if document.target is not None]
    others = [document.alternative for document in documents if document.alternative is not None]
    of_targets = _missing([(target.words, target.text) for target in targets])
    of_others = _missing([(other.split(), other) for other in others])
    for found, what in ((missing, ""), (of_targets, " of its targets"), (of_others, " of its alternative sentences")):
        if found.is_too_much:
            raise CorpusError(corpus, None, _refusal(found, what))
    return missing


def _refusal(missing: Missing, what: str) -> str:
    if missing.is_placeholder:
        return (
            f"{missing.words} of its {missing.of} words{what} are {shown(missing.form)}: a "
            "placeholder, and nothing that a "
            "model could read; allowed is a corpus with its words. Put them back: a treebank that is distributed "
            "without its words says how to merge them from the original text, for which a licence may be needed (such "
            "as LDC's). Or give another corpus."
        )
    return (
        f"{missing.words} of its {missing.of} words{what} are one and the same form, "
        f"{shown(missing.form)}, which leaves "
        "nothing to tell heads apart by; allowed is a corpus of different words. Where it stands for words that are "
        "left out, put them back. Or give another corpus."
    )


def withheld_notes(missing: Missing) -> tuple[str, ...]:
    """The note that part of the words are withheld: from a hundredth on, half of a word or of punctuation."""
    form = _form(missing.form)
    least = LEAST_SAID if NO_WORD.fullmatch(form) and form not in PUNCTUATION else MOST
    if missing.share < least or missing.words < FEW:
        return ()
    return (
        f"{missing.words} of {missing.of} words are {shown(missing.form)} (in {missing.documents} of the documents): "
        "where it stands for words that are withheld or unknown, roles found on them say nothing of a language",
    )


def is_withheld(document: Document) -> bool:
    """Whether more than half of its words are one form."""
    words = (document.words, document.text)
    return any(_dominant(Counter(map(_form, cut(words)))) for cut in (_in_words, _between_spaces))


def _missing(documents: Sequence[Words]) -> Missing:
    """Nothing is missing in a corpus that is too small to tell."""
    # `[MASK]` is three words of a text without gold, and one thing between spaces; a rule of dashes is no many words
    found = (
        _commonest(documents, _in_words, lambda _: True),
        _commonest(documents, _between_spaces, lambda form: bool(NEVER_A_WORD.fullmatch(form) or _is_bracketed(form))),
    )
    return max(found, key=lambda one: one.share)


def _commonest(
    documents: Sequence[Words], cut: Callable[[Words], Iterable[str]], is_asked: Callable[[str], bool]
) -> Missing:
    """The commonest of the forms that are never a word, and of those that are more than half of some documents."""
    words, concerned, found = Counter[str](), Counter[str](), Counter[str]()
    written: dict[str, str] = {}
    for document in documents:
        forms = Counter[str]()
        for word in cut(document):
            form = _form(word)
            forms[form] += 1
            written.setdefault(form, word)
        words.update(forms)
        concerned.update(forms.keys())
        dominant = _dominant(forms)
        for form in {dominant, *filter(NEVER_A_WORD.fullmatch, forms)} - {""}:
            found[form] += forms[form]
    count = words.total()
    told = [form for form in found if is_asked(form) and _enough(form, found[form], len(documents))]
    # a form that ends a few short documents is punctuation in all others
    told = [form for form in told if found[form] >= LEAST_SAID * count]
    form = max(told, key=lambda one: words[one], default=None)
    if form is None:
        return Missing(of=count)
    punctuation = sum(words[mark] for mark in PUNCTUATION if mark != form)
    return Missing(written[form], words[form], count, concerned[form], punctuation)


def _in_words(document: Words) -> Iterable[str]:
    """The words; a run of one symbol, as a rule or the dots of a table of contents, is one of them."""
    words, text = document
    pairs = pairwise(("", *words))
    return (word for before, word in pairs if not (word == before and _is_symbol(word) and 2 * word in text))


def _between_spaces(document: Words) -> Iterable[str]:
    return document[1].split()


def _is_symbol(word: str) -> bool:
    return len(word) == 1 and not word.isalnum() and NEVER_A_WORD.fullmatch(word) is None


def _is_bracketed(form: str) -> bool:
    return BRACKETED.fullmatch(form) is not None


def _enough(form: str, words: int, documents: int) -> bool:
    """Whether a corpus is large enough to be judged: `???` may be said, and one word a thousand times."""
    if form == "_":
        return words >= FEW or documents > 1
    if NEVER_A_WORD.fullmatch(form):
        return words >= FEW
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
