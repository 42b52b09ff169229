"""What is kept of example documents, against plain transformers, and the gold itself, read one sentence at a time."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from interp import roles as known_roles
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.errors import InterpError
from interp.examples import Example, Examples, Marked, Side, load_examples, to_bytes
from interp.heads import Head
from interp.progress import Passes, Shard
from interp.tables.examples import EACH, chosen_examples, mass_on_targets, of_words, offsets_of_examples
from interp.tallies.examples import LONGEST, choose_documents, keep_examples
from tests.conftest import Case, corpus_of

CORPUS = grammar(60)


def kept(case: Case, seed: int = 0) -> Examples:
    encoded = encode(case.model, CORPUS)
    return keep_examples(case.model, encoded, known_roles.named("syntax")(CORPUS), seed=seed)


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_bert"])
def test_patterns_are_those_of_plain_transformers(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    examples = kept(case)
    assert len(examples.documents) > 20
    for one in examples.documents[:8]:
        (encoding,) = case.model.encode([one.text])
        with torch.no_grad():
            plain = case.plain(input_ids=torch.tensor(encoding.tokens[None]), output_attentions=True).attentions
        for place, (layer, head) in enumerate(examples.of_site("self")):
            found = one.patterns["self"][place] / 255
            np.testing.assert_allclose(found, plain[layer][0, head].numpy(), atol=0.5 / 255 + 1e-6)


def test_marks_are_the_gold_relations(tiny_bert: Case) -> None:
    examples = kept(tiny_bert)
    numbers = {role.name: number for number, role in enumerate(examples.roles)}
    seen = 0
    for one in examples.documents:
        gold = CORPUS.documents[one.document]
        assert gold.text == one.text and gold.governors is not None and gold.relations is not None
        marks = one.marks["self"]
        for name in ("obj", "nsubj", "det"):
            expected = {
                (word, governor)
                for word, (governor, relation) in enumerate(zip(gold.governors, gold.relations, strict=True))
                if relation.partition(":")[0] == name and governor >= 0
            }
            found = marks[marks[:, 0] == numbers[f"{name}.to_governor"]][:, 1:]
            assert set(map(tuple, found.tolist())) == expected
            back = marks[marks[:, 0] == numbers[f"{name}.to_dependent"]][:, 1:]
            assert set(map(tuple, back.tolist())) == {(governor, word) for word, governor in expected}
            seen += len(expected)
    assert seen > 100


def test_in_a_causal_model_what_comes_later_is_not_marked(tiny_gpt2: Case) -> None:
    marks = np.concatenate([one.marks["self"] for one in kept(tiny_gpt2).documents])
    assert len(marks) > 100 and (marks[:, 2] < marks[:, 1]).all()


def side(*words: str, special: tuple[int, ...] = ()) -> Side:
    """One token a word."""
    place = np.arange(len(words))
    return Side(words, words, place, np.isin(place, special))


def test_words_are_means_over_the_tokens_that_attend_and_sums_over_those_attended_to() -> None:
    chance = np.random.default_rng(0)
    attention = chance.random((6, 6))
    of = Side(("a", "bc", "d"), tuple("sabcde"), np.array([-1, 0, 1, 1, 2, -1]), np.array([1, 0, 0, 0, 0, 1], bool))
    tokens = {0: [1], 1: [2, 3], 2: [4]}
    expected = [
        [np.mean([sum(attention[q, k] for k in tokens[key]) for q in tokens[query]]) for key in range(3)]
        for query in range(3)
    ]
    np.testing.assert_allclose(of_words(attention, of, of), expected)


def planted(documents: int = 12) -> Examples:
    """One head, which gives document d's only query 255 − 20 d of 255 on its target."""
    listed = []
    for number in range(documents):
        pattern = np.zeros((1, 3, 3), dtype=np.uint8)
        pattern[0, 1, 0] = 255 - 20 * number
        one = Example(
            100 + number, "s", "x y z", (side("x", "y", "z"),), {"self": pattern}, {"self": np.array([[1, 1, 0]])}
        )
        listed.append(one)
    roles = (Marked("a", "syntax", "word", "a@1"), Marked("b", "syntax", "word", "b@1"))
    return Examples(tuple(listed), (("self", 0, 0),), roles, "all")


