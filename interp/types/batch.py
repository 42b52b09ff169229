"""Documents as one model sees them: tokens aligned to words, and padded batches with gold as tensors."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.documents import Corpus
from interp.heads import Site
from interp.types.axes import (
    Axis,
    axes_of,
    beside,
    nested,
    pairs_of_words,
    per_row,
    per_token,
    per_word,
    required,
    shared,
)

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

    Every field has its axis in its metadata (`interp.types.axes`); a class with a field that has none is refused
    (`TypeError`) when a batch is made.
    """

    tokens: Int[Tensor, "batch pos"] = field(metadata=per_token())
    mask: Bool[Tensor, "batch pos"] = field(metadata=per_token(False))
    special: Bool[Tensor, "batch pos"] = field(metadata=per_token(False))
    word: Int[Tensor, "batch pos"] = field(metadata=per_token())
    document: Int[Tensor, " batch"] = field(metadata=per_row())
    block: Int[Tensor, " batch"] = field(metadata=per_row(0))
    governor: Int[Tensor, "batch word"] = field(metadata=per_word())
    relation: Int[Tensor, "batch word"] = field(metadata=per_word())
    tag: Int[Tensor, "batch word"] = field(metadata=per_word())
    nearest_mention: Int[Tensor, "batch word"] = field(metadata=per_word())
    nearest_agreeing: Int[Tensor, "batch word"] = field(metadata=per_word())
    nearest_same_word: Int[Tensor, "batch word"] = field(metadata=per_word())
    antecedent: Int[Tensor, "pair 3"] = field(metadata=pairs_of_words(3))
    antecedent_kind: Int[Tensor, " pair"] = field(metadata=beside("antecedent"))
    mention: Int[Tensor, "batch mention 4"] = field(metadata=per_row(-1, 1, 4))
    relations: tuple[str, ...] = field(metadata=shared())
    tags: tuple[str, ...] = field(metadata=shared())
    kinds: tuple[str, ...] = field(metadata=shared())
    masked: Int[Tensor, "batch pos"] | None = field(default=None, metadata=per_token())
    alternative: Bool[Tensor, " batch"] | None = field(default=None, metadata=per_row(False))
    target: "Batch | None" = field(default=None, metadata=nested())
    alignment: Int[Tensor, "aligned 3"] | None = field(default=None, metadata=pairs_of_words(3))
    pixels: Float[Tensor, "batch channel height width"] | None = field(default=None, metadata=per_row())
    grid: Grid | None = field(default=None, metadata=shared())
    rank: Int[Tensor, "batch pos"] | None = field(default=None, metadata=per_token())
    mark: Int[Tensor, "batch word"] | None = field(default=None, metadata=per_word())
    entity_pair: Int[Tensor, "linked 4"] | None = field(default=None, metadata=pairs_of_words(4))

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

    def __post_init__(self) -> None:
        axes_of(type(self))

    @classmethod
    def bare(cls, tokens: Int[Tensor, "batch pos"], mask: Bool[Tensor, "batch pos"], **known: Any) -> "Batch":
        """Tokens of which nothing is known but the fields given here; rows are numbered from 0, all in block 0."""
        rows = len(tokens)

        def empty(axis: Axis) -> Any:
            if axis.of == "shared":
                return ()
            shape = {"rows": (rows,), "tokens": tuple(tokens.shape), "pairs": (0,)}[axis.of]
            return torch.full((*shape, *axis.shape), axis.filler, device=tokens.device)

        given = {"tokens": tokens, "mask": mask, "document": torch.arange(rows, device=tokens.device), **known}
        unknown = required(cls) - given.keys()
        return cls(**given, **{name: empty(axis) for name, axis in axes_of(cls).items() if name in unknown})

    def rows(self, index: slice | Sequence[int] | Int[Tensor, " row"]) -> "Batch":
        """These rows in this order, as wide as before; lists of pairs are those of these rows, numbered anew.

        A row that is taken twice has its pairs twice.
        """
        at = index if isinstance(index, slice | Tensor) else list(index)
        chosen = torch.arange(len(self.tokens), device=self.tokens.device)[at]
        taken: dict[str, Any] = {}
        for name, axis in axes_of(type(self)).items():
            value = getattr(self, name)
            if value is None or axis.of == "shared":
                continue
            if axis.of == "nested":
                taken[name] = value.rows(index)
            elif axis.of == "pairs":
                of_rows = getattr(self, axis.beside or name)[:, 0]
                row, entry = (chosen[:, None] == of_rows).nonzero(as_tuple=True)
                taken[name] = value[entry] if axis.beside else torch.cat([row[:, None], value[entry, 1:]], dim=1)
            else:
                taken[name] = value[at]
        return replace(self, **taken)

    def shortened(
        self, pad_token: int, cut: Callable[[Int[Tensor, " row"]], Int[Tensor, " row"]] = lambda lengths: lengths
    ) -> "Batch":
        """Padded to its longest row; `cut` makes of the rows' lengths in tokens those that are kept.

        Gold of words stays. Of a picture that is cut short the pixels stay whole: the network leaves out the patches
        that have no token.
        """
        lengths = cut(self.mask.sum(1))
        width = int(lengths.max())
        beyond = torch.arange(width, device=lengths.device) >= lengths[:, None]
        kept: dict[str, Any] = {}
        for name, axis in axes_of(type(self)).items():
            value = getattr(self, name)
            if value is not None and axis.of == "tokens":
                filler = pad_token if name == "tokens" else axis.filler
                kept[name] = value[:, :width].masked_fill(beyond, filler)
            elif value is not None and axis.of == "nested":
                kept[name] = value.shortened(pad_token, cut)
        return replace(self, **kept)
