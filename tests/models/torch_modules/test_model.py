"""One's own torch modules through the seam: `nn.MultiheadAttention` of every kind, against what torch itself says."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import interp
from interp import roles
from interp.api import tally_roles
from interp.corpora.batching import Group
from interp.corpora.encoding import encode
from interp.errors import ModelError
from interp.models.torch_modules import model as multihead
from interp.models.torch_modules.attention import slow_path
from interp.models.torch_modules.model import MultiheadModel, from_module
from interp.models.unhooked import traces
from interp.tables import score_table
from interp.types import Batch, Output, Place, Tap
from tests.conftest import TEXTS, assert_close, byte_level_tokenizer, corpus_of
from tests.models.gate.test_gate import (
    Broken,
    HeadsOfContributionPermuted,
    HeadsOfPatternPermuted,
    HeadsOfZPermuted,
    PaddingAttended,
    PatternHookNotFired,
    WhatZIsRewrittenToIsDropped,
    ZHookNotFired,
    broken,
    failing,
)

# of torch's own fused kernels, once a process
pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")

WIDTH, HEADS = 16, 4
TOKENIZER = byte_level_tokenizer()


class Network(nn.Module):
    """Embeddings of tokens and positions, and a language head."""

    def __init__(self) -> None:
        super().__init__()
        self.tokens, self.positions = nn.Embedding(len(TOKENIZER), WIDTH), nn.Embedding(64, WIDTH)
        self.head = nn.Linear(WIDTH, len(TOKENIZER))

    def embed(self, tokens: Tensor) -> Tensor:
        return self.tokens(tokens) + self.positions(torch.arange(tokens.shape[1]))


class Encoder(Network):
    """torch's encoder, as it comes: padding masked, batch first, fused in evaluation mode."""

    def __init__(self, **options: Any) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 32, batch_first=True, **options)
        self.stack = nn.TransformerEncoder(layer, 3, enable_nested_tensor=not options.get("norm_first", False))

    def forward(self, batch: Batch) -> Tensor:
        return self.stack(self.embed(batch.tokens), src_key_padding_mask=~batch.mask)


class Causal(Network):
    """Queries first, a mask of numbers for every document and head, and weights that the network itself asks for."""

    def __init__(self) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(nn.MultiheadAttention(WIDTH, HEADS) for _ in range(2))

    def forward(self, batch: Batch) -> Tensor:
        hidden = self.embed(batch.tokens).transpose(0, 1)
        length = len(hidden)
        future = torch.ones(length, length, dtype=torch.bool).triu(1)
        hidden_from = torch.zeros(length, length, dtype=torch.float64).masked_fill(future, float("-inf"))
        each = hidden_from.expand(len(batch.tokens) * HEADS, -1, -1)
        padding = torch.zeros(batch.mask.shape, dtype=torch.float64).masked_fill(~batch.mask, float("-inf"))
        for attention in self.attentions:
            written, weights = attention(hidden, hidden, hidden, key_padding_mask=padding, attn_mask=each)
            assert weights.shape == (len(batch.tokens), length, length)
            hidden = hidden + written
        return hidden.transpose(0, 1)


class Sunken(Network):
    """Keys that are no token: a learned one in the first layer, one of zeros in the second, both in the third."""

    def __init__(self) -> None:
        super().__init__()
        kinds = ((True, False), (False, True), (True, True))
        self.attentions = nn.ModuleList(
            nn.MultiheadAttention(WIDTH, HEADS, add_bias_kv=bias, add_zero_attn=zero, batch_first=True)
            for bias, zero in kinds
        )

    def forward(self, batch: Batch) -> Tensor:
        hidden = self.embed(batch.tokens)
        for attention in self.attentions:
            hidden = hidden + attention(hidden, hidden, hidden, key_padding_mask=~batch.mask, need_weights=False)[0]
        return hidden


class Separate(Network):
    """A recurrent decoder that looks at a recurrent encoder of another width: separate projections, without biases."""

    def __init__(self) -> None:
        super().__init__()
        self.read = nn.GRU(WIDTH, 6, batch_first=True, bidirectional=True)
        self.values = nn.Linear(12, 10)
        self.write = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.look = nn.MultiheadAttention(WIDTH, HEADS, kdim=12, vdim=10, bias=False, batch_first=True)

    def forward(self, batch: Batch) -> Tensor:
        assert batch.target is not None
        lengths = batch.mask.sum(1)
        packed = nn.utils.rnn.pack_padded_sequence(
            self.embed(batch.tokens), lengths, batch_first=True, enforce_sorted=False
        )
        keys, _ = nn.utils.rnn.pad_packed_sequence(self.read(packed)[0], batch_first=True)
        states, _ = self.write(self.embed(batch.target.tokens))
        written, _ = self.look(states, keys, self.values(keys), key_padding_mask=~batch.mask, need_weights=False)
        return states + written


