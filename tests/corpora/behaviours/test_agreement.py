"""Verbs that agree with their subjects."""

from collections import Counter

from interp.corpora.behaviours import agreement
from interp.corpora.behaviours.agreement import ATTRACTORS, SUBJECTS
from interp.corpora.prompts import read_prompts
from interp.models import loading

CORPUS = agreement()
PLURAL_VERBS, SINGULAR_VERBS = {"are", "were", "have"}, {"is", "was", "has"}


def test_right_has_the_number_of_the_subject_and_wrong_that_of_the_attractor() -> None:
    for one in CORPUS:
        assert one.prompt
        at = {name: one.text[start:end] for name, start, end in one.prompt.named}
        subject_is_plural = at["subject"].endswith("s")
        assert subject_is_plural == (at["subject"] not in SUBJECTS)
        assert (at["attractor"] in ATTRACTORS) == subject_is_plural
        assert (one.prompt.right.strip() in PLURAL_VERBS) == subject_is_plural
        assert (one.prompt.wrong.strip() in SINGULAR_VERBS) == subject_is_plural


def test_the_corrupted_text_has_the_subject_in_the_other_number_and_nothing_else() -> None:
    for one in CORPUS:
        assert one.prompt
        text, corrupted = one.text.split(" "), one.prompt.corrupted.split(" ")
        ((before, after),) = [(a, b) for a, b in zip(text, corrupted, strict=True) if a != b]
        assert (before in SUBJECTS) != (after in SUBJECTS)
        assert {len(before), len(after)} == {len(min(before, after, key=len)), len(min(before, after, key=len)) + 1}


def test_both_numbers_are_asked_of_every_pair_of_nouns() -> None:
    of_source: dict[str, list[str]] = {}
    for one in CORPUS:
        assert one.prompt
        of_source.setdefault(one.source, []).append(one.prompt.template.split(" ")[0])
    assert all(sorted(numbers) == ["plural", "singular"] for numbers in of_source.values())
    assert len(of_source) == len(CORPUS) // 2
    right = Counter(one.prompt.right.strip() in PLURAL_VERBS for one in CORPUS if one.prompt)
    assert right[True] == right[False]


def test_positions_by_hand() -> None:
    """`small` reads a word as a token, after one that opens every text."""
    prompts = read_prompts(loading.small(), CORPUS)
    met = 0
    for number, one in enumerate(prompts.asked):
        # <s> The keys near the cabinet
        if one.template.endswith(" 0"):
            met += 1
            assert prompts.named["subject"][number] == 2
            assert prompts.named["attractor"][number] == prompts.named["end"][number] == 5
    assert met > 10
