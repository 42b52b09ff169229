"""What every role is made of."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from jaxtyping import Bool
from torch import Tensor

from interp.types import Batch


@dataclass(frozen=True)
class HeadRole:
    """A role as a value: its names, how it is judged, and the function that marks its targets."""

    name: str
    family: str
    unit: Literal["token", "word"]
    statistic: Literal["hit", "mass"]
    definition: str
    guesses: tuple[str, ...]
    where: Callable[[Batch], Bool[Tensor, "batch query key"]] = field(repr=False)
    reflexive: bool = False

    def targets(self, batch: Batch) -> Bool[Tensor, "batch query key"]:
        """True on the keys that answer each query."""
        return self.where(batch)
