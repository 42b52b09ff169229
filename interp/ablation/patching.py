"""Activation patching: every head in turn gets what it would compute with on the other text of a prompt."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.ablation.patched_z import PARTS, Exchanged, TwoRuns, other_text, positions_at
from interp.ablation.sweep import ablated_metrics, tokens_a_sweep
from interp.answers import LOGIT_DIFFERENCE, answer_metrics, last_positions
from interp.corpora.batching import batches
from interp.corpora.prompts import Prompts
from interp.errors import InterpError, closest
from interp.folds import Collected
from interp.metrics import precise
from interp.models.ingredients import shows_ingredients
from interp.progress import Progress, silent
from interp.types import Batch, HeadModel, HeadOutput, Metric, Place, Resumable

NOISE, DENOISE = "noise", "denoise"
DIRECTIONS = (NOISE, DENOISE)
"""What the corrupted text gives is put into the clean run, or the reverse."""

EVERYWHERE = "all"


Setting = tuple[str, str, str]
"""(direction, part, position): into which run what of a head is put, and where."""


@dataclass(frozen=True, eq=False)
class Patched:
    """The logit difference of every prompt with each head (in the model's order) patched, in nats, by setting.

    `before` is that of the run that is patched, by direction, from the same pass. A head that computes the same on both
    texts is given that very number. NaN where a prompt has no such position. `estimate` is what patching would add by
    the gradient at `before`; empty if it was not asked for.
    """

    before: dict[str, Float[np.ndarray, " prompt"]]
    after: dict[Setting, Float[np.ndarray, "head prompt"]]
    estimate: dict[Setting, Float[np.ndarray, "head prompt"]]


def patch(
    model: HeadModel,
    prompts: Prompts,
    *,
    parts: Sequence[str] = ("z",),
    directions: Sequence[str] = DIRECTIONS,
    positions: Sequence[str] = (EVERYWHERE,),
    estimate: bool = False,
    progress: Progress = silent,
) -> Patched:
    """Every head alone, exactly: one sweep for each direction, part and position (Vig et al. 2020; Wang et al. 2023).

    Raises `InterpError` for a direction, part or position that is not known, and `ModelError` for parts that the model
    does not show, or gradients that it does not give.
    """
    settings = _settings(prompts, directions, parts, positions)
    _insist(model, parts, estimate=estimate)
    metric = next(one for one in answer_metrics(prompts) if one.name == LOGIT_DIFFERENCE)
    named = {name: torch.from_numpy(one) for name, one in prompts.named.items()}
    texts = {NOISE: (prompts.clean, prompts.corrupted), DENOISE: (prompts.corrupted, prompts.clean)}
    kept, groups = Collected(), batches(prompts.clean, model, tokens=tokens_a_sweep(model))
    for item, group in progress(list(enumerate(groups)), "patching", kept):
        clean = group.batch()
        for direction in dict.fromkeys(setting[0] for setting in settings):
            own, other = (other_text(clean, one, model.pad_token) for one in texts[direction])
            runs = TwoRuns(model, own, other, ingredients=any(part != "z" for part in parts))
            gradients = _gradients(model, own, metric) if estimate else None
            for setting in (one for one in settings if one[0] == direction):
                at = positions_at(own, setting[2], named, EVERYWHERE)
                exchanged = runs.exchanged(setting[1], at)
                before, after = _patched(model, own, exchanged, metric)
                after[:, ~at.any(1)] = torch.nan
                kept.add(
                    item, **{f"after {' '.join(setting)}": _numbers(after), f"before {direction}": _numbers(before)}
                )
                if gradients is not None:
                    estimated = _estimated(model, gradients, exchanged, runs)
                    estimated[:, ~at.any(1)] = torch.nan
                    kept.add(item, **{f"estimate {' '.join(setting)}": _numbers(estimated)})
    order = np.argsort([number for group in groups for number in group.documents])

    def collected(name: str) -> np.ndarray:
        return np.concatenate(kept.arrays(name), axis=-1)[..., order]

    return Patched(
        {direction: collected(f"before {direction}") for direction in dict.fromkeys(one[0] for one in settings)},
        {setting: collected(f"after {' '.join(setting)}") for setting in settings},
        {setting: collected(f"estimate {' '.join(setting)}") for setting in settings if estimate},
    )


def _settings(
    prompts: Prompts, directions: Sequence[str], parts: Sequence[str], positions: Sequence[str]
) -> list[Setting]:
    allowed = {
        "patching.direction": (directions, DIRECTIONS),
        "patching.part": (parts, PARTS),
        "patching.position": (positions, (EVERYWHERE, *prompts.named)),
    }
    for name, (given, known) in allowed.items():
        if not given:
            raise InterpError(f"{name}=[] asks for nothing. Allowed: one or several of {', '.join(known)}.")
        for one in given:
            if one not in known:
                raise InterpError(f"{name}={one} is not known. {closest(one, known)}")
    return list(dict.fromkeys(product(directions, parts, positions)))


def _insist(model: HeadModel, parts: Sequence[str], *, estimate: bool) -> None:
    if any(part != "z" for part in parts):
        shows_ingredients(model, f"patching.part={','.join(part for part in parts if part != 'z')}")
    if estimate and not (isinstance(model, Resumable) and model.resumable):
        raise InterpError(
            f"patching.estimate=true needs gradients, which {model.name!r} does not offer in this backend. "
            "Allowed for it: patching.estimate=false; or model.backend=attention."
        )


def _patched(
    model: HeadModel, own: Batch, exchanged: Exchanged, metric: Metric
) -> tuple[Float[Tensor, " batch"], Float[Tensor, "head batch"]]:
    """The metric of the run as it is, and with each head patched."""
    heads = [(head,) for head in model.heads]
    (measured,) = ablated_metrics(model, own, exchanged.substitution, heads, [metric])
    # a head that computes the same would else differ by the rounding of a pass of another shape
    same = torch.stack([exchanged.same[head.place][:, head.head] for head in model.heads]).to(measured.after.device)
    return measured.before, torch.where(same, measured.before, measured.after)


def _gradients(model: HeadModel, own: Batch, metric: Metric) -> dict[Place, HeadOutput]:
    """How fast the metric of each row moves with its z, layer by layer."""
    if not isinstance(model, Resumable):
        return {}
    run = model.remember(own, gradients=True, logits=last_positions(own))
    values = metric.measure(run.output, own, run.output)
    # a row's number depends on that row only, so that the sum gives every row its own gradient
    return dict(zip(run.z, torch.autograd.grad(values.sum(), list(run.z.values())), strict=True))


def _estimated(
    model: HeadModel, gradients: Mapping[Place, HeadOutput], exchanged: Exchanged, runs: TwoRuns
) -> Float[Tensor, "any_head batch"]:
    """The first-order change of the metric: gradient times change of z (Nanda 2023, attribution patching)."""
    of_layer = {
        place: precise(gradient * (exchanged.z[place] - runs.z[place]).to(gradient)).sum((1, 3))
        for place, gradient in gradients.items()
    }
    return torch.stack([of_layer[head.place][:, head.head].to(model.device) for head in model.heads])


def _numbers(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
