"""What planted models are asked: by position, by relation, by word class, and by repetition."""

from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from interp import roles
from interp.corpora.text import text_document
from interp.models.planted.stream import class_of_word
from interp.types import Batch, Corpus, Role


def asked_of(corpus: Corpus) -> tuple[Role, ...]:
    """Position, relations, coreference and word class of annotated text; position and copying of any other.

    Copying is asked where words repeat at random: in English text nearly all repetitions are of a few words, which
    stand at the same places again and again.
    """
    if corpus.tags:
        known = (*roles.positional(), *roles.syntax(corpus), *roles.coreference(corpus))
        return (*known, punctuation(), same_tag())
    return (*roles.positional(), duplicate(), induction())


def repeated_words(length: int, documents: int, seed: int) -> Corpus:
    """Random words that planted models know, all different, and the same again."""
    random = np.random.default_rng(seed)
    words = sorted(word for word in class_of_word() if word.isalpha())
    texts = [" ".join(np.tile(random.choice(words, length, replace=False), 2)) for _ in range(documents)]
    read = tuple(replace(text_document(text), source=text) for text in texts)
    return Corpus("repeats", read, sha256("\n".join(texts).encode()).hexdigest(), generated=True)


def duplicate() -> Role:
    """Every earlier occurrence of the same token."""
    return _role("duplicate", "copying", "copying/duplicate@1", _duplicate_targets)


def induction() -> Role:
    """The token after every earlier occurrence of the same token."""
    return _role("induction", "copying", "copying/induction@1", _induction_targets)


def punctuation() -> Role:
    """Other punctuation marks."""
    return _role("punctuation", "lexical", "lexical/punctuation@1", _punctuation_targets)


def same_tag() -> Role:
    """Other words of the same part of speech."""
    return _role("same_tag", "lexical", "lexical/same-tag@1", _same_tag_targets)


def _role(name: str, family: str, definition: str, targets: Callable[[Batch], Tensor]) -> Role:
    return Role(name, family, "token", "mass", definition, ("uniform",), targets)


def _duplicate_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    own = batch.mask & ~batch.special
    same = batch.tokens[:, :, None] == batch.tokens[:, None, :]
    return (same & own[:, :, None] & own[:, None, :]).tril(-1)


def _induction_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    found = torch.zeros_like(_duplicate_targets(batch))
    found[:, :, 1:] = _duplicate_targets(batch)[:, :, :-1]
    return found & (batch.mask & ~batch.special)[:, None, :]


def _tag_of_token(batch: Batch) -> Tensor:
    return torch.where(batch.word >= 0, batch.tag.gather(1, batch.word.clamp(min=0)), -1)


def _punctuation_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    index = batch.tags.index("PUNCT") if "PUNCT" in batch.tags else -2
    return (_tag_of_token(batch) == index)[:, None, :].expand(-1, batch.tokens.shape[1], -1)


def _same_tag_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    tag = _tag_of_token(batch)
    return (tag[:, :, None] == tag[:, None, :]) & (tag >= 0)[:, :, None]
