"""torch's own multi-head attention, laid open: queries, keys and values of each head, and what torch projects."""

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from interp.errors import ModelError
from interp.models.hugging_face.interface import Ingredients


def ingredients(
    attention: nn.MultiheadAttention,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    key_padding_mask: Tensor | None,
    attn_mask: Tensor | None,
) -> tuple[Ingredients, int]:
    """What the module computes with, and how many keys at the end are no token: a learned one, one of zeros.

    Raises `ModelError` for inputs without an axis for documents.
    """
    if query.dim() != 3 or query.is_nested:
        raise ModelError(
            f"An nn.MultiheadAttention was called with queries of {query.dim()} axes"
            f"{' (nested)' if query.is_nested else ''}. Allowed: padded documents, with an axis for documents, one for "
            "positions and one for features."
        )
    heads = attention.num_heads
    q, k, v = (
        nn.functional.linear(one if attention.batch_first else one.transpose(0, 1), weight, bias)
        .unflatten(-1, (heads, -1))
        .transpose(1, 2)
        for one, weight, bias in zip((query, key, value), *projections(attention), strict=True)
    )
    mask = _mask(key_padding_mask, attn_mask, q, k)
    tokens = k.shape[2]
    if attention.bias_k is not None and attention.bias_v is not None:
        k, v = (_with_key(one, bias.view(heads, 1, -1)) for one, bias in ((k, attention.bias_k), (v, attention.bias_v)))
    if attention.add_zero_attn:
        k, v = (_with_key(one, one.new_zeros(heads, 1, one.shape[-1])) for one in (k, v))
    sinks = k.shape[2] - tokens
    if mask is not None and sinks:
        mask = nn.functional.pad(mask, (0, sinks))
    return Ingredients(q, k, v, mask, q.shape[-1] ** -0.5, None), sinks


def projections(attention: nn.MultiheadAttention) -> tuple[Sequence[Tensor], Sequence[Tensor | None]]:
    """The weights that make queries, keys and values, each [d_model, d_input], packed or not; and their biases."""
    if attention.in_proj_weight is not None:
        weights = list(attention.in_proj_weight.chunk(3))
    else:
        weights = [attention.q_proj_weight, attention.k_proj_weight, attention.v_proj_weight]
    bias = attention.in_proj_bias
    return weights, [None, None, None] if bias is None else list(bias.chunk(3))


@contextmanager
def as_it_came() -> Iterator[None]:
    """While it is open, torch does not warn that nested tensors, which its fused kernels use, are a prototype."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The PyTorch API of nested tensors")
        yield


@contextmanager
def slow_path() -> Iterator[None]:
    """While it is open, torch calls each attention of an `nn.TransformerEncoder`, instead of one fused kernel."""
    before = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        yield
    finally:
        torch.backends.mha.set_fastpath_enabled(before)


@contextmanager
def what_is_projected(weights: Iterable[Tensor]) -> Iterator[Mapping[int, tuple[Tensor, Tensor]]]:
    """While it is open, what is multiplied by each of these weights, and what comes of it, by the weight's address.

    torch multiplies by an output projection without calling the module that holds it, so that no hook sees it.
    """
    with _Projecting({weight.data_ptr() for weight in weights}) as mode:
        yield mode.kept


class _Projecting(TorchDispatchMode):
    def __init__(self, addresses: set[int]) -> None:
        super().__init__()
        self.addresses = addresses
        self.kept: dict[int, tuple[Tensor, Tensor]] = {}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        output = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.linear.default and args[1].data_ptr() in self.addresses:
            self.kept[args[1].data_ptr()] = (args[0], output)
        return output


def _with_key(per_head: Tensor, more: Tensor) -> Tensor:
    return torch.cat([per_head, more.to(per_head).expand(len(per_head), -1, -1, -1)], dim=2)


def _mask(key_padding_mask: Tensor | None, attn_mask: Tensor | None, query: Tensor, key: Tensor) -> Tensor | None:
    """Both masks as one that is added to the products: [batch or 1, head or 1, query or 1, key]."""
    rows, heads, queries, _ = query.shape
    parts: list[Tensor] = []
    if key_padding_mask is not None:
        parts.append(_added(key_padding_mask, query.dtype)[:, None, None, :])
    if attn_mask is not None:
        shape = (rows, heads, queries, key.shape[2]) if attn_mask.dim() == 3 else (1, 1, queries, key.shape[2])
        parts.append(_added(attn_mask, query.dtype).view(shape))
    if not parts:
        return None
    # a finite lowest number: a query that may see nothing (padding, mostly) gets no NaN
    return sum(parts[1:], parts[0]).clamp(min=torch.finfo(query.dtype).min)


def _added(mask: Tensor, dtype: torch.dtype) -> Tensor:
    if mask.dtype != torch.bool:
        return mask.to(dtype)
    return torch.zeros_like(mask, dtype=dtype).masked_fill_(mask, float("-inf"))


def with_sinks(
    pattern: Float[Tensor, "batch head query key"], sinks: Float[Tensor, "batch head query sink"]
) -> Float[Tensor, "batch head query all"]:
    """A rewritten pattern over tokens, and what it leaves of one shared among the keys that are no token, as before."""
    if sinks.shape[-1] == 0:
        return pattern
    rest = 1 - pattern.sum(-1, keepdim=True)
    shares = sinks / sinks.sum(-1, keepdim=True).clamp(min=torch.finfo(sinks.dtype).tiny)
    return torch.cat([pattern, rest * shares], dim=-1)