class Whole(Network):
    """nn.Transformer: an encoder, a decoder and what connects them."""

    def __init__(self) -> None:
        super().__init__()
        self.both = nn.Transformer(WIDTH, HEADS, 2, 2, 32, batch_first=True)

    def forward(self, batch: Batch) -> Tensor:
        assert batch.target is not None
        length = batch.target.tokens.shape[1]
        return self.both(
            self.embed(batch.tokens),
            self.embed(batch.target.tokens),
            tgt_mask=torch.ones(length, length, dtype=torch.bool).triu(1),
            src_key_padding_mask=~batch.mask,
            tgt_key_padding_mask=~batch.target.mask,
            memory_key_padding_mask=~batch.mask,
            tgt_is_causal=True,
        )


WHOLE = {"*.encoder.*": "encoder", "*.self_attn": "decoder", "*.multihead_attn": "cross"}
KINDS: dict[str, tuple[Callable[[], Network], dict[str, Any]]] = {
    "encoder": (Encoder, {}),
    "encoder-norm-first": (lambda: Encoder(norm_first=True, bias=False), {}),
    "causal": (Causal, {"causal": True}),
    "sunken": (Sunken, {}),
    "separate": (Separate, {"sites": {"look": "cross"}}),
    "whole": (Whole, {"sites": WHOLE}),
}


def call(network: Any, batch: Batch) -> Output:
    hidden = network(batch)
    return Output(hidden, network.head(hidden))


def attention_of(network: nn.Module, name: str) -> nn.MultiheadAttention:
    found = network.get_submodule(name)
    assert isinstance(found, nn.MultiheadAttention)
    return found


class Case:
    """A module behind the seam, and a copy of it that nothing has touched."""

    def __init__(self, kind: str) -> None:
        build, options = KINDS[kind]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1)
            network = build().eval().double()  # so that fused kernels, which round differently, agree closely
            for parameter in network.parameters():
                # biases begin as zeros, which would hide a forgotten one; and small weights look everywhere alike
                parameter.data = parameter.data + torch.randn_like(parameter) / 8
        self.plain = copy.deepcopy(network)
        self.model = from_module(network, TOKENIZER, call, name=kind, positions=64, has_language_head=True, **options)
        self.encoded = encode(self.model, corpus_of(TEXTS))
        self.batch = Group(self.encoded, self.model, tuple(range(len(TEXTS)))).batch()
        self.attentions: dict[Place, nn.MultiheadAttention] = {
            (layer.site, layer.number): attention_of(self.plain, layer.name) for layer in self.model.layers
        }

    @torch.inference_mode()
    def alone(self, number: int) -> dict[Place, Tensor]:
        """Every attention of one document alone, as torch's own forward gives it: [head, query, key]."""
        batch = Group(self.encoded, self.model, (number,)).batch()
        found: dict[Place, Tensor] = {}
        with slow_path(), asking_for_weights(self.attentions, found):
            self.plain(batch)
        return found

    @torch.inference_mode()
    def without(self, place: Place, head: int) -> Tensor:
        """Hidden states when the columns of the output projection that read one head are zero."""
        silenced = copy.deepcopy(self.plain)
        layer = next(one for one in self.model.layers if (one.site, one.number) == place)
        weight = attention_of(silenced, layer.name).out_proj.weight
        size = WIDTH // HEADS
        weight.data[:, head * size : (head + 1) * size] = 0
        return silenced(self.batch)


@contextmanager
def asking_for_weights(attentions: dict[Place, nn.MultiheadAttention], found: dict[Place, Tensor]) -> Iterator[None]:
    handles = []
    for place, attention in attentions.items():

        def ask(_module: Any, args: Any, kwargs: Any) -> Any:
            return args, kwargs | {"need_weights": True, "average_attn_weights": False}

        def keep(_module: Any, _args: Any, output: Any, place: Place = place) -> Any:
            found[place] = output[1][0]
            return output[0], output[1].mean(1)

        handles += [attention.register_forward_pre_hook(ask, with_kwargs=True), attention.register_forward_hook(keep)]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@pytest.fixture(scope="module", params=list(KINDS))
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


def test_heads_are_listed_by_site(case: Case) -> None:
    expected = {"encoder": 12, "encoder-norm-first": 12, "causal": 8, "sunken": 12, "separate": 4, "whole": 24}
    assert len(case.model.heads) == expected[case.model.name]
    sites = list(dict.fromkeys(head.site for head in case.model.heads))
    assert sites == {"separate": ["cross"], "whole": ["encoder", "decoder", "cross"]}.get(case.model.name, ["self"])


