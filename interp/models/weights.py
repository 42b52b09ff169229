"""Each head's own slices of W_Q, W_K, W_V and W_O, found by where they lead and never by what they are called.

Where a family keeps its projections (apart, fused, fused head by head, shared by a group of heads) is measured, as with
a dye: for one pass every column that a linear map gives is replaced by its number, and the numbers are read off where
queries, keys and values reach the attention function. The tokens stand at position 0, where rotary embeddings turn
nothing. What is not the outcome of a linear map alone (norms, detours, sums) garbles the numbers, and is refused.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from interp.errors import ModelError
from interp.models.attention import AttentionModel
from interp.models.interface import Ingredients, watching
from interp.models.layers import Layer
from interp.types import Head, HeadModel, HeadOutput

DIGITS, BASE = 6, 16
"""A column's number is written in so many digits, one a row; each is exact in bfloat16."""


@dataclass(frozen=True, eq=False)
class HeadWeights:
    """The four matrices of one head, as they act on rows x: q = x W_Q + b_Q, and likewise k and v.

    The head looks from x to y by softmax of `scaling` · q(x) · k(y), and writes Σ a (v W_O). Weights are raw: x is what
    the layer's linear maps read, after the norm in front of them, whose gain is not folded in. Heads that share keys
    and values (grouped queries) each have the slice of their group.
    """

    query: Float[Tensor, "d_model d_head"]
    key: Float[Tensor, "d_model d_head"]
    value: Float[Tensor, "d_model d_value"]
    output: Float[Tensor, "d_value d_model"]
    query_bias: Float[Tensor, " d_head"] | None
    key_bias: Float[Tensor, " d_head"] | None
    value_bias: Float[Tensor, " d_value"] | None
    scaling: float


@dataclass(frozen=True, eq=False)
class Columns:
    """Some columns of one linear map's output."""

    module: nn.Linear | Conv1D
    columns: Int[Tensor, " d"]

    @property
    def weight(self) -> Float[Tensor, "d_in d"]:
        """The weights that these columns come from."""
        weight = self.module.weight if isinstance(self.module, Conv1D) else self.module.weight.T
        return weight[:, self.columns]

    @property
    def bias(self) -> Float[Tensor, " d"] | None:
        """Their biases, if the map has any."""
        return None if self.module.bias is None else self.module.bias[self.columns]


@dataclass(frozen=True, eq=False)
class LayerSlices:
    """Where the slices of one attention layer lie, one entry a head, and the norm that the layer reads through."""

    query: tuple[Columns, ...]
    key: tuple[Columns, ...]
    value: tuple[Columns, ...]
    output: Float[Tensor, "head d_value d_model"]
    scaling: float
    norm: nn.Module | None
    """The norm whose output the linear maps read, unchanged; None where there is none."""

    def head(self, number: int) -> HeadWeights:
        """The slices of one head."""
        query, key, value = self.query[number], self.key[number], self.value[number]
        return HeadWeights(
            *(query.weight, key.weight, value.weight, self.output[number]),
            *(query.bias, key.bias, value.bias),
            self.scaling,
        )


