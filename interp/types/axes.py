"""Axes of the fields of a batch, as dataclass metadata: one entry per row, per token, per word, or per pair of words.

A field is declared with one of these, `field(metadata=per_word())`, and `interp.types.batch.Batch` takes rows, cuts
them short and leaves gold empty by them, so that a new field needs no line there.
"""

from dataclasses import MISSING, dataclass, fields
from functools import cache
from typing import Any, Literal

Of = Literal["rows", "tokens", "pairs", "nested", "shared"]


@dataclass(frozen=True)
class Axis:
    """What a field has entries of; words lie along the second axis of rows, because no row is cut by its words.

    `filler` stands where there is nothing, `shape` is what follows the first axis where a field is empty, and `beside`
    names the list of pairs whose entries these belong to.
    """

    of: Of
    filler: int | bool = -1
    shape: tuple[int, ...] = ()
    beside: str | None = None


Metadata = dict[str, Axis]


def per_row(filler: int | bool = -1, *shape: int) -> Metadata:
    """One entry for each document, of this shape where it is empty."""
    return {"axis": Axis("rows", filler, shape)}


def per_token(filler: int | bool = -1) -> Metadata:
    """One number for each token, `filler` at padding."""
    return {"axis": Axis("tokens", filler)}


def per_word() -> Metadata:
    """One number for each word of each document, -1 at padding; empty is one word without any."""
    return {"axis": Axis("rows", -1, (1,))}


def pairs_of_words(columns: int) -> Metadata:
    """A list over all documents, so many numbers each, of which the first is the document's row."""
    return {"axis": Axis("pairs", -1, (columns,))}


def beside(pairs: str) -> Metadata:
    """One number for each entry of the list in that other field."""
    return {"axis": Axis("pairs", -1, (), pairs)}


def nested() -> Metadata:
    """Another batch of as many rows."""
    return {"axis": Axis("nested")}


def shared() -> Metadata:
    """The same for all rows; empty is an empty tuple."""
    return {"axis": Axis("shared")}


@cache
def axes_of(kind: type[Any]) -> dict[str, Axis]:
    """The axis of every field. Raises `TypeError` for a field without one."""
    found: dict[str, Axis] = {}
    for one in fields(kind):
        axis = one.metadata.get("axis")
        if not isinstance(axis, Axis):
            raise TypeError(
                f"{kind.__name__}.{one.name} has no axis, so that rows of a batch could be cut wrongly. Allowed: "
                f"{one.name}: … = field(metadata=per_word()), or another axis of interp.types.axes."
            )
        found[one.name] = axis
    return found


@cache
def required(kind: type[Any]) -> frozenset[str]:
    """The fields that have no default."""
    return frozenset(
        one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING and one.init
    )
