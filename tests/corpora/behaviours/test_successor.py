"""Successors as the calendar and the alphabet have them."""

import calendar
import string
from itertools import pairwise

from interp.corpora.behaviours import successor
from interp.corpora.prompts import read_prompts
from tests.support.word_models import reader_of

CORPUS = successor()
NUMBERS = (
    "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen "
    "eighteen nineteen twenty"
)
ORDINALS = "first second third fourth fifth sixth seventh eighth ninth tenth"
DAYS, MONTHS = list(calendar.day_name), list(calendar.month_name)[1:]
LISTS = (NUMBERS.split(), ORDINALS.split(), list(string.ascii_uppercase), [*DAYS, DAYS[0]], [*MONTHS, MONTHS[0]])
NEXT = {word: after for words in LISTS for word, after in pairwise(words)}


def items(text: str) -> list[str]:
    return [item.strip() for item in text.rpartition(":")[2].removesuffix(",").split(",")]


def test_right_comes_next_and_wrong_comes_next_in_the_corrupted_text() -> None:
    for one in CORPUS:
        assert one.prompt
        for text, answer in ((one.text, one.prompt.right), (one.prompt.corrupted, one.prompt.wrong)):
            said = items(text)
            assert [NEXT[item] for item in said] == [*said[1:], answer.strip()]


def test_no_answer_is_said_in_either_text() -> None:
    for one in CORPUS:
        assert one.prompt
        said = {*items(one.text), *items(one.prompt.corrupted)}
        assert not said & {one.prompt.right.strip(), one.prompt.wrong.strip()}


def test_every_sequence_and_template_has_its_turn() -> None:
    kinds = {"days", "months", "numbers", "letters", "ordinals"}
    assert {one.prompt.template for one in CORPUS if one.prompt} == {f"{kind} {n}" for kind in kinds for n in range(3)}


def test_positions_by_hand() -> None:
    prompts = read_prompts(reader_of(CORPUS), CORPUS)
    by_hand = {
        # Monday , Tuesday ,
        "days 0": (2, 3),
        # A , B , C ,
        "letters 0": (4, 5),
        # Say them in order : one , two , three ,
        "numbers 1": (9, 10),
        # They come one after the other : May , June , July ,
        "months 2": (11, 12),
    }
    met = set[str]()
    for number, one in enumerate(prompts.asked):
        if one.template in by_hand:
            met.add(one.template)
            found = (prompts.named["last_item"][number], prompts.named["end"][number])
            assert found == by_hand[one.template]
    assert met == set(by_hand)
