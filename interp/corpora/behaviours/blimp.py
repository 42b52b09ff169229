"""Minimal pairs as prompts: what two sentences have in common, and the word after it in which they differ.

Scores of BLiMP's one-prefix method (Warstadt et al. 2020) compare these two words after the same prefix.
"""

import json
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from interp.corpora.behaviours.templates import prompt_document
from interp.corpora.minimal_pairs import read_minimal_pairs
from interp.corpora.subsets import keep
from interp.corpora.text import existing_file, numbered_lines
from interp.errors import CorpusError
from interp.text.words import cut_words
from interp.types import Corpus, Document


class _Asked(NamedTuple):
    """The prompt that a pair makes; `uid` is its phenomenon, `words` how many words the prefix has."""

    source: str
    uid: str
    text: str
    words: int
    right: str
    wrong: str


def blimp(path: str | Path, *, mirrored: bool = True, limit: int | None = None, first: int | None = None) -> Corpus:
    """The pairs of a file in BLiMP's format (`interp.corpora.minimal_pairs`) that differ in one word after a prefix.

    The text is the prefix, right and wrong are the words after it in the better and the other sentence. The corrupted
    text is the prefix of another pair of the same phenomenon and as many words, after which this pair's wrong answer is
    right; of several the one of nearest length in characters, and of these the next in the file. Without `mirrored` any
    other right answer will do where there is none: the corrupted text may then speak for the right answer, too.
    Left out and counted in the notes are pairs that make no prompt, or one that stands before them, and those of which
    the file says that a prefix does not decide (`one_prefix_method` is false). `limit` and `first` keep so many prompts
    (`interp.corpora.subsets`). Raises CorpusError as the reader of minimal pairs does, and where none makes a
    prompt; InterpError for a limit below 1.
    """
    path = existing_file(path)
    pairs = read_minimal_pairs(path)
    left_out: Counter[str] = Counter()
    asked = _asked(pairs, _undecided(path), left_out)
    others = _others(asked, mirrored)
    prompts = [_document(one, other) for one, other in zip(asked, others, strict=True) if other is not None]
    left_out["have no prefix of as many words after which their wrong answer is right"] = len(asked) - len(prompts)
    notes = tuple(f"{count} of {len(pairs)} pairs {why}: left out" for why, count in left_out.items() if count)
    kept = keep(enumerate(prompts, 1), path, limit=limit, first=first)
    if not mirrored:
        unlike = sum(other is not None and other.right != one.wrong for one, other in zip(asked, others, strict=True))
        notes += (
            f"{unlike} of {len(prompts)} corrupted texts are prefixes of another right answer than the wrong one",
        )
    if not kept.documents:
        problem = (
            f"no pair makes a prompt ({'; '.join(notes)}); allowed are pairs that differ in one word after a prefix"
        )
        hint = ", or mirrored=false" if mirrored else ""
        raise CorpusError(path, None, f"{problem} that decides. Give another file{hint}.")
    return replace(pairs, documents=kept.documents, notes=(*pairs.notes, *notes, *kept.notes), cut=kept.cut)


def _undecided(path: Path) -> set[str]:
    """The sources of the pairs of which the file says that right and wrong are not decided by one prefix."""
    given = [json.loads(line) for _, line in numbered_lines(path) if line.strip()]
    return {f"{pair['UID']}/{pair['pairID']}" for pair in given if pair.get("one_prefix_method") is False}


def _asked(pairs: Corpus, undecided: Container[str], left_out: Counter[str]) -> list[_Asked]:
    """The prompts of all pairs that make one, each once; the others are counted by why not."""
    found: dict[tuple[str, str, str], _Asked] = {}
    for pair in pairs:
        one = "are not decided by one prefix, as the file says" if pair.source in undecided else _of_pair(pair)
        if isinstance(one, str):
            left_out[one] += 1
        elif (key := (one.text, one.right, one.wrong)) in found:
            left_out["ask what another asks"] += 1
        else:
            found[key] = one
    return list(found.values())


def _of_pair(pair: Document) -> _Asked | str:
    """What a pair asks, or why it asks nothing."""
    good, bad = pair.text, pair.alternative or ""
    in_good, in_bad = cut_words(good), cut_words(bad)
    shared = 0
    while shared < min(len(in_good), len(in_bad)) and in_good[shared] == in_bad[shared]:
        shared += 1
    if not shared:
        return "differ in their first word"
    if shared == min(len(in_good), len(in_bad)):
        return "are one the beginning of the other"
    prefix, ends = in_good[shared - 1][2], (in_good[shared][2], in_bad[shared][2])
    if good[ends[0] :] != bad[ends[1] :]:
        return "differ in more than one word"
    uid = pair.source.rpartition("/")[0]
    return _Asked(pair.source, uid, good[:prefix], shared, good[prefix : ends[0]], bad[prefix : ends[1]])


def _others(asked: Sequence[_Asked], mirrored: bool) -> list[_Asked | None]:
    """For each the one whose prefix corrupts its own; None where there is none."""
    alike: dict[tuple[str, int], list[int]] = {}
    for number, one in enumerate(asked):
        alike.setdefault((one.uid, one.words), []).append(number)

    def nearest(number: int) -> _Asked | None:
        one = asked[number]

        def order(other: int) -> tuple[bool, int, int]:
            there = asked[other]
            return there.right != one.wrong, abs(len(there.text) - len(one.text)), (other - number) % len(asked)

        allowed = [
            other
            for other in alike[one.uid, one.words]
            if (asked[other].right == one.wrong if mirrored else asked[other].right != one.right)
            and asked[other].text != one.text
        ]
        return asked[min(allowed, key=order)] if allowed else None

    return [nearest(number) for number in range(len(asked))]


def _document(one: _Asked, other: _Asked) -> Document:
    return prompt_document(
        one.text, one.source, template=one.uid, right=one.right, wrong=one.wrong, corrupted=other.text, named={}
    )
