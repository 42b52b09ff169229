"""Heads that look from a mention to what it refers back to, over words."""

import torch
from jaxtyping import Bool
from torch import Tensor

from interp.roles.guesses import WORD_GUESSES
from interp.types import Batch, Role


def antecedent() -> Role:
    """From the head word of a mention to that of any of its antecedents (Clark et al. 2019, section 4.4)."""
    guesses = (*WORD_GUESSES, "nearest_mention")
    return Role(
        "coref.antecedent", "coreference", "word", "hit", "coreference/antecedent@1", guesses, _antecedent_targets
    )


def _antecedent_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    rows, width = batch.governor.shape
    targets = torch.zeros(rows, width, width, dtype=torch.bool, device=batch.tokens.device)
    targets[batch.antecedent[:, 0], batch.antecedent[:, 1], batch.antecedent[:, 2]] = True
    return targets
