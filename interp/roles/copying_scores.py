"""One head, many scores: how papers and tools put a number to previous-token, duplicate and induction heads.

All are of one document whose tokens repeat after a period of p tokens: A[q, k] is a head's attention, L the number of
tokens, special ones included. The same perfect induction head scores .495 by one and 1 by another.
"""

from itertools import product

from interp.roles.definition import Definition

_DOCUMENTS = "mean over documents of"
_PATTERN = {
    "previous": "P[q, k] = 1 where k = q − 1",
    "duplicate": "P[q, k] = 1 where k < q and token(k) = token(q)",
    "induction": "P[q, k] = 1 where k ≤ q and token(k − 1) = token(q) with k − 1 < q",
}
_BACK = {"previous": "1", "duplicate": "p", "induction": "(p − 1)"}
_TARGET = {
    "duplicate": "token(k) = token(q), k < q",
    "induction": "token(k − 1) = token(q), k < q",
}
_TL = "TransformerLens 4.3, transformer_lens.head_detector.detect_head"
_ARENA = "ARENA 3.0, chapter 1.2 (attention head detectors; threshold .4)"
_ROLES = {"previous": "offset-1", "duplicate": "duplicate", "induction": "induction"}


def identifier(kind: str, variant: str) -> str:
    """The definition id of a variant, such as `copying/induction-tl-mul@1`."""
    return f"copying/{kind}-{variant}@1"


def _card(kind: str, variant: str) -> Definition:
    formula, exclusions, source = {
        "tl-mul": (
            f"{_DOCUMENTS} Σ A ⊙ P / Σ A; {_PATTERN[kind]}",
            "nothing: rows without any P, and attention to the first token (the sink), count in Σ A",
            f'{_TL}, error_measure="mul"',
        ),
        "tl-mul-no-first": (
            f"{_DOCUMENTS} Σ A ⊙ P / Σ A with A[:, 0] = 0; {_PATTERN[kind]}",
            "attention to the first token; 0 where a head has no other (there TransformerLens gives NaN)",
            f'{_TL}, error_measure="mul", exclude_bos=True',
        ),
        "tl-abs": (
            f"{_DOCUMENTS} 1 − Σ |A − P| / L; {_PATTERN[kind]}",
            "models that are not causal, which TransformerLens refuses",
            f'{_TL}, error_measure="abs", without its rounding to three digits',
        ),
        "diagonal": (
            f"{_DOCUMENTS} the mean of A[q, q − {_BACK[kind]}] over all q that have such a key",
            "nothing: rows of special tokens and rows before the repetition are in the mean",
            _ARENA if kind != "duplicate" else f"the diagonal of {_ARENA}, for duplicates",
        ),
        "valid-rows": (
            f"{_DOCUMENTS} the mean of A[q, q − {_BACK[kind]}] over the q that have that target",
            "special tokens as queries"
            + ("" if kind == "previous" else "; queries of the first period, which have no target"),
            "the diagonal over the rows that can be right",
        ),
        "row-mass": (
            f"{_DOCUMENTS} the mean over q of Σ A[q, k] over its targets k; {_TARGET.get(kind)}",
            "special tokens; queries without a target",
            "after Olsson et al. 2022: the attention of a row on all its targets, which is how much of it matches",
        ),
        "entry-mean": (
            f"{_DOCUMENTS} the mean of A[q, k] over all pairs of a query and a target; {_TARGET.get(kind)}",
            "special tokens; queries without a target",
            "Olsson et al. 2022, prefix matching to the letter: the average of all such entries (where their text has "
            "'preceded', 'followed' is meant)",
        ),
    }[variant]
    return Definition(
        identifier(kind, variant), _ROLES[kind], "copying", "token", "variant", formula, exclusions, "none", source
    )


VARIANTS = ("tl-mul", "tl-mul-no-first", "tl-abs", "diagonal", "valid-rows", "row-mass", "entry-mean")
"""In the order of tables and figures."""

KINDS: tuple[tuple[str, str], ...] = tuple(
    (kind, variant)
    for kind, variant in product(_ROLES, VARIANTS)
    # a row has one previous token: its mass, and the mean over entries, are the valid rows
    if kind != "previous" or variant not in ("row-mass", "entry-mean")
)
"""Every (kind of head, variant) that is measured."""

DEFINITIONS: tuple[Definition, ...] = tuple(_card(*pair) for pair in KINDS)
"""The cards of all variants."""
