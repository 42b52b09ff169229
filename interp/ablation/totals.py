"""Block sums of one metric, while documents are measured one batch after another."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int
from torch import Tensor

from interp.folds import State, restore_to, state_of
from interp.sums import EffectSums
from interp.types import BLOCKS

TABLES = ("n", "tokens", "left_out", "intact", "ablated", "effect", "effect_by_token")


class Totals:
    """What a document without a value (NaN) adds is one to `left_out`, and nothing else."""

    def __init__(self, heads: Sequence[tuple[str, int, int]]) -> None:
        self.heads = tuple(heads)
        self.n, self.tokens = (np.zeros(BLOCKS, dtype=np.int64) for _ in range(2))
        self.left_out = 0
        self.intact = np.zeros(BLOCKS)
        self.ablated, self.effect, self.effect_by_token = (np.zeros((len(heads), BLOCKS)) for _ in range(3))

    def add(
        self,
        before: Float[Tensor, " batch"],
        after: Float[Tensor, "head batch"],
        tokens: Int[Tensor, " batch"],
        block: Int[Tensor, " batch"],
    ) -> None:
        """A batch: each document's metric with the intact model and without each head."""
        scored = ~before.isnan().cpu().numpy()
        self.left_out += int((~scored).sum())
        blocks, weights = block.cpu().numpy()[scored], tokens.cpu().numpy()[scored]
        intact = before.cpu().double().numpy()[scored]
        ablated = after.cpu().double().numpy()[:, scored]
        np.add.at(self.n, blocks, 1)
        np.add.at(self.tokens, blocks, weights)
        np.add.at(self.intact, blocks, intact)
        for table, values in (
            (self.ablated, ablated),
            (self.effect, intact - ablated),
            (self.effect_by_token, (intact - ablated) * weights),
        ):
            np.add.at(table.T, blocks, values.T)

    def state(self) -> State:
        """Everything added so far."""
        return state_of(self, TABLES)

    def restore(self, state: State) -> None:
        """Go on from there."""
        restore_to(self, TABLES, state)

    def sums(self, ablation: str, metric: str, *, signed: bool) -> EffectSums:
        """Everything added so far."""
        return EffectSums(
            ablation=ablation,
            metric=metric,
            signed=signed,
            heads=self.heads,
            n=self.n,
            tokens=self.tokens,
            intact=self.intact,
            ablated=self.ablated,
            effect=self.effect,
            effect_by_token=self.effect_by_token,
            left_out=self.left_out,
        )
