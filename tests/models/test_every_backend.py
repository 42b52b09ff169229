"""The contract that every way into a model keeps, held against plain transformers that nothing ever touched."""

import copy
from collections.abc import Callable
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge

from interp.errors import ModelError
from interp.models import loading
from interp.models.bridge import BridgeModel
from interp.models.hugging_face.interface import WATCH
from interp.models.inputs.text import windows
from interp.models.loading import Model
from interp.types import Batch, HeadModel, Output
from tests.conftest import (
    HEADS,
    LAYERS,
    POSITIONS,
    TEXTS,
    Case,
    assert_close,
    batch_of,
    bert_config,
    byte_level_tokenizer,
    gpt2_config,
    metaspace_tokenizer,
    output_projections,
    plain_inputs,
    plain_values,
    replaced_z,
    seeded,
    tiny,
    without_head,
    word_piece_tokenizer,
)

TINY = ["tiny_gpt2", "tiny_bert", "tiny_bert_base", "tiny_bert_decoder", "tiny_llama", "tiny_mistral", "tiny_neox"]
EVERY = [*TINY, "minilm_case", pytest.param("stories_case", marks=pytest.mark.real)]


@pytest.fixture(params=["attention", "bridge"], scope="module")
def backend(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=EVERY, scope="module")
def case(request: pytest.FixtureRequest, backend: str) -> Case:
    """Every model, by both ways in."""
    given: Case = request.getfixturevalue(request.param)
    model = loading.from_transformers(given.plain, given.tokenizer, name=given.model.name, backend=backend)
    assert model.provenance["backend"] == backend
    return Case(model, given.plain, given.tokenizer)


# Plain transformers


@torch.inference_mode()
def plain_run(case: Case, batch: Batch) -> tuple[Tensor, Tensor | None]:
    """Final hidden states and, where the plain model has a head, logits."""
    inputs = plain_inputs(case.model, batch)
    out = case.plain(**inputs)
    return case.plain.base_model(**inputs).last_hidden_state, out.get("logits")


@torch.inference_mode()
def plain_patterns(case: Case, batch: Batch) -> tuple[Tensor, ...]:
    return case.plain.base_model(**plain_inputs(case.model, batch), output_attentions=True).attentions


# Watching


def watched(model: HeadModel, batch: Batch) -> tuple[dict[int, Tensor], dict[int, Tensor], Output]:
    """Every layer's pattern and z, and the output."""
    patterns: dict[int, Tensor] = {}
    outputs: dict[int, Tensor] = {}

    def keep(into: dict[int, Tensor]) -> Callable[[str, int, Tensor], None]:
        def tap(site: str, layer: int, activation: Tensor) -> None:
            assert site == "self"
            assert layer not in into
            into[layer] = activation.clone()

        return tap

    output = model.run(batch, pattern=keep(patterns), z=keep(outputs))
    return patterns, outputs, output


def hooks_in(model: Model) -> int:
    """Every forward hook of torch and of TransformerLens, and everything put on a module, that is in place anywhere."""
    roots = (model.bridge, model.network) if isinstance(model, BridgeModel) else (model.network,)
    modules = {id(module): module for root in roots for module in root.modules()}
    torch_hooks = sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in modules.values())
    put_on = sum(name in module.__dict__ for module in modules.values() for name in (WATCH, "forward"))
    return torch_hooks + put_on + sum(len(getattr(module, "fwd_hooks", ())) for module in modules.values())


def test_every_head_is_seen_once_in_both_taps(case: Case) -> None:
    batch = batch_of(case.model)
    patterns, outputs, _ = watched(case.model, batch)
    rows, tokens = batch.tokens.shape
    layers, heads = case.plain.config.num_hidden_layers, case.plain.config.num_attention_heads
    d_head = case.plain.config.hidden_size // heads
    expected = [("self", layer, head) for layer in range(layers) for head in range(heads)]
    assert list(case.model.heads) == expected
    assert sorted(patterns) == sorted(outputs) == list(range(layers))
    assert {pattern.shape for pattern in patterns.values()} == {(rows, heads, tokens, tokens)}
    assert {z.shape for z in outputs.values()} == {(rows, tokens, heads, d_head)}


