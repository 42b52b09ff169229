"""The worked example: a recurrent network of one's own, whose cross-attention has one right answer."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import interp
from interp import roles
from interp.api import tally_roles
from interp.corpora.encoding import encode
from interp.corpora.reversal import LONGEST, SHORTEST, WORDS, reversal
from interp.errors import InterpError, ModelError
from interp.models import recurrent as example
from interp.models.recurrent import READERS, fresh, recurrent, tokenizer_of, wrap
from interp.models.torch_modules.model import MultiheadModel
from interp.results import read_manifest
from interp.tables import score_table
from interp.tables.roles import classify
from interp.training import recurrent as training
from interp.training.recurrent import fit, training_batches, word_tokenizer, written_rightly
from interp.types import Corpus
from tests.support.command_line import run_in

pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")


@pytest.fixture(scope="module", params=READERS)
def model(request: pytest.FixtureRequest) -> MultiheadModel:
    return recurrent(reader=request.param)


@pytest.fixture(scope="module")
def unseen() -> Corpus:
    """Texts of a seed that neither training nor the default corpus draws from."""
    return reversal(documents=300, seed=77)


# The corpus


def test_a_target_is_the_text_backwards_and_aligned_words_are_the_same() -> None:
    corpus = reversal(documents=500)
    lengths = set()
    for document in corpus:
        words = document.text.split()
        assert document.target is not None and document.alignment is not None
        assert document.target.text.split() == words[::-1]
        assert sorted(read for _, read in document.alignment) == list(range(len(words)))
        assert all(document.target.words[written] == document.words[read] for written, read in document.alignment)
        lengths.add(len(words))
    assert len({document.text for document in corpus}) == 500
    assert lengths == set(range(SHORTEST, LONGEST + 1))
    assert {word for document in corpus for word in document.words} == set(WORDS)


def test_the_corpus_is_drawn_from_its_seed_and_cut_by_its_limit() -> None:
    whole, again, other = reversal(50), reversal(50), reversal(50, seed=1)
    assert [d.text for d in whole] == [d.text for d in again] != [d.text for d in other]
    assert whole.digest == again.digest == reversal(50, limit=3).digest != other.digest
    assert [d.text for d in reversal(50, limit=3)] == [d.text for d in whole][:3]
    with pytest.raises(InterpError, match="documents=0"):
        reversal(0)


# The network has learnt its task, and its heads show how


def test_it_writes_unseen_texts_backwards(model: MultiheadModel, unseen: Corpus) -> None:
    assert written_rightly(model, unseen) >= 0.99


def test_a_head_of_cross_attention_is_found_to_follow_the_alignment(model: MultiheadModel, unseen: Corpus) -> None:
    sums = tally_roles(model, encode(model, unseen), roles.everything)
    scores = score_table(sums, seed=0)
    found = classify(sums, scores)
    aligned = found[found.role == "aligned"]
    assert len(aligned)
    assert set(aligned.site) == {"cross"}
    assert aligned.hit.max() > 0.9
    assert aligned.baseline.max() < 0.2


def test_a_random_network_has_no_such_head(unseen: Corpus) -> None:
    for reader in READERS:
        null = recurrent(reader=reader, init="random", seed=3)
        sums = tally_roles(null, encode(null, unseen), roles.everything)
        assert "aligned" not in set(classify(sums, score_table(sums, seed=0)).role)
        assert written_rightly(null, Corpus("part", tuple(unseen)[:20], "none")) == 0


def test_what_the_heads_attend_to_is_what_torch_says(model: MultiheadModel, unseen: Corpus) -> None:
    """The hits of the best head, counted once more from torch's own weights, one text at a time."""
    network: Any = model.network
    hits, count = np.zeros(4), 0
    for document in list(unseen)[:40]:
        words = document.text.split()
        source = torch.tensor([model.tokenizer.convert_tokens_to_ids([*words, "</s>"])])
        target = torch.tensor([model.tokenizer.convert_tokens_to_ids(["<s>", *words[::-1]])])
        with torch.no_grad():
            read = network.reader(network.words(source), torch.ones_like(source, dtype=torch.bool))
            states, _ = network.writer(network.words(target), read[:, -1][None])
            weights = network.look(states, read, read, average_attn_weights=False)[1][0]
        for place in range(len(words)):
            best = weights[:, place, : len(words)].argmax(-1).numpy()
            hits += best == len(words) - 1 - place
            count += 1
    part = Corpus("part", tuple(unseen)[:40], "none")
    scores = interp.score(model, part, roles=roles.cross(part))
    mine = scores[(scores.role == "aligned") & (scores.split == "all")].sort_values("head")
    assert mine.n.tolist() == [count] * 4
    np.testing.assert_allclose(mine.hit, hits / count, atol=1e-9)


