"""Head cards: all that a run says of each head, as JSON for programs that read no parquet; made of its tables alone."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from interp.errors import InterpError
from interp.heads import HEAD, Site, head_name
from interp.interchange.card_fields import ANATOMY, ATTENTION, EFFECT, EXPLAINED, ROLE, RULE, SHAPE

FILE = "head_cards.json"
"""What a run's folder calls them."""

FORM = "interp-head-cards/1"
"""Name and version of the form; a change that a reader of the old one would trip over raises the version."""

PARTS = ("roles", "effects", "atlas", "shape", "anatomy", "explanations", "cards")
"""Tables that a card is made of; `scores` names the baselines."""


def obstacle(tables: Mapping[str, pd.DataFrame]) -> str:
    """Why no cards can be made of these tables, in a sentence or two; nothing where they can."""
    if "roles" not in tables or not {*HEAD, "role"} <= set(tables["roles"]):
        return (
            f"Head cards need the table `roles`; there are {', '.join(tables) or 'none'}. Give the tables of a run of "
            "experiment=atlas or head_roles, or {'roles': interp.roles_of(model, corpus)}."
        )
    used = _used(tables)
    for name, table in used.items():
        for column in ("run", "model", "corpus", "seed"):
            if column in table and len(table[column].unique()) > 1:
                return f"The table {name!r} is of several runs (column {column}). Give the rows of one of them."
    models = {str(table["model"].iloc[0]): name for name, table in used.items() if "model" in table and len(table)}
    if len(models) > 1:
        listed = ", ".join(f"{name} of {model!r}" for model, name in models.items())
        return f"The tables are of several models: {listed}. Give tables of one model."
    return ""


