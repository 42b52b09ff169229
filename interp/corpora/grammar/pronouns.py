"""Sentences with a pronoun and two phrases it might stand for; the coin that picks the right one is fair."""

from random import Random

from interp.corpora.grammar import events
from interp.corpora.grammar.clauses import (
    FUTURE,
    PAST,
    PRESENT,
    Shape,
    clause,
    coordinate,
    fronted,
    subordinate,
    verbal,
)
from interp.corpora.grammar.dealings import (
    ANSWERS,
    ATTENTIONS,
    COMPANIONS,
    ENCOUNTERS,
    FAMILIES,
    NEWS,
    PERSON_REASONS,
    SCENES,
)
from interp.corpora.grammar.frames import PAST_TIMES
from interp.corpora.grammar.lexicon import ANIMALS
from interp.corpora.grammar.notation import adjunct, case, noun_phrase, pronoun
from interp.corpora.grammar.noun_phrases import Detail, animal, couple, described, person, pick, thing
from interp.corpora.grammar.schemas import ANIMAL_REASONS, OBJECT_REASONS, THING_REASONS, Reason
from interp.corpora.grammar.tree import Agreement, Entity, Node, after, as_relation, is_plural, referent

SINGULAR: tuple[Agreement, ...] = ("feminine", "masculine")
OPENINGS = (
    ("when", "the rain", "begin"),
    ("before", "the rain", "begin"),
    ("after", "the sun", "had set"),
    ("when", "the phone", "ring"),
    ("after", "the storm", "had pass"),
    ("while", "the band", "was play / in the square"),
    ("when", "the concert", "end"),
)
"""Circumstances without people or animals, which no pronoun could be taken for."""


def thing_reason(draw: Random) -> Node:
    """The student didn't attempt the quiz because it was too difficult."""
    reason = draw.choice(THING_REASONS)
    first = person(draw, "feminine" if reason.event.endswith("wear / _") else None, "full", named=0.4)
    second = thing(draw, draw.choice(reason.objects), "short", definite=True, many=0.0 if is_plural(first) else 0.15)
    return _drawn_reason(draw, reason, first, second)


def person_reason(draw: Random) -> Node:
    """The nurse thanked the farmer because he had found the keys."""
    return _drawn_reason(draw, draw.choice(PERSON_REASONS), *two_people(draw, alike=0.15))


def object_reason(draw: Random) -> Node:
    """The trophy didn't fit in the suitcase because it was too big."""
    reason = draw.choice(OBJECT_REASONS)
    nouns = draw.choice(reason.subjects), draw.choice(reason.objects)
    first, second = (
        animal(draw, noun) if noun in ANIMALS else thing(draw, noun, many=0.0, definite=True) for noun in nouns
    )
    return _drawn_reason(draw, reason, first, second)


def animal_reason(draw: Random) -> Node:
    """The girl fed the dog because it was hungry."""
    reason = draw.choice(ANIMAL_REASONS)
    first = person(draw, detail="full")
    second = animal(
        draw,
        draw.choice(reason.objects),
        "neuter" if is_plural(first) else draw.choice(("neuter", "neuter", "plural")),
    )
    return _drawn_reason(draw, reason, first, second)


def encounter(draw: Random) -> Node:
    """Anna called Paul before she left the office; when Anna met Paul, he was cooking."""
    first, second = two_people(draw)
    chosen = referent(draw.choice((first, second)))
    conjunction = draw.choice(tuple(SCENES))
    main = clause(first, pick(draw, ENCOUNTERS), slot=second)
    scene = clause(pronoun(chosen, "nsubj"), pick(draw, SCENES[conjunction]))
    if draw.random() < 0.4:
        later = clause(pronoun(chosen, "nsubj"), pick(draw, ANSWERS["when"]))
        return fronted(subordinate("when", main), later)
    return after(main, subordinate(conjunction, scene))


def answer(draw: Random) -> Node:
    """Anna invited Paul to the party, but he was too busy."""
    first, second = two_people(draw)
    conjunction = draw.choice(("and", "but"))
    later = clause(pronoun(referent(draw.choice((first, second))), "nsubj"), pick(draw, ANSWERS[conjunction]))
    main = events.timed(draw, clause(first, pick(draw, ENCOUNTERS), slot=second), PAST, 0.2)
    return coordinate(main, later, conjunction, comma=True)


def reported_speech(draw: Random) -> Node:
    """Anna told Paul that he had won the prize."""
    first, second = two_people(draw)
    said = clause(pronoun(referent(draw.choice((first, second))), "nsubj"), pick(draw, NEWS))
    verb = draw.choice(("tell", "tell", "tell", "remind", "inform"))
    bare = verb == "tell" and draw.random() < 0.3
    said = as_relation(said, "ccomp") if bare else subordinate("that", said, "ccomp")
    return verbal(first, verb, (as_relation(second, "iobj"), said))


