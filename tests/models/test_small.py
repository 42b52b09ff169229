"""The model that comes with the project: what its card says is true, and the command that made it runs."""

import hashlib
import math
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import transformers

import interp
from interp.ablation.effects import measure_effects
from interp.ablation.plan import Plan
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar, phrases
from interp.corpora.grammar.tree import document
from interp.errors import InterpError, ModelError
from interp.metrics import LOG_PROB
from interp.models import loading
from interp.training import __main__ as command
from interp.training import texts, trigram, vocabulary
from tests.conftest import assert_close, batch_of, corpus_of, plain_inputs, replaced_z, without_head
from tests.support.paths import ROOT

FOLDER = Path(interp.__file__).parent / "models" / "small"
CARD = (FOLDER / "README.md").read_text()

PERIOD = 40
START = 1


@pytest.fixture(scope="module")
def small() -> loading.Model:
    return interp.load_model("small", device="cpu")


@pytest.fixture(scope="module")
def plain() -> Any:
    return transformers.AutoModelForCausalLM.from_pretrained(FOLDER, attn_implementation="eager").eval()


@pytest.fixture(scope="module")
def repeated(small: loading.Model) -> torch.Tensor:
    """The start token and a random sequence of words, twice: [text, 1 + 2 × PERIOD]."""
    generator = np.random.default_rng(7)
    words = np.arange(START + 1, len(small.tokenizer))
    sequences = np.stack([generator.choice(words, PERIOD, replace=False) for _ in range(24)])
    start = np.full((len(sequences), 1), START)
    return torch.from_numpy(np.concatenate([start, sequences, sequences], axis=1))


@torch.inference_mode()
def log_probs(plain: Any, tokens: torch.Tensor) -> torch.Tensor:
    """Of every token but the first, in nats."""
    found = plain(tokens, use_cache=False).logits[:, :-1].log_softmax(-1)
    return found.gather(-1, tokens[:, 1:, None])[..., 0]


def repetition_loss(plain: Any, repeated: torch.Tensor) -> float:
    """Nats per token of the repetition, without its first token."""
    return -log_probs(plain, repeated)[:, PERIOD + 1 :].mean().item()


# What comes with the project


def test_it_is_small_and_whole() -> None:
    files = {file.name: file.stat().st_size for file in FOLDER.iterdir()}
    needed = {"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "loss.csv", "README.md"}
    assert needed <= set(files)
    assert sum(files.values()) < 4_000_000


def test_the_card_names_these_weights() -> None:
    digest = hashlib.sha256((FOLDER / "model.safetensors").read_bytes()).hexdigest()
    assert f"sha256 of model.safetensors: `{digest}`" in CARD
    assert digest == loading.SMALL_SHA256
    assert re.search(r"`python -m interp\.training --out small` \(seed 0, \d+ steps", CARD)
    assert not re.search(r"/(work|tmp|home|root)\b", CARD)


def test_the_loss_curve_ends_where_the_card_says() -> None:
    curve = pd.read_csv(FOLDER / "loss.csv")
    assert list(curve) == ["step", "training_grammar", "training_repeats", "held_out_grammar", "held_out_repeats"]
    last = curve.iloc[-1]
    assert f"{last.step:.0f} steps" in CARD
    for kind in ("grammar", "repeats"):
        row = next(line for line in CARD.splitlines() if line.startswith(f"| {kind}"))
        ours, baseline = (float(cell) for cell in row.split("|")[2:4])
        assert abs(ours - last[f"held_out_{kind}"]) < 6e-4
        assert ours < baseline - 0.3
    assert curve.held_out_grammar.iloc[0] > last.held_out_grammar + 0.5


def test_it_loads_by_its_name(small: loading.Model) -> None:
    assert (small.name, small.has_language_head, small.causal, small.positions) == ("small", True, True, 128)
    assert len(small.heads) == 4 * 8
    assert small.provenance["weights_sha256"] == loading.SMALL_SHA256
    random = interp.load_model("small", init="random", seed=3, device="cpu")
    assert (random.name, random.provenance["weights_sha256"]) == ("small-random", "random from seed 3")


@pytest.mark.parametrize("backend", ["attention", "bridge"])
def test_either_way_in_gives_what_plain_transformers_gives(plain: Any, backend: str) -> None:
    model = loading.small(device="cpu", backend=backend)
    batch = batch_of(model, ["The keys to the cabinet are rusty.", "Anna didn't sleep."])
    with torch.inference_mode():
        expected = plain(**plain_inputs(model, batch)).logits
    assert_close(model.run(batch).logits, expected)


def test_other_weights_are_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "small"
    shutil.copytree(FOLDER, folder)
    monkeypatch.setattr(loading, "SMALL", folder)
    (folder / "model.safetensors").write_bytes(b"other")
    with pytest.raises(ModelError, match=rf"{hashlib.sha256(b'other').hexdigest()}.*{loading.SMALL_SHA256}.*Reinstall"):
        loading.small()
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no such file"):
        loading.small()


# Its tokens


def test_every_word_of_the_grammar_is_a_token_of_its_own(small: loading.Model) -> None:
    documents = grammar().documents
    for one, encoding in zip(documents, small.encode([one.text for one in documents]), strict=True):
        assert encoding.tokens[0] == START and encoding.special[0]
        assert 0 not in encoding.tokens
        assert encoding.offsets[1:].tolist() == one.spans.tolist()


def test_a_word_it_does_not_know() -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDER)
    assert tokenizer("The zyzzyva")["input_ids"] == [START, tokenizer.convert_tokens_to_ids("The"), 0]


