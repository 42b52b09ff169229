"""Memory that is written again and again: fresh memory is cold, and takes longer to come by than to be filled."""

import math
from collections.abc import Sequence

import torch
from torch import Tensor


class Buffer:
    """Room for one tensor at a time, kept for the next; what was in it is lost when it is asked for again."""

    def __init__(self) -> None:
        self._kept: Tensor | None = None

    def of(self, shape: Sequence[int], like: Tensor, dtype: torch.dtype) -> Tensor:
        """A tensor of this shape where `like` is, with anything in it."""
        size, kept = math.prod(shape), self._kept
        # torch writes into a tensor of inference mode in no other
        if (
            kept is None
            or (kept.dtype, kept.device) != (dtype, like.device)
            or len(kept) < size
            or (kept.is_inference() and not torch.is_inference_mode_enabled())
        ):
            kept = self._kept = torch.empty(size, dtype=dtype, device=like.device)
        return kept[:size].view(*shape)
