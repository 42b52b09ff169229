"""Enough is enough: measure heads on more and more documents, and stop each one as soon as the answer is settled.

Documents are drawn in a random order without replacement, and looked at after 50, 100, 200, … of them. What is to be
estimated is each head's mean effect over the whole corpus: at the last document nothing is left to estimate.

Every interval is Student's t with the finite-population factor √(1 − n/N), the one for the sample variance (Cochran
1977, equation 2.20). Effects are skewed, and t alone covers far too rarely then: Hall's (1992) transformation widens
it. A level holds for all looks and comparisons together. Each look spends its part of the error in proportion to its
documents (linear, as in Lan & DeMets 1983), because the first few say least about a tail; comparisons share it
equally (Bonferroni). All of them are fixed beforehand, so that it does no harm to let the measured decide what to
measure next. It remains an approximation: a tail that no document has shown yet is not reckoned with, and a head
whose effect has never varied counts as known.
"""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.stats import t

from interp.errors import InterpError

FIRST_LOOK = 50


def looks(population: int, first: int = FIRST_LOOK) -> list[int]:
    """After how many documents to look: `first`, twice that and so on, at last all of the `population`.

    Raises `InterpError` unless `population` ≥ 1 and `first` ≥ 2.
    """
    if population < 1 or first < 2:
        raise InterpError(
            f"population={population}, first={first}. Allowed: at least 1 document, and a first look at 2."
        )
    counts = []
    while first < population:
        counts.append(first)
        first *= 2
    return [*counts, population]


def half_widths(
    values: Float[np.ndarray, "head document"], population: int, *, level: float = 0.95, first: int = FIRST_LOOK
) -> Float[np.ndarray, " head"]:
    """How far each head's mean over its documents so far may be from that over the whole corpus, in units of `values`.

    The intervals mean ± half width hold for all heads and looks together: also for heads that stopped at looks of their
    own, with NaN thereafter. 0 for a head with all of the corpus, infinite for one without any document. Raises
    `InterpError` where a head stopped between two looks, or has a gap.
    """
    _check(level)
    counts = _counts(values, population, first)
    widths = np.full(len(values), np.inf)
    for count in np.unique(counts[counts > 0]).tolist():
        rows = counts == count
        tail = _error_at(count, population, level, first) / (2 * len(values))
        widths[rows] = _reach(values[rows, :count], population, tail)
    return widths


def settled_until(
    values: Float[np.ndarray, "head document"],
    population: int,
    share: float,
    *,
    level: float = 0.95,
    first: int = FIRST_LOOK,
) -> Bool[np.ndarray, " head"]:
    """The heads whose interval was, at some look, narrower than `share` of the size of the largest mean effect then.

    `values` are the effects of all heads on the first documents in their random order, NaN after a head has settled;
    the intervals are those of `half_widths`. Raises `InterpError` where a head that is not settled lacks documents.
    """
    _check(level, share=share)
    settled, mean = np.zeros(len(values), dtype=bool), np.zeros(len(values))
    for count, rest, seen in _replay(values, population, first, settled):
        tail = _error_at(count, population, level, first) / (2 * len(values))
        mean[rest] = seen.mean(axis=1)
        narrow = 2 * _reach(seen, population, tail) < share * np.abs(mean).max()
        settled[rest] = narrow | (count == population)
    return settled


def settled_top(
    values: Float[np.ndarray, "head document"],
    population: int,
    top: int,
    margin: float,
    *,
    level: float = 0.95,
    first: int = FIRST_LOOK,
) -> tuple[Bool[np.ndarray, " head"], Bool[np.ndarray, " head"]]:
    """A race for the `top` largest mean effects: the heads that are chosen so far, and those that are left out.

    Measure only the others on further documents; the race is over when there are none. At the given level, no head that
    is left out then has a mean effect over the corpus above that of a chosen one by more than `margin` of the size of
    the largest. `values` are as in `settled_until`: NaN after a head was decided.

    Heads are compared on the same documents (Maron & Moore 1997, racing). At each look a head is left out when as many
    as there are places left surely surpass it, and chosen when so few are left that it does not surely surpass, itself
    among them; this is among those that still race: decided heads are never compared again. Once no pair across the
    border between the best and the rest can be wrong by more than the margin, all are decided. A wrong result takes a
    wrong bound on the lead of a head that is not truly among the top over one that is, or on the size of an effect (for
    the margin): only these share the error.
    Raises `InterpError` as `settled_until` does.
    """
    heads, largest = len(values), 0.0
    _check(level, margin=margin)
    if not 1 <= top <= heads:
        raise InterpError(f"top={top}. Allowed: 1 to {heads}, the number of heads.")
    chosen, decided = np.zeros(heads, dtype=bool), np.zeros(heads, dtype=bool)
    for count, rest, seen in _replay(values, population, first, decided):
        tail = _error_at(count, population, level, first) / (top * (heads - top) + 2 * heads)
        mean, places = seen.mean(axis=1), top - chosen.sum()
        largest = max(largest, float((np.abs(mean) - _reach(seen, population, tail)).max()))
        lead = _least_lead(seen, population, tail)
        best = np.zeros(len(rest), dtype=bool)
        best[np.argsort(-mean, kind="stable")[:places]] = True
        if (lead[best][:, ~best] >= -margin * largest).all():
            chosen[rest[best]] = True
            decided[rest] = True
        else:
            surpasses = lead > 0
            is_in, is_out = surpasses.sum(axis=1) >= len(rest) - places, surpasses.sum(axis=0) >= places
            chosen[rest[is_in]] = True
            decided[rest[is_in | is_out]] = True
    return chosen, decided & ~chosen


