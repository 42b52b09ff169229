"""Random tokens, and the same again: what heads that copy are found on (Olsson et al. 2022; Wang et al. 2023, app. H).

No text is ever written and cut again, which could give other tokens than were meant: a document says which of its
tokens are the same, and each model draws them from its own vocabulary.
"""

from hashlib import sha256

import numpy as np

from interp.corpora.subsets import check_limit
from interp.errors import InterpError
from interp.types import Corpus, Document


def repeats(length: int = 50, times: int = 2, documents: int = 200, seed: int = 0, limit: int | None = None) -> Corpus:
    """Documents of `length` different random tokens, the sequence `times` times, each drawn anew from `seed`.

    `limit` keeps the first so many. Raises `InterpError` where nothing would repeat, or there would be no document.
    """
    for name, given, least in (("length", length, 2), ("times", times, 2), ("documents", documents, 1)):
        if given < least:
            raise InterpError(f"{name}={given}. Allowed: {least} or more.")
    check_limit(limit)
    symbols = np.tile(np.arange(length), times)
    sources = [f"repeats {length}×{times}, seed {seed}, {number}" for number in range(documents)]
    digest = sha256("\n".join(sources).encode()).hexdigest()
    nowhere = np.empty((0, 2), dtype=np.int32)
    kept = tuple(Document(source, "", (), nowhere, symbols=symbols) for source in sources[:limit])
    note = f"documents are {length} different tokens of the model's own vocabulary, {times} times; no text is cut"
    return Corpus("repeats", kept, digest, generated=True, notes=(note,))
