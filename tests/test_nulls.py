"""Nulls keep what they say they keep, and nobody has a role in them."""

from collections import Counter
from dataclasses import replace
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import torch

from experiments import nulls
from interp import roles
from interp.corpora.batching import batches, encode
from interp.corpora.grammar import grammar
from interp.corpora.mentions import antecedents, head_word
from interp.corpora.permuted import permuted_gold
from interp.errors import InterpError, ModelError
from interp.models.loading import Model, minilm, random_weights
from interp.shapes.spread import ShapeTally
from interp.shuffled import ShuffledRows, shuffled
from interp.sights import sights_of
from interp.statistics.nulls import Measured, lifts_of_chosen, null_table
from interp.tallies import stream
from interp.types import Batch, Corpus, Document, HeadModel
from tests.fakes import FakeModel, random_documents, to_governor, uniform

RULES = {"margin": 0.1, "alpha": 0.05, "min_queries": 50, "min_blocks": 12, "min_word_mass": 0.1, "correction": "bh"}


def arcs(document: Document) -> Counter[tuple[str, int]]:
    assert document.governors is not None and document.relations is not None
    pairs = enumerate(zip(document.governors, document.relations, strict=True))
    return Counter((relation, governor - word) for word, (governor, relation) in pairs if governor >= 0)


