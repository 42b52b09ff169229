"""GAP (Webster et al. 2018): an ambiguous pronoun in a snippet of a page, and two names that it could refer to."""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from interp.corpora.coreference.mention_forms import described
from interp.corpora.tab_separated import rows, words_under
from interp.corpora.text import cut_words, text_document
from interp.errors import CorpusError, shown
from interp.types import Document, Mention

NAMES = (
    "ID", "Text", "Pronoun", "Pronoun-offset", "A", "A-offset", "A-coref", "B", "B-offset", "B-coref", "URL",
)  # fmt: skip
OFFSET = re.compile(r"[0-9]{1,9}")
COREFERENT = {"TRUE": True, "FALSE": False}


def gap_documents(files: Sequence[Path], said: Counter[str]) -> Iterator[Document]:
    """A document of every line: its text as it stands, its source the page, its mentions the pronoun and both names.

    A name of which TRUE is said shares the pronoun's entity. The pronoun alone has gender and number: no one annotated
    those of the names.
    """
    for file in files:
        for number, row in rows(file, NAMES):
            mentions = _mentions(file, number, row)
            refers = [mention for mention in mentions[1:] if mention.entity == 0]
            said["pronouns that refer to neither name"] += not refers
            said["pronouns that stand before the name they refer to"] += any(m > mentions[0] for m in refers)
            yield replace(text_document(row["Text"], row["URL"]), mentions=tuple(sorted(mentions)))


def _mentions(file: Path, number: int, row: dict[str, str]) -> list[Mention]:
    """The pronoun, of entity 0, and the names."""
    found: list[Mention] = []
    cuts = cut_words(row["Text"])
    for column, entity in (("Pronoun", 0), ("A", 1), ("B", 2)):
        place, text, name = row[f"{column}-offset"], row["Text"], row[column]
        at = int(place) if OFFSET.fullmatch(place) else len(text)
        if not cut_words(name) or not text.startswith(name, at):
            there = shown(text[at : at + len(name)]) if at < len(text) else "no text"
            problem = (
                f"{column} is {shown(name)} and {column}-offset {place[:20]}, where Text has {there}; allowed is the"
            )
            raise CorpusError(file, number, f"{problem} character of Text at which it begins. Mend one or the other.")
        said = "TRUE" if column == "Pronoun" else row[f"{column}-coref"]
        if said not in COREFERENT:
            problem = f"{column}-coref is {shown(said)}; allowed are TRUE and FALSE. Mend it."
            raise CorpusError(file, number, problem)
        span = words_under(cuts, at, at + len(name))
        if any(span == (other.start, other.end) for other in found):
            problem = (
                f"{column} {shown(name)} covers the same words as another; allowed are three mentions. "
                "Mend the offsets."
            )
            raise CorpusError(file, number, problem)
        if column == "Pronoun":
            found.append(described(name.split(), 0, 1, entity)._replace(start=span[0], end=span[1]))
        else:
            found.append(Mention(*span, 0 if COREFERENT[said] else entity, "proper"))
    return found