def _replay(
    values: Float[np.ndarray, "head document"], population: int, first: int, decided: Bool[np.ndarray, " head"]
) -> Iterator[tuple[int, Int[np.ndarray, " rest"], Float[np.ndarray, "rest seen"]]]:
    """Every look so far: its documents, the heads not `decided` by then, and their values. The caller decides."""
    counts = _counts(values, population, first)
    for count in looks(population, first):
        rest = np.flatnonzero(~decided)
        if count > values.shape[1] or not len(rest):
            return
        if (counts[rest] < count).any():
            lacking = rest[counts[rest] < count].tolist()
            raise InterpError(
                f"The heads in rows {lacking} are not settled, but lack some of the first {count} documents."
            )
        yield count, rest, values[rest, :count]


def _counts(values: Float[np.ndarray, "head document"], population: int, first: int) -> Int[np.ndarray, " head"]:
    """How many documents each head was measured on: the first ones, as many as there are at a look."""
    if np.isinf(values).any():
        raise InterpError("An effect of a head on a document is infinite, and a mean of it says nothing. Leave it out.")
    there = ~np.isnan(values)
    counts = there.sum(axis=1)
    allowed = [0, *looks(population, first)]
    if (there != (np.arange(values.shape[1]) < counts[:, None])).any():
        raise InterpError(
            "A head has no value (NaN) for a document, but one for a later document. Draw only documents that have a "
            "value, and measure each head on the first of them without a gap."
        )
    if not np.isin([values.shape[1], *counts], allowed).all():
        found = sorted({values.shape[1], *counts.tolist()} - set(allowed))
        raise InterpError(f"Heads were measured on {found} of {population} documents. Allowed: {allowed}, the looks.")
    return counts


def _check(level: float, **share: float) -> None:
    if not 0 < level < 1:
        raise InterpError(f"level={level}. Allowed: above 0 and below 1, such as 0.95.")
    for name, value in share.items():
        if not value >= 0:
            raise InterpError(f"{name}={value}. Allowed: 0 or more, as a share of the largest effect.")


def _error_at(count: int, population: int, level: float, first: int) -> float:
    """The part of the error 1 − level that a look spends; the last one needs none, and gets all that it asks for."""
    earlier = looks(population, first)[:-1]
    return (1 - level) * count / sum(earlier) if count < population else 1 - level


def _least_lead(
    seen: Float[np.ndarray, "head document"], population: int, tail: float
) -> Float[np.ndarray, "head other"]:
    """By how much each head's mean surpasses each other's at least, from the same documents."""
    leads = [row - seen for row in seen]
    return np.stack([lead.mean(axis=1) - _reach(lead, population, tail, below=True) for lead in leads])


def _reach(
    seen: Float[np.ndarray, "row document"], population: int, tail: float, *, below: bool = False
) -> Float[np.ndarray, " row"]:
    """How far the population's mean may be from each row's with this probability on one side (`below`: on that side).

    t · s/√n · √(1 − n/N), where Hall's (1992) transformation for skewness γ puts in the place of the quantile t
    (3√n/γ) · (1 − ∛(1 − γ/√n · (t + γ/6√n))), on the side of the longer tail and only if it is more.
    """
    n = seen.shape[1]
    if n == population:
        return np.zeros(len(seen))
    centred = seen - seen.mean(axis=1, keepdims=True)
    squares = centred * centred
    variance, third = squares.mean(axis=1), (squares * centred).mean(axis=1)
    # a mean is likely too high where the long tail is below, so that its lower bound has to give way
    skewness = -third if below else np.abs(third)
    skewness = np.maximum(skewness, 0) / np.where(variance > 0, variance, 1) ** 1.5 / np.sqrt(n)
    quantile = np.full(len(seen), t.isf(tail, n - 1))
    skewed = skewness > 1e-6
    gamma = skewness[skewed]
    hall = 3 / gamma * (1 - np.cbrt(1 - gamma * (quantile[skewed] + gamma / 6)))
    quantile[skewed] = np.maximum(quantile[skewed], hall)
    return quantile * np.sqrt(variance / (n - 1) * (1 - n / population))
