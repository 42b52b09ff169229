"""One sentence: the numbers of its tables, and what they say of a real model."""

from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING, Literal
from unicodedata import normalize

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from experiments import sentence
from interp.corpora.batching import collate
from interp.corpora.encoding import align, encode
from interp.corpora.text import sentence as corpus_of
from interp.errors import InterpError
from interp.tables.sentence import words_of
from interp.text.find_word import find_word
from interp.types import Batch, Corpus, HeadModel
from tests.support.fakes import FakeModel

if TYPE_CHECKING:
    from interp.models.loading import Model

TEXT = "The student didn't attempt the quiz, because it was too difficult."
HEADS = 3

Form = Literal["NFC", "NFD"]


def planted(causal: bool = False, seed: int = 0) -> FakeModel:
    """A model whose attention is random numbers, the same in every run."""

    def attend(batch: Batch) -> Tensor:
        size = batch.tokens.shape[1]
        scores = torch.rand((1, HEADS, size, size), generator=torch.Generator().manual_seed(seed)) * 6
        if causal:
            scores = scores.masked_fill(~torch.ones(size, size, dtype=torch.bool).tril(), -torch.inf)
        return scores.softmax(-1)

    return FakeModel(attend, HEADS, causal=causal)


def pattern_of(model: FakeModel, corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """The planted pattern, and the word of each token."""
    document = corpus.documents[0]
    (encoding,) = model.encode([document.text])
    batch = collate(encode(model, corpus), [0], model)
    return model.attend(batch)[0].double().numpy(), align(document, encoding)


def expected(model: FakeModel, corpus: Corpus) -> dict[tuple[int, int, int], float]:
    """By head, query word and key word: summed over the key's tokens, averaged over the query's."""
    pattern, word = pattern_of(model, corpus)
    count = len(corpus.documents[0].words)
    masses = {}
    for head, query, key in product(range(HEADS), range(count), range(count)):
        rows, columns = np.flatnonzero(word == query), np.flatnonzero(word == key)
        seen = not model.causal or columns.max() <= rows.max()
        if query != key and seen:
            masses[head, query, key] = float(np.mean([sum(pattern[head, row, columns]) for row in rows]))
    return masses


@pytest.mark.parametrize("causal", [False, True])
def test_attention_between_words_is_summed_over_keys_and_averaged_over_queries(causal: bool) -> None:
    model, corpus = planted(causal), corpus_of(TEXT)
    assert isinstance(model, HeadModel)
    table = sentence.run(model, corpus, seed=5).tables["attention"]
    assert " ".join(table.columns) == "model seed site layer head query query_word key key_word mass"
    assert set(map(tuple, table[["model", "seed", "site", "layer"]].to_numpy())) == {("fake", 5, "self", 0)}
    found = {(row.head, row.query, row.key): row.mass for row in table.itertuples()}
    assert len(found) == len(table)
    assert found == pytest.approx(expected(model, corpus), abs=1e-6)
    words = corpus.documents[0].words
    assert [words[i] for i in table["query"]] == list(table["query_word"])
    assert [words[i] for i in table["key"]] == list(table["key_word"])


def test_words_of_several_tokens_are_in_the_test() -> None:
    _, word = pattern_of(planted(), corpus_of(TEXT))
    assert max(np.bincount(word[word >= 0])) == 4


def test_a_causal_model_leaves_later_words_out() -> None:
    tables = sentence.run(planted(causal=True), corpus_of(TEXT), query="quiz").tables
    assert (tables["attention"]["key"] < tables["attention"]["query"]).all()
    assert set(tables["candidates"]["candidate"]) == {0, 1, 2, 3, 4}


def test_candidates_hold_the_same_numbers() -> None:
    model, corpus = planted(), corpus_of(TEXT)
    table = sentence.run(model, corpus, query="it", candidates=["student", 5, "Quiz"], seed=5).tables["candidates"]
    assert " ".join(table.columns) == "model seed site layer head query candidate candidate_word mass"
    assert set(zip(table["candidate"], table["candidate_word"], strict=True)) == {(1, "student"), (5, "quiz")}
    masses = expected(model, corpus)
    found = {(row.head, row.query, row.candidate): row.mass for row in table.itertuples()}
    assert found == pytest.approx({(h, 8, c): masses[h, 8, c] for h in range(HEADS) for c in (1, 5)}, abs=1e-6)
    assert len(table) == 2 * HEADS


def test_without_candidates_every_other_word_is_one() -> None:
    table = sentence.run(planted(), corpus_of(TEXT), query=8).tables["candidates"]
    assert set(table["candidate"]) == set(range(len(corpus_of(TEXT).documents[0].words))) - {8}


def test_without_a_query_there_are_no_candidates() -> None:
    assert set(sentence.run(planted(), corpus_of(TEXT)).tables) == {"attention"}


def test_a_candidate_that_cannot_be_seen_is_refused() -> None:
    with pytest.raises(InterpError, match=r"'difficult' \(word 11\) of the query 'it' \(word 8\) cannot be seen"):
        sentence.run(planted(causal=True), corpus_of(TEXT), query="it", candidates=["difficult"])


def test_a_word_from_which_nothing_can_be_seen_is_refused() -> None:
    with pytest.raises(InterpError, match="can see no other word"):
        sentence.run(planted(causal=True), corpus_of(TEXT), query=0)


def test_a_sentence_that_is_too_long_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model = planted()
    encode = model.encode

    def truncated(texts: Sequence[str]) -> list:
        return [type(one)(one.tokens, one.offsets, one.special, truncated=True) for one in encode(texts)]

    monkeypatch.setattr(model, "encode", truncated)
    with pytest.raises(InterpError, match="longer than the 512 tokens that 'fake' can read"):
        sentence.run(model, corpus_of(TEXT))


def test_one_word_is_refused() -> None:
    with pytest.raises(InterpError, match=r"no word can attend to another\. Give a sentence of two words or more"):
        sentence.run(planted(), corpus_of("Attention"))


@pytest.mark.parametrize(("text", "told"), [("日本語の文です", True), ("Attention", False)])
def test_of_a_script_without_spaces_the_words_are_asked_for(text: str, told: bool) -> None:
    with pytest.raises(InterpError) as caught:
        sentence.run(planted(), corpus_of(text))
    assert ('words="日本 語 …"' in str(caught.value)) == told


# --- words without a token


def dropping(*dropped: int) -> FakeModel:
    """A model whose tokenizer takes the tokens with these numbers, counted from 0, for its own special ones."""
    model = planted()
    plain = model.encode

    def encode(texts: Sequence[str]) -> list:
        encodings = plain(texts)
        for one in encodings:
            own = np.flatnonzero(~one.special)
            one.special[own[[place for place in dropped if -len(own) <= place < len(own)]]] = True
        return encodings

    model.encode = encode
    return model


@pytest.mark.parametrize(("dropped", "without"), [((4,), [4]), ((0,), [0]), ((3, 4), [3, 4]), ((1, 4), [1, 4])])
def test_a_word_without_a_token_is_counted_and_neither_query_nor_key(
    dropped: tuple[int, ...], without: list[int]
) -> None:
    corpus = corpus_of("he saw a cat .")
    asked = next(word for word in range(5) if word not in without)
    found = sentence.run(dropping(*dropped), corpus, query=asked)
    words = corpus.documents[0].words
    attention = found.tables["attention"]
    kept = set(range(5)) - set(without)
    assert set(attention["query"]) == set(attention["key"]) == kept
    assert set(found.tables["candidates"]["candidate"]) == kept - {asked}
    assert found.skipped["unaligned_words"] == len(without)
    named = " ".join(f"{i}:{words[i]}" for i in without)
    assert found.notes[-1] == f"words without a token of their own, in no table: {named}"
    assert set(sentence.draw(found.tables)) == {"matrices", "arcs", "candidates"}
    with pytest.raises(InterpError, match=rf"The query '.*' \(word {without[0]}\) has no token of its own"):
        sentence.run(dropping(*dropped), corpus, query=without[0])
    with pytest.raises(InterpError, match=rf"The candidate .* \(word {without[-1]}\) has no token of its own"):
        sentence.run(dropping(*dropped), corpus, query=asked, candidates=[without[-1]])


def test_a_sentence_of_words_without_tokens_is_refused() -> None:
    with pytest.raises(InterpError, match=r"No word of the sentence \(0:he 1:saw\) has a token of its own in 'fake'"):
        sentence.run(dropping(0, 1), corpus_of("he saw"), query="he")
    with pytest.raises(InterpError, match=r"two words or more with tokens of their own, which these have not: 1:saw"):
        sentence.run(dropping(1), corpus_of("he saw"))


MERGED = ["The capital of France is [MASK]", "I love you \u2764\ufe0e", "the cat [SEP]", "a cat \u200b"]


@pytest.mark.parametrize("text", MERGED)
def test_a_last_word_that_minilm_drops_or_merges(minilm: "Model", text: str) -> None:
    corpus = corpus_of(text)
    found = sentence.run(minilm, corpus, query=0)
    (encoding,) = minilm.encode([text])
    owners = set(align(corpus.documents[0], encoding).tolist()) - {-1}
    assert set(found.tables["candidates"]["candidate"]) == owners - {0}
    assert found.skipped["unaligned_words"] == len(corpus.documents[0].words) - len(owners)


@pytest.mark.real
def test_the_sentences_whose_last_word_owns_no_token(minilm: "Model", shared: Path) -> None:
    file = shared.parent / "cases" / "01_last_word_without_token" / "texts.txt"
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    for text in file.read_text(encoding="utf-8").splitlines():
        assert set(sentence.run(minilm, corpus_of(text), query=1).tables) == {"attention", "candidates"}


# --- words that are given


def test_words_that_are_given_can_be_asked_for() -> None:
    corpus = corpus_of("it's fine", ["it", "'s", "fine"])
    table = sentence.run(planted(), corpus, query="'s", candidates=["it", "fine"]).tables["candidates"]
    found = {(row.head, row.query, row.candidate): row.mass for row in table.itertuples()}
    masses = expected(planted(), corpus)
    assert found == pytest.approx({(h, 1, c): masses[h, 1, c] for h in range(HEADS) for c in (0, 2)}, abs=1e-6)


@pytest.mark.parametrize(
    ("text", "query", "listed"),
    [
        ("it's fine, yes", "it", "[it,'s,fine,',',yes]"),
        ("It's fine", "it", "[It,'s,fine]"),
        ("他喜欢学生", "学生", "[他喜欢,学生]"),
        ("he didn't", "did", "[he,did,n't]"),
    ],
)
def test_a_part_of_a_word_is_told_how_to_be_one(text: str, query: str, listed: str) -> None:
    with pytest.raises(InterpError) as caught:
        sentence.run(planted(), corpus_of(text), query=query)
    assert f'give all words: "words={listed}"' in str(caught.value)


# --- words by name and number

WORDS = ("The", "cat", "saw", "the", "dog", ".")


@pytest.mark.parametrize(
    ("given", "number"), [("cat", 1), ("CAT", 1), ("The", 0), ("the", 3), (".", 5), (0, 0), (5, 5), (True, None)]
)
def test_a_word_is_found(given: str | int, number: int | None) -> None:
    if number is None:
        with pytest.raises(InterpError, match="is not in the sentence"):
            find_word(WORDS, given, "query")
    else:
        assert find_word(WORDS, given, "query") == number


@pytest.mark.parametrize("of_query", ["NFC", "NFD"])
@pytest.mark.parametrize("of_sentence", ["NFC", "NFD"])
def test_a_word_is_found_in_another_unicode_form(of_sentence: Form, of_query: Form) -> None:
    words = [normalize(of_sentence, word) for word in ("Élève", "vit", "élève", "Garçon")]
    for asked, number in (("Élève", 0), ("élève", 2), ("garçon", 3)):
        assert find_word(words, normalize(of_query, asked), "query") == number


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("THE", r"query=THE stands 2 times in the sentence, as words 0, 3\. Pick one by its number, for example 0"),
        ("cta", r"Did you mean 'cat'\? Its words: 0:The 1:cat 2:saw 3:the 4:dog 5:\."),
        (6, "words 0 to 5"),
        (-1, "words 0 to 5"),
    ],
)
def test_a_word_that_cannot_be_found_is_answered(given: str | int, said: str) -> None:
    with pytest.raises(InterpError, match=said):
        find_word(WORDS, given, "query")


