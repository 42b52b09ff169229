"""The experiment of what heads' attention is made of: its nulls, on heads whose rules are planted."""

import numpy as np
import pandas as pd
import pytest

from experiments import explain
from interp.attention.visibility import mask_groups
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.errors import InterpError
from interp.models.planted import planted
from interp.tallies.cells import CellTally
from interp.tallies.shuffled import ShuffledRows
from interp.tallies.stream import stream
from interp.types import Corpus
from tests.support.fakes import FakeModel, random_documents
from tests.tables.test_explanations import PLANTED, attend

CORPUS = Corpus("random", tuple(random_documents(240, seed=3, sizes=(3, 14))), "0" * 64)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    return dict(explain.run(FakeModel(attend, len(PLANTED)), CORPUS, nulls=["permuted_gold", "shuffled_rows"]).tables)


def test_of_shuffled_rows_no_rule_explains_a_planted_head(tables: dict[str, pd.DataFrame]) -> None:
    real, null = (tables[name].set_index("head") for name in ("explanations", "null_explanations"))
    assert set(null["null"]) == {"shuffled_rows"} and (null["n"] == real["n"]).all()
    for name in ("offset-1", "most_tokens"):
        head = PLANTED.index(name)
        # words of two tokens get more of a shuffled row than words of one, and `most_tokens` names them
        assert real["explained"].to_numpy()[head] >= 0.95 and null["explained"].to_numpy()[head] < 0.2
        low, middle, high = (float(null[name].to_numpy()[head]) for name in ("ci_low", "explained", "ci_high"))
        assert low <= middle <= high


def test_every_family_has_what_it_adds_to_shuffled_rows(tables: dict[str, pd.DataFrame]) -> None:
    adds = tables["adds"]
    of = adds.set_index(["family", "null", "head"])["adds"]
    families = set(adds["family"])
    assert {"special", "position", "lexical", "syntax"} <= families
    assert set(adds.loc[adds["null"] == "shuffled_rows", "family"]) == families
    head = PLANTED.index("offset-1")
    assert of["position", "none", head] > 0.5
    assert max(of[family, "shuffled_rows", head] for family in families - {"lexical"}) < 0.05


def test_the_summary_says_what_is_explained_of_shuffled_rows(tables: dict[str, pd.DataFrame]) -> None:
    (line,) = [line for line in explain.summarise(tables) if "shuffled" in line]
    mean = tables["null_explanations"]["explained"].mean()
    assert f"rules explain {mean:.2f} in the mean" in line
    without = {name: table for name, table in tables.items() if name != "null_explanations"}
    without["adds"] = without["adds"][without["adds"]["null"] != "shuffled_rows"]
    assert not any("shuffled" in line for line in explain.summarise(without))


def test_only_what_is_asked_for_is_run() -> None:
    found = explain.run(FakeModel(attend, len(PLANTED)), CORPUS, nulls=[])
    assert "null_explanations" not in found.tables
    assert set(found.tables["adds"]["null"]) == {"none"}


def test_a_null_that_is_not_known_is_refused() -> None:
    with pytest.raises(InterpError, match=r"explain\.nulls=shuffled is not known"):
        explain.run(FakeModel(attend, len(PLANTED)), CORPUS, nulls=["shuffled"])


def test_a_null_that_has_nothing_to_move_is_said() -> None:
    found = explain.run(planted(), grammar(60), unit="token")
    assert any("permuted_gold says nothing" in note for note in found.notes)


def test_shuffled_cells_are_of_the_same_queries_and_keep_each_row() -> None:
    """Of words that are a token each, and no later special tokens, cells are tokens: rows are the same, sorted."""
    model = planted()
    encoded, groups = encode(model, grammar(30)), mask_groups(model)
    found = []
    for through in (lambda tally: tally, lambda tally: ShuffledRows(tally, groups, 0)):
        tally = CellTally(model.heads, groups)
        stream(model, read_batches(batches(encoded, model)), through(tally))
        found += tally.cells()
    real, null = found
    for name in ("document", "word", "query", "cell"):
        np.testing.assert_array_equal(getattr(real, name), getattr(null, name))
    assert real.outside.max() < 1e-6, "every token is of a cell"
    moved = 0
    for query in range(len(real.document)):
        rows = real.query == query
        one, other = real.attention[rows], null.attention[rows]
        np.testing.assert_allclose(np.sort(one, axis=0), np.sort(other, axis=0), atol=1e-6)
        moved += int((np.abs(one - other).max(axis=0) > 0.5).sum())
    assert moved > 1000


def test_two_passes_share_the_memory() -> None:
    model = FakeModel(attend, len(PLANTED))
    encoded = encode(model, CORPUS)
    one, two = (explain.choose_documents(model, encoded, "word", 0.0001, passes)[0] for passes in (1, 2))
    assert len(two) == pytest.approx(len(one) / 2, abs=1) and len(one) < len(CORPUS.documents)
