"""Documents of several sentences from CoNLL-2012's columns, cut into windows where they outgrow a model's context."""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Int

from interp.corpora.coreference.conll2012 import Part, read_parts
from interp.corpora.coreference.head_words import before_postmodifier
from interp.corpora.coreference.mention_forms import described, opening_words
from interp.types import Document, Mention

HEADS = ("last", "before_postmodifier")
"""Which word stands for a mention: its last one, or the one that `interp.corpora.coreference.head_words` finds."""

_OTHERWISE = {
    "last": "mentions whose last word stands for them though a postmodifier holds it (see corpus.heads)",
    "before_postmodifier": "mentions that another word than their last stands for, before their postmodifier",
}
_LOST = {
    "document": "mentions whose antecedents all lie in another window",
    "beginning": "mentions with an antecedent that lie beyond the beginning",
    "sentence": "mentions whose antecedents all lie in another sentence",
}


def column_documents(
    files: Sequence[Path], said: Counter[str], unit: str, window: int | None, heads: str
) -> Iterator[Document]:
    """Every document of the files, or its windows, the first of them, or its sentences.

    `said` counts what there is to say of them. The source is the document's name, so that all its parts, windows and
    sentences share a block.
    """
    met: set[tuple[str, int, tuple[str, ...]]] = set()
    for file in files:
        for part in read_parts(file):
            # one document often lies in several files, of which one would be counted as many
            if (part.name, part.number, part.words) in met:
                said["documents read before, of the same name, part and words (left out)"] += 1
                continue
            met.add((part.name, part.number, part.words))
            cuts = list(pairwise([*part.starts, len(part.words)]))
            if unit != "sentence":
                cuts = windows(cuts, window)
                said[f"documents cut into windows of at most {window} words"] += len(cuts) > 1
                said[f"windows of at most {window} words, of the documents that were cut"] += len(cuts) * (
                    len(cuts) > 1
                )
                if window is not None:
                    said[f"sentences of more than {window} words, each a window alone"] += sum(
                        end - start > window for start, end in cuts
                    )
            if unit == "beginning":
                said["windows after the first of their document (left out)"] += len(cuts) - 1
                cuts = cuts[:1]
            found = _mentions(part)
            mentions = found if heads == "before_postmodifier" else [mention._replace(head=None) for mention in found]
            said[_OTHERWISE[heads]] += sum(mention.head != mention.end - 1 for mention in found)
            kept = [_within(mentions, *cut) for cut in cuts]
            lost = with_antecedent(mentions) - sum(map(with_antecedent, kept))
            said[_LOST[unit]] += lost
            said["mentions over words that were a mention already (the first is kept)"] += part.repeated
            said[r"words whose escapes were undone (-LRB-, /., \/, \*)"] += part.escapes
            said["documents of which some words have a part of speech and some have none (left out)"] += (
                part.partly_tagged
            )
            for (start, end), of_window in zip(cuts, kept, strict=True):
                text, spans = joined(part.words[start:end])
                tags = None if part.tags is None else part.tags[start:end]
                yield Document(part.name, text, part.words[start:end], spans, tags, mentions=of_window)


def _mentions(part: Part) -> list[Mention]:
    """The mentions of a document, each with the head word before its postmodifier."""
    opening, lower = opening_words(part.words, part.starts), frozenset(word for word in part.words if word.islower())
    described_so = partial(described, part.words, tags=part.tags, opening=opening, lower=lower)
    return [
        described_so(*span)._replace(head=before_postmodifier(part.words, *span[:2], part.tags)) for span in part.spans
    ]


def windows(sentences: Sequence[tuple[int, int]], longest: int | None) -> list[tuple[int, int]]:
    """The (start, end) words of runs of whole sentences, each of at most `longest` words; None: all in one.

    As many as fit go together; a sentence that is too long stands alone.
    """
    found: list[tuple[int, int]] = []
    for start, end in sentences:
        if found and (longest is None or end - found[-1][0] <= longest):
            found[-1] = found[-1][0], end
        else:
            found.append((start, end))
    return found


def _within(mentions: Sequence[Mention], start: int, end: int) -> tuple[Mention, ...]:
    """The mentions of a window, of those in the order of their starts, counted from its first word."""
    begins, ends = (bisect_left(mentions, place, key=lambda mention: mention.start) for place in (start, end))
    return tuple(
        mention._replace(
            start=mention.start - start,
            end=mention.end - start,
            head=None if mention.head is None else mention.head - start,
        )
        for mention in mentions[begins:ends]
        if mention.end <= end
    )


def with_antecedent(mentions: Sequence[Mention]) -> int:
    """How many mentions have one of the same entity before them."""
    return len(mentions) - len({mention.entity for mention in mentions})


def joined(words: Sequence[str]) -> tuple[str, Int[np.ndarray, "word 2"]]:
    """Words joined by single spaces, and the (start, end) characters of each."""
    lengths = np.array([len(word) for word in words], dtype=np.int32)
    ends = np.cumsum(lengths + 1, dtype=np.int32) - 1
    return " ".join(words), np.stack([ends - lengths, ends], axis=1)
