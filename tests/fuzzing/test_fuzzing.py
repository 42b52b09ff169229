"""A few inputs of the fuzzer for every reader, the same ones each time; and that the watch sees what it is for."""

import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from random import Random

import pytest

from interp.errors import CorpusError, InterpError
from tests.fuzzing.mutation import mutated
from tests.fuzzing.subjects import SUBJECTS
from tests.fuzzing.watching import Finding, WrongCountError, insist, watch

QUICK = [name for name, subject in SUBJECTS.items() if subject.weight > 1]
"""Readers of corpora, runs and claims: models have tests of their own."""


@pytest.mark.parametrize("name", QUICK)
def test_damaged_files_give_a_result_or_a_refusal(name: str, tmp_path: Path) -> None:
    subject = SUBJECTS[name]
    seeds = list(subject.seeds())
    for number in range(60):
        chance = Random(f"test {name} {number}")
        path = tmp_path / f"input{subject.suffix}"
        path.write_bytes(mutated(chance, seeds, subject.words))
        became = watch(lambda file, c=chance: subject.read(file, c), path, by_lines=subject.by_lines, seconds=20)
        assert became in ("result", "refusal"), (number, became)


@pytest.mark.parametrize("name", QUICK)
def test_the_seeds_of_a_reader_are_read(name: str, tmp_path: Path) -> None:
    subject = SUBJECTS[name]
    path = tmp_path / f"input{subject.suffix}"
    became: list[object] = []
    for seed in subject.seeds():
        path.write_bytes(seed)
        became.append(watch(lambda file: subject.read(file, Random(0)), path, by_lines=subject.by_lines, seconds=20))
    assert "result" in became, became
    assert not any(isinstance(one, Finding) for one in became), became


def raising(error: BaseException) -> Finding | str:
    def read(_path: Path) -> None:
        raise error

    return watch(read, Path("/some/a.txt"), by_lines=True, seconds=1)


def test_the_watch_tells_refusals_from_findings() -> None:
    assert watch(lambda _: None, Path("a"), by_lines=True, seconds=1) == "result"
    assert raising(CorpusError("/some/a.txt", 3, "no number; allowed is one. Mend it.")) == "refusal"
    kinds = {
        "refusal: no line": CorpusError("/some/a.txt", None, "something is wrong"),
        "refusal: names no file": InterpError("something is wrong"),
        "refusal: no error of a corpus": InterpError("/some/a.txt: something is wrong"),
        "refusal: more than one line": CorpusError("/some/a.txt", 1, "a\nb"),
        "refusal: too long to be read": CorpusError("/some/a.txt", 1, "a" * 5000),
        "refusal: half of a character in it": CorpusError("/some/a.txt", 1, "\ud800"),
        "wrong: words": WrongCountError("words: 3 where 4 stand"),
        "KeyError in test_fuzzing.py:read": KeyError("x"),
    }
    for kind, error in kinds.items():
        found = raising(error)
        assert isinstance(found, Finding) and found.kind == kind


@pytest.mark.parametrize(
    "work", [lambda: time.sleep(300), lambda: all(number >= 0 for number in count())], ids=["waits", "works"]
)
def test_the_watch_ends_what_takes_too_long(work: Callable[[], object]) -> None:
    found = watch(lambda _: insist(work(), "it ends"), Path("a"), by_lines=True, seconds=0.5)
    assert isinstance(found, Finding) and found.kind == "too long"


def test_mutations_come_from_the_seed_alone() -> None:
    seeds = list(SUBJECTS["conllu"].seeds())
    first, again = ([mutated(Random(number), seeds) for number in range(50)] for _ in range(2))
    assert first == again
    assert len(set(first) - set(seeds)) > 40


def test_what_is_insisted_on() -> None:
    insist(True, "nothing")
    with pytest.raises(WrongCountError, match="something"):
        insist(False, "something")
