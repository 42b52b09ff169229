"""Gates of heads are trained while the model stays as it is, and heads are kept by them (Voita et al. 2019, section 6).

A gate g at a head puts g z + (1 − g) z̃ in the place of what the head writes, z̃ being what ablation would put there.
Trained is log α of each gate alone, so that minus the metric + λ · expected number of open gates is small. Then a head
whose gate is above one half is kept, and all others are ablated exactly, on documents that no gate has seen.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.ablation.effects import require_room_to_ablate
from interp.ablation.fast_engine import positions_scored
from interp.ablation.hard_concrete import fixed_gates, open_probability, sampled_gates
from interp.ablation.plan import Plan
from interp.ablation.pruning import Order
from interp.ablation.replacements import Substitute, Substitution, named
from interp.ablation.sweep import TOKENS_A_PART, combined, expansions_of, sweep, tokens_a_sweep, weights
from interp.corpora.batching import Group, batches, evenly_spaced
from interp.corpora.expansions import parts
from interp.corpora.memory import require_room_for
from interp.errors import InterpError, Range
from interp.folds import Collected
from interp.progress import Progress, silent
from interp.sums import KeptChoice, KeptSums, TrainedGates
from interp.types import Batch, Differentiable, EncodedCorpus, Head, HeadModel, Metric, Place, Site, Tap

FIRST_LOG_ALPHA = 2.0
"""Where training begins: near the intact model; a gate is open with probability .97, and on average .86.

