"""Each head's own slices of W_Q, W_K, W_V and W_O, found by what they compute and never by what they are called.

Where a family keeps its projections (apart, fused, fused head by head, shared by a group of heads) is measured: run on
single tokens, every number that reaches the attention function is looked up, bit by bit, among the outputs of the
linear maps of that layer. At position 0 rotary embeddings turn nothing, so this holds for rotary models, too.
"""

from collections.abc import Callable, Iterator, Sequence
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

PROBES = 16
"""Single tokens that a slice is proven on: no two columns of real weights agree on as many."""


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
    return model


@torch.inference_mode()
def find_slices(model: HeadModel) -> tuple[LayerSlices, ...]:
    """The slices of every attention layer, by one forward pass over single tokens.

    Raises `ModelError` where queries, keys or values are no plain linear map of what the layer reads (norms on queries
    and keys, low-rank detours, scaled rotary embeddings).
    """
    opened = lay_open(model)
    found: list[LayerSlices] = []
    ran: list[tuple[nn.Linear | Conv1D, Tensor, Tensor]] = []
    normed: list[tuple[nn.Module, Tensor]] = []

    def keep(module: Any, args: tuple[Any, ...], output: Tensor) -> None:
        ran.append((module, args[0], output))

    def keep_norm(module: nn.Module, _args: Any, output: Tensor) -> None:
        normed.append((module, output))

    def see(layer: Layer, at: Ingredients) -> Tensor:
        first = model.heads[len(found) * opened.heads_per_layer]
        found.append(_slices(layer, at, ran, normed, first, model.name, opened.heads_per_layer))
        ran.clear()
        return at.attended()

    with ExitStack() as stack:
        for module in opened.base.modules():
            if isinstance(module, nn.Linear | Conv1D):
                stack.callback(module.register_forward_hook(keep).remove)
            elif "Norm" in type(module).__name__:
                stack.callback(module.register_forward_hook(keep_norm).remove)
        vocabulary = opened.network.get_input_embeddings().weight.shape[0]
        tokens = torch.linspace(0, vocabulary - 1, min(PROBES, vocabulary), device=opened.device).long()
        see_layers(opened, {"input_ids": tokens[:, None], "attention_mask": torch.ones_like(tokens[:, None])}, see)
    return tuple(found)


def see_layers(model: AttentionModel, inputs: dict[str, Any], see: Callable[[Layer, Ingredients], HeadOutput]) -> None:
    """One forward pass without the language head; `see` is shown what each layer attends with, and gives its z."""
    order: Iterator[Layer] = iter(model.layers)

    def watch(_module: nn.Module, at: Ingredients) -> Tensor:
        return see(next(order), at)

    with ExitStack() as stack:
        # a module that stands for several layers is watched once
        for module in {id(layer.attention): layer.attention for layer in model.layers}.values():
            stack.enter_context(watching(module, watch))
        model.base(**(inputs | ({"use_cache": False} if model.causal else {})))


def _slices(
    layer: Layer,
    at: Ingredients,
    ran: Sequence[tuple[nn.Linear | Conv1D, Tensor, Tensor]],
    normed: Sequence[tuple[nn.Module, Tensor]],
    first: Head,
    name: str,
    heads: int,
) -> LayerSlices:
    where = f"layer {first.layer} ({first.site}) of {name!r}"
    read: dict[str, Tensor] = {}
    places: dict[str, tuple[Columns, ...]] = {}
    scaling, d_head = at.scaling, at.query.shape[-1]
    for kind, activation in (("queries", at.query), ("keys", at.key), ("values", at.value)):
        # some families (OPT, Whisper) scale their queries before the attention function does
        for factor in (1.0, d_head**-0.5) if kind == "queries" else (1.0,):
            places[kind] = _look_up(activation, ran, factor)
            if places[kind]:
                scaling *= factor
                break
        else:
            raise ModelError(
                f"The {kind} in {where} are no linear map of what the layer reads: not every one of them is an output "
                "of a linear map. Allowed: models without norms, low-rank detours or scaled rotary embeddings there."
            )
        modules = {id(place.module) for place in places[kind]}
        read[kind] = next(given for module, given, _ in ran if id(module) in modules)
    output = layer.output_weights(heads)
    together = torch.equal(read["keys"], read["values"])
    # only in cross-attention do queries come from elsewhere
    together &= first.site == "cross" or torch.equal(read["queries"], read["keys"])
    if not together or any(given.shape[-1] != output.shape[-1] for given in read.values()):
        raise ModelError(
            f"The queries, keys and values in {where} are not made from one and the same residual stream. "
            "Allowed: models without low-rank detours on the way to them."
        )
    norm = next((module for module, out in reversed(normed) if _is_same(out, read["values"])), None)
    return LayerSlices(places["queries"], places["keys"], places["values"], output, scaling, norm)


def _look_up(
    activation: Float[Tensor, "probe head 1 d"],
    ran: Sequence[tuple[nn.Linear | Conv1D, Tensor, Tensor]],
    factor: float,
) -> tuple[Columns, ...]:
    """For each head the columns that its activations are, bit by bit; nothing where one is not found."""
    # the last map that gives a column is the one whose output went on; + 0.0 makes one zero of both
    place = {
        column.tobytes(): (module, number)
        for module, _, out in ran
        for number, column in enumerate(_bits(out.flatten(0, -2) * factor))
    }
    found = []
    for head in activation[:, :, 0].unbind(1):
        places = [place.get(column.tobytes()) for column in _bits(head)]
        modules = {id(one[0]): one[0] for one in places if one is not None}
        if None in places or len(modules) != 1:
            return ()
        numbers = torch.tensor([one[1] for one in places if one is not None], device=activation.device)
        found.append(Columns(next(iter(modules.values())), numbers))
    return tuple(found)


def _bits(values: Float[Tensor, "probe column"]) -> Any:
    """The columns, each as its own row of bytes."""
    return (values + 0.0).T.contiguous().view(torch.uint8).cpu().numpy()


def _is_same(one: Any, other: Tensor) -> bool:
    return isinstance(one, Tensor) and one.shape == other.shape and torch.equal(one, other)
