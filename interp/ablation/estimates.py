"""What ablating each head would do, estimated for all heads at once from gradients at the intact model: for triage.

A forward pass costs about as much as a pass back to the activations, so each of these costs two or three.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.ablation.fast_engine import positions_scored, replaced_z
from interp.ablation.replacements import Substitute, Substitution
from interp.ablation.sweep import TOKENS_A_PART, combined, expansions_of, weights
from interp.ablation.totals import Totals
from interp.attention.nan_checks import insist_on_finite_values
from interp.corpora.batching import Group
from interp.corpora.expansions import parts
from interp.errors import InterpError, closest
from interp.folds import Folds
from interp.metrics import precise
from interp.progress import Progress, silent
from interp.sums import EffectSums
from interp.types import Batch, CleanRun, HeadModel, HeadOutput, Metric, Place, Resumable

PROBES = 1
"""Random directions per document for the Gauss-Newton sketch."""


@dataclass(frozen=True, eq=False)
class Estimate:
    """How one kind of estimate is made of the slope, or of the slopes of random directions, along each head's change.

    `of_change` says whether it is for metrics that measure the size of a change, whose own slope is 0 at the intact
    model, or for the others. `to_zero`: along the change to z = 0, whatever the replacement. `normalised`: over the
    heads of a layer its squares sum to one, so it has no unit.
    """

    forwards: int
    of_change: bool
    to_zero: bool
    normalised: bool
    effect: Callable[[Float[Tensor, "probe head batch"]], Float[Tensor, "head batch"]]


def gate_gradient(slopes: Float[Tensor, "probe head batch"]) -> Float[Tensor, "head batch"]:
    """|zᵀ ∂metric/∂z|, the slope along a gate at the head (Michel et al. 2019, section 4.1, equation 2)."""
    return slopes[0].abs()


def attribution(slopes: Float[Tensor, "probe head batch"]) -> Float[Tensor, "head batch"]:
    """(z − replacement)ᵀ ∂metric/∂z: the effect to first order (Nanda 2023, attribution patching)."""
    return -slopes[0]


def gauss_newton(slopes: Float[Tensor, "probe head batch"]) -> Float[Tensor, "head batch"]:
    """½ (changeᵀ ∂direction/∂z)², averaged over random directions: the effect to second order, its curvature sketched.

    The curvature is that of the Gauss-Newton matrix (Martens 2020, section 8): all of it where there is no slope.
    """
    return slopes.square().mean(0) / 2


ESTIMATES = {
    "gate_gradient": Estimate(2, of_change=False, to_zero=True, normalised=True, effect=gate_gradient),
    "attribution": Estimate(2, of_change=False, to_zero=False, normalised=False, effect=attribution),
    "gauss_newton": Estimate(1 + PROBES, of_change=True, to_zero=False, normalised=False, effect=gauss_newton),
}


def fitting(name: str, metrics: Sequence[Metric]) -> list[Metric]:
    """The metrics that an estimate is for. Raises `InterpError` for an estimate not known, or where there are none."""
    if name not in ESTIMATES:
        raise InterpError(f"ablation.estimate={name} is not known. {closest(name, ESTIMATES)}")
    chosen = [metric for metric in metrics if (metric.direction is not None) == ESTIMATES[name].of_change]
    if not chosen:
        others = [one for one in ESTIMATES if ESTIMATES[one].of_change != ESTIMATES[name].of_change]
        raise InterpError(
            f"ablation.estimate={name} is not for {', '.join(metric.name for metric in metrics)}: where a metric "
            "measures the size of a change, its gradient at the intact model is zero, and elsewhere it is not. "
            f"Allowed here: {', '.join(f'ablation.estimate={one}' for one in others)}."
        )
    return chosen


def estimate_sums(
    model: HeadModel,
    batches: Sequence[Batch | Group],
    substitute: Substitute,
    metrics: Sequence[Metric],
    *,
    estimate: str,
    ablation: str,
    seed: int = 0,
    progress: Progress = silent,
) -> list[EffectSums]:
    """One `EffectSums` for each metric that the estimate is for.

    Raises `InterpError` as `fitting` does, or for a model that cannot be differentiated.
    """
    chosen = fitting(estimate, metrics)
    if not (isinstance(model, Resumable) and model.resumable):
        raise InterpError(
            f"ablation.estimate={estimate} needs gradients, which {model.name!r} does not offer in this backend. "
            "Allowed for it: ablation.estimate=null; or model.backend=attention."
        )
    kind = ESTIMATES[estimate]
    totals = [Totals([(head.site, head.layer, head.head) for head in model.heads]) for _ in chosen]
    for batch in progress(batches, ablation, Folds(*totals)):
        for rows, numbers in expansions_of(batch, chosen):
            of_expansion = [chosen[number] for number in numbers]
            some = [rows] if of_expansion[0].expansion is None else parts(rows, TOKENS_A_PART)
            values = [_of_rows(model, part, substitute, of_expansion, kind, seed) for part in some]
            for place, (number, metric) in enumerate(zip(numbers, of_expansion, strict=True)):
                before = combined(metric, torch.cat([one[place][0] for one in values]), rows)
                after = combined(metric, torch.cat([one[place][1] for one in values], dim=1), rows)
                totals[number].add(before, after, *weights(metric, rows))
    sums = [total.sums(ablation, metric.name, signed=False) for total, metric in zip(totals, chosen, strict=True)]
    return [_normalised(one) for one in sums] if kind.normalised else sums


def _of_rows(
    model: Resumable, rows: Batch, substitute: Substitute, metrics: Sequence[Metric], kind: Estimate, seed: int
) -> list[tuple[Float[Tensor, " row"], Float[Tensor, "any_head row"]]]:
    """Each metric of each row, of the intact model and as it is estimated to be without each head."""
    substitution = substitute(rows)
    logits = positions_scored(metrics, rows.written)
    pieces = not kind.of_change and all(metric.piecewise for metric in metrics if metric.language)
    pattern = substitution.kind == "pattern"
    clean = model.remember(rows, pattern=pattern, gradients=True, logits=logits, pieces=pieces)
    places = list(dict.fromkeys(head.place for head in model.heads))
    change = [-clean.z[place] if kind.to_zero else _change(clean, substitution, place) for place in places]
    found: list[tuple[Tensor, Tensor]] = []
    for metric in metrics:
        before = metric.measure(clean.output, rows.written, clean.output)
        views = _views(metric, clean, before, kind, seed)
        slopes = torch.stack([_slopes(view, [clean.z[place] for place in places], change) for view in views])
        before = before.detach()
        found.append((before, before - kind.effect(slopes).to(before)))
    heads = [(head,) for head in model.heads]
    insist_on_finite_values(model, rows, metrics, heads, *(torch.stack(values) for values in zip(*found, strict=True)))
    return found


@torch.no_grad()
def _change(clean: CleanRun, substitution: Substitution, place: Place) -> HeadOutput:
    return replaced_z(clean, substitution, place) - clean.z[place]


def _views(metric: Metric, clean: CleanRun, value: Tensor, kind: Estimate, seed: int) -> list[Tensor]:
    """The numbers per document that are differentiated."""
    if not kind.of_change or metric.direction is None:
        return [value]
    documents = clean.batch.document.tolist()
    # of a document's own number, so that batches and their order change nothing
    return [
        metric.direction(
            clean.output, clean.batch.written, [np.random.default_rng([seed, probe, one]) for one in documents]
        )
        for probe in range(PROBES)
    ]


def _slopes(
    values: Float[Tensor, " batch"], z: Sequence[HeadOutput], change: Sequence[HeadOutput]
) -> Float[Tensor, "any_head batch"]:
    """How fast each document's number moves as each head's z moves along its change."""
    # a document's number depends on its own row only, so that the sum gives every row its own gradient
    gradients = torch.autograd.grad(values.nan_to_num().sum(), z, retain_graph=True)
    return torch.cat(
        [
            # layers may lie on several devices
            precise(one.detach() * gradient).sum((1, 3)).T.to(values.device)
            for one, gradient in zip(change, gradients, strict=True)
        ]
    )


def _normalised(sums: EffectSums) -> EffectSums:
    """Divided by the root of the layer's summed squares (Michel et al. 2019, section 4.1, after Molchanov et al.)."""
    total, places = sums.effect.sum(axis=1), [place for *place, _ in sums.heads]
    squares = [sum(total[row] ** 2 for row, other in enumerate(places) if other == place) for place in places]
    length = np.sqrt(squares) / max(sums.n.sum(), 1)
    scale = 1 / np.where(length > 0, length, 1)[:, None]
    return replace(
        sums,
        effect=sums.effect * scale,
        effect_by_token=sums.effect_by_token * scale,
        ablated=np.full_like(sums.ablated, np.nan),
    )
