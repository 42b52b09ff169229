"""Minimal pairs as prompts."""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from interp.corpora.behaviours import blimp
from interp.documents import Prompt
from interp.errors import CorpusError, InterpError

PAIRS = (
    ("The key near the cabinets is old.", "The key near the cabinets are old."),
    ("The keys near the cabinet are old.", "The keys near the cabinet is old."),
    ("The lamps by the doors are red.", "The lamps by the doors is red."),
    ("The dog sleeps.", "The dog sleep."),
)


def written(folder: Path, *pairs: tuple[str, str], **fields: Any) -> Path:
    path = folder / "pairs.jsonl"
    lines = [
        json.dumps({"sentence_good": good, "sentence_bad": bad, "UID": "verbs", "pairID": str(number), **fields})
        for number, (good, bad) in enumerate(pairs)
    ]
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


def asked(path: Path, **settings: Any) -> list[tuple[str, str, Prompt]]:
    return [(one.source, one.text, one.prompt) for one in blimp(path, **settings) if one.prompt]


def test_the_text_is_what_both_have_in_common_and_the_answers_are_the_next_words(tmp_path: Path) -> None:
    path = written(tmp_path, *PAIRS)
    found = asked(path)
    singular, plural = "The key near the cabinets", "The keys near the cabinet"
    assert found == [
        ("verbs/0", singular, Prompt("verbs", " is", " are", plural)),
        ("verbs/1", plural, Prompt("verbs", " are", " is", singular)),
        ("verbs/2", "The lamps by the doors", Prompt("verbs", " are", " is", singular)),
    ]
    assert blimp(path).notes == (
        "1 of 4 pairs have no prefix of as many words after which their wrong answer is right: left out",
    )
    assert not blimp(path).generated


def test_another_right_answer_will_do_where_none_is_mirrored(tmp_path: Path) -> None:
    other = ("The cat runs.", "The cat run.")
    path = written(tmp_path, *PAIRS, other)
    assert [source for source, _, _ in asked(path)] == ["verbs/0", "verbs/1", "verbs/2"]
    found = asked(path, mirrored=False)
    assert found[:3] == asked(path)
    assert found[3:] == [
        ("verbs/3", "The dog", Prompt("verbs", " sleeps", " sleep", "The cat")),
        ("verbs/4", "The cat", Prompt("verbs", " runs", " run", "The dog")),
    ]
    note = "2 of 5 corrupted texts are prefixes of another right answer than the wrong one"
    assert blimp(path, mirrored=False).notes == (note,)


def test_a_prefix_that_is_as_long_corrupts_best_and_then_the_next_in_the_file(tmp_path: Path) -> None:
    def pair(subject: str, right: str, wrong: str) -> tuple[str, str]:
        return f"{subject} {right} old.", f"{subject} {wrong} old."

    subjects = ("The key", "The elephants", "The locks", "The doors")
    path = written(tmp_path, *(pair(one, *(("are", "is") if one[-1] == "s" else ("is", "are"))) for one in subjects))
    assert asked(path)[0][2].corrupted == "The locks"
    path = written(
        tmp_path, pair("The doors", "are", "is"), pair("The locks", "are", "is"), pair("The plate", "is", "are")
    )
    # both are as long; counted on from the third, the first of the file is the next
    assert asked(path)[2][2].corrupted == "The doors"


@pytest.mark.parametrize(
    ("pair", "why"),
    [
        (("Who slept?", "What slept?"), "differ in their first word"),
        (("The cat slept.", "The cat"), "are one the beginning of the other"),
        (("The cat slept well.", "The cat sleep bad."), "differ in more than one word"),
        (("The lamps by the doors are blue.", "The lamps by the doors is blue."), "ask what another asks"),
    ],
)
def test_what_makes_no_prompt_is_counted(tmp_path: Path, pair: tuple[str, str], why: str) -> None:
    path = written(tmp_path, *PAIRS[:3], pair)
    assert [source for source, _, _ in asked(path)] == ["verbs/0", "verbs/1", "verbs/2"]
    assert blimp(path).notes == (f"1 of 4 pairs {why}: left out",)


def test_what_a_prefix_does_not_decide_is_refused(tmp_path: Path) -> None:
    assert len(asked(written(tmp_path, *PAIRS, one_prefix_method=True))) == 3
    path = written(tmp_path, *PAIRS, one_prefix_method=False)
    with pytest.raises(CorpusError, match=r"4 of 4 pairs are not decided by one prefix, as the file says: left out"):
        blimp(path)


def test_a_file_without_a_prompt_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, *PAIRS[3:])
    with pytest.raises(CorpusError, match=r"no pair makes a prompt \(1 of 1 .*Give another file, or mirrored=false\."):
        blimp(path)
    with pytest.raises(CorpusError, match="it is a directory"):
        blimp(tmp_path)


def test_a_limit_keeps_prompts_and_leaves_them_as_they_are(tmp_path: Path) -> None:
    path = written(tmp_path, *PAIRS)
    assert asked(path, first=1) == asked(path)[:1]
    assert [one for one in asked(path) if one in asked(path, limit=2)] == asked(path, limit=2)
    assert blimp(path, limit=2).cut == "limit"
    with pytest.raises(InterpError, match="limit=0"):
        blimp(path, limit=0)


@pytest.mark.real
@pytest.mark.parametrize(
    "name",
    ["anaphor_gender_agreement", "distractor_agreement_relational_noun", "regular_plural_subject_verb_agreement_1"],
)
def test_prefixes_of_blimp_are_those_that_it_gives(shared: Path, name: str) -> None:
    path = shared / "corpora" / "blimp" / f"{name}.jsonl.gz"
    given = {
        f"{one['UID']}/{one['pairID']}": one for one in map(json.loads, gzip.decompress(path.read_bytes()).splitlines())
    }
    corpus = blimp(path)
    assert len(corpus) > 500
    for one in corpus:
        assert one.prompt
        there = given[one.source]
        assert one.text == there["one_prefix_prefix"]
        # of a verb with a particle BLiMP takes both words
        for answer, word in ((one.prompt.right, "good"), (one.prompt.wrong, "bad")):
            assert there[f"one_prefix_word_{word}"].split(" ")[0] == answer.strip()
        mirrored = [other for other in given.values() if other["one_prefix_prefix"] == one.prompt.corrupted]
        assert one.prompt.wrong.strip() in {other["one_prefix_word_good"].split(" ")[0] for other in mirrored}
