"""The cards of all broad descriptions of heads."""

from interp.roles.definition import Definition

_QUERIES = "special tokens and padding as queries"


def _card(name: str, statistic: str, formula: str, exclusions: str, source: str) -> Definition:
    return Definition(name, "every head", "shape", "token", statistic, formula, exclusions, "none", source)


ENTROPY = _card(
    "shape/entropy@1",
    "nats",
    "mean over queries q of −Σ_k A[q, k] ln A[q, k], over all keys",
    _QUERIES,
    "Clark et al. 2019, section 3.3 (without their smoothing)",
)
DISTANCE = _card(
    "shape/mean-distance@1",
    "tokens",
    "mean over queries q of Σ_k A[q, k] |q − k|",
    _QUERIES,
    "after Vig & Belinkov 2019, section 5.1.3, whose own is shape/distance-without-first@1",
)
DISTANCE_WITHOUT_FIRST = _card(
    "shape/distance-without-first@1",
    "tokens",
    "Σ A[q, k] |q − k| / Σ A[q, k] over all queries q and keys k > 0",
    f"{_QUERIES}; the first token as query and as key",
    "Vig & Belinkov 2019, section 5.1.3, equation 6, first-token attention left out as in section 5.2.3",
)
NULL = _card(
    "shape/null@1",
    "share of attention",
    "mean over queries q of A[q, 0]",
    f"{_QUERIES}, and the first token as its own query",
    "Vig & Belinkov 2019, section 5.2.3: null attention; on a special first token, BOS attention",
)
ENTROPY_WITHOUT_FIRST = _card(
    "shape/entropy-without-first@1",
    "nats",
    "mean over queries q of −Σ_k a_k ln a_k with a_k = A[q, k] / (1 − A[q, 0]) over k > 0",
    f"{_QUERIES}, the first token as query, and queries with more than .90 of their attention on it",
    "Vig & Belinkov 2019, section 5.1.3, equation 7 and footnote 4 (which names no base of the logarithm)",
)
VARIABILITY = _card(
    "shape/variability@1",
    "share of attention",
    "Σ_x Σ_ij |A_x[i, j] − mean over x of A_x[i, j]| / (2 · 10 · number of documents x), i and j < 10",
    "documents of fewer than 10 tokens, special ones included; all tokens but the first 10",
    "after Vig & Belinkov 2019, section 5.1.2, whose own is shape/variability-without-first@1",
)
VARIABILITY_WITHOUT_FIRST = _card(
    "shape/variability-without-first@1",
    "share of attention",
    "Σ_x Σ_ij |A_x[i, j] − mean over x of A_x[i, j]| / (2 Σ_x Σ_ij A_x[i, j]), 0 < j < 10 and i < 10",
    "documents of fewer than 10 tokens, special ones included; all tokens but the first 10; the first token as key",
    "Vig & Belinkov 2019, section 5.1.2, equation 5 and footnotes 1 and 3",
)
CONFIDENCE = _card(
    "shape/confidence@1",
    "share of attention",
    "mean over queries q of max_k A[q, k], over the keys that are no special tokens",
    f"special tokens as keys; {_QUERIES}; queries that see no other key",
    "Voita et al. 2019, section 4 (who leave out the end of the sentence)",
)
_NOT_RARE = (
    "special tokens as queries and keys; documents in which no token has so many more frequent ones in the corpus "
    "(shapes.most_frequent; 500 in the paper)"
)
RAREST = _card(
    "shape/rarest@1",
    "share of documents",
    "share of documents whose token k with the largest Σ_q A[q, k] is the one least frequent in the corpus; tokens "
    "within 1e-6 of the largest share it",
    _NOT_RARE,
    "Voita et al. 2019, section 5.3, where documents are sentences and frequencies those of the training data",
)
RAREST_TWO = _card(
    "shape/rarest-two@1",
    "share of documents",
    "the same, of the two least frequent tokens of the document (repetitions of them included)",
    _NOT_RARE,
    "Voita et al. 2019, section 5.3",
)
_WINDOW = f"{_QUERIES}; keys that the query cannot see, and those further away than the window"

OFFSET = _card(
    "kernel/offset@1",
    "share of attention",
    "mean of A[q, q + o] over the queries q that can see such a key",
    f"{_WINDOW}; cross-attention, whose queries and keys are of two texts",
    "the local kernel: a head that is a convolution has no other attention than its kernel's",
)
MASS = _card(
    "kernel/mass@1",
    "share of attention",
    "mean over queries q of Σ A[q, q + o] over the offsets o of the window",
    _WINDOW,
    "how much of a head its kernel can be",
)
EXPLAINED = _card(
    "kernel/explained@1",
    "share of variance",
    "1 − Σ (A[q, q + o] − kernel(o))² / Σ (A[q, q + o] − mean)² over all pairs in the window",
    f"{_WINDOW}; heads whose attention does not vary at all",
    "how like a convolution a head is: 1 where the offset alone says how much attention a key gets (R², η²)",
)
WIDTH = _card(
    "kernel/width@1",
    "offsets",
    "the smallest number of offsets that hold half of Σ kernel(o)",
    _WINDOW,
    "how wide the kernel is",
)
PEAK = _card("kernel/peak@1", "tokens", "the o with the largest kernel(o)", _WINDOW, "where the kernel is highest")

DEFINITIONS: tuple[Definition, ...] = (
    *(ENTROPY, DISTANCE, DISTANCE_WITHOUT_FIRST, CONFIDENCE, NULL, ENTROPY_WITHOUT_FIRST),
    *(VARIABILITY, VARIABILITY_WITHOUT_FIRST, RAREST, RAREST_TWO),
    *(OFFSET, MASS, EXPLAINED, WIDTH, PEAK),
)
"""Of the tables `shape` and `kernel`."""
