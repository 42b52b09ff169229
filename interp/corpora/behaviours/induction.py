"""What came next before? Of a list of words one is said again, and with it its successor (Olsson et al. 2022)."""

from collections.abc import Sequence
from random import Random

from interp.corpora.behaviours.templates import check_documents, prompt_corpus, prompt_document
from interp.corpora.subsets import check_limit
from interp.types import Corpus, Document

_WORDS = (
    "student teacher doctor lawyer farmer driver singer painter writer guest artist engineer pilot soldier judge "
    "dancer friend manager mayor stranger thief guard hero bear dog cat horse bird cow goat rabbit duck sheep mouse "
    "wolf island coast garden park station kitchen library market beach river street village city office hotel "
    "museum theater hospital school church forest mountain hill lake airport bank factory farm university room corner "
    "castle tower bridge book letter novel poem newspaper magazine story exam puzzle apple cake soup sandwich pizza "
    "orange car truck bus bicycle boat tractor table chair desk lamp shelf mirror box bag basket bottle key wallet "
    "phone umbrella coin ticket camera knife ball hammer rope coat hat dress jacket shirt roof wall fence clock radio "
    "computer oven engine alarm portrait statue film piano guitar door window gate plate cup bowl tree rose flower"
)
WORDS = tuple(_WORDS.split())
"""Nouns that most tokenizers have as one token with a space in front."""
LENGTHS = (8, 10, 12)


def induction(documents: int = 160, seed: int = 0, limit: int | None = None) -> Corpus:
    """Lists of 8, 10 or 12 nouns, drawn from `seed`, after which one of their words stands again: right came after it.

    Wrong is another word of the list. In the corrupted text another word stands where the last one first stood, so that
    nothing says what follows. Every list is asked twice, of two of its words; both prompts are one source document.
    The list's first word (which has no space in front) is never asked for, nor are its last two, whose answers would
    be next to the end. Named positions: `before` (the first occurrence of the last word), `answer` (where the right
    answer stands), `wrong_answer`. `limit` keeps the first so many. Raises `InterpError` where there would be none, or
    too many.
    """
    check_documents(documents)
    check_limit(limit)
    random, found = Random(seed), list[Document]()
    while len(found) < documents:
        listed = random.sample(WORDS, LENGTHS[len(found) // 2 % len(LENGTHS)])
        other = random.choice([word for word in WORDS if word not in listed])
        for place in random.sample(range(1, len(listed) - 2), 2):
            wrong = random.choice([one for one in range(1, len(listed) - 1) if one not in (place, place + 1)])
            found.append(_prompt(listed, place, wrong, other))
    note = "prompts are lists of words: intervals describe these lists, not a language"
    return prompt_corpus("induction", found[:documents][:limit], note)


def _prompt(listed: Sequence[str], place: int, wrong: int, other: str) -> Document:
    corrupted = [*listed[:place], other, *listed[place + 1 :]]
    starts = [len(" ".join([*listed[:number], ""])) for number in range(len(listed))]
    spans = [(start, start + len(word)) for start, word in zip(starts, listed, strict=True)]
    return prompt_document(
        " ".join([*listed, listed[place]]),
        f"induction {' '.join(sorted(listed))}",
        template=f"{len(listed)} words",
        right=f" {listed[place + 1]}",
        wrong=f" {listed[wrong]}",
        corrupted=" ".join([*corrupted, listed[place]]),
        named={"before": spans[place], "answer": spans[place + 1], "wrong_answer": spans[wrong]},
    )
