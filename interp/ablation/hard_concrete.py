"""Hard-concrete gates: numbers between 0 and 1 that are often exactly 0 or 1, and can be trained (Louizos et al. 2018).

A gate has one parameter, log α. Sampled, it is min(1, max(0, s̄)) with s̄ = s(ζ − γ) + γ and
s = σ((log u − log(1 − u) + log α) / β), u uniform (section 2.2, equations 10 and 11).
"""

import math

import torch
from jaxtyping import Float
from torch import Tensor

TEMPERATURE = 2 / 3
"""β: the smaller, the more often a gate is 0 or 1."""

LOW, HIGH = -0.1, 1.1
"""γ and ζ: what is stretched beyond 0 and 1 and cut there."""


def sampled_gates(
    log_alpha: Float[Tensor, " head"], uniform: Float[Tensor, "document head"]
) -> Float[Tensor, "document head"]:
    """A gate for every head and document, from numbers between 0 and 1 (both left out)."""
    return _stretched(torch.sigmoid((uniform.logit() + log_alpha) / TEMPERATURE))


def open_probability(log_alpha: Float[Tensor, " head"]) -> Float[Tensor, " head"]:
    """P(gate > 0) = σ(log α − β log(−γ/ζ)) (equation 12); its sum is the expected number of open gates."""
    return torch.sigmoid(log_alpha - TEMPERATURE * math.log(-LOW / HIGH))


def fixed_gates(log_alpha: Float[Tensor, " head"]) -> Float[Tensor, " head"]:
    """The gates without noise, for when training is over (equation 13); above one half where log α > 0."""
    return _stretched(torch.sigmoid(log_alpha))


def _stretched(gate: Tensor) -> Tensor:
    return (gate * (HIGH - LOW) + LOW).clamp(0, 1)
