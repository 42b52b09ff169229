"""What a paper says of heads, held against the tables of a run: published, measured, pass or fail.

A claim points at one number of a table: of the one row that fits (`where`), of the best of the rows that fit (`best`),
the `mean` of all that fit, how many heads lie `over` or `under` a value, or which share of some heads is among the
`top` ones.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import pandas as pd

from interp.errors import COUNT, InterpError, closest, cut, shown
from interp.heads import head_name
from interp.text.printable import printable

COLUMNS = ["claim", "published", "measured", "tolerance", "verdict", "head", "n", "source", "note"]


def _is_text(value: object) -> bool:
    return isinstance(value, str) and printable(value) == value


def _is_number(value: object) -> bool:
    # a whole number of hundreds of digits is none that a table has
    return isinstance(value, int | float) and not isinstance(value, bool) and -HUGE < value < HUGE


def _is_cell(value: object) -> bool:
    return isinstance(value, bool) or _is_text(value) or _is_number(value)


HUGE = 1e300

_TEXT = (_is_text, "a text")
_NUMBER = (lambda value: value is None or _is_number(value), "a number, or null")

VALUES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    **dict.fromkeys(("claim", "source", "table", "column", "note"), _TEXT),
    **dict.fromkeys(("published", "over", "under"), _NUMBER),
    "tolerance": (lambda value: value is None or (_is_number(value) and value >= 0), "0 or more, or null"),
    "where": (
        lambda value: isinstance(value, Mapping) and all(_is_text(k) and _is_cell(v) for k, v in value.items()),
        "columns with their values, {role: …, split: all}",
    ),
    "best": (lambda value: value is None or _is_text(value), "the name of a column, or null"),
    "mean": (lambda value: isinstance(value, bool), "true or false"),
    "top": (lambda value: value is None or COUNT.holds(value), f"{COUNT}, or null"),
    "heads": (
        lambda value: isinstance(value, Sequence) and not isinstance(value, str) and all(map(_is_text, value)),
        'a list of heads, ["2.2", "4.11"]',
    ),
}
"""Of every key of a claim whether a value is one, and what is allowed."""


@dataclass(frozen=True)
class Claim:
    """A published number, where in the tables it would be, and how far off is still the same.

    `where` gives columns their values. `best` names the column whose largest value chooses among the rows; `mean`
    averages all rows that fit; `over` and `under` count heads whose `column` is larger or smaller; `heads` (as
    `layer.head`, from 0) are looked for among the `top` largest. `tolerance` is in the unit of the column; `note` tells
    of errata. Where a paper says something without a number, or its number is not known for certain, `published` is
    None, and the claim is measured only.
    """

    claim: str
    published: float | None
    tolerance: float | None
    source: str
    table: str = "scores"
    column: str = "hit"
    where: Mapping[str, Any] = field(default_factory=dict)
    best: str | None = None
    over: float | None = None
    under: float | None = None
    mean: bool = False
    top: int | None = None
    heads: Sequence[str] = ()
    note: str = ""


def read_claims(written: Any) -> list[Claim]:
    """Claims as a configuration writes them: a list of mappings.

    Raises `InterpError` for what is none, for a key that no claim has, or lacks, for a value that is none of its kind,
    for two ways to measure at once, and for a tolerance so wide that nothing at all would pass: as large as what was
    published, unless that is 0.
    """
    known = [one.name for one in fields(Claim)]
    if not isinstance(written, Sequence) or isinstance(written, str):
        raise InterpError(f"study.claims={cut(str(written))} is no list. Allowed: a list of claims, [{{claim: …}}, …].")
    for given in written:
        if not isinstance(given, Mapping):
            raise InterpError(f"study.claims: {cut(str(given))} is no claim. Allowed: keys and values, {{claim: …}}.")
        for key in given:
            if key not in known:
                raise InterpError(f"study.claims: {shown(str(key))} is not known. {closest(key, known)}")
        for key in ("claim", "published", "tolerance", "source"):
            if key not in given:
                raise InterpError(f"study.claims: {cut(str(dict(given)))} has no {key!r}. Every claim needs one.")
        for key, value in given.items():
            holds, allowed = VALUES[key]
            if not holds(value):
                about = f"{cut(str(given['claim']))}: {key}={cut(str(value))} is not allowed"
                raise InterpError(f"study.claims: {printable(about)}. Allowed: {allowed}. Mend {key}.")
    claims = [Claim(**{key: _number(key, value) for key, value in given.items()}) for given in written]
    for one in claims:
        _check_one_way(one)
        if one.published and one.tolerance is not None and one.tolerance >= abs(one.published):
            raise InterpError(
                f"study.claims: {one.claim!r} was published as {one.published:g}, and its tolerance of "
                f"{one.tolerance:g} would let 0 pass. Allowed: less than {abs(one.published):g}. Give a smaller "
                "tolerance, or null for both to measure without a verdict."
            )
    return claims


def _check_one_way(one: Claim) -> None:
    """Raises `InterpError` where a claim is measured in two ways, of which one would be forgotten."""
    given = {"best": one.best, "over": one.over, "under": one.under, "mean": one.mean or None, "top": one.top}
    ways = [way for way, value in given.items() if value is not None]
    if len(ways) > 1:
        raise InterpError(
            f"study.claims: {cut(one.claim)!r} has {' and '.join(ways)}. Allowed: one of {', '.join(given)}, or none."
        )
    if (one.top is None) != (not one.heads):
        lacks, has = ("heads", "top") if one.top is not None else ("top", "heads")
        raise InterpError(f"study.claims: {cut(one.claim)!r} has {has} and no {lacks}. Allowed: both, or neither.")


def _number(key: str, value: Any) -> Any:
    """A number as a configuration writes it, with a point or without."""
    return float(value) if key in ("published", "tolerance", "over", "under") and value is not None else value


def compare(claims: Sequence[Claim], tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """One row per claim: what was published, what was measured, and the verdict.

    `verdict` is `pass` where |measured − published| ≤ tolerance, `fail` where not, `not measured` where the tables hold
    no row for it (the corpus has no such relation, say), and `no number` where nothing is published to compare with.
    `head` is the head that was measured, where it is one.
    Raises `InterpError` for a table or a column that the run does not have.
    """
    rows = [_compared(claim, tables) for claim in claims]
    numbers = dict.fromkeys(("published", "measured", "tolerance"), float)
    return pd.DataFrame(rows, columns=COLUMNS).astype({**numbers, "n": "Int64"})


def _compared(claim: Claim, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    fitting = _fitting(claim, tables)
    measured, head, n = float("nan"), "", None
    if len(fitting) and claim.over is not None:
        measured = float((fitting[claim.column] > claim.over).sum())
    elif len(fitting) and claim.mean:
        measured = float(fitting[claim.column].mean())
    elif len(fitting) and claim.under is not None:
        measured = float((fitting[claim.column] < claim.under).sum())
    elif len(fitting) and claim.top is not None:
        first = fitting.nlargest(claim.top, claim.column, keep="all")
        found = set(_names(first))
        measured = sum(one in found for one in claim.heads) / len(claim.heads)
        head = ", ".join(_names(first.head(claim.top)))
    elif len(fitting):
        row = _one(claim, fitting)
        measured, head = float(row[claim.column]), _names(fitting.loc[[row.name]])[0] if "head" in fitting else ""
        n = int(row["n"]) if "n" in fitting and pd.notna(row["n"]) else None
    given = {name: getattr(claim, name) for name in ("claim", "published", "tolerance", "source", "note")}
    return {**given, "measured": measured, "verdict": _verdict(claim, measured), "head": head, "n": n}


def _verdict(claim: Claim, measured: float) -> str:
    if pd.isna(measured):
        return "not measured"
    if claim.published is None or claim.tolerance is None:
        return "no number"
    return "pass" if abs(measured - claim.published) <= claim.tolerance else "fail"


def _fitting(claim: Claim, tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    if claim.table not in tables:
        raise InterpError(f"The claim {claim.claim!r} is of the table {claim.table!r}. {closest(claim.table, tables)}")
    table = tables[claim.table]
    for column in (claim.column, *claim.where, *([] if claim.best is None else [claim.best])):
        if column not in table:
            raise InterpError(
                f"The claim {claim.claim!r} is of the column {column!r} of {claim.table!r}. "
                f"{closest(column, list(table.columns))}"
            )
    for column in (claim.column, *([] if claim.best is None else [claim.best])):
        if not pd.api.types.is_numeric_dtype(table[column]):
            numbers = [str(name) for name in table.columns if pd.api.types.is_numeric_dtype(table[name])]
            raise InterpError(
                f"The claim {claim.claim!r} is of the column {column!r} of {claim.table!r}, which holds no numbers. "
                f"{closest(column, numbers)}"
            )
    chosen = pd.Series(data=True, index=table.index)
    for column, value in claim.where.items():
        chosen &= table[column] == value
    # where what chooses is not there, nothing can be chosen
    by = claim.column if claim.best is None else claim.best
    return table[chosen & table[by].notna() & table[claim.column].notna()]


def _one(claim: Claim, fitting: pd.DataFrame) -> Any:
    if claim.best is not None:
        return fitting.nlargest(1, claim.best).iloc[0]
    if len(fitting) > 1:
        raise InterpError(
            f"The claim {claim.claim!r} fits {len(fitting)} rows of {claim.table!r}. Allowed: one. "
            "Add to `where`, or say with `best` which of them is meant."
        )
    return fitting.iloc[0]


def _names(rows: pd.DataFrame) -> list[str]:
    """`layer.head` of each row, with the site in front where it is not `self`."""
    sites = rows["site"] if "site" in rows else ["self"] * len(rows)
    return [head_name(*place) for place in zip(sites, rows["layer"], rows["head"], strict=True)]
