"""Subsets of a circuit, chosen on a network that adds up known numbers; and heads that are read from elsewhere."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from interp.errors import InterpError
from interp.explaining.circuits import (
    complement,
    greedy_subset,
    heads_in_file,
    random_subsets,
    ranking_of_tables,
    subsets_of_minimality,
)
from interp.types import Head
from tests.conftest import Case

HEADS = [Head("self", 0, head) for head in range(6)]
CIRCUIT = HEADS[:4]
BACKUP = HEADS[5]


def left(sets: Any, name: str) -> np.ndarray:
    """Head 0 gives 2, head 1 gives 1; 2 and 3 give 3 if either is there; head 5, outside, gives 4 without 1."""

    def value(gone: set[Head]) -> float:
        there = set(HEADS) - gone
        total = 2.0 * (HEADS[0] in there) + (HEADS[1] in there) + 3.0 * bool({HEADS[2], HEADS[3]} & there)
        return total + 4.0 * (BACKUP in there and HEADS[1] not in there)

    return np.array([[value(set(some)), 0.0] for some in sets])


def test_the_greedy_subset_finds_what_the_circuit_leaves_out() -> None:
    """Without head 1 the model has its backup, which the circuit has not: 4 apart; nothing else makes it more."""
    assert greedy_subset(CIRCUIT, HEADS, 3, left) == (HEADS[1],)


def test_of_two_heads_that_stand_for_each_other_each_is_needed_without_the_other() -> None:
    subsets = subsets_of_minimality(CIRCUIT, HEADS, [], left)
    assert subsets[2] == (HEADS[3],) and subsets[3] == (HEADS[2],)
    without = [left([complement([h for h in CIRCUIT if h not in some], HEADS)], "")[0, 0] for some in subsets]
    also = [
        left([complement([h for h in CIRCUIT if h not in (*some, head)], HEADS)], "")[0, 0]
        for head, some in zip(CIRCUIT, subsets, strict=True)
    ]
    assert (np.array(without) - also).tolist() == [2, 1, 3, 3]


def test_random_subsets_are_neither_empty_nor_everything() -> None:
    found = random_subsets(CIRCUIT, 100, 0)
    assert len(found) == 100 and all(0 < len(some) < 4 for some in found) and len(set(found)) == 14
    assert random_subsets(CIRCUIT[:1], 5, 0) == []


def test_heads_are_read_line_by_line(tiny_gpt2: Case, tmp_path: Path) -> None:
    file = tmp_path / "heads.txt"
    file.write_text("1.3  # writes the name\n\nL0H2\n1.3\n", encoding="utf-8")
    assert heads_in_file(str(file), tiny_gpt2.model) == [Head("self", 1, 3), Head("self", 0, 2)]
    file.write_text("1.3\n9.9\n", encoding="utf-8")
    with pytest.raises(InterpError, match=r"line 2: '9.9' is no head of this model"):
        heads_in_file(str(file), tiny_gpt2.model)
    for text in ("", "# nothing\n"):
        file.write_text(text, encoding="utf-8")
        with pytest.raises(InterpError, match="has no head"):
            heads_in_file(str(file), tiny_gpt2.model)
    with pytest.raises(InterpError, match="is no file"):
        heads_in_file(str(tmp_path / "none.txt"), tiny_gpt2.model)


def test_tables_of_other_runs_rank_heads() -> None:
    place = {"site": "self", "layer": [0, 0, 1, 1], "head": [0, 1, 0, 1]}
    attribution = pd.DataFrame({**place, "component": ["head", "mlp", "head", "head"], "value": [0.1, 9.0, 0.5, -2.0]})
    assert ranking_of_tables({"attribution": attribution}, None) == [("self", 1, 0), ("self", 0, 0), ("self", 1, 1)]
    patching = pd.DataFrame(
        {"site": "self", "layer": 0, "head": [0, 0, 1, 1], "direction": ["noise", "noise", "noise", "denoise"],
         "part": "z", "effect": [0.2, 0.7, 0.5, 3.0]}
    )  # fmt: skip
    both = {"attribution": attribution, "patching": patching}
    assert ranking_of_tables(both, None) == [("self", 0, 0), ("self", 0, 1)], "patching says more than what is direct"
    roles = pd.DataFrame({**place, "role": ["a", "b", "a", "b"], "lift": [0.3, 0.9, 0.4, 0.2]})
    assert ranking_of_tables({"roles": roles}, "a") == [("self", 1, 0), ("self", 0, 0)]
    with pytest.raises(InterpError, match=r"no head with circuit.role=c. It has: a, b"):
        ranking_of_tables({"roles": roles}, "c")
