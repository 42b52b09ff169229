"""What a sweep leaves out: logits that are never whole, and padding; held against plain transformers."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from interp import metrics
from interp.ablation import replacements
from interp.ablation.fast_engine import measure_fast
from interp.ablation.plain_engine import measure_plain
from interp.corpora.encoding import encode
from interp.models.loading import from_transformers
from interp.types import Batch, LogitPieces, Output
from interp.types import output as of_output
from tests.conftest import TEXTS, Case, assert_close, batch_of, corpus_of


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pieces of seven tokens, so that small vocabularies have several."""
    monkeypatch.setattr(of_output, "PIECE", 1)
    monkeypatch.setattr(of_output, "NARROWEST", 7)


def fresh(case: Case) -> Any:
    """The same weights once more, which a test may spoil."""
    network = type(case.plain)(case.plain.config)
    network.load_state_dict(case.plain.state_dict())
    return from_transformers(network, case.tokenizer, name="fresh", backend="attention")


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_llama", "tiny_bert"])
def test_pieces_put_together_are_the_logits_of_plain_transformers(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    model: Any = case.model
    batch = batch_of(model, TEXTS)
    at = batch.mask.clone()
    at[:, 1::2] = False
    clean = model.remember(batch, logits=at)
    stacked = clean.attention_output["self", 1].repeat(2, 1, 1, 1)
    resumed = model.resume(clean, ("self", 1), stacked, logits=at, pieces=True)
    assert resumed.logits is None and resumed.pieces is not None
    pieces = resumed.pieces.each(lambda _start, piece: piece)
    assert {piece.shape[1] for piece in pieces[:-1]} == {7}
    expected: list[Tensor] = []
    for row, text in enumerate(TEXTS):
        with torch.no_grad():
            logits = case.plain(**case.tokenizer(text, return_tensors="pt")).logits
        expected.append(logits[0][at[row, : logits.shape[1]]])
    assert_close(torch.cat(pieces, dim=1), torch.cat(expected).repeat(2, 1))


def test_a_head_that_does_more_than_its_last_map_has_no_pieces(tiny_gpt2: Case) -> None:
    model = fresh(tiny_gpt2)
    head = model.network.lm_head
    plain = head.forward
    head.forward = lambda hidden: torch.tanh(plain(hidden))
    batch = batch_of(model, TEXTS)
    at = metrics.scored_positions(batch)
    output = model.remember(batch, logits=at, pieces=True).output
    assert output.pieces is None
    logits = model.run(batch).logits
    assert logits.abs().max() <= 1
    assert_close(output.logits, logits[at])


@pytest.mark.usefixtures("narrow")
def test_log_prob_in_pieces_has_the_slope_of_the_cross_entropy(tiny_gpt2: Case) -> None:
    model: Any = tiny_gpt2.model
    batch = batch_of(model, TEXTS)
    at = metrics.scored_positions(batch)
    generator = torch.Generator().manual_seed(0)
    read, weight = torch.randn(int(at.sum()), 8, generator=generator), torch.randn(70, 8, generator=generator)
    small = Batch.bare(batch.tokens % 70, batch.mask)
    tokens = small.tokens.roll(-1, 1)[at]
    read.requires_grad_()
    output = Output(torch.zeros(*at.shape, 8), None, at, LogitPieces(read, weight, None))
    found = metrics.log_prob(output, small, output)
    losses = cross_entropy(read @ weight.T, tokens, reduction="none")
    rows = at.nonzero()[:, 0]
    expected = torch.stack([-losses[rows == row].mean() for row in torch.unique(rows).tolist()])
    scored = at.any(1)  # a document of one token has no value
    assert torch.equal(found.isnan(), ~scored)
    assert_close(found[scored].float(), expected)
    slopes = [torch.autograd.grad(one.sum(), read, retain_graph=True)[0] for one in (found[scored], expected)]
    assert_close(slopes[0], slopes[1])


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_llama", "tiny_mistral", "tiny_bert"])
def test_no_padding_goes_through_the_rest_of_the_network(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    model = fresh(case)
    batch = batch_of(model, TEXTS)
    real = int(batch.mask.sum())
    assert real < 0.9 * batch.mask.numel()
    clean = model.remember(batch)  # the first time it is seen whether this one can
    seen: list[int] = []
    handle = model.layers[1].projection.register_forward_hook(lambda _m, _a, out: seen.append(out[..., 0].numel()))
    clean = model.remember(batch)
    resumed = model.resume(clean, ("self", 0), clean.attention_output["self", 0].repeat(3, 1, 1, 1))
    handle.remove()
    assert seen == [batch.mask.numel(), 3 * real]
    for row, text in enumerate(TEXTS):
        with torch.no_grad():
            expected = case.plain.base_model(**case.tokenizer(text, return_tensors="pt")).last_hidden_state[0]
        for variant in range(3):
            assert_close(resumed.hidden[variant * len(TEXTS) + row, : len(expected)], expected, atol=1e-4)


def test_a_network_whose_positions_mix_outside_attention_keeps_its_padding(tiny_gpt2: Case) -> None:
    model = fresh(tiny_gpt2)
    mlp = model.network.transformer.h[1].mlp
    plain = mlp.forward
    # each token is given something of the one before it, which in a packed row may be of another document
    mlp.forward = lambda hidden: plain(hidden + hidden.roll(1, 1))
    encoded = encode(model, corpus_of(TEXTS))
    batch = batch_of(model, TEXTS)
    substitution = replacements.zero(model, encoded)(batch)
    sets = [(head,) for head in model.heads]
    seen: list[int] = []
    handle = mlp.register_forward_pre_hook(lambda _m, args: seen.append(args[0][..., 0].numel()))
    before, after = measure_fast(model, batch, substitution, sets, [metrics.LOG_PROB])
    assert seen[-1] % batch.mask.numel() == 0
    handle.remove()
    expected = measure_plain(model, batch, substitution, sets, [metrics.LOG_PROB])
    # a document of one token has no value
    assert_close(before.nan_to_num(), expected[0].nan_to_num())
    assert_close(after.nan_to_num(), expected[1].nan_to_num())
