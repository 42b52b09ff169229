"""Broad descriptions of heads against plain loops over one document at a time, and against planted kernels."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import interp
from experiments import shapes as experiment
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.corpora.reversal import reversal
from interp.models.recurrent import recurrent
from interp.statistics.bootstrap import bootstrap_interval, bootstrap_interval_of
from interp.tables.local_kernel import explained_by_offset, width_of
from interp.tallies.definitions import DEFINITIONS
from interp.tallies.numbers import NumberFold
from interp.types import Batch, Corpus, Head
from tests.conftest import Case
from tests.support.fakes import FakeModel, noise, random_documents, uniform

REACH = 3
MOST_FREQUENT = 2  # FakeModel has three tokens


def convolution(batch: Batch) -> torch.Tensor:
    """One head that puts .6 on the previous token, .3 on the one before it and .1 on the next, at the ends too.

    What falls beyond an end goes nowhere: its rows there sum to less, which no tally minds.
    """
    count, size = batch.tokens.shape
    place = torch.arange(size)
    pattern = torch.zeros(count, 1, size, size)
    for by, share in ((-1, 0.6), (-2, 0.3), (1, 0.1)):
        pattern[:, :, place[:, None] + by == place] = share
    return pattern * batch.mask[:, None, None, :]


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus("c", tuple(random_documents(60, seed=3)), "none")


def shape_of(attend: Any, heads: int, corpus: Corpus, **options: Any) -> tuple[pd.DataFrame, pd.DataFrame]:
    settings = {"reach": REACH, "most_frequent": MOST_FREQUENT, **options}
    tables = experiment.run(FakeModel(attend, heads), corpus, **settings).tables
    return tables["shape"].set_index(["definition", "head"]), tables["kernel"].set_index(["head", "offset"])


def test_a_convolution_is_one(corpus: Corpus) -> None:
    shape, kernel = shape_of(convolution, 1, corpus)
    assert kernel.value.round(6).to_dict() == pytest.approx(
        {(0, by): {-2: 0.3, -1: 0.6, 1: 0.1}.get(by, 0) for by in range(-REACH, REACH + 1)}, abs=1e-6
    )
    assert shape.value["kernel/explained@1", 0] == pytest.approx(1, abs=1e-5)
    assert shape.value["kernel/peak@1", 0] == -1
    assert shape.value["kernel/width@1", 0] == 1
    # documents differ in nothing that they look at
    assert shape.value["shape/variability@1", 0] == pytest.approx(0, abs=1e-6)


def test_even_attention_is_no_convolution(corpus: Corpus) -> None:
    shape, kernel = shape_of(uniform, 1, corpus)
    assert shape.value["kernel/explained@1", 0] < 0.05
    assert shape.value["kernel/width@1", 0] == (2 * REACH + 1 + 1) // 2
    assert kernel.value.max() - kernel.value.min() < 0.02


@pytest.mark.parametrize("causal", [False, True])
def test_every_number_in_plain_loops(corpus: Corpus, causal: bool) -> None:
    model = FakeModel(noise, 2, causal=causal)
    encoded = encode(model, corpus)
    patterns = {}
    for group in batches(encoded, model):
        batch = group.batch()
        for row, number in enumerate(group.documents):
            length = len(encoded.encodings[number].tokens)
            patterns[number] = noise(batch)[row, :, :length, :length].double().numpy()
    frequency = Counter(token for one in encoded.encodings for token in one.tokens[~one.special].tolist())
    ranks = sorted(frequency, key=lambda token: (-frequency[token], token))
    tables = experiment.run(model, corpus, reach=REACH, most_frequent=MOST_FREQUENT).tables
    shape = tables["shape"].set_index(["definition", "head"])
    kernel = tables["kernel"].set_index(["head", "offset"])
    for head in range(2):
        entropy, distance, on_first, without_first, largest = [], [], [], [], []
        beyond_first = []
        at: dict[int, list[float]] = {by: [] for by in range(-REACH, REACH + 1)}
        inside = 0.0
        hits: list[tuple[float, float]] = []
        for number, whole in patterns.items():
            rows = whole[head]
            for q in range(1, len(rows) - 1):  # the first and the last token are special
                row = rows[q]
                entropy.append(-(row[row > 0] * np.log(row[row > 0])).sum())
                largest.append(max(row[1:-1]))
                beyond_first.append((sum(row[k] * abs(q - k) for k in range(1, len(row))), row[1:].sum()))
                distance.append(sum(row[k] * abs(q - k) for k in range(len(row))))
                on_first.append(row[0])
                if row[0] <= 0.9:
                    rest = row[1:][row[1:] > 0] / row[1:].sum()
                    without_first.append(-(rest * np.log(rest)).sum())
                for by in at:
                    if 0 <= q + by < len(row) and not (causal and by > 0):
                        at[by].append(row[q + by])
                        inside += row[q + by]
            own = encoded.encodings[number].tokens[1:-1].tolist()
            rarest = sorted(set(own), key=ranks.index, reverse=True)[:2]
            if ranks.index(rarest[0]) >= MOST_FREQUENT:
                winner = own[int(rows[1:-1, 1:-1].sum(0).argmax())]
                hits.append((winner == rarest[0], winner in rarest))
        expected = {
            "shape/entropy@1": np.mean(entropy),
            "shape/mean-distance@1": np.mean(distance),
            "shape/null@1": np.mean(on_first),
            "shape/confidence@1": np.mean(largest),
            "shape/rarest@1": np.mean(hits, axis=0)[0],
            "shape/rarest-two@1": np.mean(hits, axis=0)[1],
            "shape/entropy-without-first@1": np.mean(without_first),
            "kernel/mass@1": inside / len(entropy),
            "shape/distance-without-first@1": np.divide(*np.sum(beyond_first, axis=0)),
            "shape/variability-without-first@1": variability_beyond_first([one[head] for one in patterns.values()]),
            "shape/variability@1": variability([one[head] for one in patterns.values()]),
        }
        assert len(hits) > 10 and 0 < expected["shape/rarest@1"] < expected["shape/rarest-two@1"] < 1
        every = np.concatenate([one for one in at.values() if one])
        within = sum(((np.array(one) - np.mean(one)) ** 2).sum() for one in at.values() if one)
        expected["kernel/explained@1"] = 1 - within / ((every - every.mean()) ** 2).sum()
        means = {by: np.mean(one) for by, one in at.items() if one}
        expected["kernel/peak@1"] = max(means, key=lambda by: means[by])
        for name, value in expected.items():
            assert shape.value[name, head] == pytest.approx(value, abs=1e-5), name
        assert set(kernel.loc[head].index) == set(means)
        np.testing.assert_allclose(kernel.loc[head].value, list(means.values()), atol=1e-6)
        assert kernel.loc[head].n.tolist() == [len(one) for one in at.values() if one]


def variability(patterns: list[np.ndarray]) -> float:
    """Vig & Belinkov's, over documents of ten tokens or more; of every row 1 is spent."""
    long = np.stack([one[:10, :10] for one in patterns if len(one) >= 10])
    return float(np.abs(long - long.mean(0)).sum() / (2 * 10 * len(long)))


