"""Winogender schemata (Rudinger et al. 2018): an occupation, a participant, and a pronoun that means one of them."""

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

NAMES = ("sentid", "sentence")
SENTENCE_ID = re.compile(r"([^.]+)\.([^.]+)\.([01])\.(male|female|neutral)(?:\.txt)?")
PRONOUNS = {
    "male": ("he", "him", "his", "himself"),
    "female": ("she", "her", "hers", "herself"),
    "neutral": ("they", "them", "their", "theirs", "themselves", "themself"),
}


def winogender_documents(
    files: Sequence[Path],
    said: Counter[str],  # noqa: ARG001 - every format is read alike, and here nothing is to be said
) -> Iterator[Document]:
    """A document of every line of `all_sentences.tsv`; `sentid` says which noun is meant (0: the occupation).

    The source is the occupation: both its templates open alike, and their variants (three genders, `someone` for the
    participant) differ in a word or two, so that they share a block.
    """
    for file in files:
        for number, row in rows(file, NAMES):
            match = SENTENCE_ID.fullmatch(row["sentid"])
            if match is None:
                problem = (
                    f"sentid is {shown(row['sentid'])}; allowed is occupation.participant.answer.gender, "
                    "its answer 0 or"
                )
                raise CorpusError(file, number, f"{problem} 1, its gender male, female or neutral. Mend it.")
            occupation, participant, answer, gender = match.groups()
            text = row["sentence"]
            nouns = [_noun(file, number, text, noun, entity) for entity, noun in enumerate((occupation, participant))]
            pronoun = _pronoun(file, number, text, gender, int(answer))
            mentions = sorted([*nouns, pronoun])
            if len({(mention.start, mention.end) for mention in mentions}) < len(mentions):
                problem = "two of occupation, participant and pronoun are the same words; allowed are three mentions."
                raise CorpusError(file, number, f"{problem} Mend the sentence or its sentid.")
            yield replace(text_document(text, occupation), mentions=tuple(mentions))


def _noun(file: Path, number: int, text: str, noun: str, entity: int) -> Mention:
    """The one place of a noun, with its article."""
    found = list(re.finditer(rf"(?:\b(?:the|an?)\s+)?\b{re.escape(noun)}\b", text, re.IGNORECASE))
    if len(found) != 1:
        problem = (
            f"the sentence says {shown(noun)} {len(found)} times; allowed is once. Mend the sentence or its sentid."
        )
        raise CorpusError(file, number, problem)
    start, end = words_under(cut_words(text), *found[0].span())
    return Mention(start, end, entity, "nominal", number="singular")


def _pronoun(file: Path, number: int, text: str, gender: str, entity: int) -> Mention:
    forms = "|".join(PRONOUNS[gender])
    found = list(re.finditer(rf"\b(?:{forms})\b", text, re.IGNORECASE))
    if len(found) != 1:
        problem = f"the sentence has {len(found)} pronouns of the gender {gender}; allowed is one of {forms}. Mend it."
        raise CorpusError(file, number, problem)
    start, end = words_under(cut_words(text), *found[0].span())
    mention = described([found[0][0]], 0, 1, entity)._replace(start=start, end=end)
    # their `they` is one person
    return mention._replace(number="singular")
