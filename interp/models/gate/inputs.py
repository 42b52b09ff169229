"""Checks of what the model is given: padding, the order of a batch, the longest text, and tokens that are the text."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from interp.attention.visibility import mask_groups, visible_to
from interp.models.gate.evidence import (
    INVISIBLE,
    Check,
    Evidence,
    Worst,
    name_of,
)
from interp.text.spelling import first_loss
from interp.types import Batch, Provable, Site

LONG = 1024
"""Tokens of the longest text that is tried: what is longer costs more than it shows."""


def padding_changes_nothing(evidence: Evidence) -> Check:
    """A document among longer ones is seen, and run, as it is alone."""
    name, what = "padding_changes_nothing", "a document beside longer ones is not what it is alone"
    if evidence.lengths[evidence.probe] == max(evidence.lengths):
        return Check(name, None, 0.0, "no document is longer than another")
    batch, alone = evidence.alone
    found = Worst()
    found.runs(alone, evidence.seen, batch, [evidence.probe])
    return found.check(name, evidence.tolerance, what)


def order_changes_nothing(evidence: Evidence) -> Check:
    """The documents of a batch in reverse give the same in reverse."""
    rows, batch, reverse = evidence.given_back
    found = Worst()
    found.runs(reverse, evidence.seen, batch, rows)
    return found.check("order_changes_nothing", evidence.tolerance, "documents in another order give something else")


class _SeenEnough(Exception):  # noqa: N818 - it is no error
    """Raised in a tap where the layers that follow have nothing new to show."""


def the_longest_text_is_read(evidence: Evidence) -> Check | None:
    """A text as long as the model is said to read, or of `LONG` tokens, is read, and nothing invisible in it is seen.

    Tables of positions, masks and windows end where a short text never comes. Where some layer is built to see less
    than all, or all that came before, every layer is run; else as far as the first layer of every site. Pictures are
    all of one size.
    """
    model, batch = evidence.model, evidence.batch
    if batch.pixels is not None:
        return None
    rows = int(batch.mask.sum(1).argmax())
    text = _as_long_as(batch, rows, min(model.positions, LONG))
    if batch.target is not None:
        longest = min(getattr(model, "target_positions", model.positions), LONG)
        text = replace(text, target=_as_long_as(batch.target, rows, longest))
    name, said = "the_longest_text_is_read", f"a text of {text.tokens.shape[1]} tokens, and {model.positions} are said"
    groups = mask_groups(model)
    visible = {group: visible_to(model, text, group) for group in set(groups.values())}
    windowed = any(not (seen.all() or torch.equal(seen, seen.new_ones(seen.shape).tril())) for seen in visible.values())
    found, unseen = Worst(), {site for site, _ in evidence.places}

    def compare(site: Site, layer: int, pattern: Tensor) -> None:
        found.add(name_of((site, layer)), pattern.abs().amax(1)[~visible[groups[site, layer]]], _not_finite(pattern))
        unseen.discard(site)
        if not (unseen or windowed):
            raise _SeenEnough

    try:
        found.add("hidden states", _not_finite(model.run(text, pattern=compare, logits=False).hidden))
    except _SeenEnough:
        pass
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Check(name, math.inf, INVISIBLE, f"{said} to be read, ends in {type(error).__name__}: {reason}")
    return found.check(name, INVISIBLE, f"{said} to be read: attention goes where nothing can be seen")


def _not_finite(activation: Tensor) -> Tensor:
    """Infinite where a sum over the last axis is no number."""
    return torch.where(activation.float().sum(-1).isfinite(), 0.0, math.inf)


def _as_long_as(batch: Batch, row: int, length: int) -> Batch:
    """The tokens of one document, again and again."""
    tokens = batch.tokens[row, batch.mask[row]]
    tokens = tokens.repeat(-(-length // len(tokens)))[None, :length]
    return Batch.bare(tokens, torch.ones_like(tokens, dtype=torch.bool))


def tokens_are_the_text(evidence: Evidence) -> Check:
    """Tokens decode back to the text that they were made of; drawn ones and those of a picture never were a text."""
    if evidence.batch.pixels is not None:
        return Check("tokens_are_the_text", None, 0.0, "the tokens are patches of pictures, which spell no text")
    model, documents = evidence.model, evidence.encoded.corpus.documents
    if all(document.symbols is not None for document in documents):
        return Check("tokens_are_the_text", None, 0.0, "the documents are drawn tokens, which were never a text")
    texts = [document.text for document in documents]
    decode, unknown = (model.decode, model.unknown_token) if isinstance(model, Provable) else (_cannot_say, None)
    lost = first_loss(texts, evidence.encoded.encodings, decode, unknown)
    return Check("tokens_are_the_text", float(lost is not None), 0.0, f"tokens are not the text: {lost}")


def _cannot_say(_tokens: object) -> None:
    return None