def head_cards(tables: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """A card for each head of the run's tables, and what ran, in the form of `head_cards.schema.json`.

    `tables` by name, as `load_runs` gives those of one folder; those of another experiment on the same model (`shape`,
    `anatomy`, `explanations` with `cards`) may be added. `manifest` tells of the run; without one only what the tables
    say stands there. Names, units and meanings of numbers are those of the tables' columns. What a table leaves empty,
    and what is not finite, is None; so is a part that the run has no table of. Raises `InterpError` without a table of
    roles, and where the tables are of several models, or one of several runs.
    """
    if why := obstacle(tables):
        raise InterpError(why)
    used = _used(tables)
    parts = {name: _rows_by_head(table) for name, table in used.items()}
    baselines = _baselines(tables.get("scores"))
    found = {head for name in PARTS for head in parts.get(name, {})}
    sites = list(get_args(Site))
    return {
        "form": FORM,
        "run": _run(used["roles"], manifest or {}),
        "heads": [
            _card(head, parts, baselines) for head in sorted(found, key=lambda head: (sites.index(head[0]), *head))
        ],
    }


def cards_text(tables: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any]) -> str:
    """The same as the text of a file: strict JSON, the same for the same tables and manifest."""
    text = json.dumps(head_cards(tables, manifest), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    # half of a character from a path
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def load_head_cards(folder: str | Path) -> dict[str, Any]:
    """The head cards of a run's folder. Raises `InterpError` where it has none, or they cannot be read."""
    path = Path(folder) / FILE
    if not path.is_file():
        raise InterpError(
            f"{path}: there is no such file. Give the folder of a run that has roles (atlas, head_roles); of an older "
            "one interp.head_cards makes them from its tables."
        )
    try:
        cards = json.loads(path.read_text(encoding="utf-8"))
        form = cards["form"]
    except (OSError, ValueError, RecursionError, LookupError, TypeError) as error:
        raise InterpError(f"{path} cannot be read as head cards ({error}). Run the experiment again.") from error
    if form != FORM:
        raise InterpError(f"{path} is of the form {form!r}. Allowed: {FORM!r}. Read it with the version that wrote it.")
    return cards


Key = tuple[str, int, int]
Rows = dict[Key, list[dict[str, Any]]]


def _rows_by_head(table: pd.DataFrame) -> Rows:
    found: Rows = {}
    names = [str(name) for name in table.columns]
    for values in table.itertuples(index=False, name=None):
        row = dict(zip(names, values, strict=True))
        found.setdefault((str(row["site"]), int(row["layer"]), int(row["head"])), []).append(row)
    return found


def _card(head: Key, parts: Mapping[str, Rows], baselines: Mapping[tuple[Key, str], Any]) -> dict[str, Any]:
    """What each part has of one head."""
    of = {name: rows.get(head, []) for name, rows in parts.items()}
    site, layer, number = head
    roles = [
        {
            name: baselines.get((head, str(row["role"]))) if name == "baseline_name" else _cell(row, name)
            for name in ROLE
        }
        for row in of["roles"]
        if row["role"] != "unclassified"
    ]
    roles.sort(key=lambda role: (-(role["lift"] or 0.0), role["role"]))
    return {
        "site": site,
        "layer": layer,
        "head": number,
        "name": head_name(site, layer, number),
        "roles": roles,
        "effects": _listed(of.get("effects"), EFFECT),
        "attention": _single(of.get("atlas"), ATTENTION),
        "shape": _listed(of.get("shape"), SHAPE),
        "anatomy": _single(of.get("anatomy"), ANATOMY),
        "explained": _explained(of.get("explanations"), of.get("cards")),
    }


def _explained(rows: list[dict[str, Any]] | None, rules: list[dict[str, Any]] | None) -> dict[str, Any] | None:
    """What rules explain of the head's attention, and those that explain it best; None of these without `cards`."""
    told = _single(rows, EXPLAINED)
    if told is None:
        return None
    ordered = None if rules is None else sorted(rules, key=lambda row: row["place"])
    return told | {"rules": _listed(ordered, RULE)}


def _listed(rows: list[dict[str, Any]] | None, names: tuple[str, ...]) -> list[dict[str, Any]] | None:
    return None if rows is None else [{name: _cell(row, name) for name in names} for row in rows]


def _single(rows: list[dict[str, Any]] | None, names: tuple[str, ...]) -> dict[str, Any] | None:
    return {name: _cell(rows[0], name) for name in names} if rows else None


def _cell(row: Mapping[str, Any], name: str) -> Any:
    """A cell as JSON has it; None where it is empty, not finite, or the table has no such column."""
    value = row.get(name)
    if value is None or value is pd.NA or value is pd.NaT:
        return None
    if isinstance(value, bool | np.bool_):
        return bool(value)
    if isinstance(value, int | np.integer):
        return int(value)
    if isinstance(value, float | np.floating):
        return float(value) if math.isfinite(value) else None
    return str(value)


def _baselines(scores: pd.DataFrame | None) -> dict[tuple[Key, str], Any]:
    """The name of the baseline that each head was held against, by head and role."""
    if scores is None or not {*HEAD, "role", "split", "baseline_name"} <= set(scores):
        return {}
    confirm = scores[scores["split"] == "confirm"]
    rows = confirm[[*HEAD, "role", "baseline_name"]].itertuples(index=False, name=None)
    return {((s, int(layer), int(head)), str(role)): _cell({"": name}, "") for s, layer, head, role, name in rows}


def _used(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    return {name: tables[name] for name in (*PARTS, "scores") if name in tables and {*HEAD} <= set(tables[name])}


def _run(roles: pd.DataFrame, manifest: Mapping[str, Any]) -> dict[str, Any]:
    """What ran, from the manifest; of a manifest that is missing, what the table says."""
    named = [name for name in ("model", "corpus", "seed") if name in roles and len(roles)]
    first = {name: _cell({"": roles[name].iloc[0]}, "") for name in named}
    model, corpus, project = (manifest.get(part, {}) for part in ("model", "corpus", "project"))
    target = manifest.get("config", {}).get("experiment", {}).get("_target_")
    return {
        "experiment": None if target is None else str(target).removeprefix("experiments.").removesuffix(".run"),
        "model": model.get("name", first.get("model")),
        "weights_sha256": model.get("weights_sha256"),
        "tokenizer_sha256": model.get("tokenizer_sha256"),
        "corpus": corpus.get("name", first.get("corpus")),
        "corpus_sha256": corpus.get("sha256"),
        "documents": corpus.get("documents"),
        "generated": corpus.get("generated"),
        "seed": manifest.get("seed", first.get("seed")),
        "gate": manifest.get("gate", {}).get("status"),
        "version": project.get("version"),
        "commit": project.get("commit"),
    }
