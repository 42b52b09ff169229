"""How many tokens go through the network together, halved whenever the device has no memory for them."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch

from interp.ablation.fast_engine import TOKENS_AT_ONCE
from interp.devices import tokens_for
from interp.errors import InterpError

Result = TypeVar("Result")

CPU_SAYS = ("can't allocate memory", "not enough memory")
"""torch has no error of its own for the memory of the CPU."""


class Budget:
    """Padded tokens that go through the network together; what did not fit once is not tried again."""

    def __init__(self, tokens: int = TOKENS_AT_ONCE) -> None:
        self.tokens = tokens

    def within(self, work: Callable[[int], Result], smallest: int) -> Result:
        """`work(tokens)`, with half the tokens whenever memory runs out, and a warning that says so.

        `smallest` is one document, which cannot be halved. Raises `InterpError` where even that does not fit.
        """
        while True:
            try:
                with _told_apart():
                    return work(self.tokens)
            except _OutOfMemoryError as error:
                if self.tokens < smallest:
                    raise InterpError(
                        f"There is not enough memory for one document of {smallest} tokens at a time. "
                        "Give shorter documents, a smaller model, or device=cpu."
                    ) from error
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            self.tokens //= 2
            warnings.warn(f"Out of memory: going on with {self.tokens} tokens at a time.", stacklevel=2)


def budget_for(device: torch.device) -> Budget:
    """What fills this device."""
    return Budget(tokens_for(device, TOKENS_AT_ONCE))


class _OutOfMemoryError(Exception):
    pass


@contextmanager
def _told_apart() -> Iterator[None]:
    """Turns what the devices raise when memory runs out into one error."""
    try:
        yield
    except (torch.OutOfMemoryError, MemoryError) as error:
        raise _OutOfMemoryError from error
    except RuntimeError as error:
        if not any(said in str(error) for said in CPU_SAYS):
            raise
        raise _OutOfMemoryError from error
