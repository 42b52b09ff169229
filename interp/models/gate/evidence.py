"""Evidence for the gate: a model, a few documents, and what it made of them; and how far two activations lie apart."""

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.attention.visibility import mask_groups, visible_to
from interp.errors import ModelError
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

PROBE = 3
"""Tokens of the one document that is run in many copies, a head ablated or a key attended to in each."""

HEADS_AT_MOST = 64
"""Heads ablated in a run of their own; of more, a seeded sample with every layer in it as long as there are so many."""

HEADS_OF_A_NETWORK = 6
"""The same where the output projections of the network itself showed every head's ablation."""

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
    def lengths(self) -> list[int]:
        """Tokens of each document."""
        return self.batch.mask.sum(1).tolist()

    @cached_property
    def probe(self) -> int:
        """The row of the shortest document that has a few tokens."""
        return min(range(len(self.lengths)), key=lambda row: (self.lengths[row] < 3, self.lengths[row]))

    @cached_property
    def ablated(self) -> tuple[list[Head], Seen]:
        """Heads, and a run of as many copies of that document and one more, each of the heads ablated in its copy.

        They are a sample, a small one where the network itself shows what the ablation of each does to its layer.
        """
        heads = sample(self.model.heads, HEADS_OF_A_NETWORK if isinstance(self.model, Provable) else HEADS_AT_MOST)
        return heads, look(self.model, self.copies(len(heads) + 1), z=without_head(heads), logits=True)

    @cached_property
    def alone(self) -> tuple[Batch, Seen]:
        """That document with no other beside it: the copy in which no head is ablated."""
        seen = self.ablated[1]
        pattern, z = ({place: one[-1:] for place, one in kept.items()} for kept in (seen.pattern, seen.z))
        return self.copies(1), Seen(rows_of(seen.output, [-1]), pattern, z, seen.calls)

    @cached_property
    def given_back(self) -> tuple[list[int], Batch, Seen]:
        """All documents in reverse, their rows, and a run in which the taps give back what they were given."""
        rows = list(range(len(self.lengths)))[::-1]
        batch = self.batch.rows(rows)

        def give_back(_site: Site, _layer: int, activation: Tensor) -> Tensor:
            return activation.clone()

        try:
            seen = look(self.model, batch, pattern=give_back, z=give_back, logits=True)
        except ModelError:
            # patterns_make_z says that, and why, this model's patterns cannot be rewritten
            seen = look(self.model, batch, z=give_back, logits=True)
        return rows, batch, seen

    def copies(self, count: int) -> Batch:
        """The probe, this many times."""
        return self.batch.rows([self.probe] * count).shortened(self.model.pad_token)


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


def rows_of(output: Output, rows: Sequence[int]) -> Output:
    """These rows of what a run gave, in this order."""
    return Output(output.hidden[rows], None if output.logits is None else output.logits[rows])


def document_of(output: Output, row: int, real: Int[Tensor, " pos"]) -> Output:
    """What a run gave for one document, at its real positions."""
    logits = output.logits
    return Output(output.hidden[row, real][None], None if logits is None else logits[row, real][None])


def sinks(evidence: Evidence) -> Collection[Place]:
    """The attention layers that have keys that are no token."""
    return evidence.model.sinks if isinstance(evidence.model, HasSinks) else ()


# Ablation


def sample(heads: Sequence[Head], most: int = HEADS_AT_MOST) -> list[Head]:
    """At most so many heads, drawn with a seed, as evenly over the layers as can be."""
    shuffled = [heads[number] for number in np.random.default_rng(0).permutation(len(heads))]
    rank: Counter[Place] = Counter()
    drawn: list[tuple[int, Head]] = []
    for head in shuffled:
        rank[head.site, head.layer] += 1
        drawn.append((rank[head.site, head.layer], head))
    return [head for _, head in sorted(drawn, key=lambda pair: pair[0])][:most]


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
        largest = apart(seen, expected).moveaxis(axis, 0).flatten(1).amax(1)
        number = int(largest.argmax())  # NaN counts as the largest
        self.add(f"{name_of(place)}, head {first + number}", largest[number])

    def outputs(self, seen: Output, expected: Output, there: Bool[Tensor, "batch query"]) -> None:
        """Add how far hidden states, and logits where both have them, are apart."""
        self.add("hidden states", apart(seen.hidden[there], expected.hidden[there]))
        if seen.logits is not None and expected.logits is not None:
            self.add("logits", apart(seen.logits[there], expected.logits[there]))

    def documents(self, seen: Output, expected: Output) -> None:
        """Add how far what two runs gave for one document (`document_of`) is apart."""
        self.outputs(seen, expected, torch.ones(expected.hidden.shape[:2], dtype=torch.bool))

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
            self.documents(document_of(seen.output, number, real), document_of(whole.output, row, real))

    def check(self, name: str, allowed: float, what: str) -> Check:
        """The check that none is larger than is allowed."""
        return Check(name, self.deviation, allowed, f"{what}, most in {self.where}" if self.where else what)


def name_of(place: Place) -> str:
    """`layer 3`, or `layer 3 (cross)` where a model has several attentions."""
    site, layer = place
    return f"layer {layer}" if site == "self" else f"layer {layer} ({site})"
