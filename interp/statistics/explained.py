"""How much of a head's attention competing rules explain on documents that they were not fitted on, and which do."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_matrix

from interp.statistics.competing_rules import NOTHING, by_parts, fit_strengths, log_likelihood

ENOUGH = 0.01
"""A card ends where the next rule explains less than this more."""
EVEN = 1e-5
"""Nats per query: attention that is no further from even has nothing to explain; float32 rounds it so."""
MOST_RULES = 5
STRENGTHS = (0.02, 0.06, 0.2, 0.6, 2.0)
"""Of a candidate beside the rules of a card, whose strengths add up to 1."""


@dataclass(frozen=True, eq=False)
class CrossEntropies:
    """Sums over the queries of each block, in nats: of even attention, of the model, and the entropy of the attention.

    `n[b]` counts the queries. What is explained is (uniform − model) ÷ (uniform − entropy), sums over blocks.
    """

    n: Int[np.ndarray, " block"]
    uniform: Float[np.ndarray, "head block"]
    model: Float[np.ndarray, "head block"]
    entropy: Float[np.ndarray, "head block"]

    @property
    def could(self) -> Float[np.ndarray, "head block"]:
        """What there is to explain: uniform − entropy. NaN of a head whose attention is even but for rounding."""
        could = self.uniform - self.entropy
        is_even = could.sum(axis=1) <= EVEN * max(int(self.n.sum()), 1)
        return np.where(is_even[:, None], np.nan, could)

    @property
    def explained(self) -> Float[np.ndarray, " head"]:
        """1: as well as any model could; 0: no better than even attention; below 0: worse. NaN where p is even."""
        return (self.uniform - self.model).sum(axis=1) / self.could.sum(axis=1)


def cross_entropies(
    answers: csr_matrix,
    applies: csr_matrix,
    attention: Float[np.ndarray, "entry head"],
    strength: Float[np.ndarray, "rule head"],
    query: Int[np.ndarray, " entry"],
    block: Int[np.ndarray, " query"],
    blocks: int,
) -> CrossEntropies:
    """Of these strengths on these queries; `query` counts from 0 within them, `block[q]` is below `blocks`."""
    heads = attention.shape[1]
    model, entropy, uniform = (np.zeros((heads, blocks)) for _ in range(3))
    cells = np.bincount(query, minlength=len(block))
    of_block = csr_matrix((np.ones(len(query)), (block[query], np.arange(len(query)))), shape=(blocks, len(query)))
    even = csr_matrix((np.log(cells[query]), (block[query], np.arange(len(query)))), shape=(blocks, len(query)))

    def score(some: slice) -> None:
        p = attention[:, some].astype(np.float64)
        given = _log(answers @ strength[:, some]) - _log(applies @ strength[:, some])[query]
        model[some] = -(of_block @ (p * given)).T
        entropy[some] = -(of_block @ (p * _log(p))).T
        uniform[some] = (even @ p).T

    by_parts(score, heads)
    return CrossEntropies(np.bincount(block, minlength=blocks), uniform, model, entropy)


def responsibilities(
    answers: csr_matrix,
    attention: Float[np.ndarray, "entry head"],
    strength: Float[np.ndarray, "rule head"],
    entry_block: Int[np.ndarray, " entry"],
    blocks: int,
) -> Float[np.ndarray, "rule head block"]:
    """Σ p(k) w_r r(k) ÷ Σ_s w_s s(k) over the entries of each block: the attention that each rule accounts for."""
    found = np.zeros((*strength.shape, blocks))
    for block in np.unique(entry_block):
        here = entry_block == block
        of_block, p = answers[here], attention[here].astype(np.float64)
        found[:, :, block] = strength * (of_block.T @ (p / np.maximum(of_block @ strength, NOTHING)))
    return found


def greedy_rules(
    answers: csr_matrix,
    applies: csr_matrix,
    attention: Float[np.ndarray, "entry head"],
    could: Float[np.ndarray, " head"],
    base: int,
    *,
    most: int = MOST_RULES,
) -> tuple[list[list[tuple[int, float]]], Float[np.ndarray, "rule head"]]:
    """For every head the rules that explain it best, one after the other, each with what is explained with it;
    and the strengths of the last model of each head, which has the base and these rules.

    The first model has rule `base` alone, which names all cells. Candidates are compared at five strengths of their
    own beside the rules that are there; then all are fitted. A head's list ends where that explains less than .01 more,
    or with `most` rules. `could` is what there is to explain, uniform less entropy, in nats per query.
    """
    rules, heads = len(answers.getnnz(axis=0)), attention.shape[1]
    allowed = np.zeros((rules, heads), dtype=bool)
    allowed[base] = True
    first = log_likelihood(answers[:, [base]], applies[:, [base]], attention, np.ones((1, heads)))
    explained, found = np.zeros(heads), [[] for _ in range(heads)]
    strength, going = allowed.astype(np.float64), np.arange(heads)
    for _ in range(most):
        gains = candidate_gains(answers, applies, attention[:, going], strength[:, going])
        gains[allowed[:, going]] = -np.inf
        chosen = gains.argmax(axis=0)
        trial = allowed[:, going].copy()
        trial[chosen, np.arange(len(going))] = True
        union = np.flatnonzero(trial.any(axis=1))
        fit = fit_strengths(
            answers[:, union], applies[:, union], attention[:, going], trial[union], gain=1e-5, most_steps=200
        )
        likelihood = log_likelihood(answers[:, union], applies[:, union], attention[:, going], fit.strength)
        now = np.divide(likelihood - first[going], could[going], out=np.zeros(len(going)), where=could[going] > 0)
        adds = now - explained[going] >= ENOUGH
        for place in np.flatnonzero(adds):
            head = going[place]
            found[head].append((int(chosen[place]), float(now[place])))
            allowed[chosen[place], head] = True
            explained[head] = now[place]
            strength[:, head] = 0
            strength[union, head] = fit.strength[:, place]
        going = going[adds]
        if not len(going):
            break
    return found, strength


def candidate_gains(
    answers: csr_matrix,
    applies: csr_matrix,
    attention: Float[np.ndarray, "entry head"],
    strength: Float[np.ndarray, "rule head"],
) -> Float[np.ndarray, "rule head"]:
    """What each rule would add to Σ p log m, in nats, at the best of five strengths beside these."""
    by_rule, applied = answers.tocsc(), applies.tocsc()
    gains = np.zeros(strength.shape)

    def compare(some: slice) -> None:
        p = attention[:, some].astype(np.float64)
        given, total = answers @ strength[:, some], applies @ strength[:, some]
        for rule in range(len(gains)):
            entries = slice(by_rule.indptr[rule], by_rule.indptr[rule + 1])
            rows, share = by_rule.indices[entries], by_rule.data[entries][:, None]
            queries = applied.indices[applied.indptr[rule] : applied.indptr[rule + 1]]
            more, less = share / np.maximum(given[rows], NOTHING), 1 / np.maximum(total[queries], NOTHING)
            weights = p[rows]
            each = [
                np.einsum("eh,eh->h", weights, np.log1p(one * more)) - np.log1p(one * less).sum(axis=0)
                for one in STRENGTHS
            ]
            gains[rule, some] = np.max(each, axis=0)

    by_parts(compare, attention.shape[1])
    return gains


def without(rules_of_family: Bool[np.ndarray, " rule"], heads: int) -> Bool[np.ndarray, "rule head"]:
    """All rules but those of a family, for every head."""
    return np.repeat(~rules_of_family[:, None], heads, axis=1)


def _log(values: Float[np.ndarray, "row head"]) -> Float[np.ndarray, "row head"]:
    return np.log(np.maximum(values, NOTHING))
