"""What comes after? The next day, month, number, letter or place in an order (Gould et al. 2024)."""

from itertools import product
from random import Random
from typing import NamedTuple

from interp.corpora.behaviours.templates import check_documents, fill, prompt_corpus, prompt_document
from interp.corpora.subsets import check_limit
from interp.types import Corpus, Document


class Sequence(NamedTuple):
    """Words in their order, of which a prompt says `shown`; after the last the first comes again where it `repeats`."""

    words: tuple[str, ...]
    shown: int
    repeats: bool


_WORDS = {
    "days": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "months": "January February March April May June July August September October November December",
    "numbers": "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
    "seventeen eighteen nineteen twenty",
    "letters": "A B C D E F G H I J K L M N O P Q R S T U V W X Y Z",
    "ordinals": "first second third fourth fifth sixth seventh eighth ninth tenth",
}
SEQUENCES = {
    # seven days have no room for two parts of four that share none
    name: Sequence(tuple(words.split()), 2 if name == "days" else 3, name in ("days", "months"))
    for name, words in _WORDS.items()
}
TEMPLATES = ("{before}{last},", "Say them in order: {before}{last},", "They come one after the other: {before}{last},")
"""{last} is the last item that is said, {before} those before it."""


def successor(documents: int = 160, seed: int = 0, limit: int | None = None) -> Corpus:
    """Days, months, number words, letters and ordinals in 3 templates, in an order drawn from `seed`: right is next.

    The corrupted text is the same template with another part of the same sequence, and wrong is what comes next there;
    neither text has the answer of the other, nor its own. A prompt says three items, of the days two. Named position:
    `last_item`. Prompts that share a template and items are one source document. `limit` keeps the first so many.
    Raises `InterpError` where there would be none, or more than there are items to begin with.
    """
    asked = [
        (number, name, start) for number, name in product(range(len(TEMPLATES)), SEQUENCES) for start in _starts(name)
    ]
    check_documents(documents, len(asked))
    check_limit(limit)
    random = Random(seed)
    found = [
        _prompt(number, name, start, random.choice(_others(SEQUENCES[name], start)))
        for number, name, start in random.sample(asked, documents)
    ]
    note = "prompts are filled templates: intervals describe these sequences and templates, not a language"
    return prompt_corpus("successor", found[:limit], note)


def _starts(name: str) -> list[int]:
    """Where a prompt can begin: there is a word to come next, and another part of the sequence to corrupt it with."""
    sequence = SEQUENCES[name]
    return [start for start in _within(sequence) if _others(sequence, start)]


def _others(sequence: Sequence, start: int) -> list[int]:
    """Where a corrupted text can begin: neither it nor the text has the answer of the other."""
    items = set(_items(sequence, start))
    return [other for other in _within(sequence) if not items & set(_items(sequence, other))]


def _within(sequence: Sequence) -> range:
    return range(len(sequence.words) if sequence.repeats else len(sequence.words) - sequence.shown)


def _items(sequence: Sequence, start: int) -> list[str]:
    """The items that are said, and the one that comes next."""
    return [sequence.words[place % len(sequence.words)] for place in range(start, start + sequence.shown + 1)]


def _prompt(number: int, name: str, start: int, other: int) -> Document:
    sequence = SEQUENCES[name]
    *said, last, right = _items(sequence, start)
    *other_said, other_last, wrong = _items(sequence, other)
    text, spans = fill(TEMPLATES[number], {"before": "".join(f"{item}, " for item in said), "last": last})
    corrupted, _ = fill(TEMPLATES[number], {"before": "".join(f"{item}, " for item in other_said), "last": other_last})
    return prompt_document(
        text,
        f"successor {number} {' '.join([*said, last])}",
        template=f"{name} {number}",
        right=f" {right}",
        wrong=f" {wrong}",
        corrupted=corrupted,
        named={"last_item": spans["last"]},
    )
