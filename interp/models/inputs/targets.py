"""What an encoder-decoder reads in its decoder: a text that is given, or what it writes itself."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence
from transformers import GenerationConfig

from interp.errors import ModelError, cut
from interp.models.dispatching import device_of
from interp.models.inputs.text import MEND, called
from interp.models.library_errors import refusing
from interp.types import Batch, Encoding, Output

WRITTEN_AT_ONCE = 64
"""Sources that are written from together."""

ALLOWING = (
    *("bad_words_ids", "suppress_tokens", "begin_suppress_tokens", "forced_bos_token_id", "forced_eos_token_id"),
    *("no_repeat_ngram_size", "encoder_no_repeat_ngram_size", "min_length", "min_new_tokens"),
)
"""Settings of generation that say which tokens may be written; how others are searched for is not followed."""


class Ends(NamedTuple):
    """The tokens that a decoder begins with, and ends with if it has one for that."""

    start: int
    end: int | None


def ends(config: Any, rows: int) -> Ends:
    """Those that a configuration of transformers names.

    Raises `ModelError` where there is no start, and for an id that is none of the decoder's `rows` embeddings.
    """
    start, end = (getattr(config, name, None) for name in ("decoder_start_token_id", "eos_token_id"))
    end: Any = end[0] if isinstance(end, list) and end else end
    if start is None:
        raise ModelError(
            f"The configuration of this {cut(config.model_type)} names no decoder_start_token_id, so its "
            "decoder cannot "
            "begin. Set it in config.json."
        )
    for name, token in (("decoder_start_token_id", start), ("eos_token_id", end)):
        if token is not None and not (isinstance(token, int) and 0 <= token < rows):
            raise ModelError(
                f"The configuration of this {cut(config.model_type)} names {name}={token}, and its "
                "decoder has embeddings "
                f"for {rows} tokens (0 to {rows - 1}). Set it in config.json."
            )
    return Ends(start, end)


def special_ends(tokenizer: Any, name: str) -> Ends:
    """The tokenizer's bos and eos tokens. Raises `ModelError` where it has no bos token."""
    if tokenizer.bos_token_id is None:
        raise ModelError(f"The tokenizer of {name!r} has no bos_token, so its decoder cannot begin. Give it one.")
    return Ends(tokenizer.bos_token_id, tokenizer.eos_token_id)


def target_encodings(tokenizer: Any, texts: Sequence[str], between: Ends, positions: int) -> list[Encoding]:
    """The decoder's start token, the text as the tokenizer cuts targets, and the end token, where the model has one.

    Raises `ModelError` for a text whose letters the tokenizer does not know: some tokenizers know sources only.
    """
    if not texts:
        return []
    with refusing(f"{called(tokenizer)} could not cut {len(texts)} targets", MEND):
        out = tokenizer(
            text_target=list(texts),
            truncation=True,
            max_length=positions - 2,
            padding=False,
            return_offsets_mapping=True,
            return_special_tokens_mask=True,
        )
    found: list[Encoding] = []
    for i, text in enumerate(texts):
        tokens, special = out["input_ids"][i], out["special_tokens_mask"][i]
        if tokens and all(token == tokenizer.unk_token_id for token in tokens):
            raise ModelError(
                f"The tokenizer knows no letter of the target {text!r}. Allowed: targets in the language that the "
                "model writes, and a tokenizer that cuts it; or no targets, and the model writes its own."
            )
        truncated = bool(out.encodings[i].overflowing)
        found.append(_between(tokens, out["offset_mapping"][i], special, between, truncated))
    return found


@torch.inference_mode()
def generate(
    network: Any, tokenizer: Any, encodings: Sequence[Encoding], between: Ends, pad_token: int, positions: int
) -> list[tuple[str, Encoding]]:
    """What the model writes, at every step the likeliest token of those that its generation settings allow.

    Offsets come from decoding one token more at a time: not every tokenizer can cut again what it wrote.
    """
    found: list[tuple[str, Encoding]] = []
    for start in range(0, len(encodings), WRITTEN_AT_ONCE):
        rows = [torch.from_numpy(one.tokens.astype(np.int64)) for one in encodings[start : start + WRITTEN_AT_ONCE]]
        tokens = pad_sequence(rows, batch_first=True, padding_value=pad_token).to(device_of(network))
        lengths = torch.tensor([len(row) for row in rows], device=tokens.device)
        mask = (torch.arange(tokens.shape[1], device=tokens.device) < lengths[:, None]).long()
        room = min(positions - 2, 2 * tokens.shape[1] + 20)
        with _greedy(network, between, pad_token, room):
            written = network.generate(input_ids=tokens, attention_mask=mask)
        found += [_read_again(row, tokenizer, between) for row in written.tolist()]
    return found


