"""Checks of what the model is given: padding, the order of a batch, the longest text, and tokens that are the text."""

import math
from dataclasses import replace

import torch
from torch import Tensor

from interp.models.gate.evidence import (
    INVISIBLE,
    Check,
    Evidence,
    Worst,
    look,
    name_of,
    visible,
)
from interp.text.spelling import first_loss
from interp.types import Batch, Provable, Site

LONG = 1024
"""Tokens of the longest text that is tried: what is longer costs more than it shows."""


def padding_changes_nothing(evidence: Evidence) -> Check:
    """A document among longer ones is seen, and run, as it is alone."""
    name, what = "padding_changes_nothing", "a document beside longer ones is not what it is alone"
    model, lengths = evidence.model, evidence.batch.mask.sum(1).tolist()
    padded = sorted((row for row, length in enumerate(lengths) if length < max(lengths)), key=lambda row: lengths[row])
    if not padded:
        return Check(name, None, 0.0, "no document is longer than another")
    found = Worst()
    for row in padded[:2]:
        batch = evidence.batch.rows([row]).shortened(model.pad_token)
        found.runs(look(model, batch, logits=True), evidence.seen, batch, [row])
    return found.check(name, evidence.tolerance, what)


def order_changes_nothing(evidence: Evidence) -> Check:
    """The documents of a batch in reverse give the same in reverse."""
    model, rows = evidence.model, range(len(evidence.batch.tokens))[::-1]
    batch = evidence.batch.rows(rows).shortened(model.pad_token)
    found = Worst()
    found.runs(look(model, batch, logits=True), evidence.seen, batch, rows)
    return found.check("order_changes_nothing", evidence.tolerance, "documents in another order give something else")


def the_longest_text_is_read(evidence: Evidence) -> Check | None:
    """A text as long as the model is said to read, or of `LONG` tokens, is read, and nothing invisible in it is seen.

    Tables of positions, masks and windows end where a short text never comes. Pictures are all of one size.
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
    found = Worst()

    def compare(site: Site, layer: int, pattern: Tensor) -> None:
        hidden_from = ~visible(model, text, (site, layer))
        found.add(name_of((site, layer)), pattern.abs().amax(1)[hidden_from])

    try:
        output = model.run(text, pattern=compare, logits=False)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        return Check(name, math.inf, INVISIBLE, f"{said} to be read, ends in {type(error).__name__}: {reason}")
    found.add("hidden states", torch.where(output.hidden.isfinite(), 0.0, math.inf))
    return found.check(name, INVISIBLE, f"{said} to be read: attention goes where nothing can be seen")


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
