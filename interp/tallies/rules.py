"""Rules that a head may follow: each names, for a query word, the cells among which it spreads attention evenly.

Where relations and parts of speech are known they are those of the corpus's gold; `punct` and `root` are no relations,
as in the roles of syntax, but `any` and `sibling` follow every arc.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int

from interp.cells import Rule
from interp.corpora.mentions import antecedents, nearest_mentions
from interp.documents import UNSPECIFIED, Document
from interp.types import Encoding

OFFSETS = (-3, -2, -1, 1, 2, 3)
NO_RELATION = ("punct", "root", *UNSPECIFIED)


Named = tuple[Rule, Bool[np.ndarray, "word cell"]]
"""A rule, and the cells that it names for each word."""


@dataclass(frozen=True, eq=False)
class Sentence:
    """A document as heads see it: how many tokens each word owns, and which cells each word sees.

    The last two cells are the first special token and the later ones.
    """

    document: Document
    tokens: Int[np.ndarray, " word"]
    seen: Bool[np.ndarray, "word cell"]


def rules_of(sentence: Sentence) -> Iterator[Named]:
    """Every rule that the document can be asked about, and the cells that it names for each word, all of them seen.

    A rule applies to the words of which it names any cell.
    """
    return only_seen(_named(sentence), sentence.seen)


def token_rules_of(encoding: Encoding, seen: Bool[np.ndarray, "token cell"]) -> Iterator[Named]:
    """The same of tokens that are no special ones: what can be asked where nothing but the tokens is known.

    As in the roles of copying, only earlier occurrences of a token count.
    """
    return only_seen(_named_of_tokens(encoding), seen)


def _named_of_tokens(encoding: Encoding) -> Iterator[tuple[Rule, Bool[np.ndarray, "row cell"]]]:
    own = ~np.asarray(encoding.special)
    count = len(own)
    yield from _anywhere(count, "first_token", int(own.argmax()))
    same = (encoding.tokens[:, None] == encoding.tokens[None]) & own[:, None] & own[None]
    earlier = np.tril(same, -1)
    yield Rule("duplicate", "copying"), earlier
    yield Rule("induction", "copying"), _shifted(earlier, 1)
    yield Rule("before_duplicate", "copying"), _shifted(earlier, -1)


def _shifted(named: Bool[np.ndarray, "token cell"], by: int) -> Bool[np.ndarray, "token cell"]:
    """The cells so many places after those that are named."""
    found = np.zeros_like(named)
    if by > 0:
        found[:, by:] = named[:, :-by]
    else:
        found[:, :by] = named[:, -by:]
    return found


def only_seen(rules: Iterator[tuple[Rule, np.ndarray]], seen: Bool[np.ndarray, "word cell"]) -> Iterator[Named]:
    """Of the cells that each rule names, those that are seen; rules that are left with none are left out."""
    for rule, named in rules:
        cells = np.zeros_like(seen)
        cells[:, : named.shape[1]] = named
        cells &= seen
        if cells.any():
            yield rule, cells


def _named(sentence: Sentence) -> Iterator[tuple[Rule, Bool[np.ndarray, "row cell"]]]:
    """Cells before it is asked which are seen; one row where every word has the same."""
    document, count = sentence.document, len(sentence.document.words)
    place = np.arange(count)
    yield from _anywhere(count, "first_word", 0)
    yield from _lexical(sentence, place)
    if document.tags is not None:
        yield from _tags(document, place)
    if document.governors is not None:
        yield from _syntax(document, place)
    if document.mentions is not None:
        yield from _coreference(document, place)


def _anywhere(count: int, name_of_first: str, first: int) -> Iterator[tuple[Rule, np.ndarray]]:
    """What needs no annotation: all cells, the special ones, and places."""
    cell = np.arange(count + 2)[None]
    yield Rule("uniform", "uniform"), np.ones((1, count + 2), dtype=bool)
    yield Rule("first_special", "special"), cell == count
    yield Rule("later_special", "special"), cell == count + 1
    yield Rule("self", "position"), np.eye(count, dtype=bool)
    yield Rule(name_of_first, "position"), cell[:, :count] == first
    for offset in OFFSETS:
        yield Rule(f"offset{offset:+d}", "position"), np.eye(count, k=offset, dtype=bool)


def _lexical(sentence: Sentence, place: np.ndarray) -> Iterator[tuple[Rule, np.ndarray]]:
    _, form = np.unique([word.lower() for word in sentence.document.words], return_inverse=True)
    same = form.ravel()[:, None] == form.ravel()[None]
    yield Rule("same_word", "lexical"), same & (place[:, None] != place[None])
    tokens = np.where(sentence.seen[:, : len(place)], sentence.tokens[None], 0)
    most = tokens.max(axis=1, keepdims=True, initial=0)
    yield Rule("most_tokens", "lexical"), (tokens == most) & (tokens > 0)


def _tags(document: Document, place: np.ndarray) -> Iterator[tuple[Rule, np.ndarray]]:
    """All words of a tag, and the nearest of it on either side."""
    tags = np.array(document.tags, dtype=object)
    for tag in sorted({tag for tag in document.tags or () if tag not in UNSPECIFIED}):
        has = tags == tag
        yield Rule(f"tag.{tag}", "tag"), has[None]
        before, after = np.where(has, place, -1), np.where(has, place, len(place))
        # the last one before each word, and the first one after it
        previous = np.concatenate([[-1], np.maximum.accumulate(before)[:-1]])
        following = np.concatenate([np.minimum.accumulate(after[::-1])[::-1][1:], [len(place)]])
        yield Rule(f"previous.{tag}", "tag"), previous[:, None] == place[None]
        yield Rule(f"next.{tag}", "tag"), following[:, None] == place[None]


def _syntax(document: Document, place: np.ndarray) -> Iterator[tuple[Rule, np.ndarray]]:
    governor = np.array(document.governors, dtype=np.int64)
    arcs = (governor[:, None] == place[None]) & (governor >= 0)[:, None]
    yield Rule("any.to_governor", "syntax"), arcs
    yield Rule("any.to_dependent", "syntax"), arcs.T
    siblings = (governor[:, None] == governor[None]) & (governor >= 0)[:, None] & (place[:, None] != place[None])
    yield Rule("sibling", "syntax"), siblings
    relations = np.array([relation.partition(":")[0] for relation in document.relations or ()], dtype=object)
    for relation in sorted(set(relations) - set(NO_RELATION)):
        of_relation = arcs & (relations == relation)[:, None]
        yield Rule(f"{relation}.to_governor", "syntax"), of_relation
        yield Rule(f"{relation}.to_dependent", "syntax"), of_relation.T


def _coreference(document: Document, place: np.ndarray) -> Iterator[tuple[Rule, np.ndarray]]:
    found = np.zeros((len(place), len(place)), dtype=bool)
    for query, target in antecedents(document):
        found[query, target] = True
    yield Rule("coref.antecedent", "coreference"), found
    nearest = np.array(nearest_mentions(document), dtype=np.int64)
    yield Rule("nearest_mention", "coreference"), (nearest[:, None] == place[None]) & (nearest >= 0)[:, None]
