"""Model-free baselines for roles: what a head has to beat on the same queries."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.devices import precise
from interp.types import Batch

WORD_BASELINES = (*(f"offset{sign * by:+d}" for by in range(1, 11) for sign in (-1, 1)), "first", "most_tokens")
"""In the order in which a tie is decided: offset-1, offset+1, offset-2, … offset+10, first, most_tokens."""

SPREAD = ("uniform", "uniform_tokens")
"""What attention gives that is spread evenly: over the candidates, or over the tokens of the candidates."""

CROSS_BASELINES = ("diagonal", "diagonal-1", "diagonal+1", "diagonal-2", "diagonal+2", "first", "last", "most_tokens")
"""Across two texts: the word as far into the one as the query is into the other, its neighbours, and the ends."""

CHOICE_BASELINES = ("nearest_other", "left_other", "right_other", "first_other", "uniform")
"""Of the mentions that a pronoun may choose from: the nearest, on either side or on one, the first, and any alike."""

ALL_BASELINES = (
    *WORD_BASELINES,
    "nearest_mention",
    *CHOICE_BASELINES[:-1],
    *(name for name in CROSS_BASELINES if name not in WORD_BASELINES),
    "uniform",
    "uniform_tokens",
)


def credit(
    baseline: str,
    batch: Batch,
    pair: Int[Tensor, "pair 3"],
    candidates: Bool[Tensor, "batch query key"],
    tokens_of_word: Int[Tensor, "batch word"],
) -> Float[Tensor, " pair"]:
    """What a baseline earns with each (row, query, target): 1 where it names that target, a share if it names several.

    Every target is a candidate. In float64, so that ties are ties.
    """
    row, query, key = pair.unbind(1)
    if baseline == "uniform":
        return 1 / precise(candidates.sum(-1)[row, query])
    if baseline == "uniform_tokens":
        owned = precise(tokens_of_word[row, key])
        return owned / precise((candidates * tokens_of_word[:, None, :].short()).sum(-1)[row, query])
    if baseline.startswith("offset"):
        return precise(key == query + int(baseline.removeprefix("offset")))
    if baseline.startswith("diagonal"):
        words, source_words = batch.written.word.amax(1) + 1, batch.word.amax(1) + 1
        aim = diagonal(query, words[row], source_words[row]) + int(baseline.removeprefix("diagonal") or 0)
        return precise(key == aim)
    if baseline == "last":
        return precise(key == batch.word.amax(1)[row])
    if baseline == "first":
        return precise(key == 0)
    if baseline == "nearest_mention":
        return precise(batch.nearest_mention[row, query] == key)
    if baseline in CHOICE_BASELINES:
        return _of_mentions(baseline, batch, pair, candidates)
    owned = torch.where(candidates, tokens_of_word[:, None, :], -1)
    most = owned.amax(-1, keepdim=True)
    shared = ((owned == most) & candidates).sum(-1)
    is_one = tokens_of_word[row, key] == most[row, query, 0]
    return precise(is_one) / precise(shared[row, query])


def _of_mentions(
    baseline: str, batch: Batch, pair: Int[Tensor, "pair 3"], candidates: Bool[Tensor, "batch query key"]
) -> Float[Tensor, " pair"]:
    """What is guessed of mentions: the one with the fewest words between, on the side in question, or the first."""
    start, end = batch.mention[:, :, 0], batch.mention[:, :, 1]
    to_left, to_right = start[:, :, None] - end[:, None, :], start[:, None, :] - end[:, :, None]
    far = {
        "nearest_other": torch.maximum(to_left, to_right),
        "left_other": to_left,
        "right_other": to_right,
        "first_other": start[:, None, :].expand_as(to_left),
    }[baseline]
    none = torch.iinfo(far.dtype).max
    far = torch.where(candidates & (far >= 0), far, none)
    row, query, key = pair.unbind(1)
    nearest = far.amin(-1)[row, query]
    is_one = (far[row, query, key] == nearest) & (nearest < none)
    shared = (far == far.amin(-1, keepdim=True)).sum(-1)[row, query]
    return precise(is_one) / precise(shared)


def diagonal(
    place: Int[Tensor, "*item"], length: Int[Tensor, " _"], other_length: Int[Tensor, " _"]
) -> Int[Tensor, "*item"]:
    """The place in another text that lies as far into it: ⌊(place + ½) · other_length / length⌋.

    Lengths belong to the first axis of `place`.
    """
    shape = (-1, *[1] * (place.dim() - 1))
    length, other_length = length.reshape(shape).clamp(min=1), other_length.reshape(shape)
    return torch.div((2 * place + 1) * other_length, 2 * length, rounding_mode="floor")
