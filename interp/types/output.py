"""What a model makes of a batch: hidden states, and logits, whole or some of the vocabulary at a time."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from interp.devices import tokens_for

Result = TypeVar("Result")

PIECE = 2**19
"""Logits of one piece: as many as a processor's cache holds (2 MiB)."""

NARROWEST = 1024
"""Tokens of a piece at least: below that, a product with the weights is no longer as fast as it can be."""


@dataclass(frozen=True, eq=False)
class LogitPieces:
    """Logits that are never whole in memory: what goes into the last linear map of the language head, and that map.

    The map may lie on another device; logits are made there, and given where they are asked for.
    """

    read: Float[Tensor, "scored d_read"]
    weight: Float[Tensor, "vocab d_read"]
    bias: Float[Tensor, " vocab"] | None

    def each(self, of_piece: Callable[[int, Float[Tensor, "scored some_of_vocab"]], Result]) -> list[Result]:
        """What `of_piece` makes of the logits of some tokens, given the first of these, then of those after them.

        Where they are differentiated, a piece is not kept for that but computed once more.
        """
        size = max(NARROWEST, tokens_for(self.read.device, PIECE) // max(1, len(self.read)) // 64 * 64)
        keeps = torch.is_grad_enabled() and self.read.requires_grad

        read = self.read.to(self.weight.device)

        def one(start: int) -> Result:
            bias = None if self.bias is None else self.bias[start : start + size]
            logits = nn.functional.linear(read, self.weight[start : start + size], bias).float()
            return of_piece(start, logits.to(self.read.device))

        starts = range(0, len(self.weight), size)
        return [checkpoint(one, start, use_reentrant=False) if keeps else one(start) for start in starts]

    def rows(self, some: slice | Bool[Tensor, " scored"]) -> "LogitPieces":
        """Those at some of the positions."""
        return replace(self, read=self.read[some])


@dataclass(frozen=True, eq=False)
class Output:
    """What a model made of a batch: final hidden states and, from a trained language head only, logits.

    Logits are at every position or, where `at` is given, at those positions only, row after row. They come whole, or
    where that was asked for in `pieces`.
    """

    hidden: Float[Tensor, "batch pos d_model"]
    logits: Float[Tensor, "batch pos vocab"] | Float[Tensor, "scored vocab"] | None
    at: Bool[Tensor, "batch pos"] | None = None
    pieces: LogitPieces | None = None
