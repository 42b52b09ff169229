"""What there is to say of a table and its columns, and whether a table is as it says."""

import re
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import pandas as pd

from interp.errors import COUNT, SHARE, Range

Kind = Literal["text", "whole number", "number", "true or false"]

ROUNDING = 1e-5
"""How far a number may lie outside its range: attention in float32 does not sum to one exactly."""


class Column(NamedTuple):
    """A column, in words for a reader who knows the field and not the code."""

    name: str
    kind: Kind
    unit: str
    """What one is counted or measured in; `none` of names and of numbers without a unit."""
    meaning: str
    allowed: tuple[str, ...] | Range | None = None
    """The only texts, or the smallest and the largest number, that it holds; None where it may hold any."""
    empty: str = ""
    """When a cell is empty; never, where nothing stands here."""
    only: str = ""
    """The setting that brings the column along; always there, where nothing stands here."""

    @property
    def holds(self) -> str:
        """What is allowed, as it is read: `select, confirm, all`, `0 to 1`, `1 or more`; nothing where all is."""
        if not isinstance(self.allowed, Range):
            return ", ".join(self.allowed or ())
        low, high = (f"{end:g}".replace("-", "−") for end in (self.allowed.lowest, self.allowed.highest))
        return f"{low} or more" if high == "inf" else f"{low} to {high}"


def text(
    name: str, meaning: str, allowed: tuple[str, ...] | None = None, empty: str = "", unit: str = "none"
) -> Column:
    """A column of names or words."""
    return Column(name, "text", unit, meaning, allowed, empty)


def count(name: str, unit: str, meaning: str) -> Column:
    """A column of whole numbers from 0."""
    return Column(name, "whole number", unit, meaning, COUNT._replace(lowest=0))


def share(name: str, unit: str, meaning: str, empty: str = "") -> Column:
    """A column of numbers from 0 to 1."""
    return Column(name, "number", unit, meaning, SHARE, empty)


class Table(NamedTuple):
    """A table that a run writes or a function gives: one row per what, and its columns in their order."""

    name: str
    meaning: str
    columns: tuple[Column, ...]


def problems(table: pd.DataFrame, told: Table) -> list[str]:
    """A line for each way in which a table is not what is told of it: columns missing, not told of, or not as told."""
    told_by = {str(name): one for one in told.columns for name in table.columns if stands_for(one.name, str(name))}
    names = {one.name for one in told_by.values()}
    lines = [f"{one.name} is missing" for one in told.columns if not one.only and one.name not in names]
    lines += [f"{name} is not told of" for name in map(str, table.columns) if name not in told_by]
    return lines + [line for name, column in told_by.items() for line in _problems_of(table[name], column)]


def stands_for(told: str, name: str) -> bool:
    """Whether a column is the one that is told of: `n_B` tells of `n_0`, `n_1` and so on, a column for each block."""
    if told.endswith("_B"):
        return re.fullmatch(re.escape(told.removesuffix("B")) + "[0-9]+", name) is not None
    return told == name


def _problems_of(values: pd.Series, column: Column) -> Iterator[str]:
    # a file of comma-separated values does not tell a text of no letters from a cell that is empty
    missing = values.isna() | (values.astype(object) == "")
    known = values[~missing]
    if missing.any() and not column.empty:
        yield f"{column.name} is empty in {missing.sum()} of {len(values)} rows"
    if known.empty:
        return
    if not _is(known, column.kind):
        yield f"{column.name} is {known.dtype} ({known.iloc[0]!r}), not a {column.kind}"
    elif strange := _not_allowed(known, column.allowed):
        yield f"{column.name} holds {', '.join(strange[:3])}; allowed: {column.holds}"


def _is(known: pd.Series, kind: Kind) -> bool:
    """Whether all values are of a kind; whole numbers beside empty cells may be stored as others are."""
    is_flag = pd.api.types.is_bool_dtype(known)
    if kind == "text":
        return all(isinstance(value, str) for value in known)
    if kind == "true or false":
        return is_flag
    is_number = pd.api.types.is_numeric_dtype(known) and not is_flag
    return is_number and (kind == "number" or bool((known == known.round()).all()))


def _not_allowed(known: pd.Series, allowed: Sequence[str] | Range | None) -> list[str]:
    if allowed is None:
        return []
    if isinstance(allowed, Range):
        outside = (known < allowed.lowest - ROUNDING) | (known > allowed.highest + ROUNDING)
        return [f"{value:g}" for value in known[outside]]
    return [repr(value) for value in known.unique() if value not in allowed]
