"""Every published score of heads that copy, on the same attention: a fold over documents whose tokens repeat."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.attention.visibility import Visible
from interp.errors import InterpError
from interp.folds import State
from interp.roles.copying import duplicate_targets, induction_targets
from interp.roles.copying_scores import DEFINITIONS, KINDS
from interp.sums import NumberSums
from interp.tallies.numbers import NumberFold
from interp.types import Batch, EncodedCorpus, Head, HeadModel, Pattern, Site

SITES: tuple[Site, ...] = ("self", "encoder")
"""Where the keys are the documents themselves; what a decoder writes need not repeat."""


def periods(encoded: EncodedCorpus) -> Int[np.ndarray, " document"]:
    """After how many tokens each document repeats, special tokens aside: its smallest period.

    Raises `InterpError` for a document that does not.
    """
    found = np.zeros(len(encoded), dtype=np.int64)
    for number, encoding in enumerate(encoded.encodings):
        own = encoding.tokens[~encoding.special]
        period = next((by for by in range(1, len(own)) if (own[by:] == own[:-by]).all()), None)
        if period is None or len(own) < period + 2:
            raise InterpError(
                f"Document {number} of {encoded.corpus.name!r} ({len(own)} tokens as this model reads it) does not "
                "repeat a sequence. Allowed: documents that are one sequence of tokens again and again, and short "
                "enough for the model. Take corpus=repeats, with a smaller corpus.length where they are cut."
            )
        found[number] = period
    return found


class VariantTally:
    """Every variant of `interp.roles.copying_scores`, one number a document and head, summed per block of documents."""

    def __init__(self, model: HeadModel, periods: Int[np.ndarray, " document"]) -> None:
        self.heads = tuple(head for head in model.heads if head.site in SITES)
        self._periods, self._causal = torch.from_numpy(periods), model.causal
        self._fold = NumberFold([card.id for card in DEFINITIONS], self.heads)

    def begin(self, batch: Batch, visible: Visible) -> None:  # noqa: ARG002 - the seam's shape
        """Mark, for every kind of head, what its variants attend to."""
        self._block = batch.block
        self._length = batch.mask.sum(1)[:, None]
        self._real = (batch.mask[:, :, None] & batch.mask[:, None, :]).float()
        period = self._periods.to(batch.tokens.device)[batch.document]
        one = torch.ones_like(period)
        back = {"previous": one, "duplicate": period, "induction": period - 1}
        patterns = detection_patterns(batch)
        targets = {"duplicate": duplicate_targets(batch), "induction": induction_targets(batch).tril(-1)}
        masks = {}
        for kind, by in back.items():
            on_diagonal = _diagonal(batch, by)
            own = batch.mask & ~batch.special
            # the rows of the first period have no target; every row but the first has a token before it
            whole = (own.cumsum(1) > (0 if kind == "previous" else 1) * period[:, None]) & own
            masks[kind, "tl-mul"] = patterns[kind]
            masks[kind, "diagonal"] = on_diagonal
            masks[kind, "valid-rows"] = on_diagonal & whole[:, :, None]
            if kind in targets:
                masks[kind, "row-mass"] = targets[kind]
        self._place = {name: place for place, name in enumerate(masks)}
        stacked = torch.stack(list(masks.values()), dim=1)
        self._entries = stacked.sum((2, 3))
        self._rows = stacked.any(-1).sum(-1)
        self._masks = stacked.float().flatten(2)
        self._pattern = {kind: one.float()[:, None] for kind, one in patterns.items()}

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's scores."""
        if site not in SITES:
            return
        attention = pattern.float() * self._real[:, None]
        on = attention.flatten(2) @ self._masks.mT
        everything, on_first = attention.sum((2, 3)), attention[..., 0].sum(-1)
        values = torch.stack(
            [self._score(kind, variant, attention, on, everything, on_first) for kind, variant in KINDS]
        )
        has_one = ~values.isnan()
        self._fold.add(Head(site, layer, first), self._block, values.nan_to_num(0.0), has_one.long())

    def state(self) -> State:
        """That of its sums."""
        return self._fold.state()

    def restore(self, state: State) -> None:
        """Go on from there."""
        self._fold.restore(state)

    def sums(self) -> NumberSums:
        """Everything folded in so far, per block; a document that has no such number is not counted for it."""
        return self._fold.sums()

    def _score(
        self,
        kind: str,
        variant: str,
        attention: Float[Tensor, "batch head query key"],
        on: Float[Tensor, "batch head mask"],
        everything: Float[Tensor, "batch head"],
        on_first: Float[Tensor, "batch head"],
    ) -> Float[Tensor, "batch head"]:
        """One variant's number for every document; NaN where it has none."""
        if variant == "tl-abs":
            if not self._causal:
                return torch.full_like(everything, torch.nan)
            return 1 - (attention - self._pattern[kind]).abs().sum((2, 3)) / self._length
        if variant == "tl-mul-no-first":
            caught = (attention[..., 0] * self._pattern[kind][..., 0]).sum(-1)
            rest = everything - on_first
            left = on[..., self._place[kind, "tl-mul"]] - caught
            return torch.where(rest > 0, left / rest.clamp(min=torch.finfo(torch.float32).tiny), 0.0)
        place = self._place[kind, "row-mass" if variant == "entry-mean" else variant]
        counts = {"tl-mul": everything, "row-mass": self._rows[:, place, None]}
        return on[..., place] / counts.get(variant, self._entries[:, place, None])


def detection_patterns(batch: Batch) -> dict[str, Bool[Tensor, "batch query key"]]:
    """What TransformerLens expects a head of each kind to look like, special tokens included, padding left out."""
    real = batch.mask[:, :, None] & batch.mask[:, None, :]
    duplicate = (real & (batch.tokens[:, :, None] == batch.tokens[:, None, :])).tril(-1)
    induction = torch.zeros_like(duplicate)
    induction[:, :, 1:] = duplicate[:, :, :-1]
    place = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)
    previous = real & (place[:, None] - 1 == place)
    return {"previous": previous, "duplicate": duplicate, "induction": (induction & real).tril()}


def _diagonal(batch: Batch, back: Int[Tensor, " batch"]) -> Bool[Tensor, "batch query key"]:
    place = torch.arange(batch.tokens.shape[1], device=batch.tokens.device)
    real = batch.mask[:, :, None] & batch.mask[:, None, :]
    return real & (place[:, None] - place[None, :] == back[:, None, None])
