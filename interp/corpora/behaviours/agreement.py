"""Is or are? A verb agrees with its subject, across a noun of the other number (Linzen et al. 2016)."""

from random import Random
from typing import NamedTuple

from interp.corpora.behaviours.templates import check_documents, fill, prompt_corpus, prompt_document
from interp.corpora.grammar.inflection import plural
from interp.corpora.subsets import check_limit
from interp.types import Corpus, Document


class Template(NamedTuple):
    """A text with a {subject} and an {attractor} between it and its verb, and the two forms of the verb."""

    text: str
    singular: str
    plural: str


TEMPLATES = (
    Template("The {subject} near the {attractor}", "is", "are"),
    Template("The {subject} behind the {attractor}", "was", "were"),
    Template("The {subject} next to the {attractor}", "has", "have"),
    Template("I think that the {subject} beside the {attractor}", "is", "are"),
    Template("We were told that the {subject} in front of the {attractor}", "was", "were"),
    Template("Everyone knows that the {subject} close to the {attractor}", "has", "have"),
    Template("Yesterday the {subject} opposite the {attractor}", "was", "were"),
    Template("At the moment the {subject} under the {attractor}", "is", "are"),
)

_SUBJECTS = (
    "student teacher doctor lawyer farmer driver singer writer guest artist engineer manager pilot tourist soldier "
    "judge dancer friend stranger guard boy girl dog cat horse bird cow rabbit duck key book letter ticket picture"
)
_ATTRACTORS = (
    "table chair desk lamp mirror cabinet box bag basket bottle window door gate wall bridge tree house castle tower "
    "shop car truck bus boat hotel museum school church statue computer painting piano clock lake hill garden"
)
SUBJECTS, ATTRACTORS = tuple(_SUBJECTS.split()), tuple(_ATTRACTORS.split())


def agreement(documents: int = 160, seed: int = 0, limit: int | None = None) -> Corpus:
    """Prompts from 8 templates, 34 subjects and 36 attractors, drawn from `seed`: right agrees with the subject.

    The attractor is always of the other number, so that the nearest noun gives the wrong answer. The corrupted text
    has the subject in the other number, after which wrong is right. Two prompts share a template and its nouns, one
    with a singular subject and one with a plural; they are one source document. Named positions: `subject`,
    `attractor`. `limit` keeps the first so many. Raises `InterpError` where there would be none, or too many.
    """
    check_documents(documents, 2 * len(TEMPLATES) * len(SUBJECTS))
    check_limit(limit)
    random, found = Random(seed), list[Document]()
    pairs = [(number, subject) for number in range(len(TEMPLATES)) for subject in SUBJECTS]
    for number, subject in random.sample(pairs, (documents + 1) // 2):
        attractor = random.choice(ATTRACTORS)
        found += [_prompt(number, subject, attractor, number_of_subject) for number_of_subject in _NUMBERS]
    note = "prompts are filled templates: intervals describe these templates and nouns, not a language"
    return prompt_corpus("agreement", found[:documents][:limit], note)


_NUMBERS = ("singular", "plural")


def _prompt(number: int, subject: str, attractor: str, number_of_subject: str) -> Document:
    template = TEMPLATES[number]
    verbs, subjects = (template.singular, template.plural), (subject, plural(subject))
    # 0 for the singular, 1 for the plural
    own = _NUMBERS.index(number_of_subject)
    other = 1 - own
    words = {"attractor": (attractor, plural(attractor))[other]}
    text, spans = fill(template.text, {**words, "subject": subjects[own]})
    corrupted, _ = fill(template.text, {**words, "subject": subjects[other]})
    return prompt_document(
        text,
        f"agreement {number} {subject} {attractor}",
        template=f"{number_of_subject} {number}",
        right=f" {verbs[own]}",
        wrong=f" {verbs[other]}",
        corrupted=corrupted,
        named={"subject": spans["subject"], "attractor": spans["attractor"]},
    )
