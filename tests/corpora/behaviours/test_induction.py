"""Lists of words, read again word by word."""

from collections import Counter

from interp.corpora.behaviours import induction
from interp.corpora.prompts import read_prompts
from interp.models import loading

CORPUS = induction()


def test_right_is_what_came_after_the_last_word() -> None:
    for one in CORPUS:
        assert one.prompt
        *listed, last = one.text.split(" ")
        assert max(Counter(listed).values()) == 1
        assert one.prompt.right == f" {listed[listed.index(last) + 1]}"
        assert one.prompt.wrong.strip() in set(listed) - {last, one.prompt.right.strip()}
        # neither the answer nor the word before it is next to the end, where the last word stands
        assert listed.index(last) + 1 < len(listed) - 1


def test_the_corrupted_text_says_the_last_word_once() -> None:
    for one in CORPUS:
        assert one.prompt
        text, corrupted = one.text.split(" "), one.prompt.corrupted.split(" ")
        (place,) = [place for place, (a, b) in enumerate(zip(text, corrupted, strict=True)) if a != b]
        assert text[place] == text[-1] == corrupted[-1]
        assert corrupted.count(corrupted[-1]) == 1
        assert corrupted[place] not in text


def test_positions_by_hand() -> None:
    """`small` reads a word as a token, after one that opens every text."""
    prompts = read_prompts(loading.small(), CORPUS)
    assert len(prompts) == len(CORPUS)
    for number, one in enumerate(prompts.clean.corpus):
        words = ["<s>", *one.text.split(" ")]
        asked = prompts.asked[number]
        assert prompts.named["before"][number] == words.index(words[-1])
        assert prompts.named["answer"][number] == words.index(words[-1]) + 1
        assert prompts.named["wrong_answer"][number] == words.index(asked.wrong.strip())
        assert prompts.named["end"][number] == {"8 words": 9, "10 words": 11, "12 words": 13}[asked.template]


def test_two_prompts_of_a_list_are_one_source() -> None:
    lists = Counter(one.source for one in CORPUS)
    assert set(lists.values()) == {2}
    for one in CORPUS:
        assert sorted(one.text.split(" ")[:-1]) == one.source.split(" ")[1:]
