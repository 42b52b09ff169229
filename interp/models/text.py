"""What every way into a model of text shares: its tokenizer's encodings, its context, and what a query may see."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from tokenizers.models import WordLevel, WordPiece
from torch import Tensor
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED

from interp.errors import ModelError
from interp.types import Batch, Encoding, Site


class TextReader:
    """How a transformers model is given text: its tokenizer's encodings, and what the network is called with.

    Raises `ModelError` for a tokenizer that reports no character offsets.
    """

    grid = None

    def __init__(self, tokenizer: Any, config: Any, name: str) -> None:
        check_offsets(tokenizer, name)
        self.tokenizer = tokenizer
        self.positions = context(config, tokenizer)
        self.pad_token: int = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        self.mask_token: int | None = tokenizer.mask_token_id
        self.unknown_token: int | None = tokenizer.unk_token_id
        self.translates: bool = config.is_encoder_decoder
        self.causal = self.translates or is_causal(config)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Raw texts as the tokenizer cuts them, truncated to `positions`."""
        return encodings(self.tokenizer, texts, self.positions)

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
        return inputs

    def single_tokens(self, network: Any, rows: int) -> dict[str, Any]:
        """Rows of one token each, spread over the vocabulary."""
        sides = (network.get_encoder(), network.get_decoder()) if self.translates else (network,)
        last = min(side.get_input_embeddings().weight.shape[0] for side in sides) - 1
        tokens = torch.linspace(0, last, rows, device=network.device).long()[:, None]
        return inputs_of_tokens(network.config, tokens)


def check_offsets(tokenizer: Any, name: str) -> None:
    """Words are found by character offsets. Raises `ModelError` for a tokenizer that reports none."""
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            f"The tokenizer of {name!r} ({type(tokenizer).__name__}) reports no character offsets, and words are "
            "found by their offsets. Allowed: a fast tokenizer (a tokenizer.json). "
            "Convert it with transformers' AutoTokenizer(…, use_fast=True).save_pretrained."
        )


def encodings(tokenizer: Any, texts: Sequence[str], positions: int) -> list[Encoding]:
    """Raw texts to token ids with character offsets, special tokens included, truncated to `positions`."""
    out = tokenizer(
        list(texts),
        truncation=True,
        max_length=positions,
        padding=False,
        return_offsets_mapping=True,
        return_special_tokens_mask=True,
    )
    return [
        Encoding(
            np.array(out["input_ids"][i], dtype=np.int32),
            np.array(out["offset_mapping"][i], dtype=np.int32).reshape(-1, 2),
            np.array(out["special_tokens_mask"][i], dtype=bool),
            truncated=bool(out.encodings[i].overflowing),
        )
        for i in range(len(texts))
    ]


def decoded(tokenizer: Any, tokens: Int[np.ndarray, " pos"]) -> str | None:
    """The text of these tokens, without a decoder their pieces side by side; None where these are no letters."""
    backend = tokenizer.backend_tokenizer
    if backend.decoder is not None:
        return tokenizer.decode(tokens.tolist(), skip_special_tokens=False, clean_up_tokenization_spaces=False)
    if not isinstance(backend.model, WordLevel | WordPiece) or "ByteLevel" in repr(backend.pre_tokenizer):
        return None
    continues = getattr(backend.model, "continuing_subword_prefix", "")
    pieces = tokenizer.convert_ids_to_tokens(tokens.tolist())
    return " ".join(piece.removeprefix(continues).replace("▁", " ") for piece in pieces)


def visible_keys(
    batch: Batch, site: Site = "self", *, causal: bool, window: int | None
) -> Bool[Tensor, "batch query key"]:
    """Real keys, for real queries; in a causal model only up to the query, within a window only as far as it goes.

    Of an encoder-decoder only the decoder's own attention is causal.
    """
    seen = batch.asking(site).mask[:, :, None] & batch.asked(site).mask[:, None, :]
    if causal and site in ("self", "decoder"):
        seen = seen.tril()
    if window is not None:
        seen = seen.triu(1 - window).tril(window - 1)
    return seen


def is_causal(config: Any) -> bool:
    """Whether a query sees no further than itself; BERT's family, known as both kinds, is so only as a decoder."""
    return bool(getattr(config, "is_decoder", False)) or (
        config.model_type in CAUSAL and config.model_type not in MASKED
    )


def context(config: Any, tokenizer: Any) -> int:
    """How many tokens the position embeddings (or, without any, the tokenizer) allow."""
    positions = getattr(config, "max_position_embeddings", None)
    if positions is None:
        return int(min(tokenizer.model_max_length, 1_000_000))
    # RoBERTa and its descendants number positions from the padding token's id + 1
    reserved = config.pad_token_id + 1 if config.model_type in ("roberta", "xlm-roberta", "camembert") else 0
    return int(positions - reserved)


def windows(config: Any, layers: int, name: str) -> tuple[int | None, ...]:
    """How many keys back each layer sees (in a model that is not causal, ahead as well), itself included; None for all.

    Raises `ModelError` for a kind of attention that is not known.
    """
    width = getattr(config, "window_size" if config.model_type == "gpt_neo" else "sliding_window", None)
    listed = config.attention_layers if config.model_type == "gpt_neo" else getattr(config, "layer_types", None)
    kinds = list(listed or ["full_attention" if width is None else "sliding_attention"] * layers)
    if unknown := set(kinds) - {"full_attention", "global", "sliding_attention", "local"}:
        raise ModelError(
            f"Attention in {name!r} ({', '.join(sorted(unknown))}) is of a kind whose keys are not known here. "
            "Allowed: full attention and sliding windows, in any order of layers."
        )
    # without a causal mask transformers counts the distance, to which the token itself is added here
    own = 0 if is_causal(config) else 1
    return tuple(None if kind in ("full_attention", "global") or width is None else int(width) + own for kind in kinds)


def base_of(network: Any) -> Any:
    """The model without its language head; OPT's language model calls its decoder past the base model.

    T5's has no part without its head: then it is all of it.
    """
    base = getattr(network, str(network.base_model_prefix), network)
    return base if network.config.is_encoder_decoder else getattr(base, "decoder", base)


def inputs_of(batch: Batch, *, causal: bool) -> dict[str, Any]:
    """What transformers is called with; no cache is kept, nothing is generated."""
    inputs: dict[str, Any] = {"input_ids": batch.tokens, "attention_mask": batch.mask.long()}
    if batch.target is not None:
        inputs |= {
            "decoder_input_ids": batch.target.tokens,
            "decoder_attention_mask": batch.target.mask.long(),
        }
    return inputs | {"use_cache": False} if causal else inputs


def inputs_of_tokens(config: Any, tokens: Int[Tensor, "batch pos"]) -> dict[str, Any]:
    """The same for tokens without a text, none of them padding; an encoder-decoder reads and writes the same ones."""
    inputs: dict[str, Any] = {"input_ids": tokens, "attention_mask": torch.ones_like(tokens)}
    if config.is_encoder_decoder:
        inputs |= {"decoder_input_ids": tokens, "decoder_attention_mask": torch.ones_like(tokens)}
    return inputs | {"use_cache": False} if config.is_encoder_decoder or is_causal(config) else inputs
