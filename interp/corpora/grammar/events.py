"""Everyday events drawn at random: the material that the constructions put together."""

from random import Random

from interp.corpora.grammar.clauses import FUTURE, PAST, Shape, clause, fronted, verbal
from interp.corpora.grammar.frames import (
    ACTIONS,
    ANIMAL_ACTIONS,
    ANIMAL_PURSUITS,
    FUTURE_TIMES,
    GREETINGS,
    PAST_TIMES,
    PURSUITS,
    STATES,
    THING_STATES,
    Action,
)
from interp.corpora.grammar.lexicon import ANIMALS, THINGS, words
from interp.corpora.grammar.notation import adjunct, adverb
from interp.corpora.grammar.noun_phrases import Detail, animal, person, pick, thing
from interp.corpora.grammar.tree import Node, after, as_relation

PASSIVES = tuple(action for action in ACTIONS if action.verb not in ("lose", "forget", "miss", "drop"))
"""Actions whose object makes a natural subject."""
INTENDED = tuple(action for action in ACTIONS if action.verb not in words("lose drop break miss forget steal find"))
"""What people plan, want or promise to do; the rest happens to them."""
PLANNED = tuple(action for action in INTENDED if action in PASSIVES)
CREATIONS = words("write paint build design bake draw cook plant sing")
"""Verbs whose object has no history yet."""
PRESENT_PERFECT = Shape("present", perfect=True)


def shape(draw: Random) -> Shape:
    """Mostly past; sometimes future or present perfect."""
    chance = draw.random()
    return PAST if chance < 0.75 else FUTURE if chance < 0.9 else PRESENT_PERFECT


def time(draw: Random, form: Shape) -> Node | None:
    """When it happened, in keeping with the tense; the perfect has none."""
    if form.perfect or form.progressive:
        return None
    times = FUTURE_TIMES if form.modal == "will" else PAST_TIMES
    return adjunct(pick(draw, times)) if form.tense == "past" or form.modal == "will" else None


def timed(draw: Random, main: Node, form: Shape, chance: float = 0.4) -> Node:
    """The clause with a time, at its end or, behind a comma, at its beginning."""
    when = time(draw, form) if draw.random() < chance else None
    if when is None:
        return main
    return fronted(when, main) if ends_in_clause(main) or draw.random() < 0.45 else after(main, when)


def ends_in_clause(node: Node) -> bool:
    """Whether an adjunct after this phrase could be taken for part of a clause inside it."""
    last = node.right[-1] if node.right else None
    return last is not None and (
        last.relation in ("acl:relcl", "acl", "xcomp", "ccomp", "advcl") or ends_in_clause(last)
    )


def action(draw: Random, form: Shape) -> Action:
    """Something people do to things; what lies ahead is intended."""
    return draw.choice(INTENDED if form.modal or form.negation else ACTIONS)


def passive_action(draw: Random, form: Shape) -> Action:
    """One whose object makes a natural subject."""
    return draw.choice(PLANNED if form.modal or form.negation else PASSIVES)


def deed(draw: Random, detail: Detail = "plain", act: Action | None = None) -> tuple[str, tuple[Node, ...]]:
    """A transitive verb with its object and, at times, tool or manner, and place."""
    act = act or draw.choice(ACTIONS)
    detail = "plain" if detail == "full" and act.verb in CREATIONS else detail
    noun = draw.choice(act.objects)
    right = [as_relation(thing(draw, noun, detail, besides=act.verb), "obj")]
    if ends_in_clause(right[0]):
        return act.verb, tuple(right)
    if act.tools and draw.random() < 0.3:
        right.append(adjunct(pick(draw, act.tools)))
    elif act.manners and draw.random() < 0.2:
        right.append(adverb(pick(draw, act.manners)))
    if act.places and draw.random() < 0.35:
        right.append(adjunct(pick(draw, act.places)))
    return act.verb, tuple(right)


def doing(draw: Random, subject: Node, form: Shape = PAST, detail: Detail = "plain") -> Node:
    """Somebody does something to a thing."""
    verb, right = deed(draw, detail, action(draw, form))
    return verbal(subject, verb, right, form)


def pursuing(draw: Random, subject: Node, form: Shape = PAST) -> Node:
    """Somebody does something, without an object."""
    return clause(subject, pick(draw, PURSUITS), form)


def meeting(draw: Random, subject: Node, form: Shape = PAST) -> Node:
    """Somebody does something to somebody."""
    return verbal(subject, draw.choice(GREETINGS), (as_relation(person(draw), "obj"),), form)


def animal_event(draw: Random, form: Shape = PAST) -> Node:
    """An animal does something, perhaps to another."""
    first, second = draw.sample(ANIMALS, 2)
    subject = animal(draw, first, draw.choice(("neuter", "neuter", "plural")))
    if draw.random() < 0.5:
        return clause(subject, draw.choice(ANIMAL_PURSUITS), form)
    return verbal(subject, draw.choice(ANIMAL_ACTIONS), (as_relation(animal(draw, second), "obj"),), form)


def being(draw: Random, form: Shape = PAST) -> Node:
    """Somebody or something is in some state."""
    if draw.random() < 0.5:
        return clause(person(draw, detail="full"), "be " + draw.choice(STATES), form)
    group = draw.choice(sorted(THING_STATES))
    subject = thing(draw, draw.choice(THINGS[group].split()), "full", definite=True)
    return clause(subject, "be " + pick(draw, THING_STATES[group]), form)


def event(draw: Random, form: Shape = PAST, subject: Node | None = None, detail: Detail = "plain") -> Node:
    """Any event with a person in it."""
    subject = subject or person(draw, detail=detail)
    chance = draw.random()
    if chance < 0.55:
        return doing(draw, subject, form, detail)
    return pursuing(draw, subject, form) if chance < 0.8 else meeting(draw, subject, form)
