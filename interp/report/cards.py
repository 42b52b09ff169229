"""What a page says of one head: its roles, what ablating it costs, its numbers, and its attention by offset."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from interp.heads import HEAD
from interp.report.colourings import key
from interp.report.numbers import plain, records, rounded

OF_ROLES = [
    *("role", "family", "statistic", "n", "hit", "mass", "baseline", "lift", "ci_low", "ci_high", "p", "q"),
    *("stability", "guess_pos", "lift_pos", "lift_pos_low", "lift_pos_high", "definition"),
]
OF_EFFECTS = ["metric", "ablation", "n", "intact", "ablated", "effect", "ci_low", "ci_high", "p", "q"]
OF_ATLAS = {
    "entropy": "entropy (nats)",
    "mean_distance": "mean distance (tokens)",
    "null_attention": "attention on the first token",
    "explained": "of its attention, explained by rules",
    "first_rule": "the one rule that explains most",
    "agreement": "role and effect",
}
OF_ANATOMY = {
    "share": "share of its layer's output",
    "written": "norm of what it writes",
    "copying": "OV copying, Σ Re λ / Σ |λ|",
    "qk_rank": "effective rank of QK",
    "ov_rank": "effective rank of OV",
    "position_offset": "offset that position alone prefers",
    "position_mass": "attention by position alone, there",
}
LARGE = 0.02
"""Shares of rules that are listed."""
NEAR = 3
"""Roles of a head that has none, which it comes nearest to."""


def cards(tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, Any]]:
    """By the head's name on the page; only what the run's tables hold."""
    found: dict[str, dict[str, Any]] = {}
    for name in tables:
        if {*HEAD} <= set(tables[name]):
            for site, layer, head in tables[name][HEAD].drop_duplicates().itertuples(index=False):
                found.setdefault(key({"site": site, "layer": layer, "head": head}), {})
    _roles(tables, found)
    _near(tables, found)
    for row in _records(tables.get("effects"), [*HEAD, *OF_EFFECTS]):
        found[key(row)].setdefault("effects", []).append({name: plain(row.get(name)) for name in OF_EFFECTS})
    for row in _records(tables.get("atlas"), [*HEAD, *OF_ATLAS]):
        numbers = {label: plain(row.get(name)) for name, label in OF_ATLAS.items()}
        found[key(row)]["numbers"] = [[label, value] for label, value in numbers.items() if value is not None]
    for row in _records(tables.get("anatomy"), [*HEAD, *OF_ANATOMY]):
        numbers = [[label, plain(row.get(name))] for name, label in OF_ANATOMY.items()]
        found[key(row)].setdefault("numbers", []).extend(one for one in numbers if one[1] is not None)
    for name in ("shape", "copying"):
        for row in _records(tables.get(name), [*HEAD, "definition", "value", "ci_low", "ci_high"]):
            if "definition" in row and "value" in row:
                value = [row["definition"], *(plain(row.get(part)) for part in ("value", "ci_low", "ci_high"))]
                found[key(row)].setdefault("measured", []).append(value)
    _made_of(tables, found)
    _offsets(tables, found)
    return found


def _records(table: pd.DataFrame | None, columns: list[str]) -> list[dict[str, Any]]:
    if table is None or not {*HEAD} <= set(table):
        return []
    return records(table[[name for name in columns if name in table]])


def _roles(tables: Mapping[str, pd.DataFrame], found: dict[str, dict[str, Any]]) -> None:
    """Its roles, as `roles` has them, with the name of the baseline that each is held against."""
    if "roles" not in tables:
        return
    names: dict[tuple[Any, ...], str] = {}
    if "scores" in tables:
        confirm = tables["scores"][tables["scores"]["split"] == "confirm"]
        for row in _records(confirm, [*HEAD, "role", "baseline_name"]):
            names[key(row), row["role"]] = str(row.get("baseline_name"))
    for row in _records(tables["roles"], [*HEAD, *OF_ROLES]):
        if row["role"] == "unclassified":
            continue
        card = {name: plain(row.get(name)) for name in OF_ROLES}
        found[key(row)].setdefault("roles", []).append(card | {"baseline_name": names.get((key(row), row["role"]))})


def _near(tables: Mapping[str, pd.DataFrame], found: dict[str, dict[str, Any]]) -> None:
    """Of heads without a role: the roles with the largest lift, which did not suffice."""
    if "scores" not in tables:
        return
    scores = tables["scores"]
    tested = scores[(scores["split"] == "confirm") & scores["p"].notna()]
    ranked = tested.sort_values("lift", ascending=False, kind="stable").groupby(HEAD, sort=False).head(NEAR)
    for row in _records(ranked, [*HEAD, "role", "lift", "ci_low", "ci_high", "q"]):
        if "roles" not in found[key(row)]:
            near = {name: plain(row.get(name)) for name in ("role", "lift", "ci_low", "ci_high", "q")}
            found[key(row)].setdefault("near", []).append(near)


def _made_of(tables: Mapping[str, pd.DataFrame], found: dict[str, dict[str, Any]]) -> None:
    """What rules explain of its attention, and the largest shares of rules."""
    for row in _records(tables.get("explanations"), [*HEAD, "explained", "ci_low", "ci_high", "card"]):
        made_of = {name: plain(row.get(name)) for name in ("explained", "ci_low", "ci_high", "card")}
        found[key(row)]["made_of"] = made_of | {"shares": []}
    shares = tables.get("shares")
    if shares is None or "share" not in shares:
        return
    large = shares[shares["share"] >= LARGE].sort_values("share", ascending=False, kind="stable")
    for row in _records(large, [*HEAD, "rule", "family", "share", "ci_low", "ci_high", "share_where_applies", "n"]):
        parts = ("rule", "family", "share", "ci_low", "ci_high", "share_where_applies", "n")
        found[key(row)]["made_of"]["shares"].append([plain(row.get(name)) for name in parts])


def _offsets(tables: Mapping[str, pd.DataFrame], found: dict[str, dict[str, Any]]) -> None:
    """Attention by offset: of the whole corpus where it was measured, else of the examples."""
    for name, column in (("kernel", "value"), ("example_offsets", "mass")):
        table = tables.get(name)
        if table is None or column not in table:
            continue
        # later tokens of a causal model: no head attends there, and a bar for them says nothing
        table = table[table.groupby(["site", "offset"])[column].transform("max") > 0]
        for (site, layer, head), rows in table.groupby(HEAD, sort=False):
            card = found[key({"site": site, "layer": layer, "head": head})]
            if "offsets" not in card:
                values = zip(rows["offset"], rows[column], strict=True)
                card["offsets"] = [[int(offset), rounded(value)] for offset, value in values if value == value]
                card["offsets_of"] = "the whole corpus" if name == "kernel" else "the example documents"
