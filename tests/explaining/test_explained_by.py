"""What rules give beside the attention of a sentence: against loops over rules, and for a head that is such a rule."""

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import interp
from experiments import explain, sentence
from interp import results
from interp.api import examples_of
from interp.corpora.text import sentence as corpus_of
from interp.documents import Mention
from interp.errors import InterpError
from interp.examples import STEPS, Examples, load_examples
from interp.plots.sentence import attention_matrices
from interp.results import Findings
from interp.tables.examples import of_words
from interp.tables.modelled import OnCells, modelled_attention, with_modelled
from interp.tallies.cells import seen_cells
from interp.tallies.rule_sets import rule_sets
from interp.types import Corpus, Document
from tests.models.test_encoder_decoders import Case as TwoSides
from tests.support.fakes import FakeModel, random_documents
from tests.tables.test_explanations import PLANTED, attend

WORDS = ("the", "old", "dog", "saw", "the", "elephant", "near", "a", "dog")
TAGS = ("DET", "ADJ", "NOUN", "VERB", "DET", "NOUN", "ADP", "DET", "NOUN")
GOVERNORS = (2, 2, 3, -1, 5, 3, 8, 8, 3)
RELATIONS = ("det", "amod", "nsubj", "root", "det", "obj", "case", "det", "obl")
FIRST, LATER = "first special", "later special"
ENDS = ("governor", "dependent")

NAMES = (
    *("uniform", "first_special", "later_special", "self", "first_word", "same_word", "most_tokens"),
    *(f"offset{offset:+d}" for offset in (-3, -2, -1, 1, 2, 3)),
    *(
        f"{kind}.{tag}"
        for kind, tag in product(("tag", "previous", "next"), ("ADJ", "ADP", "DET", "NOUN", "VERB", "X"))
    ),
    *("any.to_governor", "any.to_dependent", "sibling", "coref.antecedent", "nearest_mention"),
    *(f"{name}.to_{end}" for name, end in product(("det", "amod", "nsubj", "obj", "case", "obl", "xcomp"), ENDS)),
)


def family_of(rule: str) -> str:
    if rule == "uniform":
        return "uniform"
    if rule.endswith("_special"):
        return "special"
    if rule in ("self", "first_word") or rule.startswith("offset"):
        return "position"
    if rule in ("same_word", "most_tokens"):
        return "lexical"
    if rule.partition(".")[0] in ("tag", "previous", "next"):
        return "tag"
    return "coreference" if rule in ("coref.antecedent", "nearest_mention") else "syntax"