def variability_beyond_first(patterns: list[np.ndarray]) -> float:
    """Vig & Belinkov's own: of attention on any but the first token."""
    long = np.stack([one[:10, 1:10] for one in patterns if len(one) >= 10])
    return float(np.abs(long - long.mean(0)).sum() / (2 * long.sum()))


def test_a_corpus_without_rare_tokens_says_so(corpus: Corpus) -> None:
    findings = experiment.run(FakeModel(uniform, 1), corpus)
    assert "shape/rarest@1" not in set(findings.tables["shape"].definition)
    assert any("no document has a token that 500 tokens" in note for note in findings.notes)


def test_documents_that_are_too_short_are_counted(corpus: Corpus) -> None:
    model = FakeModel(noise, 2)
    findings = experiment.run(model, corpus)
    short = sum(len(one.tokens) < 10 for one in encode(model, corpus).encodings)
    (found,) = (count for name, count in findings.skipped.items() if "variability" in name)
    assert found == short > 0
    rows = findings.tables["shape"].query("definition == 'shape/variability@1'")
    assert (rows.n == 10 * (len(corpus) - short)).all()


def test_every_number_has_a_card_and_an_interval_that_holds_it(corpus: Corpus) -> None:
    shape, kernel = shape_of(noise, 2, corpus, min_blocks=5)
    ids = {card.id for card in DEFINITIONS}
    assert set(shape.index.get_level_values("definition")) | set(kernel.definition) == ids
    whole = shape.index.get_level_values("definition").isin(["kernel/width@1", "kernel/peak@1"])
    assert shape.ci_low[whole].isna().all()
    for table in (shape[~whole], kernel):
        assert ((table.ci_low <= table.value) & (table.value <= table.ci_high)).all()


# Statistics


def test_the_interval_of_a_mean_is_that_of_any_statistic() -> None:
    rng = np.random.default_rng(0)
    n = rng.integers(0, 9, 64)
    D = rng.normal(size=(3, 64)) * n
    found = bootstrap_interval_of(
        lambda counts: (D[:, n > 0] @ counts) / (n[n > 0] @ counts), n, tests=3, seed=1, min_blocks=12
    )
    np.testing.assert_array_equal(found, bootstrap_interval(D, n, seed=1))
    few = bootstrap_interval_of(lambda counts: counts[:3], n[:8], tests=3, seed=1)
    assert np.isnan(few).all()