def test_rows_of_a_pattern_sum_to_one_over_what_is_visible(case: Case) -> None:
    batch = batch_of(case.model)
    visible = case.model.visible(batch)
    for pattern in watched(case.model, batch)[0].values():
        rows = pattern.transpose(1, 2)[batch.mask]
        assert_close(rows.sum(-1), torch.ones(rows.shape[:-1]))
        assert pattern.masked_fill(visible[:, None], 0.0).transpose(1, 2)[batch.mask].abs().max() <= 1e-9


def test_patterns_hidden_states_and_logits_are_those_of_plain_transformers(case: Case) -> None:
    batch = batch_of(case.model)
    patterns, _, output = watched(case.model, batch)
    expected = plain_patterns(case, batch)
    assert len(patterns) == len(expected)
    for layer, pattern in enumerate(expected):
        assert_close(patterns[layer], pattern)
    hidden, logits = plain_run(case, batch)
    assert_close(output.hidden, hidden)
    if logits is None:
        assert output.logits is None
    else:
        assert_close(output.logits, logits)


def test_contributions_and_the_bias_add_up_to_the_output_projection(case: Case) -> None:
    batch = batch_of(case.model)
    outputs: list[Any] = []
    projections = output_projections(case.plain)
    handles = [p.register_forward_hook(lambda _module, _args, output: outputs.append(output)) for p in projections]
    plain_patterns(case, batch)
    for handle in handles:
        handle.remove()
    for layer, z in watched(case.model, batch)[1].items():
        shares = case.model.contribution(layer, z)
        assert shares.shape == (*batch.tokens.shape, z.shape[2], outputs[layer].shape[-1])
        bias = getattr(projections[layer], "bias", None)
        total = shares.sum(2) if bias is None else shares.sum(2) + bias
        assert_close(total, outputs[layer])


def test_an_attention_that_is_not_there_is_refused(tiny_gpt2: Case) -> None:
    z = torch.zeros(1, 1, HEADS, 8)
    with pytest.raises(ModelError, match=r"no layer 0 of 'cross' attention.*Its sites: self"):
        tiny_gpt2.model.contribution(0, z, site="cross")


def test_watching_changes_nothing(case: Case) -> None:
    batch = batch_of(case.model)
    alone = case.model.run(batch)
    seen = watched(case.model, batch)[2]
    assert torch.equal(alone.hidden, seen.hidden)
    if alone.logits is not None and seen.logits is not None:
        assert torch.equal(alone.logits, seen.logits)
    assert case.model.run(batch, logits=False).logits is None
    assert torch.equal(case.model.run(batch, logits=False).hidden, alone.hidden)


# Rewriting


def test_a_head_whose_z_is_zero_is_one_zeroed_in_plain_transformers(case: Case) -> None:
    batch = batch_of(case.model)
    intact = case.model.run(batch)
    for layer in sorted({0, case.plain.config.num_hidden_layers - 1}):
        for head in range(case.plain.config.num_attention_heads):

            def substitute(site: str, at: int, z: Tensor, layer: int = layer, head: int = head) -> Tensor | None:
                return without_head(head)(z.clone()) if at == layer else None

            ablated = case.model.run(batch, z=substitute)
            with replaced_z(case.plain, layer, without_head(head)):
                hidden, logits = plain_run(case, batch)
            assert_close(ablated.hidden, hidden)
            if logits is not None:
                assert_close(ablated.logits, logits)
            assert (ablated.hidden - intact.hidden)[batch.mask].abs().max() > 1e-3


def uniform_over_visible(pattern: Tensor, visible: Tensor, head: int) -> Tensor:
    """One head looks at everything it can see alike; rows of padding stay as they are."""
    uniform = visible.float() / visible.sum(-1, keepdim=True).clamp(min=1)
    changed = pattern.clone()
    changed[:, head] = torch.where(visible.any(-1, keepdim=True), uniform, pattern[:, head])
    return changed


@pytest.mark.parametrize("place", ["first", "last"])
def test_a_rewritten_pattern_is_recomputed_through_the_values(case: Case, place: str) -> None:
    batch = batch_of(case.model)
    layer, head = (0, 1) if place == "first" else (case.plain.config.num_hidden_layers - 1, 2)
    visible = case.model.visible(batch)
    intact = plain_patterns(case, batch)[layer]
    by_hand = (uniform_over_visible(intact, visible, head) @ plain_values(case, batch, layer)).transpose(1, 2)
    with replaced_z(case.plain, layer, lambda _z: by_hand):
        hidden, _ = plain_run(case, batch)
    seen: dict[int, Tensor] = {}

    def rewrite(site: str, at: int, pattern: Tensor) -> Tensor | None:
        return uniform_over_visible(pattern, visible, head) if at == layer else None

    def watch(site: str, at: int, z: Tensor) -> None:
        seen[at] = z.clone()

    rewritten = case.model.run(batch, pattern=rewrite, z=watch)
    assert_close(rewritten.hidden, hidden)
    assert_close(seen[layer], by_hand)
    fed = case.model.run(batch, z=lambda site, at, z: by_hand if at == layer else None)
    assert_close(rewritten.hidden, fed.hidden)
    assert (rewritten.hidden - case.model.run(batch).hidden)[batch.mask].abs().max() > 1e-3


