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

from interp.buffers import Buffer
from interp.types import HeadOutput, Pattern, Place

INTERFACE = "interp"
"""The name under which transformers finds the attention function below."""

WATCH = "_interp_watch"
"""The attribute of an attention module that holds, during a run, what happens there instead of plain attention."""

AT_ONCE = 256
"""Rows of a mask that are read together."""

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
    causal: bool = False
    """The queries are the last of the keys, and see none after themselves; a mask need not say so."""

    def pattern(self, buffer: Buffer | None = None) -> Pattern:
        """Where each head attends: softmax of the scaled products, in float32 at least; with a buffer, there."""
        room = None
        if buffer is not None:
            shape = (*self.query.shape[:3], self.key.shape[2])
            room = buffer.of(shape, self.query, torch.result_type(self.query, self.key))
        if math.frexp(self.scaling)[0] == 0.5:
            # a power of two changes no digit of a product, so that it may come in where there are fewest numbers
            scores = torch.matmul(self.query * self.scaling, self.key.mT, out=room)
        else:
            scores = torch.matmul(self.query, self.key.mT, out=room).mul_(self.scaling)
        if self.softcap is not None:
            scores = torch.tanh(scores / self.softcap) * self.softcap
        if self.mask is not None:
            scores.add_(self.mask)
        if self.causal:
            count = scores.shape[2]
            later = torch.full((count, count), -math.inf, dtype=scores.dtype, device=scores.device).triu_(1)
            scores[..., -count:].add_(later)
        precise = torch.promote_types(scores.dtype, torch.float32)
        into = scores if room is not None and precise == scores.dtype else None
        return torch.softmax(scores, dim=-1, dtype=precise, out=into).to(self.query.dtype)

    def write(self, pattern: Pattern) -> HeadOutput:
        """What each head writes when it attends there."""
        return (pattern @ self.value).transpose(1, 2)

    def some(self, heads: slice, queries: slice = slice(None)) -> "Ingredients":
        """Those of some heads and queries only, and of a causal layer the keys up to the last of these."""
        mask, keys = self.mask, slice(None)
        if self.causal:
            keys = slice(queries.indices(self.query.shape[2])[1] + self.key.shape[2] - self.query.shape[2])
        if mask is not None:
            mask = mask[:, heads if mask.shape[1] > 1 else slice(None), queries if mask.shape[2] > 1 else slice(None)]
        return replace(
            self,
            query=self.query[:, heads, queries],
            key=self.key[:, heads, keys],
            value=self.value[:, heads, keys],
            mask=mask,
        )

    def attended(self) -> HeadOutput:
        """The same without a pattern to look at, fused where torch can."""
        if self.softcap is not None or self.causal:
            return self.write(self.pattern())
        fused = nn.functional.scaled_dot_product_attention
        z = fused(self.query, self.key, self.value, attn_mask=self.mask, scale=self.scaling)
        return z.transpose(1, 2)


Witness = Callable[[Place, Ingredients], None]
"""Sees what an attention layer computes with."""


class MaskReader:
    """Leaves out a mask that hides nothing, or nothing but later keys; layers mostly share one, which is read once."""

    def __init__(self) -> None:
        self._read: Tensor | None = None
        self._hides = self._hides_more = False

    def left_out(self, at: Ingredients) -> Ingredients:
        """The same, without a mask where none is needed."""
        if at.mask is None:
            return at
        if at.mask is not self._read:
            self._read, self._hides = at.mask, bool(at.mask.any())
            self._hides_more = self._hides and not _is_causal(at.mask)
        if self._hides_more or (self._hides and at.query.shape[2] != at.key.shape[2]):
            return at
        return replace(at, mask=None, causal=self._hides)


def _is_causal(mask: Tensor) -> bool:
    """Whether every query is let see all keys up to itself alike, and none after it."""
    queries, keys = mask.shape[-2:]
    place = torch.arange(keys, device=mask.device)
    nothing = torch.finfo(mask.dtype).min / 2
    if queries != keys:
        return False
    # in parts, so that no second mask of a long text is held
    for some, rows in zip(place.split(AT_ONCE), mask.split(AT_ONCE, dim=-2), strict=True):
        later = place > some[:, None]
        if ((rows < nothing) != later).any() or ((rows != 0) != later).any():
            return False
    return True


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
