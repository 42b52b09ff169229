"""What does a pronoun stand for? Of a person and a thing the one of which the reason can be said."""

from random import Random
from typing import NamedTuple

from interp.corpora.behaviours.templates import check_documents, fill, prompt_corpus, prompt_document
from interp.corpora.subsets import check_limit
from interp.types import Corpus, Document


class Event(NamedTuple):
    """What a {person} does not do with a {thing}, why (said of the thing, or of the person), and who and what it is."""

    text: str
    of_thing: str
    of_person: str
    candidates: tuple[tuple[str, str], ...]


EVENTS = (
    Event("The {person} didn't attempt the {thing}", "difficult", "tired", (("student", "quiz"), ("pilot", "test"))),
    Event("The {person} didn't buy the {thing}", "expensive", "poor", (("farmer", "truck"), ("artist", "house"))),
    Event("The {person} couldn't lift the {thing}", "heavy", "weak", (("dancer", "box"), ("tourist", "table"))),
    Event("The {person} didn't read the {thing}", "long", "busy", (("lawyer", "report"), ("doctor", "letter"))),
    Event("The {person} couldn't reach the {thing}", "high", "short", (("painter", "shelf"), ("thief", "window"))),
    Event("The {person} didn't cross the {thing}", "dangerous", "scared", (("soldier", "bridge"), ("nurse", "river"))),
    Event("The {person} didn't watch the {thing}", "boring", "sleepy", (("writer", "film"), ("friend", "show"))),
    Event("The {person} couldn't repair the {thing}", "old", "stupid", (("engineer", "clock"), ("driver", "radio"))),
    Event("The {person} didn't climb the {thing}", "steep", "afraid", (("guide", "mountain"), ("guard", "hill"))),
    Event("The {person} didn't enter the {thing}", "dark", "nervous", (("detective", "cave"), ("stranger", "forest"))),
    Event("The {person} didn't finish the {thing}", "complicated", "lazy", (("teacher", "puzzle"), ("judge", "essay"))),
    Event("The {person} didn't eat the {thing}", "cold", "sick", (("guest", "soup"), ("singer", "pizza"))),
    Event("The {person} didn't drink the {thing}", "bitter", "drunk", (("baker", "coffee"), ("captain", "wine"))),
    Event("The {person} couldn't catch the {thing}", "fast", "slow", (("player", "ball"), ("visitor", "train"))),
    Event("The {person} didn't sell the {thing}", "valuable", "greedy", (("merchant", "ring"), ("collector", "coin"))),
    Event("The {person} didn't clean the {thing}", "large", "proud", (("servant", "castle"), ("cook", "kitchen"))),
    Event("The {person} didn't wear the {thing}", "ugly", "modest", (("actor", "coat"), ("musician", "hat"))),
    Event("The {person} couldn't hear the {thing}", "quiet", "deaf", (("professor", "alarm"), ("clerk", "song"))),
    Event("The {person} didn't drive the {thing}", "broken", "young", (("mechanic", "car"), ("assistant", "bus"))),
    Event("The {person} didn't use the {thing}", "dirty", "careful", (("scientist", "bottle"), ("chef", "oven"))),
    Event("The {person} didn't answer the {thing}", "silly", "shy", (("candidate", "question"), ("cousin", "phone"))),
    Event("The {person} didn't rent the {thing}", "small", "rich", (("manager", "office"), ("lady", "apartment"))),
)
PERSONAL = ("he", "she")
_REASON = " because {pronoun} was too {why}. {question} was too {why}? The"


def pronoun(documents: int = 88, seed: int = 0, limit: int | None = None) -> Corpus:
    """22 events of two pairs of a person and a thing, in an order from `seed`: right is what was meant.

    *The student didn't attempt the quiz because it was too difficult. What was too difficult? The*: right is *quiz*,
    wrong *student*. The corrupted text has the other reason (*because she was too tired. Who was too tired? The*),
    after which wrong is right. Every pair is asked both, and both prompts are one source document; he or she is drawn.
    Pronoun, question and reason all say whether a person is meant: a model may answer by any of them. Named positions:
    `pronoun`, `antecedent` (the right candidate), `other_candidate`. `limit` keeps the first so many. Raises
    `InterpError` where there would be none, or more than there are.
    """
    pairs = [(number, pair) for number, event in enumerate(EVENTS) for pair in event.candidates]
    check_documents(documents, 2 * len(pairs))
    check_limit(limit)
    random, found = Random(seed), list[Document]()
    for number, (person, thing) in random.sample(pairs, (documents + 1) // 2):
        personal = random.choice(PERSONAL)
        found += [_prompt(number, person, thing, personal, is_person) for is_person in (False, True)]
    note = "prompts are filled templates: intervals describe these events and candidates, not a language"
    return prompt_corpus("pronoun", found[:documents][:limit], note)


def _prompt(number: int, person: str, thing: str, personal: str, is_person: bool) -> Document:
    event = EVENTS[number]
    of_person = {"pronoun": personal, "question": "Who", "why": event.of_person}
    of_thing = {"pronoun": "it", "question": "What", "why": event.of_thing}
    template = event.text + _REASON
    words = {"person": person, "thing": thing}
    text, spans = fill(template, words | (of_person if is_person else of_thing))
    corrupted, _ = fill(template, words | (of_thing if is_person else of_person))
    right, wrong = ("person", "thing") if is_person else ("thing", "person")
    return prompt_document(
        text,
        f"pronoun {number} {person} {thing}",
        template=f"{right} {number}",
        right=f" {words[right]}",
        wrong=f" {words[wrong]}",
        corrupted=corrupted,
        named={"pronoun": spans["pronoun"], "antecedent": spans[right], "other_candidate": spans[wrong]},
    )
