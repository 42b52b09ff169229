"""How numbers are said in a run's summary."""

import math
from typing import Any

import pandas as pd

from interp.documents import Corpus
from interp.heads import head_name


def signed(value: Any, digits: int = 2) -> str:
    """`+0.25`; one that these digits would show as zero and is not with its power of ten; never `nan` or `inf`."""
    if pd.isna(value):
        return "no value"
    if math.isinf(value):
        return "no finite value"
    hidden = 0 < abs(value) < 0.5 * 10**-digits
    # of minus zero, plus zero
    return f"{value:+.1e}" if hidden else f"{value + 0.0:+.{digits}f}"


def unsigned(value: Any, digits: int = 2) -> str:
    """The same without the plus: `0.25`, beside an interval that says small ends as exactly."""
    return signed(value, digits).removeprefix("+")


def interval(low: Any, high: Any, digits: int = 2) -> str:
    """` [low, high]`, or nothing where there is no interval."""
    return "" if pd.isna(low) or pd.isna(high) else f" [{signed(low, digits)}, {signed(high, digits)}]"


def more_sources(corpus: Corpus) -> str:
    """How to come by more source documents than a corpus has, as a sentence."""
    if corpus.generated:
        return "More documents do it: a larger corpus.documents (or corpus.limit)."
    if corpus.cut == "first":
        return "More source documents do it: the first N documents of a file come from few, corpus.limit=N from more."
    if corpus.cut == "limit":
        return "More source documents do it: a larger corpus.limit."
    return "More source documents do it."


def name_of(row: Any) -> str:
    """The name of the head that a row of a table is about, such as `3.1` or `cross 3.1`."""
    return head_name(row.site, row.layer, row.head)
