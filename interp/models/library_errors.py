"""What other libraries raise at a model that they cannot load or run, told as a `ModelError`: one place for all."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from interp.errors import InterpError, ModelError
from interp.text.printable import printable

PASSED = (InterpError, MemoryError, torch.OutOfMemoryError)
"""Errors that already answer, and those that a smaller batch may mend."""

REASON_AT_MOST = 400
"""Characters of a reason that are repeated."""


@contextmanager
def refusing(what: str, advice: str = "") -> Iterator[None]:
    """While it is open, whatever is raised becomes a `ModelError`: `what` failed, the reason and its class, the advice.

    For calls into transformers, TransformerLens, tokenizers, safetensors and the hub, whose errors are of any class.
    The cause is chained, for HYDRA_FULL_ERROR=1.
    """
    try:
        yield
    except PASSED:
        raise
    except BaseException as error:
        # a panic of tokenizers or safetensors, which are written in Rust, is no Exception
        if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
            raise
        said = f"{what}: {reason(error).rstrip('.')} ({type(error).__name__}). {advice}"
        raise ModelError(said.strip()) from error


def reason(error: BaseException | None) -> str:
    """What an error says, on one line and no longer than is read."""
    said = printable(" ".join(str(error or "").split())) or "no reason given"
    return said if len(said) <= REASON_AT_MOST else said[:REASON_AT_MOST] + " …"
