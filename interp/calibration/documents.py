"""A corpus as a population of source documents: what roles ask in each, and what planted heads answered."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int

from interp.calibration.known_accuracy import KnownAccuracy
from interp.corpora.batching import batches
from interp.progress import Progress, silent
from interp.sights import sights_of, visible_keys
from interp.sums import DocumentSums
from interp.tallies import RoleTally
from interp.types import BLOCKS, EncodedCorpus, HeadModel, Role


def tally_documents(
    model: HeadModel, encoded: EncodedCorpus, roles: Sequence[Role], *, progress: Progress = silent
) -> DocumentSums:
    """Scored queries and credit of guesses per source document; the model does not run, only cuts texts and sees keys.

    The tally that counts by block counts here by document: each of 64 source documents at a time is a block of its own.
    """
    documents_of: dict[str, list[int]] = {}
    for number, document in enumerate(encoded.corpus):
        documents_of.setdefault(document.source, []).append(number)
    sources = tuple(documents_of)
    place = {source: number % BLOCKS for number, source in enumerate(sources)}
    block = torch.tensor([place[document.source] for document in encoded.corpus])
    counted, earned = [], []
    parts = [sources[start : start + BLOCKS] for start in range(0, len(sources), BLOCKS)]
    empty = RoleTally(roles, model.heads[:1], sights_of(model))
    for part in progress(parts, "documents"):
        tally = RoleTally(roles, model.heads[:1], sights_of(model))
        for group in batches(encoded, model, documents=[n for source in part for n in documents_of[source]]):
            batch = group.batch()
            tally.begin(replace(batch, block=block[batch.document.cpu()].to(batch.block)), visible_keys(model, batch))
        sums = tally.sums()
        counted.append(sums.n[:, : len(part)])
        earned.append(sums.guess[:, :, : len(part)])
    labels = empty.sums()
    return DocumentSums(labels.roles, labels.guesses, sources, np.concatenate(counted, 1), np.concatenate(earned, 2))


def drawn_hits(
    model: KnownAccuracy, encoded: EncodedCorpus, relations: Sequence[str]
) -> tuple[Int[np.ndarray, "relation block"], Int[np.ndarray, "relation head block"]]:
    """Scored queries and hits per block straight from the gold and the coins, without attention, views or tallies.

    A word is scored in its relation where its governor is aligned and, in a causal model, stands before it, and where
    it has two words to choose from: what the tally of the planted attention has to find.
    """
    place = {name: number for number, name in enumerate(relations)}
    n = np.zeros((len(relations), BLOCKS), dtype=np.int64)
    hits = np.zeros((len(relations), len(model.heads), BLOCKS), dtype=np.int64)
    for number, document in enumerate(encoded.corpus):
        aligned = np.unique(encoded.words[number])
        aligned, drawn = aligned[aligned >= 0], model.drawn(number)
        for word, (governor, label) in enumerate(zip(document.governors or (), document.relations or (), strict=True)):
            relation = place.get(encoded.corpus.relation(label))
            others = aligned[(aligned != word) & ((aligned < word) | (not model.causal))]
            if relation is not None and word in aligned and governor in others and len(others) >= 2:
                n[relation, document.block] += 1
                hits[relation, :, document.block] += drawn[word]
    return n, hits
