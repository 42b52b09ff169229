"""Sequential estimation of effects: stop heads whose interval is settled."""

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from interp.ablation.budget import budget_for
from interp.ablation.plan import Plan
from interp.ablation.replacements import Substitute
from interp.ablation.sweep import ablated_metrics, expansions_of, tokens_a_sweep, weights
from interp.corpora.batching import batches
from interp.errors import InterpError
from interp.folds import Collected
from interp.progress import Progress, silent
from interp.statistics.sequential import half_widths, looks, settled_top, settled_until
from interp.tables.effects import COLUMNS
from interp.types import EncodedCorpus, Head, HeadModel, Metric


def settle(
    model: HeadModel,
    encoded: EncodedCorpus,
    substitute: Substitute,
    metric: Metric,
    plan: Plan,
    *,
    documents: Sequence[int],
    seed: int = 0,
    progress: Progress = silent,
) -> pd.DataFrame:
    """The table of effects of one metric, each head measured on documents in a seeded order until it is settled.

    `plan.until`: until its interval is narrower than that share of the largest effect; else a race for the `plan.top`
    heads, with `plan.margin`, whose winners the column `top` marks (see `interp.statistics.sequential`). `n` counts the
    documents used; the intervals hold for all heads and looks together at 95 %, towards the mean over all `documents`;
    there are no p-values. Raises `InterpError` where no document has a value.
    """
    heads = tuple(model.heads)
    scored = _scored_tokens(model, encoded, metric, documents)
    if not scored:
        raise InterpError(f"None of the {len(documents)} documents has a value of {metric.name}. Give longer ones.")
    order = np.random.default_rng(seed).permutation(sorted(scored))
    intact, values = np.empty(0), np.empty((len(heads), 0))
    racing, winners = np.ones(len(heads), dtype=bool), np.zeros(len(heads), dtype=bool)
    budget = budget_for(model.device)
    for count in looks(len(order)):
        fresh = order[values.shape[1] : count].tolist()
        groups = batches(encoded, model, documents=fresh, tokens=tokens_a_sweep(model))
        sets = [(head,) for head, races in zip(heads, racing, strict=True) if races]
        measure = partial(
            ablated_metrics,
            sets=sets,
            metrics=[metric],
            engine=plan.engine,
            precision=plan.precision,
            budget=budget,
        )
        found = Collected()
        name = f"ablation ({plan.name}), {racing.sum()} heads to settle"
        for number, group in progress(list(enumerate(groups)), name, found, whole=True):
            one = measure(model, group, substitute)[0]
            before, after = (values.cpu().double().numpy() for values in (one.before, one.after))
            found.add(number, documents=np.array(group.documents), before=before, after=after)
        before, after = _in_order(fresh, found)
        intact = np.concatenate([intact, before])
        more = np.full((len(heads), len(fresh)), np.nan)
        more[racing] = before - after
        values = np.hstack([values, more])
        if plan.top is not None:
            winners, losers = settled_top(values, len(order), plan.top, plan.margin)
            racing = ~(winners | losers)
        else:
            racing = ~settled_until(values, len(order), plan.until or 0.0)
        if not racing.any():
            break
    table = _rows(heads, values, intact, np.array([scored[one] for one in order[: len(intact)]]))
    reach = half_widths(values, len(order))
    table = table.assign(ablation=f"{plan.name} (approximate)", metric=metric.name)
    table = table.assign(ci_low=table.effect - reach, ci_high=table.effect + reach, p=np.nan, q=np.nan)
    return table[COLUMNS] if plan.top is None else table[COLUMNS].assign(top=winners)


def _scored_tokens(
    model: HeadModel, encoded: EncodedCorpus, metric: Metric, documents: Sequence[int]
) -> dict[int, int]:
    """Each document's scored tokens; those without any have no value, and are left out."""
    found: dict[int, int] = {}
    for group in batches(encoded, model, documents=documents):
        for rows, _ in expansions_of(group, [metric]):
            found |= dict(zip(group.documents, weights(metric, rows)[0].tolist(), strict=True))
    return {document: count for document, count in found.items() if count > 0}


def _in_order(
    documents: Sequence[int], found: Collected
) -> tuple[Float[np.ndarray, " document"], Float[np.ndarray, "head document"]]:
    """What was measured group by group, put back into the order in which the documents were drawn."""
    measured = np.concatenate(found.arrays("documents")).tolist()
    place = {document: number for number, document in enumerate(measured)}
    back = [place[document] for document in documents]
    before, after = np.concatenate(found.arrays("before")), np.concatenate(found.arrays("after"), axis=1)
    return before[back], after[:, back]


def _rows(
    heads: Sequence[Head],
    values: Float[np.ndarray, "head document"],
    intact: Float[np.ndarray, " document"],
    tokens: Int[np.ndarray, " document"],
) -> pd.DataFrame:
    """Averages over the documents that each head was measured on."""
    used = ~np.isnan(values)
    n, sums = used.sum(axis=1), np.where(used, values, 0)
    before = (used * intact).sum(axis=1) / n
    effect = sums.sum(axis=1) / n
    return pd.DataFrame(
        {
            "site": [head.site for head in heads],
            "layer": [head.layer for head in heads],
            "head": [head.head for head in heads],
            "n": n,
            "intact": before,
            "ablated": before - effect,
            "effect": effect,
            "effect_token": (sums * tokens).sum(axis=1) / (used * tokens).sum(axis=1),
        }
    )
