"""Attention on cells against plain transformers, one sentence at a time; and the rules of a sentence, by hand."""

import numpy as np
import pytest
import torch

from interp.attention.visibility import mask_groups
from interp.cells import FIRST_SPECIAL, LATER_SPECIAL
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.documents import Document, Mention
from interp.tallies.cells import CellTally
from interp.tallies.rule_sets import token_rule_sets, word_rule_sets
from interp.tallies.rules import Sentence, rules_of, token_rules_of
from interp.tallies.stream import stream
from interp.types import Encoding
from tests.conftest import Case
from tests.models.test_encoder_decoders import Case as TwoSides

CORPUS = grammar(20)


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_bert"])
def test_cells_are_those_of_plain_transformers(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    encoded = encode(case.model, CORPUS)
    tally = CellTally(case.model.heads, mask_groups(case.model))
    stream(case.model, read_batches(batches(encoded, case.model)), tally)
    (cells,) = tally.cells()
    seen = 0
    for number, document in enumerate(CORPUS.documents):
        one, word = encoded.encodings[number], np.asarray(encoded.words[number])
        with torch.no_grad():
            plain = case.plain(input_ids=torch.tensor(one.tokens[None]), output_attentions=True).attentions
        attention = np.concatenate([layer[0].numpy() for layer in plain])
        special = np.flatnonzero(one.special)
        tokens = {place: np.flatnonzero(word == place) for place in range(len(document.words))}
        tokens |= {FIRST_SPECIAL: special[:1], LATER_SPECIAL: special[1:]}
        queries = [int(cells.word[query]) for query in np.flatnonzero(cells.document == number)]
        assert queries == [place for place in range(len(document.words)) if len(tokens[place])]
        for query, place in zip(np.flatnonzero(cells.document == number), queries, strict=True):
            last = tokens[place][-1]
            reach = last if case.model.causal else len(word)
            visible = [cell for cell, of in tokens.items() if len(of) and (of <= reach).all()]
            given = np.array([attention[:, tokens[place]][:, :, tokens[cell]].sum(2).mean(1) for cell in visible])
            expected = dict(zip(visible, given / given.sum(0), strict=True))
            entries = np.flatnonzero(cells.query == query)
            assert sorted(cells.cell[entries].tolist()) == sorted(visible)
            for entry in entries:
                np.testing.assert_allclose(cells.attention[entry], expected[int(cells.cell[entry])], atol=1e-5)
                seen += 1
    assert seen > 500
    assert (cells.outside < 0.05).all() if name == "tiny_bert" else (cells.outside >= -1e-6).all()


WORDS = ("The", "old", "dog", "saw", "the", "cat", ".")
SENTENCE = Document(
    "s", " ".join(WORDS), WORDS, np.zeros((7, 2), dtype=np.int32),
    ("DET", "ADJ", "NOUN", "VERB", "DET", "NOUN", "PUNCT"), (2, 2, 3, -1, 5, 3, 3),
    ("det", "amod", "nsubj:x", "root", "det", "obj", "punct"), (Mention(0, 3, 1), Mention(4, 6, 1)),
)  # fmt: skip
EXPECTED: dict[str, dict[int, set[int]]] = {
    "first_special": {word: {7} for word in range(7)},
    "later_special": {word: {8} for word in range(7)},
    "self": {word: {word} for word in range(7)},
    "first_word": {word: {0} for word in range(7)},
    "offset-2": {word: {word - 2} for word in range(2, 7)},
    "offset+3": {word: {word + 3} for word in range(4)},
    "same_word": {0: {4}, 4: {0}},
    "most_tokens": {word: {2, 5} for word in range(7)},
    "tag.NOUN": {word: {2, 5} for word in range(7)},
    "previous.DET": {1: {0}, 2: {0}, 3: {0}, 4: {0}, 5: {4}, 6: {4}},
    "next.NOUN": {0: {2}, 1: {2}, 2: {5}, 3: {5}, 4: {5}},
    "det.to_governor": {0: {2}, 4: {5}},
    "det.to_dependent": {2: {0}, 5: {4}},
    "nsubj.to_governor": {2: {3}},
    "any.to_governor": {0: {2}, 1: {2}, 2: {3}, 4: {5}, 5: {3}, 6: {3}},
    "any.to_dependent": {2: {0, 1}, 3: {2, 5, 6}, 5: {4}},
    "sibling": {0: {1}, 1: {0}, 2: {5, 6}, 5: {2, 6}, 6: {2, 5}},
    "coref.antecedent": {5: {2}},
    "nearest_mention": {3: {2}, 4: {2}, 5: {2}, 6: {5}},
}


def named_in(sentence: Sentence) -> dict[str, dict[int, set[int]]]:
    return {
        rule.name: {word: set(np.flatnonzero(cells[word]).tolist()) for word in range(7) if cells[word].any()}
        for rule, cells in rules_of(sentence)
    }


def test_rules_name_the_cells_that_they_are_said_to() -> None:
    found = named_in(Sentence(SENTENCE, np.array([1, 1, 2, 1, 1, 2, 1]), np.ones((7, 9), dtype=bool)))
    for name, cells in EXPECTED.items():
        assert found[name] == cells, name
    assert found["uniform"] == {word: set(range(9)) for word in range(7)}
    # neither of these is a relation
    assert not {name for name in found if name.startswith(("punct.", "root.", "nsubj:x"))}


def test_a_rule_names_only_what_is_seen() -> None:
    seen = np.tril(np.ones((7, 9), dtype=bool))
    seen[:, 7:] = False
    seen[3] = False
    found = named_in(Sentence(SENTENCE, np.array([1, 1, 2, 1, 1, 2, 1]), seen))
    assert not {"first_special", "later_special", "next.NOUN", "offset+1"} & found.keys()
    assert found["any.to_governor"] == {5: {3}, 6: {3}}
    assert found["most_tokens"] == {0: {0}, 1: {0, 1}, 2: {2}, 4: {2}, 5: {2, 5}, 6: {2, 5}}
    assert 3 not in found["uniform"]


def test_rules_are_even_on_their_cells_and_apply_where_they_name_any(tiny_bert: Case) -> None:
    tally = CellTally(tiny_bert.model.heads, mask_groups(tiny_bert.model))
    encoded = encode(tiny_bert.model, CORPUS)
    stream(tiny_bert.model, read_batches(batches(encoded, tiny_bert.model)), tally)
    (cells,) = tally.cells()
    sets = word_rule_sets(CORPUS.documents, cells)
    given = np.zeros((len(cells.document), len(sets.rules)))
    np.add.at(given, cells.query, sets.answers.toarray())
    np.testing.assert_allclose(given, sets.applies.toarray(), atol=1e-12)
    assert sets.rules[0].name == "uniform" and (given[:, 0] > 0).all()


def test_rules_of_tokens_name_places_and_earlier_occurrences() -> None:
    tokens = np.array([0, 5, 6, 5, 7, 5, 1], dtype=np.int32)
    special = np.array([1, 0, 0, 0, 0, 0, 1], dtype=bool)
    encoding = Encoding(tokens, np.zeros((7, 2), dtype=np.int32), special, False)
    seen = np.ones((7, 9), dtype=bool)
    # special tokens neither ask nor are cells of their own
    seen[[0, 6]] = False
    seen[:, [0, 6]] = False
    found = {
        rule.name: {token: set(np.flatnonzero(cells[token]).tolist()) for token in range(7) if cells[token].any()}
        for rule, cells in token_rules_of(encoding, seen)
    }
    assert found["duplicate"] == {3: {1}, 5: {1, 3}}
    assert found["induction"] == {3: {2}, 5: {2, 4}}
    assert found["before_duplicate"] == {5: {2}}
    assert found["first_token"] == {token: {1} for token in range(1, 6)}
    assert found["offset-2"] == {3: {1}, 4: {2}, 5: {3}}
    assert found["first_special"] == {token: {7} for token in range(1, 6)}
    assert found["uniform"] == {token: {1, 2, 3, 4, 5, 7, 8} for token in range(1, 6)}


def test_tokens_are_cells_of_their_own(tiny_gpt2: Case) -> None:
    encoded = encode(tiny_gpt2.model, CORPUS)
    tally = CellTally(tiny_gpt2.model.heads, mask_groups(tiny_gpt2.model), "token")
    stream(tiny_gpt2.model, read_batches(batches(encoded, tiny_gpt2.model)), tally)
    (cells,) = tally.cells()
    sets = token_rule_sets(encoded.encodings, cells)
    assert {rule.family for rule in sets.rules} <= {"uniform", "special", "position", "copying"}
    for number in (0, 7, 19):
        one = encoded.encodings[number]
        with torch.no_grad():
            plain = tiny_gpt2.plain(input_ids=torch.tensor(one.tokens[None]), output_attentions=True).attentions
        attention = np.concatenate([layer[0].numpy() for layer in plain])
        for query in np.flatnonzero(cells.document == number):
            entries, asked = np.flatnonzero(cells.query == query), cells.word[query]
            given = {
                int(cell): cells.attention[entry] for cell, entry in zip(cells.cell[entries], entries, strict=True)
            }
            own = [key for key in range(asked + 1) if not one.special[key]]
            assert own == sorted(cell for cell in given if cell >= 0)
            whole = attention[:, asked, : asked + 1].sum(1)
            for key in own:
                np.testing.assert_allclose(given[key], attention[:, asked, key] / whole, atol=1e-5)


def test_the_decoder_attends_within_its_own_text() -> None:
    case = TwoSides("bart")
    tally = CellTally(case.model.heads, mask_groups(case.model), "token")
    stream(case.model, read_batches(batches(case.encoded, case.model)), tally)
    parts = {cells.heads[0][0]: cells for cells in tally.cells()}
    assert parts.keys() == {"encoder", "decoder"}, "cross-attention has two texts"
    assert case.encoded.target is not None
    for site, read in (("encoder", case.encoded), ("decoder", case.encoded.target)):
        cells = parts[site]
        sets = token_rule_sets(read.encodings, cells)
        assert {"duplicate", "self", "offset-1"} <= {rule.name for rule in sets.rules}
        for number in range(3):
            plain, special = np.concatenate(case.attentions(number)[site]), read.encodings[number].special
            for query in np.flatnonzero(cells.document == number):
                asked = int(cells.word[query])
                entries = np.flatnonzero((cells.query == query) & (cells.cell >= 0))
                last = asked if site == "decoder" else len(special) - 1
                assert cells.cell[entries].tolist() == [key for key in range(last + 1) if not special[key]]
                expected = plain[:, asked, cells.cell[entries]] / plain[:, asked].sum(1, keepdims=True)
                np.testing.assert_allclose(cells.attention[entries], expected.T, atol=1e-5)
