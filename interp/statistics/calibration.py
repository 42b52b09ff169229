"""Do 95 % intervals hold the truth 95 times in 100, and is p uniform where there is nothing to find?

Corpora are drawn from a population, the source documents of a real one, each with a block of its own; heads of known
accuracy answer their queries. So document sizes, and which document asks what, are real, and the truth is known.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.stats import rankdata

from interp.folds import Collected
from interp.progress import Progress, silent
from interp.statistics.bootstrap import bootstrap_interval, effective_blocks
from interp.statistics.criteria import STANDARD, Criteria
from interp.statistics.lift import best_baselines, excess, is_testable, split_blocks
from interp.statistics.sign_flip import sign_flip_p, sign_vectors
from interp.sums import DocumentSums, RoleSums

BLOCKS = 64
SPREAD = 0.1
"""Intra-class correlation of hits within a document, for `clustered` heads: the variance of a document's accuracy is
this share of accuracy × (1 − accuracy)."""
SLOPE = 0.3
"""How much more accurate, for `by_length` heads, the document with most queries is than that with fewest."""

Null = Literal["exchange", "document", "population"]
NULLS: tuple[Null, ...] = ("exchange", "document", "population")


@dataclass(frozen=True)
class Planted:
    """A head of known accuracy: the same everywhere (`even`), varying by document, or rising with its length."""

    kind: Literal["even", "clustered", "by_length"]
    accuracy: float


def rates_of(
    head: Planted, documents: DocumentSums, drawn: Int[np.ndarray, " draw"], random: np.random.Generator
) -> Float[np.ndarray, " draw"]:
    """The head's accuracy in every drawn document; a document drawn twice is clustered anew each time."""
    if head.kind == "even":
        return np.full(len(drawn), head.accuracy)
    if head.kind == "clustered":
        strength = 1 / SPREAD - 1
        return random.beta(head.accuracy * strength, (1 - head.accuracy) * strength, size=len(drawn))
    return _rising(head.accuracy, documents)[drawn]


def true_hit(head: Planted, documents: DocumentSums) -> Float[np.ndarray, " role"]:
    """The hit rate that the head has, of each role, over the whole population."""
    if head.kind != "by_length":
        return np.full(len(documents.roles), head.accuracy)
    return documents.n @ _rising(head.accuracy, documents) / documents.n.sum(axis=1)


def _rising(accuracy: float, documents: DocumentSums) -> Float[np.ndarray, " document"]:
    rank = (rankdata(documents.n.sum(axis=0)) - 0.5) / documents.n.shape[1]
    return accuracy + SLOPE * (rank - 0.5)


@dataclass(frozen=True, eq=False)
class _Draw:
    """Documents drawn with replacement, and the block of each."""

    documents: Int[np.ndarray, " draw"]
    block: Int[np.ndarray, " draw"]
    n: Int[np.ndarray, "role draw"]
    baseline: Float[np.ndarray, "role baseline draw"]

    def sums(self, population: DocumentSums, hits: Float[np.ndarray, "role head draw"]) -> RoleSums:
        """The block sums that a tally leaves behind of such a corpus and such hits."""
        into = (self.block[:, None] == np.arange(BLOCKS)).astype(np.float64)
        hit = hits @ into
        n = np.rint(self.n @ into).astype(np.int64)
        heads = tuple(("self", 0, head) for head in range(hits.shape[1]))
        return RoleSums(population.roles, heads, population.baselines, n, hit, hit, hit, self.baseline @ into)


def draw_corpus(population: DocumentSums, size: int, random: np.random.Generator) -> _Draw:
    """`size` source documents with replacement, each in a block drawn evenly, as hashing its id would."""
    drawn, block = draw_documents(population.n.shape[1], size, random)
    return _Draw(drawn, block, population.n[:, drawn], population.baseline[:, :, drawn])


