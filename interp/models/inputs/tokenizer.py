"""How a model of transformers is given text: its tokenizer's encodings, and what the network is called with."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Int

from interp.models.dispatching import device_of
from interp.models.hugging_face.positions import limits
from interp.models.inputs.targets import Ends, target_encodings
from interp.models.inputs.text import check_offsets, decoded, encodings, inputs_of, inputs_of_tokens, is_causal
from interp.models.inputs.token_ids import check_ids, mask_id, padding_id, sizes
from interp.models.inputs.vocabulary import Vocabulary
from interp.types import Batch, Encoding


class TextReader:
    """The tokenizer of a network, what the network has room and embeddings for, and what it is called with.

    Raises `ModelError` for a tokenizer that reports no character offsets.
    """

    grid = None

    def __init__(self, tokenizer: Any, network: Any, name: str) -> None:
        check_offsets(tokenizer, name)
        config = network.config
        self.tokenizer, self.name = tokenizer, name
        self.sizes = sizes(network)
        found = limits(network, tokenizer)
        self.positions, self.target_positions = found.read, found.written
        self.pad_token = padding_id(tokenizer, config, found.counted_from, min(self.sizes))
        self.unknown_token: int | None = tokenizer.unk_token_id
        self.translates: bool = config.is_encoder_decoder
        self.causal = self.translates or is_causal(config)
        self.vocabulary = Vocabulary(tokenizer, name, self.sizes.read)

    def mask_token(self, *, trained_head: bool) -> int | None:
        """The mask's id. Raises `ModelError` where a masked language model has no embedding for it."""
        needed = trained_head and not self.causal
        return mask_id(self.tokenizer, self.sizes.read, self.name, needed=needed)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Raw texts as the tokenizer cuts them, truncated to `positions`.

        Raises `ModelError` for a token that the network has no embedding for.
        """
        found = encodings(self.tokenizer, texts, self.positions)
        check_ids(found, self.tokenizer, self.sizes.read, self.name)
        return found

    def encode_targets(self, texts: Sequence[str], between: Ends) -> list[Encoding]:
        """What the decoder of an encoder-decoder reads: its start, the text and the end, truncated; raises as above."""
        found = target_encodings(self.tokenizer, texts, between, self.target_positions)
        check_ids(found, self.tokenizer, self.sizes.written, self.name)
        return found

    def draw(self, symbols: Sequence[Int[np.ndarray, " token"]], seeds: Sequence[int]) -> list[Encoding]:
        """Another random token of the vocabulary for every number of a document, truncated to `positions`."""
        found = self.vocabulary.draw(symbols, seeds, self.positions)
        check_ids(found, self.tokenizer, self.sizes.read, self.name)
        return found

    def decode(self, tokens: Int[np.ndarray, " pos"]) -> str | None:
        """The text of these tokens; None where the tokenizer cannot say."""
        return decoded(self.tokenizer, tokens)

    def inputs(self, batch: Batch) -> dict[str, Any]:
        """What the network is called with."""
        return inputs_of(batch, causal=self.causal)

    def call(self, module: Any, inputs: dict[str, Any]) -> Any:
        """What the network, or a part of it that reads the same, makes of these inputs."""
        return module(**inputs)

    def probe(self, device: torch.device) -> dict[str, Any]:
        """Two tokens; of an encoder-decoder three for the encoder, so that a site shows in the numbers of tokens."""
        read = torch.arange(3 if self.translates else 2, device=device)[None]
        inputs = {"input_ids": read, "attention_mask": torch.ones_like(read)}
        if self.translates:
            inputs |= {"decoder_input_ids": read[:, :2], "decoder_attention_mask": torch.ones_like(read[:, :2])}
        return inputs | {"use_cache": False} if self.causal else inputs

    def single_tokens(self, network: Any, rows: int) -> dict[str, Any]:
        """Rows of one token each, spread over the vocabulary."""
        sides = (network.get_encoder(), network.get_decoder()) if self.translates else (network,)
        last = min(side.get_input_embeddings().weight.shape[0] for side in sides) - 1
        tokens = torch.linspace(0, last, rows, device=device_of(network)).long()[:, None]
        return inputs_of_tokens(network.config, tokens)
