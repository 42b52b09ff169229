"""Path patching against algorithm 1 in plain transformers, against TransformerLens, and on a planted circuit."""

from functools import partial
from random import Random
from typing import Any, Literal

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor
from transformer_lens import patching as lens

from interp.ablation.path_patching import FROZEN, MLPS, OUTPUT, RECOMPUTED, patch_paths
from interp.corpora.behaviours.templates import prompt_corpus, prompt_document
from interp.corpora.prompts import Prompts, read_prompts
from interp.errors import InterpError, ModelError
from interp.models.bridge import BridgeModel
from interp.models.loading import from_transformers
from interp.models.planted import PlantedModel, planted
from interp.tables.causes import Answers, path_table
from tests.ablation.two_texts import CLEAN, answer, attends_with, pattern_of, prompts_of, tokens_of, z_given
from tests.conftest import (
    HEADS,
    Case,
    byte_level_tokenizer,
    gpt2_config,
    grouped_query_config,
    metaspace_tokenizer,
    output_projections,
    tiny,
)

DEEP = 3
"""Layers, so that a head lies between sender and receiver."""

Given = dict[int, dict[int, Tensor]]


def deep_gpt2(vocabulary: int) -> Any:
    config = gpt2_config(vocabulary)
    config.n_layer = DEEP
    return config


def deep(kind: Any, vocabulary: int) -> Any:
    config = grouped_query_config(kind, vocabulary)
    config.num_hidden_layers, config.layer_types = DEEP, ["full_attention"] * DEEP
    return config


@pytest.fixture(scope="module")
def gpt2() -> Case:
    return tiny(transformers.GPT2LMHeadModel, deep_gpt2, byte_level_tokenizer())


@pytest.fixture(scope="module")
def llama() -> Case:
    return tiny(transformers.LlamaForCausalLM, partial(deep, transformers.LlamaConfig), metaspace_tokenizer())


@pytest.fixture(params=["gpt2", "llama"])
def case(request: pytest.FixtureRequest) -> Case:
    return request.getfixturevalue(request.param)


def z_of(case: Case, tokens: Tensor) -> Given:
    """z of every head, [pos, d_head], from queries, keys and values."""
    found: Given = {}
    for layer in range(DEEP):
        q, k, v = attends_with(case, tokens, layer)
        found[layer] = {head: pattern_of(q[head], k[head]) @ v[head] for head in range(HEADS)}
    return found


def receivers_after(layer: int) -> list[str]:
    return [f"L{number}H{head}.{read}" for number in range(layer, DEEP) for head in (0, 3) for read in "qkv"]


@torch.no_grad()
def by_hand(case: Case, prompts: Prompts, receiver: str) -> np.ndarray:
    """Algorithm 1 of Wang et al. (2023), a sender and a prompt at a time: [sender, prompt]."""
    found = np.full((DEEP * HEADS, len(CLEAN)), np.nan)
    for number in range(len(CLEAN)):
        tokens, other = tokens_of(prompts, number)
        clean, corrupted = z_of(case, tokens), z_of(case, other)
        for layer in range(DEEP if receiver == OUTPUT else int(receiver[1])):
            for head in range(HEADS):
                # pass C: every head is frozen but the sender, MLPs are not
                frozen = {place: dict(of_head) for place, of_head in clean.items()}
                frozen[layer][head] = corrupted[layer][head]
                logits = (
                    to_output(case, tokens, frozen) if receiver == OUTPUT else to_head(case, tokens, frozen, receiver)
                )
                found[layer * HEADS + head, number] = answer(logits, prompts, number)
    return found


def to_output(case: Case, tokens: Tensor, frozen: Given) -> Tensor:
    with z_given(case, frozen):
        return case.plain(tokens, use_cache=False).logits


def to_head(case: Case, tokens: Tensor, frozen: Given, receiver: str) -> Tensor:
    layer, head, part = int(receiver[1]), int(receiver[3]), "qkv".index(receiver[-1])
    with z_given(case, frozen):
        seen = attends_with(case, tokens, layer)
    own = list(attends_with(case, tokens, layer))
    own[part] = seen[part]
    q, k, v = (one[head] for one in own)
    # pass D: what the receiver reads is put into the clean run, and nothing is frozen
    with z_given(case, {layer: {head: pattern_of(q, k) @ v}}):
        return case.plain(tokens, use_cache=False).logits


