"""Evidence for the gate: a model, a few documents, and what it made of them; and how far two activations lie apart."""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.attention.visibility import mask_groups, visible_to
from interp.models.library_errors import refusing
from interp.types import (
    Batch,
    EncodedCorpus,
    HasSinks,
    Head,
    HeadModel,
    Output,
    Pattern,
    Place,
    Provable,
    Site,
    Tap,
    Unhooked,
)

PROBE = 16
"""Tokens of the one document that is run in many copies, a head ablated or a key attended to in each."""

HEADS_AT_MOST = 64
"""Heads ablated one at a time; of more, a seeded sample with every layer in it as long as there are so many."""

TOLERANCE = {torch.float32: 1e-4, torch.float64: 1e-6, torch.float16: 3e-2, torch.bfloat16: 2e-1}
"""What may lie between two ways to the same activation: share of its own size plus that of all (root mean square).

Sums are added in another order by another kernel or in a wider batch, and a network hands rounding errors on from layer
to layer: in float32 some 1e-6 are seen, so 1e-4 leaves room for depth. float16 keeps 11 bits and bfloat16 8, where one
rounding alone is off by .4 %. What the gate is for (another head, another slice, padding) is off by 1 and more.
"""


INVISIBLE = 1e-6
"""The most attention that may go where nothing can be seen: masks are added before softmax, which leaves 0."""


@dataclass(frozen=True)
class Check:
    """One thing that was seen to hold, or not; `deviation` is the largest found, None where it could not be asked."""

    name: str
    deviation: float | None
    allowed: float
    detail: str

    @property
    def passed(self) -> bool:
        """Whether it holds or could not be asked; what is not a number does not hold."""
        return self.deviation is None or self.deviation <= self.allowed


@dataclass(frozen=True, eq=False)
class Seen:
    """What one run with both taps in place gave, and how often each tap was called."""

    output: Output
    pattern: dict[Place, Pattern]
    z: dict[Place, Tensor]
    calls: Counter[tuple[str, Site, int]]


@dataclass(frozen=True, eq=False)
class Evidence:
    """Evidence for the checks: a model, a few documents, and what it made of them."""

    model: HeadModel
    encoded: EncodedCorpus
    batch: Batch
    seen: Seen

    @cached_property
    def bare(self) -> Output:
        """A run without taps."""
        return self.model.run(self.batch)

    @cached_property
    def unhooked(self) -> Unhooked | None:
        """The network by itself, if the model shows it."""
        with refusing(f"A forward pass of {self.model.name!r} without the taps failed"):
            return self.model.unhooked(self.batch) if isinstance(self.model, Provable) else None

    @cached_property
    def tolerance(self) -> float:
        """What may lie between two ways to the same activation of this model."""
        return TOLERANCE.get(self.bare.hidden.dtype, TOLERANCE[torch.float32])

    @cached_property
    def places(self) -> list[Place]:
        """Every attention layer that has heads."""
        return list(dict.fromkeys((head.site, head.layer) for head in self.model.heads))

    @cached_property
    def sampled(self) -> list[Head]:
        """The heads that are ablated one at a time."""
        return sample(self.model.heads)

    @cached_property
    def whole_copies(self) -> tuple[Batch, "Seen"]:
        """A copy of one document for each of these heads and one more, and a run of them in which none is ablated."""
        copies = self.copies(len(self.sampled) + 1)
        return copies, look(self.model, copies)

    def copies(self, count: int) -> Batch:
        """The shortest document that has a few tokens, cut to `PROBE`, this many times."""
        lengths = self.batch.mask.sum(1).tolist()
        row = min(range(len(lengths)), key=lambda number: (lengths[number] < 3, lengths[number]))
        return self.batch.rows([row] * count).shortened(self.model.pad_token, lambda kept: kept.clamp(max=PROBE))


def look(
    model: HeadModel, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = False
) -> Seen:
    """One run with both taps in place; what they saw is kept before `pattern` and `z`, where given, rewrite it."""
    kept: dict[str, dict[Place, Tensor]] = {"pattern": {}, "z": {}}
    calls: Counter[tuple[str, Site, int]] = Counter()

    def keeping(kind: str, rewrite: Tap | None) -> Tap:
        def tap(site: Site, layer: int, activation: Tensor) -> Tensor | None:
            kept[kind][site, layer] = activation.clone()
            calls[kind, site, layer] += 1
            return rewrite(site, layer, activation) if rewrite else None

        return tap

    output = model.run(batch, pattern=keeping("pattern", pattern), z=keeping("z", z), logits=logits)
    return Seen(output, kept["pattern"], kept["z"], calls)


# Attentions: which queries there are, which keys each sees


def visible(model: HeadModel, batch: Batch, place: Place) -> Bool[Tensor, "batch query key"]:
    """What each query of this attention may attend to."""
    return visible_to(model, batch, mask_groups(model)[place])


