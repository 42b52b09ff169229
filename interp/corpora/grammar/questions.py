"""Yes/no and wh questions."""

from random import Random

from interp.corpora.grammar import events
from interp.corpora.grammar.clauses import FUTURE, PAST, PRESENT, copular, verbal
from interp.corpora.grammar.frames import (
    ACTIONS,
)
from interp.corpora.grammar.notation import adjective_phrase, adjunct, case
from interp.corpora.grammar.noun_phrases import (
    person,
    pick,
    thing,
)
from interp.corpora.grammar.tree import Node, before


def yes_no_question(draw: Random) -> Node:
    """Did the farmer repair the roof?"""
    if draw.random() < 0.25:
        state = adjective_phrase(draw.choice(("tired", "very busy", "hungry", "ill", "still asleep", "angry")), "root")
        return copular(person(draw, detail="bare"), state, draw.choice((PAST, PRESENT)), inverted=True)
    form = events.shape(draw)
    form = form._replace(negation=draw.choice(("", "", "n't")))
    if draw.random() < 0.2:
        action = events.passive_action(draw, form)
        patient = thing(draw, draw.choice(action.objects), definite=True)
        agent = case("by", person(draw), "obl:agent")
        return verbal(patient, action.verb, (agent,), form._replace(passive=True), inverted=True)
    verb, right = events.deed(draw, "plain", events.action(draw, form))
    return events.timed(draw, verbal(person(draw), verb, right, form, inverted=True), form, 0.0)


def subject_question(draw: Random) -> Node:
    """Who repaired the roof?"""
    form = events.shape(draw)
    verb, right = events.deed(draw, "full", events.action(draw, form))
    return verbal(Node("who", "PRON"), verb, right, form)


def object_question(draw: Random) -> Node:
    """What did the farmer repair? Which book did Anna read?"""
    action = draw.choice([action for action in ACTIONS if action.verb not in ("open", "answer", "solve", "miss")])
    places = (adjunct(pick(draw, action.places)),) if action.places and draw.random() < 0.6 else ()
    main = verbal(person(draw), action.verb, places, events.shape(draw), inverted=True)
    asked = Node("what", "PRON", "obj")
    if draw.random() < 0.4:
        noun = draw.choice(action.objects)
        asked = Node(noun, "NOUN", "obj", (Node("which", "DET", "det"),))
    return before(main, asked)


def adverb_question(draw: Random) -> Node:
    """Where did the farmer repair the roof?"""
    form = draw.choice((PAST, PAST, FUTURE))
    action = events.passive_action(draw, form)
    right = events.deed(draw, "plain", action._replace(places=(), manners=()))[1]
    main = verbal(person(draw), action.verb, right, form, inverted=True)
    return before(main, Node(draw.choice(("where", "when", "why", "how")), "ADV", "advmod"))
