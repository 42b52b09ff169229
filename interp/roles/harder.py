"""Harder guesses, held beside a role's baseline: the next verb, the previous noun, the nearest mention that agrees.

A head that follows a relation has to do better than one that knows parts of speech and distance alone.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.types import Batch, Corpus, Role

AGREEING = "nearest_agreeing_mention"
WAYS = ("previous", "next")


def harder_guesses(*corpora: Corpus) -> tuple[str, ...]:
    """What the annotation of a corpus, or of both sides of one, allows: `previous ADJ`, `next ADJ`, … by tag.

    The last is `nearest_agreeing_mention`, where the gender or number of mentions is annotated.
    """
    tags = sorted({tag for corpus in corpora for tag in corpus.tags})
    agreeing = (AGREEING,) if any(corpus.has_agreement for corpus in corpora) else ()
    return (*(f"{way} {tag}" for tag in tags for way in WAYS), *agreeing)


def is_held_against(role: Role, guess: str) -> bool:
    """Whether a harder guess is one for this role: only for hits over the words of one text.

    Roles of coreference are held against the nearest mention that agrees, all others against parts of speech.
    """
    if role.unit != "word" or role.statistic != "hit" or "cross" in role.sites:
        return False
    return ("nearest_mention" in role.guesses) == (guess == AGREEING)


def harder_credit(guesses: tuple[str, ...], batch: Batch, pair: Int[Tensor, "pair 3"]) -> Float[Tensor, "pair guess"]:
    """What each guess earns with each (row, query, target): 1 where it names that target. Every target is a candidate.

    The nearest word is the nearest in the document: where that is no candidate of the query, the guess is a miss.
    """
    row, query, key = pair.unbind(1)
    named = {AGREEING: batch.nearest_agreeing}
    for way, nearest in zip(WAYS, _nearest_of_tags(batch), strict=True):
        named |= {f"{way} {tag}": nearest[..., number] for number, tag in enumerate(batch.tags)}
    nothing = torch.full_like(batch.tag, -1)
    # all guesses of a word side by side: one look-up for each query
    names = torch.stack([named.get(guess, nothing) for guess in guesses], dim=-1)
    return (names[row, query] == key[:, None]).cpu().double()


def _nearest_of_tags(batch: Batch) -> tuple[Int[Tensor, "batch word tag"], Int[Tensor, "batch word tag"]]:
    """The nearest word of each part of speech before each word, and after it; −1 where there is none."""
    rows, width = batch.tag.shape
    place = torch.arange(width, device=batch.tag.device)[None, :, None]
    is_tag = batch.tag[:, :, None] == torch.arange(len(batch.tags), device=batch.tag.device)
    if not len(batch.tags):
        return place.expand(rows, -1, 0), place.expand(rows, -1, 0)
    last = torch.where(is_tag, place, -1).cummax(1).values
    first = torch.where(is_tag, place, width).flip(1).cummin(1).values.flip(1)
    none = torch.full_like(last[:, :1], -1)
    before = torch.cat([none, last[:, :-1]], dim=1)
    after = torch.cat([first[:, 1:], none], dim=1)
    return before, torch.where(after == width, -1, after)
