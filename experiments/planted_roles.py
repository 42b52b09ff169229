"""What planted models are asked: by position, by relation, by word class, and by repetition."""

from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from interp import roles
from interp.types import Batch, Corpus, Role


def asked_of(corpus: Corpus) -> tuple[Role, ...]:
    """Position, relations, coreference and word class of annotated text; position and copying of any other.

    Copying is asked where words repeat at random: in English text nearly all repetitions are of a few words, which
    stand at the same places again and again.
    """
    if corpus.tags:
        known = (*roles.positional(), *roles.syntax(corpus), *roles.coreference(corpus))
        return (*known, punctuation(), same_tag())
    return (*roles.positional(), *roles.copying())


def punctuation() -> Role:
    """Other punctuation marks."""
    return _role("punctuation", _punctuation_targets)


def same_tag() -> Role:
    """Other words of the same part of speech."""
    return _role("same_tag", _same_tag_targets)


def _role(name: str, targets: Callable[[Batch], Tensor]) -> Role:
    return Role(name, "lexical", "token", "mass", f"lexical/{name.replace('_', '-')}@1", ("uniform",), targets)


def _tag_of_token(batch: Batch) -> Tensor:
    return torch.where(batch.word >= 0, batch.tag.gather(1, batch.word.clamp(min=0)), -1)


def _punctuation_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    index = batch.tags.index("PUNCT") if "PUNCT" in batch.tags else -2
    return (_tag_of_token(batch) == index)[:, None, :].expand(-1, batch.tokens.shape[1], -1)


def _same_tag_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    tag = _tag_of_token(batch)
    return (tag[:, :, None] == tag[:, None, :]) & (tag >= 0)[:, :, None]