def chains(document: Document) -> Counter[tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for mention in document.mentions or ():
        found.setdefault(mention.entity, []).append(head_word(document, mention))
    return Counter(tuple(head - min(heads) for head in sorted(heads)) for heads in found.values())


@pytest.mark.parametrize("seed", [0, 1])
def test_permuted_gold_keeps_text_labels_and_distances_and_moves_the_rest(seed: int) -> None:
    corpus = grammar(documents=150)
    moved = permuted_gold(corpus, seed)
    assert corpus.has_mentions and set(moved.relations) <= set(corpus.relations)
    left = [0, 0]
    for before, after in zip(corpus, moved, strict=True):
        assert (before.text, before.words, before.tags) == (after.text, after.words, after.tags)
        assert before.governors is not None and after.governors is not None
        assert all(-1 <= governor < len(after.words) for governor in after.governors)
        pairs = [(word, governor) for word, governor in enumerate(after.governors) if governor >= 0]
        assert not set(pairs) & set(enumerate(before.governors)), "nothing of the gold stays"
        assert not arcs(after) - arcs(before) and not chains(after) - chains(before)
        left[0] += len(before.words) - before.governors.count(-1) - len(pairs)
        left[1] += (chains(before) - chains(after)).total()
        heads = [{head_word(one, mention) for mention in one.mentions or ()} for one in (before, after)]
        assert len(before.mentions or ()) != 1 or heads[0] != heads[1]
        assert all(0 <= mention.start < mention.end <= len(after.words) for mention in after.mentions or ())
    relations = sum(arcs(one).total() for one in corpus)
    assert 0 < left[0] < 0.4 * relations
    assert f"{left[0]} of {relations} relations" in moved.notes[-1] and f"{left[1]} of" in moved.notes[-1]
    assert sum(len(antecedents(one)) for one in moved) > 0.5 * sum(len(antecedents(one)) for one in corpus)
    again, other = permuted_gold(corpus, seed), permuted_gold(corpus, seed + 7)
    assert [d.governors for d in again] == [d.governors for d in moved] != [d.governors for d in other]


def test_a_head_that_knows_the_relation_loses_its_role_on_permuted_gold() -> None:
    corpus = Corpus("trees", tuple(random_documents(400)), "none")
    governors = [document.governors for document in corpus]

    def knows(batch: Batch) -> torch.Tensor:
        """Looks where the true gold is, whatever gold the batch holds."""
        true = torch.full_like(batch.governor, -1)
        for row, number in enumerate(batch.document.tolist()):
            own = torch.tensor(governors[number][: true.shape[1]])
            true[row, : len(own)] = own
        return to_governor(replace(batch, governor=true))

    found = nulls.run(
        FakeModel(knows, 1), corpus, roles=roles.syntax, classification=RULES, null="permuted_gold", null_seeds=2
    )
    table = found.tables["nulls"].query("family == 'all'")
    real, moved = (table[(table["null"] == "none") == is_real] for is_real in (True, False))
    assert real.roles.item() >= 4
    assert list(moved.roles) == [0, 0] and list(moved.null_seed) == [0, 1]


def test_shuffled_rows_are_the_same_weights_on_visible_keys_by_lot() -> None:
    torch.manual_seed(0)
    visible = torch.ones(3, 5, 5, dtype=torch.bool).tril()
    visible[2, :, 3:] = False
    pattern = torch.rand(3, 2, 5, 5) * visible[:, None]
    moved = shuffled(pattern, visible, torch.rand(3, 2, 5, 5))
    assert (moved[~visible[:, None].expand_as(moved)] == 0).all()
    torch.testing.assert_close(moved.sort(-1).values, pattern.sort(-1).values, rtol=0, atol=0)
    # every visible key is as likely as any other
    one = torch.zeros(1, 1, 5, 5)
    one[..., 0] = 1
    many = shuffled(one.expand(4000, -1, -1, -1), torch.ones(4000, 5, 5, dtype=torch.bool), torch.rand(4000, 1, 5, 5))
    np.testing.assert_allclose(many.mean((0, 1, 2)), np.full(5, 0.2), atol=0.015)


def sharp(batch: Batch) -> torch.Tensor:
    """Two heads of three different weights: on the token itself, and beside it."""
    size = batch.tokens.shape[1]
    apart = (torch.arange(size)[:, None] - torch.arange(size)[None, :]).abs().float()
    scores = torch.stack([-apart, -3 * apart])[None].expand(len(batch.tokens), -1, -1, -1)
    return scores.masked_fill(~batch.mask[:, None, None, :], -1e9).softmax(-1)


def test_shuffling_depends_on_no_batch_and_keeps_entropy() -> None:
    corpus = Corpus("trees", tuple(random_documents(60)), "none")
    model = FakeModel(sharp, 2)
    encoded = encode(model, corpus)

    def shape(tokens: int, seed: int | None) -> tuple[np.ndarray, np.ndarray]:
        tally = ShapeTally(model.heads)
        through = tally if seed is None else ShuffledRows(tally, sights_of(model), seed)
        stream(model, (group.batch() for group in batches(encoded, model, tokens=tokens)), through)
        return tally.means()

    straight, alone, together, other = shape(500, None), shape(1, 0), shape(5000, 0), shape(1, 1)
    np.testing.assert_allclose(alone, together, atol=1e-5)
    np.testing.assert_allclose(straight[0], alone[0], atol=1e-5)
    assert (alone[1] > 1.5 * straight[1]).all() and not np.allclose(alone[1], other[1])


@pytest.fixture(scope="module")
def random_minilm(request: pytest.FixtureRequest) -> tuple[HeadModel, Model]:
    model = request.getfixturevalue("minilm")
    return model, random_weights(model, 3)


def test_random_weights_are_those_of_init_random(random_minilm: tuple[Model, Model]) -> None:
    given, drawn = random_minilm
    expected = minilm(init="random", seed=3)
    assert drawn.name == expected.name and drawn.has_language_head == expected.has_language_head
    assert drawn.provenance == expected.provenance
    theirs = dict(expected.network.named_parameters())
    assert set(theirs) == set(dict(drawn.network.named_parameters()))
    for name, weights in drawn.network.named_parameters():
        assert torch.equal(weights, theirs[name]), name
    assert drawn.network is not given.network
    assert not torch.equal(next(drawn.network.parameters()), next(given.network.parameters()))
    state = torch.random.get_rng_state()
    random_weights(given, 0)
    assert torch.equal(state, torch.random.get_rng_state())


def test_what_cannot_be_drawn_anew_or_is_not_known_says_so() -> None:
    model, corpus = FakeModel(uniform, 1), Corpus("trees", tuple(random_documents(60)), "none")
    with pytest.raises(ModelError, match="no rule for drawing its weights"):
        nulls.run(model, corpus, roles=roles.syntax, classification=RULES, null="random_init", null_seeds=1)
    with pytest.raises(InterpError, match="Did you mean 'random_init'"):
        nulls.run(model, corpus, roles=roles.syntax, classification=RULES, null="random_ini")
    found = nulls.run(model, corpus, roles=roles.positional, classification=RULES, null="permuted_gold", null_seeds=1)
    assert "permuted_gold" in found.said[-1]


def test_the_table_counts_what_the_runs_found() -> None:
    scores = pd.DataFrame(
        [
            ("d", role, family, "self", 0, head, split, 60, lift + (split == "confirm") * luck, 0.01)
            for role, family, head, lift, luck in [
                ("a", "syntax", 0, 0.3, -0.1),
                ("a", "syntax", 1, 0.2, 0.3),
                ("b", "positional", 0, 0.1, 0.0),
                ("b", "positional", 1, 0.0, 0.0),
            ]
            for split in ("select", "confirm")
        ],
        columns=["definition", "role", "family", "site", "layer", "head", "split", "n", "lift", "p"],
    )
    given = pd.DataFrame(
        {
            "site": "self",
            "layer": 0,
            "head": [0, 0, 1],
            "role": ["a", "b", "a"],
            "family": ["syntax", "positional", "syntax"],
        }
    )
    none = pd.DataFrame({"site": "self", "layer": 0, "head": [0, 1], "role": "unclassified", "family": None})
    untested = scores.assign(p=np.nan)
    measured = [Measured("none", None, scores, given), Measured("shuffled_rows", 4, untested, none)]
    rows = {(row["null"], row["family"]): row for row in null_table(measured).to_dict("records")}
    real, empty = rows["none", "all"], rows["shuffled_rows", "all"]
    assert [real[name] for name in ("tests", "heads", "heads_with_role", "roles")] == [4, 2, 2, 3]
    assert [real[name] for name in ("largest_lift", "largest_role", "largest_head")] == [0.5, "a", 1]
    assert real["largest_chosen_lift"] == pytest.approx(0.2), "head 0 was best on select"
    assert rows["none", "positional"]["heads_with_role"] == 1
    assert [empty[name] for name in ("null_seed", "tests", "roles")] == [4, 0, 0] and pd.isna(empty["largest_lift"])
    lifts = lifts_of_chosen(measured)
    assert lifts.set_index("role").lift.to_dict() == pytest.approx({"a": 0.2, "b": 0.1})


def test_the_figure_has_a_dot_for_every_row() -> None:
    rng = np.random.default_rng(0)
    rows = [
        (null, seed, f"r{role}", family, rng.normal())
        for null, seeds in (("none", [None]), ("permuted_gold", [0, 1]), ("random_init", [0, 1]))
        for seed in seeds
        for family, count in (("positional", 3), ("syntax", 9))
        for role in range(count)
        if (null, family) != ("permuted_gold", "positional")
    ]
    lifts = pd.DataFrame(rows, columns=["null", "null_seed", "role", "family", "lift"]).astype({"null_seed": "Int64"})
    before = lifts.copy()
    figure = import_module("interp.plots").real_against_nulls(lifts)
    drawn = np.concatenate([c.get_offsets() for axes in figure.axes for c in axes.collections])
    assert sorted(drawn[:, 1]) == pytest.approx(sorted(lifts.lift))
    assert any(text.get_text() == "not asked" for text in figure.axes[0].texts)
    pd.testing.assert_frame_equal(lifts, before)
    assert "nothing to show" in import_module("interp.plots").real_against_nulls(lifts[:0]).texts[0].get_text()
