"""Heads of cross-attention that follow an alignment: from what is being written to where that stands in the source.

A decoder writes a token at the position before it, so a query here is the position where a token of the target is
written (as in Garg et al. 2019, section 3), and its alignment is that of this token.
"""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool
from torch import Tensor

from interp.roles.baselines import CROSS_BASELINES, diagonal
from interp.roles.definition import Definition
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
    return Role(
        "aligned", "cross", "word", "hit", "cross/aligned@1", CROSS_BASELINES, _aligned_targets, sites=("cross",)
    )


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


_WRITTEN = (
    "Queries are the positions of the decoder at which a token of the target is written, special ones left out; "
    "keys are the tokens of the source."
)


def _card(name: str, role: str, targets: str, source: str) -> Definition:
    formula = f"Mean over queries q of Σ A[q, k] over {targets}."
    return Definition(
        f"cross/{name}@1", role, "cross", "token", "mass", formula, _WRITTEN, "uniform: targets ÷ visible keys.", source
    )


DEFINITIONS = (
    _card(
        "diagonal",
        "diagonal−1, diagonal, diagonal+1",
        "k = ⌊(i + ½) S / T⌋ (or the one beside it), for the i-th of T tokens written and S of the source, special "
        "ones not counted",
        "This project; the diagonal of monotone alignments as in Dyer et al. 2013.",
    ),
    _card("source-first", "source-first", "k = 0, the first token of the source, special or not", "This project."),
    _card(
        "source-end",
        "source-end",
        "special tokens k after the text of the source, or its last token where there is none",
        "This project, after Clark et al. 2019, section 3.2 ([SEP]).",
    ),
    Definition(
        "cross/aligned@1",
        "aligned",
        "cross",
        "word",
        "hit",
        "Share of words w of the target whose argmax over words v of the source of A_w[w, v] is aligned with w. "
        "A_w[w, v]: mean over the positions that write the tokens of w, sum over the tokens of v. Candidates within "
        "1e-6 of the largest share the hit.",
        f"{_WRITTEN} Words without an alignment, and source texts of one word.",
        "The best on the discovery split (select) of: the word on the diagonal or one or two beside it, the "
        "first, the last, the words "
        "with most tokens.",
        "Garg et al. 2019, section 3.",
    ),
)
