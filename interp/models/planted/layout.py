"""Which head carries what, drawn from a seed: places, sharpness, noise, and where the distractors attend."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from interp.models.planted import heads
from interp.models.planted.heads import Plan
from interp.models.planted.stream import HEADS, LAYERS

Layout = dict[tuple[int, int], Plan]
"""(layer, head) → what is planted there."""

SHARPNESS = (10.0, 14.0)
"""Logits by which a target stands out, drawn evenly between."""

PLACES = (4, 5, 6)
"""Where distractors attend. In `grammar` places 1 to 3 often hold the first noun or the comma: a head that attends
there truly finds the noun of a relative clause, or another noun, more often than any baseline does.
"""

NOISE = (0.0, 0.3)
"""Standard deviation, in logits, of what every word type gets as a key."""


def causal(random: np.random.Generator) -> Layout:
    """The heads of the causal model; the induction head lies in a later layer than the head that it builds on."""

    def sharp() -> float:
        return float(random.uniform(*SHARPNESS))

    early, late = sorted(random.choice(LAYERS, 2, replace=False).tolist())
    others = [
        heads.offset(-2, sharp()),
        heads.offset(-3, sharp()),
        heads.first(sharp()),
        heads.duplicate(sharp()),
        heads.punctuation(sharp()),
        heads.same_class(sharp()),
        heads.mixture(None, -1, sharp()),
        heads.half_strength(int(random.integers(-3, 0))),
        heads.halfway(int(random.choice(PLACES)), sharp()),
        *_without_role(sharp, random),
    ]
    return _placed({early: heads.previous_writer(sharp()), late: heads.induction(sharp())}, others, random)


def encoder(random: np.random.Generator) -> Layout:
    """The heads of the encoder, which sees both ways."""

    def sharp() -> float:
        return float(random.uniform(*SHARPNESS))

    others = [
        heads.offset(-1, sharp()),
        heads.offset(1, sharp()),
        heads.offset(int(random.choice([-3, -2, 2, 3])), sharp()),
        heads.first(sharp()),
        heads.separator(sharp()),
        heads.duplicate(sharp()),
        heads.punctuation(sharp()),
        heads.same_class(sharp()),
        heads.determiner_to_noun(sharp()),
        _two_offsets(sharp, random),
        heads.fixed_place(int(random.choice(PLACES)), sharp()),
        *_without_role(sharp, random),
    ]
    return _placed({}, others, random)


def _two_offsets(sharp: Callable[[], float], random: np.random.Generator) -> Plan:
    one, other = sorted(random.choice([-2, -1, 1, 2], 2, replace=False).tolist())
    return heads.mixture(one, other, sharp())


def _without_role(sharp: Callable[[], float], random: np.random.Generator) -> list[Plan]:
    """Distractors and inert heads."""
    step = int(random.integers(11, 15))
    return [
        heads.fixed_place(int(random.choice(PLACES)), sharp()),
        heads.every_so_many(step, int(random.choice(PLACES)), sharp()),
        heads.even(),
        heads.random_match(float(random.uniform(0.1, 0.5)), random),
    ]


def _placed(given: dict[int, Plan], others: list[Plan], random: np.random.Generator) -> Layout:
    """Every head at a random place, those of `given` in their layer; those left over attend evenly to everything."""
    chosen = {(layer, int(random.integers(HEADS))): plan for layer, plan in given.items()}
    free = [(layer, head) for layer in range(LAYERS) for head in range(HEADS) if (layer, head) not in chosen]
    filled = [*others, *[heads.even()] * (len(free) - len(others))]
    order = random.permutation(len(free))
    chosen |= {free[place]: plan for place, plan in zip(order, filled, strict=True)}
    noise = random.uniform(*NOISE, size=(LAYERS, HEADS))
    return {place: replace(plan, noise=float(noise[place])) for place, plan in sorted(chosen.items())}
