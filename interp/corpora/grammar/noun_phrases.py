"""Noun phrases drawn at random: people, things and animals, with what may be said of them before and behind."""

from collections.abc import Sequence
from random import Random
from typing import Literal

from interp.corpora.grammar.clauses import coordinate, object_relative, relative
from interp.corpora.grammar.frames import ACTIONS, FACTS, THING_FACTS
from interp.corpora.grammar.inflection import indefinite, plural
from interp.corpora.grammar.lexicon import (
    ANIMAL_ADJECTIVES,
    ANIMALS,
    ATTRIBUTES,
    BROTHERS,
    CITIES,
    COMPOUNDS,
    COUNTRIES,
    DAYS,
    FEMALE_NAMES,
    KINDS,
    MALE_NAMES,
    MEN,
    NUMBERS,
    PERSON_ADJECTIVES,
    PERSON_ATTRIBUTES,
    ROLES,
    SISTERS,
    SURNAMES,
    THING_ADJECTIVES,
    THINGS,
    WOMEN,
    phrases,
    words,
)
from interp.corpora.grammar.notation import case, noun_phrase
from interp.corpora.grammar.tree import Agreement, Entity, Node, after, as_relation, is_plural

NAMES: dict[Agreement, tuple[str, ...]] = {"feminine": FEMALE_NAMES, "masculine": MALE_NAMES}
GENDERED: dict[Agreement, tuple[str, ...]] = {"feminine": WOMEN, "masculine": MEN}
CLASSES: dict[str, str] = {noun: name for name, nouns in THINGS.items() for noun in nouns.split()}
EARLIER = words("write buy find borrow hide steal build bake draw repair paint sell lose")
"""What one may have done to a thing before somebody does something else to it."""
HISTORIES = {
    noun: [action.verb for action in ACTIONS if noun in action.objects and action.verb in EARLIER] for noun in CLASSES
}
Detail = Literal["bare", "short", "plain", "full"]
"""What stands around a noun besides the determiner: nothing, an adjective, a short phrase behind it, a clause."""


def fill(draw: Random, text: str) -> str:
    """The shorthand with a city, a country and a weekday in the places kept for them."""
    for place, names in (("_city", CITIES), ("_country", COUNTRIES), ("_day", DAYS)):
        if place in text:
            text = text.replace(place, draw.choice(names))
    return text


def pick(draw: Random, options: str | Sequence[str]) -> str:
    """One of several phrases, or of those in a line, places filled in."""
    return fill(draw, draw.choice(phrases(options) if isinstance(options, str) else options))


def name(draw: Random, agreement: Agreement, *, full: bool | None = None) -> Node:
    """A person's name, sometimes the family name too."""
    given = Node(draw.choice(NAMES[agreement]), "PROPN", entity=Entity("PERSON", agreement))
    full = draw.random() < 0.3 if full is None else full
    return after(given, Node(draw.choice(SURNAMES), "PROPN", "flat")) if full else given


def person(draw: Random, agreement: Agreement | None = None, detail: Detail = "plain", *, named: float = 0.35) -> Node:
    """A person or, in the plural, several: a name, two names, or a noun with its modifiers."""
    agreement = agreement or draw.choice(("feminine", "feminine", "masculine", "masculine", "plural"))
    if draw.random() < named:
        return couple(draw) if agreement == "plural" else name(draw, agreement)
    if agreement == "plural":
        noun = draw.choice([*ROLES, *WOMEN[:2], *MEN[:2], "child"])
    else:
        noun = draw.choice(GENDERED[agreement]) if draw.random() < 0.25 else draw.choice(ROLES)
    node = described(draw, noun, Entity("PERSON", agreement), PERSON_ADJECTIVES, detail)
    if detail in ("plain", "full") and agreement != "plural" and draw.random() < 0.1:
        return after(node, _attribute(pick(draw, PERSON_ATTRIBUTES)))
    if detail == "full" and draw.random() < 0.2:
        return relative(node, "who", pick(draw, FACTS))
    return node


def couple(draw: Random, agreement: Agreement | None = None) -> Node:
    """Two names as one group, both of one gender if asked."""
    genders: tuple[Agreement, ...] = (agreement,) if agreement else ("feminine", "masculine")
    people: list[tuple[str, Agreement]] = [(given, gender) for gender in genders for given in NAMES[gender]]
    first, second = draw.sample(people, 2)
    nodes = [Node(given, "PROPN", entity=Entity("PERSON", gender)) for given, gender in (first, second)]
    return coordinate(nodes[0], nodes[1])._replace(group=Entity("GROUP", "plural"))


