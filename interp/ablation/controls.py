"""What a set of heads is held against: as many heads drawn from the same layers, and those that write as much."""

from collections import Counter
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from interp.types import Head


def random_of_same_layers(
    chosen: Sequence[Head], heads: Sequence[Head], draws: int, seed: int
) -> list[tuple[Head, ...]]:
    """So many sets, each with as many heads of every layer as `chosen` has there, and none of these.

    A layer that has fewer others gives all of them. Empty sets where no layer has any.
    """
    random, count = np.random.default_rng(seed), Counter(head.place for head in chosen)
    others = {place: [head for head in heads if head.place == place and head not in chosen] for place in sorted(count)}

    def draw() -> tuple[Head, ...]:
        parts = [(can, min(count[place], len(can))) for place, can in others.items()]
        return tuple(can[number] for can, size in parts for number in sorted(random.permutation(len(can))[:size]))

    return [draw() for _ in range(draws)]


def nearest_by_norm(
    chosen: Sequence[Head], heads: Sequence[Head], norm: Float[np.ndarray, " head"]
) -> tuple[Head, ...]:
    """For each of the chosen the other head whose output is most nearly as long, none twice; `norm` is by head."""
    length, found = dict(zip(heads, norm.tolist(), strict=True)), list[Head]()
    for head in chosen:
        can = [one for one in heads if one not in chosen and one not in found]
        if can:
            found.append(min(can, key=lambda one: abs(length[one] - length[head])))
    return tuple(found)
