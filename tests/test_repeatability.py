"""The same seed gives the same tables, bit for bit; other threads, batches and orders change next to nothing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import interp
from interp.corpora import batching
from interp.types import Corpus, HeadModel
from tests.conftest import Case

KEYS = ["definition", "role", "site", "layer", "head", "split", "ablation", "metric"]
SUMMED = ["n", "hit", "mass", "word_mass", "baseline", "lift", "intact", "ablated", "effect", "effect_token"]
"""What is made of sums alone: p-values and intervals can jump where two numbers are all but equal."""

ROUNDING = 1e-5
"""Of float32, on logits of size 10; documented values are those of `benchmarks.repeatability`."""


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    every = interp.grammar(documents=400, seed=3)
    # as much as a tiny model reads
    return replace(every, documents=tuple(one for one in every if len(one.words) <= 8)[:60])


def measured(model: HeadModel, corpus: Corpus) -> dict[str, pd.DataFrame]:
    tables = {
        "scores": interp.score(model, corpus, roles="all", min_queries=2, min_blocks=2),
        "effects": interp.ablate(model, corpus),
    }
    return {name: table.set_index([key for key in KEYS if key in table]).sort_index() for name, table in tables.items()}


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("count", [1, 2])
def test_the_same_again_is_the_same(tiny_gpt2: Case, corpus: Corpus, count: int) -> None:
    with threads(count):
        first, second = (measured(tiny_gpt2.model, corpus) for _ in range(2))
    for name, table in first.items():
        pd.testing.assert_frame_equal(table, second[name], check_exact=True)


@pytest.mark.parametrize("change", ["threads", "batches", "order"])
def test_what_only_changes_the_arithmetic_changes_next_to_nothing(
    tiny_gpt2: Case, corpus: Corpus, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with threads(1):
        before = measured(tiny_gpt2.model, corpus)
    if change == "batches":
        monkeypatch.setattr(batching, "TOKENS_A_BATCH", 150)
        monkeypatch.setattr("interp.ablation.sweep.TOKENS_A_SWEEP", 90)
    other = replace(corpus, documents=corpus.documents[::-1]) if change == "order" else corpus
    with threads(2 if change == "threads" else 1):
        after = measured(tiny_gpt2.model, other)
    for name, table in before.items():
        columns = [column for column in SUMMED if column in table]
        same = after[name].loc[table.index, columns]
        np.testing.assert_allclose(same.to_numpy(dtype=float), table[columns].to_numpy(dtype=float), atol=ROUNDING)
        if name == "scores":
            assert np.array_equal(same["n"], table["n"])


def test_another_seed_is_another_draw(tiny_gpt2: Case, corpus: Corpus) -> None:
    first, second = (interp.score(tiny_gpt2.model, corpus, seed=seed, min_queries=2, min_blocks=2) for seed in (0, 1))
    assert first["hit"].equals(second["hit"])
    assert not first["ci_low"].equals(second["ci_low"])


def test_a_table_does_not_depend_on_what_was_made_before(tiny_gpt2: Case, corpus: Corpus) -> None:
    alone = interp.roles_of(tiny_gpt2.model, corpus, min_queries=2, min_blocks=2)
    torch.rand(3)
    pd.testing.assert_frame_equal(
        alone, interp.roles_of(tiny_gpt2.model, corpus, min_queries=2, min_blocks=2), check_exact=True
    )
