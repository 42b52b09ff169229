"""Heads that follow a dependency relation, over words, in either direction."""

from collections.abc import Iterable
from functools import partial

import torch
from jaxtyping import Bool
from torch import Tensor

from interp.roles.guesses import WORD_GUESSES
from interp.types import Batch, Role


def syntax(relations: Iterable[str]) -> tuple[Role, ...]:
    """Both directions of every relation given."""
    return tuple(role for relation in relations for role in (to_governor(relation), to_dependent(relation)))


def to_governor(relation: str) -> Role:
    """From a dependent to its governor (Clark et al. 2019, section 4.2: dep→head)."""
    targets = partial(_governor_targets, relation=relation)
    return Role(f"{relation}.to_governor", "syntax", "word", "hit", "syntax/to-governor@1", WORD_GUESSES, targets)


def to_dependent(relation: str) -> Role:
    """From a governor to its dependents in the relation, any of them (Voita et al. 2019, section 5.2)."""
    targets = partial(_dependent_targets, relation=relation)
    return Role(f"{relation}.to_dependent", "syntax", "word", "hit", "syntax/to-dependent@1", WORD_GUESSES, targets)


def _governor_targets(batch: Batch, relation: str) -> Bool[Tensor, "batch query key"]:
    index = batch.relations.index(relation) if relation in batch.relations else -2
    governor = torch.where(batch.relation == index, batch.governor, -1)
    return governor[:, :, None] == torch.arange(governor.shape[1], device=governor.device)


def _dependent_targets(batch: Batch, relation: str) -> Bool[Tensor, "batch query key"]:
    return _governor_targets(batch, relation).transpose(1, 2)