def test_any_sequence_of_words_can_be_written_as_text() -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(FOLDER)
    words = np.random.default_rng(0).permutation(np.arange(2, len(tokenizer)))
    assert tokenizer(" ".join(tokenizer.convert_ids_to_tokens(words)))["input_ids"] == [START, *words]


# What it knows


def trigram_loss(training: Sequence[Sequence[int]], held_out: Sequence[Sequence[int]], size: int) -> float:
    """Nats per token of an interpolated trigram model whose weights are the best of a grid on a tenth of training."""

    def frequencies(counted: Sequence[Sequence[int]], read: Sequence[Sequence[int]]) -> np.ndarray:
        grams = Counter(tuple(t[max(0, i - n) : i + 1]) for t in counted for i in range(1, len(t)) for n in range(3))
        before = Counter(tuple(t[max(0, i - n) : i]) for t in counted for i in range(1, len(t)) for n in range(3))
        rows = []
        for text in read:
            for i in range(1, len(text)):
                row = [1 / size]
                for n in range(3):
                    context = tuple(text[max(0, i - n) : i])
                    row.append(grams[*context, text[i]] / before[context] if before[context] else row[-1])
                rows.append(row)
        return np.array(rows)

    tenth = len(training) // 10
    grid = [
        np.array([0.01, rest * (1 - a), rest * a * (1 - b), rest * a * b])
        for rest in (0.99,)
        for a in (0.8, 0.9, 0.95)
        for b in (0.3, 0.5, 0.7)
    ]
    tuning = frequencies(training[tenth:], training[:tenth])
    weights = max(grid, key=lambda some: np.log(tuning @ some).sum())
    return -float(np.log(frequencies(training, held_out) @ weights).mean())


def test_it_beats_a_trigram_model(small: loading.Model, plain: Any) -> None:
    held_out = [one.text for one in grammar(300).documents]
    fresh = [one.text for one in grammar(10_000, seed=77).documents if one.text not in set(held_out)]
    tokens = [encoding.tokens.tolist() for encoding in small.encode(fresh)]
    tested = [encoding.tokens.tolist() for encoding in small.encode(held_out)]
    ours = torch.cat([log_probs(plain, torch.tensor([text]))[0] for text in tested])
    assert -ours.mean().item() < trigram_loss(tokens, tested, len(small.tokenizer)) - 0.3


def test_the_verb_agrees_across_an_attractor(small: loading.Model, plain: Any) -> None:
    other = {"is": "are", "are": "is", "was": "were", "were": "was"}
    draw, right = Random(5), {True: [], False: []}
    for _ in range(400):
        words = document(phrases.agreement_across_attractor(draw), ".").words
        if words[5] in other and words[1].endswith("s") != words[4].endswith("s"):
            better, worse = (" ".join([*words[:5], verb]) for verb in (words[5], other[words[5]]))
            tokens = torch.tensor([encoding.tokens.tolist() for encoding in small.encode([better, worse])])
            first, second = log_probs(plain, tokens)[:, -1].tolist()
            right[words[1].endswith("s")].append(first > second)
    assert min(map(len, right.values())) > 30
    # it leans towards the plural; better than chance is what it is over both numbers, and no more is claimed
    assert np.mean([np.mean(some) for some in right.values()]) > 0.6


