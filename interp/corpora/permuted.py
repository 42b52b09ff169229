"""Gold that says nothing about the words it stands on: every relation moved to other words, as far apart as before.

What a role still finds in it is owed to distances alone, or to chance.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from interp.corpora.mentions import head_word
from interp.types import Corpus, Document, Mention

MOVED = ("syntax", "coreference")
"""The families of roles whose gold moves; all others ask for nothing that this changes."""

ROUNDS = 10
"""How often every word is offered an exchange."""


def permuted_gold(corpus: Corpus, seed: int) -> Corpus:
    """The same texts with relations and chains of coreference moved within each document, drawn from `seed`.

    Kept, document by document: the text, its words and tags; the label and the signed distance from dependent to
    governor of every relation, one governor to a word; and of every chain its mentions and all distances between their
    head words. Not kept: that governors make a tree, how many dependents a word has, the parts of speech at either end,
    how long mentions are (each becomes its head word alone), and alignments, which are left out.

    What ends where the gold has a governor for the same dependent, whatever its label, and chains that fit nowhere else
    are left out, so that nothing of the gold stays; the corpus's notes say how many.
    """
    rng = np.random.default_rng(seed)
    left: Counter[str] = Counter()
    documents = tuple(_permuted(document, rng, left) for document in corpus)
    note = (
        f"null permuted_gold, seed {seed}: relations and chains stand on other words, as far apart as before; left "
        f"out, because they ended where they belong: {left['relations']} of {left['all relations']} relations, "
        f"{left['chains']} of {left['all chains']} chains"
    )
    return replace(corpus, documents=documents, notes=(*corpus.notes, note))


def _permuted(document: Document, rng: np.random.Generator, left: Counter[str]) -> Document:
    # the head words of mentions are those of the tree as it was
    mentions = None if document.mentions is None else _moved_chains(document, rng, left)
    if document.governors is None or document.relations is None:
        return replace(document, mentions=mentions, alignment=None)
    governors, relations = [-1] * len(document.words), ["root"] * len(document.words)
    for word, origin in enumerate(_moved(document.governors, rng)):
        governor = word + document.governors[origin] - origin
        if document.governors[origin] < 0:
            continue
        left["all relations"] += 1
        if governor == document.governors[word]:
            left["relations"] += 1
        else:
            governors[word], relations[word] = governor, document.relations[origin]
    return replace(document, governors=tuple(governors), relations=tuple(relations), mentions=mentions, alignment=None)


def _moved(governors: Sequence[int], rng: np.random.Generator) -> list[int]:
    """For every word the word whose relation it takes over, so that each governor still lies within the document.

    A Markov chain that starts at the gold: in each step the relations of two words change places where both still fit.
    Steps are as likely forth as back, so that in the end all arrangements that steps lead to are alike.
    """
    size = len(governors)
    distance = [governor - word if governor >= 0 else 0 for word, governor in enumerate(governors)]
    order = list(range(size))
    for _ in range(ROUNDS):
        for word, other in enumerate(rng.integers(size, size=size).tolist()):
            here, there = word + distance[order[other]], other + distance[order[word]]
            if 0 <= here < size and 0 <= there < size:
                order[word], order[other] = order[other], order[word]
    return order


def _moved_chains(document: Document, rng: np.random.Generator, left: Counter[str]) -> tuple[Mention, ...]:
    """Each chain shifted as a whole to another place where it fits, all such places alike."""
    heads = [(head_word(document, mention), mention) for mention in document.mentions or ()]
    moved = []
    for entity in sorted({mention.entity for _, mention in heads}):
        chain = [(head, mention) for head, mention in heads if mention.entity == entity]
        first, last = min(head for head, _ in chain), max(head for head, _ in chain)
        places = [place for place in range(len(document.words) - (last - first)) if place != first]
        left["all chains"] += 1
        if not places:
            left["chains"] += 1
            continue
        by = places[int(rng.integers(len(places)))] - first
        moved += [mention._replace(start=head + by, end=head + by + 1, head=None) for head, mention in chain]
    return tuple(sorted(moved, key=lambda mention: (mention.start, mention.entity)))
