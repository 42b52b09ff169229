"""Which column of a token line says what: the ten of CoNLL-U, or those that CoNLL-U Plus names in a comment."""

from collections import Counter
from pathlib import Path
from typing import NamedTuple

from interp.errors import CorpusError, cut, shown

ABSENT = -1


class Columns(NamedTuple):
    """How many columns there are, and where those stand that are read; `ABSENT` for one that is not there."""

    size: int
    identifier: int
    form: int
    tag: int
    head: int
    relation: int
    misc: int


CONLLU = Columns(10, 0, 1, 3, 6, 7, 9)


def named_columns(path: Path, line: int, value: str) -> Columns:
    """The columns of `# global.columns = ID FORM …`, by name, in any order; all but FORM may be absent.

    Raises CorpusError where FORM is not among them, or a name is given twice.
    """
    names = [name.upper() for name in value.split()]
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if "FORM" not in names or twice is not None:
        wrong = "no FORM" if twice is None else f"{cut(twice)} twice"
        problem = (
            f"`global.columns` names {wrong} ({shown(' '.join(names))}); allowed are names that differ, FORM among"
        )
        raise CorpusError(
            path, line, f"{problem} them: ID FORM LEMMA UPOS XPOS FEATS HEAD DEPREL DEPS MISC, and others."
        )
    place = {name: number for number, name in enumerate(names)}
    identifier, form, tag, head, relation, misc = (
        place.get(name, ABSENT) for name in ("ID", "FORM", "UPOS", "HEAD", "DEPREL", "MISC")
    )
    # a relation is one to a governor
    return Columns(len(names), identifier, form, tag, head, ABSENT if head == ABSENT else relation, misc)
