"""Other ways from token attention to word attention than the contract's: what sensitivity is measured against.

The contract's way (Clark et al. 2019, section 4.1) sums over the tokens of the word attended to and averages over those
of the word attending. Others take the largest, the mean or the first of the former, or the first or last of the
latter.
"""

from dataclasses import dataclass, replace
from functools import partial

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.attention.candidates import Candidates, CandidatesOf, word_candidates
from interp.errors import InterpError, closest
from interp.types import Batch, Pattern, Site

ATTENDED_TO = ("sum", "max", "mean", "first")
ATTENDING = ("mean", "first", "last")


def words_by(attended_to: str = "sum", attending: str = "mean") -> CandidatesOf:
    """The view over words that aggregates so. Raises `InterpError` for a way that is none of these."""
    for name, given, allowed in (("attended_to", attended_to, ATTENDED_TO), ("attending", attending, ATTENDING)):
        if given not in allowed:
            raise InterpError(f"{name}={given} is no way to aggregate attention. {closest(given, allowed)}")
    return partial(_aggregated, attended_to=attended_to, attending=attending)


def _aggregated(
    batch: Batch, visible: Bool[Tensor, "batch query key"], site: Site, *, attended_to: str, attending: str
) -> Candidates:
    view = word_candidates(batch, visible, site)
    rows, columns = view.rows, view.columns
    if rows is None or columns is None:
        raise ValueError("a view over words has rows and columns")
    if attending != "mean":
        view = replace(view, rows=_one_of(rows, last=attending == "last"))
    if attended_to == "mean":
        return replace(view, columns=columns / columns.sum(1, keepdim=True).clamp(min=1))
    if attended_to == "first":
        return replace(view, columns=_one_of(columns, last=False))
    if attended_to == "max":
        fields = {name: getattr(view, name) for name in ("candidates", "queries", "owned", "rows", "columns")}
        return LargestAttention(**fields, owner=batch.key_side(site).word)
    return view


def _one_of(weights: Float[Tensor, "batch pos word"], *, last: bool) -> Float[Tensor, "batch pos word"]:
    """1 for the first (or last) token of every word, else 0."""
    held = weights > 0
    order = held.flip(1).cumsum(1).flip(1) if last else held.cumsum(1)
    return (held & (order == 1)).float()


@dataclass(frozen=True, eq=False)
class LargestAttention(Candidates):
    """Over words, with the largest attention on any token of the word attended to: no product of matrices does that.

    `owner` is the word of every token that can be attended to, -1 for none.
    """

    owner: Int[Tensor, "batch other_pos"] | None = None

    def attention(self, pattern: Pattern) -> Float[Tensor, "batch head asking asked"]:
        """The pattern in words, 0 on all but candidates."""
        if self.owner is None or self.rows is None:
            raise ValueError("the words of tokens are not given")
        words = self.candidates.shape[2]
        place = torch.where(self.owner >= 0, self.owner, words)[:, None, None, :].expand(pattern.shape)
        nothing = pattern.new_zeros(*pattern.shape[:3], words + 1, dtype=torch.float32)
        on_words = nothing.scatter_reduce(3, place, pattern.float(), "amax")[..., :words]
        return (self.rows.mT[:, None] @ on_words).mul_(self.weight)
