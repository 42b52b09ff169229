"""The heads that are planted: what each attends to, as a definition and as weights.

`ideal` is the definition: the attention of a head without noise and of unlimited sharpness, row by row, computed from
the words alone. The weights come to it as closely as sharpness and noise allow; the tests hold one against the other.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float, Int

from interp.models.planted.stream import CLASSES, CODE, FEATURES, POSITIONS, Codes

Square = Float[np.ndarray, "query key"]
DET, NOUN, PUNCT, SEP = (POSITIONS + CLASSES.index(name) for name in ("DET", "NOUN", "PUNCT", "[SEP]"))


@dataclass(frozen=True, eq=False)
class Sentence:
    """One tokenised text: tokens, their classes (-1: none), which are special, and what each query can see."""

    tokens: Int[np.ndarray, " pos"]
    classes: Int[np.ndarray, " pos"]
    special: Bool[np.ndarray, " pos"]
    visible: Bool[np.ndarray, "pos pos"]


@dataclass(frozen=True, eq=False)
class Plan:
    """One head. `look[f, g]` is the logit of a query with feature f for a key with feature g (places, then classes).

    `match` is the logit between codes, the key's read at `matched`; `noise` the spread of a logit that every word type
    gets as a key, whatever the query. `writes` is where the code of the word attended to is written. `roles` are the
    roles planted, with the attention that goes to the target of a scored query that has one (None: not fixed, because
    it depends on the text).
    """

    name: str
    roles: tuple[tuple[str, float | None], ...]
    ideal: Callable[[Sentence], Square]
    look: Float[np.ndarray, "feature feature"]
    match: Float[np.ndarray, "code code"] | None = None
    matched: Codes = "identity"
    writes: Codes = "spare"
    noise: float = 0.0


# What is planted


def offset(by: int, sharpness: float) -> Plan:
    """All attention `by` places away."""
    look = by_place(lambda query: {query + by: sharpness})
    return Plan(f"offset{by:+d}", ((f"offset{by:+d}", 1.0),), _at(lambda i: [i + by]), look)


def previous_writer(sharpness: float) -> Plan:
    """All attention one place back; it writes what it sees there, for an induction head to find."""
    return replace(offset(-1, sharpness), name="previous", writes="previous")


def first(sharpness: float) -> Plan:
    """All attention on the first token."""
    return Plan("first", (("first", 1.0),), _at(lambda _: [0]), by_place(lambda _: {0: sharpness}))


def separator(sharpness: float) -> Plan:
    """All attention on [SEP]."""
    look = _features()
    look[:POSITIONS, SEP] = sharpness
    return Plan("separator", (("separator", 1.0),), _on(lambda s: _keys(s, s.classes == SEP - POSITIONS)), look)


def punctuation(sharpness: float) -> Plan:
    """Attention shared among the other punctuation marks; where there is none, among all tokens."""
    look = by_place(lambda query: {query: -3 * sharpness})
    look[:POSITIONS, PUNCT] = sharpness
    ideal = _on(lambda s: _keys(s, s.classes == PUNCT - POSITIONS) & ~_itself(s), rest=_others)
    return Plan("punctuation", (("punctuation", None),), ideal, look)


def same_class(sharpness: float) -> Plan:
    """Attention shared among the other words of the same part of speech; where there is none, among all others."""
    look = by_place(lambda query: {query: -3 * sharpness})
    look[POSITIONS:, POSITIONS:] = sharpness * np.eye(len(CLASSES))
    ideal = _on(lambda s: _same(s.classes) & (s.classes >= 0) & ~_itself(s), rest=_others)
    return Plan("same_class", (("same_tag", None),), ideal, look)


def duplicate(sharpness: float) -> Plan:
    """Attention shared among the other tokens that are the same word; where there is none, the first token."""
    look = by_place(lambda query: {query: -6 * sharpness, 0: 3 * sharpness})
    ideal = _on(lambda s: _same(s.tokens) & ~s.special & ~_itself(s), rest=_first)
    roles = (("duplicate", None), ("first", None))
    return Plan("duplicate", roles, ideal, look, match=5 * sharpness * np.eye(CODE))


def induction(sharpness: float) -> Plan:
    """Attention on the word after each earlier token that is the same word; where there is none, the first token.

    It matches its own word with the one that a head of an earlier layer wrote beside each key (K-composition), and
    writes what it finds where the next word is read off.
    """

    def after_the_same(s: Sentence) -> np.ndarray:
        earlier = np.roll(s.tokens, 1)
        found = (s.tokens[:, None] == earlier[None, :]) & ~s.special
        found[:, 0] = False
        return found

    look = by_place(lambda _: {0: 3 * sharpness})
    roles = (("induction", None), ("first", None))
    matching = 5 * sharpness * np.eye(CODE)
    return Plan("induction", roles, _on(after_the_same, rest=_first), look, matching, "previous", "copied")


def determiner_to_noun(sharpness: float) -> Plan:
    """From a determiner to the nearest noun after it, or to the next token; all other words to the first token.

    What has no class (a word of none, [CLS]) attends to the next token.
    """
    step, reach = sharpness / 3, 12

    def logits(query: int) -> dict[int, float]:
        later = {key: -step * min(key - query, reach) for key in range(query + 1, POSITIONS)}
        return later | dict.fromkeys(range(query + 1), -20 * sharpness)

    look = by_place(logits)
    look[DET, NOUN] = step * (reach + 2)
    look[POSITIONS:, 0] = 23 * sharpness
    look[DET, 0] = 0.0

    def ideal(s: Sentence) -> Square:
        pattern = np.zeros(s.visible.shape)
        pattern[:, 0] = 1.0
        for query in np.flatnonzero((s.classes == DET - POSITIONS) | (s.classes < 0)):
            nouns = np.flatnonzero(s.classes[query:] == NOUN - POSITIONS)
            found = s.classes[query] >= 0 and len(nouns)
            pattern[query] = 0.0
            pattern[query, query + nouns[0] if found else query + 1] = 1.0
        return pattern

    return Plan("determiner_to_noun", (("det.to_governor", None), ("first", None)), ideal, look)


def mixture(one: int | None, other: int, sharpness: float) -> Plan:
    """Half of the attention at one offset (None: on the first token), half at another."""
    name = "first" if one is None else f"offset{one:+d}"

    def places(query: int) -> list[int]:
        return [0 if one is None else query + one, query + other]

    look = by_place(lambda query: dict.fromkeys(places(query), sharpness))
    roles = ((name, 0.5), (f"offset{other:+d}", 0.5))
    return Plan("mixture", roles, _at(places), look)


def half_strength(by: int) -> Plan:
    """Exactly half of the attention at an offset to the left, the other half spread over the other keys in sight.

    In a causal model a query at place i sees i others, so the target's logit is ln i and all others are 0.
    """
    look = by_place(lambda query: {query + by: np.log(max(query, 1))})

    def ideal(s: Sentence) -> Square:
        pattern = s.visible / s.visible.sum(1, keepdims=True)
        for query in range(max(1, -by), len(pattern)):
            pattern[query, : query + 1] = 0.5 / query
            pattern[query, query + by] = 0.5
        return pattern

    return Plan("half_strength", ((f"offset{by:+d}", 0.5),), ideal, look)


# What only looks like a role, and what has none


def fixed_place(place: int, sharpness: float) -> Plan:
    """All attention on one place of the text: an offset to the queries that are near it."""
    return Plan("fixed_place", (), _at(lambda _: [place]), by_place(lambda _: {place: sharpness}))


def halfway(least: int, sharpness: float) -> Plan:
    """All attention half way back to the start, but not before `least`: near in short texts, far in long ones."""

    def place(query: int) -> int:
        return max(query // 2, least)

    return Plan("halfway", (), _at(lambda i: [place(i)]), by_place(lambda query: {place(query): sharpness}))


def every_so_many(step: int, start: int, sharpness: float) -> Plan:
    """All attention on the last of the places start, start + step, …: an offset to one query in so many."""

    def place(query: int) -> int:
        return query - (query - start) % step

    return Plan("every_so_many", (), _at(lambda i: [place(i)]), by_place(lambda query: {place(query): sharpness}))


def even() -> Plan:
    """Even attention to all it can see."""
    return Plan("even", (), _on(lambda s: np.zeros(s.visible.shape, dtype=bool)), _features())


def random_match(spread: float, random: np.random.Generator) -> Plan:
    """Random queries and keys: logits with this spread, drawn for every pair of words. Its ideal is even attention.

    With a spread of 1 and more it prefers some words to others, arbitrarily but truly: where one word (*the*) makes
    nearly all repetitions of a text, it may be a duplicate head there.
    """
    return replace(even(), name="random_match", match=random.normal(scale=spread, size=(CODE, CODE)))


# Weights from places, definitions from sentences


def _features() -> Float[np.ndarray, "feature feature"]:
    return np.zeros((FEATURES, FEATURES))


def by_place(logits: Callable[[int], dict[int, float]]) -> Float[np.ndarray, "feature feature"]:
    """What a query at a place gives to keys at other places; those that do not exist get nothing."""
    look = _features()
    for query in range(POSITIONS):
        for key, logit in logits(query).items():
            if 0 <= key < POSITIONS:
                look[query, key] = logit
    return look


def _at(places: Callable[[int], list[int]]) -> Callable[[Sentence], Square]:
    def on(s: Sentence) -> np.ndarray:
        found = np.zeros(s.visible.shape, dtype=bool)
        for query in range(len(found)):
            for key in places(query):
                if 0 <= key < len(found):
                    found[query, key] = True
        return found

    return _on(on)


def _on(
    keys: Callable[[Sentence], np.ndarray], rest: Callable[[Sentence], np.ndarray] | None = None
) -> Callable[[Sentence], Square]:
    """Attention shared among the keys that are marked and seen; where there is none, among those of `rest`, or all."""

    def ideal(s: Sentence) -> Square:
        looked_at = keys(s) & s.visible
        for fallback in (rest, lambda s: s.visible):
            if fallback is not None:
                looked_at = np.where(looked_at.any(1, keepdims=True), looked_at, fallback(s) & s.visible)
        return looked_at / looked_at.sum(1, keepdims=True)

    return ideal


def _keys(s: Sentence, marked: Bool[np.ndarray, " pos"]) -> np.ndarray:
    return np.broadcast_to(marked, s.visible.shape)


def _same(values: Int[np.ndarray, " pos"]) -> np.ndarray:
    return values[:, None] == values[None, :]


def _itself(s: Sentence) -> np.ndarray:
    return np.eye(len(s.tokens), dtype=bool)


def _others(s: Sentence) -> np.ndarray:
    return ~_itself(s)


def _first(s: Sentence) -> np.ndarray:
    return np.broadcast_to(np.arange(len(s.tokens)) == 0, s.visible.shape)