def named(rule: str, query: int, document: Document, seen: Sequence[Any]) -> list[Any]:
    """The cells that a rule names for a query, one after the other asked whether it is one."""
    words, tags, governors = document.words, document.tags, document.governors
    kind, _, what = rule.partition(".")

    def pieces(word: int) -> int:
        return -(-len(words[word]) // 3)

    def tagged(tag: str) -> list[int]:
        return [] if tags is None else [place for place, one in enumerate(tags) if one == tag]

    def is_arc(dependent: int, governor: int) -> bool:
        if governors is None or document.relations is None or governors[dependent] != governor:
            return False
        return kind == "any" or document.relations[dependent] == kind

    def holds(cell: Any) -> bool:
        if isinstance(cell, str):
            return rule == "uniform" or rule.replace("_", " ") == cell
        longest = max(pieces(one) for one in seen if isinstance(one, int))
        before = [place for place in tagged(what) if place < query]
        after = [place for place in tagged(what) if place > query]
        tests: dict[str, Callable[[], bool]] = {
            "uniform": lambda: True,
            "first_special": lambda: False,
            "later_special": lambda: False,
            "self": lambda: cell == query,
            "first_word": lambda: cell == 0,
            "same_word": lambda: cell != query and words[cell].lower() == words[query].lower(),
            "most_tokens": lambda: pieces(cell) == longest,
            "tag": lambda: cell in tagged(what),
            "previous": lambda: before[-1:] == [cell],
            "next": lambda: after[:1] == [cell],
            "sibling": lambda: (
                governors is not None
                and cell != query
                and governors[cell] == governors[query]
                and governors[query] >= 0
            ),
            "coref": lambda: document.mentions is not None and (query, cell) == (8, 2),
            "nearest_mention": lambda: document.mentions is not None and (query, cell) in NEAREST,
        }
        if kind.startswith("offset"):
            return cell == query + int(kind.removeprefix("offset"))
        if kind in tests:
            return tests[kind]()
        return is_arc(query, cell) if what == "to_governor" else is_arc(cell, query)

    return [cell for cell in seen if holds(cell)]


# by hand: words 2 and 8 are mentions of one dog, word 5 of the elephant
MENTIONS = (Mention(2, 3, 1), Mention(5, 6, 2), Mention(8, 9, 1))
NEAREST = {*((query, 2) for query in (3, 4, 5)), *((query, 5) for query in (6, 7, 8))}


def by_loops(strengths: dict[str, float], document: Document, causal: bool) -> dict[tuple[int, int], float]:
    """m(k|q), rule by rule and cell by cell."""
    found = {}
    for query in range(len(document.words)):
        seen = [*range(query + 1 if causal else len(document.words)), FIRST, *([] if causal else [LATER])]
        total, given = 0.0, dict.fromkeys(seen, 0.0)
        for rule, strength in strengths.items():
            cells = named(rule, query, document, seen)
            total += strength if cells else 0.0
            for cell in cells:
                given[cell] += strength / len(cells)
        assert sum(given.values()) == pytest.approx(total)
        found |= {(query, cell): value / total for cell, value in given.items() if cell != query and cell in range(99)}
    return found


def with_gold() -> Corpus:
    corpus = corpus_of(" ".join(WORDS))
    (plain,) = corpus.documents
    gold = replace(plain, tags=TAGS, governors=GOVERNORS, relations=RELATIONS, mentions=MENTIONS)
    return replace(corpus, documents=(gold,))


def without_gold() -> Corpus:
    return corpus_of(" ".join(WORDS))


def shares_of(heads: int) -> pd.DataFrame:
    """Strengths drawn at random, of every rule and of some that the sentence knows nothing of."""
    drawn = np.random.default_rng(4).dirichlet(np.ones(len(NAMES)), size=heads)
    rows = [
        ("self", 0, head, rule, family_of(rule), drawn[head, place], drawn[head, place])
        for head in range(heads)
        for place, rule in enumerate(NAMES)
    ]
    return pd.DataFrame(rows, columns=["site", "layer", "head", "rule", "family", "strength", "share"])


def run_folder(folder: Path, shares: pd.DataFrame, **changes: Any) -> Path:
    """A run of experiment=explain with this table, as a run writes it."""
    folder.mkdir(exist_ok=True)
    results.save_tables(folder, {"shares": shares})
    manifest = {
        "status": "complete",
        "config": {"experiment": {"_target_": "experiments.explain.run", "unit": "word"}},
        "model": {"name": "fake"},
        "tables": {"shares": len(shares)},
        "files": results.written(folder, ["shares"], []),
    }
    (folder / "manifest.json").write_text(json.dumps(manifest | changes), encoding="utf-8")
    return folder


def uniform(causal: bool = False) -> FakeModel:
    def attend(batch: Any) -> torch.Tensor:
        size = batch.tokens.shape[1]
        there = torch.ones(1, 2, size, size).tril() if causal else torch.ones(1, 2, size, size)
        return there / there.sum(-1, keepdim=True)

    return FakeModel(attend, 2, causal=causal)


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("corpus", [with_gold(), without_gold()], ids=["gold", "no gold"])
def test_what_rules_give_is_what_loops_over_them_give(corpus: Corpus, causal: bool, tmp_path: Path) -> None:
    shares = shares_of(2)
    folder = run_folder(tmp_path / "run", shares)
    found = sentence.run(uniform(causal), corpus, explained_by=str(folder))
    table = found.tables["attention"]
    for head in range(2):
        of_head = shares[shares["head"] == head]
        strengths = dict(zip(of_head["rule"], of_head["strength"], strict=True))
        expected = by_loops(strengths, corpus.documents[0], causal)
        rows = table[table["head"] == head]
        given = {(row.query, row.key): row.modelled for row in rows.itertuples()}
        assert given == pytest.approx(expected, abs=1e-9)
    said = [note for note in found.notes if note.startswith("modelled leaves out")]
    if corpus.documents[0].tags is not None:
        assert said == []
    else:
        mean = shares.groupby(["head", "family"])["share"].sum().groupby("family").mean()
        listed = ", ".join(f"{name} ({mean[name]:.2f})" for name in ("tag", "syntax", "coreference"))
        assert len(said) == 1 and f"applies to this text: {listed}." in said[0]


def test_without_a_run_there_is_no_such_column() -> None:
    assert "modelled" not in sentence.run(uniform(), without_gold()).tables["attention"]


# --- from a run, a head that is a rule


@pytest.fixture(scope="module")
def explained() -> Findings:
    corpus = Corpus("random", tuple(random_documents(240, seed=3, sizes=(3, 14))), "0" * 64)
    return explain.run(FakeModel(attend, len(PLANTED)), corpus, nulls=())


def test_what_rules_give_a_planted_head_is_its_attention(explained: Findings, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", explained.tables["shares"])
    found = interp.explain_sentence(FakeModel(attend, len(PLANTED)), " ".join(WORDS), explained_by=folder)
    table = found.attention
    for name in ("offset-1", "half", "mixture", "uniform"):
        rows = table[table["head"] == PLANTED.index(name)]
        np.testing.assert_allclose(rows["modelled"], rows["mass"], atol=0.05)
    # and a head is not given what another one is
    of_first, of_even = (table[table["head"] == PLANTED.index(name)] for name in ("offset-1", "uniform"))
    assert np.abs(of_first["modelled"].to_numpy() - of_even["mass"].to_numpy()).max() > 0.8


def test_examples_have_what_rules_give(explained: Findings, tmp_path: Path) -> None:
    examples = explained.examples
    assert examples is not None and examples.unit == "word" and len(examples.documents) > 50
    results.save_examples(tmp_path, examples)
    for one, again in zip(examples.documents, load_examples(tmp_path).documents, strict=True):
        given = one.modelled["self"]
        np.testing.assert_array_equal(again.modelled["self"], given)
        count = len(one.sides[0].words)
        assert given.shape == (len(PLANTED), count, count + 2)
        # each of so many cells is rounded
        assert np.abs(given.sum(-1) / STEPS - 1).max() <= 0.5 * (count + 2) / STEPS + 1e-9
        head = PLANTED.index("offset-1")
        attention = of_words(one.patterns["self"][head] / STEPS, one.sides[0], one.sides[0])
        np.testing.assert_allclose(given[head, :, :count] / STEPS, attention, atol=0.05)
        # the first word's goes to the first special token
        assert given[head, 0, count] / STEPS > 0.9 and given[head, 0, count + 1] / STEPS < 0.05


def test_examples_are_those_of_the_loops(explained: Findings) -> None:
    examples, shares = explained.examples, explained.tables["shares"]
    assert examples is not None
    documents = random_documents(240, seed=3, sizes=(3, 14))
    for one in examples.documents[:5]:
        for head in range(len(PLANTED)):
            of_head = shares[shares["head"] == head]
            strengths = dict(zip(of_head["rule"], of_head["strength"], strict=True))
            expected = by_loops(strengths, documents[one.document], causal=False)
            given = one.modelled["self"][head] / STEPS
            for (query, key), value in expected.items():
                assert given[query, key] == pytest.approx(value, abs=0.5 / STEPS + 1e-9)


def test_over_tokens_the_cells_are_tokens(tmp_path: Path) -> None:
    corpus = Corpus("random", tuple(random_documents(240, seed=3, sizes=(3, 14))), "0" * 64)
    found = explain.run(FakeModel(attend, len(PLANTED)), corpus, unit="token")
    results.save_examples(tmp_path, found.examples)
    examples: Examples = load_examples(tmp_path)
    assert examples.unit == "token"
    one = examples.documents[0]
    count = len(one.sides[0].tokens)
    given = one.modelled["self"]
    assert given.shape == (len(PLANTED), count, count + 2)
    special = one.sides[0].special
    # special tokens ask nothing and are the last two cells
    assert not given[:, special].any() and not given[:, :, :count][:, :, special].any()
    np.testing.assert_allclose(given[:, ~special].sum(-1) / STEPS, 1, atol=0.5 * (count + 2) / STEPS)


# --- what is refused


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"status": "running"}, r"holds a run that is not complete \(status running\)"),
        ({"shard": "1/2"}, "holds a shard"),
        ({"config": {"experiment": {"_target_": "experiments.atlas.run"}}}, "a run of experiments.atlas.run, which"),
        ({"config": {"experiment": {"_target_": "experiments.explain.run", "unit": "token"}}}, "explain.unit=token"),
        ({"model": {"name": "other"}}, "a run of 'other', and the model here is 'fake': name is other there, fake"),
        ({"model": {"name": "fake", "weights_sha256": "a" * 64}}, "weights_sha256 is a+ there, None here"),
        ({"files": {"shares.parquet": "0" * 64}}, r"its table shares cannot be read \(not as the run wrote it\)"),
    ],
)
def test_a_run_that_says_nothing_of_this_model_is_refused(changes: dict, said: str, tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", shares_of(2), **changes)
    with pytest.raises(InterpError, match=said):
        interp.explain_sentence(uniform(), " ".join(WORDS), explained_by=folder)


def test_weights_of_the_same_hash_are_the_same_whatever_the_model_is_called(tmp_path: Path) -> None:
    hashes = {"weights_sha256": "a" * 64, "tokenizer_sha256": "b" * 64}
    folder = run_folder(tmp_path / "run", shares_of(2), model={"name": "elsewhere", **hashes})
    model = uniform()
    model.provenance = hashes
    assert "modelled" in interp.explain_sentence(model, " ".join(WORDS), explained_by=folder).attention
    model.provenance = hashes | {"revision": "other"}
    with pytest.raises(InterpError, match="revision is None there, other here"):
        interp.explain_sentence(model, " ".join(WORDS), explained_by=folder)


def test_no_folder_and_too_few_heads_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InterpError, match="holds no run"):
        interp.explain_sentence(uniform(), " ".join(WORDS), explained_by=tmp_path / "nothing")
    folder = run_folder(tmp_path / "run", shares_of(1))
    with pytest.raises(InterpError, match=r"has no strengths of head 0\.1"):
        interp.explain_sentence(uniform(), " ".join(WORDS), explained_by=folder)


