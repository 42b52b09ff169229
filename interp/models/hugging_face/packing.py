"""Documents of a padded batch without their padding, one after another in one row, and back."""

from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.models.hugging_face.interface import Ingredients

WORTH = 0.97
"""Up to which share of real tokens in a batch leaving the others out saves more than it costs."""


@dataclass(frozen=True, eq=False)
class Packing:
    """Where the real tokens of a batch lie among `rows` of `length`; variants of the batch follow one another."""

    index: Int[Tensor, " real"]
    rows: int
    length: int

    def pack(self, padded: Float[Tensor, "padded_row length *rest"]) -> Float[Tensor, "1 real *rest"]:
        """The real tokens of all variants in one row."""
        return (
            padded.unflatten(0, (-1, self.rows))
            .flatten(1, 2)
            .index_select(1, self.index.to(padded.device))
            .flatten(0, 1)[None]
        )

    def unpack(self, packed: Float[Tensor, "1 real *rest"]) -> Float[Tensor, "padded_row length *rest"]:
        """Each document in a row of its own, zeros for padding."""
        variants = packed.shape[1] // len(self.index)
        padded = packed.new_zeros(variants, self.rows * self.length, *packed.shape[2:])
        padded.index_copy_(1, self.index.to(packed.device), packed[0].unflatten(0, (variants, -1)))
        return padded.view(variants * self.rows, self.length, *packed.shape[2:])

    def ingredients(self, packed: Ingredients, mask: Tensor | None) -> Ingredients:
        """What a layer attends with, each document in a row of its own; `mask` is that of the padded batch."""
        query, key, value = (
            self.unpack(one.transpose(1, 2)).transpose(1, 2) for one in (packed.query, packed.key, packed.value)
        )
        if mask is not None and len(mask) == self.rows:
            mask = mask.repeat(len(query) // self.rows, 1, 1, 1)
        return replace(packed, query=query, key=key, value=value, mask=mask)

    def stacked(self, padded: Float[Tensor, "rows length *rest"], variants: int) -> Float[Tensor, "1 real *rest"]:
        """The same real tokens for each of several variants."""
        return self.pack(padded).repeat(1, variants, *[1] * (padded.dim() - 2))

    def inputs(self, inputs: dict[str, Any], variants: int) -> dict[str, Any]:
        """What a network is called with then: its attention goes through `ingredients`, so it needs no mask."""
        tokens, place = (
            one[self.index].repeat(variants)[None]
            for one in (
                inputs["input_ids"].flatten(),
                torch.arange(self.length, device=self.index.device).repeat(self.rows),
            )
        )
        # transformers takes a mask of four axes as it is
        none = torch.zeros(1, 1, 1, 1, device=self.index.device)
        return inputs | {"input_ids": tokens, "position_ids": place, "attention_mask": none}


def packing_of(mask: Bool[Tensor, "batch pos"]) -> Packing | None:
    """How this batch is packed; None where that would save next to nothing."""
    if mask.float().mean() > WORTH:
        return None
    return Packing(mask.flatten().nonzero()[:, 0], *mask.shape)
