"""Constructions of one clause that states something."""

from random import Random

from interp.corpora.grammar import events
from interp.corpora.grammar.clauses import PAST, PRESENT, Shape, clause, fronted, verbal
from interp.corpora.grammar.frames import (
    ACTIONS,
    GREETINGS,
    HABIT_TIMES,
    STATES,
    TRADES,
    TRANSFERS,
)
from interp.corpora.grammar.inflection import indefinite, plural
from interp.corpora.grammar.lexicon import THINGS, phrases, words
from interp.corpora.grammar.notation import adjunct, case, noun_phrase
from interp.corpora.grammar.noun_phrases import (
    animal,
    name,
    person,
    pick,
    thing,
)
from interp.corpora.grammar.tree import Node, after, as_relation, is_plural

SPOTS = phrases("on the table; in the drawer; behind the door; under the bench; in the corner; near the window")
HABITS = tuple(
    action for action in ACTIONS if action.verb in words("read play drive bake write cook wash sing draw eat")
)
FREQUENCIES = words("always often usually sometimes never")
SWITCHES = (
    ("turn off", "light; radio; computer; oven; alarm"),
    ("pick up", "phone; key; coin; letter; suitcase"),
    ("put down", "cup; book; bag; newspaper"),
    ("throw away", "newspaper; bottle; map; ticket"),
    ("take out", "wallet; camera; knife; map"),
    ("give up", "job; plan"),
)


def intransitive(draw: Random) -> Node:
    """The farmer slept in the garden."""
    form = events.shape(draw)
    main = (
        events.animal_event(draw, form)
        if draw.random() < 0.3
        else events.pursuing(draw, person(draw, detail="full"), form)
    )
    return events.timed(draw, main, form)


def transitive(draw: Random) -> Node:
    """The farmer repaired the roof with a hammer yesterday."""
    form = events.shape(draw)
    return events.timed(draw, events.doing(draw, person(draw, detail="full"), form, "full"), form)


def ditransitive(draw: Random) -> Node:
    """The farmer gave the child an apple."""
    verb, things = draw.choice(TRANSFERS)
    form = events.shape(draw)
    right = (as_relation(person(draw), "iobj"), as_relation(thing(draw, pick(draw, things)), "obj"))
    return events.timed(draw, verbal(person(draw), verb, right, form), form)


def prepositional_dative(draw: Random) -> Node:
    """The farmer gave an apple to the child."""
    verb, things = draw.choice([transfer for transfer in TRANSFERS if transfer[0] not in ("bring", "offer", "teach")])
    form = events.shape(draw)
    right = (as_relation(thing(draw, pick(draw, things)), "obj"), case("to", person(draw), "obl"))
    return events.timed(draw, verbal(person(draw), verb, right, form), form)


def passive(draw: Random) -> Node:
    """The roof was repaired by the farmer."""
    form = events.shape(draw)
    if draw.random() < 0.3:
        patient, verb = person(draw), draw.choice(GREETINGS)
    else:
        action = events.passive_action(draw, form)
        patient, verb = thing(draw, draw.choice(action.objects), "full", definite=True), action.verb
    main = verbal(patient, verb, (case("by", person(draw, detail="full"), "obl:agent"),), form._replace(passive=True))
    return events.timed(draw, main, form)


def agentless_passive(draw: Random) -> Node:
    """The roof was repaired last week."""
    form = events.shape(draw)
    action = events.passive_action(draw, form)
    patient = thing(draw, draw.choice(action.objects), "full", definite=True)
    right = (adjunct(pick(draw, action.places)),) if action.places and draw.random() < 0.6 else ()
    return events.timed(draw, verbal(patient, action.verb, right, form._replace(passive=True)), form, 0.8)


def particle_verb(draw: Random) -> Node:
    """Anna turned off the radio."""
    text, things = draw.choice(SWITCHES)
    form = events.shape(draw)
    verb, particle = text.split()
    right = (
        Node(particle, "ADP", "compound:prt"),
        as_relation(thing(draw, pick(draw, things), many=0.0, definite=True), "obj"),
    )
    return events.timed(draw, verbal(person(draw, detail="full"), verb, right, form), form)


