"""transformers' attention interface: fused attention unless tapped; explicit softmax otherwise."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import eager_mask

from interp.types import HeadOutput, Pattern

INTERFACE = "interp"
"""The name under which transformers finds the attention function below."""

WATCH = "_interp_watch"
"""The attribute of an attention module that holds, during a run, what happens there instead of plain attention."""

Watch = Callable[[nn.Module, "Ingredients"], Tensor]


@dataclass(frozen=True, eq=False)
class Ingredients:
    """What one attention layer computes with; key-value heads are repeated for the queries that share them."""

    query: Float[Tensor, "batch head query d_head"]
    key: Float[Tensor, "batch head key d_head"]
    value: Float[Tensor, "batch head key d_value"]
    mask: Tensor | None
    scaling: float
    softcap: float | None

    def pattern(self) -> Pattern:
        """Where each head attends: softmax of the scaled products, in float32 at least."""
        if math.frexp(self.scaling)[0] == 0.5:
            # a power of two changes no digit of a product, so that it may come in where there are fewest numbers
            scores = (self.query * self.scaling) @ self.key.mT
        else:
            scores = (self.query @ self.key.mT).mul_(self.scaling)
        if self.softcap is not None:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        if self.mask is not None:
            scores.add_(self.mask)
        precise = torch.promote_types(scores.dtype, torch.float32)
        return torch.softmax(scores, dim=-1, dtype=precise).to(self.query.dtype)

    def write(self, pattern: Pattern) -> HeadOutput:
        """What each head writes when it attends there."""
        return (pattern @ self.value).transpose(1, 2)

    def some(self, heads: slice, queries: slice = slice(None)) -> "Ingredients":
        """Those of some heads and queries only."""
        mask = self.mask
        if mask is not None:
            mask = mask[:, heads if mask.shape[1] > 1 else slice(None), queries if mask.shape[2] > 1 else slice(None)]
        return replace(
            self, query=self.query[:, heads, queries], key=self.key[:, heads], value=self.value[:, heads], mask=mask
        )

    def attended(self) -> HeadOutput:
        """The same without a pattern to look at, fused where torch can."""
        if self.softcap is not None:
            return self.write(self.pattern())
        fused = nn.functional.scaled_dot_product_attention
        z = fused(self.query, self.key, self.value, attn_mask=self.mask, scale=self.scaling)
        return z.transpose(1, 2)


class NoMask:
    """Leaves out a mask that hides nothing; layers mostly share one, which is read once."""

    def __init__(self) -> None:
        self._read: Tensor | None = None
        self._hides = False

    def left_out(self, at: Ingredients) -> Ingredients:
        """The same, without a mask of zeros."""
        if at.mask is not None and at.mask is not self._read:
            self._read, self._hides = at.mask, bool(at.mask.any())
        return at if at.mask is None or self._hides else replace(at, mask=None)


def attend(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    scaling: float | None = None,
    dropout: float = 0.0,
    softcap: float | None = None,
    position_bias: Tensor | None = None,
    **options: Any,
) -> tuple[Tensor, None]:
    """Attention as transformers asks for it: fused where nobody watches, laid open where somebody does.

    T5's `position_bias` is added to the products as a mask is.
    """
    if position_bias is not None:
        attention_mask = position_bias if attention_mask is None else attention_mask + position_bias
    watch: Watch | None = module.__dict__.get(WATCH)
    if watch is None and softcap is None:
        return sdpa_attention_forward(module, query, key, value, attention_mask, dropout, scaling, **options)
    shared = query.shape[1] // key.shape[1]
    ingredients = Ingredients(
        query,
        key.repeat_interleave(shared, 1) if shared > 1 else key,
        value.repeat_interleave(shared, 1) if shared > 1 else value,
        attention_mask,
        query.shape[-1] ** -0.5 if scaling is None else scaling,
        softcap,
    )
    z = ingredients.attended() if watch is None else watch(module, ingredients)
    return z.contiguous(), None


AttentionInterface.register(INTERFACE, attend)  # pyright: ignore[reportArgumentType] - fewer keywords than it names
AttentionMaskInterface.register(INTERFACE, eager_mask)


@contextmanager
def watching(module: nn.Module, watch: Watch) -> Iterator[None]:
    """While it is open, this module attends as `watch` says."""
    module.__dict__[WATCH] = watch
    try:
        yield
    finally:
        del module.__dict__[WATCH]
