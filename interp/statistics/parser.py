"""A log-linear parser: each word chooses its governor, p(c) ∝ exp of a sum of weighted features (Clark et al. 2019).

Weights maximise the log-likelihood of the governors by Adam (Kingma & Ba 2015) on all words at once, from zero on;
what is kept are the weights that do best on words that no gradient came from. Nothing is drawn at random.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_matrix

from interp.errors import InterpError

RATE = 0.1
FIRST_MOMENT, SECOND_MOMENT, SMALL = 0.9, 0.999, 1e-8
"""Adam's own settings."""
MOST_STEPS = 1_000
PATIENCE = 30
"""Steps without a gain on the held-out words after which weights stand."""
GAIN = 1e-5
"""Nats per word: less is no gain."""

Features = Sequence[np.ndarray | csr_matrix]
"""Columns of features of every choice, in parts: dense ones of attention, sparse ones of words and distances."""


@dataclass(frozen=True, eq=False)
class Choices:
    """The candidates of some words: features, the word that each is of (sorted, from 0), and which are governors."""

    features: Features
    dependent: Int[np.ndarray, " choice"]
    gold: Bool[np.ndarray, " choice"]

    @property
    def starts(self) -> Int[np.ndarray, " dependent"]:
        """The first candidate of each word."""
        return np.flatnonzero(np.diff(self.dependent, prepend=-1))

    @property
    def columns(self) -> list[int]:
        """How many columns each part of the features has."""
        shapes: list[Any] = [one.shape for one in self.features]
        return [int(columns) for _, columns in shapes]


@dataclass(frozen=True, eq=False)
class Weights:
    """A weight for every column, in the parts of the features; and after how many steps they were the best."""

    parts: list[Float[np.ndarray, " _"]]
    steps: int


def fit_parser(fitted: Choices, held_out: Choices) -> Weights:
    """Weights fitted on some words, and stopped by others.

    Raises `InterpError` where either has no word, or a feature is NaN or infinite.
    """
    for part, name in ((fitted, "fit weights on"), (held_out, "stop by")):
        if not len(part.gold):
            raise InterpError(f"There is no word to {name}. Allowed: documents of more sources.")
        if not all(np.isfinite(_values(one)).all() for one in part.features):
            raise InterpError("A feature of the parser is NaN or infinite. Allowed: finite attention.")
    weights = [np.zeros(columns) for columns in fitted.columns]
    first, second = ([np.zeros_like(one) for one in weights] for _ in range(2))
    best, best_at, kept = mean_log_probability(held_out, weights), 0, [one.copy() for one in weights]
    for step in range(1, MOST_STEPS + 1):
        for place, gradient in enumerate(_gradient(fitted, weights)):
            first[place] = FIRST_MOMENT * first[place] + (1 - FIRST_MOMENT) * gradient
            second[place] = SECOND_MOMENT * second[place] + (1 - SECOND_MOMENT) * np.square(gradient)
            mean = first[place] / (1 - FIRST_MOMENT**step)
            spread = second[place] / (1 - SECOND_MOMENT**step)
            weights[place] = weights[place] + RATE * mean / (np.sqrt(spread) + SMALL)
        now = mean_log_probability(held_out, weights)
        if now > best + GAIN:
            best, best_at, kept = now, step, [one.copy() for one in weights]
        elif step - best_at >= PATIENCE:
            break
    return Weights(kept, best_at)


def mean_log_probability(choices: Choices, weights: Sequence[Float[np.ndarray, " _"]]) -> float:
    """The mean of log p(governor) over words, in nats."""
    return float(log_probabilities(choices, weights)[choices.gold].mean())


def log_probabilities(choices: Choices, weights: Sequence[Float[np.ndarray, " _"]]) -> Float[np.ndarray, " choice"]:
    """log p of every candidate of every word, in nats; those of a word add up to 1."""
    scores, starts = scores_of(choices.features, weights), choices.starts
    scores = scores - np.maximum.reduceat(scores, starts)[choices.dependent]
    return scores - np.log(np.add.reduceat(np.exp(scores), starts))[choices.dependent]


def scores_of(features: Features, weights: Sequence[Float[np.ndarray, " _"]]) -> Float[np.ndarray, " choice"]:
    """The sum of weighted features of every choice."""
    parts = [one @ mine.astype(one.dtype) for one, mine in zip(features, weights, strict=True)]
    return np.sum([np.asarray(one, dtype=np.float64) for one in parts], axis=0)


def credit_of(
    scores: Float[np.ndarray, " choice"], dependent: Int[np.ndarray, " choice"], gold: Bool[np.ndarray, " choice"]
) -> Float[np.ndarray, " dependent"]:
    """1 for a word whose highest candidate is its governor, else 0; candidates that tie share it.

    NaN for a word of which a score is NaN or infinite.
    """
    starts = np.flatnonzero(np.diff(dependent, prepend=-1))
    finite = np.minimum.reduceat(np.isfinite(scores), starts)
    known = np.where(np.isfinite(scores), scores, 0.0)
    highest = known == np.maximum.reduceat(known, starts)[dependent]
    credit = np.add.reduceat((highest & gold).astype(float), starts) / np.add.reduceat(highest.astype(float), starts)
    return np.where(finite, credit, np.nan)


def _gradient(choices: Choices, weights: Sequence[Float[np.ndarray, " _"]]) -> list[Float[np.ndarray, " _"]]:
    missing = (choices.gold - np.exp(log_probabilities(choices, weights))) / len(choices.starts)
    turned: list[Any] = [one.T for one in choices.features]
    return [np.asarray(one @ missing.astype(one.dtype), dtype=np.float64) for one in turned]


def _values(features: np.ndarray | csr_matrix) -> np.ndarray:
    return features if isinstance(features, np.ndarray) else np.asarray(features.data)
