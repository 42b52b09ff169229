"""Heads of cross-attention that follow an alignment: from what is being written to where that stands in the source.

A decoder writes a token at the position before it, so a query here is the position where a token of the target is
written (as in Garg et al. 2019, section 3.1), and its alignment is that of this token.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool
from torch import Tensor

from interp.roles.guesses import CROSS_GUESSES, diagonal
from interp.types import Batch, Role

OFFSETS = (-1, 0, 1)


def cross() -> tuple[Role, ...]:
    """The monotone alignment and its neighbours, and the source's first and last tokens."""
    return (*(on_diagonal(by) for by in OFFSETS), source_first(), source_end())


def on_diagonal(by: int = 0) -> Role:
    """The source token as far into the source as the written one is into the target, or `by` places beside it."""
    name = f"diagonal{by:+d}" if by else "diagonal"
    return _role(name, "cross/diagonal@1", partial(_diagonal_targets, by=by))


def source_first() -> Role:
    """The source's first token, special or not."""
    return _role("source-first", "cross/source-first@1", _first_targets)


def source_end() -> Role:
    """The source's special tokens after its text, or its last token where there is none: where idle heads rest."""
    return _role("source-end", "cross/source-end@1", _end_targets)


def aligned() -> Role:
    """From a word of the target to the words of the source that it is aligned with, by hand or by construction."""
    return Role("aligned", "cross", "word", "hit", "cross/aligned@1", CROSS_GUESSES, _aligned_targets, sites=("cross",))


def _role(name: str, definition: str, targets: Callable[[Batch], Tensor]) -> Role:
    return Role(name, "cross", "token", "mass", definition, ("uniform",), targets, sites=("cross",))


def _diagonal_targets(batch: Batch, by: int) -> Bool[Tensor, "batch query key"]:
    text, source_text = (side.mask & ~side.special for side in (batch.written, batch))
    # the number of each token among those of the text; -1 for special tokens and padding
    written = torch.where(text, text.cumsum(1) - 1, -1)
    here = torch.cat([written[:, 1:], torch.full_like(written[:, :1], -1)], dim=1)
    place = torch.where(source_text, source_text.cumsum(1) - 1, -1)
    aim = diagonal(here, text.sum(1), source_text.sum(1)) + by
    return (aim[:, :, None] == place[:, None, :]) & (here >= 0)[:, :, None] & source_text[:, None, :]


def _first_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    rows, keys = batch.tokens.shape
    first = torch.arange(keys, device=batch.tokens.device) == 0
    return first.expand(rows, batch.written.tokens.shape[1], -1)


def _end_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    rows, keys = batch.tokens.shape
    place = torch.arange(keys, device=batch.tokens.device)
    text = batch.mask & ~batch.special
    last_of_text = torch.where(text, place, -1).amax(1, keepdim=True)
    after = batch.mask & (place > last_of_text)
    last = place == batch.mask.sum(1, keepdim=True) - 1
    end = torch.where(after.any(1, keepdim=True), after, last)
    return end[:, None, :].expand(rows, batch.written.tokens.shape[1], -1)


def _aligned_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    found = torch.zeros(
        len(batch.tokens), batch.written.governor.shape[1], batch.governor.shape[1], dtype=torch.bool,
        device=batch.tokens.device,
    )  # fmt: skip
    if batch.alignment is not None:
        found[tuple(batch.alignment.unbind(1))] = True
    return found
