"""One self-contained page of a run: a template, a style and a few small scripts, with the data inline.

The page asks for nothing: its policy (`default-src 'none'`) lets in only the style and the script whose hashes it
names. All text is put in as text by the script, never as markup.
"""

import base64
import html
import json
from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

import pandas as pd

from interp.examples import Examples
from interp.plots.style import ROCKET
from interp.report.cards import cards
from interp.report.colourings import colourings, families, family_of_heads
from interp.report.example_data import example_data
from interp.report.first_head import first_head, query_of
from interp.report.numbers import records
from interp.report.table_data import table_data

SCRIPTS = ("elements.js", "colours.js", "map.js", "attention.js", "card.js", "tables.js", "main.js")
"""In the order in which they build on each other."""

DIVERGING = ["#2166AC", "#67A9CF", "#D1E5F0", "#F7F7F7", "#FDDBC7", "#EF8A62", "#B2182B"]


def page(
    tables: Mapping[str, pd.DataFrame],
    manifest: Mapping[str, Any],
    examples: Examples | None = None,
    definitions: pd.DataFrame | None = None,
) -> str:
    """The page of a run, from what its folder holds; `definitions` explain the ids of its roles."""
    data = page_data(tables, manifest, examples, definitions)
    style, script = _asset("page.css"), "\n".join(_asset(name) for name in SCRIPTS)
    inline = f"style-src '{_digest(style)}'; script-src '{_digest(script)}'"
    policy = f"default-src 'none'; {inline}; base-uri 'none'; form-action 'none'"
    parts = {
        "POLICY": html.escape(policy, quote=True),
        "TITLE": html.escape(data["title"]),
        "STYLE": style,
        "DATA": as_json(data),
        "SCRIPT": script,
    }
    template = _asset("page.html")
    for name, text in parts.items():
        before, mark, after = template.partition(f"<!--{name}-->")
        assert mark, name
        template = before + text + after
    return template


def page_data(
    tables: Mapping[str, pd.DataFrame],
    manifest: Mapping[str, Any],
    examples: Examples | None,
    definitions: pd.DataFrame | None,
) -> dict[str, Any]:
    """All that the page shows, as the script reads it."""
    model, corpus = (manifest.get(part, {}).get("name") for part in ("model", "corpus"))
    experiment, found = _experiment(manifest), colourings(tables)
    about = f"{model} on {corpus}" if model and corpus else experiment
    return {
        "title": f"{about}: {experiment}" if about != experiment else experiment,
        "facts": _facts(manifest, experiment),
        "summary": [str(line) for line in manifest.get("summary", ())],
        "notes": [str(line) for line in manifest.get("said", ())],
        "families": families(tables),
        "family": family_of_heads(tables),
        "colourings": found,
        "sequential": ROCKET,
        "diverging": DIVERGING,
        "cards": cards(tables),
        "first": first_head(tables, found),
        "query": query_of(tables),
        "definitions": _definitions(tables, definitions),
        "examples": example_data(examples, tables.get("examples")),
        "tables": table_data(tables),
    }


def as_json(data: Any) -> str:
    """JSON that stands in a page: nothing in it ends the element that holds it."""
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for letter in "<>&\u2028\u2029":
        text = text.replace(letter, f"\\u{ord(letter):04x}")
    # half of a character from a path
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def _experiment(manifest: Mapping[str, Any]) -> str:
    target = str(manifest.get("config", {}).get("experiment", {}).get("_target_", ""))
    parts = target.split(".")
    return parts[-2] if len(parts) > 1 else "run"


def _facts(manifest: Mapping[str, Any], experiment: str) -> list[list[str]]:
    """What a reader wants to know of a run before any number of it."""
    model, corpus = manifest.get("model", {}), manifest.get("corpus", {})
    project, gate = manifest.get("project", {}), manifest.get("gate", {})
    documents = corpus.get("documents")
    facts: Sequence[tuple[str, Any]] = (
        ("experiment", experiment),
        ("model", model.get("name")),
        ("weights (sha256)", model.get("weights_sha256")),
        ("corpus", corpus.get("name")),
        ("documents", f"{documents:,}" if isinstance(documents, int) else documents),
        ("corpus (sha256)", corpus.get("sha256")),
        ("generated corpus", "yes: intervals and p describe its generator" if corpus.get("generated") else None),
        ("hooks", gate.get("status")),
        ("seed", manifest.get("seed")),
        ("interp", f"{project.get('version')} ({project.get('commit')})" if project else None),
        ("command", " ".join(["python -m experiments", *map(str, manifest.get("overrides", ()))])),
    )
    return [[name, str(value)] for name, value in facts if value not in (None, "")]


def _definitions(tables: Mapping[str, pd.DataFrame], known: pd.DataFrame | None) -> dict[str, dict[str, str]]:
    """The cards of the ids that the run's tables name."""
    if known is None:
        return {}
    used = {str(d) for table in tables.values() if "definition" in table for d in table["definition"].dropna().unique()}
    columns = [
        column for column in ("unit", "statistic", "formula", "exclusions", "baseline", "source") if column in known
    ]
    rows = records(known[known["definition"].isin(used)])
    return {str(row["definition"]): {column: str(row[column]) for column in columns} for row in rows}


def _asset(name: str) -> str:
    return files("interp.report").joinpath("assets", name).read_text(encoding="utf-8")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(sha256(text.encode()).digest()).decode('ascii')}"