def test_without_its_cross_attention_it_cannot_tell_the_next_word(model: MultiheadModel, unseen: Corpus) -> None:
    part = Corpus("part", tuple(unseen)[:60], "none")
    effects = interp.ablate(model, part, replacement="mean")
    log_prob = effects[effects.metric == "log_prob"]
    assert log_prob.intact.iloc[0] > -0.05
    cross = log_prob[log_prob.site == "cross"]
    assert cross.effect.max() > 0.02
    assert cross.effect.max() >= log_prob.effect.max() / 2


def test_the_gate_passes(model: MultiheadModel) -> None:
    checks = interp.prove(model, reversal(50))
    assert all(check.deviation is not None for check in checks)


# Training


def test_training_learns(tmp_path: Path) -> None:
    word_tokenizer(WORDS).save(str(tmp_path / "tokenizer.json"))
    tokenizer = tokenizer_of(tmp_path / "tokenizer.json")
    network = fresh(len(tokenizer), "gru", 0)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)  # faster, for so small a network
    try:
        losses = list(fit(wrap(network, tokenizer, "new", {}), network, 150, 0))
    finally:
        torch.set_num_threads(threads)
    # knowing which words there are, and nothing of their order, costs more than 2 nats a word
    assert losses[0] > 4
    assert np.mean(losses[-10:]) < 1


def test_no_text_of_the_default_corpus_is_trained_on(monkeypatch: pytest.MonkeyPatch, model: MultiheadModel) -> None:
    drawn = reversal(documents=64, seed=training.TRAINING_SEED)
    texts = [document.text for document in drawn]
    monkeypatch.setattr(training, "reversal", lambda documents=0, seed=0: drawn if documents else tuple(drawn)[:60])
    seen = {
        model.tokenizer.decode(row, skip_special_tokens=True) for b in training_batches(model, 1, 0) for row in b.tokens
    }
    assert seen == set(texts[60:])


def test_the_command_writes_weights_that_load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    try:
        assert training.main(["--out", str(tmp_path / "new"), "--reader", "transformer", "--steps", "3"]) == 0
    finally:
        torch.set_num_threads(threads)
        torch.use_deterministic_algorithms(deterministic)
    said = capsys.readouterr().out
    assert "written without a mistake: 0.0%" in said
    monkeypatch.setattr(example, "WEIGHTS", tmp_path / "new")
    with pytest.raises(ModelError, match=r"have sha256 .* Allowed: 6350befe"):
        recurrent(reader="transformer")
    sha256 = said.strip().rsplit(" ", 1)[-1]
    monkeypatch.setitem(example.SHA256, "transformer", sha256)
    assert recurrent(reader="transformer").provenance["weights_sha256"] == sha256


def test_what_is_not_known_is_said() -> None:
    with pytest.raises(ModelError, match="Did you mean 'gru'"):
        recurrent(reader="gruu")
    with pytest.raises(ModelError, match="init=randm"):
        recurrent(init="randm")


# The command line


def test_the_model_brings_its_corpus(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    asked = ("model=recurrent", "experiment=head_roles", "corpus.documents=300", f"hydra.run.dir={folder}")
    outcome = run_in(tmp_path, *asked)
    assert outcome.code == 0, outcome.err
    manifest = read_manifest(folder)
    assert manifest is not None
    assert manifest["corpus"]["name"] == "reversal"
    assert manifest["model"]["backend"] == "multihead"
    assert manifest["gate"]["status"] == "passed"
    assert not manifest["gate"]["not_checked"]
    runs = interp.load_runs(folder)
    assert "aligned" in set(runs["roles"].role)
