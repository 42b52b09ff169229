"""Heads that attend by position alone (Voita et al. 2019, section 5.1; Clark et al. 2019, section 3.1), over tokens."""

from collections.abc import Callable
from functools import partial

import torch
from jaxtyping import Bool
from torch import Tensor

from interp.roles.definition import Definition
from interp.types import Batch, Role

OFFSETS = (-3, -2, -1, 1, 2, 3)


def positional() -> tuple[Role, ...]:
    """Neighbours up to three tokens away, the first token, later special tokens, and the token itself."""
    return (*(offset(by) for by in OFFSETS), self_token(), first(), separator())


def offset(by: int) -> Role:
    """The token `by` places away; `offset-1` is the previous-token head."""
    return _role(f"offset{by:+d}", "positional/offset@1", partial(_offset_targets, by=by))


def variants() -> tuple[Role, ...]:
    """Voita's positional heads: where the largest attention falls, special tokens aside."""
    return tuple(largest_at(by) for by in OFFSETS)


def largest_at(by: int) -> Role:
    """The token `by` places away has the largest attention of all (Voita et al. 2019: in 90 % of cases)."""
    targets = partial(_own_offset_targets, by=by)
    name, definition = f"offset{by:+d}.largest", "positional/offset-largest@1"
    return Role(name, "positional", "token", "hit", definition, ("uniform",), targets, view="own")


def self_token() -> Role:
    """The token itself: the only role whose query is its own target."""
    return _role("self", "positional/self@1", partial(_offset_targets, by=0), reflexive=True)


def first() -> Role:
    """The first token of the input, special or not: where idle heads of causal models rest."""
    return _role("first", "positional/first@1", _first_targets)


def separator() -> Role:
    """Special tokens after the first: where idle heads of BERT rest (Clark et al. 2019, section 3.2)."""
    return _role("separator", "positional/separator@1", _separator_targets)


def _role(name: str, definition: str, targets: Callable[[Batch], Tensor], *, reflexive: bool = False) -> Role:
    return Role(name, "positional", "token", "mass", definition, ("uniform",), targets, reflexive)


def _offset_targets(batch: Batch, by: int) -> Bool[Tensor, "batch query key"]:
    place = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)
    return (place[None, :] == place[:, None] + by).expand(len(batch.tokens), -1, -1)


def _own_offset_targets(batch: Batch, by: int) -> Bool[Tensor, "batch query key"]:
    return _offset_targets(batch, by) & ~batch.special[:, None, :]


def _first_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    size = batch.tokens.shape[1]
    return (torch.arange(size, device=batch.tokens.device) == 0).expand(len(batch.tokens), size, -1)


def _separator_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    later = batch.special.clone()
    later[:, 0] = False
    return later[:, None, :].expand(-1, batch.tokens.shape[1], -1)


def _card(name: str, role: str, targets: str, exclusions: str, source: str) -> Definition:
    formula = f"Mean over query tokens q of Σ A[q, k] over {targets}."
    queries = "Special tokens are no queries; padding is neither query nor key."
    baseline = "uniform: targets ÷ visible keys."
    return Definition(
        f"positional/{name}@1",
        role,
        "positional",
        "token",
        "mass",
        formula,
        f"{queries} {exclusions}",
        baseline,
        source,
    )


DEFINITIONS = (
    _card(
        "offset",
        "offset−3 … offset+3",
        "k = q + offset, special tokens counted",
        "No query where there is no such visible token.",
        "Voita et al. 2019, section 5.1 (who ask for the largest weight in 90 % of tokens); Clark et al. 2019, "
        "section 3.1.",
    ),
    Definition(
        "positional/offset-largest@1",
        "offset−3.largest … offset+3.largest",
        "positional",
        "token",
        "hit",
        "Share of query tokens q whose argmax over k of A[q, k] is q + offset; tokens within 1e-6 of the largest share "
        "the hit. Voita's positional heads have .90 or more.",
        "Special tokens are neither queries nor keys (Voita et al. leave out the end of the sentence); no query where "
        "there is no such visible token, or it is special.",
        "uniform: targets ÷ visible keys that are no special tokens.",
        "Voita et al. 2019, section 5.1.",
    ),
    _card(
        "self",
        "self",
        "k = q",
        "No query where only one key is visible.",
        "Clark et al. 2019, section 3.1.",
    ),
    _card(
        "first",
        "first",
        "k = 0, the first token, special or not",
        "The first token itself is no query.",
        "Vig & Belinkov 2019 (null attention); Clark et al. 2019, section 3.2 ([CLS]).",
    ),
    _card(
        "separator",
        "separator",
        "k that are special tokens after the first",
        "No query where there is no such visible token.",
        "Clark et al. 2019, section 3.2 ([SEP]).",
    ),
)
