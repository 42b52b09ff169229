"""Nulls keep what they say they keep, and nobody has a role in them."""

import re
from collections import Counter
from dataclasses import replace
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import torch

from experiments import nulls
from interp import roles
from interp.api import tally_roles
from interp.attention.visibility import mask_groups
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.corpora.mentions import head_word
from interp.corpora.permuted_gold import permuted_gold
from interp.errors import InterpError, ModelError
from interp.models.loading import Model, minilm, random_weights
from interp.statistics.criteria import Criteria
from interp.tables.nulls import Measured, lifts_of_chosen, null_table
from interp.tallies.shuffled import ShuffledRows, shuffled
from interp.tallies.spread import ShapeTally
from interp.tallies.stream import stream
from interp.types import Batch, Corpus, Document, HeadModel, Mention
from tests.support.fakes import FakeModel, random_documents, to_governor, uniform
from tests.support.fakes import document as fake_document

RULES = Criteria(margin=0.1, alpha=0.05, min_queries=50, min_blocks=12, min_word_mass=0.1, correction="bh")


def arcs(document: Document) -> Counter[tuple[str, int]]:
    assert document.governors is not None and document.relations is not None
    pairs = enumerate(zip(document.governors, document.relations, strict=True))
    return Counter((relation, governor - word) for word, (governor, relation) in pairs if governor >= 0)


