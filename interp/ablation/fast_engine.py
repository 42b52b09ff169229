"""The exact sweep, fast: one clean pass, then only the rest of the network for what each set of heads changes.

A head's change reaches the network through one place, the output of its layer's attention, where it adds up with the
others': so every head's change comes from one product with W_O, all that comes before is never run again, and many
variants go through the rest together.
"""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from interp.ablation.replacements import Substitution, tap_of
from interp.devices import tokens_for
from interp.types import Batch, CleanRun, Head, HeadOutput, Metric, Output, Resumable, Scored, Site, Tap

TOKENS_AT_ONCE = 1536
"""Padded tokens of all variants that go through the rest of the network together."""


def measure_fast(
    model: Resumable,
    batch: Batch,
    substitution: Substitution,
    sets: Sequence[Sequence[Head]],
    metrics: Sequence[Metric],
    *,
    tokens: int | None = None,
    precision: str = "float32",
) -> tuple[Float[Tensor, "metric batch"], Float[Tensor, "metric variant batch"]]:
    """Every metric of every document, of the intact model and with each set of heads ablated.

    `tokens` of all variants go through the network together; without it, as many as fill the model's device.
    `precision` is `float32`; `delta`: bfloat16, on the difference from the clean run only; or `bfloat16` throughout.
    """
    most = tokens_for(model.device, TOKENS_AT_ONCE) if tokens is None else tokens
    with torch.autocast(model.device.type, torch.bfloat16, enabled=precision == "bfloat16"):
        return _measure(model, batch, substitution, sets, metrics, most, linear=precision == "delta")


def _measure(
    model: Resumable,
    batch: Batch,
    substitution: Substitution,
    sets: Sequence[Sequence[Head]],
    metrics: Sequence[Metric],
    tokens: int,
    *,
    linear: bool,
) -> tuple[Float[Tensor, "metric batch"], Float[Tensor, "metric variant batch"]]:
    logits = positions_scored(metrics, batch)
    clean = model.remember(batch, pattern=substitution.kind == "pattern", linear=linear, logits=logits)
    before = torch.stack([metric.measure(clean.output, batch.written, clean.output) for metric in metrics])
    after = before.new_zeros(len(metrics), len(sets), len(batch.tokens))
    at_once = max(1, tokens // batch.tokens.numel())
    for layer, numbers in _by_first_layer(sets).items():
        change = _changes(model, clean, substitution, layer)
        for some in _chunks(numbers, at_once):
            chosen = [sets[number] for number in some]
            changed = clean.attention_output[layer] + torch.stack([_added(change, heads, layer) for heads in chosen])
            output = model.resume(clean, layer, changed, **_later(substitution, chosen, layer), logits=logits)
            for variant, number in enumerate(some):
                one = _variant(output, variant, len(batch.tokens))
                for row, metric in enumerate(metrics):
                    after[row, number] = metric.measure(one, batch.written, clean.output)
    return before, after


def positions_scored(metrics: Sequence[Metric], batch: Batch) -> Scored:
    """Where the language head has to run for these metrics."""
    asked = [metric.positions for metric in metrics if metric.language]
    where = [positions(batch) for positions in asked if positions is not None]
    if len(where) < len(asked):
        return True
    return torch.stack(where).any(0) if where else False


def _by_first_layer(sets: Sequence[Sequence[Head]]) -> dict[int, list[int]]:
    """The numbers of the sets whose first layer each is; those that reach into later layers after the others."""
    found: dict[int, list[int]] = defaultdict(list)
    for number, heads in enumerate(sets):
        found[min(head.layer for head in heads)].append(number)
    return found


@torch.inference_mode()
def _changes(
    model: Resumable, clean: CleanRun, substitution: Substitution, layer: int
) -> Float[Tensor, "head batch pos d"]:
    """What ablating each head of a layer alone adds to the output of its attention."""
    return model.contribution(layer, replaced_z(clean, substitution, layer) - clean.z[layer]).permute(2, 0, 1, 3)


def replaced_z(clean: CleanRun, substitution: Substitution, layer: int) -> HeadOutput:
    """What the heads of a layer write, every one of them ablated alone."""
    if substitution.kind == "z":
        return substitution.replace("self", layer, clean.z[layer])
    pattern = substitution.replace("self", layer, clean.pattern[layer])
    return (pattern @ clean.value[layer]).transpose(1, 2)


def _added(
    change: Float[Tensor, "head batch pos d"], heads: Sequence[Head], layer: int
) -> Float[Tensor, "batch pos d"]:
    return change[[head.head for head in heads if head.layer == layer]].sum(0)


def _later(substitution: Substitution, sets: Sequence[Sequence[Head]], layer: int) -> dict[str, Tap]:
    """The tap for the heads in later layers, each variant's in its own rows; none where all lie in this layer."""
    if all(head.layer == layer for heads in sets for head in heads):
        return {}
    taps = [tap_of(substitution, heads) for heads in sets]

    def tap(site: Site, at: int, activation: Tensor) -> Tensor | None:
        if not any(head.layer == at for heads in sets for head in heads):
            return None
        parts = activation.chunk(len(sets))
        replaced = [one(site, at, part) for one, part in zip(taps, parts, strict=True)]
        return torch.cat([part if new is None else new for part, new in zip(parts, replaced, strict=True)])

    return {substitution.kind: tap}


def _chunks(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


def _variant(output: Output, number: int, rows: int) -> Output:
    rows_of_it = slice(number * rows, (number + 1) * rows)
    hidden = output.hidden[rows_of_it]
    if output.logits is None or output.at is None:
        return Output(hidden, None if output.logits is None else output.logits[rows_of_it])
    at = output.at[rows_of_it]
    scored = int(at.sum())  # the same in every variant
    return Output(hidden, output.logits[number * scored : (number + 1) * scored], at)