def test_a_pattern_and_a_z_can_be_rewritten_in_one_pass(case: Case) -> None:
    batch = batch_of(case.model)
    visible = case.model.visible(batch)
    by_hand = uniform_over_visible(plain_patterns(case, batch)[0], visible, 0) @ plain_values(case, batch, 0)
    with replaced_z(case.plain, 0, lambda _z: without_head(1)(by_hand.transpose(1, 2).clone())):
        hidden, _ = plain_run(case, batch)
    output = case.model.run(
        batch,
        pattern=lambda site, at, pattern: uniform_over_visible(pattern, visible, 0) if at == 0 else None,
        z=lambda site, at, z: without_head(1)(z.clone()) if at == 0 else None,
    )
    assert_close(output.hidden, hidden)


# Leaving no trace


def test_nothing_stays_hooked(case: Case) -> None:
    batch = batch_of(case.model)
    # first the run: TransformerLens's norms hook themselves when they first run, and stay so
    intact, before = case.model.run(batch).hidden, hooks_in(case.model)
    calls: list[int] = []

    def zero(site: str, layer: int, activation: Tensor) -> Tensor:
        calls.append(layer)
        return torch.zeros_like(activation)

    case.model.run(batch, pattern=zero, z=zero)
    assert len(calls) == 2 * case.plain.config.num_hidden_layers
    assert hooks_in(case.model) == before
    assert torch.equal(case.model.run(batch).hidden, intact)
    assert len(calls) == 2 * case.plain.config.num_hidden_layers


@pytest.mark.parametrize("kind", ["pattern", "z"])
def test_nothing_stays_hooked_after_an_exception_in_a_tap(case: Case, kind: str) -> None:
    batch = batch_of(case.model)
    # first the run: TransformerLens's norms hook themselves when they first run, and stay so
    intact, before = case.model.run(batch).hidden, hooks_in(case.model)

    def fail(site: str, layer: int, activation: Tensor) -> Tensor | None:
        if layer == 1:
            raise ZeroDivisionError("on purpose")
        return torch.zeros_like(activation)

    def watch(site: str, layer: int, activation: Tensor) -> None:
        return None

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        case.model.run(batch, pattern=fail if kind == "pattern" else watch, z=fail if kind == "z" else watch)
    assert hooks_in(case.model) == before
    assert torch.equal(case.model.run(batch).hidden, intact)


def test_padding_and_the_order_of_a_batch_change_nothing(case: Case) -> None:
    patterns, outputs, together = watched(case.model, batch_of(case.model))
    backwards = case.model.run(batch_of(case.model, TEXTS[::-1]))
    for row, text in enumerate(TEXTS):
        alone_patterns, alone_outputs, alone = watched(case.model, batch_of(case.model, [text]))
        length = alone.hidden.shape[1]
        assert_close(together.hidden[row, :length], alone.hidden[0])
        assert_close(backwards.hidden[-1 - row, :length], alone.hidden[0])
        if together.logits is not None and alone.logits is not None:
            assert_close(together.logits[row, :length], alone.logits[0])
        for layer, pattern in alone_patterns.items():
            assert_close(patterns[layer][row, :, :length, :length], pattern[0])
            assert_close(outputs[layer][row, :length], alone_outputs[layer][0])


# What can be seen


def test_visible_is_what_the_model_is_built_to_see(case: Case) -> None:
    batch = batch_of(case.model)
    causal = type(case.plain) not in (transformers.BertForMaskedLM, transformers.BertModel)
    window = 3 if case.plain.config.model_type == "mistral" else None
    visible = case.model.visible(batch)
    assert case.model.causal is causal
    for row in range(len(TEXTS)):
        length = int(batch.mask[row].sum())
        for query in range(batch.tokens.shape[1]):
            seen = [key for key in range(length) if query < length]
            seen = [key for key in seen if key <= query or not causal]
            seen = [key for key in seen if window is None or query - key < window]
            assert visible[row, query].nonzero().flatten().tolist() == seen


