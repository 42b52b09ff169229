"""From attention on cells to the choices of a parser: each word with its candidates, and the attention both ways."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Int

from interp.cells import FIRST_SPECIAL, CellAttention
from interp.governors import ROOT, GovernorChoices
from interp.text.punctuation import NO_MARK, marks
from interp.types import Document


def governor_choices(
    documents: Sequence[Document], groups: Sequence[CellAttention]
) -> tuple[GovernorChoices, dict[str, int]]:
    """The choices of every word that is no punctuation, and how many words have none, by why.

    `groups` are the heads of one text that see alike, several where windows differ. Dependents and candidates are words
    that own a token, punctuation among the candidates; left out are punctuation, words without annotation, and those
    whose governor is themselves or owns no token.
    """
    numbers = sorted(groups[0].tokens)
    entries = [_entries_by_document(cells) for cells in groups]
    parts: list[dict[str, np.ndarray]] = []
    skipped = {"punctuation": 0, "words_without_governor": 0, "words_whose_governor_owns_no_token": 0}
    names: dict[str, int] = {}
    count = 0
    for number in numbers:
        document, owned = documents[number], np.flatnonzero(groups[0].tokens[number] > 0)
        if document.governors is None:
            skipped["words_without_governor"] += len(owned)
            continue
        attention = [
            _dense(cells, found.get(number, slice(0)), owned) for cells, found in zip(groups, entries, strict=True)
        ]
        whole = np.concatenate(attention, axis=2)
        forms = np.array([names.setdefault(word.lower(), len(names)) for word in document.words], dtype=np.int64)
        is_mark = np.array(marks(document)) != NO_MARK
        place = {int(word): at for at, word in enumerate(owned)}
        for at, word in enumerate(owned):
            governor = document.governors[word]
            if is_mark[word]:
                skipped["punctuation"] += 1
                continue
            if governor == word or (governor != ROOT and governor not in place):
                skipped["words_whose_governor_owns_no_token"] += 1
                continue
            others = np.delete(np.arange(len(owned)), at)
            to_root = whole[at, -1:]
            parts.append(
                {
                    "document": np.array([number]),
                    "word": np.array([word]),
                    "block": np.array([document.block]),
                    "form": forms[[word]],
                    "dependent": np.full(len(others) + 1, count),
                    "candidate": np.append(owned[others], ROOT),
                    "candidate_form": np.append(forms[owned[others]], -1),
                    "gold": np.append(owned[others] == governor, governor == ROOT),
                    "to_candidate": np.concatenate([whole[at, others], to_root]),
                    "from_candidate": np.concatenate([whole[others, at], np.zeros_like(to_root)]),
                }
            )
            count += 1
    heads = tuple(head for cells in groups for head in cells.heads)
    joined = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]} if parts else _none(len(heads))
    return GovernorChoices(heads=heads, forms=tuple(names), **joined), skipped


def _entries_by_document(cells: CellAttention) -> dict[int, slice]:
    """Where the entries of each document lie: they are sorted by query, and queries by document."""
    of = cells.document[cells.query]
    numbers, starts = np.unique(of, return_index=True)
    ends = [*starts[1:].tolist(), len(of)]
    return {int(number): slice(int(a), b) for number, a, b in zip(numbers, starts, ends, strict=True)}


def _dense(
    cells: CellAttention, entries: slice, owned: Int[np.ndarray, " word"]
) -> Float32[np.ndarray, "word cell head"]:
    """The attention from word to word, 0 where a word is not seen; the last cell is the first special token."""
    found = np.zeros((len(owned), len(owned) + 1, len(cells.heads)), dtype=np.float32)
    query, cell = cells.word[cells.query[entries]], cells.cell[entries]
    kept = (cell >= 0) | (cell == FIRST_SPECIAL)
    column = np.where(cell[kept] >= 0, np.searchsorted(owned, np.maximum(cell[kept], 0)), len(owned))
    found[np.searchsorted(owned, query[kept]), column] = cells.attention[entries][kept]
    return found


def _none(heads: int) -> dict[str, np.ndarray]:
    whole = ("document", "word", "block", "form", "dependent", "candidate", "candidate_form")
    empty: dict[str, np.ndarray] = {name: np.zeros(0, dtype=np.int64) for name in whole}
    attention = np.zeros((0, heads), dtype=np.float32)
    return empty | {"gold": np.zeros(0, dtype=bool), "to_candidate": attention, "from_candidate": attention.copy()}
