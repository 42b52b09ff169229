"""Runs the language head at chosen positions only, where it gives each hidden state the same logits wherever it is."""

from typing import Any

from jaxtyping import Bool, Float
from torch import Tensor, nn

from interp.models.hugging_face.layers import answering


class LogitsAt:
    """The language head of a network, whose base model this is, at some positions."""

    def __init__(self, network: Any, base: nn.Module) -> None:
        self._network, self._base = network, base
        self._selects: bool | None = None  # whether the head can run on some positions alone; None until it has to

    def __call__(
        self, inputs: dict[str, Any], out: Any, at: Bool[Tensor, "batch pos"]
    ) -> Float[Tensor, "scored vocab"]:
        """The head's logits at these positions, from what the base model gave: on those alone, if the head can."""
        if self._selects is None:
            self._selects = self._head_selects(inputs, out)
        if self._selects:
            return self._head(inputs, out, out[0][at][None])[0]
        return self._head(inputs, out, out[0])[at]

    def _head_selects(self, inputs: dict[str, Any], out: Any) -> bool:
        """Whether the head gives each hidden state the same logits wherever it stands, seen on one row of a batch."""
        row = out[0][:1]
        expected = self._head(inputs, out, row).repeat_interleave(2, dim=1).float()
        try:
            found = self._head(inputs, out, row.repeat_interleave(2, dim=1)).float()
        except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
            return False
        # rounding may differ with the shape of the batch, in low precision by a percent
        return found.shape == expected.shape and bool((found - expected).abs().max() <= 0.01 * expected.abs().max())

    def _head(self, inputs: dict[str, Any], out: Any, hidden: Tensor) -> Tensor:
        """What the network makes of these hidden states: its own code runs, and the base model answers with them."""
        with answering(self._base, type(out)(last_hidden_state=hidden)):
            return self._network(**inputs).logits