def test_what_a_random_model_can_see_it_looks_at(request: pytest.FixtureRequest) -> None:
    for name in TINY:
        case: Case = request.getfixturevalue(name)
        batch = batch_of(case.model)
        visible = case.model.visible(batch)
        for pattern in plain_patterns(case, batch):
            looked_at = (pattern > 0).transpose(1, 2)[batch.mask]
            expected = visible[:, :, None].expand(-1, -1, HEADS, -1)[batch.mask]
            assert torch.equal(looked_at, expected), name


def qwen_of_two_minds() -> Any:
    config = transformers.Qwen2Config(
        vocab_size=80,
        hidden_size=32,
        intermediate_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        use_sliding_window=True,
        sliding_window=3,
        max_window_layers=1,
    )
    return seeded(transformers.Qwen2ForCausalLM, config)


def gpt_neo() -> Any:
    config = transformers.GPTNeoConfig(
        vocab_size=80,
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        intermediate_size=64,
        window_size=3,
        attention_types=[[["global", "local"], 1]],
    )
    return seeded(transformers.GPTNeoForCausalLM, config)


@pytest.mark.parametrize("make", [qwen_of_two_minds, gpt_neo])
def test_layers_that_see_differently_each_have_their_window(make: Callable[[], Any]) -> None:
    assert loading.from_transformers(make(), metaspace_tokenizer()).windows == (None, 3)


def test_layers_that_see_nobody_knows_what_are_refused() -> None:
    config = SimpleNamespace(model_type="llama4", sliding_window=3, layer_types=["chunked_attention"])
    with pytest.raises(ModelError, match=r"'odd' \(chunked_attention\).*Allowed: full attention and sliding windows"):
        windows(config, 1, "odd")


# Text to tokens


def test_tokens_are_the_tokenizer_s_own_and_offsets_give_back_the_text(case: Case) -> None:
    for text, encoding in zip(TEXTS, case.model.encode(TEXTS), strict=True):
        assert encoding.tokens.tolist() == case.tokenizer(text)["input_ids"]
        assert not encoding.truncated
        covered: list[int] = []
        for token, (start, end), special in zip(encoding.tokens, encoding.offsets, encoding.special, strict=True):
            if special:
                continue
            piece = case.tokenizer.convert_ids_to_tokens(int(token)).removeprefix("##").strip("▁Ġ")
            written = text[start:end].strip()
            if not piece:
                # Llama's kind puts a space in front of the text and gives it the place of the first letter
                assert start == 0 or not written
                continue
            assert piece == (written.lower() if case.plain.config.model_type == "bert" else written)
            covered += [place for place in range(start, end) if not text[place].isspace()]
        assert covered == [place for place, character in enumerate(text) if not character.isspace()]


def test_special_tokens_are_those_the_tokenizer_adds(case: Case) -> None:
    for encoding in case.model.encode(TEXTS):
        places = encoding.special.nonzero()[0].tolist()
        names = [case.tokenizer.convert_ids_to_tokens(int(encoding.tokens[place])) for place in places]
        if case.plain.config.model_type == "bert":
            assert (places, names) == ([0, len(encoding.tokens) - 1], ["[CLS]", "[SEP]"])
        elif case.plain.config.model_type in ("gpt2", "gpt_neox"):
            assert places == []
        else:
            assert (places, names) == ([0], ["<s>"])


def test_a_special_token_in_the_text_is_text(tiny_bert: Case) -> None:
    (encoding,) = tiny_bert.model.encode(["the cat [SEP] the dog"])
    assert encoding.special.nonzero()[0].tolist() == [0, len(encoding.tokens) - 1]


