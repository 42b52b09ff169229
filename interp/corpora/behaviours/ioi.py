"""Who gets it? Of two names the one that was not said again (indirect object identification, Wang et al. 2023)."""

from random import Random

from interp.corpora.behaviours.templates import fill, prompt_corpus, prompt_document
from interp.corpora.subsets import check_limit
from interp.errors import InterpError
from interp.types import Corpus, Document

TEMPLATES = (
    "When {first} and {second} went to the store, {again} gave a drink to",
    "While {first} and {second} were waiting at the station, {again} handed a ticket to",
    "After {first} and {second} had dinner at the restaurant, {again} passed the bill to",
    "Before {first} and {second} left the office, {again} sent a letter to",
    "Then {first} and {second} walked in the garden, and {again} offered a flower to",
    "Yesterday {first} and {second} met at the library, where {again} lent a book to",
    "In the morning {first} and {second} came to the school, and {again} showed a picture to",
    "Because {first} and {second} stayed at the hotel, {again} brought the key to",
    "Last week {first} and {second} worked at the hospital, and {again} told a secret to",
    "On Sunday {first} and {second} played in the park, until {again} threw the ball to",
    "As soon as {first} and {second} arrived at the house, {again} gave a present to",
    "Once {first} and {second} had sat down in the kitchen, {again} poured some tea for",
    "Since {first} and {second} lived in the same street, {again} often sold eggs to",
    "At the market {first} and {second} bought some bread, and {again} gave half of it to",
)
"""{first} and {second} are the two names in either order, {again} is the one that is said twice."""

_NAMED = (
    "Mary John Tom James Sarah Anna David Paul Mark Alice Peter Laura Emma Kate Jack Henry Robert Michael Daniel "
    "George Simon Martin Andrew Richard Susan Lisa Jane Rachel Helen Julia Maria Charles Thomas William Joseph "
    "Edward Frank Adam Eric Kevin Brian Jason Steve Scott Amy Rose Grace Claire"
)
NAMES = tuple(_NAMED.split())


def ioi(documents: int = 160, seed: int = 0, limit: int | None = None) -> Corpus:
    """Prompts from 14 templates and 48 names, drawn from `seed`: right is the name that was said once.

    Two prompts share a template and its names, which stand in either order (ABBA and BABA); they are one source
    document. In the corrupted text another name stands where the second was said again. Named positions: `indirect`
    (the name said once), `subject` (the other, where it is first said), `again`. `limit` keeps the first so many.
    Raises `InterpError` where there would be none.
    """
    if documents < 1:
        raise InterpError(f"documents={documents}. Allowed: 1 or more.")
    check_limit(limit)
    random, found = Random(seed), list[Document]()
    while len(found) < documents:
        template = TEMPLATES[len(found) // 2 % len(TEMPLATES)]
        indirect, subject, other = random.sample(NAMES, 3)
        found += [_prompt(template, indirect, subject, other, order) for order in ("ABBA", "BABA")]
    note = "prompts are filled templates: intervals describe these templates and names, not a language"
    return prompt_corpus("ioi", found[:documents][:limit], note)


def _prompt(template: str, indirect: str, subject: str, other: str, order: str) -> Document:
    first, second = (indirect, subject) if order == "ABBA" else (subject, indirect)
    text, spans = fill(template, {"first": first, "second": second, "again": subject})
    corrupted, _ = fill(template, {"first": first, "second": second, "again": other})
    named = ("indirect", "subject") if order == "ABBA" else ("subject", "indirect")
    number = TEMPLATES.index(template)
    return prompt_document(
        text,
        f"ioi {number} {' '.join(sorted((indirect, subject)))}",
        template=f"{order} {number}",
        right=f" {indirect}",
        wrong=f" {subject}",
        corrupted=corrupted,
        named={named[0]: spans["first"], named[1]: spans["second"], "again": spans["again"]},
    )
