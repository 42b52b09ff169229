"""What the small model reads: sentences of the bundled grammar, and random sequences that repeat."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from jaxtyping import Bool, Int

from interp.corpora.grammar import grammar
from interp.errors import InterpError

HELD_OUT_SEED = 0
"""Of the sentences that training never sees: those of `corpus=grammar` as every run reads it by default."""

TRAINING_SEED = 1000
"""Added to the seed of a training: far from the seeds that people sweep over."""

SHORTEST, LONGEST = 8, 50
"""Tokens of a random sequence before it repeats; lengths vary, or a head could learn the distance instead."""

ATTRACTOR = ("det", "nsubj", "case", "det", "nmod")
"""The relations of a sentence that opens as *the keys to the cabinet are* does: its verb agrees across a noun."""

ATTRACTOR_TIMES = 10
"""How often such a sentence is read for every time that another is: at one in forty, they taught nothing."""

Texts = Int[np.ndarray, "text pos"]


@dataclass(frozen=True)
class Sentences:
    """Raw sentences to train on, and others to test on that do not occur among them."""

    training: tuple[str, ...]
    held_out: tuple[str, ...]
    attractors: tuple[str, ...]
    """Those of training whose verb agrees across another noun."""
    repeated: int
    """How many sentences were drawn for training and left out, because they are held out."""


def split(training: int, held_out: int, seed: int) -> Sentences:
    """That many distinct sentences of the grammar for each, from different seeds, less those that fall in both.

    Raises `InterpError` where the grammar has not so many.
    """
    tested = tuple(document.text for document in grammar(held_out, seed=HELD_OUT_SEED))
    drawn = grammar(training, seed=TRAINING_SEED + seed).documents
    unseen = frozenset(tested)
    kept = [document for document in drawn if document.text not in unseen]
    attractors = tuple(document.text for document in kept if (document.relations or ())[:5] == ATTRACTOR)
    return Sentences(tuple(document.text for document in kept), tested, attractors, len(drawn) - len(kept))


def digest(sentences: Sequence[str]) -> str:
    """sha256 of the sentences, one a line, in hex."""
    return sha256("".join(f"{sentence}\n" for sentence in sentences).encode()).hexdigest()


def packed(sentences: Sequence[Sequence[int]], start: int, length: int, generator: np.random.Generator) -> Texts:
    """Every sentence once, in random order, several to a text; each text opens with `start` and a whole sentence.

    A text's last sentence is cut where the text is full; what is left at the end and fills no text is dropped.
    Raises `InterpError` where all sentences together do not fill one.
    """
    texts: list[list[int]] = []
    text = [start]
    for number in generator.permutation(len(sentences)):
        text.extend(sentences[number])
        if len(text) >= length:
            texts.append(text[:length])
            text = [start]
    if not texts:
        raise InterpError(f"{len(sentences)} sentences fill no text of {length} tokens. Give at least {length // 3}.")
    return np.array(texts)


def repeats(
    count: int, tokens: Int[np.ndarray, " token"], start: int, length: int, generator: np.random.Generator
) -> tuple[Texts, Bool[np.ndarray, "text pos"]]:
    """Texts of random sequences, each followed by itself, and which of their tokens can be told from what precedes.

    A sequence is of distinct tokens, uniformly drawn. Only its repetition can be told, and of that not the first
    token, since nothing says where a sequence ends.
    """
    texts = np.empty((count, length), dtype=np.int64)
    foreseen = np.zeros((count, length), dtype=bool)
    for text, known in zip(texts, foreseen, strict=True):
        text[0], at = start, 1
        while at < length:
            period = int(generator.integers(SHORTEST, LONGEST + 1))
            sequence = np.tile(generator.choice(tokens, period, replace=False), 2)[: length - at]
            text[at : at + len(sequence)] = sequence
            known[at + period + 1 : at + len(sequence)] = True
            at += len(sequence)
    return texts, foreseen