def test_it_is_algorithm_1_in_plain_transformers(case: Case) -> None:
    prompts, receivers = prompts_of(case.model), [OUTPUT, *receivers_after(1)]
    found = patch_paths(case.model, prompts, receivers)
    assert [f"{one.name}.{one.read}" for one in found.after][:2] == ["output.stream", "1.0.q"]
    for receiver, values in zip(receivers, found.after.values(), strict=True):
        expected = by_hand(case, prompts, receiver)
        np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5, err_msg=receiver)
        assert np.nanmax(np.abs(values - found.before)) > 1e-4, receiver


def test_what_follows_the_last_block_reads_the_stream(gpt2: Case) -> None:
    """With frozen MLPs what a sender writes reaches the final norm as it is."""
    prompts = prompts_of(gpt2.model)
    plain: Any = gpt2.plain
    values = patch_paths(gpt2.model, prompts, mlps=FROZEN).after.popitem()[1]
    for number in range(len(CLEAN)):
        tokens, other = tokens_of(prompts, number)
        before: list[Tensor] = []
        norm: Any = plain.transformer.ln_f
        handle = norm.register_forward_pre_hook(lambda _module, args, before=before: before.append(args[0]))
        with torch.no_grad():
            plain(tokens)
            handle.remove()
            clean, corrupted = z_of(gpt2, tokens), z_of(gpt2, other)
            for layer, projection in enumerate(output_projections(plain)):
                weights: Any = projection.weight
                for head in range(HEADS):
                    change = corrupted[layer][head] - clean[layer][head]
                    added = change @ weights.unflatten(0, (HEADS, -1))[head]
                    logits = plain.lm_head(norm(before[0] + added))
                    expected = float(answer(logits, prompts, number))
                    assert values[layer * HEADS + head, number] == pytest.approx(expected, abs=1e-5)


def test_with_frozen_mlps_it_is_the_direct_path_of_transformer_lens(gpt2: Case) -> None:
    bridged = from_transformers(gpt2.plain, gpt2.tokenizer, name="bridged", backend="bridge")
    assert isinstance(bridged, BridgeModel)
    prompts, bridge = prompts_of(gpt2.model), bridged.bridge
    # the others go on hearing the run that is patched: here the clean one
    caches = [[bridge.run_with_cache(text)[1] for text in tokens_of(prompts, number)] for number in range(len(CLEAN))]
    reads: tuple[Literal["q", "k", "v"], ...] = ("q", "k", "v")
    for read in reads:
        receivers = [f"L{layer}H{head}.{read}" for layer in (1, 2) for head in range(HEADS)]
        found = patch_paths(gpt2.model, prompts, receivers, mlps=FROZEN).after
        for number in range(len(CLEAN)):
            clean, corrupted = caches[number]
            for sender in (0, 1, HEADS, HEADS + 3):
                expected = lens.get_act_patch_direct_path(
                    bridge, tokens_of(prompts, number)[0], corrupted, clean,
                    lambda logits, number=number: answer(logits, prompts, number),
                    *divmod(sender, HEADS), read, verbose=False,
                )  # fmt: skip
                for receiver, values in found.items():
                    assert receiver.head is not None
                    if receiver.head.layer > sender // HEADS:
                        direct = float(expected[receiver.head.layer, receiver.head.head])
                        assert values[sender, number] == pytest.approx(direct, abs=1e-4)


def induction_prompts(model: PlantedModel) -> Prompts:
    """`a b c d e a` → `b`; corrupted, another word stands where `a` first was."""
    words = sorted(word for word in model.tokenizer.get_vocab() if word.isalpha() and word.islower())
    random, documents = Random(1), []
    for number in range(6):
        first, second, third, *rest, other = random.sample(words, 6)
        text, corrupted = (" ".join([one, second, third, *rest, first]) for one in (first, other))
        asked: Any = {
            "template": "repeat",
            "right": f" {second}",
            "wrong": f" {third}",
            "corrupted": corrupted,
            "named": {},
        }
        documents.append(prompt_document(text, f"source {number}", **asked))
    return read_prompts(model, prompt_corpus("induction", documents, "planted"))


