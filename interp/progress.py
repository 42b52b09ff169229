"""How long work shows how far it has come."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

Item = TypeVar("Item")

Progress = Callable[[Sequence[Any], str], Iterable[Any]]
"""Shows how far a loop over the items has come, under a name."""


def silent(items: Sequence[Item], name: str) -> Iterable[Item]:  # noqa: ARG001 - the quiet kind of progress
    """The items themselves."""
    return items
