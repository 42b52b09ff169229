"""Which cells every rule names for every query word, as sparse matrices beside the attention on these cells."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Int
from scipy.sparse import csr_matrix, hstack

from interp.cells import FIRST_SPECIAL, CellAttention, Rule, RuleSets, Unit
from interp.documents import Document
from interp.tallies.rules import Named, Sentence, rules_of, token_rules_of
from interp.types import EncodedCorpus, Encoding


def rule_sets(encoded: EncodedCorpus, cells: CellAttention, unit: Unit) -> RuleSets:
    """The rules of the text that these heads attend within, for the entries of `cells`."""
    side = side_of(encoded, cells)
    return word_rule_sets(side.corpus.documents, cells) if unit == "word" else token_rule_sets(side.encodings, cells)


def side_of(encoded: EncodedCorpus, cells: CellAttention) -> EncodedCorpus:
    """The text that these heads attend within: the target in a decoder that has one, else the corpus itself."""
    return encoded.target if encoded.target is not None and cells.heads[0][0] == "decoder" else encoded


def word_rule_sets(documents: Sequence[Document] | Mapping[int, Document], cells: CellAttention) -> RuleSets:
    """The rules of words of these documents, by their numbers, for the entries of `cells`."""

    def rules(number: int, tokens: np.ndarray, seen: np.ndarray) -> Iterator[Named]:
        return rules_of(Sentence(documents[number], tokens, seen))

    return named_rule_sets(cells, {number: len(documents[number].words) for number in cells.tokens}, rules)


def token_rule_sets(encodings: Sequence[Encoding], cells: CellAttention) -> RuleSets:
    """The rules of tokens of these documents, by their numbers, for the entries of `cells`."""

    def rules(number: int, tokens: np.ndarray, seen: np.ndarray) -> Iterator[Named]:
        del tokens
        return token_rules_of(encodings[number], seen)

    return named_rule_sets(cells, {number: len(encodings[number].tokens) for number in cells.tokens}, rules)


def named_rule_sets(
    cells: CellAttention,
    sizes: Mapping[int, int],
    rules_in: Callable[[int, Int[np.ndarray, " word"], Bool[np.ndarray, "word cell"]], Iterator[Named]],
) -> RuleSets:
    """The rules that `rules_in` gives for a document: its number, the tokens that words own, and what each word sees.

    `sizes` says how many words (or tokens) each document has.
    """
    found: dict[Rule, tuple[list[np.ndarray], list[np.ndarray], list[np.ndarray]]] = {}
    # queries, and entries, of one document stand side by side
    first_query = _starts(cells.document)
    entry_document = cells.document[cells.query]
    first_entry = _starts(entry_document)
    for number, (start, stop) in first_entry.items():
        words = sizes[number]
        word = cells.word[cells.query[start:stop]]
        cell = cells.cell[start:stop]
        column = np.where(cell >= 0, cell, np.where(cell == FIRST_SPECIAL, words, words + 1))
        entry = np.full((words, words + 2), -1, dtype=np.int64)
        entry[word, column] = np.arange(start, stop)
        query = np.full(words, -1, dtype=np.int64)
        asked = slice(*first_query[number])
        query[cells.word[asked]] = np.arange(asked.start, asked.stop)
        tokens = np.zeros(words, dtype=np.int64)
        tokens[: len(cells.tokens[number])] = cells.tokens[number]
        for rule, named in rules_in(number, tokens, entry >= 0):
            rows, columns = named.nonzero()
            count = named.sum(axis=1)
            entries, queries, weights = found.setdefault(rule, ([], [], []))
            entries.append(entry[rows, columns])
            weights.append(1 / count[rows])
            queries.append(query[count > 0])
    rules = tuple(found)
    parts = [tuple(np.concatenate(part) for part in found[rule]) for rule in rules]
    return RuleSets(
        rules,
        _sparse([part[0] for part in parts], [part[2] for part in parts], len(cells.query)),
        _sparse([part[1] for part in parts], [np.ones(len(part[1])) for part in parts], len(cells.document)),
    )


def with_own(sets: RuleSets, own: RuleSets) -> RuleSets:
    """The rules, and after them those of one's own whose name none of them has: no rule is taken twice."""
    there = {rule.name for rule in sets.rules}
    new = [place for place, rule in enumerate(own.rules) if rule.name not in there]
    return RuleSets(
        (*sets.rules, *(own.rules[place] for place in new)),
        csr_matrix(hstack([sets.answers, own.answers[:, new]], format="csr")),
        csr_matrix(hstack([sets.applies, own.applies[:, new]], format="csr")),
    )


def _starts(document: Int[np.ndarray, " row"]) -> dict[int, tuple[int, int]]:
    """Where the rows of each document begin and end."""
    numbers, start, count = np.unique(document, return_index=True, return_counts=True)
    return {
        int(number): (int(first), int(first + many)) for number, first, many in zip(numbers, start, count, strict=True)
    }


def _sparse(rows: Sequence[np.ndarray], values: Sequence[np.ndarray], height: int) -> csr_matrix:
    if not rows:
        return csr_matrix((height, 0))
    column = np.concatenate([np.full(len(one), number) for number, one in enumerate(rows)])
    return csr_matrix((np.concatenate(values), (np.concatenate(rows), column)), shape=(height, len(rows)))
