"""Gold that says nothing about the words it stands on: every relation moved to other words, as far apart as before.

What a role still finds in it is owed to distances alone, or to chance.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from interp.corpora.mentions import antecedents, head_word
from interp.types import Corpus, Document, Mention

MOVED = ("syntax", "coreference")
"""The families of roles whose gold moves; all others ask for nothing that this changes."""

ROUNDS = 10
"""How often every word is offered an exchange."""

DRAWS = 1000
"""How often chains are drawn anew for a document before they are left as they are."""


def permuted_gold(corpus: Corpus, seed: int) -> Corpus:
    """The same texts with relations and chains of coreference moved within each document, drawn from `seed`.

    Kept, document by document: the text, its words and tags; the label and the signed distance from dependent to
    governor of every relation, one governor to a word; and of every chain its mentions and all distances between their
    head words. Not kept: that governors make a tree, how many dependents a word has, the parts of speech at either end,
    how long mentions are (each becomes its head word alone, and one a word is left), and alignments.

    Arrangements are drawn alike whether or not they agree with the gold, so that some of it stays by chance. The
    corpus's notes say how much: relations from a word to its true governor, whatever their label, and antecedents that
    are true ones (of a chain that is moved by one of its own distances, or fits nowhere else).

    What this null shows: how often distances and chance give a role where the words themselves cannot. What it cannot
    show: that a head with a role on the real gold follows syntax. One that always attends to the true governor is right
    here in those coincidences alone, and so is one that finds the same words by another way, such as parts of speech.
    Where documents are short, relations fit in few places and coincide often, and such a head may keep a role.
    """
    rng = np.random.default_rng(seed)
    count: Counter[str] = Counter()
    documents = tuple(_permuted(document, rng, count) for document in corpus)
    note = (
        f"null permuted_gold, seed {seed}: relations and chains are moved, as far apart as before; relations that "
        f"fell on the true governor by chance: {count['same governor']} of {count['relations']}; antecedents that "
        f"are true ones by chance: {count['same antecedents']} of {count['antecedents']}; mentions left out because "
        f"another has their head word: {count['mentions of one word']}; documents whose mentions are too many to move: "
        f"{count['documents left']}"
    )
    return replace(corpus, documents=documents, notes=(*corpus.notes, note))


def _permuted(document: Document, rng: np.random.Generator, count: Counter[str]) -> Document:
    moved = replace(document, alignment=None)
    if document.mentions is not None:
        # the head words of mentions are those of the tree as it was
        moved = replace(moved, mentions=_moved_chains(document, rng, count))
    if document.governors is not None and document.relations is not None:
        order = _moved(document.governors, rng)
        governors, relations = [-1] * len(document.words), ["root"] * len(document.words)
        for word, origin in enumerate(order):
            if document.governors[origin] >= 0:
                governors[word] = word + document.governors[origin] - origin
                relations[word] = document.relations[origin]
        count["relations"] += sum(governor >= 0 for governor in governors)
        pairs = zip(governors, document.governors, strict=True)
        count["same governor"] += sum(governor == true >= 0 for governor, true in pairs)
        moved = replace(moved, governors=tuple(governors), relations=tuple(relations))
    found, true = antecedents(moved), antecedents(document)
    count["antecedents"] += len(found)
    count["same antecedents"] += len(set(found) & set(true))
    return moved


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


def _moved_chains(document: Document, rng: np.random.Generator, count: Counter[str]) -> tuple[Mention, ...]:
    """Each chain shifted as a whole, all arrangements alike in which no two mentions stand on one word.

    The gold is one of them. Of mentions with one head word that of the longest chain is kept, of chains as long the
    shortest mention; and of a document in which no arrangement was found in so many draws, the gold.
    """
    length = Counter(mention.entity for mention in document.mentions or ())
    heads: dict[int, Mention] = {}
    for mention in sorted(document.mentions or (), key=lambda one: (-length[one.entity], one.end - one.start)):
        heads.setdefault(head_word(document, mention), mention)
    count["mentions of one word"] += len(document.mentions or ()) - len(heads)
    chains: dict[int, list[int]] = {}
    for head, mention in sorted(heads.items()):
        chains.setdefault(mention.entity, []).append(head)
    by = _shifts(list(chains.values()), len(document.words), rng)
    if by is None:
        count["documents left"] += 1
    shift = dict(zip(chains, by or [0] * len(chains), strict=True))
    places = {head: head + shift[mention.entity] for head, mention in heads.items()}
    moved = (mention._replace(start=places[h], end=places[h] + 1, head=None) for h, mention in heads.items())
    return tuple(sorted(moved, key=lambda mention: mention.start))


def _shifts(chains: Sequence[Sequence[int]], size: int, rng: np.random.Generator) -> list[int] | None:
    """By how much each chain is shifted, drawn anew until no two words coincide."""
    for _ in range(DRAWS):
        by = [int(rng.integers(size - (chain[-1] - chain[0]))) - chain[0] for chain in chains]
        taken = [head + shift for chain, shift in zip(chains, by, strict=True) for head in chain]
        if len(set(taken)) == len(taken):
            return by
    return None