def animal(draw: Random, noun: str = "", agreement: Agreement = "neuter") -> Node:
    """An animal or, in the plural, several."""
    return described(draw, noun or draw.choice(ANIMALS), Entity("ANIMAL", agreement), ANIMAL_ADJECTIVES, "plain")


def thing(
    draw: Random,
    noun: str,
    detail: Detail = "plain",
    *,
    many: float = 0.2,
    definite: bool = False,
    besides: str = "",
) -> Node:
    """The thing the noun names, several with the chance `many`; a clause on it says something `besides` that verb."""
    entity = Entity(KINDS.get(noun, "OBJECT"), "plural" if draw.random() < many else "neuter")
    adjectives = THING_ADJECTIVES.get(CLASSES.get(noun, ""), "").split()
    node = described(draw, noun, entity, adjectives, detail, definite=definite)
    compounded = any(word.relation == "compound" for word in node.left)
    chance = draw.random()
    if detail in ("plain", "full") and chance < 0.15 and noun in ATTRIBUTES and not compounded:
        return after(node, _attribute(pick(draw, ATTRIBUTES[noun])))
    history = [verb for verb in HISTORIES.get(noun, ()) if verb != besides]
    if detail == "full" and chance < 0.3 and history:
        subject = person(draw, detail="bare")
        return object_relative(node, draw.choice(("that", "that", "")), subject, draw.choice(history))
    if detail == "full" and chance < 0.38 and CLASSES.get(noun) in THING_FACTS:
        return relative(node, "that", pick(draw, THING_FACTS[CLASSES[noun]]))
    return node


def possessed(owner: Node, noun: str, entity: Entity, adjectives: tuple[str, ...] = ()) -> Node:
    """Something of the owner's: `Anna's old car`."""
    ending = "'" if is_plural(owner) and owner.word.endswith("s") else "'s"
    genitive = as_relation(after(owner, Node(ending, "PART", "case", joined=True)), "nmod:poss")
    left = (genitive, *(Node(word, "ADJ", "amod") for word in adjectives))
    return Node(noun, "NOUN", left=left, entity=entity)


def described(
    draw: Random, noun: str, entity: Entity, adjectives: Sequence[str], detail: Detail, *, definite: bool = False
) -> Node:
    """A noun with determiner and, unless `bare`, adjectives and a noun before it."""
    many = entity.agreement == "plural"
    left: list[Node] = []
    if detail != "bare" and noun in COMPOUNDS and draw.random() < 0.3:
        left = [Node(draw.choice(COMPOUNDS[noun].split()), "NOUN", "compound")]
    elif detail != "bare" and adjectives and draw.random() < 0.3:
        left = [Node(draw.choice(adjectives), "ADJ", "amod")]
    form = plural(noun) if many else noun
    following = left[0].word if left else form
    return Node(
        form, "NOUN", left=(*_determiners(draw, following, many, definite or detail == "bare"), *left), entity=entity
    )


def _determiners(draw: Random, following: str, many: bool, definite: bool) -> tuple[Node, ...]:
    chance = draw.random()
    the = Node("the", "DET", "det")
    if many and chance < 0.12:
        return (*((the,) if definite else ()), Node(draw.choice(NUMBERS[:5]), "NUM", "nummod"))
    if definite or chance < 0.6:
        return (Node("all", "DET", "det:predet"), the) if many and chance > 0.95 else (the,)
    if many:
        return (Node("these" if chance < 0.66 else "some", "DET", "det"),)
    return (Node("this" if chance < 0.63 else "that" if chance < 0.65 else indefinite(following), "DET", "det"),)


def _attribute(text: str) -> Node:
    """A prepositional phrase, or an adverb such as `next door`, behind a noun."""
    tokens = text.split()
    return case(tokens[0], noun_phrase(tokens[1:]), "nmod")


def with_owner(draw: Random, owner: Node, noun: str) -> Node:
    """A relative or colleague of somebody's, of the gender that the noun has."""
    agreement: Agreement = draw.choice(("feminine", "masculine"))
    agreement = "feminine" if noun in SISTERS else "masculine" if noun in BROTHERS else agreement
    return possessed(owner, noun, Entity("PERSON", agreement))
