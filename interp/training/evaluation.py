"""What a trained model has learnt: heads that attend back, what they are for, and agreement across an attractor."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.training.fitting import Reading, losses

PERIOD = 50
"""Tokens of the random sequence that the heads are tested on, once repeated."""

FORMS = {"is": "are", "are": "is", "was": "were", "were": "was", "has": "have", "have": "has"}
"""Finite verbs whose number a reader hears, and the same verb in the other number."""


def repeated_once(count: int, words: Int[np.ndarray, " token"], start: int, generator: np.random.Generator) -> Reading:
    """Texts of the start token and one random sequence twice; the repetition counts, save its first token."""
    sequences = np.stack([generator.choice(words, PERIOD, replace=False) for _ in range(count)])
    tokens = np.concatenate([np.full((count, 1), start), sequences, sequences], axis=1)
    scored = torch.arange(tokens.shape[1]) > PERIOD + 1
    return Reading(torch.from_numpy(tokens), scored.expand(tokens.shape))


@torch.inference_mode()
def looking_back(model: Any, reading: Reading) -> tuple[Float[Tensor, "layer head"], Float[Tensor, "layer head"]]:
    """Mean attention to the previous token, and to the token after the query's own earlier occurrence.

    Both over the queries in the repetition whose next token can be told: the second is the score of induction heads,
    the diagonal at 1 − `PERIOD` (Olsson et al. 2022, prefix matching), over valid rows only.
    """
    plain = model.config._attn_implementation
    model.set_attn_implementation("eager")
    patterns = torch.stack(model(reading.tokens, output_attentions=True, use_cache=False).attentions)
    model.set_attn_implementation(plain)
    queries = torch.arange(PERIOD + 1, 2 * PERIOD)
    previous, following = (patterns[..., queries, queries - back] for back in (1, PERIOD - 1))
    return previous.mean((1, 3)), following.mean((1, 3))


@torch.inference_mode()
def loss_without(model: Any, reading: Reading, heads: Sequence[tuple[int, int]]) -> float:
    """The mean loss of the tokens that count, in nats, when these heads write nothing (their z is zero)."""
    with ExitStack() as stack:
        for layer, head in heads:
            stack.enter_context(_silent(model, layer, head))
        return losses(model, reading)[0].mean().item()


def without_each_head(model: Any, reading: Reading) -> Float[Tensor, "layer head"]:
    """How much the loss rises without each head, in nats per token that counts."""
    intact = loss_without(model, reading, ())
    heads = [[(layer, head) for head in range(model.config.n_head)] for layer in range(model.config.n_layer)]
    return torch.tensor([[loss_without(model, reading, [one]) - intact for one in layer] for layer in heads])


@torch.inference_mode()
def agreement(model: Any, tokenizer: Any, sentences: Sequence[str], *, plural: bool) -> tuple[float, int]:
    """How often the verb is likelier than the same verb in the other number, and over how many sentences.

    Over sentences that open with a noun of this number, another noun of the other after a preposition, and such a
    verb. A model that always says the same is right in all sentences of one number, and in none of the other.
    """
    asked = [words for words in map(str.split, sentences) if _has_attractor(words) and words[1].endswith("s") == plural]
    right = [_right(model, tokenizer, words) for words in asked]
    return (float(np.mean(right)) if right else float("nan")), len(right)


def _has_attractor(words: Sequence[str]) -> bool:
    """*The keys to the cabinet are*: five words and the verb; the nouns of the grammar have plurals in -s."""
    return (
        len(words) > 5
        and words[0] == "The"
        and words[3] in ("the", "a")
        and words[5] in FORMS
        and words[1].endswith("s") != words[4].endswith("s")
    )


def _right(model: Any, tokenizer: Any, words: Sequence[str]) -> bool:
    tokens = tokenizer(" ".join(words[:5]), return_tensors="pt")["input_ids"]
    logits = model(tokens, use_cache=False).logits[0, -1]
    verb, other = (tokenizer.convert_tokens_to_ids(word) for word in (words[5], FORMS[words[5]]))
    return bool(logits[verb] > logits[other])


@contextmanager
def _silent(model: Any, layer: int, head: int) -> Iterator[None]:
    """While it is open, the head writes zero."""

    def without(_module: nn.Module, args: tuple[Tensor]) -> tuple[Tensor]:
        z = args[0].unflatten(-1, (model.config.n_head, -1)).clone()
        z[:, :, head] = 0.0
        return (z.flatten(-2),)

    handle = model.base_model.h[layer].attn.c_proj.register_forward_pre_hook(without)
    try:
        yield
    finally:
        handle.remove()
