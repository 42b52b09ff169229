"""Coloured discs and boxes on a coloured ground: the generated corpus `drawings`, for models of pictures."""

from hashlib import sha256

import numpy as np

from interp.corpora.pictures import picture_document
from interp.corpora.subsets import check_limit
from interp.errors import InterpError
from interp.types import Corpus, Picture

SIZE = 96
"""Points along each side of a picture."""

MOST = 5
"""Shapes of a picture; the fewest are one."""


def drawings(documents: int = 500, seed: int = 0, limit: int | None = None) -> Corpus:
    """Pictures of one to five shapes, drawn from `seed`; each is its own source.

    `limit` keeps the first so many, and the digest is that of all `documents`. Raises `InterpError` where there would
    be none.
    """
    if documents < 1:
        raise InterpError(f"documents={documents}. Allowed: 1 or more.")
    check_limit(limit)
    rng = np.random.default_rng(seed)
    drawn = [_drawn(rng) for _ in range(documents)]
    digest = sha256(b"".join(picture.tobytes() for picture in drawn)).hexdigest()
    kept = tuple(picture_document(picture, f"drawings {seed}.{number}") for number, picture in enumerate(drawn[:limit]))
    return Corpus("drawings", kept, digest, generated=True)


def _drawn(rng: np.random.Generator) -> Picture:
    row, column = np.mgrid[:SIZE, :SIZE]
    picture = np.empty((SIZE, SIZE, 3), dtype=np.uint8)
    picture[:] = rng.integers(256, size=3)
    for _ in range(rng.integers(1, MOST + 1)):
        down, across = np.abs(row - rng.integers(SIZE)), np.abs(column - rng.integers(SIZE))
        reach = rng.integers(SIZE // 16, SIZE // 3)
        inside = down**2 + across**2 <= reach**2 if rng.random() < 0.5 else np.maximum(down, across) <= reach
        picture[inside] = rng.integers(256, size=3)
    return picture
