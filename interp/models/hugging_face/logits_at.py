"""Runs the language head at chosen positions only, where it gives each hidden state the same logits wherever it is."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from transformers.modeling_outputs import BaseModelOutput

from interp.models.dispatching import is_offloaded
from interp.models.hugging_face.layers import answering, computing
from interp.types import LogitPieces


class LogitsAt:
    """The language head of a network at some positions; `last` is the module whose hidden states it reads.

    An encoder-decoder is read past its `encoder`, which then does not run.
    """

    def __init__(self, network: Any, last: nn.Module, encoder: nn.Module | None = None) -> None:
        self._network, self._last, self._encoder = network, last, encoder
        self.unembedding: Any = network.get_output_embeddings()
        self._selects: bool | None = None  # whether the head can run on some positions alone; None until it has to
        self._is_linear: bool | None = None  # whether it ends in the output embeddings; None until it has to

    def __call__(
        self, inputs: dict[str, Any], out: Any, at: Bool[Tensor, "batch pos"]
    ) -> Float[Tensor, "scored vocab"]:
        """The head's logits at these positions, from what `last` gave: on those alone, if the head can."""
        if self._can_select(inputs, out):
            return self._head(inputs, out, out[0][at][None])[0]
        return self._head(inputs, out, out[0])[at]

    def pieces(self, inputs: dict[str, Any], out: Any, at: Bool[Tensor, "batch pos"]) -> LogitPieces | None:
        """The same in pieces; None where the head does not end in one linear map, the output embeddings.

        Nor where its weights are offloaded: pieces are made after the pass, when they are away again.
        """
        if is_offloaded(self.unembedding):
            return None
        if self._is_linear is None:
            # a bias shows in small logits, a cap on them in large ones
            row = out[0][:1]
            self._is_linear = all(self._ends_in_linear(inputs, out, some) for some in (row, 100 * row))
        if not (self._is_linear and self._can_select(inputs, out)):
            return None
        read = self._read(inputs, out, out[0][at][None])[0]
        return LogitPieces(read, self.unembedding.weight, self.unembedding.bias)

    def _ends_in_linear(self, inputs: dict[str, Any], out: Any, hidden: Tensor) -> bool:
        """Whether these hidden states have the logits that the output embeddings alone give what goes into them."""
        last: Any = self.unembedding
        if not isinstance(last, nn.Linear):
            return False
        read = self._read(inputs, out, hidden).to(last.weight.device)
        found = nn.functional.linear(read, last.weight, last.bias).float()
        return torch.equal(found, self._head(inputs, out, hidden).to(found))

    def _can_select(self, inputs: dict[str, Any], out: Any) -> bool:
        """Whether the head gives each hidden state the same logits wherever it stands, seen on one row of a batch."""
        if self._selects is None:
            row = out[0][:1]
            expected = self._head(inputs, out, row).repeat_interleave(2, dim=1).float()
            try:
                found = self._head(inputs, out, row.repeat_interleave(2, dim=1)).float()
            except (AttributeError, IndexError, RuntimeError, TypeError, ValueError):
                self._selects = False
                return False
            # rounding may differ with the shape of the batch, in low precision by a percent
            close = found.shape == expected.shape and (found - expected).abs().max() <= 0.01 * expected.abs().max()
            self._selects = bool(close)
        return self._selects

    def _head(self, inputs: dict[str, Any], out: Any, hidden: Tensor) -> Tensor:
        """What the network makes of these hidden states: its own code runs, and the base model answers with them."""
        with ExitStack() as stack:
            stack.enter_context(answering(self._last, type(out)(last_hidden_state=hidden)))
            if self._encoder is not None:
                stack.enter_context(answering(self._encoder, BaseModelOutput(hidden)))
            return self._network(**inputs).logits

    def _read(self, inputs: dict[str, Any], out: Any, hidden: Tensor) -> Tensor:
        """What goes into the output embeddings then."""
        return input_of(self.unembedding, lambda: self._head(inputs, out, hidden))


def input_of(module: nn.Module, run: Callable[[], object]) -> Tensor:
    """What goes into the module, the first time that it is called in this run, which is left there."""

    def leave(given: Tensor) -> Tensor:
        raise _ReachedError(given)

    with computing(module, leave):
        try:
            run()
        except _ReachedError as reached:
            return reached.given
    raise AssertionError("The run never came to the module.")


class _ReachedError(Exception):
    def __init__(self, given: Tensor) -> None:
        super().__init__()
        self.given = given
