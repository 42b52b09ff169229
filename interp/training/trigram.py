"""What the words just before tell without any network: an interpolated trigram model (Jelinek and Mercer 1980)."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

ROUNDS = 30
"""Of expectation and maximisation for the weights; they have settled long before."""

BUCKETS = 16
"""Contexts are weighted alike that were seen about equally often, within a factor of two."""

Texts = Int[np.ndarray, "text pos"]


class Table(NamedTuple):
    """How often each of some keys occurs; the keys are sorted."""

    keys: Int[np.ndarray, " key"]
    counts: Int[np.ndarray, " key"]


@dataclass(frozen=True, eq=False)
class Counts:
    """How often each sequence of one, two and three tokens occurs.

    `followed[n]` counts the contexts of n tokens that something follows.
    """

    vocabulary: int
    seen: tuple[Table, ...]
    followed: tuple[Table, ...]


@dataclass(frozen=True, eq=False)
class Trigram:
    """P(token) = Σ weight × relative frequency, over none, one, two and three tokens."""

    counts: Counts
    weights: Float[np.ndarray, "bucket order"]


def fit(texts: Texts, vocabulary: int) -> Trigram:
    """Counts of all texts; the weights are those that a tenth of the texts finds likeliest, counted on the others."""
    tenth = max(1, len(texts) // 10)
    orders, bucket = _frequencies(_count(texts[tenth:], vocabulary), texts[:tenth])
    weights = np.full((BUCKETS, 4), 0.25)
    for _ in range(ROUNDS):
        shares = weights[bucket] * orders
        shares /= shares.sum(1, keepdims=True)
        for one in np.unique(bucket):
            weights[one] = shares[bucket == one].mean(0)
    return Trigram(_count(texts, vocabulary), weights)


def log_probs(trigram: Trigram, texts: Texts) -> Float[np.ndarray, "text next"]:
    """Natural log-probability of every token but the first, given the two before it."""
    orders, bucket = _frequencies(trigram.counts, texts)
    return np.log((trigram.weights[bucket] * orders).sum(1)).reshape(len(texts), -1)


def _count(texts: Texts, vocabulary: int) -> Counts:
    before, last, token = _windows(texts)
    seen = (token, last * vocabulary + token, (before * vocabulary + last) * vocabulary + token)
    followed = (np.zeros_like(token), last, before * vocabulary + last)
    return Counts(vocabulary, tuple(map(_unique, seen)), tuple(map(_unique, followed)))


def _unique(keys: Int[np.ndarray, " n"]) -> Table:
    return Table(*np.unique(keys, return_counts=True))


def _windows(texts: Texts) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Every token but the first of a text, with the two before it; the first text's token stands before itself, too."""
    wide = np.concatenate([texts[:, :1], texts], axis=1).astype(np.int64)
    return wide[:, :-2].ravel(), wide[:, 1:-1].ravel(), wide[:, 2:].ravel()


def _frequencies(counts: Counts, texts: Texts) -> tuple[Float[np.ndarray, "n order"], Int[np.ndarray, " n"]]:
    """The relative frequencies of every token by each order, and the bucket of its context of two tokens.

    An order that never saw the context says what the order below it says.
    """
    before, last, token = _windows(texts)
    size = counts.vocabulary
    keys = (token, last * size + token, (before * size + last) * size + token)
    contexts = (np.zeros_like(token), last, before * size + last)
    orders = [np.full(len(token), 1 / size)]
    total = np.zeros(len(token), dtype=np.int64)
    for order in range(3):
        total = _look_up(counts.followed[order], contexts[order])
        share = _look_up(counts.seen[order], keys[order]) / np.maximum(total, 1)
        orders.append(np.where(total > 0, share, orders[-1]))
    bucket = np.minimum(np.log2(total + 1).astype(np.int64), BUCKETS - 1)
    return np.stack(orders, axis=1), bucket


def _look_up(table: Table, keys: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """How often each key occurs, 0 for one that is not in the table."""
    place = np.minimum(np.searchsorted(table.keys, keys), len(table.keys) - 1)
    return np.where(table.keys[place] == keys, table.counts[place], 0)