# --- what is drawn


def test_matrices_stand_beside_each_other(tmp_path: Path) -> None:
    folder = run_folder(tmp_path / "run", shares_of(2))
    found = interp.explain_sentence(uniform(), " ".join(WORDS), explained_by=folder)
    figure = found.figures["matrices"]
    drawn = [axes for axes in figure.axes if axes.get_title(loc="left")]
    titles = [axes.get_title(loc="left") for axes in drawn]
    assert titles == [f"head 0.{head}: {what}" for head in (0, 1) for what in ("attention", "rules")]
    for axes, (head, column) in zip(drawn, product((0, 1), ("mass", "modelled")), strict=True):
        rows = found.attention[found.attention["head"] == head]
        wide = rows.pivot_table(index="query", columns="key", values=column).to_numpy()
        (mesh,) = axes.collections
        np.testing.assert_allclose(np.ma.filled(np.ma.array(mesh.get_array()), np.nan).reshape(wide.shape), wide)
    # the same colours for both
    assert len({mesh.norm.vmax for axes in drawn for mesh in axes.collections}) == 1


@pytest.mark.parametrize("count", [5, 40, 90])
def test_both_matrices_of_a_head_are_on_the_page(count: int) -> None:
    pairs = [(query, key) for query in range(count) for key in range(count) if query != key]
    rows = [("self", 0, head, q, f"word{q}", k, f"word{k}", 0.1, 0.2) for head in range(4) for q, k in pairs]
    columns = ["site", "layer", "head", "query", "query_word", "key", "key_word", "mass", "modelled"]
    table = pd.DataFrame(rows, columns=columns).assign(model="fake")
    figure = attention_matrices(table, [("self", 0, head) for head in range(4)])
    titles = [axes.get_title(loc="left") for axes in figure.axes if axes.get_title(loc="left")]
    assert len(titles) >= 2 and len(titles) % 2 == 0
    assert titles == [f"head 0.{head}: {what}" for head in range(len(titles) // 2) for what in ("attention", "rules")]


def test_two_texts_have_rules_of_their_own_each_and_none_across() -> None:
    case = TwoSides("bart")
    examples = examples_of(case.model, case.encoded, (), seed=0)
    given = []
    for cells in seen_cells(case.model, case.encoded, sorted(one.document for one in examples.documents), "token"):
        # all attention to the token before, where there is one that is not special
        names = [("offset-1", 1.0), ("uniform", 1e-9)]
        rows = [(*head, name, "position", strength, strength) for head in cells.heads for name, strength in names]
        shares = pd.DataFrame(rows, columns=["site", "layer", "head", "rule", "family", "strength", "share"])
        given.append(OnCells(cells, modelled_attention(cells, rule_sets(case.encoded, cells, "token"), shares)))
    for one in with_modelled(examples, given, "token").documents:
        assert set(one.modelled) == {"encoder", "decoder"}
        for site, modelled in one.modelled.items():
            special = one.query_side(site).special
            count = len(special)
            assert modelled.shape == (len(examples.of_site(site)), count, count + 2)
            for query in range(1, count):
                if not special[query] and not special[query - 1]:
                    assert (modelled[:, query, query - 1] == STEPS).all()
