"""Years as arithmetic has them."""

import re

import pytest

from interp.corpora.behaviours import greater_than
from interp.corpora.prompts import read_prompts
from interp.documents import Document, Prompt
from tests.support.word_models import reader_of

CORPUS = greater_than()


def asked(digits: int) -> list[tuple[Document, Prompt]]:
    found = [(one, one.prompt) for one in CORPUS if one.prompt and len(one.prompt.right) == digits]
    assert len(found) == len(CORPUS) // 2
    return found


def years(text: str) -> tuple[int, str]:
    """The first year, and the digits with which the text ends: the second one's century."""
    (first,), (century,) = re.findall(r"\b\d{4}\b", text), re.findall(r" (\d{2})$", text)
    return int(first), century


def test_of_two_digits_right_is_later_and_wrong_is_earlier() -> None:
    for one, prompt in asked(2):
        first, century = years(one.text)
        right, wrong = (int(century + answer) for answer in (prompt.right, prompt.wrong))
        assert wrong < first < right
        # as far away
        assert right - first == first - wrong


def test_of_one_digit_every_year_of_the_decade_is_later_or_earlier() -> None:
    for one, prompt in asked(1):
        first, century = years(one.text)
        right, wrong = (
            [int(f"{century}{answer}{last}") for last in range(10)] for answer in (prompt.right, prompt.wrong)
        )
        assert max(wrong) < first < min(right)


@pytest.mark.parametrize("digits", [1, 2])
def test_after_the_corrupted_text_both_answers_are_later(digits: int) -> None:
    for one, prompt in asked(digits):
        early, century = years(prompt.corrupted)
        assert century == years(one.text)[1]
        assert all(int((century + answer).ljust(4, "0")) > early for answer in (prompt.right, prompt.wrong))
        differ = [place for place, (a, b) in enumerate(zip(one.text, prompt.corrupted, strict=True)) if a != b]
        ((_, start, end),) = prompt.named
        assert start <= min(differ) and max(differ) < end


@pytest.mark.parametrize(
    ("digits", "first_year", "end"),
    # The noun lasted from the year 17 32 to the year 17; The noun lasted from the year 1 7 3 2 to the year 1 7
    [(2, 7, 11), (1, 8, 14)],
)
def test_positions_by_hand(digits: int, first_year: int, end: int) -> None:
    prompts = read_prompts(reader_of(CORPUS, digits=digits), CORPUS)
    assert {len(one.right) for one in prompts.asked} == {digits}
    lasted = [number for number, one in enumerate(prompts.clean.corpus) if " lasted " in one.text]
    assert len(lasted) > 30
    for number in lasted:
        assert (prompts.named["first_year"][number], prompts.named["end"][number]) == (first_year, end)


def test_every_century_and_noun_has_its_turn() -> None:
    assert {years(one.text)[1] for one in CORPUS} == {str(century) for century in range(11, 18)}
    assert len({one.source for one in CORPUS}) == 120
