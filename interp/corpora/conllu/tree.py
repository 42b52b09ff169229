"""Checks that the HEADs of a sentence form a dependency tree with one root, and gives each word its governor."""

import re
from pathlib import Path

from interp.corpora.conllu.tokens import Word
from interp.errors import CorpusError, shown
from interp.types import UNSPECIFIED

MOST_NAMED = 8
"""Words of a cycle that an error names."""

HEAD = re.compile(r"-?[0-9]{1,9}")


def governors_of(path: Path, words: list[Word]) -> list[int] | None:
    """The governor of each word, -1 at the root, or None where no word has one; refuses what is not a tree."""
    if all(word.head in UNSPECIFIED for word in words):
        _check_bare(path, words)
        return None
    governors: list[int] = []
    for number, word in enumerate(words, 1):
        head = int(word.head) if HEAD.fullmatch(word.head) else None
        if head is None:
            problem = f"has HEAD {shown(word.head)}, which is not an integer"
        elif not 0 <= head <= len(words):
            problem = f"has HEAD {head}, which is out of range"
        elif head == number:
            problem = "is its own governor"
        elif head == 0 and -1 in governors:
            problem = f"is a second root beside {_named(words, [governors.index(-1)])}"
        else:
            governors.append(head - 1)
            continue
        allowed = f"allowed is 0 at the one root, another word (1 to {len(words)}) elsewhere. Mend its HEAD."
        raise CorpusError(path, word.line, f"word {_named(words, [number - 1])} {problem}; {allowed}")
    if -1 not in governors:
        problem = "the sentence has no root; allowed is exactly one word with HEAD 0. Give its root HEAD 0."
        raise CorpusError(path, words[0].line, problem)
    if cycle := _cycle(governors):
        problem = f"the words {_named(words, cycle)} govern one another in a cycle; allowed is a tree. Mend a HEAD."
        raise CorpusError(path, words[cycle[0]].line, problem)
    _check_root(path, words, governors)
    return governors


def _check_bare(path: Path, words: list[Word]) -> None:
    """Refuses a relation where no word has a governor."""
    for place, word in enumerate(words):
        if word.relation not in UNSPECIFIED:
            problem = (
                f"word {_named(words, [place])} has the DEPREL {shown(word.relation)} and no HEAD; allowed are both, or"
            )
            raise CorpusError(path, word.line, f"{problem} `_` for both. Add the HEADs of the sentence, or remove it.")


def _check_root(path: Path, words: list[Word], governors: list[int]) -> None:
    """Refuses the relation `root` elsewhere than at the root, and any other there."""
    for place, (word, governor) in enumerate(zip(words, governors, strict=True)):
        called = word.relation.split(":")[0] == "root"
        if called != (governor < 0) and (called or word.relation not in UNSPECIFIED):
            problem = (
                f"word {_named(words, [place])} has HEAD {word.head} and the DEPREL {shown(word.relation)}; allowed is"
            )
            raise CorpusError(path, word.line, f"{problem} `root` where HEAD is 0, and nowhere else. Mend one of them.")


def _named(words: list[Word], positions: list[int]) -> str:
    """Words as an error names them: by number and form."""
    named = [f"{position + 1} {shown(words[position].form)}" for position in positions[:MOST_NAMED]]
    return ", ".join(named) + (f" and {len(positions) - MOST_NAMED} more" if len(positions) > MOST_NAMED else "")


def _cycle(governors: list[int]) -> list[int]:
    """The words of a cycle in ascending order; none in a tree."""
    reached_from = [-1] * len(governors)
    for start in range(len(governors)):
        word = start
        while word >= 0 and reached_from[word] < 0:
            reached_from[word] = start
            word = governors[word]
        # Only a walk that came back to itself ends on a word of its own
        if word >= 0 and reached_from[word] == start:
            cycle = [word]
            while (word := governors[word]) != cycle[0]:
                cycle.append(word)
            return sorted(cycle)
    return []
