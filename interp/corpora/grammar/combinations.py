"""Constructions of several clauses: relative, complement and adverbial clauses, infinitives, coordination."""

from random import Random

from interp.corpora.grammar import events
from interp.corpora.grammar.clauses import (
    PAST,
    PAST_PERFECT,
    PRESENT,
    Shape,
    clause,
    coordinate,
    fronted,
    infinitive,
    object_relative,
    relative,
    subordinate,
    verbal,
)
from interp.corpora.grammar.frames import ACTIONS, FACTS, GREETINGS, STATES, THING_STATES
from interp.corpora.grammar.inflection import verb as forms
from interp.corpora.grammar.lexicon import phrases, words
from interp.corpora.grammar.notation import adjunct, case, noun_phrase
from interp.corpora.grammar.noun_phrases import CLASSES, HISTORIES, person, pick, thing
from interp.corpora.grammar.tree import Node, after, as_relation, is_plural

CLAIMS = words("say think believe know hear claim notice remember discover report explain admit suspect")
WISHES = words("want try decide hope plan refuse promise begin agree need hesitate manage offer")
REQUESTS = (("ask", "iobj"), ("tell", "iobj"), ("persuade", "iobj"), ("want", "obj"), ("advise", "iobj"))
CIRCUMSTANCES = (
    ("because although", "the weather", "be bad; be terrible; cold"),
    ("because although", "the train", "late; very slow; had stop"),
    ("because although", "the streets", "icy; empty; very dark"),
    ("because although", "the bus", "had leave; full; late"),
    ("because although", "the storm", "had begin"),
    ("because although", "the road", "closed; slippery; icy"),
    ("because although", "the guests", "had arrive; still asleep"),
    ("because although", "the children", "asleep; at school; ill"),
    ("before when after", "the sun", "rise; set"),
    ("when before after", "the phone", "ring"),
    ("when before until", "the rain", "begin; stop"),
    ("while when", "the band", "was play / in the square"),
    ("while when", "the children", "was play / in the yard; be asleep"),
    ("after because", "the power", "had fail"),
    ("after because", "the shops", "had close"),
)
"""Conjunctions, and what the surroundings did."""
YIELDING = phrases(
    "stay / at the hotel; go / home / early; arrive / late; wait / at the station; stay / at home; "
    "remain / in the hall; come / to the meeting / late; walk / to the office; take / a taxi; sleep / in the library"
)
DEFYING = phrases(
    "walk / through the forest; go / to the market; swim / in the lake; drive / to _city; walk / along the beach; "
    "travel / to _country; arrive / early; work / in the garden; run / across the field; leave / the house"
)
"""What people do because of, and despite, such circumstances."""
ERRANDS = phrases(
    "go / to the market / >buy / some bread; go / home / >fetch / a coat; travel / to _city / >study / medicine; "
    "go / to the station / >meet / a friend; stop / at the bakery / >buy / a cake; "
    "go / to the library / >return / the books; move / to _country / >open / a restaurant; "
    "call / the hotel / >book / a room; wake up / early / >catch / the train; go / home / >water / the flowers; "
    "drive / to the airport / >collect / the luggage; stay / at home / >finish / the report; "
    "use / a ladder / >clean / the windows; work / hard / >pass / the exam"
)
SEEMINGS = phrases(
    "seem / very tired; become / famous; look / quite happy; feel / sad; seem / honest; become / suspicious; "
    "look / ill; feel / too weak; remain / calm; stay / awake; grow / impatient"
)
CRAFTS = tuple(action for action in ACTIONS if action.verb in words("write paint build design bake steal hide draw"))


def subject_relative(draw: Random) -> Node:
    """The nurse who lived near the river bought a lamp."""
    form = events.shape(draw)
    subject = person(draw, detail="bare", named=0.0)
    if draw.random() < 0.5:
        subject = relative(subject, "who", pick(draw, FACTS))
        return events.event(draw, form, subject)
    verb, right = events.deed(draw)
    inner = verbal(Node("who", "PRON"), verb, right, PAST, plural=is_plural(subject))
    return events.event(draw, form, after(subject, as_relation(inner, "acl:relcl")))


def object_relative_clause(draw: Random) -> Node:
    """The lamp that the nurse had bought was broken; Anna found the letter the nurse had written."""
    noun = draw.choice([noun for noun, verbs in HISTORIES.items() if verbs])
    inner = person(draw)
    verb = draw.choice(HISTORIES[noun])
    node = object_relative(thing(draw, noun, "bare"), draw.choice(("that", "that", "which", "")), inner, verb)
    if draw.random() < 0.5:
        return clause(node, "be " + pick(draw, THING_STATES[CLASSES[noun]]))
    verb = draw.choice(["see", "find", "like", "notice", "describe", "admire"])
    return events.timed(draw, verbal(person(draw), verb, (as_relation(node, "obj"),)), PAST, 0.2)


def person_relative_clause(draw: Random) -> Node:
    """The nurse whom the farmer had met bought a lamp."""
    subject = person(draw, detail="bare", named=0.0)
    node = object_relative(subject, draw.choice(("that", "whom", "")), person(draw), draw.choice(GREETINGS))
    if draw.random() < 0.3:
        return clause(node, "be " + draw.choice(STATES))
    return events.event(draw, PAST, node)