@contextmanager
def _greedy(network: Any, between: Ends, pad_token: int, room: int) -> Iterator[None]:
    """While it is open, the network writes the likeliest tokens: of its settings, only those that allow tokens count.

    They are replaced as a whole, because transformers fills in from them what a call leaves open.
    """
    own, config = network.generation_config, network.config
    network.generation_config = GenerationConfig(
        **{name: getattr(own, name, None) for name in ALLOWING},
        num_beams=1,
        do_sample=False,
        max_new_tokens=room,
        decoder_start_token_id=between.start,
        eos_token_id=between.end,
        pad_token_id=pad_token,
        # T5's cache has as many layers as the encoder
        use_cache=getattr(config, "num_decoder_layers", None) in (None, config.num_hidden_layers),
    )
    try:
        yield
    finally:
        network.generation_config = own


@torch.inference_mode()
def write_greedily(
    call: Callable[[Batch], Output],
    tokenizer: Any,
    encodings: Sequence[Encoding],
    between: Ends,
    pad_token: int,
    positions: int,
    device: torch.device,
) -> list[tuple[str, Encoding]]:
    """What a model of any making writes: the likeliest token after those before it, until its end or no room is left.

    Every step is a whole forward pass, so that nothing is asked of the model but its logits.
    """
    found: list[tuple[str, Encoding]] = []
    for start in range(0, len(encodings), WRITTEN_AT_ONCE):
        rows = [torch.from_numpy(one.tokens.astype(np.int64)) for one in encodings[start : start + WRITTEN_AT_ONCE]]
        tokens = pad_sequence(rows, batch_first=True, padding_value=pad_token).to(device)
        lengths = torch.tensor([len(row) for row in rows], device=device)
        source = Batch.bare(tokens, torch.arange(tokens.shape[1], device=device) < lengths[:, None])
        written = torch.full((len(rows), 1), between.start, device=device)
        ended = torch.zeros(len(rows), dtype=torch.bool, device=device)
        for _ in range(min(positions - 2, 2 * tokens.shape[1] + 20)):
            target = Batch.bare(written, torch.ones_like(written, dtype=torch.bool))
            logits = call(replace(source, target=target)).logits
            if logits is None:
                raise ModelError("This model gives no logits, so it cannot write. Allowed: corpora with targets.")
            written = torch.cat([written, logits[:, -1:].argmax(-1)], dim=1)
            ended |= written[:, -1] == between.end
            if ended.all():
                break
        found += [_read_again(row, tokenizer, between) for row in written.tolist()]
    return found


def _read_again(row: Sequence[int], tokenizer: Any, between: Ends) -> tuple[str, Encoding]:
    tokens = list(row[1:])
    end = between.end
    truncated = end is not None and end not in tokens
    if end in tokens:
        tokens = tokens[: tokens.index(end)]
    special_ids = set(tokenizer.all_special_ids)
    text, offsets = "", []
    for count in range(1, len(tokens) + 1):
        longer = tokenizer.decode(tokens[:count], skip_special_tokens=True)
        offsets.append((min(len(text), len(longer)), len(longer)))
        text = longer
    special = [token in special_ids for token in tokens]
    return text, _between(tokens, offsets, special, between, truncated)


def _between(
    tokens: Sequence[int],
    offsets: Sequence[tuple[int, int]],
    special: Sequence[bool | int],
    between: Ends,
    truncated: bool,
) -> Encoding:
    start, end = between
    closing = [end] if end is not None and list(tokens[-1:]) != [end] else []
    return Encoding(
        np.array([start, *tokens, *closing], dtype=np.int32),
        np.array([(0, 0), *offsets, *((0, 0) for _ in closing)], dtype=np.int32).reshape(-1, 2),
        np.array([True, *map(bool, special), *(True for _ in closing)]),
        truncated=truncated,
    )
