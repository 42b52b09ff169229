"""Every way to aggregate against loops over tokens, agreement by hand, and choices that must and must not flip."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from experiments import sensitivity
from interp import roles
from interp.api import tally_roles
from interp.attention.aggregation import ATTENDED_TO, ATTENDING, words_by
from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.errors import InterpError
from interp.models.planted.known_accuracy import KnownAccuracy
from interp.plots.style import blank_reason
from interp.progress import silent
from interp.roles.positional import offset
from interp.roles.syntax import to_governor as governor_role
from interp.statistics.criteria import Criteria
from interp.sums import RoleSums
from interp.tables.sensitivity import agreement
from interp.tallies.by_document import tally_documents
from interp.types import Batch, Corpus
from tests.support.fakes import FakeModel, document, mostly_last, random_documents, to_governor, uniform

CLASSIFICATION = Criteria(margin=0.10, alpha=0.05, min_queries=20, min_blocks=6, min_word_mass=0.1)


def treebank(count: int = 240) -> Corpus:
    return Corpus("trees", tuple(random_documents(count)), "0" * 64)


@pytest.mark.parametrize("attended_to", ATTENDED_TO)
@pytest.mark.parametrize("attending", ATTENDING)
def test_aggregations_against_loops(attended_to: str, attending: str) -> None:
    model = FakeModel(uniform, 1, causal=True)
    encoded = encode(model, treebank(12))
    batch = collate(encoded, range(12), model)
    visible = model.visible(batch)
    pattern = torch.rand(12, 2, *batch.tokens.shape[1:] * 2, generator=torch.Generator().manual_seed(0))
    view = words_by(attended_to, attending)(batch, visible, "self")
    found = view.attention(pattern).numpy()
    over_keys: Any = {"sum": np.sum, "max": np.max, "mean": np.mean, "first": lambda values: values[0]}[attended_to]
    over_queries: Any = {"mean": np.mean, "first": lambda values: values[0], "last": lambda values: values[-1]}[
        attending
    ]
    compared, split = 0, False
    for row in range(12):
        tokens_of = {
            word: np.flatnonzero(batch.word[row].numpy() == word) for word in range(int(batch.word[row].max()) + 1)
        }
        split |= any(len(tokens) > 1 for tokens in tokens_of.values())
        for query, asking in tokens_of.items():
            for key, asked in tokens_of.items():
                if key == query or max(asked) > max(asking):
                    assert (found[row, :, query, key] == 0).all()
                    continue
                for head in range(2):
                    rows = pattern[row, head].numpy()
                    expected = over_queries([over_keys(rows[token, asked]) for token in asking])
                    np.testing.assert_allclose(found[row, head, query, key], expected, rtol=1e-5)
                    compared += 1
    assert compared > 100 and split


def test_an_unknown_aggregation_is_refused() -> None:
    with pytest.raises(InterpError, match=r"attended_to=summ is no way .* Did you mean 'sum'"):
        words_by("summ")
    with pytest.raises(InterpError, match="attending=all is no way"):
        words_by("sum", "all")


def table(*pairs: tuple[int, str]) -> pd.DataFrame:
    return pd.DataFrame([("self", 0, head, role) for head, role in pairs], columns=["site", "layer", "head", "role"])


def test_agreement_by_hand() -> None:
    before = table((0, "a"), (0, "b"), (1, "a"), (2, "unclassified"), (3, "c"))
    after = table((0, "a"), (1, "a"), (1, "b"), (2, "unclassified"), (3, "unclassified"))
    found = agreement(before, after, tested={"a", "b", "c"}, tested_there={"a", "b"})
    # c is not testable there: head 3 is not said to have lost it
    assert found["roles_compared"] == 2 and found["not_testable"] == 1
    assert found["heads"] == 4 and found["heads_with_role"] == 2 and found["heads_flipped"] == 2
    assert found["share_flipped"] == 0.5 and found["share_flipped_with_role"] == 1.0
    assert (found["pairs"], found["pairs_gained"], found["pairs_lost"]) == (3, 1, 1)
    assert found["jaccard"] == 2 / 4
    same = agreement(before, before, tested={"a", "b", "c"}, tested_there={"a", "b", "c"})
    assert (same["heads_flipped"], same["jaccard"]) == (0, 1.0)
    nobody = table((0, "unclassified"))
    none = agreement(nobody, nobody, tested={"a"}, tested_there={"a"})
    assert (none["jaccard"], none["share_flipped"]) == (1.0, 0.0) and np.isnan(none["share_flipped_with_role"])


@pytest.mark.parametrize(("tested", "there", "lost"), [(set(), set(), 0), ({"a", "b"}, set(), 2), (set(), {"a"}, 0)])
def test_where_no_role_was_compared_nothing_agrees(tested: set[str], there: set[str], lost: int) -> None:
    found = agreement(table((0, "a")), table((0, "a")), tested=tested, tested_there=there)
    assert (found["roles_compared"], found["not_testable"], found["heads_flipped"]) == (0, lost, 0)
    assert np.isnan([found[name] for name in ("jaccard", "share_flipped", "share_flipped_with_role")]).all()


run = partial(
    sensitivity.run,
    roles=roles.syntax,
    other_corpus=None,
    margins=(0.05, 0.10, 0.20),
    seeds=1,
    criteria=CLASSIFICATION,
    seed=2,
)


def test_quarters_add_up_to_the_whole() -> None:
    model, corpus = FakeModel(to_governor, 1), treebank()
    encoded = encode(model, corpus)
    parts = sensitivity.in_quarters(encoded, 0)
    assert sorted(number for part in parts for number in part) == list(range(len(corpus)))
    sources = [{corpus.documents[number].source for number in part} for part in parts]
    assert sum(map(len, sources)) == len(set.union(*sources)) == 80
    quarters, _ = sensitivity.tally_choices(model, encoded, roles.syntax, 0, silent)
    whole, expected = RoleSums.merge(quarters[0].merge(quarters[1]), quarters[2].merge(quarters[3])), tally_roles(
        model, encoded, roles.syntax
    )  # fmt: skip
    assert np.array_equal(whole.n, expected.n)
    np.testing.assert_allclose(whole.hit, expected.hit, atol=1e-9)


def test_a_perfect_head_flips_with_nothing() -> None:
    """All of its tokens look evenly at all tokens of the governor: no aggregation changes where it looks."""
    findings = run(FakeModel(to_governor, 1), treebank())
    found = findings.tables["sensitivity"]
    assert set(found.factor) == {"aggregation", "definition", "sample size", "corpus", "margin", "seed"}
    assert list(found.loc[found.factor == "definition", "level"]) == ["by mass", "from governor"]
    # read the other way round it finds no governor: a word is looked at by its dependents
    reverse, found = found[found.level == "from governor"], found[found.level != "from governor"]
    assert reverse.heads_flipped.item() == 1 and reverse.pairs_lost.item() == 5
    assert (found.heads_flipped == 0).all() and (found.jaccard == 1).all()
    assert (found.loc[found.factor != "sample size", "pairs"] == 5).all()
    assert set(sensitivity.draw(findings.tables)) == {"sensitivity"}
    assert len(sensitivity.summarise(findings.tables)) == 3 + len(found)


def test_a_weak_head_flips_with_the_margin_alone() -> None:
    """Heads a little better than the baseline: a higher margin takes the role, and a lower one gives it back."""
    corpus = treebank(600)
    encoded = encode(FakeModel(uniform, 1), corpus)
    sources = tuple(dict.fromkeys(document.source for document in corpus))
    documents = tally_documents(FakeModel(uniform, 1), encoded, [governor_role("obj")])
    baseline = documents.baseline.sum(axis=2).max() / documents.n.sum()
    rates = np.broadcast_to(np.array([baseline + 0.14, 0.95]), (len(sources), 1, 2))
    model = KnownAccuracy(FakeModel(uniform, 1), encoded, sources=sources, relations=("obj",), rates=rates, seed=0)
    found = run(model, corpus, roles=lambda corpus: (governor_role("obj"),)).tables
    margins: Any = found["sensitivity"].query("factor == 'margin'").set_index("level")
    lowest, own, highest = (margins.loc[level, "pairs"] for level in ("0.05", "0.10", "0.20"))
    assert (lowest, highest) == (2, 1) and margins.loc["0.10", "heads_flipped"] == 0
    assert margins.loc["0.20", "heads_flipped"] == own - 1


def looks_by_the_largest(batch: Batch) -> torch.Tensor:
    """Each token looks with .55 at all tokens of its word's governor and with .45 at one other token."""
    whole = to_governor(batch)
    return 0.55 * whole + 0.45 * (torch.arange(batch.tokens.shape[1]) == 1).float()


