"""By what the map of heads may be coloured: the family of a head's role, or any number that a table has of it."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from interp.heads import HEAD
from interp.plots.style import OTHER_FAMILY, PALETTE, SIZES_OF_CHANGE, metric_label
from interp.report.numbers import records, rounded
from interp.tables.best_heads import best_roles
from interp.tables.tags import ANY

LETTERS = {
    "positional": "P",
    "copying": "C",
    "syntax": "S",
    "coreference": "R",
    "lexical": "L",
    "pictures": "V",
    "unclassified": "",
}
"""What stands in a cell beside its colour: nobody has to tell families by colour alone."""
OTHER_LETTER = "O"

OF_HEADS = {
    "atlas": ("entropy", "mean_distance", "null_attention", "explained", "best_lift", "n_roles"),
    "anatomy": (
        "share",
        "written",
        "copying",
        "qk_rank",
        "ov_rank",
        "position_mass",
        "previous",
        "first",
        "query_norm",
    ),
    "explanations": ("explained", "entropy"),
    "head_map": ("nearest",),
    "probe_weights": ("to_governor", "from_governor"),
}
"""Tables of one row a head, and their columns that are shown; all numbers where none are named."""

NOT_SHOWN = {"seed", "layer", "head", "n", "ci_low", "ci_high", "p", "q"}


def families(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, str]]:
    """Every family that a role of the run is of, with its colour and letter; heads without a role last."""
    present: list[str] = []
    for name in ("scores", "roles"):
        if name in tables:
            present += [str(family) for family in tables[name]["family"].dropna().unique()]
    known = [family for family in PALETTE if family in present and family != "unclassified"]
    own = sorted(set(present) - set(PALETTE))
    rows = [{"name": name, "colour": PALETTE[name], "letter": LETTERS[name]} for name in known]
    rows += [{"name": name, "colour": OTHER_FAMILY, "letter": OTHER_LETTER} for name in own]
    return [*rows, {"name": "unclassified", "colour": PALETTE["unclassified"], "letter": ""}]


def family_of_heads(tables: Mapping[str, pd.DataFrame]) -> dict[str, str]:
    """The family of each head's best role, by the head's name on the page."""
    if "roles" not in tables:
        return {}
    roles = tables["roles"]
    best = best_roles(roles[roles["role"] != "unclassified"], HEAD)
    return {key(row): str(row["family"]) for row in records(best)}


def colourings(tables: Mapping[str, pd.DataFrame]) -> list[dict[str, Any]]:
    """Each with a label, its unit, whether it diverges from zero, and a value for every head that has one."""
    found = [
        *_candidates(tables),
        *_effects(tables),
        *_of_heads(tables),
        *_by_definition(tables),
        *_tags(tables),
        *_lifts(tables),
    ]
    return [one for one in found if one["values"]]


def key(row: Mapping[str, Any]) -> str:
    """`self 3.1`: a head's name on the page, which tells sites apart."""
    return f"{row['site']} {row['layer']}.{row['head']}"


def _values(table: pd.DataFrame, column: str) -> dict[str, float]:
    known = table[np.isfinite(table[column].astype(float))]
    return {key(row): rounded(row[column]) for row in records(known[[*HEAD, column]])}


def _candidates(tables: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    """Of a sentence with a query: the attention from there to each candidate."""
    if "candidates" not in tables:
        return
    by = ["candidate", "candidate_word"]
    found = tables["candidates"]
    # the one that some head attends to most comes first, as in the summary
    for number, word in found.sort_values("mass", ascending=False)[by].drop_duplicates().itertuples(index=False):
        table = found[found["candidate"] == number]
        label = f"attention to {word} (word {number})"
        yield {"label": label, "group": "from the query", "signed": False, "values": _values(table, "mass")}


def _effects(tables: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    if "effects" not in tables:
        return
    for (metric, ablation), table in tables["effects"].groupby(["metric", "ablation"], sort=False):
        signed = metric not in SIZES_OF_CHANGE
        label = f"effect of {ablation} ablation on {metric_label(str(metric))}"
        yield {"label": label, "group": "effects", "signed": signed, "values": _values(table, "effect")}


def _of_heads(tables: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    for name, columns in OF_HEADS.items():
        if name not in tables or not {*HEAD} <= set(tables[name]):
            continue
        table = tables[name].drop_duplicates(HEAD)
        for column in columns or [str(c) for c in table if pd.api.types.is_float_dtype(table[c])]:
            if column in NOT_SHOWN or column not in table:
                continue
            values = _values(table, column)
            signed = any(value < 0 for value in values.values())
            yield {"label": column.replace("_", " "), "group": name, "signed": signed, "values": values}


def _by_definition(tables: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    for name in ("shape", "copying"):
        table = tables.get(name)
        if table is None or not {"definition", "value", *HEAD} <= set(table):
            continue
        for definition, rows in table.groupby("definition", sort=False):
            values = _values(rows.drop_duplicates(HEAD), "value")
            signed = any(value < 0 for value in values.values())
            yield {"label": str(definition), "group": name, "signed": signed, "values": values}


def _tags(tables: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    if "tags" not in tables:
        return
    overall = tables["tags"][tables["tags"]["from_tag"] == ANY]
    for tag, rows in overall.groupby("to_tag", sort=False):
        label = f"attention to {tag} over uniform"
        yield {"label": label, "group": "parts of speech", "signed": True, "values": _values(rows, "excess")}


def _lifts(tables: Mapping[str, pd.DataFrame]) -> Iterator[dict[str, Any]]:
    if "scores" not in tables:
        return
    confirm = tables["scores"][tables["scores"]["split"] == "confirm"]
    for role, table in confirm.groupby("role", sort=False):
        values = _values(table.drop_duplicates(HEAD), "lift")
        yield {"label": f"lift of {role}", "group": "roles (held-out split)", "signed": True, "values": values}
