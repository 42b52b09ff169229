"""Every head's attention in a few documents, kept as it is, and the targets of roles there."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.attention.candidates import CANDIDATES
from interp.attention.visibility import Visible
from interp.corpora.batching import batches, read_batches
from interp.documents import Document
from interp.examples import STEPS, Example, Examples, Marked, Side
from interp.folds import Collected, State
from interp.progress import Progress, silent
from interp.tallies.stream import stream
from interp.tallies.targets import find_targets
from interp.types import Batch, EncodedCorpus, Encoding, Head, HeadModel, Pattern, Role, Site

DOCUMENTS = 100
"""How many are kept."""

LONGEST = 40
"""Tokens that a document may have; where hardly any is so short, those of a corpus's shorter half are taken."""

MOST_BYTES = 32 * 2**20
"""Of all patterns together; large models keep fewer documents."""

KINDS = (("token", "rows"), ("token", "own"), ("word", "rows"))
"""Unit and view of roles whose targets are marked: the others' are no pairs of words or tokens."""


class PatternTally:
    """Patterns of every head and document in steps of 1/255, and where the roles' targets are."""

    def __init__(self, heads: Sequence[Head], roles: Sequence[Role]) -> None:
        self._place: dict[Head, int] = {}
        self._of_site: dict[Site, int] = {}
        for head in heads:
            self._place[head] = self._of_site.get(head.site, 0)
            self._of_site[head.site] = self._place[head] + 1
        self._roles = roles
        self._kept = Collected()
        self._batch: list[dict[Site, np.ndarray]] = []

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Make room for the batch's documents, and find the targets in them."""
        marks = {group: self._marks(batch, group[0], seen) for group, seen in visible.items()}
        self._batch = []
        for row, document in enumerate(batch.document.tolist()):
            patterns: dict[Site, np.ndarray] = {}
            for site, count in self._of_site.items():
                lengths = (int(side.mask[row].sum()) for side in (batch.query_side(site), batch.key_side(site)))
                patterns[site] = np.zeros((count, *lengths), dtype=np.uint8)
                here = [of[of[:, 1] == row][:, [0, 2, 3]] for group, of in marks.items() if group[0] == site]
                found = np.unique(np.concatenate(here), axis=0) if here else np.zeros((0, 3), dtype=np.int64)
                self._kept.add(document, **{f"{site}.pattern": patterns[site], f"{site}.marks": found})
            self._batch.append(patterns)

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Keep one layer's attention."""
        steps = (pattern.float() * STEPS).round().clamp(0, STEPS).to(torch.uint8).cpu().numpy()
        start = self._place[Head(site, layer, first)]
        for row, patterns in enumerate(self._batch):
            kept = patterns[site]
            kept[start : start + steps.shape[1]] = steps[row, :, : kept.shape[1], : kept.shape[2]]

    def state(self) -> State:
        """All that is kept so far."""
        return self._kept.state()

    def restore(self, state: State) -> None:
        """Go on from there."""
        self._kept.restore(state)

    def kept(self) -> dict[int, dict[str, np.ndarray]]:
        """By document: `SITE.pattern` and `SITE.marks`."""
        found: dict[int, dict[str, np.ndarray]] = {}
        for key, array in self._kept.state().items():
            document, _, name = key.partition(" ")
            found.setdefault(int(document), {})[name] = array
        return found

    def _marks(self, batch: Batch, site: Site, seen: Bool[Tensor, "batch query key"]) -> Int[np.ndarray, "mark 4"]:
        """Number of the role, row, query and key of every target."""
        side = batch if site == "cross" else batch.query_side(site)
        found = [np.zeros((0, 4), dtype=np.int64)]
        for kind in KINDS:
            here = [n for n, role in enumerate(self._roles) if (role.unit, role.view) == kind and site in role.sites]
            if not here:
                continue
            view = CANDIDATES[kind](batch, seen, site)
            for number in here:
                targets = find_targets(
                    side, view.candidates, view.queries, {0: self._roles[number]}, crossing=site == "cross"
                )
                pairs = targets.pair.cpu().numpy()
                found.append(np.concatenate([np.full((len(pairs), 1), number), pairs], axis=1))
        return np.concatenate(found)


