"""A corpus as a population of source documents: what roles ask in each, and what heads answer there."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Int

from interp.attention.visibility import mask_groups, visible_keys
from interp.corpora.batching import batches
from interp.folds import Folds
from interp.models.planted.known_accuracy import KnownAccuracy, require_one_mask_group
from interp.progress import Progress, silent
from interp.sums import DocumentSums, RoleSums
from interp.tallies.roles import RoleTally
from interp.tallies.stream import stream
from interp.types import BLOCKS, Batch, EncodedCorpus, Head, HeadModel, Role


def tally_documents(
    model: HeadModel, encoded: EncodedCorpus, roles: Sequence[Role], *, progress: Progress = silent
) -> DocumentSums:
    """Scored queries and credit of baselines per source document; the model does not run: it cuts texts, sees keys."""
    sums = _by_document(model, encoded, roles, model.heads[:1], _ask, progress)
    return DocumentSums(sums.roles, sums.baselines, _sources(encoded), sums.n, sums.baseline)


def tally_heads(
    model: HeadModel, encoded: EncodedCorpus, roles: Sequence[Role], *, progress: Progress = silent
) -> RoleSums:
    """What every head does for these roles in every source document: each is a block of its own."""
    return _by_document(model, encoded, roles, model.heads, stream, progress)


def _by_document(
    model: HeadModel,
    encoded: EncodedCorpus,
    roles: Sequence[Role],
    heads: Sequence[Head],
    look: Callable[[HeadModel, Iterable[Batch], RoleTally], None],
    progress: Progress,
) -> RoleSums:
    """The tally that counts by block counts here by document: 64 source documents at a time, each in its own block."""
    require_one_mask_group(model)
    documents_of: dict[str, list[int]] = {source: [] for source in _sources(encoded)}
    for number, document in enumerate(encoded.corpus):
        documents_of[document.source].append(number)
    sources = list(documents_of)
    place = {source: number % BLOCKS for number, source in enumerate(sources)}
    block = torch.tensor([place[document.source] for document in encoded.corpus])
    parts = [sources[start : start + BLOCKS] for start in range(0, len(sources), BLOCKS)]
    tallies = [RoleTally(roles, heads, mask_groups(model)) for _ in parts]
    work = [
        (tally, group)
        for tally, part in zip(tallies, parts, strict=True)
        for group in batches(encoded, model, documents=[number for source in part for number in documents_of[source]])
    ]
    for tally, group in progress(work, "documents", Folds(*tallies)):
        batch = group.batch()
        look(model, [replace(batch, block=block[batch.document.cpu()].to(batch.block))], tally)
    found = [(tally.sums(), len(part)) for tally, part in zip(tallies, parts, strict=True)]
    joined = {
        name: np.concatenate([getattr(sums, name)[..., :filled] for sums, filled in found], axis=-1)
        for name in ("n", "hit", "mass", "word_mass", "baseline")
    }
    return replace(found[0][0], **joined)


def _sources(encoded: EncodedCorpus) -> tuple[str, ...]:
    return tuple(dict.fromkeys(document.source for document in encoded.corpus))


def _ask(model: HeadModel, rows: Iterable[Batch], tally: RoleTally) -> None:
    for batch in rows:
        tally.begin(batch, visible_keys(model, batch))


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