def test_a_head_that_spreads_over_tokens_loses_its_role_by_the_largest() -> None:
    """.55 over the governor's tokens, .45 on the first word: by sum the governor wins, by one token it does not."""
    # four letters and more are two tokens and more
    longer = [
        document([4 * word for word in one.words], one.governors or (), one.relations or (), one.source)
        for one in random_documents(240)
    ]
    corpus = Corpus("long words", tuple(longer), "0" * 64)
    found: Any = (
        run(FakeModel(looks_by_the_largest, 1), corpus, margins=(), seeds=0).tables["sensitivity"].set_index("level")
    )
    for level in ("attended to: max", "attended to: first"):
        assert found.loc[level, "heads_flipped"] == 1 and found.loc[level, "pairs_lost"] >= 1
    assert found.loc["attending: last", "heads_flipped"] == 0


def to_dependents(batch: Batch) -> torch.Tensor:
    """Each token looks evenly at the tokens of its word's dependents, and at the first token where there are none."""
    turned = to_governor(batch).mT
    nowhere = (torch.arange(turned.shape[-1]) == 0).float() * (turned.sum(-1, keepdim=True) == 0)
    return turned / turned.sum(-1, keepdim=True).clamp(min=1) + nowhere


def levels(model: FakeModel, asked: Any = roles.syntax) -> Any:
    found = run(model, treebank(), roles=asked, margins=(), seeds=0).tables["sensitivity"]
    return found.set_index("level")


