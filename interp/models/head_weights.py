"""Each head's own slices of W_Q, W_K, W_V and W_O, and what a model has to show so that its heads can be laid open."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.errors import ModelError
from interp.models.hugging_face.interface import Ingredients
from interp.types import Batch, Head, HeadModel, HeadOutput, Place, Site

See = Callable[[Site, int, Ingredients], HeadOutput]
"""Sees what one attention layer computes with, and gives what its heads write."""


@dataclass(frozen=True, eq=False)
class HeadWeights:
    """The four matrices of one head, as they act on rows x: q = x W_Q + b_Q, and likewise k and v.

    The head attends from x to y by softmax of `scaling` · q(x) · k(y), and writes Σ a (v W_O). Weights are raw: x is
    what the layer's linear maps read, after the norm in front of them, whose gain is not folded in. Heads that share
    keys and values (grouped queries) each have the slice of their group. At `cross` queries are made of the decoder's
    stream, keys and values of what the encoder gives, which may be of another width.
    """

    query: Float[Tensor, "d_model d_head"]
    key: Float[Tensor, "d_key d_head"]
    value: Float[Tensor, "d_read d_value"]
    output: Float[Tensor, "d_value d_model"]
    query_bias: Float[Tensor, " d_head"] | None
    key_bias: Float[Tensor, " d_head"] | None
    value_bias: Float[Tensor, " d_value"] | None
    scaling: float


@dataclass(frozen=True, eq=False)
class Columns:
    """Some columns of a linear map x W + b, cut out when they are asked for."""

    whole: Float[Tensor, "d_in d_out"]
    whole_bias: Float[Tensor, " d_out"] | None
    columns: Int[Tensor, " d"]

    @property
    def weight(self) -> Float[Tensor, "d_in d"]:
        """The weights that these columns come from."""
        return self.whole[:, self.columns]

    @property
    def bias(self) -> Float[Tensor, " d"] | None:
        """Their biases, if the map has any."""
        return None if self.whole_bias is None else self.whole_bias[self.columns]


@dataclass(frozen=True, eq=False)
class LayerSlices:
    """Where the slices of one attention layer lie, one entry a head, and the norm that the layer reads through."""

    query: Sequence[Columns]
    key: Sequence[Columns]
    value: Sequence[Columns]
    output: Float[Tensor, "head d_value d_model"]
    scaling: float
    norm: nn.Module | None
    """The norm whose output the maps of values read, unchanged; None where there is none, or none is known."""

    def head(self, number: int) -> HeadWeights:
        """The slices of one head."""
        query, key, value = self.query[number], self.key[number], self.value[number]
        return HeadWeights(
            *(query.weight, key.weight, value.weight, self.output[number]),
            *(query.bias, key.bias, value.bias),
            self.scaling,
        )


@runtime_checkable
class HasWeights(HeadModel, Protocol):
    """A model whose heads can be laid open: it shows their weights, and what its layers compute with."""

    def slices(self) -> Mapping[Place, LayerSlices]:
        """The slices of every attention layer, in the order of `heads`.

        Raises `ModelError` where queries, keys or values are no plain linear map of what the layer reads.
        """
        ...

    def see_layers(self, batch: Batch, see: See) -> None:
        """One forward pass that gives no logits; `see` is shown what each layer attends with, and gives its z.

        Keys that are no token (`HasSinks`) come last.
        """
        ...

    def absolute_positions(self, site: Site, length: int) -> Float[Tensor, "pos d_model"] | None:
        """The absolute position embeddings, learned or sinusoidal, of the first places of the stream that a site reads.

        None where there are none, where none are known, and at `cross`: there queries and keys lie in two streams,
        each with embeddings of its own, and a place of the target is no place of the source.
        """
        ...

    def vocabulary_map(self, site: Site) -> Float[Tensor, "d_model d_read"] | None:
        """W_U W_E, from the stream that a site's heads write into to the one that they read, by way of the vocabulary.

        None where nothing of the kind is known, and where the language head does not read that stream (`encoder`) or
        numbers tokens otherwise than the embeddings do.
        """
        ...


def lay_open(model: HeadModel) -> HasWeights:
    """The same model, if its weights, queries, keys and values can be seen. Raises `ModelError` if not."""
    if not isinstance(model, HasWeights):
        raise ModelError(
            f"What the heads of {model.name!r} compute with cannot be laid open here ({type(model).__name__}). "
            "Allowed: models that send their attention through transformers' interface (model.backend=attention), and "
            "modules built on nn.MultiheadAttention (from_module)."
        )
    return model


def head_weights(model: HeadModel, head: Head) -> HeadWeights:
    """The head's own W_Q, W_K, W_V and W_O, raw. For many heads, the model's `slices` once are faster.

    Raises `ModelError` for a head that the model has not, and where the slices cannot be proven.
    """
    if head not in model.heads:
        last = model.heads[-1]
        raise ModelError(
            f"{model.name!r} has no head {tuple(head)}. Allowed: {tuple(model.heads[0])} to {tuple(last)}."
        )
    return lay_open(model).slices()[head.site, head.layer].head(head.head)