def chains(document: Document) -> Counter[tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for mention in document.mentions or ():
        found.setdefault(mention.entity, []).append(head_word(document, mention))
    return Counter(tuple(head - min(heads) for head in sorted(set(heads))) for heads in found.values())


def one_a_word(document: Document) -> Document:
    """Of mentions with one head word, that which more others are of the same entity as, or the shorter."""
    every = document.mentions or ()
    size = Counter(mention.entity for mention in every)
    best: dict[int, Mention] = {}
    for mention in every:
        head, rank = head_word(document, mention), (-size[mention.entity], mention.end - mention.start)
        other = best.get(head)
        if other is None or rank < (-size[other.entity], other.end - other.start):
            best[head] = mention
    return replace(document, mentions=tuple(mention for mention in every if mention in best.values()))


def pairs_of(document: Document) -> set[tuple[int, int]]:
    """(later, earlier) head words of one entity, found by one loop."""
    heads = [(m.start, m.end, m.entity, head_word(document, m)) for m in document.mentions or ()]
    return {(a[3], b[3]) for a in heads for b in heads if a[2] == b[2] and b[:2] < a[:2]}


@pytest.mark.parametrize("seed", [0, 1])
def test_permuted_gold_keeps_text_labels_and_distances_and_moves_the_rest(seed: int) -> None:
    corpus = grammar(documents=150)
    moved = permuted_gold(corpus, seed)
    assert corpus.has_mentions and moved.relations == corpus.relations
    same, pairs = [0, 0], [0, 0]
    for before, after in zip(corpus, moved, strict=True):
        assert (before.text, before.words, before.tags) == (after.text, after.words, after.tags)
        assert before.governors is not None and after.governors is not None
        assert all(-1 <= governor < len(after.words) for governor in after.governors)
        assert arcs(after) == arcs(before) and chains(after) == chains(one_a_word(before))
        assert all(0 <= mention.start < mention.end <= len(after.words) for mention in after.mentions or ())
        for word, governor in enumerate(after.governors):
            same[0] += 0 <= governor == before.governors[word]
            same[1] += governor >= 0
        pairs[0] += len(pairs_of(before) & pairs_of(after))
        pairs[1] += len(pairs_of(after))
    assert 0 < same[0] < 0.4 * same[1] and 0 < pairs[0] < 0.4 * pairs[1], "most of it moves"
    assert f"true governor by chance: {same[0]} of {same[1]};" in moved.notes[-1]
    assert f"true ones by chance: {pairs[0]} of {pairs[1]};" in moved.notes[-1]
    again, other = permuted_gold(corpus, seed), permuted_gold(corpus, seed + 7)
    assert [d.governors for d in again] == [d.governors for d in moved] != [d.governors for d in other]
    assert [d.mentions for d in again] == [d.mentions for d in moved] != [d.mentions for d in other]


def test_arrangements_that_agree_with_the_gold_come_as_often_as_others() -> None:
    """Of three words, two of which are governed by the next, three arrangements fit; a chain of two has two places."""
    told = fake_document(["a", "b", "c"], [1, 2, -1], ["x", "y", "root"], "s")
    told = replace(told, mentions=(Mention(0, 1, 0), Mention(1, 2, 0)))
    drawn = permuted_gold(Corpus("short", (told,) * 4000, "none"), 0)
    # words 0 and 1 alone have a next word, and x and y are alike: both stay or are exchanged
    found = Counter(one.relations for one in drawn)
    assert set(found) == {("x", "y", "root"), ("y", "x", "root")}
    assert abs(found["x", "y", "root"] - 2000) < 4 * 32
    assert {one.governors for one in drawn} == {(1, 2, -1)}
    starts = Counter(tuple(mention.start for mention in one.mentions or ()) for one in drawn)
    assert set(starts) == {(0, 1), (1, 2)} and abs(starts[0, 1] - 2000) < 4 * 32


def test_moved_mentions_never_stand_on_one_word() -> None:
    """Two chains in seven words, and two mentions of one head word, of which one is left."""
    words = ["Ann", "told", "Eve", "that", "she", "won", "."]
    spans = ((0, 1, 0), (4, 5, 0), (2, 3, 1), (1, 3, 1))
    told = replace(fake_document(words, [], [], "s"), governors=None, relations=None)
    told = replace(told, mentions=tuple(Mention(*span) for span in spans))
    moved = permuted_gold(Corpus("short", (told,) * 3000, "none"), 0)
    found = Counter(tuple((m.entity, m.start) for m in one.mentions or ()) for one in moved)
    # she is four words from Ann, who fits in three places; Eve anywhere else
    expected = {
        tuple(sorted(((0, a), (0, a + 4), (1, b)), key=lambda one: one[1]))
        for a in range(3)
        for b in range(7)
        if b not in (a, a + 4)
    }
    assert set(found) == expected and len(expected) == 15
    assert all(abs(count - 200) < 4 * 14 for count in found.values())
    assert "another has their head word: 3000;" in moved.notes[-1]
    full = tuple(Mention(word, word + 1, word % 2) for word in range(7))
    left = permuted_gold(Corpus("full", (replace(told, mentions=full),), "none"), 0)
    assert left.documents[0].mentions == full and moved.notes[-1].endswith("too many to move: 0")


def knowing(corpus: Corpus) -> FakeModel:
    """A head that looks at true governors, whatever gold a batch holds."""
    governors = [document.governors for document in corpus]

    def knows(batch: Batch) -> torch.Tensor:
        true = torch.full_like(batch.governor, -1)
        for row, number in enumerate(batch.document.tolist()):
            own = torch.tensor(governors[number][: true.shape[1]])
            true[row, : len(own)] = own
        return to_governor(replace(batch, governor=true))

    return FakeModel(knows, 1)


def test_a_perfect_head_is_right_on_permuted_gold_as_often_as_was_counted() -> None:
    # a word with one other to look at is not scored
    told = [document for document in random_documents(400) if len(document.words) > 2]
    corpus = Corpus("trees", tuple(told), "none")
    model, moved = knowing(corpus), permuted_gold(corpus, 3)
    asked = [role for role in roles.syntax(moved) if role.name.endswith("to_governor")]
    sums = tally_roles(model, encode(model, moved), asked)
    match = re.search(r"true governor by chance: (\d+) of (\d+)", moved.notes[-1])
    assert match is not None
    same, all_relations = int(match[1]), int(match[2])
    assert sums.n.sum() == all_relations and 0.02 < same / all_relations < 0.4
    # the true root has no governor: its attention is on no word, where all candidates share the hit
    shared = sum(
        1 / (len(before.words) - 1)
        for before, after in zip(corpus, moved, strict=True)
        for word, governor in enumerate(after.governors or ())
        if governor >= 0 and (before.governors or ())[word] < 0
    )
    assert float(sums.hit.sum()) == pytest.approx(same + shared)
    real = tally_roles(model, encode(model, corpus), asked)
    assert float(real.hit.sum()) == real.n.sum() == all_relations


@pytest.mark.parametrize(("sizes", "kept"), [((25, 35), 0), ((2, 14), 5)])
def test_a_head_that_knows_the_relation_loses_its_role_where_relations_can_move(
    sizes: tuple[int, int], kept: int
) -> None:
    """In a short document a long relation fits hardly anywhere else: there it stays, and the head is right."""
    corpus = Corpus("trees", tuple(random_documents(400, sizes=sizes)), "none")
    found = nulls.run(knowing(corpus), corpus, roles=roles.syntax, criteria=RULES, null="permuted_gold", null_seeds=2)
    table = found.tables["nulls"].query("family == 'all'")
    real, moved = (table[(table["null"] == "none") == is_real] for is_real in (True, False))
    assert real.roles.item() >= 4
    assert list(moved.roles) == [kept, kept] and list(moved.null_seed) == [0, 1]


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
        through = tally if seed is None else ShuffledRows(tally, mask_groups(model), seed)
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
        nulls.run(model, corpus, roles=roles.syntax, criteria=RULES, null="random_init", null_seeds=1)
    with pytest.raises(InterpError, match="Did you mean 'random_init'"):
        nulls.run(model, corpus, roles=roles.syntax, criteria=RULES, null="random_ini")
    found = nulls.run(model, corpus, roles=roles.positional, criteria=RULES, null="permuted_gold", null_seeds=1)
    assert "permuted_gold" in found.notes[-1]


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
    ).assign(ci_low=np.nan, ci_high=np.nan, q=np.nan)
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
    assert any(text.get_text() == "does not apply" for text in figure.axes[0].texts)
    pd.testing.assert_frame_equal(lifts, before)
    assert "nothing to show" in import_module("interp.plots").real_against_nulls(lifts[:0]).texts[0].get_text()
