"""Finds each head's W_Q, W_K and W_V columns by tracing column indices, never by the names of weights.

Where a family keeps its projections (apart, fused, fused head by head, shared by a group of heads) is measured, as with
a dye: for one pass every column that a linear map gives is replaced by its number, and the numbers are read off where
queries, keys and values reach the attention function. The tokens, of the source and of the target alike, stand at
position 0, where rotary embeddings turn nothing. What is not the outcome of a linear map alone (norms, detours, sums)
garbles the numbers, and is refused.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from interp.errors import ModelError
from interp.models.head_weights import Columns, LayerSlices
from interp.models.hugging_face.interface import Ingredients
from interp.models.hugging_face.layers import SITE_ORDER, Layer, see_each
from interp.types import Place

DIGITS, BASE = 6, 16
"""A column's number is written in so many digits, one a row; each is exact in bfloat16."""

PROBES = 1 + DIGITS
"""Rows of one token each that the numbers are read from."""

Map = nn.Linear | Conv1D


@torch.inference_mode()
def trace_slices(
    forward: Callable[[], Any], base: nn.Module, layers: Sequence[Layer], name: str
) -> dict[Place, LayerSlices]:
    """The slices of every attention layer, by one forward pass of the base model over `PROBES` single tokens.

    Raises `ModelError` where queries, keys or values are no plain linear map of what the layer reads (norms on queries
    and keys, low-rank detours).
    """
    found: dict[Place, LayerSlices] = {}
    read: dict[nn.Module, Tensor] = {}
    normed: list[tuple[nn.Module, Tensor]] = []
    numbers = _Numbers(_maps_inside(layers))

    def dye(module: Any, args: tuple[Any, ...], output: Tensor) -> Tensor:
        read[module] = args[0]
        return numbers.of(module).to(output).reshape(output.shape)

    def keep_norm(module: nn.Module, _args: Any, output: Tensor) -> None:
        normed.append((module, output))

    def see(layer: Layer, at: Ingredients) -> Tensor:
        found[layer.site, layer.number] = _slices(layer, at, numbers, read, normed, name)
        return at.attended()

    with ExitStack() as stack:
        for module in numbers.maps:
            stack.callback(module.register_forward_hook(dye).remove)
        for module in base.modules():
            if "Norm" in type(module).__name__:
                stack.callback(module.register_forward_hook(keep_norm).remove)
        see_each(forward, layers, see)
    return dict(sorted(found.items(), key=lambda one: SITE_ORDER.index(one[0][0])))


def _maps_inside(layers: Sequence[Layer]) -> list[Map]:
    """Every linear map inside an attention module, but for the projections of what heads write."""
    maps: list[Map] = []
    projections = {id(layer.projection) for layer in layers}
    for layer in layers:
        inside = (module for module in layer.attention.modules() if isinstance(module, Map))
        maps += [module for module in inside if id(module) not in projections and module not in maps]
    return maps


class _Seen(NamedTuple):
    """The columns of one map that reached the attention function, and by what they were multiplied on the way."""

    factor: float
    module: Map
    columns: Int[Tensor, " d"]

    def slices(self) -> Columns:
        weight = self.module.weight if isinstance(self.module, Conv1D) else self.module.weight.T
        return Columns(weight, self.module.bias, self.columns.to(weight.device))


class _Numbers:
    """One number for every column of some linear maps, as a one and digits that follow it."""

    def __init__(self, maps: Sequence[Map]) -> None:
        widths = [module.weight.shape[1 if isinstance(module, Conv1D) else 0] for module in maps]
        self.maps, self.starts = tuple(maps), torch.tensor([0, *widths]).cumsum(0)

    def of(self, module: nn.Module) -> Float[Tensor, "digit column"]:
        """What stands in for the output of a map: in the first row 1, then a digit of the column's number each."""
        place = next(number for number, one in enumerate(self.maps) if one is module)
        column = torch.arange(int(self.starts[place]), int(self.starts[place + 1]))
        digits = column // BASE ** torch.arange(DIGITS)[:, None] % BASE
        return torch.cat([torch.ones_like(digits[:1]), (digits + 1) / BASE])

    def read(self, seen: Float[Tensor, "digit d"]) -> _Seen | None:
        """Which outputs of which map these are; None where they are not one map's alone."""
        seen = seen.cpu().double()
        factor = float(seen[0].mean())
        digits = seen[1:] / seen[0] * BASE - 1
        rounded = digits.round()
        # in bfloat16 the products of digits and factor are rounded to 8 bits
        exact = bool(((digits - rounded).abs() < 0.1).all()) and float((seen[0] / factor - 1).abs().max()) < 1e-6
        if not exact or not bool(((rounded >= 0) & (rounded < BASE)).all()):
            return None
        number = (rounded.long() * BASE ** torch.arange(DIGITS)[:, None]).sum(0)
        places = torch.bucketize(number, self.starts, right=True) - 1
        if int(places.min()) != int(places.max()) or int(places[0]) >= len(self.maps):
            return None
        return _Seen(factor, self.maps[int(places[0])], number - self.starts[places])


def _slices(
    layer: Layer,
    at: Ingredients,
    numbers: _Numbers,
    read: Mapping[nn.Module, Tensor],
    normed: Sequence[tuple[nn.Module, Tensor]],
    name: str,
) -> LayerSlices:
    where = f"layer {layer.number} ({layer.site}) of {name!r}"
    queries, keys, values = (
        _heads_seen(numbers, activation, kind, where)
        for kind, activation in (("queries", at.query), ("keys", at.key), ("values", at.value))
    )
    output = layer.output_weights()
    by_query, by_key, by_value = ([read[one.module] for one in heads] for heads in (queries, keys, values))
    # only in cross-attention do queries come from elsewhere
    groups = ([*by_key, *by_value], by_query) if layer.site == "cross" else ([*by_query, *by_key, *by_value],)
    same = all(_is_same(one, group[0]) for group in groups for one in group)
    if not same or by_query[0].shape[-1] != output.shape[-1]:
        raise ModelError(
            f"The queries, keys and values in {where} are not made from one and the same residual stream. "
            "Allowed: models without low-rank detours on the way to them."
        )
    norm = next((module for module, out in reversed(normed) if _is_same(out, by_value[0])), None)
    # some families scale queries (OPT) or rotary embeddings before the attention function does
    scaling = at.scaling * queries[0].factor * keys[0].factor
    query, key, value = (tuple(one.slices() for one in heads) for heads in (queries, keys, values))
    return LayerSlices(query, key, value, output, scaling, norm)


def _heads_seen(numbers: _Numbers, activation: Float[Tensor, "row head 1 d"], kind: str, where: str) -> list[_Seen]:
    """What each head's queries, keys or values are; all are multiplied by the same, values by nothing."""
    seen = [numbers.read(head) for head in activation[:, :, 0].unbind(1)]
    known = [one for one in seen if one is not None]
    factors = {one.factor for one in known}
    if len(known) != len(seen) or len(factors) != 1 or (kind == "values" and factors != {1.0}):
        raise ModelError(
            f"The {kind} in {where} are no linear map of what the layer reads: on the way to the attention "
            "function they are changed. Allowed: models without norms or other steps between the two."
        )
    return known


def _is_same(one: Any, other: Tensor) -> bool:
    # a token whose embedding is NaN or ∞ may be among the probes, and NaN is not equal to itself
    same_shape = isinstance(one, Tensor) and one.shape == other.shape
    return same_shape and torch.allclose(one, other, rtol=0.0, atol=0.0, equal_nan=True)