def test_it_continues_what_repeats(plain: Any, repeated: torch.Tensor) -> None:
    each = -log_probs(plain, repeated).mean(0)
    first, second = each[:PERIOD].mean().item(), each[PERIOD + 1 :].mean().item()
    assert first > math.log(1000)  # random words cannot be told
    assert second < first - 4


# Its heads


@pytest.fixture(scope="module")
def diagonals(plain: Any, repeated: torch.Tensor) -> dict[str, torch.Tensor]:
    """Mean attention [layer, head] to the previous token, and to the one after the query's earlier occurrence."""
    with torch.inference_mode():
        patterns = torch.stack(plain(repeated, output_attentions=True, use_cache=False).attentions)
    valid = range(PERIOD + 1, 2 * PERIOD)  # the repetition, save its last token: what follows it is not there
    return {
        name: torch.stack([patterns[..., query, query - back] for query in valid]).mean((0, 2))
        for name, back in (("previous", 1), ("induction", PERIOD - 1))
    }


def test_it_has_a_head_for_the_previous_token_and_one_for_induction(diagonals: dict[str, torch.Tensor]) -> None:
    for name in ("previous", "induction"):
        assert diagonals[name].max() > 0.5
        assert diagonals[name].median() < 0.2
    # the induction head reads what the other wrote, so it is above it
    layers = {name: int(scores.argmax()) // scores.shape[1] for name, scores in diagonals.items()}
    assert layers["previous"] < layers["induction"]


def test_the_card_lists_these_heads(diagonals: dict[str, torch.Tensor]) -> None:
    for name, kind in (("previous", "previous token"), ("induction", "induction")):
        layer, head = divmod(int(diagonals[name].argmax()), 8)
        assert f"| {kind} | {layer}.{head} |" in CARD


def test_without_its_best_induction_head_it_repeats_less_well(
    plain: Any, repeated: torch.Tensor, diagonals: dict[str, torch.Tensor]
) -> None:
    intact = repetition_loss(plain, repeated)
    rise = torch.zeros_like(diagonals["induction"])
    for layer, head in np.ndindex(*rise.shape):
        with replaced_z(plain, layer, without_head(head)):
            rise[layer, head] = repetition_loss(plain, repeated) - intact
    best = rise.flatten()[diagonals["induction"].argmax()]
    assert best > 0.03
    assert best > 10 * rise.median()


def test_without_all_its_induction_heads_it_hardly_repeats(
    plain: Any, repeated: torch.Tensor, diagonals: dict[str, torch.Tensor]
) -> None:
    intact = repetition_loss(plain, repeated)
    inducing = (diagonals["induction"] > 0.5).nonzero().tolist()
    others = [[3, head] for head in range(8) if [3, head] not in inducing][: len(inducing)]
    rise = {}
    for name, heads in (("inducing", inducing), ("others", others)):
        with ExitStack() as stack:
            for layer, head in heads:
                stack.enter_context(replaced_z(plain, layer, without_head(head)))
            rise[name] = repetition_loss(plain, repeated) - intact
    assert rise["inducing"] > 2
    assert rise["inducing"] > 5 * rise["others"]


def test_the_engine_finds_the_same_effects(small: loading.Model, plain: Any, repeated: torch.Tensor) -> None:
    written = [" ".join(small.tokenizer.convert_ids_to_tokens(text[1:])) for text in repeated]
    encoded = encode(small, corpus_of(written, "repeats"))
    assert [one.tokens.tolist() for one in encoded.encodings] == repeated.tolist()
    table = measure_effects(small, encoded, Plan(replacement="zero"), metrics=[LOG_PROB], min_blocks=1).table
    intact = log_probs(plain, repeated).mean().item()
    for layer, head in np.ndindex(4, 8):
        with replaced_z(plain, layer, without_head(head)):
            expected = intact - log_probs(plain, repeated).mean().item()
        found = table.effect[(table.layer == layer) & (table["head"] == head)].item()
        assert found == pytest.approx(expected, abs=2e-4)


# How it was made


def test_texts_are_packed_without_a_gap() -> None:
    sentences = [[10 * i + j for j in range(3)] for i in range(1, 30)]
    found = texts.packed(sentences, START, 10, np.random.default_rng(0))
    assert found.shape == (29 // 3, 10)
    assert (found[:, 0] == START).all()
    read = [tuple(text[i : i + 3]) for text in found.tolist() for i in (1, 4, 7)]
    assert len(set(read)) == len(read)
    assert set(read) <= set(map(tuple, sentences))
    with pytest.raises(InterpError, match="fill no text of 10 tokens"):
        texts.packed(sentences[:2], START, 10, np.random.default_rng(0))


def test_what_counts_as_foreseen_follows_from_what_was_read() -> None:
    words = np.arange(2, 2000)
    read, foreseen = texts.repeats(40, words, START, 128, np.random.default_rng(0))
    assert (read[:, 0] == START).all()
    periods = set()
    for text, known in zip(read.tolist(), foreseen.tolist(), strict=True):
        for place in np.flatnonzero(known):
            # the last time that the token before was read, this one followed
            earlier = max(i for i in range(place - 1) if text[i] == text[place - 1])
            assert text[earlier + 1] == text[place]
            periods.add(place - 1 - earlier)
    assert min(periods) == texts.SHORTEST and max(periods) > 40
    assert 0.3 < foreseen.mean() < 0.5


def test_training_and_held_out_sentences_are_apart() -> None:
    drawn = texts.split(3000, 500, seed=0)
    assert drawn.held_out == tuple(one.text for one in grammar(500).documents)
    assert not set(drawn.training) & set(drawn.held_out)
    assert len(drawn.training) + drawn.repeated == 3000
    assert set(drawn.attractors) < set(drawn.training)
    assert 20 < len(drawn.attractors) < 200


def test_the_trigram_model_is_a_distribution() -> None:
    generator = np.random.default_rng(0)
    fitted = trigram.fit(generator.integers(0, 6, (60, 20)) ** 2 % 7, 7)
    for context in [(0, 1), (4, 2), (5, 5), (3, 6)]:
        candidates = np.array([[*context, token] for token in range(7)])
        assert np.exp(trigram.log_probs(fitted, candidates)[:, 1]).sum() == pytest.approx(1)


def test_the_trigram_model_knows_a_cycle() -> None:
    cycle = np.tile(np.array([0, 1, 2, 1]), (50, 10))
    found = trigram.log_probs(trigram.fit(cycle, 3), cycle)[:, 2:]
    assert np.exp(found).min() > 0.99  # what follows 1 depends on what stood before it


def test_words_are_cut_as_a_treebank_cuts_them() -> None:
    tokenizer = vocabulary.word_tokenizer(["Anna's guests' cat didn't purr, did it?"], 16)
    assert tokenizer.tokenize("didn't Anna's guests'") == ["did", "n't", "Anna", "'s", "guests", "'"]
    assert vocabulary.ordinary(tokenizer).tolist() == list(range(2, len(tokenizer)))


@pytest.fixture
def in_this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The command sets how torch computes; afterwards it computes as before."""
    monkeypatch.setattr(command, "TEXTS", 4)
    threads, deterministic = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    yield
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(deterministic)


@pytest.mark.usefixtures("in_this_process")
def test_a_seed_gives_the_same_weights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tiny = ["--steps", "3", "--sentences", "300", "--held-out", "100"]
    state = torch.get_rng_state()
    for name, seed in (("first", "4"), ("again", "4"), ("other", "5")):
        assert command.main(["--out", str(tmp_path / name), "--seed", seed, *tiny]) == 0
        assert "step 3 of 3" in capsys.readouterr().out
    assert torch.equal(torch.get_rng_state(), state)
    first, again, other = ((tmp_path / name / "model.safetensors").read_bytes() for name in ("first", "again", "other"))
    assert first == again
    assert first != other
    made = interp.load_model(tmp_path / "first")
    assert made.has_language_head and len(made.heads) == 32
    card = (tmp_path / "first" / "README.md").read_text()
    assert "`python -m interp.training --out first --seed 4 --steps 3 --sentences 300 --held-out 100`" in card
    assert hashlib.sha256(first).hexdigest() in card
    assert {path.name for path in tmp_path.iterdir()} == {"first", "again", "other"}  # nothing unfinished is left


@pytest.mark.usefixtures("in_this_process")
def test_nothing_is_left_of_a_training_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise InterpError("broken")

    monkeypatch.setattr(command, "card", broken)
    tiny = ["--steps", "1", "--sentences", "300", "--held-out", "100"]
    assert command.main(["--out", str(tmp_path / "model"), *tiny]) == 1
    assert not list(tmp_path.iterdir())


def test_the_command_never_overwrites(tmp_path: Path) -> None:
    called = [sys.executable, "-m", "interp.training", "--out", str(tmp_path)]
    refused = subprocess.run(called, cwd=ROOT, capture_output=True, text=True, check=False)
    assert refused.returncode == 1
    assert "exists. Allowed: a directory that is not there yet" in refused.stderr
