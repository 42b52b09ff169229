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
from interp.types import Batch, CleanRun, Head, HeadOutput, Metric, Output, Place, Resumable, Scored, Site, Tap

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
    logits = positions_scored(metrics, batch.written)
    clean = model.remember(batch, pattern=substitution.kind == "pattern", linear=linear, logits=logits)
    before = torch.stack([metric.measure(clean.output, batch.written, clean.output) for metric in metrics])
    after = before.new_zeros(len(metrics), len(sets), len(batch.tokens))
    at_once = max(1, tokens // max(batch.tokens.numel(), batch.written.tokens.numel()))
    pieces = all(metric.piecewise for metric in metrics if metric.language)
    for place, numbers in _by_first_place(sets, list(clean.z)).items():
        change = _changes(model, clean, substitution, place)
        for some in _chunks(numbers, at_once):
            chosen = [sets[number] for number in some]
            changed = clean.attention_output[place] + torch.stack([_added(change, heads, place) for heads in chosen])
            later = _later(substitution, chosen, place)
            output = model.resume(clean, place, changed, **later, logits=logits, pieces=pieces)
            for variant, number in enumerate(some):
                one = variant_of(output, variant, len(batch.tokens))
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


def _by_first_place(sets: Sequence[Sequence[Head]], places: Sequence[Place]) -> dict[Place, list[int]]:
    """The numbers of the sets whose first place each is, of the places in running order."""
    order = {place: number for number, place in enumerate(places)}
    found: dict[Place, list[int]] = defaultdict(list)
    for number, heads in enumerate(sets):
        found[min((head.place for head in heads), key=lambda place: order[place])].append(number)
    return found


@torch.inference_mode()
def _changes(
    model: Resumable, clean: CleanRun, substitution: Substitution, place: Place
) -> Float[Tensor, "head batch pos d"]:
    """What ablating each head of a layer alone adds to the output of its attention."""
    site, layer = place
    change = replaced_z(clean, substitution, place) - clean.z[place]
    return model.contribution(layer, change, site).permute(2, 0, 1, 3)


def replaced_z(clean: CleanRun, substitution: Substitution, place: Place) -> HeadOutput:
    """What the heads of a layer write, every one of them ablated alone."""
    if substitution.kind == "z":
        return substitution.replace(*place, clean.z[place])
    pattern = substitution.replace(*place, clean.pattern[place])
    return (pattern @ clean.value[place]).transpose(1, 2)


def _added(
    change: Float[Tensor, "head batch pos d"], heads: Sequence[Head], place: Place
) -> Float[Tensor, "batch pos d"]:
    return change[[head.head for head in heads if head.place == place]].sum(0)


def _later(substitution: Substitution, sets: Sequence[Sequence[Head]], place: Place) -> dict[str, Tap]:
    """The tap for the heads of later places, each variant's in its own rows; none where all lie in this one."""
    places = {head.place for heads in sets for head in heads}
    if places == {place}:
        return {}
    taps = [tap_of(substitution, heads) for heads in sets]

    def tap(site: Site, at: int, activation: Tensor) -> Tensor | None:
        if (site, at) not in places:
            return None
        parts = activation.chunk(len(sets))
        replaced = [one(site, at, part) for one, part in zip(taps, parts, strict=True)]
        return torch.cat([part if new is None else new for part, new in zip(parts, replaced, strict=True)])

    return {substitution.kind: tap}


def _chunks(numbers: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    return (numbers[start : start + size] for start in range(0, len(numbers), size))


def variant_of(output: Output, number: int, rows: int) -> Output:
    """One variant of an output of all; each has so many rows."""
    rows_of_it = slice(number * rows, (number + 1) * rows)
    hidden = output.hidden[rows_of_it]
    if output.at is None:
        return Output(hidden, None if output.logits is None else output.logits[rows_of_it])
    at = output.at[rows_of_it]
    scored = int(at.sum())  # the same in every variant
    those = slice(number * scored, (number + 1) * scored)
    logits = None if output.logits is None else output.logits[those]
    return Output(hidden, logits, at, None if output.pieces is None else output.pieces.rows(those))
