"""Forms of English verbs and nouns: the regular rules, and the irregular ones by hand."""

from functools import cache
from typing import NamedTuple

VOWELS = "aeiou"


class Verb(NamedTuple):
    """The five forms of a verb."""

    base: str
    third: str
    past: str
    participle: str
    gerund: str


_IRREGULAR = """
beat beat beaten, become became become, begin began begun, break broke broken, bring brought brought,
build built built, buy bought bought, catch caught caught, choose chose chosen, come came come, cost cost cost,
cut cut cut, draw drew drawn, drink drank drunk, drive drove driven, eat ate eaten, fall fell fallen, feed fed fed,
feel felt felt, fight fought fought, find found found, fit fit fit, fly flew flown, forget forgot forgotten,
forgive forgave forgiven, get got gotten, give gave given, go went gone, grow grew grown, hang hung hung,
have had had, hear heard heard, hide hid hidden, hold held held, keep kept kept, know knew known, lead led led,
leave left left, lend lent lent, lie lay lain, lose lost lost, make made made, meet met met,
oversleep overslept overslept, pay paid paid, put put put, read read read, ring rang rung, rise rose risen,
run ran run, say said said, see saw seen, sell sold sold, send sent sent, set set set,
show showed shown, sing sang sung, sit sat sat,
sleep slept slept, speak spoke spoken, stand stood stood, steal stole stolen, swim swam swum, take took taken,
teach taught taught, tell told told, think thought thought, throw threw thrown, understand understood understood,
wake woke woken, wear wore worn, win won won, write wrote written
"""
IRREGULAR_VERBS = {base: (past, participle) for base, past, participle in map(str.split, _IRREGULAR.split(","))}
"""Past and participle of verbs that do not take -ed."""
IRREGULAR_PLURALS = {
    "calf": "calves",
    "child": "children",
    "goose": "geese",
    "knife": "knives",
    "loaf": "loaves",
    "man": "men",
    "mouse": "mice",
    "shelf": "shelves",
    "sheep": "sheep",
    "leaf": "leaves",
    "wolf": "wolves",
    "woman": "women",
    "piano": "pianos",
    "radio": "radios",
    "scarf": "scarves",
    "quiz": "quizzes",
}
_DOUBLED = "admit begin chat cut drop fit forget get hug plan put run set sit stop swim win"
DOUBLED = frozenset(_DOUBLED.split())
"""Verbs whose final consonant doubles before -ed and -ing."""


@cache
def verb(base: str) -> Verb:
    """All forms of a verb from its base form."""
    doubled = base + base[-1] if base in DOUBLED else base
    silent = base.endswith("e")
    past = base + "d" if silent else base[:-1] + "ied" if _consonant_y(base) else doubled + "ed"
    stem = base[:-2] + "y" if base.endswith("ie") else base[:-1] if silent and not base.endswith("ee") else doubled
    past, participle = IRREGULAR_VERBS.get(base, (past, past))
    third = "has" if base == "have" else _with_s(base)
    return Verb(base, third, past, participle, stem + "ing")


@cache
def plural(noun: str) -> str:
    """The plural of a noun."""
    return IRREGULAR_PLURALS.get(noun) or _with_s(noun)


def indefinite(following: str) -> str:
    """The indefinite article before the word `following`: by its first sound, not its first letter."""
    word = following.lower()
    if word.startswith(("uni", "use", "euro", "one", "usu")):
        return "a"
    return "an" if word[0] in VOWELS or word.startswith(("hour", "honest", "heir")) else "a"


def _with_s(word: str) -> str:
    """The word with the ending -s, as spelling has it."""
    if _consonant_y(word):
        return word[:-1] + "ies"
    return word + ("es" if word.endswith(("s", "x", "z", "ch", "sh", "o")) else "s")


def _consonant_y(word: str) -> bool:
    return word.endswith("y") and word[-2] not in VOWELS
