"""Words, and the same words backwards, aligned by construction: the bundled corpus `reversal`, which can be learnt."""

from hashlib import sha256
from random import Random

from interp.corpora.subsets import check_limit
from interp.corpora.text import words_of
from interp.errors import InterpError
from interp.types import Corpus, Document

_NAMED = (
    "apple bell bird boat book bread bridge candle cat chair cloud coat cup dog door egg field fire fish flower garden "
    "gate hand hat hill horse house key lamp leaf letter milk moon mouse nest paper pen ring river road rock rose sand "
    "ship snow spoon star stone sun table tree wall wheel window"
)
WORDS = tuple(_NAMED.split())
"""Every word of the corpus; a text may hold one several times."""

SHORTEST, LONGEST = 4, 12
"""Words of a text."""


def reversal(documents: int = 2000, seed: int = 0, limit: int | None = None) -> Corpus:
    """Distinct texts of random words with their reversals as targets, and every word's alignment, drawn from `seed`.

    `limit` keeps the first so many, and the digest is that of all `documents`. Raises `InterpError` where there would
    be none.
    """
    if documents < 1:
        raise InterpError(f"documents={documents}. Allowed: 1 or more.")
    check_limit(limit)
    random = Random(seed)
    texts: dict[str, None] = {}
    while len(texts) < documents:
        texts[" ".join(random.choices(WORDS, k=random.randint(SHORTEST, LONGEST)))] = None
    digest = sha256("\n".join(texts).encode()).hexdigest()
    kept = tuple(_reversed(text) for text in list(texts)[:limit])
    return Corpus("reversal", kept, digest, generated=True)


def _reversed(text: str) -> Document:
    words = text.split()
    read = words_of(text, text)
    alignment = tuple((place, len(words) - 1 - place) for place in range(len(words)))
    return Document(
        read.source, text, read.words, read.spans, target=words_of(" ".join(words[::-1]), text), alignment=alignment
    )
