"""How long a text a network reads, found by what it reads of its own tables for texts of two lengths."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import PreTrainedModel

from interp.models.dispatching import device_of
from interp.models.inputs.text import base_of, inputs_of_tokens

UNLIMITED = 1_000_000
"""Where nothing limits a text."""

LENGTHS = (5, 7)
"""Of the two texts: what is read once for every token is so in both."""

SAID = (
    *("max_position_embeddings", "max_seq_len", "max_sequence_length"),
    *("max_source_positions", "max_encoder_position_embeddings"),
)
"""What configurations call the longest text that a network was made for, or its encoder was."""

SAID_OF_DECODERS = (*SAID[:3], "max_target_positions", "max_decoder_position_embeddings")


class Limits(NamedTuple):
    """The longest texts of a network, in tokens, special ones included."""

    read: int
    written: int
    """Of a decoder; the same in a network that has only one side."""
    counted_from: int | None
    """The padding token's id, where tokens are numbered from it and padding itself has no number (RoBERTa)."""


class _Read(NamedTuple):
    """Rows of one of the network's own tables, one for every token: `rows` there are, the first one read is `first`."""

    table: str
    rows: int
    first: int
    padding: int


def limits(network: Any, tokenizer: Any) -> Limits:
    """What the tables of positions allow, and the configuration; without either, the tokenizer.

    A table counts wherever it is found: learned or computed beforehand, with places kept free at its beginning
    (RoBERTa's are numbered from the padding token's id + 1, OPT's and BART's from 2), or as long as a mask.
    """
    pair = network.config.is_encoder_decoder
    short, long = (_tables(network, *sizes) for sizes in (LENGTHS, LENGTHS[::-1]))
    read = short[LENGTHS[0]] & long[LENGTHS[1]]
    written = short[LENGTHS[1]] & long[LENGTHS[0]] if pair else read
    encoder, decoder = (network.get_encoder(), network.get_decoder()) if pair else (network, network)
    counted = {one.padding for one in read | written if one.padding >= 0 and one.first == one.padding + 1}
    return Limits(
        _least(read, encoder, network, SAID, tokenizer),
        _least(written, decoder, network, SAID_OF_DECODERS if pair else SAID, tokenizer),
        min(counted, default=None),
    )


def _least(found: set[_Read], side: Any, network: Any, names: tuple[str, ...], tokenizer: Any) -> int:
    configs = (side.config if isinstance(side, PreTrainedModel) else network.config, network.config)
    said = next((value for config in configs for value in _positive(config, names)), None)
    if said is None and not found:
        return int(min(tokenizer.model_max_length, UNLIMITED))
    return min([one.rows - one.first for one in found] + ([] if said is None else [said]))


def _positive(config: Any, names: tuple[str, ...]) -> Iterator[int]:
    for name in names:
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            yield value


@torch.inference_mode()
def _tables(network: Any, source: int, target: int) -> dict[int, set[_Read]]:
    """What is read once for every token, by the number of tokens, of a text of one token repeated."""
    pairs = network.config.is_encoder_decoder
    network.eval()
    tokens = torch.full((1, source), some_token(network), device=device_of(network))
    inputs = inputs_of_tokens(network.config, tokens)
    if pairs:
        inputs |= {f"decoder_{name}": inputs[name][:, :1].expand(1, target) for name in ("input_ids", "attention_mask")}
    with _Reading(network, (source, target)) as reading:
        base_of(network)(**inputs)
    return reading.found


def some_token(network: Any) -> int:
    """The first id that no table takes for padding."""
    padding = {getattr(module, "padding_idx", None) for module in network.modules()}
    padding |= {getattr(network.config, "pad_token_id", None)}
    return next(token for token in range(len(padding) + 1) if token not in padding)


class _Reading(TorchDispatchMode):
    """While it is open, notes what is read of a network's own tensors in as many consecutive rows as there are tokens.

    They are known by their names: an offloaded table lies elsewhere each time that it is brought.
    """

    def __init__(self, network: Any, lengths: tuple[int, int]) -> None:
        super().__init__()
        self._network = network
        self.found: dict[int, set[_Read]] = {length: set() for length in lengths}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = func(*args, **(kwargs or {}))
        if func is torch.ops.aten.embedding.default:
            self._rows(args[0], 0, args[1], args[2] if len(args) > 2 else -1)
        elif func is torch.ops.aten.index_select.default:
            self._rows(args[0], args[1], args[2], -1)
        elif func is torch.ops.aten.index.Tensor and args[1] and args[1][0] is not None:
            self._rows(args[0], 0, args[1][0], -1)
        elif func is torch.ops.aten.slice.Tensor:
            axis, first = (args[1] if len(args) > 1 else 0), (args[2] if len(args) > 2 else 0)
            self._note(args[0], axis, max(first or 0, 0), out.shape[axis], -1)
        return out

    def _rows(self, table: Tensor, axis: int, indices: Tensor, padding: int) -> None:
        size = indices.shape[-1] if indices.dim() else 0
        if size not in self.found or indices.dtype == torch.bool:
            return
        rows = indices.reshape(-1, size)
        first = int(rows[0, 0])
        if torch.equal(rows, torch.arange(first, first + size, device=rows.device).expand_as(rows)):
            self._note(table, axis, first, size, padding)

    def _note(self, table: Tensor, axis: int, first: int, size: int, padding: int) -> None:
        if size not in self.found or table.shape[axis] <= size:
            return
        storage = table.untyped_storage().data_ptr()
        own = (*self._network.named_parameters(), *self._network.named_buffers())
        named = next(
            (name for name, one in own if one.untyped_storage().data_ptr() == storage and not one.is_meta), None
        )
        if named is not None:
            self.found[size].add(_Read(named, table.shape[axis], first, padding))