@pytest.mark.parametrize("name", TINY)
def test_a_text_beyond_the_positions_is_cut_and_said(name: str, request: pytest.FixtureRequest) -> None:
    case: Case = request.getfixturevalue(name)
    added = len(case.tokenizer("")["input_ids"])
    words = " ".join(["cat"] * 2 * POSITIONS)
    pieces = len(case.tokenizer("cat cat")["input_ids"]) - len(case.tokenizer("cat")["input_ids"])
    fits = " ".join(["cat"] * ((POSITIONS - added) // pieces))
    long, short = case.model.encode([words, fits])
    assert case.model.positions == POSITIONS
    assert (len(long.tokens), long.truncated) == (POSITIONS, True)
    assert not short.truncated
    assert long.tokens[-1] == case.tokenizer(words)["input_ids"][-1] or not long.special[-1]
    assert bool(long.special[-1]) is (case.plain.config.model_type == "bert")
    batch = batch_of(case.model, [words, "cat"])
    assert_close(case.model.run(batch).hidden, plain_run(case, batch)[0])


# One's own objects


def tiny_options() -> list[Any]:
    return [
        pytest.param(transformers.GPT2LMHeadModel, gpt2_config, byte_level_tokenizer, id="gpt2"),
        pytest.param(transformers.BertForMaskedLM, bert_config, word_piece_tokenizer, id="bert"),
        pytest.param(transformers.BertModel, bert_config, word_piece_tokenizer, id="bert_base"),
    ]


@pytest.mark.parametrize(("kind", "make_config", "make_tokenizer"), tiny_options())
def test_the_caller_s_model_and_tokenizer_stay_as_they_were(kind: Any, make_config: Any, make_tokenizer: Any) -> None:
    tokenizer = make_tokenizer()
    given = seeded(kind, make_config(len(tokenizer)))
    given.set_attn_implementation("sdpa")
    given.train()
    classes = {name: type(module) for name, module in given.named_modules()}
    weights = {name: (id(tensor), tensor.clone()) for name, tensor in given.state_dict(keep_vars=True).items()}
    names, vocabulary = dict(tokenizer.special_tokens_map), tokenizer.get_vocab()
    generator = torch.get_rng_state()
    model = loading.from_transformers(given, tokenizer)
    model.run(batch_of(model), pattern=lambda *_: None, z=lambda site, layer, z: torch.zeros_like(z))
    assert torch.equal(torch.get_rng_state(), generator)
    assert {name: type(module) for name, module in given.named_modules()} == classes
    assert given.training and given.config._attn_implementation == "sdpa"
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in given.modules())
    for name, tensor in given.state_dict(keep_vars=True).items():
        assert id(tensor) == weights[name][0]
        assert torch.equal(tensor, weights[name][1])
    assert (dict(tokenizer.special_tokens_map), tokenizer.get_vocab()) == (names, vocabulary)


def test_a_model_that_attends_with_sdpa_or_trains_is_watched_all_the_same(tiny_gpt2: Case) -> None:
    given = copy.deepcopy(tiny_gpt2.plain).train()
    given.set_attn_implementation("sdpa")
    model = loading.from_transformers(given, tiny_gpt2.tokenizer)
    batch = batch_of(model)
    for layer, pattern in enumerate(plain_patterns(tiny_gpt2, batch)):
        assert_close(watched(model, batch)[0][layer], pattern)


def test_what_a_model_without_a_language_head_gives(tiny_bert_base: Case, tiny_bert: Case) -> None:
    assert tiny_bert.model.has_language_head
    assert not tiny_bert_base.model.has_language_head
    assert tiny_bert_base.model.run(batch_of(tiny_bert_base.model)).logits is None


@pytest.mark.parametrize("kind", [transformers.BertForSequenceClassification, transformers.GPT2Model])
def test_a_head_for_something_else_is_no_language_head(kind: Any) -> None:
    bert = kind is transformers.BertForSequenceClassification
    tokenizer = word_piece_tokenizer() if bert else byte_level_tokenizer()
    plain = seeded(kind, (bert_config if bert else gpt2_config)(len(tokenizer)))
    model = loading.from_transformers(plain, tokenizer)
    batch = batch_of(model)
    with torch.inference_mode():
        expected = plain.base_model(**plain_inputs(model, batch)).last_hidden_state
    output = model.run(batch)
    assert output.logits is None and not model.has_language_head
    assert_close(output.hidden, expected)


def saved(case: Case, folder: Any) -> str:
    case.plain.save_pretrained(folder)
    case.tokenizer.save_pretrained(folder)
    return str(folder)


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_bert", "tiny_llama"])
def test_a_bridge_that_the_user_booted(name: str, request: pytest.FixtureRequest, tmp_path: Any) -> None:
    case: Case = request.getfixturevalue(name)
    bridge = TransformerBridge.boot_transformers(saved(case, tmp_path), device="cpu")
    model = loading.from_bridge(bridge, name="mine")
    batch = batch_of(model)
    hidden, logits = plain_run(case, batch)
    output = model.run(batch)
    assert model.name == "mine"
    assert_close(output.hidden, hidden)
    assert model.has_language_head is (name != "tiny_bert")
    if name == "tiny_bert":
        # who booted it knows whether the head came with the weights
        assert output.logits is None
        model = loading.from_bridge(bridge, has_language_head=True)
        output = model.run(batch)
    assert_close(output.logits, logits)
    patterns = watched(model, batch)[0]
    for layer, pattern in enumerate(plain_patterns(case, batch)):
        assert_close(patterns[layer], pattern)
    # TransformerLens puts a start token before every text; the tokenizer's own ids have none (GPT-2), or theirs
    for text, encoding in zip(TEXTS, model.encode(TEXTS), strict=True):
        assert encoding.tokens.tolist() == case.tokenizer(text)["input_ids"]


def test_every_model_keeps_the_protocol(case: Case) -> None:
    assert isinstance(case.model, HeadModel)
    assert case.model.device == torch.device("cpu")
    assert not any(module.training for module in case.model.network.modules() if isinstance(module, nn.Dropout))
    assert len(case.model.heads) == len(set(case.model.heads))
    if case.plain.config.num_hidden_layers == LAYERS:
        assert case.model.provenance.keys() == {"weights_sha256", "backend"}
        assert case.model.provenance["weights_sha256"] == "not hashed (in memory)"


# Models whose hooks could be missed


def test_opt_calls_its_decoder_past_the_base_model() -> None:
    def config(vocabulary: int) -> Any:
        return transformers.OPTConfig(
            vocab_size=vocabulary,
            hidden_size=32,
            word_embed_proj_dim=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            ffn_dim=64,
            init_std=0.3,
        )

    opt = tiny(transformers.OPTForCausalLM, config, byte_level_tokenizer())
    batch = batch_of(opt.model)
    out = opt.model.run(batch)
    with torch.inference_mode():
        plain = opt.plain(**plain_inputs(opt.model, batch), output_hidden_states=True)
    there = batch.mask
    assert_close(out.hidden[there], plain.hidden_states[-1][there])
    assert out.logits is not None
    assert_close(out.logits[there], plain.logits[there])
    assert_close(opt.model.run(batch, logits=False).hidden[there], out.hidden[there])


def test_a_pattern_that_comes_after_z_can_be_watched_and_not_rewritten(monkeypatch: pytest.MonkeyPatch) -> None:
    """TransformerLens's own hook of GPT-J's patterns fires so late."""

    def its_own_hook(_model: BridgeModel, layer: int, tap: Callable[..., Any], _stack: Any) -> list[Any]:
        return [(f"blocks.{layer}.attn.hook_pattern", lambda tensor, **_: tap("self", layer, tensor))]

    monkeypatch.setattr(BridgeModel, "_pattern_hooks", its_own_hook)

    def config(vocabulary: int) -> Any:
        return transformers.GPTJConfig(vocab_size=vocabulary, n_embd=32, n_layer=2, n_head=4, rotary_dim=4)

    gptj = tiny(transformers.GPTJForCausalLM, config, byte_level_tokenizer())
    batch = batch_of(gptj.model)
    seen: list[Tensor] = []
    gptj.model.run(batch, pattern=lambda site, layer, pattern: seen.append(pattern))
    for watched, plain in zip(seen, plain_patterns(gptj, batch), strict=True):
        rows = batch.mask[:, None, :].expand(watched.shape[:3])
        assert_close(watched[rows], plain[rows])
    with pytest.raises(ModelError, match="would change nothing"):
        gptj.model.run(batch, pattern=lambda site, layer, pattern: pattern * 0)


@pytest.mark.parametrize("kind", ["pattern", "z"])
def test_a_tap_that_sees_nothing_is_an_error(kind: str, tiny_gpt2: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    model = loading.from_transformers(tiny_gpt2.plain, tiny_gpt2.tokenizer, name="gpt2", backend="bridge")
    assert isinstance(model, BridgeModel)
    monkeypatch.setattr(model.bridge, "hooks", lambda **_: nullcontext())
    taps: dict[str, Any] = {kind: lambda site, layer, seen: None}
    with pytest.raises(ModelError, match=f"the tap '{kind}' saw layers"):
        model.run(batch_of(model), **taps)
