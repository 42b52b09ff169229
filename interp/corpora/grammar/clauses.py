"""Clauses: the English auxiliary sequence, subject and predicate, and how clauses join."""

from typing import Literal, NamedTuple

from interp.corpora.grammar.inflection import verb as forms
from interp.corpora.grammar.lexicon import ADJECTIVES, DEGREES, PREPOSITIONS
from interp.corpora.grammar.notation import adjective_phrase, case, complements, noun_phrase, split_particle
from interp.corpora.grammar.tree import Entity, Node, after, as_relation, before, is_plural

MODALS = {"will": "wo", "can": "ca", "could": "could", "would": "would"}
"""Each modal, and how it is written before n't."""


class Shape(NamedTuple):
    """What the auxiliaries of a clause express."""

    tense: Literal["past", "present"] = "past"
    modal: str = ""
    perfect: bool = False
    progressive: bool = False
    passive: bool = False
    negation: Literal["", "n't", "not"] = ""


PAST = Shape()
PRESENT = Shape("present")
FUTURE = Shape("present", modal="will")
PAST_PERFECT = Shape(perfect=True)
PREFIXES = {
    "had": {"perfect": True},
    "could": {"modal": "could"},
    "would": {"modal": "would"},
    "was": {"progressive": True},
    "didn't": {"negation": "n't"},
    "couldn't": {"modal": "could", "negation": "n't"},
}


def verb_group(
    verb: str, shape: Shape, plural: bool, *, copular: bool = False, inverted: bool = False
) -> tuple[tuple[Node, ...], str]:
    """Auxiliaries (with the negation) and the form of the verb; with `copular`, `be` is the last of the auxiliaries."""
    chain = [(shape.modal, "aux")] if shape.modal else []
    chain += [("have", "aux")] if shape.perfect else []
    chain += [("be", "aux")] if shape.progressive else []
    chain += [("be", "aux:pass")] if shape.passive else []
    chain += [("be", "cop")] if copular else []
    if not chain and (shape.negation or inverted):
        chain = [("do", "aux")]
    nodes: list[Node] = []
    form = "finite"
    for lemma, relation in chain:
        nodes.append(Node(_inflect(lemma, form, shape.tense, plural), "AUX", relation))
        form = {"have": "participle", "be": "participle" if relation == "aux:pass" else "gerund"}.get(lemma, "base")
    if shape.negation == "n't":
        first = nodes[0]._replace(word=MODALS.get(nodes[0].word, nodes[0].word))
        nodes[:1] = [first, Node("n't", "PART", "advmod", joined=True)]
    elif shape.negation:
        nodes.insert(1, Node("not", "PART", "advmod"))
    return tuple(nodes), _inflect(verb, form, shape.tense, plural)


def clause(
    subject: Node,
    text: str,
    shape: Shape = PAST,
    *,
    slot: Node | None = None,
    owner: Entity | None = None,
    adverb: Node | None = None,
    plural: bool | None = None,
) -> Node:
    """Subject and predicate from the predicate's shorthand (`too difficult`, `in a hurry`, `had win / the prize`).

    `plural` overrules the subject's number (a relative pronoun has none of its own); `adverb` goes before the verb.
    """
    texts = text.split(" / ")
    first = texts[0].split()
    if first[0] in PREFIXES:
        shape, first = shape._replace(**PREFIXES[first[0]]), first[1:]
    if first[0] == "be" or (len(texts) == 1 and _opens_predicative(first[0])):
        predicate = _predicative(first[1:] if first[0] == "be" else first, texts[1:], slot)
        return copular(subject, predicate, shape, adverb=adverb, plural=plural)
    verb, particle = split_particle(" ".join(first))
    right = complements(verb, texts[1:], slot, owner or subject.group or subject.entity)
    return verbal(subject, verb, (*particle, *right), shape, adverb=adverb, plural=plural)


def verbal(
    subject: Node,
    verb: str,
    right: tuple[Node, ...],
    shape: Shape = PAST,
    *,
    adverb: Node | None = None,
    plural: bool | None = None,
    inverted: bool = False,
) -> Node:
    """A clause around a verb and the dependents right of it; `inverted` puts the first auxiliary before the subject."""
    plural = is_plural(subject) if plural is None else plural
    auxiliaries, form = verb_group(verb, shape, plural, inverted=inverted)
    subject = as_relation(subject, "nsubj:pass" if shape.passive else "nsubj")
    return before(Node(form, "VERB", right=right), *_order(subject, auxiliaries, shape, adverb, inverted))