def queries(batch: Batch, site: Site) -> Bool[Tensor, "batch query"]:
    """The real tokens that ask in this attention."""
    return batch.query_side(site).mask


def keys(batch: Batch, site: Site) -> Bool[Tensor, "batch key"]:
    """The real tokens that are asked in this attention."""
    return batch.key_side(site).mask


def queries_of_output(batch: Batch) -> Bool[Tensor, "batch query"]:
    """The real tokens that the final hidden states belong to."""
    return batch.written.mask


def sinks(evidence: Evidence) -> Collection[Place]:
    """The attention layers that have keys that are no token."""
    return evidence.model.sinks if isinstance(evidence.model, HasSinks) else ()


# Ablation


def sample(heads: Sequence[Head]) -> list[Head]:
    """At most `HEADS_AT_MOST` heads, drawn with a seed, as evenly over the layers as can be."""
    shuffled = [heads[number] for number in np.random.default_rng(0).permutation(len(heads))]
    rank: Counter[Place] = Counter()
    drawn: list[tuple[int, Head]] = []
    for head in shuffled:
        rank[head.site, head.layer] += 1
        drawn.append((rank[head.site, head.layer], head))
    return [head for _, head in sorted(drawn, key=lambda pair: pair[0])][:HEADS_AT_MOST]


def without_head(heads: Sequence[Head]) -> Tap:
    """The tap on z that sets to zero in each row the head of its number; rows beyond stay as they are."""

    def tap(site: Site, layer: int, z: Tensor) -> Tensor | None:
        rows = [row for row, head in enumerate(heads) if (head.site, head.layer) == (site, layer)]
        if not rows:
            return None
        silent = z.clone()
        silent[rows, :, [heads[row].head for row in rows]] = 0
        return silent

    return tap


# Differences


def apart(seen: Float[Tensor, "*shape"], expected: Float[Tensor, "*other"]) -> Float[Tensor, "*other"]:
    """How far each number lies from the one expected, as a share of its size plus that of all (root mean square)."""
    if seen.shape != expected.shape:
        return torch.full_like(expected, math.inf)
    close_to = expected.float()
    size = close_to.square().mean().sqrt() + close_to.abs()
    return (seen.float() - close_to).abs() / size.clamp(min=torch.finfo(torch.float32).tiny)


class Worst:
    """The largest of many deviations, and where it was."""

    def __init__(self) -> None:
        self.deviation, self.where = 0.0, ""

    def add(self, where: str, *deviations: Tensor) -> None:
        """Compare these with the largest so far; what is not a number is larger than all."""
        for one in deviations:
            largest = float(one.float().max()) if one.numel() else 0.0
            if not math.isnan(self.deviation) and not largest <= self.deviation:
                self.deviation, self.where = largest, where

    def by_head(self, place: Place, seen: Tensor, expected: Tensor, axis: int, first: int = 0) -> None:
        """Add how far a layer's heads, which lie along this axis, are apart; `first` is the number of the first."""
        for number, one in enumerate(apart(seen, expected).moveaxis(axis, 0).flatten(1).amax(1)):
            self.add(f"{name_of(place)}, head {first + number}", one)

    def outputs(self, seen: Output, expected: Output, there: Bool[Tensor, "batch query"]) -> None:
        """Add how far hidden states, and logits where both have them, are apart."""
        self.add("hidden states", apart(seen.hidden[there], expected.hidden[there]))
        if seen.logits is not None and expected.logits is not None:
            self.add("logits", apart(seen.logits[there], expected.logits[there]))

    def runs(self, seen: "Seen", whole: "Seen", batch: Batch, rows: Sequence[int]) -> None:
        """Add how far a run of some rows is apart from these rows of a larger run, in patterns, z and outputs."""
        for place, pattern in seen.pattern.items():
            asking, asked = queries(batch, place[0]), keys(batch, place[0])
            for number, row in enumerate(rows):
                real = (slice(None), asking[number].nonzero(), asked[number].nonzero().T)
                self.add(name_of(place), apart(pattern[number][real], whole.pattern[place][row][real]))
                here = asking[number].nonzero()[:, 0]
                self.add(name_of(place), apart(seen.z[place][number, here], whole.z[place][row, here]))
        for number, row in enumerate(rows):
            real = queries_of_output(batch)[number].nonzero()[:, 0]
            alone, among = (
                Output(one.hidden[at, real][None], None if one.logits is None else one.logits[at, real][None])
                for one, at in ((seen.output, number), (whole.output, row))
            )
            self.outputs(alone, among, torch.ones_like(real, dtype=torch.bool)[None])

    def check(self, name: str, allowed: float, what: str) -> Check:
        """The check that none is larger than is allowed."""
        return Check(name, self.deviation, allowed, f"{what}, most in {self.where}" if self.where else what)


def name_of(place: Place) -> str:
    """`layer 3`, or `layer 3 (cross)` where a model has several attentions."""
    site, layer = place
    return f"layer {layer}" if site == "self" else f"layer {layer} ({site})"