There the expected gate rises 4.4 times as fast with log α as the probability of its being open: a head by itself is
closed if it is worth less than .23 λ.
"""

LEAST_NOISE = 1e-6
"""How near to 0 and 1 the noise comes: at the ends themselves a gate has no gradient."""

STRENGTH = Range(False, 0)
"""What λ may be."""

Kept = Mapping[KeptChoice, frozenset[Head]]
"""The heads that are kept, by how they were chosen."""


@dataclass(frozen=True)
class Training:
    """How gates are trained: Adam (Kingma & Ba 2015) on log α, a gate of its own for every document of a step."""

    steps: int = 100
    documents: int = 16
    """Documents of a step, drawn anew for each."""
    rate: float = 0.1
    """The learning rate, in log α per step."""


def check_strengths(strengths: object) -> None:
    """Raises `InterpError` for anything but different numbers of 0 or more, one at least."""
    listed = list(strengths) if isinstance(strengths, Sequence) and not isinstance(strengths, str) else []
    if not listed or not all(STRENGTH.holds(one) for one in listed) or len(set(listed)) < len(listed):
        raise InterpError(
            f"gates.strengths={strengths} is not allowed. Allowed: different numbers of 0 or more in brackets, such as "
            "gates.strengths=[0.001,0.01]: the price of an open gate, in units of the metric."
        )


def train_gates(
    model: HeadModel,
    encoded: EncodedCorpus,
    plan: Plan,
    metric: Metric,
    *,
    strengths: Sequence[float],
    seeds: int,
    training: Training,
    seed: int = 0,
    progress: Progress = silent,
) -> tuple[list[TrainedGates], int]:
    """The gates of every strength λ and every seed; and how many documents were left out because they have no value.

    λ is the price of an open gate, in units of the metric. Of the plan, replacement and limit count. The same seed has
    the same noise and the same documents whatever λ is. Raises `InterpError` for a model or a metric without gradients,
    for a replacement of patterns, and where no document has a value.
    """
    if not isinstance(model, Differentiable):
        raise InterpError(
            f"experiment=gates needs gradients, which {model.name!r} does not offer in this backend. Allowed: models "
            "that transformers runs (model.backend=attention); for any other, experiment=pruning_curve."
        )
    # whole patterns of every layer are there at once, for the pass back
    require_room_for(model, encoded, len(model.heads))
    substitute = named(plan.replacement)[1](model, encoded, seed, progress)
    limited = evenly_spaced(len(encoded), plan.limit)
    documents = _with_value(model, encoded, metric, limited)
    if not documents:
        raise InterpError(
            f"experiment=gates has nothing to train on: none of {len(limited)} documents has a value of "
            f"{metric.name}. Give longer documents, or another of metrics=auto, embedding and language."
        )
    runs = [(strength, number) for strength in strengths for number in range(seeds)]
    trained = Collected()
    # what gates are judged by follows from all of them
    for item in progress(range(len(runs)), "gates", trained, whole=True):
        strength, number = runs[item]
        one = _trained(model, encoded, documents, substitute, plan.name, metric, strength, (seed, number), training)
        gates = {"log_alpha": one.log_alpha, "gate": one.gate}
        trained.add(item, run=item, **gates, value=one.value, expected_open=one.expected_open)
    columns = [trained.arrays(name) for name in ("run", "log_alpha", "gate", "value", "expected_open")]
    found = [TrainedGates(*runs[int(item)], *arrays) for item, *arrays in zip(*columns, strict=True)]
    return found, len(limited) - len(documents)


def _with_value(model: HeadModel, encoded: EncodedCorpus, metric: Metric, documents: Sequence[int]) -> list[int]:
    """Those of the documents that have a token the metric scores, by their numbers."""
    found: list[int] = []
    for group in batches(encoded, model, documents=documents, tokens=tokens_a_sweep(model)):
        for rows, _ in expansions_of(group, [metric]):
            scored = (weights(metric, rows)[0] > 0).tolist()
            found += [number for number, has in zip(_documents_of(rows), scored, strict=True) if has]
    return sorted(found)


def _documents_of(rows: Batch) -> list[int]:
    return list(dict.fromkeys(rows.document.tolist()))


def _trained(
    model: Differentiable,
    encoded: EncodedCorpus,
    documents: Sequence[int],
    substitute: Substitute,
    ablation: str,
    metric: Metric,
    strength: float,
    seed: tuple[int, int],
    training: Training,
) -> TrainedGates:
    """One training from the beginning to its end."""
    heads = len(model.heads)
    log_alpha = torch.full((heads,), FIRST_LOG_ALPHA, device=model.device, requires_grad=True)
    adam = torch.optim.Adam([log_alpha], lr=training.rate)
    value, expected_open = np.zeros(training.steps), np.zeros(training.steps)
    for step in range(training.steps):
        random = np.random.default_rng([*seed, step])
        some = random.choice(documents, size=min(training.documents, len(documents)), replace=False)
        noise = random.random((len(some), heads)).clip(LEAST_NOISE, 1 - LEAST_NOISE).astype(np.float32)
        noise_of = dict(zip(some.tolist(), torch.from_numpy(noise).to(model.device), strict=True))
        gradient = torch.zeros_like(log_alpha)
        for group in batches(encoded, model, documents=some.tolist(), tokens=tokens_a_sweep(model)):
            mean = gated_values(model, group, substitute, ablation, metric, log_alpha, noise_of).sum() / len(some)
            gradient -= _gradient(mean, log_alpha, metric)
            value[step] += float(mean.detach())
        penalty = open_probability(log_alpha).sum()
        log_alpha.grad = gradient + strength * torch.autograd.grad(penalty, log_alpha)[0]
        expected_open[step] = float(penalty.detach())
        adam.step()
    last = log_alpha.detach()
    parameter, gate = (one.cpu().double().numpy() for one in (last, fixed_gates(last)))
    return TrainedGates(strength, seed[1], parameter, gate, value, expected_open)


def gated_values(
    model: Differentiable,
    group: Group,
    substitute: Substitute,
    ablation: str,
    metric: Metric,
    log_alpha: Float[Tensor, " head"],
    noise_of: Mapping[int, Float[Tensor, " head"]],
) -> Float[Tensor, " document"]:
    """The metric of each document of a group under sampled gates, which can be differentiated by log α.

    `noise_of` are numbers between 0 and 1 by the document's number. All rows of a document (masked copies) share its
    gates. Raises `InterpError` for a replacement of patterns.
    """
    (rows, _), *_ = expansions_of(group, [metric])
    some = [rows] if metric.expansion is None else parts(rows, TOKENS_A_PART)
    values = []
    for part in some:
        substitution = substitute(part)
        if substitution.kind != "z":
            raise InterpError(
                f"experiment=gates cannot use ablation={ablation}, which replaces where a head attends; a gate weighs "
                "what it writes. Allowed: ablation=mean, zero and resample."
            )
        gates = sampled_gates(log_alpha, torch.stack([noise_of[number] for number in part.document.tolist()]))
        run = {"logits": positions_scored([metric], part.written), "pieces": metric.piecewise and metric.language}
        with torch.no_grad():
            intact = model.run_recorded(part, z=_watched, logits=run["logits"])
        with torch.enable_grad():
            output = model.run_recorded(part, z=_gated(substitution, gates, _columns(model.heads)), **run)
            values.append(metric.measure(output, part.written, intact))
    with torch.enable_grad():
        return combined(metric, torch.cat(values), rows)


def _watched(site: Site, layer: int, z: Tensor) -> None:  # noqa: ARG001 - the intact model
    return None


def _gated(substitution: Substitution, gates: Float[Tensor, "row head"], columns: Mapping[Place, list[int]]) -> Tap:
    """The tap that lets so much of each head through."""

    def tap(site: Site, layer: int, z: Tensor) -> Tensor:
        gate = gates[:, columns[site, layer]][:, None, :, None].to(z)
        # what was measured without gradients cannot be part of what is recorded, but a copy can
        instead = substitution.replace(site, layer, z).clone()
        return instead + gate * (z - instead)

    return tap


def _columns(heads: Sequence[Head]) -> dict[Place, list[int]]:
    """The numbers of each layer's heads among all heads, in the layer's own order."""
    by_place: dict[Place, list[int]] = {}
    for number in sorted(range(len(heads)), key=lambda number: heads[number].head):
        by_place.setdefault(heads[number].place, []).append(number)
    return by_place


def _gradient(mean: Float[Tensor, ""], log_alpha: Float[Tensor, " head"], metric: Metric) -> Float[Tensor, " head"]:
    """∂ mean / ∂ log α. Raises `InterpError` where there is none."""
    if not mean.requires_grad:
        raise InterpError(
            f"experiment=gates needs a metric that can be differentiated, and {metric.name} cannot. "
            "Allowed: metrics=auto, embedding, language and minimal_pairs, of which the first metric is trained on."
        )
    (gradient,) = torch.autograd.grad(mean, log_alpha)
    if not (gradient.isfinite().all() and mean.isfinite()):
        raise InterpError(
            f"experiment=gates: {metric.name} or its gradient is not finite under gates between 0 and 1. "
            "Allowed: a model whose numbers are finite (dtype=float32), or another metric."
        )
    return gradient


# Judged on other documents


def kept_heads(
    heads: Sequence[Head], trained: Sequence[TrainedGates], order: Order, random: Sequence[Order]
) -> dict[KeptChoice, frozenset[Head]]:
    """What gates keep; and as many heads by other rules: the last of an order, and of each of the random orders.

    All heads and none come first.
    """
    found = {
        KeptChoice("all", None, None, None, len(heads)): frozenset(heads),
        KeptChoice("none", None, None, None, 0): frozenset[Head](),
    }
    for one in trained:
        by_gates = frozenset(head for head, is_kept in zip(heads, one.kept, strict=True) if is_kept)
        count = len(by_gates)
        found[KeptChoice("gates", one.strength, one.seed, None, count)] = by_gates
        for other in (order, *random):
            last = frozenset(other.heads[len(heads) - count :])
            found[KeptChoice(other.name, one.strength, one.seed, other.seed, count)] = last
    return found


def judge(
    model: HeadModel,
    encoded: EncodedCorpus,
    kept: Kept,
    plan: Plan,
    metrics: Sequence[Metric],
    *,
    seed: int = 0,
    progress: Progress = silent,
) -> list[KeptSums]:
    """One `KeptSums` per metric: every set of heads kept in turn, all others ablated exactly, on the same documents.

    Of the plan, replacement, limit and engine count. A document without a value (NaN) is left out and counted.
    """
    require_room_to_ablate(model, encoded, plan)
    everything = frozenset(model.heads)
    # what several choices share is measured once; with all heads kept, nothing is ablated
    ablated = list(dict.fromkeys(everything - heads for heads in kept.values() if heads != everything))
    sets = {("set", number, 0): sorted(heads) for number, heads in enumerate(ablated)}
    substitute = named(plan.replacement)[1](model, encoded, seed, progress)
    groups = batches(encoded, model, documents=evenly_spaced(len(encoded), plan.limit), tokens=tokens_a_sweep(model))
    settings = {"engine": plan.engine, "name": f"heads kept ({plan.name})", "progress": progress}
    sums = sweep(model, groups, substitute, metrics, ablation=plan.name, sets=sets, **settings)
    row = {heads: number for number, heads in enumerate(ablated)}
    return [
        KeptSums(
            one.ablation, one.metric, len(everything), tuple(kept), one.n,
            np.stack([
                one.intact if heads == everything else one.ablated[row[everything - heads]] for heads in kept.values()
            ]),
            one.left_out,
        )
        for one in sums
    ]  # fmt: skip
