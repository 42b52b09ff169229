"""More and more heads ablated together, in several orders (Michel et al. 2019, section 4).

An order is a ranking of all heads. One that was chosen by what the heads did on some documents looks better on these
than it is: choose it on one half of the corpus, and draw its curve on the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int

from interp import metrics as known_metrics
from interp.ablation.budget import budget_for
from interp.ablation.effects import MetricsOf, require_room_to_ablate
from interp.ablation.plan import MEAN, Plan
from interp.ablation.replacements import named
from interp.ablation.sweep import ablated_metrics, tokens_a_sweep
from interp.corpora.batching import batches, evenly_spaced
from interp.errors import InterpError
from interp.folds import State, restore_to, state_of
from interp.progress import Progress, silent
from interp.statistics.lift import split_blocks
from interp.sums import PruningSums
from interp.types import BLOCKS, EncodedCorpus, Head, HeadModel, Metric

Heads = frozenset[Head]


@dataclass(frozen=True)
class Order:
    """All heads of a model, the first to be ablated first; `seed` tells random orders apart."""

    name: str
    heads: tuple[Head, ...]
    seed: int | None = None


def lowest_first(name: str, table: pd.DataFrame, by: str) -> Order:
    """The order of a table with one row per head, lowest `by` first; in a tie as the table has them.

    Raises `InterpError` where a head has no number.
    """
    if table[by].isna().any():
        raise InterpError(
            f"The heads cannot be ordered by {name!r}: the half of the corpus that the order is chosen on gives no "
            f"{by}. Choose another pruning.role or metric, or give more (or longer) documents."
        )
    ranked = table.sort_values(by, kind="stable")
    return Order(name, tuple(Head(*place) for place in zip(ranked.site, ranked.layer, ranked["head"], strict=True)))


def at_random(heads: Sequence[Head], count: int, seed: int = 0) -> list[Order]:
    """So many random orders: number i is `default_rng([seed, i]).permutation` of the heads."""
    drawn = [np.random.default_rng([seed, number]).permutation(len(heads)) for number in range(count)]
    return [Order("random", tuple(heads[i] for i in places), number) for number, places in enumerate(drawn)]


def halves(encoded: EncodedCorpus) -> tuple[EncodedCorpus, EncodedCorpus]:
    """The documents of the even blocks (select), and those of the odd ones (confirm): no source is in both.

    Raises `InterpError` where one of them is empty.
    """
    split = split_blocks(BLOCKS)
    blocks = [document.block for document in encoded.corpus]
    parts = [
        _documents_in(encoded, [number for number, block in enumerate(blocks) if block in split[name]])
        for name in ("select", "confirm")
    ]
    if not all(map(len, parts)):
        raise InterpError(
            f"The corpus {encoded.corpus.name!r} cannot be halved: all of its documents fall into one half "
            f"({len(parts[0])} and {len(parts[1])}). Give a corpus with more source documents."
        )
    return parts[0], parts[1]


def _documents_in(encoded: EncodedCorpus, chosen: Sequence[int]) -> EncodedCorpus:
    return EncodedCorpus(
        replace(encoded.corpus, documents=tuple(encoded.corpus.documents[i] for i in chosen)),
        tuple(encoded.encodings[i] for i in chosen),
        tuple(encoded.words[i] for i in chosen),
        {},
        tuple(encoded.alternatives[i] for i in chosen) if encoded.alternatives else (),
        None if encoded.target is None else _documents_in(encoded.target, chosen),
    )


def step_sizes(heads: int, steps: int) -> Int[np.ndarray, " step"]:
    """How many heads are ablated at each step, evenly from none to all; fewer steps where there are fewer heads.

    Raises `InterpError` for fewer than two steps.
    """
    if steps < 2:
        raise InterpError(f"pruning.steps={steps}. Allowed: 2 (all heads and none) or more.")
    return np.unique(np.linspace(0, heads, steps).round().astype(np.int64))


def prune(
    model: HeadModel,
    encoded: EncodedCorpus,
    orders: Sequence[Order],
    plan: Plan = MEAN,
    metrics: MetricsOf | Sequence[Metric] = known_metrics.automatic,
    *,
    steps: int = 11,
    seed: int = 0,
    progress: Progress = silent,
) -> list[PruningSums]:
    """One `PruningSums` per metric, with every step of every order and every head alone on the same documents.

    Of `steps`, the first has all heads left and the last none. A document without a value (NaN) is left out and
    counted. Of the plan, replacement, limit and engine count. Raises `InterpError` for an order that is not one of all
    heads.
    """
    chosen = metrics(model) if callable(metrics) else metrics
    for order in orders:
        if sorted(order.heads) != sorted(model.heads):
            raise InterpError(
                f"The order {order.name!r} ranks {len(order.heads)} heads. It has to rank each of the "
                f"{len(model.heads)} heads of {model.name!r} once."
            )
    require_room_to_ablate(model, encoded, plan)
    substitute = named(plan.replacement)[1](model, encoded, seed, progress)
    counts = step_sizes(len(model.heads), steps)
    steps_of = [[frozenset(order.heads[:count]) for count in counts] for order in orders]
    # what several orders share, such as all heads, is measured once; the empty set comes first
    joint = [heads for of_order in steps_of for heads in of_order]
    sets = list(dict.fromkeys([Heads(), *(Heads([head]) for head in model.heads), *joint]))

    sums = _SetSums(len(chosen), len(sets))
    documents = evenly_spaced(len(encoded), plan.limit)
    groups = batches(encoded, model, documents=documents, tokens=tokens_a_sweep(model))
    some, budget = [sorted(heads) for heads in sets[1:]], budget_for(model.device)
    for group in progress(groups, f"pruning ({plan.name})", sums):
        for row, one in enumerate(
            ablated_metrics(model, group, substitute, some, chosen, engine=plan.engine, budget=budget)
        ):
            value = torch.cat([one.before[None], one.after]).cpu().double().numpy()
            blocks, scored = one.block.cpu().numpy(), ~np.isnan(value[0])
            np.add.at(sums.n[row], blocks[scored], 1)
            np.add.at(sums.value[row].T, blocks[scored], value[:, scored].T)
            sums.left_out[row] += int((~scored).sum())

    number = {heads: index for index, heads in enumerate(sets)}
    at_step = np.array([[number[heads] for heads in of_order] for of_order in steps_of]).reshape(-1, len(counts))
    in_order = np.array([[number[Heads([head])] for head in order.heads] for order in orders], dtype=int)
    labels = tuple((order.name, order.seed) for order in orders)
    return [
        PruningSums(
            plan.name, metric.name, labels, len(model.heads), counts, sums.n[row], sums.value[row, at_step],
            _cumulated(sums.value[row, 0] - sums.value[row, in_order])[:, counts], int(sums.left_out[row]),
        )
        for row, metric in enumerate(chosen)
    ]  # fmt: skip


class _SetSums:
    """Block sums of every metric with each set of heads ablated, and how many documents they are of."""

    def __init__(self, metrics: int, sets: int) -> None:
        self.value = np.zeros((metrics, sets, BLOCKS))
        self.n = np.zeros((metrics, BLOCKS), dtype=np.int64)
        self.left_out = np.zeros(metrics, dtype=np.int64)

    def state(self) -> State:
        return state_of(self, ("value", "n", "left_out"))

    def restore(self, state: State) -> None:
        restore_to(self, ("value", "n", "left_out"), state)


def _cumulated(effects: Float[np.ndarray, "order head block"]) -> Float[np.ndarray, "order count block"]:
    """The sum of the first 0, 1, 2, … heads' effects of each order."""
    return np.pad(effects, ((0, 0), (1, 0), (0, 0))).cumsum(axis=1)