def copular(
    subject: Node,
    predicate: Node,
    shape: Shape = PAST,
    *,
    adverb: Node | None = None,
    plural: bool | None = None,
    inverted: bool = False,
) -> Node:
    """A clause around an adjective or noun, with `be` as its copula."""
    plural = is_plural(subject) if plural is None else plural
    auxiliaries, _ = verb_group("be", shape, plural, copular=True)
    return before(predicate, *_order(as_relation(subject, "nsubj"), auxiliaries, shape, adverb, inverted))


def infinitive(verb: str, right: tuple[Node, ...], relation: str = "xcomp") -> Node:
    """A clause without a subject of its own, marked by `to`."""
    return Node(verb, "VERB", relation, (Node("to", "PART", "mark"),), right)


def subordinate(conjunction: str, main: Node, relation: str = "advcl") -> Node:
    """The clause as a dependent one; `when`, `where` and `why` are adverbs in it, as in English-EWT."""
    adverbial = conjunction in ("when", "where", "why", "how")
    mark = Node(conjunction, "ADV", "advmod") if adverbial else Node(conjunction, "SCONJ", "mark")
    return as_relation(before(main, mark), relation)


def fronted(dependent: Node, main: Node, *, comma: bool = True) -> Node:
    """A clause that opens with one of its dependents; the comma belongs to the dependent."""
    return before(main, after(dependent, _comma()) if comma else dependent)


def coordinate(first: Node, second: Node, conjunction: str = "and", *, comma: bool = False) -> Node:
    """Two conjuncts; comma and conjunction hang on the second."""
    marks = (*((_comma(),) if comma else ()), Node(conjunction, "CCONJ", "cc"))
    return after(first, as_relation(before(second, *marks), "conj"))


def relative(noun: Node, pronoun: str, text: str, shape: Shape = PAST, adverb: Node | None = None) -> Node:
    """The noun with a relative clause whose subject is the relative pronoun."""
    inner = clause(Node(pronoun, "PRON"), text, shape, plural=is_plural(noun), adverb=adverb)
    return after(noun, as_relation(inner, "acl:relcl"))


def object_relative(noun: Node, pronoun: str, subject: Node, verb: str, shape: Shape = PAST_PERFECT) -> Node:
    """The noun with a relative clause whose object it is; an empty pronoun leaves it out."""
    inner = verbal(subject, verb, (), shape)
    inner = before(inner, Node(pronoun, "PRON", "obj")) if pronoun else inner
    return after(noun, as_relation(inner, "acl:relcl"))


def _order(
    subject: Node, auxiliaries: tuple[Node, ...], shape: Shape, adverb: Node | None, inverted: bool
) -> tuple[Node, ...]:
    """What stands left of the predicate: the adverb follows the first auxiliary and its negation."""
    cut = 0 if not auxiliaries else 2 if shape.negation else 1
    adverbs = () if adverb is None else (adverb,)
    opening = (*auxiliaries[:cut], subject) if inverted else (subject, *auxiliaries[:cut])
    return (*opening, *adverbs, *auxiliaries[cut:])


def _inflect(lemma: str, form: str, tense: str, plural: bool) -> str:
    if lemma in MODALS or form == "base":
        return lemma
    if lemma == "be":
        finite = {"past": ("was", "were"), "present": ("is", "are")}[tense][plural]
        return {"finite": finite, "participle": "been", "gerund": "being"}[form]
    if lemma == "do" and form == "finite":
        return "did" if tense == "past" else "do" if plural else "does"
    verb = forms(lemma)
    finite = verb.past if tense == "past" else verb.base if plural else verb.third
    return {"finite": finite, "participle": verb.participle, "gerund": verb.gerund}[form]


def _predicative(tokens: list[str], texts: list[str], slot: Node | None) -> Node:
    """The head of a copular clause: adjective, noun, or noun behind a preposition; further texts are its adjuncts."""
    if tokens[0] in PREPOSITIONS:
        node = case(tokens[0], noun_phrase(tokens[1:], slot), "root")
    elif _opens_predicative(tokens[0]):
        node = adjective_phrase(" ".join(tokens), "root")
    else:
        node = noun_phrase(tokens, slot)._replace(entity=None)
    return after(node, *complements("be", texts, slot))


def _opens_predicative(token: str) -> bool:
    return token in ADJECTIVES or token in DEGREES or token in PREPOSITIONS


def _comma() -> Node:
    return Node(",", "PUNCT", "punct", joined=True)
