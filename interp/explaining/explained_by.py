"""The strengths of a run of `experiment=explain`, for a sentence that it has not seen, read by the same model."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from interp import paths, results
from interp.errors import InterpError
from interp.tables.modelled import OnCells, families_that_cannot_apply, modelled_attention, modelled_table
from interp.tallies.cells import seen_cells
from interp.tallies.rule_sets import rule_sets
from interp.types import EncodedCorpus, HeadModel

SAME = ("weights_sha256", "tokenizer_sha256", "revision")
"""What a manifest says of the model of a run that makes it another model where it differs."""

HASH = re.compile("[0-9a-f]{64}")
EXPLAIN = "experiments.explain.run"


class Modelled(NamedTuple):
    """A row per head, query word and key word: site layer head query key modelled; and what is to be said of it.

    `given` has the same of every cell, for heads that see alike.
    """

    table: pd.DataFrame
    given: Sequence[OnCells]
    notes: tuple[str, ...]


def modelled_by(model: HeadModel, encoded: EncodedCorpus, folder: str | Path) -> Modelled:
    """m(k|q) between the words of the first document, by the rules and strengths of the run in this folder.

    Where the document has no parts of speech, relations or mentions, rules that need them do not apply, and m is that
    of those that do; a note says so. Raises `InterpError` for what is no complete run of `experiment=explain` over
    words, and for one of another model.
    """
    shares = _shares_of(Path(folder), model)
    sets = [(cells, rule_sets(encoded, cells, "word")) for cells in seen_cells(model, encoded, [0])]
    given = [OnCells(cells, modelled_attention(cells, rules, shares)) for cells, rules in sets]
    table = pd.concat([modelled_table(*one) for one in given], ignore_index=True)
    return Modelled(table, given, _notes(families_that_cannot_apply([rules for _, rules in sets], shares)))


def _notes(missing: Mapping[str, float]) -> tuple[str, ...]:
    if not missing:
        return ()
    listed = ", ".join(f"{family} ({share:.2f})" for family, share in missing.items())
    return (
        f"modelled leaves out the rules of these families, none of which applies to this text: {listed}. In brackets: "
        "their share of attention where they were fitted, in the mean over heads. The others share out all of it.",
    )


def _shares_of(folder: Path, model: HeadModel) -> pd.DataFrame:
    """The table `shares` of the run. Raises `InterpError` where it cannot be that of this model's heads."""
    name = paths.shown(folder)
    manifest = results.read_manifest(folder)
    if manifest is None or manifest["status"] != "complete" or "shard" in manifest:
        state = "no run" if manifest is None else f"a run that is not complete (status {manifest['status']})"
        state = "a shard" if manifest is not None and "shard" in manifest else state
        raise InterpError(
            f"explained_by={name} holds {state}. Allowed: the folder of a complete run of experiment=explain."
        )
    experiment: Mapping[str, Any] = manifest.get("config", {}).get("experiment") or {}
    target = experiment.get("_target_")
    if target != EXPLAIN or "shares" not in manifest.get("tables", {}):
        raise InterpError(
            f"explained_by={name} holds a run of {target}, which fits no strengths. Allowed: the folder of a run of "
            "experiment=explain."
        )
    if experiment.get("unit", "word") != "word":
        raise InterpError(
            f"explained_by={name} holds a run with explain.unit={experiment['unit']}, whose rules are of tokens; a "
            "sentence is shown in words. Allowed: a run with explain.unit=word."
        )
    _check_model(str(name), manifest.get("model", {}), model)
    try:
        return results.read_table(folder, "shares", manifest.get("files", {}))
    except Exception as error:  # what a damaged file makes of pandas and pyarrow is of any class
        raise InterpError(
            f"explained_by={name}: its table shares cannot be read ({error}). Allowed: a run as it was written. Do it "
            "again in another folder."
        ) from error


def _check_model(folder: str, recorded: Mapping[str, Any], model: HeadModel) -> None:
    """Raises `InterpError` where the run is of other weights, another tokenizer, or another revision.

    Weights that have no hash (drawn by a seed, in memory) are told by the model's name as well.
    """
    names = SAME if HASH.fullmatch(str(recorded.get("weights_sha256"))) else ("name", *SAME)
    here = {"name": model.name, **model.provenance}
    differing = [name for name in names if recorded.get(name) != here.get(name)]
    if differing:
        first = differing[0]
        raise InterpError(
            f"explained_by={folder} is a run of {recorded.get('name')!r}, and the model here is {model.name!r}: "
            f"{first} is {recorded.get(first)} there, {here.get(first)} here. Strengths belong to one model's heads. "
            "Allowed: a run of experiment=explain of the model that reads the sentence."
        )
