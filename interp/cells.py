"""Attention on cells, and the rules that compete for it: what a head's attention is said to be made of.

A cell is a word that the query sees, the first special token of a document, or all its later special tokens together.
"""

from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.sparse import csr_matrix

Unit = Literal["word", "token"]
"""What asks and is asked: words, or tokens, where words are unknown or a token is what a head goes by."""

FAMILIES = ("uniform", "special", "position", "lexical", "copying", "tag", "syntax", "coreference")
FIRST_SPECIAL, LATER_SPECIAL = -1, -2
"""Cells that are no words: the first special token of a document, and all its later ones together."""


@dataclass(frozen=True, eq=False)
class CellAttention:
    """The attention of heads that see alike, from every word that owns a token on every cell that it sees.

    Query q is word `word[q]` of document `document[q]`. Entry e is of query `query[e]` on `cell[e]`, the number of a
    word, `FIRST_SPECIAL` or `LATER_SPECIAL`; entries are sorted by query. `attention[e, h]` is the mean over the tokens
    of the query of the sum over those of the cell, and adds up to 1 over the cells of a query; what went to tokens of
    no cell was `outside[h]`, in the mean over queries. `tokens[d]` says how many tokens each word of document d owns.
    """

    heads: tuple[tuple[str, int, int], ...]
    document: Int[np.ndarray, " query"]
    word: Int[np.ndarray, " query"]
    query: Int[np.ndarray, " entry"]
    cell: Int[np.ndarray, " entry"]
    attention: Float32[np.ndarray, "entry head"]
    outside: Float[np.ndarray, " head"]
    tokens: dict[int, Int[np.ndarray, " word"]]


class Rule(NamedTuple):
    """A rule's name, which is that of the role where there is one, and its family."""

    name: str
    family: str


@dataclass(frozen=True, eq=False)
class RuleSets:
    """`answers[e, r]` is what rule r gives the cell of entry e, evenly; `applies[q, r]`: 1 where it names any for q."""

    rules: tuple[Rule, ...]
    answers: csr_matrix
    applies: csr_matrix