def reduced_relative(draw: Random) -> Node:
    """The letter written by the nurse was very long."""
    action = draw.choice(CRAFTS)
    noun = draw.choice([noun for noun in action.objects if noun in CLASSES])
    agent = case("by", person(draw), "obl:agent")
    node = after(thing(draw, noun, "bare"), Node(forms(action.verb).participle, "VERB", "acl", right=(agent,)))
    if draw.random() < 0.5:
        return clause(node, "be " + pick(draw, THING_STATES[CLASSES[noun]]), draw.choice((PAST, PRESENT)))
    verb = draw.choice(["see", "find", "like", "notice", "describe", "admire"])
    return events.timed(draw, verbal(person(draw), verb, (as_relation(node, "obj"),)), PAST, 0.3)


def clause_coordination(draw: Random) -> Node:
    """The nurse repaired the lamp, and the farmer slept in the garden."""
    first = events.event(draw, detail="full")
    second = events.animal_event(draw) if draw.random() < 0.2 else events.event(draw, detail="full")
    return coordinate(first, second, draw.choice(("and", "and", "but")), comma=True)


def complement_clause(draw: Random) -> Node:
    """The nurse said that the farmer had repaired the lamp."""
    form = draw.choice((PAST, PAST_PERFECT, PAST_PERFECT, Shape(modal="would")))
    inner = events.being(draw) if form == PAST and draw.random() < 0.6 else events.event(draw, form, detail="full")
    verb = draw.choice(CLAIMS)
    bare = verb in CLAIMS[:4] and draw.random() < 0.6
    inner = as_relation(inner, "ccomp") if bare else subordinate("that", inner, "ccomp")
    return verbal(person(draw, detail="full"), verb, (inner,))


def subject_control(draw: Random) -> Node:
    """The nurse wanted to repair the lamp."""
    verb, right = events.deed(draw, "full", draw.choice(events.INTENDED)._replace(manners=()))
    form = draw.choice((PAST, PAST, Shape(negation="n't"), PRESENT))
    matrix = draw.choice(WISHES if form == PAST else ["want", "try", "plan", "need", "hope"])
    return events.timed(draw, verbal(person(draw, detail="full"), matrix, (infinitive(verb, right),), form), form, 0.2)


def object_control(draw: Random) -> Node:
    """The nurse asked the farmer to repair the lamp."""
    matrix, relation = draw.choice(REQUESTS)
    verb, right = events.deed(draw, "plain", draw.choice(events.INTENDED))
    form = draw.choice((PAST, PAST, Shape(negation="n't")))
    addressed = as_relation(person(draw), relation)
    return verbal(person(draw, detail="full"), matrix, (addressed, infinitive(verb, right)), form)


def adverbial_clause(draw: Random) -> Node:
    """The nurse walked along the beach although the weather was bad."""
    conjunctions, subject, predicates = draw.choice(CIRCUMSTANCES)
    conjunction = draw.choice(conjunctions.split())
    inner = subordinate(conjunction, clause(noun_phrase(subject.split()), pick(draw, predicates)))
    if conjunction in ("because", "although"):
        main = clause(person(draw, detail="full"), pick(draw, YIELDING if conjunction == "because" else DEFYING))
    else:
        main = events.event(draw, detail="full")
    return fronted(inner, main) if draw.random() < 0.4 and conjunction != "until" else after(main, inner)


def two_events(draw: Random) -> Node:
    """When the nurse opened the door, the farmer was reading a letter."""
    conjunction = draw.choice(("when", "while", "before", "after"))
    inner = subordinate(
        conjunction, events.event(draw, PAST_PERFECT if conjunction == "after" else PAST, detail="full")
    )
    main = events.event(draw, Shape(progressive=True) if conjunction == "when" else PAST)
    return fronted(inner, main) if draw.random() < 0.5 else after(main, inner)


def purpose_clause(draw: Random) -> Node:
    """The nurse went home to fetch a coat."""
    return events.timed(draw, clause(person(draw, detail="full"), pick(draw, ERRANDS)), PAST, 0.3)


def embedded_question(draw: Random) -> Node:
    """The nurse wondered whether the farmer had repaired the lamp."""
    word = draw.choice(("whether", "whether", "where", "when", "why"))
    verb, right = events.deed(draw)
    inner = subordinate(word, verbal(person(draw), verb, right[:1], PAST_PERFECT), "ccomp")
    subject = person(draw, detail="full")
    if draw.random() < 0.5:
        return verbal(subject, draw.choice(("know", "remember", "say", "understand")), (inner,), Shape(negation="n't"))
    return verbal(subject, draw.choice(("wonder", "ask")), (inner,))


def seeming(draw: Random) -> Node:
    """The nurse seemed very tired after the exam."""
    main = clause(person(draw, detail="full"), draw.choice(SEEMINGS))
    if draw.random() < 0.6:
        return main
    occasions = "after the exam; in the evening; after the long journey; during the meeting; at the wedding"
    return after(main, adjunct(pick(draw, occasions)))


def nested_report(draw: Random) -> Node:
    """The nurse said that the farmer wanted to sell the house; … had stayed at home because the roads were icy."""
    if draw.random() < 0.5:
        verb, right = events.deed(draw, "full", draw.choice(events.INTENDED))
        inner = verbal(person(draw), draw.choice(("want", "hope", "plan", "try")), (infinitive(verb, right),))
    else:
        _, subject, predicates = draw.choice(CIRCUMSTANCES[:8])
        conjunction = draw.choice(("because", "although"))
        inner = clause(person(draw, detail="full"), pick(draw, YIELDING if conjunction == "because" else DEFYING))
        reason = clause(noun_phrase(subject.split()), pick(draw, predicates))
        inner = after(inner, subordinate(conjunction, reason))
    return verbal(person(draw, detail="full"), draw.choice(CLAIMS), (subordinate("that", inner, "ccomp"),))
