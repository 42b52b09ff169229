"""What every way into a model of text shares: its tokenizer's encodings, its inputs, and what a query may see."""

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
from interp.models.library_errors import refusing
from interp.types import Batch, Encoding, Site

MEND = "Allowed: a tokenizer that cuts every text. Mend tokenizer.json, or save the tokenizer anew."


def check_offsets(tokenizer: Any, name: str) -> None:
    """Words are found by character offsets. Raises `ModelError` for a tokenizer that reports none."""
    if not getattr(tokenizer, "is_fast", False):
        raise ModelError(
            f"The tokenizer of {name!r} ({type(tokenizer).__name__}) reports no character offsets, and words are "
            "found by their offsets. Allowed: a fast tokenizer (a tokenizer.json). "
            "Where the tokenizer has such a form, take it: transformers.AutoTokenizer.from_pretrained(NAME)"
            ".save_pretrained(DIR). Those that read bytes or single characters (ByT5, CANINE) have none."
        )


def called(tokenizer: Any) -> str:
    """The tokenizer in a message: its class, and where it was read from, if it was."""
    place = getattr(tokenizer, "name_or_path", "")
    return f"The tokenizer ({type(tokenizer).__name__}{', of ' if place else ''}{place})"


def encodings(tokenizer: Any, texts: Sequence[str], positions: int) -> list[Encoding]:
    """Raw texts to token ids with character offsets, special tokens included, truncated to `positions`.

    Raises `ModelError` for whatever the tokenizer raises, panics of its library too.
    """
    with refusing(f"{called(tokenizer)} could not cut {len(texts)} texts", MEND):
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
        with refusing(f"The tokenizer ({type(tokenizer).__name__}) could not decode its tokens", MEND):
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
    seen = batch.query_side(site).mask[:, :, None] & batch.key_side(site).mask[:, None, :]
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