@pytest.mark.parametrize("mlps", MLPS)
@pytest.mark.parametrize("seed", [0, 1])
def test_it_finds_exactly_the_edge_of_a_planted_induction_circuit(seed: int, mlps: str) -> None:
    model = planted(seed=seed, device="cpu")
    prompts = induction_prompts(model)
    by_name = {plan.name: head for head, plan in model.plans.items()}
    induction, previous = by_name["induction"], by_name["previous"]
    receivers = [*(f"L{induction.layer}H{induction.head}.{read}" for read in "qkv"), OUTPUT]
    found = patch_paths(model, prompts, receivers, mlps=mlps)
    senders = [(one.site, one.layer, one.head) for one in model.heads]
    answers = Answers(found.before, patch_paths_of_corrupted(model, prompts), np.arange(len(found.before)))
    after = {(one.name, one.read): values for one, values in found.after.items()}
    table = path_table(senders, found.before, after, answers, seed=0, min_blocks=2)
    large = table[table["effect"].abs() > 0.01]
    # the answer comes from the induction head, which finds it by what the head before wrote into its keys
    assert set(zip(large["sender"], large["receiver"], large["receiver_input"], strict=True)) == {
        (previous.name, induction.name, "k"),
        (induction.name, OUTPUT, "stream"),
    }
    np.testing.assert_allclose(large["effect"], 1, atol=0.02)


def patch_paths_of_corrupted(model: PlantedModel, prompts: Prompts) -> np.ndarray:
    """The answers to the corrupted texts, from the network as it came."""
    network: Any = model.network
    with torch.no_grad():
        return np.array(
            [
                float(answer(network(tokens_of(prompts, number)[1]).logits, prompts, number))
                for number in range(len(prompts))
            ]
        )


def test_same_texts_change_nothing_on_any_path(case: Case) -> None:
    found = patch_paths(case.model, prompts_of(case.model, CLEAN), [OUTPUT, "L2H1.k", "L1H0.q"])
    for values in found.after.values():
        reached = values[~np.isnan(values).all(axis=1)]
        np.testing.assert_array_equal(reached, np.broadcast_to(found.before, reached.shape))


def test_heads_without_a_path_have_no_row(gpt2: Case) -> None:
    found = patch_paths(gpt2.model, prompts_of(gpt2.model), ["L1H2.v", "2.0.k"])
    senders, answers = (
        [(one.site, one.layer, one.head) for one in gpt2.model.heads],
        Answers(found.before, found.before - 1, np.arange(3)),
    )
    after = {(one.name, one.read): values for one, values in found.after.items()}
    table = path_table(senders, found.before, after, answers, seed=0, min_blocks=2)
    of = table.groupby("receiver")["layer"]
    assert of.max().to_dict() == {"1.2": 0, "2.0": 1} and of.size().to_dict() == {"1.2": HEADS, "2.0": 2 * HEADS}


@pytest.mark.parametrize(
    ("receiver", "said"),
    [
        ("L2H1", r"receiver=L2H1 is no receiver\. Allowed: output, or a head"),
        ("L2H1.z", r"receiver=L2H1\.z is no receiver"),
        ("L9H1.q", r"receiver=L9H1\.q is no head of this model\. Allowed: L0H0 to L2H3"),
        ("L0H1.q", r"receiver=L0H1\.q lies in the first layer, which no head has a path to"),
    ],
)
def test_what_is_no_receiver_is_refused(gpt2: Case, receiver: str, said: str) -> None:
    with pytest.raises(InterpError, match=said):
        patch_paths(gpt2.model, prompts_of(gpt2.model), [receiver])


def test_models_that_cannot_are_told_so(gpt2: Case) -> None:
    prompts = prompts_of(gpt2.model)
    with pytest.raises(InterpError, match=r"path_patching\.mlps=frosen is not known\. Allowed: recomputed, frozen"):
        patch_paths(gpt2.model, prompts, mlps="frosen")
    with pytest.raises(InterpError, match=r"path_patching\.receiver=\[\] asks for nothing"):
        patch_paths(gpt2.model, prompts, [])
    bridged = from_transformers(gpt2.plain, gpt2.tokenizer, name="bridged", backend="bridge")
    with pytest.raises(ModelError, match=r"Path patching exchanges queries.*'bridged'.*model\.backend=attention"):
        patch_paths(bridged, prompts)
    # a norm after attention: what a head writes is not what is added to the stream
    normed = tiny(transformers.Gemma2ForCausalLM, partial(deep, transformers.Gemma2Config), metaspace_tokenizer())
    with pytest.raises(ModelError, match="adds to the residual stream what is not the sum"):
        patch_paths(normed.model, prompts_of(normed.model), mlps=FROZEN)
    assert patch_paths(normed.model, prompts_of(normed.model), mlps=RECOMPUTED).before.shape == (3,)
