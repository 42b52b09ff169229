"""Prompts of two texts for tiny models, and their attention computed anew from plain transformers, head by head."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from interp.corpora.encoding import encode
from interp.corpora.prompts import END, Prompts
from interp.types import HeadModel
from tests.conftest import Case, corpus_of, output_projections

CLEAN = (
    "The cat sat on the mat",
    "Once upon a time there was a little dog who liked to play",
    "The dog saw the cat in the park",
)
CORRUPTED = (
    "The mat sat on the cat",
    "Once upon a dog there was a little time who liked to play",
    "The cat saw the dog in the park",
)
"""The same words in another order, and so as many tokens; of different lengths, so that a batch is padded."""

RIGHT, WRONG = (5, 6, 7), (9, 12, 11)
MIDDLE = (3, -1, 4)
"""A named position, which the second prompt does not have."""


def prompts_of(model: HeadModel, corrupted: tuple[str, ...] = CORRUPTED) -> Prompts:
    clean, other = (encode(model, corpus_of(texts)) for texts in (CLEAN, corrupted))
    lengths = [len(one.tokens) for one in clean.encodings]
    assert lengths == [len(one.tokens) for one in other.encodings] and len(set(lengths)) > 1
    named = {"middle": np.array(MIDDLE), END: np.array(lengths) - 1}
    return Prompts(clean, other, np.array(RIGHT), np.array(WRONG), named, {})


def tokens_of(prompts: Prompts, number: int) -> tuple[Tensor, Tensor]:
    """Both texts of a prompt, without padding."""
    clean, other = (
        torch.from_numpy(texts.encodings[number].tokens).long()[None] for texts in (prompts.clean, prompts.corrupted)
    )
    return clean, other


def answer(logits: Tensor, prompts: Prompts, number: int) -> Tensor:
    """logit(right) − logit(wrong) after the last token."""
    return logits[0, -1, prompts.right[number]] - logits[0, -1, prompts.wrong[number]]


@torch.no_grad()
def attends_with(case: Case, tokens: Tensor, layer: int) -> tuple[Tensor, Tensor, Tensor]:
    """q, k and v of one layer, [head, pos, d_head], whatever is hooked: each head's own view of keys and values."""
    base: Any = case.plain.base_model
    found: dict[str, Tensor] = {}
    if base.config.model_type == "gpt2":
        projections: dict[str, nn.Module] = {"qkv": base.h[layer].attn.c_attn}
    else:
        attention = base.layers[layer].self_attn
        projections = {"q": attention.q_proj, "k": attention.k_proj, "v": attention.v_proj}
    handles = [
        module.register_forward_hook(lambda _module, _args, output, name=name: found.update({name: output}))
        for name, module in projections.items()
    ]
    case.plain(tokens, use_cache=False)
    for handle in handles:
        handle.remove()
    if "qkv" in found:
        found = dict(zip("qkv", found["qkv"].chunk(3, dim=-1), strict=True))
    heads = base.config.num_attention_heads
    d_head = base.config.hidden_size // heads
    q, k, v = (found[name].unflatten(-1, (-1, d_head)).transpose(1, 2) for name in "qkv")
    if base.config.model_type != "gpt2":
        cos, sin = base.rotary_emb(q, torch.arange(tokens.shape[1])[None])
        q, k = apply_rotary_pos_emb(q, k, cos, sin)
    shared = heads // k.shape[1]
    return q[0], k[0].repeat_interleave(shared, 0), v[0].repeat_interleave(shared, 0)


def pattern_of(q: Tensor, k: Tensor) -> Tensor:
    """softmax of the products over the root of d_head, keys after the query left out: [pos, pos] of one head."""
    products = (q @ k.T / q.shape[-1] ** 0.5).masked_fill(torch.ones(len(q), len(q)).triu(1).bool(), -torch.inf)
    return products.softmax(-1)


@contextmanager
def z_given(case: Case, given: dict[int, dict[int, Tensor]]) -> Iterator[None]:
    """While it is open, z of these layers' heads is what is given, [pos, d_head]: `given[layer][head]`."""

    def hook_of(of_head: dict[int, Tensor]) -> Any:
        def before(_module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
            z = args[0].unflatten(-1, (case.plain.config.num_attention_heads, -1)).clone()
            for head, value in of_head.items():
                z[0, :, head] = value
            return (z.flatten(-2),)

        return before

    projections = output_projections(case.plain)
    handles = [projections[layer].register_forward_pre_hook(hook_of(one)) for layer, one in given.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
