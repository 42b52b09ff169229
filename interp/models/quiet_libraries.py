"""Turns off the logging and progress bars of transformers and TransformerLens, and keeps the random state."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

import torch
import transformers


@contextmanager
def quietly() -> Iterator[None]:
    """transformers and TransformerLens report on stderr what is of no use here (bars, unused poolers).

    They also draw weights that are then replaced: the global random generator is left as it was.
    """
    root, verbosity = logging.getLogger(), transformers.logging.get_verbosity()
    level, bars = root.level, transformers.logging.is_progress_bar_enabled()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    root.setLevel(logging.ERROR)
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        transformers.logging.set_verbosity(verbosity)
        root.setLevel(level)
        if bars:
            transformers.logging.enable_progress_bar()
