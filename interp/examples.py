"""Example documents of a run: their tokens and words, every head's attention in them, and what roles mark there."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Int, UInt8
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from interp.cells import Unit
from interp.errors import InterpError

FILE = "examples.safetensors"
"""What a run keeps its examples in."""

PLACES = ("highest", "median", "lowest")
"""Among the documents that are kept, ranked by what a head does in them."""

STEPS = 255
"""Attention is kept as so many steps from 0 to 1."""


@dataclass(frozen=True, eq=False)
class Side:
    """What one side of a document holds: an encoder-decoder has two, any other model one.

    `word[t]` is the word that token t belongs to, -1 for one that belongs to none; `special` marks the tokenizer's own.
    """

    words: tuple[str, ...]
    tokens: tuple[str, ...]
    word: Int[np.ndarray, " pos"]
    special: Bool[np.ndarray, " pos"]


@dataclass(frozen=True)
class Marked:
    """A role whose targets are marked in the examples; queries and keys are words or tokens, as its `unit` says."""

    name: str
    family: str
    unit: Literal["token", "word"]
    definition: str


@dataclass(frozen=True, eq=False)
class Example:
    """One document: `patterns[site]` is each head's attention, in steps of 1/255; heads in the order of the model's.

    `marks[site]` lists (number of the role, query, key) of every target that heads of that site can see.
    `modelled[site]`, where the run has fitted rules that compete (`experiment=explain`), is what they give every cell
    for every query, in the same steps: m(k|q) of the words (or tokens: `Examples.unit`), then of the first special
    token, then of the later ones together. What owns no token, or is not seen, has 0.
    """

    document: int
    source: str
    text: str
    sides: tuple[Side, ...]
    patterns: Mapping[str, UInt8[np.ndarray, "head query key"]]
    marks: Mapping[str, Int[np.ndarray, "mark 3"]]
    modelled: Mapping[str, UInt8[np.ndarray, "head unit cell"]] = field(default_factory=dict)

    def query_side(self, site: str) -> Side:
        """The side that the queries of a site come from."""
        return self.sides[-1] if site in ("decoder", "cross") else self.sides[0]

    def key_side(self, site: str) -> Side:
        """The side that its keys come from."""
        return self.sides[-1] if site == "decoder" else self.sides[0]


@dataclass(frozen=True, eq=False)
class Examples:
    """The documents, which heads a site has, which roles are marked, and by which rule documents were drawn.

    `unit` says what `modelled` is about, where there is any.
    """

    documents: tuple[Example, ...] = ()
    heads: tuple[tuple[str, int, int], ...] = ()
    roles: tuple[Marked, ...] = ()
    rule: str = ""
    unit: Unit = "word"

    def of_site(self, site: str) -> list[tuple[int, int]]:
        """Layer and head of each, in the order in which patterns have them."""
        return [(layer, head) for at, layer, head in self.heads if at == site]


def to_bytes(examples: Examples) -> bytes:
    """As a safetensors file: patterns, marks and alignments as arrays, all else as JSON in its metadata."""
    arrays: dict[str, np.ndarray] = {}
    listed = []
    for number, example in enumerate(examples.documents):
        for place, side in enumerate(example.sides):
            arrays[f"{number}.{place}.word"] = np.ascontiguousarray(side.word, dtype=np.int32)
            arrays[f"{number}.{place}.special"] = np.ascontiguousarray(side.special, dtype=np.uint8)
        for site, pattern in example.patterns.items():
            arrays[f"{number}.{site}.pattern"] = np.ascontiguousarray(pattern)
        for site, marks in example.marks.items():
            arrays[f"{number}.{site}.marks"] = np.ascontiguousarray(marks, dtype=np.int32)
        for site, modelled in example.modelled.items():
            arrays[f"{number}.{site}.modelled"] = np.ascontiguousarray(modelled)
        listed.append(
            {
                "document": example.document,
                "source": example.source,
                "text": example.text,
                "sides": [{"words": side.words, "tokens": side.tokens} for side in example.sides],
                "sites": list(example.patterns),
            }
        )
    roles = [{"name": r.name, "family": r.family, "unit": r.unit, "definition": r.definition} for r in examples.roles]
    about = {"documents": listed, "heads": examples.heads, "roles": roles, "rule": examples.rule, "steps": STEPS}
    if any(one.modelled for one in examples.documents):
        about["unit"] = examples.unit
    return save(arrays, metadata={"examples": json.dumps(about)})


def load_examples(folder: str | Path) -> Examples:
    """The examples of a run's folder. Raises `InterpError` where it has none, or they cannot be read."""
    path = Path(folder) / FILE
    if not path.is_file():
        raise InterpError(
            f"{path}: there is no such file. Give the folder of a run that keeps examples (atlas, head_roles)."
        )
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})["examples"])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - it is no mapping
        documents = [_example(number, one, arrays) for number, one in enumerate(about["documents"])]
        heads = tuple((str(site), int(layer), int(head)) for site, layer, head in about["heads"])
        roles = tuple(Marked(**role) for role in about["roles"])
    except (SafetensorError, OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise InterpError(f"{path} cannot be read as a run's examples ({error}). Run the experiment again.") from error
    unit = about.get("unit", "word")
    if unit not in get_args(Unit):
        raise InterpError(f"{path} cannot be read as a run's examples (unit {unit!r}). Run the experiment again.")
    return Examples(tuple(documents), heads, roles, str(about["rule"]), unit)


def _example(number: int, about: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> Example:
    given: Sequence[Mapping[str, Sequence[str]]] = about["sides"]  # pyright: ignore[reportAssignmentType] - from JSON
    sites: Sequence[str] = about["sites"]  # pyright: ignore[reportAssignmentType] - from JSON
    sides = tuple(
        Side(
            tuple(side["words"]),
            tuple(side["tokens"]),
            arrays[f"{number}.{place}.word"].astype(np.int64),
            arrays[f"{number}.{place}.special"].astype(bool),
        )
        for place, side in enumerate(given)
    )
    return Example(
        int(str(about["document"])),
        str(about["source"]),
        str(about["text"]),
        sides,
        {site: arrays[f"{number}.{site}.pattern"] for site in sites},
        {site: arrays[f"{number}.{site}.marks"].astype(np.int64) for site in sites},
        {site: arrays[name] for site in sites if (name := f"{number}.{site}.modelled") in arrays},
    )