# --- what is drawn and said


def test_both_kinds_of_run_are_drawn_and_summed_up() -> None:
    corpus = corpus_of(TEXT)
    for query, figures in ((None, {"matrices", "arcs"}), ("it", {"matrices", "arcs", "candidates"})):
        tables = sentence.run(planted(), corpus, query=query).tables
        assert set(sentence.draw(tables)) == figures
        assert words_of(tables["attention"]) == list(corpus.documents[0].words)


def test_the_summary_names_the_heads_that_attend_most_to_a_candidate() -> None:
    tables = sentence.run(planted(), corpus_of(TEXT), query="it", candidates=["quiz", "student"]).tables
    wide = tables["candidates"].pivot_table(index="head", columns="candidate", values="mass")
    lines = sentence.summarise(tables)
    at = lines.index("  to 'quiz' (word 5)")
    best = int(wide[5].to_numpy().argmax())
    quiz, student = wide.loc[best, [5, 1]].to_numpy()
    assert lines[at + 1] == f"    head 0.{best}  {quiz:.2f}  ('student' {student:.2f})"
    most, candidate = max((wide[word].max(), word) for word in (5, 1))
    head, word = int(wide[candidate].to_numpy().argmax()), {5: "quiz", 1: "student"}[candidate]
    verdict = f"From 'it' (word 8), head 0.{head} attends most: {most:.2f} to {word!r} (word {candidate})."
    assert lines[0].startswith(verdict)


