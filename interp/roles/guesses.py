"""What one could guess without a model: the baselines that a `hit` role has to beat on the same queries."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.types import Batch

WORD_GUESSES = (*(f"offset{sign * by:+d}" for by in range(1, 11) for sign in (-1, 1)), "first", "most_tokens")
"""In the order in which a tie is decided: offset-1, offset+1, offset-2, … offset+10, first, most_tokens."""

ALL_GUESSES = (*WORD_GUESSES, "nearest_mention", "uniform")


def guessed_words(
    guess: str, batch: Batch, candidates: Bool[Tensor, "batch word word"], tokens_of_word: Int[Tensor, "batch word"]
) -> Bool[Tensor, "batch word word"]:
    """The candidates that each query is guessed to look at; a guess of several shares its credit among them."""
    width = candidates.shape[-1]
    place = torch.arange(width, device=candidates.device)
    if guess.startswith("offset"):
        guessed = (place[None, :] == place[:, None] + int(guess.removeprefix("offset"))).expand_as(candidates)
    elif guess == "first":
        guessed = (place == 0).expand_as(candidates)
    elif guess == "nearest_mention":
        guessed = batch.nearest_mention[:, :, None] == place
    else:
        owned = torch.where(candidates, tokens_of_word[:, None, :], -1)
        guessed = owned == owned.amax(-1, keepdim=True)
    return guessed & candidates
