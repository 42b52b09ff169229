"""Examples as a page has them: texts, marks, and attention packed into a block of bytes a document."""

import base64
import gzip
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from interp.examples import PLACES, STEPS, Example, Examples
from interp.heads import HEAD
from interp.report.colourings import key
from interp.report.numbers import records

SHARED = 12
"""Documents in which every head is shown."""

ROOM = {144: 1_150_000, 270: 1_900_000}
"""Bytes of packed attention that a page of a model with so many heads may hold, and of any larger one the last."""

OWN = (
    (PLACES, 3, "up to three each where its role's queries give their targets most, middling and least attention"),
    (PLACES, 1, "the ones where its role's queries give their targets most, middling and least attention"),
    (PLACES[:1], 1, "the one where its role's queries give their targets most attention"),
)
"""Which of a head's own documents are shown: the first of these choices that takes no more than half of the room."""


RULES = 50
"""Steps from 0 to 1 in which a page has what rules give: coarser than attention, which is what the page is about."""

RULES_BESIDE = 0.2
"""What rules give takes at most this part of the bytes of the attention that it stands beside."""

RULES_AT_LEAST = 6_000
"""Bytes that there is room for however little attention there is: the page's own scripts take many times as many."""


def example_data(examples: Examples | None, chosen: pd.DataFrame | None) -> dict[str, Any] | None:
    """The first documents drawn with every head, and each head's own highest, median and lowest with that head."""
    if examples is None or not examples.documents:
        return None
    room = next((room for heads, room in ROOM.items() if len(examples.heads) <= heads), max(ROOM.values()))
    own, packed, rule = _own_documents(examples, chosen, room // 2)
    shared = 0
    for one in examples.documents[:SHARED]:
        with_this = packed | {one.document: _packed(one, examples, None)}
        # one at least, however large
        if shared and _bytes(with_this) > room:
            break
        packed, shared = with_this, shared + 1
    rules = _rules_beside(examples.documents[:shared], packed)
    marked = _roles_marked(examples, own)
    every = f"{shared} of them with every head" if shared > 1 else "one of them with every head"
    return {
        "rule": examples.rule
        if len(examples.documents) == 1
        else "; ".join(filter(None, [examples.rule, every, rule])),
        "sites": {site: [list(head) for head in examples.of_site(site)] for site in _sites(examples)},
        "roles": {role.name: role.unit for role in examples.roles},
        "own": own,
        **({"unit": examples.unit, "steps": RULES, "with_rules": len(rules)} if rules else {}),
        "documents": [
            _document(one, marked, examples) | packed[one.document] | rules.get(one.document, {})
            for one in examples.documents
            if one.document in packed
        ],
    }


def _own_documents(
    examples: Examples, chosen: pd.DataFrame | None, room: int
) -> tuple[dict[str, dict[str, Any]], dict[int, dict[str, Any]], str]:
    """What is shown of each head's own documents, packed, and the rule in words; nothing where there is no room."""
    if chosen is not None and len(chosen):
        for places, each, words in OWN:
            ranked = chosen[chosen["place"].isin(places)]
            own = _own(ranked[ranked.groupby([*HEAD, "place"]).cumcount() < each])
            wanted: dict[int, set[str]] = {}
            for name, of_head in own.items():
                for document, *_ in of_head["documents"]:
                    wanted.setdefault(document, set()).add(name)
            some = [one for one in examples.documents if one.document in wanted]
            packed = {one.document: _packed(one, examples, wanted[one.document]) for one in some}
            if _bytes(packed) <= room:
                return own, packed, f"of each head also {words}"
    return {}, {}, ""


def _rules_beside(
    documents: Sequence[Example], attention: Mapping[int, Mapping[str, Any]]
) -> dict[int, dict[str, Any]]:
    """What rules give every head in these documents, packed, in as many of them as there is room for."""
    beside = sum(len(attention[one.document]["bytes"]) for one in documents)
    room = max(RULES_BESIDE * beside, RULES_AT_LEAST)
    found: dict[int, dict[str, Any]] = {}
    for one in (one for one in documents if one.modelled):
        packed = _rules_packed(one)
        room -= len(packed["rules"]["bytes"])
        if room < 0:
            break
        found[one.document] = packed
    return found


def _rules_packed(one: Example) -> dict[str, Any]:
    """Cell by cell, not query by query: most cells have much the same from every query, which packs better."""
    placed: dict[str, int] = {}
    block = bytearray()
    for site, given in one.modelled.items():
        placed[site] = len(block)
        steps = np.rint(given.transpose(0, 2, 1) * (RULES / STEPS)).astype(np.uint8)
        block += np.ascontiguousarray(steps).tobytes()
    packed = gzip.compress(bytes(block), compresslevel=6, mtime=0)
    return {"rules": {"at": placed, "bytes": base64.b64encode(packed).decode("ascii")}}


def _bytes(packed: Mapping[int, Mapping[str, Any]]) -> int:
    return sum(len(one["bytes"]) for one in packed.values())


def _sites(examples: Examples) -> list[str]:
    return list(dict.fromkeys(site for site, _, _ in examples.heads))


def _own(chosen: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """By head: the role, and its documents with the place that each has."""
    found: dict[str, dict[str, Any]] = {}
    columns = [*HEAD, "role", "assigned", "place", "document", "mass", "queries"]
    for row in records(chosen[columns]):
        of_head = found.setdefault(key(row), {"role": row["role"], "assigned": bool(row["assigned"]), "documents": []})
        of_head["documents"].append(
            [int(row["document"]), row["place"], round(float(row["mass"]), 3), int(row["queries"])]
        )
    return found


def _packed(one: Example, examples: Examples, heads: set[str] | None) -> dict[str, Any]:
    """The attention of these heads, or of all, in one document; and where in its bytes each site begins."""
    placed: dict[str, Any] = {}
    block = bytearray()
    for site, pattern in one.patterns.items():
        names = [f"{site} {layer}.{head}" for layer, head in examples.of_site(site)]
        places = [n for n, name in enumerate(names) if heads is None or name in heads]
        if places:
            placed[site] = {"at": len(block), "heads": "all" if heads is None else places}
            block += np.ascontiguousarray(pattern[places]).tobytes()
    packed = gzip.compress(bytes(block), compresslevel=6, mtime=0)
    return {"patterns": placed, "bytes": base64.b64encode(packed).decode("ascii")}


def _roles_marked(examples: Examples, own: dict[str, dict[str, Any]]) -> list[int]:
    shown = {of_head["role"] for of_head in own.values()}
    return [number for number, role in enumerate(examples.roles) if role.name in shown]


def _document(one: Example, roles: Sequence[int], examples: Examples) -> dict[str, Any]:
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
        "shape": {site: list(pattern.shape[1:]) for site, pattern in one.patterns.items()},
        "marks": marks,
    }
