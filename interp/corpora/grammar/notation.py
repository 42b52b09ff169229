"""A shorthand for phrases, so that the tables read as English: `give / _ / a photograph of own children`.

A verb phrase is a verb (with `had`, `could`, `would`, `was`, `didn't`, `couldn't` before it, a particle after it) and
its complements, split by ` / `. A complement is a noun phrase, a prepositional phrase, an adverb, an adjective
(`seem / tired`), an infinitive (`want / +leave / the city`) or one of purpose (`go / home / >fetch / a coat`).
`_` stands for a phrase that is passed in, `own` for the possessive pronoun of the subject.
"""

from collections.abc import Sequence

from interp.corpora.grammar.inflection import indefinite
from interp.corpora.grammar.lexicon import (
    ADDRESSED,
    ADJECTIVES,
    ADVERBS,
    DEGREES,
    DETERMINERS,
    KINDS,
    NUMBERS,
    PARTICLES,
    PLAIN_NOUNS,
    PREPOSITIONS,
    PROPER,
    SINGULARS,
)
from interp.corpora.grammar.tree import Agreement, Entity, Node, after, as_relation, before

PRONOUNS: dict[Agreement, tuple[str, str, str]] = {
    "feminine": ("she", "her", "her"),
    "masculine": ("he", "him", "his"),
    "neuter": ("it", "it", "its"),
    "plural": ("they", "them", "their"),
}
"""Subject, object and possessive form."""


def pronoun(entity: Entity, relation: str) -> Node:
    """The personal or, as `nmod:poss`, possessive pronoun for an entity."""
    if entity.agreement is None:
        raise ValueError("an entity without gender and number has no pronoun")
    subject, other, possessive = PRONOUNS[entity.agreement]
    form = possessive if relation == "nmod:poss" else subject if relation.startswith("nsubj") else other
    return Node(form, "PRON", relation, entity=entity)


def case(preposition: str, phrase: Node, relation: str) -> Node:
    """The noun phrase behind a preposition."""
    return as_relation(before(phrase, Node(preposition, "ADP", "case")), relation)


def noun_phrase(words: Sequence[str], slot: Node | None = None, owner: Entity | None = None) -> Node:
    """The noun phrase of these words, with the prepositional phrases behind it, relation still open."""
    cut = next((place for place, word in enumerate(words) if place and word in PREPOSITIONS), len(words))
    *modifiers, head = words[:cut]
    if head == "_":
        if slot is None:
            raise ValueError("the phrase has a `_` and nothing to put there")
        node = slot
    else:
        left = [_modifier(word, following, owner) for word, following in zip(modifiers, words[1:cut], strict=True)]
        node = Node(head, "PROPN" if head in PROPER else "NOUN", left=tuple(left), entity=_referent(words[:cut]))
    if cut < len(words):
        node = after(node, case(words[cut], noun_phrase(words[cut + 1 :], slot, owner), "nmod"))
    return node


def adjunct(text: str, slot: Node | None = None, owner: Entity | None = None) -> Node:
    """One complement or adjunct of a verb from its shorthand; a bare noun phrase comes back as `obj`."""
    words = text.split()
    if words[-1] in ADVERBS and all(word in DEGREES for word in words[:-1]):
        return adverb(text)
    if words[0] in PREPOSITIONS:
        return case(words[0], noun_phrase(words[1:], slot, owner), "obl")
    if words[-1] == "ago":
        return Node("ago", "ADV", "advmod", left=(as_relation(noun_phrase(words[:-1]), "obl:unmarked"),))
    if words[-1] in ADJECTIVES and (words[0] in ADJECTIVES or words[0] in DEGREES):
        return adjective_phrase(text, "xcomp")
    phrase = noun_phrase(words, slot, owner)
    timed = KINDS.get(SINGULARS.get(words[-1], words[-1])) == "TIME"
    return as_relation(phrase, "obl:unmarked" if timed else "obj")


def adverb(text: str) -> Node:
    """An adverb, with the degree before it: `very slowly`."""
    *degrees, head = text.split()
    return Node(head, "ADV", "advmod", left=tuple(_degree(word) for word in degrees))


def adjective_phrase(text: str, relation: str) -> Node:
    """An adjective with degrees before and a prepositional phrase behind it: `too short of money`."""
    words = text.split()
    place = next(place for place, word in enumerate(words) if word in ADJECTIVES)
    node = Node(words[place], "ADJ", relation, left=tuple(_degree(word) for word in words[:place]))
    rest = words[place + 1 :]
    return after(node, case(rest[0], noun_phrase(rest[1:]), "obl")) if rest else node


def complements(
    verb: str, texts: Sequence[str], slot: Node | None = None, owner: Entity | None = None
) -> tuple[Node, ...]:
    """The dependents right of a verb; the recipient and the person addressed are indirect objects."""
    nodes: list[Node] = []
    for place, text in enumerate(texts):
        if text[0] in "+>":
            nodes.append(_infinitive(text, texts[place + 1 :], slot, owner))
            break
        nodes.append(adjunct(text, slot, owner))
    bare = [place for place, node in enumerate(nodes) if node.relation == "obj"]
    if len(bare) == 2 or (bare and verb in ADDRESSED and _is_somebody(nodes[bare[0]])):
        nodes[bare[0]] = as_relation(nodes[bare[0]], "iobj")
    return tuple(nodes)


def split_particle(text: str) -> tuple[str, tuple[Node, ...]]:
    """A verb and its particle as a dependent: `wake up`."""
    verb, *particles = text.split()
    if any(word not in PARTICLES for word in particles):
        raise ValueError(f"{text!r} is not a verb with a particle")
    return verb, tuple(Node(word, "ADP", "compound:prt") for word in particles)


def _infinitive(text: str, texts: Sequence[str], slot: Node | None, owner: Entity | None) -> Node:
    """A `to` infinitive: `+` as open complement, `>` as the purpose of what happens."""
    verb, particle = split_particle(text[1:])
    right = (*particle, *complements(verb, texts, slot, owner))
    return Node(verb, "VERB", "xcomp" if text[0] == "+" else "advcl", (Node("to", "PART", "mark"),), right)


def _is_somebody(node: Node) -> bool:
    return node.entity is not None and node.entity.kind in ("PERSON", "GROUP")


def _degree(word: str) -> Node:
    return Node(word, "PART" if word == "not" else "ADV", "advmod")


def _modifier(word: str, following: str, owner: Entity | None) -> Node:
    """A word before a noun: possessive, determiner, numeral, adjective, or else another noun."""
    if word == "own":
        if owner is None:
            raise ValueError("`own` needs a subject that a pronoun can refer to")
        return pronoun(owner, "nmod:poss")
    if word in DETERMINERS:
        return Node(indefinite(following) if word in ("a", "an") else word, "DET", "det")
    if word in NUMBERS:
        return Node(word, "NUM", "nummod")
    return Node(word, "ADJ", "amod") if word in ADJECTIVES else Node(word, "NOUN", "compound")


def _referent(words: Sequence[str]) -> Entity | None:
    """A new entity for the noun phrase; none for nouns of fixed phrases, nor after `every` and `no`."""
    head = words[-1]
    kind = KINDS.get(SINGULARS.get(head, head))
    if kind is None and head not in PLAIN_NOUNS:
        raise ValueError(f"the noun {head!r} is not in the lexicon")
    if kind is None or words[0] in ("every", "each", "no", "any"):
        return None
    return Entity(kind, "plural" if head in SINGULARS else None if kind == "PERSON" else "neuter")
