"""What a paper says of heads, held against the tables of a run: published, measured, pass or fail.

A claim points at one number of a table: of the one row that fits (`where`), of the best of the rows that fit (`best`),
the `mean` of all that fit, how many heads lie `over` or `under` a value, or which share of some heads is among the
`top` ones.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

import pandas as pd

from interp.errors import InterpError, closest
from interp.heads import head_name

COLUMNS = ["claim", "published", "measured", "tolerance", "verdict", "head", "n", "source", "note"]


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


def read_claims(written: Sequence[Mapping[str, Any]]) -> list[Claim]:
    """Claims as a configuration writes them.

    Raises `InterpError` for a key that no claim has, or lacks, and for a tolerance so wide that nothing at all would
    pass: as large as what was published, unless that is 0.
    """
    known = [one.name for one in fields(Claim)]
    for given in written:
        for key in given:
            if key not in known:
                raise InterpError(f"study.claims: {key!r} is not known. {closest(key, known)}")
        for key in ("claim", "published", "tolerance", "source"):
            if key not in given:
                raise InterpError(f"study.claims: {dict(given)} has no {key!r}. Every claim needs one.")
    claims = [Claim(**{key: _number(key, value) for key, value in given.items()}) for given in written]
    for one in claims:
        if one.published and one.tolerance is not None and one.tolerance >= abs(one.published):
            raise InterpError(
                f"study.claims: {one.claim!r} was published as {one.published:g}, and its tolerance of "
                f"{one.tolerance:g} would let 0 pass. Allowed: less than {abs(one.published):g}. Give a smaller "
                "tolerance, or null for both to measure without a verdict."
            )
    return claims


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
    for column in (claim.column, *claim.where, *([claim.best] if claim.best else [])):
        if column not in table:
            raise InterpError(
                f"The claim {claim.claim!r} is of the column {column!r} of {claim.table!r}. "
                f"{closest(column, list(table.columns))}"
            )
    chosen = pd.Series(data=True, index=table.index)
    for column, value in claim.where.items():
        chosen &= table[column] == value
    return table[chosen & table[claim.column].notna()]


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
