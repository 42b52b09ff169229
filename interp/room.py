"""How much goes through a device together."""

import torch

ACCELERATED = 8
"""How many times as much goes through an accelerator together: there a processor's cache decides nothing."""


def together(device: torch.device, count: int) -> int:
    """How many tokens (or weights) go through a device together, where `count` fill two cores of a processor."""
    return count if device.type == "cpu" else ACCELERATED * count
