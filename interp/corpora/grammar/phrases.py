"""Constructions that turn on what belongs together: attachment, agreement, coordination, possession."""

from random import Random

from interp.corpora.grammar import events
from interp.corpora.grammar.clauses import (
    FUTURE,
    PAST,
    PRESENT,
    clause,
    coordinate,
    verb_group,
    verbal,
)
from interp.corpora.grammar.frames import (
    ACTIONS,
    ATTRACTORS,
)
from interp.corpora.grammar.inflection import plural
from interp.corpora.grammar.lexicon import KINDS, words
from interp.corpora.grammar.notation import adjunct, case, noun_phrase
from interp.corpora.grammar.noun_phrases import (
    couple,
    person,
    pick,
    possessed,
    thing,
    with_owner,
)
from interp.corpora.grammar.tree import Entity, Node, after, as_relation

CHORES = tuple(
    action
    for action in ACTIONS
    if action.verb in words("wash open close bake carry repair paint move plant cook draw read write")
)


def noun_attachment(draw: Random) -> Node:
    """The book about the war was on the desk."""
    noun, preposition, attractors, predicates = draw.choice(ATTRACTORS[:11])
    inner = noun_phrase(["the", draw.choice(attractors.split())])
    if draw.random() < 0.4:
        outer = pick(draw, "near the bridge; behind the school; at the station; in the village; on the hill").split()
        inner = after(inner, case(outer[0], noun_phrase(outer[1:]), "nmod"))
    subject = after(noun_phrase(["the", noun]), case(preposition.split()[0], inner, "nmod"))
    return clause(subject, pick(draw, predicates), PAST)


def verb_attachment(draw: Random) -> Node:
    """Anna opened the box with a knife."""
    action = draw.choice([action for action in ACTIONS if action.tools])
    verb, right = events.deed(draw, "plain", action._replace(manners=(), tools=()))
    right = (right[0], adjunct(pick(draw, action.tools)), *right[1:])
    return events.timed(draw, verbal(person(draw, detail="full"), verb, right), PAST, 0.3)


def agreement_across_attractor(draw: Random) -> Node:
    """The keys to the cabinet are rusty."""
    noun, preposition, attractors, predicates = draw.choice(ATTRACTORS)
    many = draw.random() < 0.5
    attractor = draw.choice(attractors.split())
    attractor = plural(attractor) if draw.random() < (0.25 if many else 0.75) else attractor
    head = noun_phrase(["the", plural(noun) if many else noun])
    first, article = preposition.split()
    subject = after(head, case(first, noun_phrase([article, attractor]), "nmod"))
    return clause(subject, pick(draw, predicates), draw.choice((PRESENT, PRESENT, PAST)))


def noun_coordination(draw: Random) -> Node:
    """The doctor and the nurse bought a lamp and a chair."""
    form = events.shape(draw)
    if draw.random() < 0.4:
        subject = (
            couple(draw) if draw.random() < 0.4 else _pair(person(draw, detail="short"), person(draw, detail="short"))
        )
        return events.timed(draw, events.event(draw, form, subject), form)
    action = draw.choice([action for action in ACTIONS if len(action.objects) > 1 and action.verb != "drive"])
    first, second = (thing(draw, noun, "short", many=0.1) for noun in draw.sample(action.objects, 2))
    right = (as_relation(_pair(first, second), "obj"),)
    return events.timed(draw, verbal(person(draw, detail="full"), action.verb, right, form), form)


def verb_coordination(draw: Random) -> Node:
    """Anna washed the plates and closed the window."""
    form = draw.choice((PAST, PAST, FUTURE))
    main = verbal(person(draw, detail="full"), *events.deed(draw, "short", draw.choice(CHORES)), form)
    verb, right = events.deed(draw, "plain", draw.choice(CHORES))
    _, word = verb_group(verb, form, plural=True)
    return coordinate(main, Node(word, "VERB", right=right))


def possessive(draw: Random) -> Node:
    """Anna's brother found the doctor's umbrella."""
    form = events.shape(draw)
    relation = draw.choice(
        ["sister", "mother", "aunt", "brother", "father", "uncle", "friend", "cousin", "boss", "roommate"]
    )
    if draw.random() < 0.5:
        subject = with_owner(draw, person(draw, detail="bare", named=0.6), relation)
        return events.timed(draw, events.event(draw, form, subject), form)
    action = draw.choice(
        [
            action
            for action in ACTIONS
            if action.verb in ["find", "lose", "borrow", "repair", "wash", "steal", "paint", "hide"]
        ]
    )
    noun = draw.choice(action.objects)
    owned = possessed(person(draw, detail="bare", named=0.6), noun, Entity(KINDS.get(noun, "OBJECT"), "neuter"))
    return events.timed(draw, verbal(person(draw), action.verb, (as_relation(owned, "obj"),), form), form)


def _pair(first: Node, second: Node) -> Node:
    """Two noun phrases as one group."""
    return coordinate(first, second)._replace(group=Entity("GROUP", "plural"))
