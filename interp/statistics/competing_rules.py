"""How rules share a head's attention: each has a strength, and those that apply to a query compete (Luce 1959).

On query q the model gives cell k m(k|q) = Σ w_r r(k|q) / Σ w_r, both sums over the rules that apply to q, where rule r
spreads its part evenly over the cells that it names. Strengths w_r ≥ 0 maximise Σ_q Σ_k p(k|q) log m(k|q), p being the
head's attention, by steps that never lower it (minorisation: Hunter 2004, section 3).
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_matrix

GAIN = 1e-6
"""Nats per query: where a step gains less, strengths stand."""
MOST_STEPS = 500
HEADS_AT_ONCE = 24
"""So many heads' numbers lie in a cache together."""
THREADS = 2
NOTHING = 1e-300
"""Strengths may become too small for a number, where a head gives nothing to any cell of their rules."""


@dataclass(frozen=True, eq=False)
class Fit:
    """Strengths of every head's rules, which add up to 1, and after how many steps they stood."""

    strength: Float[np.ndarray, "rule head"]
    steps: Int[np.ndarray, " head"]


def fit_strengths(
    answers: csr_matrix,
    applies: csr_matrix,
    attention: Float[np.ndarray, "entry head"],
    allowed: Bool[np.ndarray, "rule head"] | None = None,
    *,
    gain: float = GAIN,
    most_steps: int = MOST_STEPS,
) -> Fit:
    """The strengths of all rules, or of those that are `allowed` each head, from equal ones on.

    `answers[e, r]` is what rule r gives the cell of entry e, `applies[q, r]` is 1 where it names any cell for query q;
    some allowed rule must give every entry something, as one that names all cells does. Heads are fitted apart.
    """
    rules, heads = len(answers.getnnz(axis=0)), attention.shape[1]
    start = np.ones((rules, heads)) if allowed is None else allowed.astype(np.float64)
    start /= start.sum(axis=0)
    turned = answers.T.tocsr(), applies.T.tocsr()
    strength, steps = np.empty((rules, heads)), np.empty(heads, dtype=np.int64)

    def fit(some: slice) -> None:
        strength[:, some], steps[some] = _fitted(
            answers, applies, turned, attention[:, some].astype(np.float64), start[:, some], gain, most_steps
        )

    by_parts(fit, heads)
    return Fit(strength, steps)


def log_likelihood(
    answers: csr_matrix,
    applies: csr_matrix,
    attention: Float[np.ndarray, "entry head"],
    strength: Float[np.ndarray, "rule head"],
) -> Float[np.ndarray, " head"]:
    """Σ p log m per query, in nats: minus the cross-entropy."""
    return _likelihood(attention, answers @ strength, applies @ strength)


def modelled(
    answers: csr_matrix,
    applies: csr_matrix,
    strength: Float[np.ndarray, "rule head"],
    query: Int[np.ndarray, " entry"],
) -> Float[np.ndarray, "entry head"]:
    """m(k|q) of every entry, which adds up to 1 over the entries of a query; `query[e]` is the row of `applies`.

    NaN where no rule that applies to the query has any strength.
    """
    total = (applies @ strength)[query]
    return np.divide(answers @ strength, total, out=np.full(total.shape, np.nan), where=total > 0)


def by_parts(do: Callable[[slice], None], heads: int) -> None:
    """A function of some heads, for all heads: a few at a time, on as many threads as pay."""
    parts = [slice(first, min(first + HEADS_AT_ONCE, heads)) for first in range(0, heads, HEADS_AT_ONCE)]
    with ThreadPoolExecutor(THREADS) as threads:
        for done in [threads.submit(do, part) for part in parts]:
            done.result()


def _fitted(
    answers: csr_matrix,
    applies: csr_matrix,
    turned: tuple[csr_matrix, csr_matrix],
    attention: Float[np.ndarray, "entry head"],
    strength: Float[np.ndarray, "rule head"],
    gain: float,
    most_steps: int,
) -> tuple[Float[np.ndarray, "rule head"], Int[np.ndarray, " head"]]:
    """Heads whose strengths stand are left out of further steps."""
    found, steps = strength.copy(), np.full(strength.shape[1], most_steps)
    going, last = np.arange(strength.shape[1]), np.full(strength.shape[1], -np.inf)
    for step in range(most_steps + 1):
        given, total = answers @ strength, applies @ strength
        now = _likelihood(attention, given, total)
        stands = now - last < gain
        if stands.any():
            found[:, going[stands]], steps[going[stands]] = strength[:, stands], step
            goes = ~stands
            going, now, strength = going[goes], now[goes], strength[:, goes]
            attention, given, total = attention[:, goes].copy(), given[:, goes], total[:, goes]
        if not len(going) or step == most_steps:
            break
        last = now
        explained = turned[0] @ np.divide(attention, np.maximum(given, NOTHING), out=given)
        competed = turned[1] @ np.reciprocal(np.maximum(total, NOTHING), out=total)
        strength = strength * explained / np.maximum(competed, NOTHING)
        strength /= strength.sum(axis=0)
    found[:, going] = strength
    return found, steps


def _likelihood(
    attention: Float[np.ndarray, "entry head"],
    given: Float[np.ndarray, "entry head"],
    total: Float[np.ndarray, "query head"],
) -> Float[np.ndarray, " head"]:
    """The parts of a query's attention add up to 1, so the total counts once."""
    on_cells = np.einsum("eh,eh->h", attention, np.log(np.maximum(given, NOTHING)))
    return (on_cells - np.log(np.maximum(total, NOTHING)).sum(axis=0)) / len(total)