def test_the_output_is_that_of_the_module(case: Case) -> None:
    with torch.inference_mode():
        expected = call(case.plain, case.batch)
    output = case.model.run(case.batch)
    there = case.batch.written.mask
    assert_close(output.hidden[there], expected.hidden[there])
    assert output.logits is not None and expected.logits is not None
    assert_close(output.logits[there], expected.logits[there])
    assert case.model.run(case.batch, logits=False).logits is None


def test_attention_is_what_torch_gives_for_each_document_alone(case: Case) -> None:
    seen: dict[Place, Tensor] = {}
    case.model.run(case.batch, pattern=lambda site, layer, pattern: seen.update({(site, layer): pattern}))
    assert seen.keys() == case.attentions.keys()
    for number in range(len(TEXTS)):
        for place, alone in case.alone(number).items():
            asking, asked = (
                side.mask[number].sum() for side in (case.batch.query_side(place[0]), case.batch.key_side(place[0]))
            )
            assert_close(seen[place][number, :, :asking, :asked], alone[:, :asking, :asked])


def test_attention_to_keys_that_are_no_token_is_missing_from_rows() -> None:
    case = Case("sunken")
    rest = 1 - torch.stack([one[:, :, : -(1 + (place[1] == 2))].sum(-1) for place, one in case.alone(0).items()])
    seen: list[Tensor] = []
    case.model.run(case.batch, pattern=lambda _site, _layer, pattern: seen.append(pattern))
    rows = torch.stack(seen)[:, 0].sum(-1)[:, :, : rest.shape[-1]]
    assert_close(1 - rows, rest)
    assert rest.mean() > 0.05
    assert set(case.model.sinks) == {("self", 0), ("self", 1), ("self", 2)}


def test_silencing_a_head_is_zeroing_its_columns_of_the_output_projection(case: Case) -> None:
    there = case.batch.written.mask
    for head in case.model.heads[::3]:
        place = (head.site, head.layer)

        def substitute(site: Any, layer: int, z: Tensor, head: Any = head) -> Tensor | None:
            if (site, layer) != (head.site, head.layer):
                return None
            return z.index_fill(2, torch.tensor([head.head]), 0)

        silenced = case.model.run(case.batch, z=substitute).hidden[there]
        expected = case.without(place, head.head)[there]
        assert_close(silenced, expected)
        assert (silenced - case.model.run(case.batch).hidden[there]).abs().max() > 1e-3


def test_uniform_attention_leaves_nothing_to_keys_that_are_no_token() -> None:
    case = Case("sunken")
    document = Group(case.encoded, case.model, (0,)).batch()
    length = document.tokens.shape[1]
    written: list[Tensor] = []

    def even(_site: Any, _layer: int, pattern: Tensor) -> Tensor:
        return torch.full_like(pattern, 1 / length)

    case.model.run(document, pattern=even, z=lambda _site, _layer, z: written.append(z))
    first = attention_of(case.plain, "attentions.0")
    assert first.in_proj_weight is not None and first.in_proj_bias is not None
    value = case.plain.embed(document.tokens) @ first.in_proj_weight[2 * WIDTH :].T + first.in_proj_bias[2 * WIDTH :]
    expected = value.mean(1).unflatten(-1, (HEADS, -1)).detach()
    assert_close(written[0][:, 0], expected)


def test_the_gate_passes_and_asks_everything(case: Case) -> None:
    checks = {check.name: check for check in interp.prove(case.model, corpus_of(TEXTS))}
    assert {"heads_add_up", "head_map", "same_as_unhooked", "patterns_make_z", "padding_changes_nothing"} <= set(checks)
    assert all(check.deviation is not None for check in checks.values()), checks


def test_nothing_stays_and_torch_keeps_its_fused_path(case: Case) -> None:
    before = traces(case.model.modules())

    def fail(_site: Any, _layer: int, _z: Tensor) -> None:
        raise RuntimeError("on purpose")

    with pytest.raises(RuntimeError, match="on purpose"):
        case.model.run(case.batch, z=fail)
    case.model.run(case.batch, z=lambda *_: None)
    assert traces(case.model.modules()) == before
    assert torch.backends.mha.get_fastpath_enabled()