def head_weights(model: HeadModel, head: Head) -> HeadWeights:
    """The head's own W_Q, W_K, W_V and W_O, raw. For many heads, `find_slices` once is faster.

    Raises `ModelError` for a head that the model has not, and where the slices cannot be proven.
    """
    if head not in model.heads:
        last = model.heads[-1]
        raise ModelError(
            f"{model.name!r} has no head {tuple(head)}. Allowed: {tuple(model.heads[0])} to {tuple(last)}."
        )
    slices = find_slices(model)
    return slices[model.heads.index(head) // len(slices[0].query)].head(head.head)


def lay_open(model: HeadModel) -> AttentionModel:
    """The same model, if its queries, keys and values can be seen. Raises `ModelError` if not."""
    if not isinstance(model, AttentionModel):
        raise ModelError(
            f"What the heads of {model.name!r} compute with cannot be laid open here ({type(model).__name__}). "
            "Allowed: models that send their attention through transformers' interface (model.backend=attention)."
        )
    if model.translates:
        raise ModelError(
            f"{model.name!r} is an encoder-decoder, whose heads are not laid open yet. "
            "Allowed: encoder-only and decoder-only models."
        )
    return model


@torch.inference_mode()
def find_slices(model: HeadModel) -> tuple[LayerSlices, ...]:
    """The slices of every attention layer, by one forward pass over a few single tokens.

    Raises `ModelError` where queries, keys or values are no plain linear map of what the layer reads (norms on queries
    and keys, low-rank detours).
    """
    opened = lay_open(model)
    found: list[LayerSlices] = []
    read: dict[nn.Module, Tensor] = {}
    normed: list[tuple[nn.Module, Tensor]] = []
    maps, projections = [], {id(layer.projection) for layer in opened.layers}
    for layer in opened.layers:
        inside = (module for module in layer.attention.modules() if isinstance(module, nn.Linear | Conv1D))
        maps += [module for module in inside if id(module) not in projections and module not in maps]
    numbers = _Numbers(maps)

    def dye(module: Any, args: tuple[Any, ...], output: Tensor) -> Tensor:
        read[module] = args[0]
        return numbers.of(module).to(output).reshape(output.shape)

    def keep_norm(module: nn.Module, _args: Any, output: Tensor) -> None:
        normed.append((module, output))

    def see(layer: Layer, at: Ingredients) -> Tensor:
        first = model.heads[len(found) * opened.layers[0].heads]
        found.append(_slices(layer, at, numbers, read, normed, first, model.name))
        return at.attended()

    with ExitStack() as stack:
        for module in maps:
            stack.callback(module.register_forward_hook(dye).remove)
        for module in opened.base.modules():
            if "Norm" in type(module).__name__:
                stack.callback(module.register_forward_hook(keep_norm).remove)
        see_layers(opened, opened.reader.single_tokens(opened.network, 1 + DIGITS), see)
    return tuple(found)


class _Numbers:
    """One number for every column of some linear maps, as a one and digits that follow it."""

    def __init__(self, maps: Sequence[nn.Linear | Conv1D]) -> None:
        widths = [module.weight.shape[1 if isinstance(module, Conv1D) else 0] for module in maps]
        self.maps, self.starts = tuple(maps), torch.tensor([0, *widths]).cumsum(0)

    def of(self, module: nn.Module) -> Float[Tensor, "digit column"]:
        """What stands in for the output of a map: in the first row 1, then a digit of the column's number each."""
        place = next(number for number, one in enumerate(self.maps) if one is module)
        column = torch.arange(int(self.starts[place]), int(self.starts[place + 1]))
        digits = column // BASE ** torch.arange(DIGITS)[:, None] % BASE
        return torch.cat([torch.ones_like(digits[:1]), (digits + 1) / BASE])

    def read(self, seen: Float[Tensor, "digit d"]) -> tuple[float, Columns] | None:
        """By what the outputs of a map were multiplied, and which they are; None where they are not one map's alone."""
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
        return factor, Columns(self.maps[int(places[0])], number - self.starts[places])


def see_layers(model: AttentionModel, inputs: dict[str, Any], see: Callable[[Layer, Ingredients], HeadOutput]) -> None:
    """One forward pass without the language head; `see` is shown what each layer attends with, and gives its z."""
    order: Iterator[Layer] = iter(model.layers)

    def watch(_module: nn.Module, at: Ingredients) -> Tensor:
        return see(next(order), at)

    with ExitStack() as stack:
        # a module that stands for several layers is watched once
        for module in {id(layer.attention): layer.attention for layer in model.layers}.values():
            stack.enter_context(watching(module, watch))
        model.reader.call(model.base, inputs)


def _slices(
    layer: Layer,
    at: Ingredients,
    numbers: _Numbers,
    read: Mapping[nn.Module, Tensor],
    normed: Sequence[tuple[nn.Module, Tensor]],
    first: Head,
    name: str,
) -> LayerSlices:
    where = f"layer {first.layer} ({first.site}) of {name!r}"
    places: dict[str, tuple[Columns, ...]] = {}
    scaling = at.scaling
    for kind, activation in (("queries", at.query), ("keys", at.key), ("values", at.value)):
        seen = [numbers.read(head) for head in activation[:, :, 0].unbind(1)]
        factors = {factor for factor, _ in filter(None, seen)}
        # some families scale queries (OPT) or rotary embeddings before the attention function does; none scales values
        if None in seen or len(factors) != 1 or (kind == "values" and factors != {1.0}):
            raise ModelError(
                f"The {kind} in {where} are no linear map of what the layer reads: on the way to the attention "
                "function they are changed. Allowed: models without norms or other steps between the two."
            )
        scaling *= factors.pop()
        places[kind] = tuple(columns for _, columns in filter(None, seen))
    output = layer.output_weights()
    given = {kind: {id(read[columns.module]): read[columns.module] for columns in places[kind]} for kind in places}
    queries, keys, values = (list(inputs.values()) for inputs in given.values())
    # only in cross-attention do queries come from elsewhere
    same = [*keys, *values] if first.site == "cross" else [*queries, *keys, *values]
    if not all(_is_same(one, same[0]) for one in same) or queries[0].shape[-1] != output.shape[-1]:
        raise ModelError(
            f"The queries, keys and values in {where} are not made from one and the same residual stream. "
            "Allowed: models without low-rank detours on the way to them."
        )
    norm = next((module for module, out in reversed(normed) if _is_same(out, values[0])), None)
    return LayerSlices(places["queries"], places["keys"], places["values"], output, scaling, norm)


def _is_same(one: Any, other: Tensor) -> bool:
    return isinstance(one, Tensor) and one.shape == other.shape and torch.equal(one, other)
