"""The JSON Schema of head cards, made of what is told of the tables' columns.

`python -m interp.interchange.card_schema` writes `head_cards.schema.json` anew, which a test asks for.
"""

import json
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any, get_args

from interp.heads import Site
from interp.interchange.card_fields import ANATOMY, ATTENTION, EFFECT, EXPLAINED, ROLE, RULE, SHAPE
from interp.interchange.head_cards import FORM
from interp.schema import TABLES, Column
from interp.schema.recurring import HEADS, NO_ROLE

SCHEMA_FILE = "head_cards.schema.json"
"""Beside this module, in the package."""

TYPES = {"text": "string", "whole number": "integer", "number": "number", "true or false": "boolean"}

OF_RUN = {
    "experiment": ("string", "name of the experiment, such as atlas"),
    "model": ("string", "name of the model"),
    "weights_sha256": ("string", "sha256 of the model's weights"),
    "tokenizer_sha256": ("string", "sha256 of its tokenizer"),
    "corpus": ("string", "name of the corpus"),
    "corpus_sha256": ("string", "sha256 of what the corpus was read or generated from"),
    "documents": ("integer", "documents of the corpus"),
    "generated": ("boolean", "whether a program wrote the corpus: intervals and p then describe the program"),
    "seed": ("integer", "seed of the run: of resampling, sign flips and random draws"),
    "gate": ("string", "whether the hooks were validated on the model at hand: passed, or off"),
    "version": ("string", "version of interp"),
    "commit": ("string", "commit of interp"),
}


def schema_text() -> str:
    """The text of the schema's file, as the package has it."""
    return files("interp.interchange").joinpath(SCHEMA_FILE).read_text(encoding="utf-8")


def card_schema() -> dict[str, Any]:
    """The schema, draft 2020-12, from the meanings of columns in `interp.schema`."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": FORM,
        "description": "What a run of interp says of every attention head. null: the cell of the table is empty, or "
        "is not finite; of a whole part: the run has no such table. Layers and heads are counted from 0.",
        **_object(
            {
                "form": {"const": FORM, "description": "name and version of this form"},
                "run": {
                    "description": "what ran; null where it is not known",
                    **_object(
                        {name: {"type": [kind, "null"], "description": what} for name, (kind, what) in OF_RUN.items()}
                    ),
                },
                "heads": {
                    "type": "array",
                    "description": "a card for each head, by site, layer and head",
                    "items": {"$ref": "#/$defs/head"},
                },
            }
        ),
        "$defs": {
            "head": _head(),
            "role": _of_table("roles", ROLE, "a role that the head has, on the held-out split"),
            "effect": _of_table("effects", EFFECT, "what the model loses when the head is ablated, of one metric"),
            "attention": _of_table("atlas", ATTENTION, "what its attention is like"),
            "number": _of_table("shape", SHAPE, "a number under the id of its definition"),
            "anatomy": _of_table("anatomy", ANATOMY, "what its weights say, and what it writes on the corpus"),
            "explained": _explained(),
            "rule": _of_table("cards", RULE, "a rule that explains the head, in the model of these rules alone"),
        },
    }


def _explained() -> dict[str, Any]:
    told = _of_table("explanations", EXPLAINED, "what all competing rules explain of its attention")
    told["properties"]["rules"] = {
        "anyOf": [{"type": "array", "items": {"$ref": "#/$defs/rule"}}, {"type": "null"}],
        "description": "those that explain it best, in the order in which they were chosen; null without table cards",
    }
    return told | {"required": list(told["properties"])}


def _head() -> dict[str, Any]:
    site, layer, head = HEADS
    card = _object(
        {
            "site": {"enum": list(get_args(Site)), "description": site.meaning},
            **{one.name: {"type": "integer", "minimum": 0, "description": one.meaning} for one in (layer, head)},
            "name": {"type": "string", "description": "layer.head, with the site in front where it is not self"},
            "roles": {
                "type": "array",
                "description": "the roles that it has, largest lift first; empty where it has none",
                "items": {"$ref": "#/$defs/role"},
            },
            "effects": _part("array", "effect", "table effects"),
            "attention": _part("object", "attention", "table atlas"),
            "shape": _part("array", "number", "table shape"),
            "anatomy": _part("object", "anatomy", "table anatomy"),
            "explained": _part("object", "explained", "tables explanations and cards"),
        }
    )
    # cards that were written before there was this part are cards still
    return card | {"required": [name for name in card["required"] if name != "explained"]}


def _part(kind: str, name: str, table: str) -> dict[str, Any]:
    one = {"$ref": f"#/$defs/{name}"}
    there = {"type": "array", "items": one} if kind == "array" else one
    return {"anyOf": [there, {"type": "null"}], "description": f"{table}; null where the run has none of it"}


def _of_table(name: str, columns: Sequence[str], what: str) -> dict[str, Any]:
    told = {column.name: column for column in (*TABLES["scores"].columns, *TABLES[name].columns)}
    return {"description": what, **_object({column: _of_column(told[column]) for column in columns})}


def _of_column(column: Column) -> dict[str, Any]:
    """The type, with null where a cell may be empty, and unit, meaning, range in words."""
    # a card lists no role where there is none
    empty = column.empty.removeprefix(NO_ROLE).removeprefix("; or ")
    may_be_null = bool(empty or column.only) or column.name == "baseline_name"
    said = [column.meaning]
    if column.unit != "none":
        said.append(f"unit: {column.unit}")
    # attention in float32 does not sum to one exactly: the range of a number is said, not asked for
    if column.holds and column.kind in ("number", "whole number"):
        said.append(column.holds)
    if empty:
        said.append(f"null: {empty}")
    kind: Any = TYPES[column.kind]
    return {"type": [kind, "null"] if may_be_null else kind, "description": "; ".join(said)}


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": list(properties),
        "properties": properties,
    }


def written() -> str:
    """The schema as the text of its file."""
    return json.dumps(card_schema(), indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    (Path(__file__).parent / SCHEMA_FILE).write_text(written(), encoding="utf-8")