def test_the_summary_says_where_nothing_stands_out() -> None:
    def attend(batch: Batch) -> Tensor:
        size = batch.tokens.shape[1]
        return torch.full((1, HEADS, size, size), 1 / size)

    lines = sentence.summarise(sentence.run(FakeModel(attend, HEADS), corpus_of(TEXT)).tables)
    assert lines[1] == "    head 0.0: to nothing with .30 or more"


# --- a real model


@pytest.mark.parametrize(
    ("text", "query", "masses"),
    [
        (
            "The student didn't attempt the quiz because it was too difficult.",
            "it",
            {"quiz": 0.70, "student": 0.00},
        ),
        (
            "The student didn't attempt the quiz because she was too tired.",
            "she",
            {"student": 0.63, "quiz": 0.02},
        ),
    ],
)
def test_a_head_of_minilm_resolves_the_pronoun(
    minilm: "Model", text: str, query: str, masses: dict[str, float]
) -> None:
    tables = sentence.run(minilm, corpus_of(text), query=query, candidates=list(masses)).tables
    words = words_of(tables["attention"])
    found = tables["candidates"]
    head = found[(found["layer"] == 3) & (found["head"] == 1)]
    measured = {words[place]: mass for place, mass in zip(head["candidate"], head["mass"], strict=True)}
    assert measured == pytest.approx(masses, abs=0.01)
    assert len(found) == 6 * 12 * 2
    assert pd.Series(found["mass"]).between(0, 1).all()
