"""Token ids that the network has an embedding for, and those of the tokenizer that it has none for."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from interp.errors import ModelError
from interp.types import Encoding


class Sizes(NamedTuple):
    """How many token ids a network has embeddings for."""

    read: int
    written: int
    """Of its decoder; the same in a network that has only one side."""


def sizes(network: Any) -> Sizes:
    """As many as the tables of embeddings have rows; where there is no table, as the configuration says."""
    sides = (network.get_encoder(), network.get_decoder()) if network.config.is_encoder_decoder else (network, network)
    return Sizes(*(_rows(side, network.config) for side in sides))


def _rows(side: Any, config: Any) -> int:
    try:
        return int(side.get_input_embeddings().weight.shape[0])
    except (AttributeError, NotImplementedError):
        return int(config.vocab_size)


def padding_id(tokenizer: Any, config: Any, counted_from: int | None, rows: int) -> int:
    """What documents are padded with: padding is masked, so any id does that the network has an embedding for.

    Best is the one that the network itself takes for padding, from which it may number its positions.
    """
    named = getattr(config, "pad_token_id", None)
    several = named if isinstance(named, list | tuple) else [named]
    wanted = [counted_from, *several, tokenizer.pad_token_id]
    return next((one for one in wanted if isinstance(one, int) and 0 <= one < rows), 0)


def forget_padding_beyond(config: Any) -> None:
    """Take a padding id that has no embedding out of a configuration, which could not be built: padding is masked."""
    named = getattr(config, "pad_token_id", None)
    # Marian's decoder may have a vocabulary of its own
    rows = [getattr(config, name, None) for name in ("vocab_size", "decoder_vocab_size")]
    if isinstance(named, int) and any(isinstance(one, int) and named >= one for one in rows):
        config.pad_token_id = None


def check_counted_from(network: Any, name: str) -> None:
    """Raises `ModelError` where positions are numbered from the padding id (RoBERTa's), and there is none."""
    for module in network.modules():
        if hasattr(module, "create_position_ids_from_input_ids") and getattr(module, "padding_idx", 0) is None:
            raise ModelError(
                f"{name!r} ({type(network).__name__}) numbers its positions from the padding token, and pad_token_id "
                "in config.json names none that it has an embedding for. Allowed: the id that it was trained with; "
                "RoBERTa's is 1."
            )


def mask_id(tokenizer: Any, rows: int, name: str, *, needed: bool) -> int | None:
    """The mask's id; None where there is none, or where it has no embedding and is not needed.

    Raises `ModelError` where a language model that is asked for masked tokens has no embedding for the mask.
    """
    token = tokenizer.mask_token_id
    if token is None or 0 <= token < rows:
        return token
    if needed:
        raise ModelError(beyond(tokenizer, token, rows, name))
    return None


def check_ids(encodings: Iterable[Encoding], tokenizer: Any, rows: int, name: str) -> None:
    """Raises `ModelError` that names the first token that the network has no embedding for."""
    for one in encodings:
        if len(one.tokens) and not 0 <= int(one.tokens.min()) <= int(one.tokens.max()) < rows:
            token = next(int(token) for token in one.tokens if not 0 <= token < rows)
            raise ModelError(beyond(tokenizer, token, rows, name))


def beyond(tokenizer: Any, token: int, rows: int, name: str) -> str:
    """What is wrong with a token that has no embedding, and what to do."""
    added = tokenizer.get_added_vocab()
    also = [f"{text} ({number})" for text, number in sorted(added.items(), key=lambda one: one[1]) if number >= rows]
    return (
        f"The tokenizer of {name!r} gives the token {tokenizer.convert_ids_to_tokens(token)!r} the id {token}, and the "
        f"network has embeddings for {rows} (0 to {rows - 1}). Allowed: a tokenizer and weights of the same model. "
        f"{_all_added(also)}Where tokens were added to the tokenizer, the network has to be given as many "
        "(model.resize_token_embeddings(len(tokenizer)), trained, and saved with it); or take the tokens out."
    )


def _all_added(also: Sequence[str]) -> str:
    return f"Added to the tokenizer and beyond: {', '.join(also[:5])}. " if also else ""
