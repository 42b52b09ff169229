"""Pronouns and what they stand for."""

import re

from interp.corpora.behaviours import pronoun
from interp.corpora.prompts import read_prompts
from tests.support.word_models import reader_of

CORPUS = pronoun()
FORM = re.compile(
    r"The (?P<person>\w+) (?:didn't|couldn't) \w+ the (?P<thing>\w+) because (?P<pronoun>it|he|she) was "
    r"too (?P<why>\w+)\. (?P<question>What|Who) was too (?P=why)\? The"
)


def test_it_is_the_thing_and_he_or_she_the_person() -> None:
    for one in CORPUS:
        assert one.prompt
        found = FORM.fullmatch(one.text)
        assert found, one.text
        right, wrong = ("thing", "person") if found["pronoun"] == "it" else ("person", "thing")
        assert found["question"] == ("What" if found["pronoun"] == "it" else "Who")
        assert one.prompt.right == f" {found[right]}" and one.prompt.wrong == f" {found[wrong]}"
        spans = {
            "pronoun": found.span("pronoun"),
            "antecedent": found.span(right),
            "other_candidate": found.span(wrong),
        }
        assert {name: (start, end) for name, start, end in one.prompt.named} == spans


def test_the_corrupted_text_is_the_other_prompt_of_its_source() -> None:
    texts: dict[str, set[str]] = {}
    for one in CORPUS:
        texts.setdefault(one.source, set()).add(one.text)
    for one in CORPUS:
        assert one.prompt
        assert texts[one.source] == {one.text, one.prompt.corrupted}


def test_positions_by_hand() -> None:
    """The student didn ' t attempt the quiz because it was too difficult . What was too difficult ? The."""
    prompts = read_prompts(reader_of(CORPUS), CORPUS)
    (number,) = [
        number for number, one in enumerate(prompts.clean.corpus) if " quiz " in one.text and " it " in one.text
    ]
    found = {name: int(place[number]) for name, place in prompts.named.items()}
    assert found == {"pronoun": 9, "antecedent": 7, "other_candidate": 1, "end": 19}


def test_half_of_the_answers_are_persons() -> None:
    right = [one.prompt.template.split(" ")[0] for one in CORPUS if one.prompt]
    assert right.count("person") == right.count("thing") == 44