def adjective_predicate(draw: Random) -> Node:
    """The letter was very long."""
    return events.being(draw, draw.choice((PAST, PAST, PRESENT)))


def noun_predicate(draw: Random) -> Node:
    """Anna is a good friend."""
    agreement = draw.choice(("feminine", "masculine"))
    text = draw.choice(TRADES)
    if draw.random() < 0.3:
        return clause(person(draw, agreement), f"become / {text}", PAST)
    return clause(person(draw, agreement), f"be {text}", draw.choice((PAST, PRESENT)))


def existential(draw: Random) -> Node:
    """There were two letters on the table."""
    if draw.random() < 0.5:
        subject = animal(draw, agreement=draw.choice(("neuter", "plural")))
        place = pick(draw, "in the garden; behind the house; near the river; in the stable; on the road")
    else:
        nouns = THINGS[draw.choice(("reading", "belonging", "clothing", "dish"))].split()
        subject, place = thing(draw, draw.choice(nouns), many=0.4), draw.choice(SPOTS)
    many = is_plural(subject)
    modifiers = [node for node in subject.left if node.relation in ("amod", "compound")]
    article = Node(indefinite(modifiers[0].word if modifiers else subject.word), "DET", "det")
    counter = Node(draw.choice(("two", "three", "four", "five")), "NUM", "nummod")
    left = (counter if many else article, *modifiers)
    verb = {PAST: ("was", "were"), PRESENT: ("is", "are")}[draw.choice((PAST, PAST, PRESENT))][many]
    right = (as_relation(subject._replace(left=left), "nsubj"), adjunct(place))
    return Node(verb, "VERB", left=(Node("there", "PRON", "expl"),), right=right)


def negation(draw: Random) -> Node:
    """The farmer didn't repair the roof."""
    form = events.shape(draw)._replace(negation=draw.choice(("n't", "n't", "not")))
    form = draw.choice(
        (form, form, Shape(modal="could", negation="n't"), Shape("present", modal="can", negation="n't"))
    )
    subject = person(draw, detail="full")
    if draw.random() < 0.2:
        return clause(subject, "be " + draw.choice(STATES), Shape(draw.choice(("past", "present")), negation="n't"))
    if draw.random() < 0.3:
        return events.timed(draw, events.pursuing(draw, subject, form), form, 0.2)
    verb, right = events.deed(draw, "plain", events.action(draw, form))
    return events.timed(draw, verbal(subject, verb, right[:1], form), form, 0.3)


def people_and_places(draw: Random) -> Node:
    """In Paris, Anna Costa met Paul."""
    form = events.shape(draw)
    first, second = draw.sample(("feminine", "masculine"), 2)
    verb = draw.choice(["meet", "visit", "call", "interview", "help", "invite", "recognize", "thank"])
    right = (as_relation(name(draw, second), "obj"),)
    main = verbal(name(draw, first, full=True), verb, right, form)
    place = adjunct(pick(draw, (("in _city", "in _country", "at the airport in _city"))))
    return fronted(place, main) if draw.random() < 0.4 else events.timed(draw, after(main, place), form, 0.5)


def counting(draw: Random) -> Node:
    """The farmer bought seven apples."""
    form = events.shape(draw)
    noun = draw.choice(["apple", "egg", "book", "ticket", "chair", "cup", "orange", "cookie", "flower", "lamp"])
    number = draw.choice(["two", "three", "four", "five", "six", "seven", "eight", "ten", "twelve", "twenty"])
    right = [as_relation(noun_phrase([number, plural(noun)]), "obj")]
    right += [adjunct("at the market")] if draw.random() < 0.4 else []
    return events.timed(
        draw, verbal(person(draw), draw.choice(("buy", "sell", "count", "find")), tuple(right), form), form
    )


def habit(draw: Random) -> Node:
    """The farmer often reads the newspaper in the evening."""
    subject = person(draw)
    verb, right = events.deed(draw, "plain", draw.choice(HABITS))
    frequency = Node(draw.choice(FREQUENCIES), "ADV", "advmod") if draw.random() < 0.6 else None
    if frequency is None:
        right = (*right, adjunct(pick(draw, HABIT_TIMES)))
    return verbal(subject, verb, right, PRESENT, adverb=frequency)
