"""Planted heads against a second reading, the drawn corpora against plain numpy, and the shares against counting."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import norm
from scipy.stats import t as student

import interp.roles
from experiments import calibration
from interp.api import tally_roles
from interp.corpora.conllu import read_conllu
from interp.corpora.encoding import encode
from interp.errors import InterpError, ModelError
from interp.models.planted.known_accuracy import KnownAccuracy
from interp.roles.syntax import to_governor as governor_role
from interp.statistics.calibration import (
    NULLS,
    Planted,
    cover,
    draw_corpus,
    draw_documents,
    expected_evidence,
    p_under_nulls,
    rates_of,
    true_hit,
)
from interp.statistics.criteria import Criteria
from interp.statistics.redrawn_corpora import resample_heads
from interp.statistics.sign_flip import sign_vectors
from interp.sums import DocumentSums, RoleLabel, RoleSums
from interp.tables.calibration import coverage_table, head_coverage_table, null_curve, null_table
from interp.tallies.by_document import drawn_hits, tally_documents, tally_heads
from interp.types import Batch, Corpus, EncodedCorpus, Head
from tests.conftest import corpus_of
from tests.support.fakes import FakeModel, random_documents, uniform

NEEDS = Criteria(min_queries=20, min_blocks=12)


def treebank(count: int = 240) -> Corpus:
    return Corpus("trees", tuple(random_documents(count)), "0" * 64)


def planted(encoded: EncodedCorpus, *, causal: bool = False, accuracy: float = 0.6) -> KnownAccuracy:
    sources = tuple(dict.fromkeys(document.source for document in encoded.corpus))
    rates = np.full((len(sources), 2, 3), accuracy) * np.array([1.0, 0.0, 1.0])
    rates[::2, 1, 2] = 1.0
    return KnownAccuracy(
        FakeModel(uniform, 1, causal=causal), encoded, sources=sources, relations=("obj", "det"), rates=rates, seed=3
    )


@pytest.mark.parametrize("causal", [False, True])
def test_the_tally_of_planted_attention_finds_the_hits_that_were_planted(causal: bool) -> None:
    encoded = encode(FakeModel(uniform, 1, causal=causal), treebank(60))
    model = planted(encoded, causal=causal)
    sums = tally_roles(model, encoded, [governor_role("obj"), governor_role("det")])
    n, hits = drawn_hits(model, encoded, ("obj", "det"))
    assert np.array_equal(sums.n, n) and np.array_equal(sums.hit, hits)
    assert n.sum() > 50 and hits[:, 1].sum() == 0 and 0 < hits[0, 0].sum() < n[0].sum()
    # by hand: every word of the relation whose governor the model can see, with two words to choose from
    seen = sum(
        relation == "obj" and len(document.words) >= 3 and (not causal or (governor < word and word >= 2))
        for document in encoded.corpus
        for word, (governor, relation) in enumerate(
            zip(document.governors or (), document.relations or (), strict=True)
        )
    )
    assert n[0].sum() == seen


def test_planted_rates_hold_in_their_relation_and_source() -> None:
    encoded = encode(FakeModel(uniform, 1), treebank(240))
    model = planted(encoded)
    counts: Counter[tuple[str, str]] = Counter()
    for number, document in enumerate(encoded.corpus):
        drawn = model.drawn(number)
        assert np.array_equal(drawn, model.drawn(number))
        for word, relation in enumerate(document.relations or ()):
            even = int(document.source.split()[1]) % 2 == 0
            name = relation if relation in ("obj", "det") else "other"
            kind = f"{name} {'even' if even else 'odd'}"
            counts[kind, "asked"] += 1
            counts[kind, "found"] += int(drawn[word, 2])
    share = {kind: counts[kind, "found"] / counts[kind, "asked"] for kind in {kind for kind, _ in counts}}
    assert share["det even"] == 1 and share["other even"] == share["other odd"] == 0
    for kind in ("obj even", "obj odd", "det odd"):
        assert abs(share[kind] - 0.6) < 4 * np.sqrt(0.24 / counts[kind, "asked"])


def test_heads_are_planted_where_all_see_the_same_keys() -> None:
    encoded = encode(FakeModel(uniform, 1), treebank(6))
    model = FakeModel(uniform, 1)
    model.heads = [Head("encoder", 0, 0), Head("decoder", 0, 0)]
    with pytest.raises(ModelError, match="see different keys"):
        KnownAccuracy(model, encoded, sources=(), relations=(), rates=np.zeros((1, 1, 1)), seed=0)


def test_sums_of_documents_add_up_to_the_sums_of_their_blocks() -> None:
    """More than 64 source documents, so that several tallies are put together."""
    model = FakeModel(uniform, 1)
    encoded = encode(model, treebank(240))
    roles = [governor_role("obj"), governor_role("nsubj")]
    documents, sums = tally_documents(model, encoded, roles), tally_roles(model, encoded, roles)
    assert len(documents.sources) == 80 and documents.n.shape == (2, 80)
    block = {document.source: document.block for document in encoded.corpus}
    for number in range(64):
        of_block = [place for place, source in enumerate(documents.sources) if block[source] == number]
        assert np.array_equal(documents.n[:, of_block].sum(axis=1), sums.n[:, number])
        np.testing.assert_allclose(
            documents.baseline[:, :, of_block].sum(axis=2), sums.baseline[:, :, number], atol=1e-12
        )


def population(documents: int = 150, seed: int = 1) -> DocumentSums:
    """Uneven documents, with a baseline that is right more often in long ones, and a poor one."""
    random = np.random.default_rng(seed)
    n = 1 + random.geometric(0.1, size=(1, documents))
    good = random.binomial(n, np.clip(0.2 + n / 100, 0, 0.8)).astype(float)
    label = RoleLabel("obj.to_governor", "syntax", "word", "hit", "x/y@1", ("offset-1", "first"))
    baseline = np.stack([good, np.minimum(good, 1)], axis=1)
    sources = tuple(f"source {number}" for number in range(documents))
    return DocumentSums((label,), ("offset-1", "first"), sources, n, baseline)


def plain_interval(D: np.ndarray, n: np.ndarray, seed: int) -> tuple[float, float]:
    """Section 6 of the contract, one test at a time."""
    D, n = D[n > 0], n[n > 0]
    effective = n.sum() ** 2 / (n**2).sum()
    picks = np.random.default_rng(seed).integers(len(n), size=(9_999, len(n)))
    lifts = D[picks].sum(axis=1) / n[picks].sum(axis=1)
    tail = norm.cdf(-np.sqrt(effective / (effective - 1)) * student.ppf(0.975, effective - 1))
    return float(np.quantile(lifts, tail)), float(np.quantile(lifts, 1 - tail))


def test_covering_against_plain_numpy() -> None:
    """The same draws, blocks, baselines, intervals and truths, written down a second time."""
    documents, heads = population(), [Planted("even", 0.5), Planted("clustered", 0.3), Planted("by_length", 0.6)]
    repeats, size, seed = range(6), 60, 5
    covered = cover(documents, heads, [size], repeats=repeats, seed=seed)
    covered = covered.set_index(["repeat", "split", "statistic", "kind"])
    by_key: Any = covered.loc
    n, baseline = documents.n[0], documents.baseline[0]
    order = np.argsort(np.argsort(n))
    by_rank = {value: 0.6 + 0.3 * ((order[n == value].mean() + 0.5) / len(n) - 0.5) for value in set(n.tolist())}
    rate = np.array([by_rank[value] for value in n.tolist()])
    np.testing.assert_allclose(true_hit(heads[2], documents), (n * rate).sum() / n.sum())
    for repeat in repeats:
        random = np.random.default_rng([seed, size, repeat])
        draw = draw_corpus(documents, size, random)
        rates = [rates_of(head, documents, draw.documents, random) for head in heads]
        np.testing.assert_allclose(rates[2], rate[draw.documents])
        hits = random.binomial(n[draw.documents], np.stack(rates)[None])[0]
        even = draw.block % 2 == 0
        chosen = int(baseline[1][draw.documents][even].sum() > baseline[0][draw.documents][even].sum())
        for split, part in (("select", even), ("confirm", ~even), ("all", even | True)):
            blocks = sorted(set(draw.block[part].tolist()))
            total = np.array([n[draw.documents][draw.block == b].sum() for b in blocks])
            earned = np.array([baseline[chosen][draw.documents][draw.block == b].sum() for b in blocks])
            for head, planted_head in enumerate(heads):
                found = np.array([hits[head][draw.block == b].sum() for b in blocks])
                hit = (n * rate).sum() / n.sum() if head == 2 else planted_head.accuracy
                lift = hit - baseline[chosen].sum() / n.sum()
                for statistic, values, true in (("lift", found - earned, lift), ("hit", found, hit)):
                    low, high = plain_interval(values, total, seed)
                    row: Any = by_key[(repeat, split, statistic, planted_head.kind)]
                    assert (row.below, row.above) == (true < low, true > high)
                    assert row.blocks == len(blocks)
    assert covered[["below", "above"]].to_numpy().any() and len(covered) == 6 * 3 * 2 * 3


def test_a_clustered_head_varies_by_document_as_it_says() -> None:
    documents, random = population(), np.random.default_rng(0)
    rates = rates_of(Planted("clustered", 0.3), documents, np.zeros(200_000, dtype=int), random)
    assert abs(rates.mean() - 0.3) < 0.002 and abs(rates.var() - 0.1 * 0.3 * 0.7) < 0.0005


def test_p_is_uniform_for_a_head_that_exchanges_answers_with_the_baseline() -> None:
    documents = population(400)
    tested = p_under_nulls(documents, 300, criteria=NEEDS, repeats=range(80), seed=2)
    assert set(tested.null) == set(NULLS) and set(tested.split) == {"select", "confirm", "all"}
    table = null_table(tested).set_index(["ties", "null", "split"])
    by_key: Any = table.loc
    for split in ("select", "confirm", "all"):
        row: Any = by_key[("counted", "exchange", split)]
        p = tested[(tested.null == "exchange") & (tested.split == split)].p
        assert row.share_05 == (p <= 0.05).mean() and row.tests == len(p) == 80
        assert abs(row.share_05 - 0.05) < 4 * np.sqrt(0.05 * 0.95 / 80)
        # counting ties, p is never too small; a random part of them makes it uniform
        broken: Any = by_key[("broken", "exchange", split)]
        assert broken.mean_p < row.mean_p and abs(broken.mean_p - 0.5) < 4 / np.sqrt(12 * 80) and broken.ks_p > 1e-3


def test_shares_against_counting() -> None:
    random = np.random.default_rng(0)
    covered = pd.DataFrame(
        [
            (repeat, 30, role, kind, 0.5, split, statistic, blocks, 9.0, random.random() < 0.1, False)
            for repeat in range(20)
            for role in ("a", "b")
            for kind in ("even", "clustered")
            for split in ("select", "all")
            for statistic in ("lift", "hit")
            for blocks in [int(random.choice([12, 15, 16, 31, 32, 60]))]
        ],
        columns=["repeat", "documents", "role", "kind", "accuracy", "split", "statistic", "blocks", "effective",
                 "below", "above"],
    )  # fmt: skip
    table = coverage_table(covered)
    here = covered[(covered.statistic == "lift") & (covered.blocks >= 32) & (covered.kind == "even")]
    row: Any = table.query("statistic == 'lift' and blocks == '32 or more' and kind == 'even' and split == 'any'").iloc[
        0
    ]
    assert row.intervals == len(here) and row.coverage == pytest.approx(1 - here.below.mean())
    parts = [(~group.below).sum() - row.coverage * len(group) for _, group in here.groupby("repeat")]
    error = np.sqrt(np.square(parts).sum() * len(parts) / (len(parts) - 1)) / len(here)
    assert (row.share_low, row.share_high) == pytest.approx(
        (row.coverage - 1.959964 * error, min(1.0, row.coverage + 1.959964 * error)), abs=1e-6
    )
    pooled = table.query("role == 'any' and kind == 'any' and split == 'any'")
    assert pooled.intervals.sum() == len(covered)
    assert set(pooled.blocks) == {"12–15", "16–23", "24–31", "32 or more"}


def test_the_curve_of_p_counts() -> None:
    tested = pd.DataFrame({"repeat": [0, 0, 1, 1], "null": "document", "split": "all", "p": [0.01, 0.2, 0.5, 1.0]})
    curve = null_curve(tested.assign(p_broken=0.3)).query("ties == 'counted'").set_index("level").share
    assert (curve[0.01], curve[0.19], curve[0.2], curve[0.99], curve[1.0]) == (0.25, 0.25, 0.5, 0.75, 1.0)


def test_what_every_head_does_in_every_document_adds_up_to_its_blocks() -> None:
    model = FakeModel(uniform, 1)
    encoded, asked = encode(model, treebank(240)), (*interp.roles.copying(), governor_role("obj"))
    by_document, sums = tally_heads(model, encoded, asked), tally_roles(model, encoded, asked)
    sources = list(dict.fromkeys(document.source for document in encoded.corpus))
    block = {document.source: document.block for document in encoded.corpus}
    assert by_document.mass.shape == (3, 1, 80) and by_document.roles == sums.roles
    for number in sorted(set(block.values())):
        here = [place for place, source in enumerate(sources) if block[source] == number]
        for name in ("n", "hit", "mass", "word_mass", "baseline"):
            found, expected = getattr(by_document, name)[..., here].sum(-1), getattr(sums, name)[..., number]
            np.testing.assert_allclose(found, expected, atol=1e-9)


def attending(documents: int, *, odd: int = 0, seed: int = 3) -> RoleSums:
    """Documents in which three heads attend .5 of the time, the baseline .3, give or take; `odd` ones are unlike them.

    Odd documents ask twenty times as much, and there the baseline earns everything.
    """
    random = np.random.default_rng(seed)
    n = random.integers(5, 15, size=(1, documents))
    n[0, :odd] = 200
    mass = n[:, None] * np.clip(random.normal(0.5, 0.1, size=(1, 3, documents)), 0, 1)
    baseline = n[:, None] * np.clip(random.normal(0.3, 0.1, size=(1, 2, documents)), 0, 1)
    baseline[0, 1] *= 0.9
    baseline[..., :odd] = n[0, :odd]
    label = RoleLabel("induction", "copying", "token", "mass", "x/y@1", ("uniform", "first"))
    heads = tuple(("self", 0, head) for head in range(3))
    return RoleSums((label,), heads, ("uniform", "first"), n, mass, mass, np.full_like(mass, np.nan), baseline)


def test_resampled_heads_against_plain_numpy() -> None:
    """The same draws, baselines, intervals, truths and p-values, written down a second time."""
    documents, size, seed = attending(150), 100, 5
    n, mass, baseline = documents.n[0], documents.mass[0], documents.baseline[0]
    table = resample_heads(documents, size, criteria=NEEDS, repeats=range(4), seed=seed).set_index(["repeat", "head"])
    signs = sign_vectors(seed, 64)[1::2].astype(float)
    for repeat in range(4):
        drawn, block = draw_documents(150, size, np.random.default_rng([seed, size, repeat]))
        even = block % 2 == 0
        chosen = int(baseline[1][drawn[even]].sum() > baseline[0][drawn[even]].sum())
        for head in range(3):
            every = mass[head] - baseline[chosen]
            truth = every.sum() / n.sum()
            effective = []
            for first in (0, 1):
                D = np.array([every[drawn[block == b]].sum() for b in range(first, 64, 2)])
                sizes = np.array([n[drawn[block == b]].sum() for b in range(first, 64, 2)])
                error = np.abs(D - D.sum() / sizes.sum() * sizes)
                effective.append(error.sum() ** 2 / (error**2).sum())
            low, high = plain_interval(D, sizes, seed)
            row: Any = table.loc[(repeat, head)]
            assert (row.below, row.above) == (truth < low, truth > high)
            left = D - truth * sizes
            at_least = ((left @ signs) >= left.sum() - 1e-9 * np.abs(left).sum()).sum()
            assert at_least >= 10, "else p is another one"
            assert row.p == (at_least + 1) / 100_000
            assert row.blocks == (sizes > 0).sum()
            assert row.effective_blocks == pytest.approx(effective[1])
            assert row.fewer_effective_blocks == pytest.approx(min(effective))


def test_few_documents_that_decide_are_seen_and_spoil_the_interval() -> None:
    """Alike documents cover as promised; two that decide do not, and have few effective blocks."""
    found = [
        head_coverage_table(resample_heads(attending(150, odd=odd), 150, criteria=NEEDS, repeats=range(60), seed=0))
        for odd in (0, 2)
    ]
    alike, decided = (table.query("in_half == 'any' and role == 'induction'").iloc[0] for table in found)
    assert alike.coverage > 0.9 and alike.effective_blocks > 15
    assert decided.coverage < 0.85 and decided.effective_blocks < 0.7 * alike.effective_blocks
    assert alike.share_05 < 0.1 and alike.tests == decided.tests == 60 * 3


def test_shares_of_heads_against_counting() -> None:
    random = np.random.default_rng(0)
    tests = pd.DataFrame(
        [
            (repeat, role, statistic, head, random.uniform(4, 20), random.random() < 0.1, random.random() < 0.1)
            for repeat in range(20)
            for role, statistic in (("a", "mass"), ("b", "mass"), ("c", "hit"))
            for head in range(5)
        ],
        columns=["repeat", "role", "statistic", "head", "effective_blocks", "below", "above"],
    )
    tests["fewer_effective_blocks"] = tests.effective_blocks - 3
    tests["p"] = random.random(len(tests))
    table = head_coverage_table(tests)
    by_key: Any = table.set_index(["role", "statistic", "in_half", "effective"]).loc
    mass = tests[tests.statistic == "mass"]
    for half, column in (("confirm", "effective_blocks"), ("fewer", "fewer_effective_blocks")):
        here = mass[(mass[column] >= 8) & (mass[column] < 10)]
        row = by_key["any", "mass", half, "8–10"]
        assert row.tests == len(here) and row.coverage == pytest.approx((~here.below & ~here.above).mean())
        assert row.share_05 == (here.p <= 0.05).mean() and row.share_01 == (here.p <= 0.01).mean()
        parts = table[(table.role == "any") & (table.statistic == "mass") & (table.in_half == half)]
        assert parts.tests.sum() == len(mass)
    assert by_key["c", "hit", "any", "any"].tests == by_key["any", "hit", "any", "any"].tests == 100


def test_expected_evidence_is_the_mean_over_draws() -> None:
    n = population(60).n * (np.arange(60) % 3 == 0)
    draws = [draw_corpus(replace(population(60), n=n), 40, np.random.default_rng(number)) for number in range(4000)]
    odd = [draw.block % 2 == 1 for draw in draws]
    queries = [draw.n[0, half].sum() for draw, half in zip(draws, odd, strict=True)]
    blocks = [len(set(draw.block[half & (draw.n[0] > 0)])) for draw, half in zip(draws, odd, strict=True)]
    expected = expected_evidence(n, 40)
    assert expected[0][0] == pytest.approx(np.mean(queries), rel=0.02)
    assert expected[1][0] == pytest.approx(np.mean(blocks), rel=0.02)


def test_where_nothing_could_be_tested_the_tables_are_empty_and_have_their_columns() -> None:
    documents = population(10)
    tested = p_under_nulls(documents, 8, criteria=NEEDS, repeats=range(2), seed=0)
    covered = cover(documents, [Planted("even", 0.5)], [8], repeats=range(2), seed=0)
    resampled = resample_heads(attending(10), 8, criteria=NEEDS, repeats=range(2), seed=0)
    tables = {
        "calibration": coverage_table(covered),
        "null_p": null_table(tested),
        "null_p_curve": null_curve(tested),
        "calibration_heads": head_coverage_table(resampled),
    }
    assert all(table.empty for table in tables.values())
    full = null_table(p_under_nulls(population(150), 150, criteria=NEEDS, repeats=range(2), seed=0))
    assert list(tables["null_p"].columns) == list(full.columns)
    assert calibration.summarise(tables) and set(calibration.draw(tables)) == {"coverage", "null_p"}


run = partial(
    calibration.run,
    accuracies=(0.4, 0.7),
    relations=2,
    roles=("offset-1", "duplicate", "obj.to_governor"),
    documents=(40,),
    repeats=3,
    criteria=NEEDS,
    seed=1,
)


def test_the_experiment_draws_and_sums_up() -> None:
    findings = run(FakeModel(uniform, 1), treebank(240))
    tables = findings.tables
    assert set(tables) == {"planted_heads", "calibration", "calibration_heads", "null_p", "null_p_curve"}
    heads = tables["planted_heads"]
    everywhere = heads[heads.split == "all"]
    assert len(everywhere) == 2 * (6 + 2)
    # n of every cell is some 80 to 300: planted accuracies come out within four standard errors, clustered ones wider
    even = everywhere[everywhere.kind == "even"]
    assert ((even.hit - even.accuracy).abs() < 4 * np.sqrt(0.25 / even.n)).all()
    assert any("equal those of the coins" in line for line in findings.notes)
    assert any(line.startswith("    32 or more") for line in calibration.summarise(tables))
    assert set(calibration.draw(tables)) == {"coverage", "null_p"}
    own = tables["calibration_heads"]
    assert set(own.role) == {"offset-1", "duplicate", "obj.to_governor", "any"}
    # one head on three corpora
    assert (own[(own.in_half == "any") & (own.role != "any")].tests == 3).all()
    assert any(line.startswith("    offset-1 ") for line in calibration.summarise(tables))


def test_roles_that_the_corpus_does_not_ask_for_are_named() -> None:
    findings = run(FakeModel(uniform, 1), treebank(240), roles=("offset-1", "tag.NOUN"))
    assert "The corpus does not ask for these roles: tag.NOUN." in findings.notes
    with pytest.raises(InterpError, match=r"asks for none of inducton\. Did you mean 'induction'"):
        run(FakeModel(uniform, 1), treebank(240), roles=("inducton",))


def test_no_roles_of_its_own_are_no_error() -> None:
    findings = run(FakeModel(uniform, 1), treebank(240), roles=())
    assert findings.tables["calibration_heads"].empty and not findings.tables["calibration"].empty
    assert calibration.summarise(findings.tables)


class Windowed(FakeModel):
    """Two layers, the second of which sees three tokens."""

    windows = (None, 3)

    def __init__(self) -> None:
        super().__init__(uniform, 1, causal=True)
        self.heads: Sequence[Head] = [Head("self", layer, 0) for layer in range(2)]

    def visible(self, batch: Batch, site: str = "self", layer: int = 0) -> torch.Tensor:
        seen = super().visible(batch)
        return seen if layer == 0 else seen & ~torch.ones_like(seen).tril(-3)


def test_heads_that_see_different_keys_are_refused_at_once() -> None:
    with pytest.raises(ModelError, match="see different keys \\(2 kinds\\)"):
        run(Windowed(), treebank(240))


def test_corpora_too_small_to_test_anything_are_refused_before_they_are_drawn() -> None:
    corpus = treebank(30)
    with pytest.raises(InterpError, match=r"have 10 source documents.* in 5 blocks.* needs 5 in 12.*More source"):
        run(FakeModel(uniform, 1), corpus, documents=(9,), criteria=Criteria(min_queries=5, min_blocks=12))


def test_a_corpus_without_syntax_is_refused() -> None:
    with pytest.raises(InterpError, match="has no syntax"):
        run(FakeModel(uniform, 1), corpus_of())


def test_a_corpus_that_is_too_small_is_refused() -> None:
    with pytest.raises(InterpError, match="is asked about 40 times"):
        run(FakeModel(uniform, 1), treebank(6))


@pytest.mark.real
def test_most_intervals_hold_the_truth_on_real_documents(shared: Path) -> None:
    corpus = read_conllu(shared / "corpora" / "ud_english_ewt" / "en_ewt-ud-dev.conllu")
    model = FakeModel(uniform, 1)
    documents = tally_documents(model, encode(model, corpus), [governor_role("nsubj"), governor_role("amod")])
    heads = [Planted("even", 0.4), Planted("clustered", 0.6)]
    covered = cover(documents, heads, [len(documents.sources)], repeats=range(30), seed=0)
    held = ~(covered.below | covered.above)[covered.blocks >= 32].to_numpy()
    assert len(held) > 350 and 0.90 < held.mean() < 0.99