def tables(role: str | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    head = {"site": ["self"], "layer": [0], "head": [0]}
    scores = pd.DataFrame({**head, "role": ["b"], "split": ["confirm"], "lift": [0.01], "p": [0.9]})
    roles = pd.DataFrame({**head, "role": [role or "unclassified"], "lift": [0.3 if role else np.nan]})
    return scores, roles


@pytest.mark.parametrize("assigned", [True, False])
def test_the_highest_the_median_and_the_lowest_are_shown(assigned: bool) -> None:
    found = chosen_examples(planted(), *tables("b" if assigned else None))
    assert (found["assigned"] == assigned).all() and (found["role"] == "b").all()
    by_place = {place: list(rows["document"]) for place, rows in found.groupby("place")}
    assert by_place == {"highest": [100, 101, 102], "median": [104, 105, 106], "lowest": [109, 110, 111]}
    assert found["mass"].iloc[0] == 1 and found["mass"].iloc[-1] == pytest.approx(35 / 255)
    assert (found["queries"] == 1).all()


@pytest.mark.parametrize("documents", range(1, 3 * EACH + 2))
def test_no_document_is_shown_twice(documents: int) -> None:
    found = chosen_examples(planted(documents), *tables("b"))
    assert found["document"].is_unique and len(found) == min(documents, 3 * EACH)
    assert list(found["mass"]) == sorted(found["mass"], reverse=True)


def test_a_role_without_a_query_in_any_example_shows_none() -> None:
    assert chosen_examples(planted(), *tables("a")).empty
    assert np.isnan(mass_on_targets(planted().documents[0], "self", 0, 0, "word")[0])


def test_attention_by_offset_is_the_mean_over_queries_that_are_no_special_tokens() -> None:
    pattern = np.zeros((1, 3, 3), dtype=np.uint8)
    pattern[0, 0, 1], pattern[0, 1, 0], pattern[0, 2, 1] = 255, 51, 204
    one = Example(
        0, "s", "", (side("<s>", "a", "b", special=(0,)),), {"self": pattern}, {"self": np.zeros((0, 3), int)}
    )
    found = offsets_of_examples(Examples((one,), (("self", 0, 0),), (), "")).set_index("offset")
    assert found.loc[-1, "mass"] == pytest.approx((0.2 + 0.8) / 2) and found.loc[-1, "n"] == 2
    # what the special token attends to is not counted
    assert found.loc[1, "mass"] == 0 and found.loc[1, "n"] == 1
    assert found.loc[-2, "n"] == 1 and -3 not in found.index


def test_documents_are_drawn_by_the_seed_among_those_that_can_be_looked_at(tiny_bert: Case) -> None:
    encoded = encode(tiny_bert.model, CORPUS)
    first, rule = choose_documents(encoded, 8, 0)
    again, other = choose_documents(encoded, 8, 0)[0], choose_documents(encoded, 8, 1)[0]
    assert first == again != other
    fits = [
        n
        for n, one in enumerate(encoded.encodings)
        if len(one.tokens) <= LONGEST and len(CORPUS.documents[n].words) >= 3
    ]
    assert sorted(first) == fits and f"{len(first)} of the {len(fits)} documents" in rule
    # a few of very many heads
    assert 0 < len(choose_documents(encoded, 32 * 2**20 // 900, 0)[0]) < 10
    words = corpus_of(["one two", "a"])
    assert choose_documents(encode(tiny_bert.model, words), 8, 0)[0] == [0]
    assert choose_documents(encode(tiny_bert.model, corpus_of(["a"])), 8, 0) == (
        [],
        "no document has two words or more",
    )


def test_shards_keep_what_one_run_keeps(tiny_bert: Case) -> None:
    encoded, roles = encode(tiny_bert.model, CORPUS), known_roles.named("syntax")(CORPUS)
    whole = {one.document: one for one in kept(tiny_bert).documents}
    parts = [
        keep_examples(tiny_bert.model, encoded, roles, seed=0, progress=Passes(shard=Shard(number, 3))).documents
        for number in (1, 2, 3)
    ]
    found = [one for part in parts for one in part]
    assert sorted(one.document for one in found) == sorted(whole)
    for one in found:
        np.testing.assert_array_equal(one.patterns["self"], whole[one.document].patterns["self"])
        np.testing.assert_array_equal(one.marks["self"], whole[one.document].marks["self"])


def test_a_file_of_examples_is_read_as_it_was_written(tiny_gpt2: Case, tmp_path: Path) -> None:
    examples = kept(tiny_gpt2)
    (tmp_path / "examples.safetensors").write_bytes(to_bytes(examples))
    read = load_examples(tmp_path)
    assert read.heads == examples.heads and read.roles == examples.roles and read.rule == examples.rule
    assert [one.text for one in read.documents] == [one.text for one in examples.documents]
    for one, other in zip(read.documents, examples.documents, strict=True):
        assert one.sides[0].words == other.sides[0].words and one.sides[0].tokens == other.sides[0].tokens
        np.testing.assert_array_equal(one.sides[0].word, other.sides[0].word)
        np.testing.assert_array_equal(one.patterns["self"], other.patterns["self"])
        np.testing.assert_array_equal(one.marks["self"], other.marks["self"])
    # the same examples, the same bytes
    assert to_bytes(kept(tiny_gpt2)) == to_bytes(examples)


@pytest.mark.parametrize("content", [None, b"", b"no safetensors", b"\x02\0\0\0\0\0\0\0{}"])
def test_what_is_no_file_of_examples_is_refused(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "examples.safetensors").write_bytes(content)
    with pytest.raises(InterpError, match=r"examples\.safetensors"):
        load_examples(tmp_path)


def test_heads_are_those_of_the_model(tiny_gpt2: Case) -> None:
    assert [Head(*head) for head in kept(tiny_gpt2).heads] == list(tiny_gpt2.model.heads)  # pyright: ignore[reportArgumentType]
