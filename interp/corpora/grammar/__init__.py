"""English sentences whose gold is known because they were built from it: the bundled corpus `grammar`."""

from collections.abc import Callable
from hashlib import sha256
from itertools import accumulate
from random import Random

from interp.corpora.grammar import combinations, phrases, pronouns, questions, statements
from interp.corpora.grammar.notation import noun_phrase
from interp.corpora.grammar.pronouns import because
from interp.corpora.grammar.tree import Entity, Node, document
from interp.errors import InterpError
from interp.types import Corpus, Document

PATIENCE = 10_000
"""Draws in a row without a new text after which the space counts as exhausted."""
LONGEST = 26
"""Words of the longest sentence, punctuation included."""

CONSTRUCTIONS: dict[Callable[[Random], Node], int] = {
    statements.intransitive: 2,
    statements.transitive: 3,
    statements.ditransitive: 3,
    statements.prepositional_dative: 2,
    statements.passive: 3,
    statements.agentless_passive: 2,
    statements.particle_verb: 1,
    statements.adjective_predicate: 2,
    statements.noun_predicate: 1,
    statements.existential: 1,
    statements.negation: 2,
    statements.people_and_places: 2,
    statements.counting: 1,
    statements.habit: 2,
    phrases.noun_attachment: 1,
    phrases.verb_attachment: 1,
    phrases.agreement_across_attractor: 3,
    phrases.noun_coordination: 3,
    phrases.verb_coordination: 2,
    phrases.possessive: 3,
    questions.yes_no_question: 2,
    questions.subject_question: 1,
    questions.object_question: 2,
    questions.adverb_question: 1,
    combinations.subject_relative: 3,
    combinations.object_relative_clause: 2,
    combinations.person_relative_clause: 1,
    combinations.reduced_relative: 1,
    combinations.clause_coordination: 3,
    combinations.complement_clause: 3,
    combinations.subject_control: 2,
    combinations.object_control: 2,
    combinations.adverbial_clause: 3,
    combinations.two_events: 3,
    combinations.purpose_clause: 2,
    combinations.embedded_question: 1,
    combinations.seeming: 1,
    combinations.nested_report: 2,
    pronouns.thing_reason: 16,
    pronouns.person_reason: 15,
    pronouns.object_reason: 5,
    pronouns.animal_reason: 4,
    pronouns.encounter: 9,
    pronouns.answer: 7,
    pronouns.reported_speech: 7,
    pronouns.distant_report: 5,
    pronouns.family_question: 6,
    pronouns.attention: 3,
    pronouns.repeated_noun: 2,
}
"""Every construction and its weight in the draw."""


def grammar(documents: int = 2000, seed: int = 0, limit: int | None = None) -> Corpus:
    """Distinct English sentences with gold tags, dependencies and coreference, drawn from `seed`.

    The first two are a Winograd pair; `limit` keeps the first so many, and the digest is that of all `documents`.
    """
    for name, number in (("documents", documents), ("limit", limit)):
        if number is not None and number < 1:
            raise InterpError(f"grammar: {name}={number} was given; allowed: 1 or more. Ask for at least one sentence.")
    made = {example.text: example for example in _examples()[:documents]}
    draw, missed = Random(seed), 0
    constructions, weights = list(CONSTRUCTIONS), list(accumulate(CONSTRUCTIONS.values()))
    while len(made) < documents:
        construction = draw.choices(constructions, cum_weights=weights)[0]
        drawn = document(construction(draw), "?" if construction.__module__ == questions.__name__ else ".")
        if drawn.text in made or not _reads_well(drawn):
            missed += 1
            if missed == PATIENCE:
                raise InterpError(
                    f"grammar: documents={documents} was given, and only {len(made)} distinct sentences came up. "
                    f"Ask for at most {len(made)}, or try another seed."
                )
            continue
        made[drawn.text], missed = drawn, 0
    sentences = tuple(made.values())
    return Corpus("grammar", sentences[:limit], _digest(sentences), generated=True)


def _examples() -> list[Document]:
    """The pair that the constructions are modelled on: the quiz was too difficult, the student was too tired."""
    pair = []
    for predicate, of_first in (("too difficult", False), ("too tired", True)):
        student = noun_phrase(["the", "student"])._replace(entity=Entity("PERSON", "feminine"))
        quiz = noun_phrase(["the", "quiz"])
        pair.append(document(because(student, quiz, "didn't attempt / _", predicate, of_first=of_first)))
    return pair


def _reads_well(drawn: Document) -> bool:
    """Short enough, and no noun, name, verb or adjective twice, unless it speaks of the same thing again."""
    if len(drawn.words) > LONGEST or drawn.tags is None:
        return False
    again = _repeated_heads(drawn)
    content = [
        word.lower()
        for word, tag in zip(drawn.words, drawn.tags, strict=True)
        if tag in ("NOUN", "PROPN", "VERB", "ADJ") and word.lower() not in again
    ]
    return len(content) == len(set(content))


def _repeated_heads(drawn: Document) -> set[str]:
    """Last words of mentions that name an entity again."""
    seen: dict[int, list[str]] = {}
    for mention in drawn.mentions or ():
        seen.setdefault(mention.entity, []).append(drawn.words[mention.end - 1].lower())
    return {word for words in seen.values() for word in words if words.count(word) > 1}


def _digest(sentences: tuple[Document, ...]) -> str:
    """The sha256 of all texts and their annotation."""
    hashed = sha256()
    for one in sentences:
        mentions = [tuple(mention) for mention in one.mentions or ()]
        hashed.update(repr((one.text, one.words, one.spans.tolist(), one.tags, one.governors)).encode())
        hashed.update(repr((one.relations, mentions)).encode())
    return hashed.hexdigest()