def test_a_head_from_governors_has_the_role_read_the_other_way_round() -> None:
    found = levels(FakeModel(to_dependents, 1), lambda corpus: (governor_role("obj"),))
    assert (found.pairs - found.pairs_gained + found.pairs_lost == 0).all()
    assert found.loc["from governor", "pairs"] == 1 and found.loc["by mass", "pairs"] == 0


def a_little_more_on_the_governor(batch: Batch) -> torch.Tensor:
    """Even attention but for a grain: always largest on the governor, and hardly ever on it."""
    even = uniform(batch)
    return 0.97 * even + 0.03 * to_governor(batch)


def test_a_head_that_is_largest_by_a_grain_loses_its_role_by_mass() -> None:
    found = levels(FakeModel(a_little_more_on_the_governor, 1))
    assert found.loc["by mass", "pairs"] == 0 and found.loc["by mass", "pairs_lost"] > 0


def mostly_to_the_previous(batch: Batch) -> torch.Tensor:
    """.45 on the previous token, .55 on the one before."""
    size = batch.tokens.shape[1]
    place = torch.arange(size)
    back = (place[:, None] - place[None, :]).expand(len(batch.tokens), -1, -1)
    pattern = 0.45 * (back == 1) + 0.55 * (back == 2)
    return torch.where(pattern.sum(-1, keepdim=True) == 1, pattern, (place == 0).float())[:, None]


def test_attention_shared_by_two_offsets_is_one_by_largest() -> None:
    """By mass it has both roles, by the largest attention the one that gets more."""
    found = levels(FakeModel(mostly_to_the_previous, 1), roles.positional)
    assert found.loc["by largest", "pairs_lost"] >= 1 and "by mass" not in found.index


def test_what_cannot_be_tested_is_not_said_to_agree() -> None:
    """Five source documents are five blocks, and a test needs six in each half."""
    findings = run(FakeModel(to_governor, 1), treebank(15))
    found = findings.tables["sensitivity"]
    assert (found.roles_compared == 0).all() and found.jaccard.isna().all()
    lines = sensitivity.summarise(findings.tables)
    assert sum("no role to compare" in line for line in lines) == len(found) and "1.00" not in "".join(lines)
    assert "nothing was compared" in lines[0]
    assert any(line.startswith("Too little to test") for line in findings.notes)
    (figure,) = sensitivity.draw(findings.tables).values()
    assert blank_reason(figure), "nothing was compared, and nothing is drawn"


def test_roles_that_a_choice_cannot_test_are_counted() -> None:
    """A quarter of 80 source documents fills too few blocks for what all of them can test."""
    tables = run(FakeModel(to_governor, 1), treebank(), criteria=replace(CLASSIFICATION, min_blocks=14)).tables
    row = tables["sensitivity"].query("level == '25%'").iloc[0]
    (line,) = (line for line in sensitivity.summarise(tables) if "25%" in line)
    assert row.not_testable > 0 and line.split()[-1] == f"{row.not_testable}"
    (line,) = (line for line in sensitivity.summarise(tables) if "seed" in line)
    assert line.split()[-1] == f"{tables['sensitivity'].roles_compared.iloc[-1]}", (
        "the column of untestable ones is empty"
    )


def test_where_no_head_has_a_role_either_way_there_is_no_share_of_those() -> None:
    findings = run(FakeModel(uniform, 1), treebank(), margins=(), seeds=0)
    assert (findings.tables["sensitivity"].roles_compared > 0).all()
    lines = sensitivity.summarise(findings.tables)
    assert lines[2].split()[-3:-1] == ["–", "1.00"] and not any("nan" in line for line in lines)


def test_offsets_by_the_largest_attention_leave_special_tokens_aside() -> None:
    """.9 on the end of the text, .1 on the previous token: by mass no previous-token head, by Voita's way one."""
    found = levels(FakeModel(mostly_last, 1), lambda corpus: (offset(-1), offset(1), offset(-2)))
    assert found.loc["by largest", "pairs_gained"] == 1 and found.loc["attended to: max", "pairs"] == 0


def test_too_few_sources_are_refused() -> None:
    with pytest.raises(InterpError, match="comes from 3 source documents"):
        run(FakeModel(uniform, 1), treebank(9))


def test_a_second_treebank_is_a_level(tmp_path: Path) -> None:
    words = ["1\tcats\t_\tNOUN\t_\t_\t2\tnsubj\t_\t_", "2\tsee\t_\tVERB\t_\t_\t0\troot\t_\t_"]
    words += ["3\tdogs\t_\tNOUN\t_\t_\t2\tobj\t_\t_", ""]
    lines = [line for number in range(60) for line in (f"# newdoc id = d{number}", *words)]
    path = tmp_path / "second.conllu"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = run(FakeModel(to_governor, 1), treebank(), other_corpus=str(path)).tables["sensitivity"]
    assert "second" in set(found[found.factor == "corpus"].level)
