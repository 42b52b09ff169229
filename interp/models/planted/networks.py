"""Networks of transformers' own classes whose weights are set by hand: GPT-2's shape, and BERT's."""

from typing import Any, NamedTuple

import numpy as np
import torch
import transformers
from jaxtyping import Float
from torch import Tensor, nn

from interp.models.planted.heads import Plan
from interp.models.planted.layout import Layout
from interp.models.planted.stream import (
    CODE,
    CODES,
    EPSILON,
    FEATURES,
    HEADS,
    LAYERS,
    LOOKS,
    POSITIONS,
    WIDTH,
    WIDTH_OF_HEAD,
    balanced,
    class_of_token,
    codes_of_words,
    embeddings,
)

UNEMBEDDING = 12.0
"""Logit of the word whose code was copied: among some 1,500 others it then has nearly all of the probability."""


class Projections(NamedTuple):
    """The weights of one head, all to be multiplied from the right."""

    query: Float[np.ndarray, "width d_head"]
    key: Float[np.ndarray, "width d_head"]
    value: Float[np.ndarray, "width d_head"]
    output: Float[np.ndarray, "d_head width"]


def projections(plan: Plan, random: np.random.Generator) -> Projections:
    """A planned head as matrices: features, code and noise are compared side by side."""
    query, key, value = (np.zeros((WIDTH, WIDTH_OF_HEAD)) for _ in range(3))
    output = np.zeros((WIDTH_OF_HEAD, WIDTH))
    looks, codes = slice(0, FEATURES), slice(FEATURES, WIDTH_OF_HEAD - 1)
    query[LOOKS, looks], key[LOOKS, looks] = plan.look, np.eye(FEATURES)
    if plan.match is not None:
        query[CODES["identity"], codes], key[CODES[plan.matched], codes] = plan.match, np.eye(plan.match.shape[1])
    # one of a token's places is 1: any query asks for the noise
    query[LOOKS.start : LOOKS.start + POSITIONS, -1] = 1.0
    key[CODES["identity"], -1] = random.normal(scale=plan.noise, size=CODE)
    value[CODES["identity"], codes] = np.eye(CODE)
    output[codes, CODES[plan.writes]] = np.eye(CODE)
    # attention divides by the root of a head's width
    return Projections(query * np.sqrt(WIDTH_OF_HEAD), key, value, balanced(output))


def gpt2(words: Any, layout: Layout, random: np.random.Generator) -> Any:
    """GPT2LMHeadModel, a causal language model: what was copied from an induction head's target is the next word."""
    network = _bare(fresh(words, EPSILON, causal=True))
    codes = codes_of_words(words, random)
    base = network.transformer
    _embed(base.wte, base.wpe, class_of_token(words), codes)
    for layer, block in enumerate(base.h):
        own = [projections(layout[layer, head], random) for head in range(HEADS)]
        query, key, value = (np.concatenate([getattr(one, name) for one in own], axis=1) for name in _INPUTS)
        _set(block.attn.c_attn.weight, np.concatenate([query, key, value], axis=1))
        _set(block.attn.c_proj.weight, np.concatenate([one.output for one in own]))
    unembedding = np.zeros((len(words), WIDTH))
    unembedding[:, CODES["copied"]] = UNEMBEDDING * codes
    # wherever one is (one of a token's places is 1), no special token comes next
    unembedding[words.all_special_ids, LOOKS.start : LOOKS.start + POSITIONS] = -UNEMBEDDING
    _set(network.lm_head.weight, unembedding)
    return network


def bert(words: Any, layout: Layout, random: np.random.Generator) -> Any:
    """BertForMaskedLM, an encoder; its language head is left empty."""
    network = _bare(fresh(words, EPSILON, causal=False))
    base = network.bert
    given = base.embeddings
    _embed(given.word_embeddings, given.position_embeddings, class_of_token(words), codes_of_words(words, random))
    for layer, block in enumerate(base.encoder.layer):
        own = [projections(layout[layer, head], random) for head in range(HEADS)]
        attention = block.attention
        for name in _INPUTS:
            linear = getattr(attention.self, name)
            _set(linear.weight, np.concatenate([getattr(one, name) for one in own], axis=1).T)
        _set(attention.output.dense.weight, np.concatenate([one.output for one in own]).T)
    return network


_INPUTS = ("query", "key", "value")


def fresh(words: Any, epsilon: float, *, causal: bool) -> Any:
    """A network of the shape with the weights that transformers draws, with this epsilon in its layer norms."""
    if causal:
        config: Any = transformers.GPT2Config(
            vocab_size=len(words),
            n_layer=LAYERS,
            n_head=HEADS,
            n_embd=WIDTH,
            n_inner=1,
            n_positions=POSITIONS,
            layer_norm_epsilon=epsilon,
            tie_word_embeddings=False,
            bos_token_id=words.bos_token_id,
            eos_token_id=words.bos_token_id,
        )
    else:
        config = transformers.BertConfig(
            vocab_size=len(words),
            num_hidden_layers=LAYERS,
            num_attention_heads=HEADS,
            hidden_size=WIDTH,
            intermediate_size=1,
            max_position_embeddings=POSITIONS,
            layer_norm_eps=epsilon,
            pad_token_id=words.pad_token_id,
        )
    config._attn_implementation = "eager"
    kind: Any = transformers.GPT2LMHeadModel if causal else transformers.BertForMaskedLM
    return kind(config).eval()


def _bare(network: Any) -> Any:
    """The network, adding nothing to what is embedded: all weights are zero, and its layer norms change nothing."""
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            is_gain = isinstance(module, nn.LayerNorm) and name == "weight"
            parameter.data.fill_(EPSILON**0.5 if is_gain else 0.0)
    return network


def _embed(of_word: nn.Embedding, of_place: nn.Embedding, classes: np.ndarray, codes: np.ndarray) -> None:
    words, places = embeddings(classes, codes)
    _set(of_word.weight, words)
    _set(of_place.weight, places)


def _set(parameter: Tensor, values: np.ndarray) -> None:
    parameter.data.copy_(torch.from_numpy(values))
