"""Which examples are shown of each head, by a rule: where it attends to the targets of its role most, and least."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.examples import PLACES, STEPS, Example, Examples, Side
from interp.heads import HEAD
from interp.tables.best_heads import best_roles

EACH = 3
"""Documents of each of these places."""

REACH = 8
"""Tokens to either side of the query."""


def example_tables(examples: Examples, scores: pd.DataFrame, roles: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """The tables `examples`, `example_documents` and `example_offsets`."""
    return {
        "examples": chosen_examples(examples, scores, roles),
        "example_documents": example_documents(examples),
        "example_offsets": offsets_of_examples(examples),
    }


def example_documents(examples: Examples) -> pd.DataFrame:
    """One row per document that is kept: its number in the corpus, source, text, and how long it is."""
    rows = [
        (one.document, one.source, one.text, len(one.sides[0].words), len(one.sides[0].tokens))
        for one in examples.documents
    ]
    columns = ["document", "source", "text", "words", "tokens"]
    table = pd.DataFrame(rows, columns=columns)
    return table.astype({"document": int, "source": "str", "text": "str", "words": int, "tokens": int})


def chosen_examples(examples: Examples, scores: pd.DataFrame, roles: pd.DataFrame) -> pd.DataFrame:
    """One row per head and document shown of it: the three highest, median and lowest of its role.

    The role is the assigned one with the largest lift that is no sink (a sink where there is no other); of a head
    without any, the tested one with the largest lift, and `assigned` is False. `mass` is the mean attention of the
    role's queries in the document on their targets, over `queries` queries. Documents without a query are none.
    """
    rows: list[tuple[object, ...]] = []
    for (site, layer, head), role, assigned in _roles_shown(scores, roles):
        number = next((n for n, known in enumerate(examples.roles) if known.name == role), None)
        if number is None or (site, layer, head) not in examples.heads:
            continue
        place = examples.of_site(site).index((layer, head))
        found = [
            (one.document, *mass_on_targets(one, site, place, number, examples.roles[number].unit))
            for one in examples.documents
        ]
        found = sorted((one for one in found if one[2] > 0), key=lambda one: (-one[1], one[0]))
        for where, documents in zip(PLACES, _highest_median_lowest(found), strict=True):
            rows += [(site, layer, head, role, assigned, where, *one) for one in documents]
    columns = [*HEAD, "role", "assigned", "place", "document", "mass", "queries"]
    types = {"site": "str", "role": "str", "assigned": bool, "place": "str", "mass": float}
    whole = dict.fromkeys(("layer", "head", "document", "queries"), int)
    return pd.DataFrame(rows, columns=columns).astype(types | whole)


def _highest_median_lowest(ranked: Sequence[tuple[int, float, int]]) -> list[list[tuple[int, float, int]]]:
    """No document twice: of few documents there are fewer in the middle, and then at the end."""
    highest, rest = list(ranked[:EACH]), list(ranked[EACH:])
    lowest, rest = rest[-EACH:], rest[:-EACH]
    middle = max(0, (len(rest) - EACH) // 2)
    return [highest, rest[middle : middle + EACH], lowest]


def _roles_shown(scores: pd.DataFrame, roles: pd.DataFrame) -> list[tuple[tuple[str, int, int], str, bool]]:
    assigned = best_roles(roles[roles["role"] != "unclassified"], HEAD)
    tested = best_roles(scores[(scores["split"] == "confirm") & scores["p"].notna()], HEAD)
    found: dict[tuple[str, int, int], tuple[str, bool]] = {}
    for table, has_role in ((tested, False), (assigned, True)):
        for site, layer, head, role in table[[*HEAD, "role"]].itertuples(index=False):
            found[site, int(layer), int(head)] = (role, has_role)
    return [(head, *found[head]) for head in sorted(found)]


def mass_on_targets(example: Example, site: str, place: int, role: int, unit: str) -> tuple[float, int]:
    """The mean attention of the role's queries on their targets, by one head, and how many queries there are."""
    marks = example.marks[site]
    pairs = marks[marks[:, 0] == role][:, 1:]
    if not len(pairs):
        return float("nan"), 0
    attention = example.patterns[site][place].astype(np.float64) / STEPS
    if unit == "word":
        attention = of_words(attention, example.query_side(site), example.key_side(site))
    queries = len(np.unique(pairs[:, 0]))
    # many small steps, each rounded, may add up to a little more than there is
    return min(float(attention[pairs[:, 0], pairs[:, 1]].sum() / queries), 1.0), queries


def of_words(
    attention: Float[np.ndarray, "query key"], query_side: Side, key_side: Side
) -> Float[np.ndarray, "word other_word"]:
    """Mean over the tokens of the word that attends, sum over those attended to (Clark et al. 2019, 4.1)."""
    rows, columns = _held(query_side), _held(key_side)
    counts = np.maximum(rows.sum(0), 1)
    return (rows / counts).T @ attention @ columns


def _held(side: Side) -> Float[np.ndarray, "pos word"]:
    return (side.word[:, None] == np.arange(len(side.words))).astype(np.float64)


def offsets_of_examples(examples: Examples) -> pd.DataFrame:
    """Mean attention by offset of the key from the query, in tokens, of every head but those of cross-attention.

    Over the queries of the examples that are no special tokens; `n` counts those that have a key at that offset.
    """
    frames = []
    for site in dict.fromkeys(head[0] for head in examples.heads):
        if site == "cross":
            continue
        heads = examples.of_site(site)
        offsets = np.arange(-REACH, REACH + 1)
        n, total = np.zeros(len(offsets), dtype=np.int64), np.zeros((len(heads), len(offsets)))
        for one in examples.documents:
            pattern = one.patterns[site]
            asking: Int[np.ndarray, " query"] = np.flatnonzero(~one.query_side(site).special)
            for place, by in enumerate(offsets):
                queries = asking[(asking + by >= 0) & (asking + by < pattern.shape[2])]
                n[place] += len(queries)
                total[:, place] += pattern[:, queries, queries + by].sum(axis=1, dtype=np.float64) / STEPS
        mass = total / np.maximum(n, 1)
        for (layer, head), row in zip(heads, mass, strict=True):
            values = {"offset": offsets, "n": n, "mass": row}
            frames.append(pd.DataFrame({"site": site, "layer": layer, "head": head} | values)[n > 0])
    columns = [*HEAD, "offset", "n", "mass"]
    table = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)
    return table[columns].astype({"site": "str", "mass": float, **dict.fromkeys(("layer", "head", "offset", "n"), int)})