def test_the_unhooked_module_takes_the_fused_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else `same_as_unhooked` would compare the slow path with itself."""
    case, fused = Case("encoder"), []
    kernel: Any = torch._transformer_encoder_layer_fwd  # pyright: ignore[reportPrivateImportUsage] - no public name

    def noting(*args: Any) -> Tensor:
        fused.append(len(args))
        return kernel(*args)

    monkeypatch.setattr(torch, "_transformer_encoder_layer_fwd", noting)
    case.model.run(case.batch, z=lambda *_: None)
    assert not fused
    case.model.unhooked(case.batch)
    assert len(fused) == 3


def test_scores_and_effects_come_out(case: Case) -> None:
    sums = tally_roles(case.model, case.encoded, (*roles.positional(), *roles.cross()))
    scores = score_table(sums, seed=0)
    assert set(scores.site) == {head.site for head in case.model.heads}
    effects = interp.ablate(case.model, corpus_of(TEXTS), replacement="mean")
    assert len(effects[effects.metric == effects.metric.iloc[0]]) == len(case.model.heads)
    assert np.isfinite(effects.effect).all()


# What is broken is caught


class SlicedAfterTheProjection(Broken):
    def run(self, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = True) -> Output:
        def slicing(layer: Any) -> Any:
            def hook(_module: Any, _args: Any, output: Any) -> Any:
                replacement = z(layer.site, layer.number, output[0].unflatten(-1, (HEADS, -1))) if z else None
                return None if replacement is None else (replacement.flatten(-2), output[1])

            return hook

        handles = [layer.attention.register_forward_hook(slicing(layer)) for layer in self.layers]
        try:
            return self.good_run(batch, pattern=pattern, logits=logits)
        finally:
            for handle in handles:
                handle.remove()


@pytest.mark.parametrize(
    ("kind", "check"),
    [
        (HeadsOfZPermuted, "head_map"),
        (HeadsOfPatternPermuted, "patterns_make_z"),
        (HeadsOfContributionPermuted, "a_silenced_head_takes_its_share"),
        (SlicedAfterTheProjection, "head_map"),
        (PaddingAttended, "nothing_invisible_is_seen"),
        (PatternHookNotFired, "every_layer_is_seen"),
        (ZHookNotFired, "every_layer_is_seen"),
        (WhatZIsRewrittenToIsDropped, "a_silenced_head_matters"),
    ],
)
@pytest.mark.parametrize("name", ["encoder", "sunken"])
def test_a_broken_one_is_caught(name: str, kind: type, check: str) -> None:
    assert check in failing(broken(Case(name).model, kind))


def test_values_of_the_wrong_heads_are_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    right = multihead.ingredients

    def wrong(*args: Any) -> Any:
        at, sinks = right(*args)
        return replace(at, value=at.value.roll(1, 1)), sinks

    case = Case("encoder")
    monkeypatch.setattr(multihead, "ingredients", wrong)
    assert {"head_map", "same_as_unhooked"} <= failing(case.model)


def test_a_dropped_share_of_keys_that_are_no_token_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("sunken")
    monkeypatch.setattr(multihead, "with_sinks", lambda pattern, sinks: torch.cat([pattern, sinks * 0], -1))
    assert "patterns_make_z" in failing(case.model)


# What is refused


class Stepwise(Network):
    """Looks anew at every step, as Bahdanau's decoder does."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

    def forward(self, batch: Batch) -> Tensor:
        hidden = self.embed(batch.tokens)
        steps = [self.look(hidden[:, [t]], hidden, hidden)[0] for t in range(hidden.shape[1])]
        return torch.cat(steps, 1)


class Own(nn.MultiheadAttention):
    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return super().forward(*args, **kwargs)


def test_what_cannot_be_watched_is_refused_by_name() -> None:
    def given(network: nn.Module, **options: Any) -> MultiheadModel:
        return from_module(network, TOKENIZER, call, positions=64, **options)

    batch = Case("encoder").batch
    with pytest.raises(ModelError, match=r"'look' of 'Stepwise' has 1 queries and \d+ keys"):
        given(Stepwise()).run(batch)
    with pytest.raises(ModelError, match=r"no nn\.MultiheadAttention"):
        given(Network())
    with pytest.raises(ModelError, match="say nothing of the attention 'look'"):
        given(Stepwise(), sites={"decoder.*": "decoder"})
    with pytest.raises(ModelError, match="Did you mean 'cross'"):
        given(Stepwise(), sites={"*": "crosss"})
    with pytest.raises(ModelError, match="is a Own, which computes something of its own"):
        given(nn.Sequential(Own(WIDTH, HEADS)))
    unused = Encoder()
    unused.add_module("spare", nn.MultiheadAttention(WIDTH, HEADS))
    with pytest.raises(ModelError, match="leave out those"):
        given(unused).run(batch)
    assert len(given(unused, sites={"spare": None, "*": "self"}).heads) == 12
    with pytest.raises(ModelError, match="Allowed: one for every token that is read"):
        from_module(Encoder(), TOKENIZER, lambda network, batch: Output(network(batch)[:, 0, None], None)).run(batch)
