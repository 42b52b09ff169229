"""The experiment of what heads' attention is made of: its nulls, on heads whose rules are planted."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch

import interp
from experiments import explain
from interp.attention.visibility import mask_groups
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.corpora.repeats import repeats
from interp.errors import InterpError
from interp.explaining.rules import choose_documents
from interp.models.planted import planted
from interp.roles.positional import offset
from interp.tallies.cells import CellTally
from interp.tallies.shuffled import ShuffledRows
from interp.tallies.stream import stream
from interp.types import Batch, Corpus, Role
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


def test_every_number_names_the_card_that_defines_it(tables: dict[str, pd.DataFrame]) -> None:
    cards = set(interp.definitions()["definition"])
    of = {"explanations": "explained", "null_explanations": "explained", "shares": "share", "adds": "adds"}
    for name, number in of.items():
        assert set(tables[name]["definition"]) == {f"explain/{number}@1"} <= cards


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
    one, two = (choose_documents(model, encoded, "word", 0.0001, copies=passes)[0] for passes in (1, 2))
    assert len(two) == pytest.approx(len(one) / 2, abs=1) and len(one) < len(CORPUS.documents)


def second_word(batch: Batch) -> torch.Tensor:
    """Attention from every word to the second one, which no rule of the library names."""
    words = batch.governor.shape[1]
    return (torch.arange(words) == 1).expand(len(batch.tokens), words, words)


SECOND = Role("second_word", "mine", "word", "hit", "mine/second-word@1", (), second_word)


def attend_to_second(batch: Batch) -> torch.Tensor:
    """One head that follows the role; from the second word, which it does not name a cell for, evenly."""
    rows, size = batch.tokens.shape
    seen = batch.mask[:, None, :].expand(rows, size, size).float()
    on_second = (batch.word == 1)[:, None, :].expand(rows, size, size)
    wanted = on_second & (batch.word != 1)[:, :, None]
    pattern = torch.where(wanted.any(2, keepdim=True), wanted.float(), seen)
    return (pattern / pattern.sum(2, keepdim=True))[:, None]


def test_a_head_that_follows_a_role_of_ones_own_is_explained_by_it() -> None:
    model = FakeModel(attend_to_second, 1)
    (without,), found = (
        explain.run(model, CORPUS).tables["explanations"]["explained"],
        explain.run(model, CORPUS, roles=[SECOND, offset(-1)]),
    )
    shares = found.tables["shares"].set_index("rule")
    assert shares["family"].to_dict()["second_word"] == "mine"
    assert shares["share_where_applies"].to_dict()["second_word"] >= 0.95
    assert (found.tables["explanations"]["explained"] >= 0.95).all() and without < 0.8
    adds = found.tables["adds"].set_index(["family", "null"])["adds"].to_dict()
    assert adds["mine", "none"] > 0.2
    assert ("mine", "permuted_gold") not in adds, "moved relations change nothing for it"
    assert [note for note in found.notes if "not taken twice" in note and "offset-1" in note]


def test_a_role_of_ones_own_that_reads_gold_has_its_null() -> None:
    def before_governor(batch: Batch) -> torch.Tensor:
        words = torch.arange(batch.governor.shape[1])
        return (batch.governor[:, :, None] - 1 == words) & (batch.governor[:, :, None] > 0)

    role = Role("before_governor", "mine", "word", "hit", "mine/before-governor@1", (), before_governor)
    found = explain.run(FakeModel(attend_to_second, 1), CORPUS, roles=role)
    adds = found.tables["adds"]
    assert set(adds.loc[adds["family"] == "mine", "null"]) == {"none", "permuted_gold"}
    for figure in explain.draw(found.tables).values():
        plt.close(figure)


def test_roles_without_their_gold_are_refused() -> None:
    with pytest.raises(InterpError, match=r"no annotation for the roles in explain\.roles"):
        explain.run(FakeModel(attend_to_second, 1), repeats(20, documents=20), roles="syntax")
