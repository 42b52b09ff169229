"""Examples as a page has them: texts, marks, and attention packed into one block of bytes."""

import base64
import gzip
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from interp.examples import Example, Examples
from interp.heads import HEAD
from interp.report.colourings import key
from interp.report.numbers import records

SHARED = 12
"""Documents in which every head is shown."""

ROOM = 1_150_000
"""Bytes of packed attention that a page may hold; with fewer shared documents it holds less."""


def example_data(examples: Examples | None, chosen: pd.DataFrame | None) -> dict[str, Any] | None:
    """The first documents drawn with every head, and each head's own highest, median and lowest with that head."""
    if examples is None or not examples.documents:
        return None
    own = _own(chosen)
    shared = min(SHARED, len(examples.documents))
    while True:
        found = _packed(examples, shared, own)
        if len(found["bytes"]) <= ROOM or shared <= 1:
            break
        shared -= 1
    if len(found["bytes"]) > ROOM:
        # of very many heads, or long documents, the shared one alone
        found = _packed(examples, 1, {})
        own = {}
    return {
        "rule": examples.rule,
        "shared": shared,
        "sites": {site: [list(head) for head in examples.of_site(site)] for site in _sites(examples)},
        "roles": {role.name: role.unit for role in examples.roles},
        "own": own,
        **found,
    }


def _sites(examples: Examples) -> list[str]:
    return list(dict.fromkeys(site for site, _, _ in examples.heads))


def _own(chosen: pd.DataFrame | None) -> dict[str, dict[str, Any]]:
    """By head: the role, and its documents with the place that each has."""
    found: dict[str, dict[str, Any]] = {}
    if chosen is None:
        return found
    columns = [*HEAD, "role", "assigned", "place", "document", "mass", "queries"]
    for row in records(chosen[columns]):
        of_head = found.setdefault(key(row), {"role": row["role"], "assigned": bool(row["assigned"]), "documents": []})
        of_head["documents"].append(
            [int(row["document"]), row["place"], round(float(row["mass"]), 3), int(row["queries"])]
        )
    return found


def _packed(examples: Examples, shared: int, own: dict[str, dict[str, Any]]) -> dict[str, Any]:
    wanted: dict[int, set[str]] = {}
    for name, of_head in own.items():
        for document, *_ in of_head["documents"]:
            wanted.setdefault(document, set()).add(name)
    roles = _roles_marked(examples, own)
    block = bytearray()
    documents: list[dict[str, Any]] = []
    for number, one in enumerate(examples.documents):
        heads = wanted.get(one.document, set())
        if number >= shared and not heads:
            continue
        placed: dict[str, Any] = {}
        for site, pattern in one.patterns.items():
            names = [f"{site} {layer}.{head}" for layer, head in examples.of_site(site)]
            places = [n for n, name in enumerate(names) if number < shared or name in heads]
            if not places:
                continue
            placed[site] = {"at": len(block), "heads": "all" if number < shared else places}
            block += np.ascontiguousarray(pattern[places]).tobytes()
        documents.append(_document(one, placed, roles, examples))
    packed = gzip.compress(bytes(block), compresslevel=9, mtime=0)
    return {"documents": documents, "bytes": base64.b64encode(packed).decode("ascii")}


def _roles_marked(examples: Examples, own: dict[str, dict[str, Any]]) -> list[int]:
    shown = {of_head["role"] for of_head in own.values()}
    return [number for number, role in enumerate(examples.roles) if role.name in shown]


def _document(one: Example, placed: dict[str, Any], roles: Sequence[int], examples: Examples) -> dict[str, Any]:
    marks = {
        site: {
            examples.roles[number].name: of_site[of_site[:, 0] == number][:, 1:].ravel().tolist()
            for number in roles
            if (of_site[:, 0] == number).any()
        }
        for site, of_site in one.marks.items()
    }
    sides = [
        {
            "words": list(side.words),
            "tokens": list(side.tokens),
            "word": side.word.tolist(),
            "special": np.flatnonzero(side.special).tolist(),
        }
        for side in one.sides
    ]
    return {
        "document": one.document,
        "source": one.source,
        "text": one.text,
        "sides": sides,
        "patterns": placed,
        "shape": {site: list(pattern.shape[1:]) for site, pattern in one.patterns.items()},
        "marks": marks,
    }
