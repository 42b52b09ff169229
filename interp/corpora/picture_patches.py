"""A picture as one model reads it: the words are its patches, named by row and column, in the order of reading."""

from dataclasses import replace
from itertools import product

import numpy as np
from jaxtyping import Int

from interp.errors import InterpError
from interp.types import Corpus, Grid, HeadModel, VisionModel


def as_read_by(model: HeadModel, corpus: Corpus) -> Corpus:
    """The same corpus, its pictures cut into the model's patches.

    Raises `InterpError` for pictures that a model of text is given, and for text that a model of pictures is given.
    """
    grid = model.grid if isinstance(model, VisionModel) else None
    if grid is None and not corpus.has_pictures:
        return corpus
    if grid is None:
        raise InterpError(
            f"The corpus {corpus.name!r} is of pictures, and {model.name!r} reads text. Allowed: a model of pictures "
            "(a ViT: model=local model.path=DIR), or a corpus of text (corpus=text corpus.path=FILE)."
        )
    if any(document.picture is None for document in corpus):
        raise InterpError(
            f"The corpus {corpus.name!r} is of text, and {model.name!r} reads pictures. Allowed: corpus=pictures "
            "corpus.path=FOLDER, or corpus=drawings, which needs no files; or a model of text."
        )
    text, words, spans = patches(grid)
    return replace(corpus, documents=tuple(replace(one, text=text, words=words, spans=spans) for one in corpus))


def patches(grid: Grid) -> tuple[str, tuple[str, ...], Int[np.ndarray, "word 2"]]:
    """`0,0 0,1 … 1,0 …`: the patches' names as a text, as words, and where each stands in the text."""
    rows, columns = grid
    words = tuple(f"{row},{column}" for row, column in product(range(rows), range(columns)))
    ends = np.cumsum([len(word) + 1 for word in words]) - 1
    starts = ends - [len(word) for word in words]
    return " ".join(words), words, np.stack([starts, ends], axis=1).astype(np.int32)
