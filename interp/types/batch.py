"""Documents as one model sees them: tokens aligned to words, and padded batches with gold as tensors."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.documents import Corpus
from interp.heads import Site

Grid = tuple[int, int]
"""Rows and columns of the patches that a model cuts a picture into."""


@dataclass(frozen=True, eq=False)
class Encoding:
    """One tokenised text: ids, (start, end) characters of each token, and which tokens are the tokenizer's own."""

    tokens: Int[np.ndarray, " pos"]
    offsets: Int[np.ndarray, "pos 2"]
    special: Bool[np.ndarray, " pos"]
    truncated: bool = False


@dataclass(frozen=True, eq=False)
class EncodedCorpus:
    """A corpus as one model sees it, kept compact, so that many passes tokenise once; `words[d]` is Int[pos].

    `skipped` counts, by reason, what no score can see: cut documents and words that own no token. `alternatives[d]`
    is the other sentence of a minimal pair, None for a document without one. `target` is what an encoder-decoder
    reads in its decoder, document by document.
    """

    corpus: Corpus
    encodings: tuple[Encoding, ...]
    words: tuple[Int[np.ndarray, " _"], ...]
    skipped: dict[str, int]
    alternatives: tuple[Encoding | None, ...] = ()
    target: "EncodedCorpus | None" = None
    said: tuple[str, ...] = ()
    """What was lost on the way from texts to tokens (`interp.corpora.fidelity`)."""

    @cached_property
    def ranks(self) -> Int[np.ndarray, " token"]:
        """The place of every token id among those that occur, the most frequent first; -1 for one that does not.

        Counted over the documents of this corpus without special tokens. Of equally frequent ones the larger id comes
        later: tokenizers number their tokens roughly by how frequent they were in a much larger text.
        """
        read = [one.tokens[~one.special] for one in self.encodings]
        counts = np.bincount(np.concatenate(read)) if read else np.zeros(0, dtype=np.int64)
        order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
        ranks = np.full(len(counts), -1, dtype=np.int64)
        ranks[order] = np.arange(len(order))
        return ranks

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done, and what was lost, when this model read the corpus."""
        return self.said if self.target is None else (*self.said, *self.target.corpus.notes, *self.target.notes)

    def __len__(self) -> int:
        return len(self.encodings)


@dataclass(frozen=True, eq=False)
class Batch:
    """Padded documents on the model's device. Gold is integer, -1 where there is none.

    `word[b, t]` is the word that token t belongs to. Per word: `governor`, `relation`, an index into `relations`, and
    `tag`, one into `tags`.
    `antecedent` lists (row, query word, target word): the head word of a mention and that of one of its antecedents;
    `antecedent_kind` has that mention's kind, an index into `kinds`. `nearest_mention[b, w]` is the nearest head word
    of a mention to the left of w. Of a mention that w heads, `nearest_agreeing[b, w]` is that of one whose gender and
    number do not contradict its own, and `nearest_same_word[b, w]` that of one with the same head word, if there is
    one. `mention` lists (start, end, entity, kind) of each row's mentions, in words.
    `document` is each row's number in the corpus, `block` its block. Of masked copies, `masked` holds the token that
    stood where the mask is, -1 elsewhere; of minimal pairs, `alternative` marks the rows of the other sentence.
    `target` is what an encoder-decoder reads in its decoder, row by row; `alignment` lists (row, word of the target,
    word of the source). Of pictures, `pixels` are what the network reads, whole even where tokens are cut off, and
    `grid` says how many rows and columns of patches there are: word w is the patch at row w // columns.

    What lexical roles ask for: `rank[b, t]` is the place of token t among all tokens of the corpus, the most frequent
    first, -1 for special ones; `mark[b, w]` is 1 for a delimiter, 0 for other punctuation, -1 for any other word;
    `entity_pair` lists (row, query word, target word, `EntityLink`) of words in named entities.
    """

    tokens: Int[Tensor, "batch pos"]
    mask: Bool[Tensor, "batch pos"]
    special: Bool[Tensor, "batch pos"]
    word: Int[Tensor, "batch pos"]
    document: Int[Tensor, " batch"]
    block: Int[Tensor, " batch"]
    governor: Int[Tensor, "batch word"]
    relation: Int[Tensor, "batch word"]
    tag: Int[Tensor, "batch word"]
    nearest_mention: Int[Tensor, "batch word"]
    nearest_agreeing: Int[Tensor, "batch word"]
    nearest_same_word: Int[Tensor, "batch word"]
    antecedent: Int[Tensor, "pair 3"]
    antecedent_kind: Int[Tensor, " pair"]
    mention: Int[Tensor, "batch mention 4"]
    relations: tuple[str, ...]
    tags: tuple[str, ...]
    kinds: tuple[str, ...]
    masked: Int[Tensor, "batch pos"] | None = None
    alternative: Bool[Tensor, " batch"] | None = None
    target: "Batch | None" = None
    alignment: Int[Tensor, "aligned 3"] | None = None
    pixels: Float[Tensor, "batch channel height width"] | None = None
    grid: Grid | None = None
    rank: Int[Tensor, "batch pos"] | None = None
    mark: Int[Tensor, "batch word"] | None = None
    entity_pair: Int[Tensor, "linked 4"] | None = None

    @property
    def written(self) -> "Batch":
        """What the model's output belongs to: the target of an encoder-decoder, these documents for any other."""
        return self if self.target is None else self.target

    def query_side(self, site: Site) -> "Batch":
        """The side that the queries of a site come from."""
        return self.written if site in ("decoder", "cross") else self

    def key_side(self, site: Site) -> "Batch":
        """The side that the keys of a site come from."""
        return self.written if site == "decoder" else self