def test_width_and_explained_variance_by_hand() -> None:
    assert width_of(np.array([0.1, 0.2, 0.4, 0.1])) == 1
    assert width_of(np.array([0.25, 0.25, 0.25, 0.25])) == 2
    assert width_of(np.array([0.3, 0.3, 0.2, 0.2])) == 2
    assert np.isnan(width_of(np.zeros(4)))
    groups = [np.array([0.1, 0.3]), np.array([0.5, 0.7, 0.9])]
    parts = ([len(g) for g in groups], [g.sum() for g in groups], [(g**2).sum() for g in groups])
    every = np.concatenate(groups)
    expected = 1 - sum(((g - g.mean()) ** 2).sum() for g in groups) / ((every - every.mean()) ** 2).sum()
    found = explained_by_offset(*(np.array(part, dtype=float)[:, None] for part in parts))
    assert found[0] == pytest.approx(expected)
    constant = explained_by_offset(*(np.array(part, dtype=float)[:, None] for part in ([2, 3], [1, 1.5], [0.5, 0.75])))
    assert np.isnan(constant[0])


# Real models


def test_windows_hide_offsets(tiny_mistral: Case) -> None:
    """No key further back than two tokens is seen there, and none ahead."""
    corpus = Corpus("c", tuple(random_documents(20, seed=1)), "none")
    tables = experiment.run(tiny_mistral.model, corpus, reach=REACH).tables
    assert set(tables["kernel"].offset) == {-2, -1, 0}
    mass = tables["shape"].query("definition == 'kernel/mass@1'").value
    np.testing.assert_allclose(mass, 1, atol=1e-5)


@pytest.mark.real
def test_the_heads_of_stories_that_are_most_like_a_convolution(stories: Any, shared: Path) -> None:
    """Heads 1.3 and 3.6 are its previous-token heads."""
    path = shared / "corpora" / "ud_english_ewt" / "en_ewt-ud-test.conllu"
    findings = experiment.run(stories, interp.read_conllu(path, first=120))
    shape = findings.tables["shape"].set_index(["definition", "layer", "head"]).value
    assert set(shape["kernel/explained@1"].nlargest(2).index) == {(1, 3), (3, 6)}
    assert shape["kernel/peak@1", 1, 3] == shape["kernel/peak@1", 3, 6] == -1
    assert shape["kernel/width@1", 3, 6] == 1
    assert list(experiment.draw(findings.tables)) == ["kernels"]
    assert any(line.startswith("    head 3.6 ") for line in experiment.summarise(findings.tables))


def test_a_model_of_two_sites() -> None:
    """Cross-attention has entropies and no kernel."""
    model = recurrent(reader="transformer", init="random", seed=0, device="cpu")
    findings = experiment.run(model, reversal(documents=12))
    shape, kernel = findings.tables["shape"], findings.tables["kernel"]
    assert set(shape[shape.definition == "shape/entropy@1"].site) == {"encoder", "cross"}
    assert set(kernel.site) == {"encoder"}
    assert any("Cross-attention has no kernel" in line for line in findings.notes)


def test_a_model_of_nothing_but_cross_attention() -> None:
    """It has no kernel: the table is there with its columns, in the types that it has where it has rows."""
    model = recurrent(init="random", seed=0, device="cpu")
    tables = experiment.run(model, reversal(documents=12)).tables
    both = experiment.run(recurrent(reader="transformer", init="random", device="cpu"), reversal(documents=12)).tables
    assert tables["kernel"].empty and not tables["shape"].definition.str.startswith("kernel/").any()
    assert set(tables["shape"].site) == {"cross"}
    for name in ("kernel", "shape"):
        assert tables[name].dtypes.to_dict() == both[name].dtypes.to_dict()
    assert list(experiment.draw(tables)) == ["kernels"]
    assert not any("convolution" in line for line in experiment.summarise(tables))


@pytest.mark.parametrize("ratios", [True, False])
def test_ratios_need_what_they_are_divided_by_and_means_do_not(ratios: bool) -> None:
    fold = NumberFold(("x/y@1",), [Head("self", 0, 0)], ratios=ratios)
    total, n = torch.ones(1, 2, 1), torch.ones(1, 2, 1, dtype=torch.long)
    with pytest.raises(ValueError, match="ratios are added with"):
        fold.add(Head("self", 0, 0), torch.tensor([3, 3]), total, n, None if ratios else total)
    fold.add(Head("self", 0, 0), torch.tensor([3, 3]), total, n, 2 * total if ratios else None)
    sums = fold.sums()
    assert sums.total[0, 0, 3] == 2 and (sums.over is None) == (not ratios)
    assert sums.over is None or sums.over[0, 0, 3] == 4
