"""The cards of what is explained of a head's attention, and of what explains it."""

from interp.roles.definition import Definition

_CELLS = (
    "p: attention on cells, mean over the tokens of the query, sum over those of a cell, on the held-out split. "
    "Cells: the words that the query sees, itself included, the first special token, all later ones together"
)
_MODEL = (
    "m(k|q) = Σ w_r r(k|q) / Σ w_r over the rules that apply to q; strengths w maximise Σ p log m on the discovery "
    "split (select)"
)
_LEFT_OUT = (
    "special tokens as queries; tokens that belong to no cell, whose attention is left out before (column outside); "
    "documents of fewer than three words; cross-attention. With explain.unit=token words are tokens"
)
_LUCE = "after Luce 1959 (the choice axiom); strengths by minorisation, Hunter 2004, section 3"


def _card(name: str, statistic: str, formula: str, baseline: str) -> Definition:
    return Definition(
        f"explain/{name}@1", "every head", "explain", "word", statistic, f"{formula}. {_CELLS}. {_MODEL}", _LEFT_OUT,
        baseline, _LUCE,
    )  # fmt: skip


DEFINITIONS = (
    _card(
        "explained",
        "share of what there is to explain",
        "(CE(even) − CE(m)) / (CE(even) − H(p)), sums over queries; CE(x) = −Σ p log x",
        "even attention over all cells that are seen",
    ),
    _card(
        "share",
        "share of attention",
        "Σ_q Σ_k p(k) w_r r(k) / Σ_s w_s s(k), divided by the number of queries; s: every rule that applies",
        "none",
    ),
    _card(
        "adds",
        "share of what there is to explain",
        "explained by all rules, less explained by all but those of one family, whose strengths are fitted anew",
        "all other families; with null, the same of relations moved to other words or of shuffled rows",
    ),
)
"""Of the tables `explanations` and `null_explanations`, `shares`, `adds`."""