def distant_report(draw: Random) -> Node:
    """The nurse who had called the farmer said that he had won the prize."""
    first, second = two_people(draw, named=0.0, detail="short")
    called = clause(
        Node("who", "PRON"), "had " + pick(draw, "call; visit; help; meet; interview; follow") + " / _", slot=second
    )
    subject = after(first, as_relation(called, "acl:relcl"))
    said = clause(pronoun(referent(draw.choice((first, second))), "nsubj"), pick(draw, NEWS))
    verb = draw.choice(["say", "think", "know", "believe", "hear", "claim"])
    return verbal(subject, verb, (subordinate("that", said, "ccomp"),))


def family_question(draw: Random) -> Node:
    """Anna asked Paul about his sister."""
    first, second = two_people(draw)
    chosen = draw.choice((first, second))
    return events.timed(draw, clause(first, pick(draw, FAMILIES), slot=second, owner=referent(chosen)), PAST, 0.5)


def attention(draw: Random) -> Node:
    """Anna waited for Paul, and the waiter brought him a coffee."""
    first, second = two_people(draw)
    subject, text = draw.choice(ATTENTIONS)
    helper = described(draw, subject, Entity("ANIMAL" if subject == "dog" else "PERSON"), [], "bare")
    later = clause(helper, text, slot=pronoun(referent(draw.choice((first, second))), "obj"))
    main = clause(first, pick(draw, ENCOUNTERS), slot=second)
    if draw.random() < 0.4:
        return fronted(subordinate("when", main), later)
    return coordinate(main, later, comma=True)


def repeated_noun(draw: Random) -> Node:
    """A cat and a dog slept in the garden until the dog barked."""
    kind, nouns, places, endings = draw.choice(COMPANIONS)
    pair = [noun_phrase(["a", noun])._replace(entity=Entity(kind)) for noun in draw.sample(nouns, 2)]
    subject = coordinate(pair[0], pair[1])._replace(group=Entity("GROUP", "plural"))
    again = draw.choice(pair)._replace(left=(Node("the", "DET", "det"),))
    return after(clause(subject, pick(draw, places)), subordinate("until", clause(again, pick(draw, endings))))


def two_people(draw: Random, *, alike: float = 0.0, named: float = 0.35, detail: Detail = "full") -> tuple[Node, Node]:
    """Two phrases for people that gender or number tells apart, save for a share that is `alike`."""
    chance = draw.random()
    one, other = draw.sample(SINGULAR, 2)
    if chance < alike:
        return person(draw, one, detail, named=0.0), person(draw, one, "short", named=0.0)
    if chance < 0.7:
        return person(draw, one, detail, named=named), person(draw, other, "short", named=named)
    # a couple of the same gender as the single person would leave `she` open
    several = couple(draw, other) if draw.random() < named else person(draw, "plural", "short", named=0.0)
    single = person(draw, one, "short", named=named)
    return (several, single) if draw.random() < 0.5 else (single, several)


def because(first: Node, second: Node, event: str, predicate: str, *, of_first: bool, form: Shape = PAST) -> Node:
    """What happened between the two, and a reason that is true of one of them."""
    chosen = pronoun(referent(first if of_first else second), "nsubj")
    return after(clause(first, event, form, slot=second), _reason(chosen, predicate, form))


def _drawn_reason(draw: Random, reason: Reason, first: Node, second: Node) -> Node:
    """The event of the schema with a reason for either, in the past or, where it can, in the future."""
    of_first = draw.random() < 0.5
    chosen = first if of_first else second
    predicates = reason.first if of_first else reason.second
    if is_plural(chosen):
        predicates = [text for text in predicates if not text.startswith("be a ")]
    predicate = pick(draw, predicates)
    if reason.future and draw.random() < 0.2:
        event = reason.event.removeprefix("didn't ")
        form = FUTURE._replace(negation="n't")
        return because(first, second, event, predicate, of_first=of_first, form=form)
    verb, *rest = reason.event.split(" / ")
    if rest == ["_"] and " " not in verb and first.entity and first.entity.kind == "PERSON" and draw.random() < 0.15:
        agent = case("by", first, "obl:agent")
        main = verbal(second, verb, (agent,), Shape(passive=True))
    else:
        main = clause(first, reason.event, slot=second)
    return _staged(draw, after(main, _reason(pronoun(referent(chosen), "nsubj"), predicate, PAST)))


def _staged(draw: Random, main: Node) -> Node:
    """The sentence as it is, or with a time or circumstance before it, or reported by everyone."""
    chance = draw.random()
    if chance < 0.12:
        return fronted(adjunct(pick(draw, PAST_TIMES)), main)
    if chance < 0.24:
        conjunction, subject, predicate = draw.choice(OPENINGS)
        return fronted(subordinate(conjunction, clause(noun_phrase(subject.split()), predicate)), main)
    if chance < 0.36:
        everyone = Node(draw.choice(("everyone", "everybody", "nobody")), "PRON")
        verb = draw.choice(("know", "believe", "say", "notice"))
        return verbal(everyone, verb, (subordinate("that", main, "ccomp"),))
    return main


def _reason(subject: Node, predicate: str, form: Shape) -> Node:
    return subordinate("because", clause(subject, predicate, PRESENT if form.tense == "present" else PAST))