def keep_examples(
    model: HeadModel, encoded: EncodedCorpus, roles: Sequence[Role], *, seed: int, progress: Progress = silent
) -> Examples:
    """Attention and targets in up to 100 documents, drawn by the seed among those short enough to be looked at.

    Of pictures, and where every document is too long, there are none.
    """
    chosen, rule = choose_documents(encoded, len(model.heads), seed)
    if not chosen:
        return Examples(rule=rule)
    tally = PatternTally(model.heads, roles)
    stream(model, read_batches(progress(batches(encoded, model, documents=chosen), "examples", tally)), tally)
    kept = tally.kept()
    # in a shard the others' are not there
    documents = tuple(_example(encoded, number, kept[number]) for number in chosen if number in kept)
    marked = tuple(Marked(r.name, r.family, "token" if r.unit == "token" else "word", r.definition) for r in roles)
    return Examples(documents, tuple((h.site, h.layer, h.head) for h in model.heads), marked, rule)


def choose_documents(encoded: EncodedCorpus, heads: int, seed: int) -> tuple[list[int], str]:
    """The documents, in the order in which they were drawn, and the rule in words."""
    if encoded.corpus.has_pictures:
        return [], "no examples are kept of pictures"
    lengths = np.array([len(one.tokens) for one in encoded.encodings])
    if encoded.target is not None:
        lengths = np.maximum(lengths, [len(one.tokens) for one in encoded.target.encodings])
    with_words = np.array([len(set(words[words >= 0].tolist())) for words in encoded.words])
    # symbols have no words
    least = min(3, max(int(with_words.max(initial=0)), 2))
    fits = (with_words >= least) | ((with_words == 0) & (lengths >= 5))
    if not fits.any():
        return [], "no document has two words or more"
    longest = max(LONGEST, int(np.median(lengths[fits]))) if (lengths[fits] <= LONGEST).mean() < 0.1 else LONGEST
    drawn = np.random.default_rng(seed).permutation(np.flatnonzero(fits & (lengths <= longest)))
    room = np.cumsum(heads * np.square(lengths[drawn].astype(np.int64))) <= MOST_BYTES
    chosen = [int(number) for number in drawn[room][:DOCUMENTS]]
    if not chosen:
        return [], f"no document is short enough to be kept as an example ({MOST_BYTES >> 20} MiB for all heads)"
    words = "three" if least == 3 else "two"
    return chosen, (
        f"{len(chosen)} of the {len(drawn):,} documents of {words} words or more and at most {longest} tokens, "
        f"drawn at random (seed {seed})"
    )


def _example(encoded: EncodedCorpus, number: int, kept: Mapping[str, np.ndarray]) -> Example:
    document = encoded.corpus.documents[number]
    sides = [side_of(document, encoded.encodings[number], encoded.words[number])]
    if encoded.target is not None:
        other = encoded.target
        sides.append(side_of(other.corpus.documents[number], other.encodings[number], other.words[number]))

    def of(kind: str) -> dict[str, np.ndarray]:
        return {name.partition(".")[0]: array for name, array in kept.items() if name.endswith(kind)}

    return Example(number, document.source, document.text, tuple(sides), of(".pattern"), of(".marks"))


def side_of(document: Document, encoding: Encoding, word: Int[np.ndarray, " pos"]) -> Side:
    """The words and tokens of one side of a document, and which word each token belongs to."""
    texts = list(_texts(document, encoding))
    return Side(
        document.words, tuple(texts), np.asarray(word, dtype=np.int64), np.asarray(encoding.special, dtype=bool)
    )


def _texts(document: Document, encoding: Encoding) -> Iterable[str]:
    """What each token stands for in the text; the tokenizer's own by where they stand, drawn tokens by number."""
    last = len(encoding.tokens) - 1
    for place, (start, end) in enumerate(encoding.offsets.tolist()):
        if encoding.special[place]:
            yield "⟨start⟩" if place == 0 else "⟨end⟩" if place == last else "⟨special⟩"
        elif start == end or document.symbols is not None:
            yield f"#{int(encoding.tokens[place])}"
        else:
            yield document.text[start:end].strip() or "␣"