def draw_documents(
    documents: int, size: int, random: np.random.Generator
) -> tuple[Int[np.ndarray, " draw"], Int[np.ndarray, " draw"]]:
    """`size` places out of so many `documents`, with replacement, and the block of each."""
    return random.integers(documents, size=size), random.integers(BLOCKS, size=size)


def expected_evidence(
    n: Int[np.ndarray, "role document"], size: int
) -> tuple[Float[np.ndarray, " role"], Float[np.ndarray, " role"]]:
    """Scored queries, and blocks that hold any, in one half of a corpus of `size` documents drawn: expected values."""
    asked = (n > 0).mean(axis=1)
    return n.mean(axis=1) * size / 2, BLOCKS / 2 * (1 - (1 - asked / BLOCKS) ** size)


PLACES = ["repeat", "documents", "role", "split", "blocks", "effective"]


def cover(
    population: DocumentSums,
    heads: Sequence[Planted],
    sizes: Sequence[int],
    *,
    repeats: Sequence[int],
    seed: int,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> pd.DataFrame:
    """One row per drawn corpus, role, head, split and statistic (`lift`, `hit`) that has an interval.

    The truth of `lift` is the head's hit rate less the credit of the baseline that this corpus chose on select, both
    over the whole population. `blocks` counts the split's non-empty blocks, `effective` is G = (Σn)²/Σn². `below`: the
    truth lies below the interval; `above`: above it. An interval of `hit` is the same bootstrap, of hits alone.
    """
    splits = split_blocks(BLOCKS)
    truth = np.stack([true_hit(head, population) for head in heads], axis=1)
    credit = _mean_credit(population)
    drawn = Collected()
    for repeat in progress(repeats, "intervals", drawn):
        places: list[tuple[int, int, int, str, int, float]] = []
        outside: list[Bool[np.ndarray, "side test"]] = []
        for size in sizes:
            random = np.random.default_rng([seed, size, repeat])
            draw = draw_corpus(population, size, random)
            rates = np.stack([rates_of(head, population, draw.documents, random) for head in heads])
            sums = draw.sums(population, random.binomial(draw.n[:, None, :], rates[None]).astype(np.float64))
            baseline = best_baselines(sums, splits["select"])
            for split, blocks in splits.items():
                D, hit, n = excess(sums, baseline, blocks), sums.hit[:, :, blocks], sums.n[:, blocks]
                for role in range(len(sums.roles)):
                    both = np.concatenate([D[role], hit[role]])
                    low, high = bootstrap_interval(both, n[role], seed=seed, min_blocks=min_blocks)
                    if np.isnan(low).any():
                        continue
                    true = np.concatenate([truth[role] - credit[role, baseline[role]], truth[role]])
                    filled, effective = int((n[role] > 0).sum()), effective_blocks(n[role])
                    places.append((repeat, size, role, split, filled, effective))
                    outside.append(np.stack([true < low, true > high]))
        sides = np.stack(outside, axis=1) if outside else np.zeros((2, 0, 2 * len(heads)), dtype=bool)
        drawn.add(repeat, places=pd.DataFrame(places, columns=PLACES), outside=sides)
    return _long(drawn, population, heads)


def _long(drawn: Collected, population: DocumentSums, heads: Sequence[Planted]) -> pd.DataFrame:
    tests = 2 * len(heads)
    # a shard may have none
    places = drawn.table("places").reindex(columns=PLACES)
    table = places.copy()
    table["role"] = pd.Categorical(
        np.array([role.name for role in population.roles])[table["role"].to_numpy(dtype=int)]
    )
    table["split"] = pd.Categorical(table["split"], list(split_blocks(BLOCKS)))
    table = table.loc[table.index.repeat(tests)].reset_index(drop=True)
    of_head = np.tile(np.arange(tests) % len(heads), len(places))
    table["kind"] = pd.Categorical(np.array([head.kind for head in heads])[of_head])
    table["accuracy"] = np.array([head.accuracy for head in heads])[of_head]
    is_hit = np.tile(np.arange(tests) >= len(heads), len(places))
    table["statistic"] = pd.Categorical(np.where(is_hit, "hit", "lift"), ["lift", "hit"])
    sides = np.concatenate([np.zeros((2, 0, tests), dtype=bool), *drawn.arrays("outside")], axis=1).reshape(2, -1)
    return table.assign(below=sides[0], above=sides[1])


def p_under_nulls(
    population: DocumentSums,
    size: int,
    criteria: Criteria = STANDARD,
    *,
    repeats: Sequence[int],
    seed: int,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The p-values of heads no better than the baseline: one row per drawn corpus, testable role, null and split.

    `exchange`: of as many queries that the baseline finds as it misses, the head finds each with probability ½, and
    does as the baseline does on the rest, so that D_b is as likely positive as negative: what the sign flip assumes.
    `document`: it finds what it finds at random, as often as the baseline does in that document; `population`: as often
    as the baseline does in the whole population. Both have an expected lift of 0 and no other symmetry.

    Hits are counts, so that many sign vectors have exactly the observed sum, and p counts them all: it is on the safe
    side by up to their share. `p_broken` counts a random part of them, and is exactly uniform where D_b is symmetric.
    """
    splits = split_blocks(BLOCKS)
    credit, signs = _mean_credit(population), sign_vectors(seed, BLOCKS)
    found = Collected()
    for repeat in progress(repeats, "nulls", found):
        frames = []
        random = np.random.default_rng([seed, size, repeat])
        draw = draw_corpus(population, size, random)
        nothing = draw.sums(population, np.zeros((len(population.roles), len(NULLS), size)))
        baseline = best_baselines(nothing, splits["select"])
        every = np.arange(len(baseline))
        hits = _null_hits(draw.n, draw.baseline[every, baseline], credit[every, baseline], random)
        sums = draw.sums(population, hits)
        testable = is_testable(sums, splits["select"], splits["confirm"], criteria)
        for split, blocks in splits.items():
            D = excess(sums, baseline, blocks)[testable]
            D, coins, exact = D.reshape(-1, len(blocks)), signs[blocks], split != "all"
            p = sign_flip_p(D, coins, exact=exact)
            # of ≥ and ≤ together, only sums that equal the observed one are counted twice
            tied = np.clip(p + sign_flip_p(-D, coins, exact=exact) - 1, 0, p)
            role, null = np.divmod(np.arange(len(p)), len(NULLS))
            frames.append(
                pd.DataFrame(
                    {
                        "repeat": repeat,
                        "role": np.array([label.name for label in sums.roles])[testable][role],
                        "null": np.array(NULLS)[null],
                        "split": split,
                        "blocks": (sums.n[testable][:, blocks] > 0).sum(axis=1)[role],
                        "p": p,
                        "p_broken": p - random.random(len(p)) * tied,
                    }
                )
            )
        found.add(repeat, p=pd.concat(frames, ignore_index=True))
    return found.table("p")


def _null_hits(
    n: Int[np.ndarray, "role draw"],
    guessed: Float[np.ndarray, "role draw"],
    mean: Float[np.ndarray, " role"],
    random: np.random.Generator,
) -> Float[np.ndarray, "role null draw"]:
    asked = np.where(n > 0, n, 1)
    either = np.floor(np.minimum(guessed, n - guessed) + 1e-9).clip(min=0).astype(np.int64)
    exchanged = guessed + random.binomial(either, 0.5) - random.binomial(either, 0.5)
    by_document = random.binomial(n, np.clip(guessed / asked, 0, 1))
    by_population = random.binomial(n, np.broadcast_to(mean[:, None], n.shape))
    return np.stack([exchanged, by_document, by_population], axis=1).astype(np.float64)


def _mean_credit(population: DocumentSums) -> Float[np.ndarray, "role baseline"]:
    """What each baseline earns per query of the whole population."""
    return population.baseline.sum(axis=2) / population.n.sum(axis=1)[:, None]
