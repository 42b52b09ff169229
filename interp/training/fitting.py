"""The small network and how it is fitted: AdamW, a warm-up and a cosine, on grammar and repeats alike."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import transformers
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import cross_entropy

from interp.training.texts import Texts, packed, repeats

LAYERS, HEADS, WIDTH, INNER = 4, 8, 128, 384
POSITIONS = 128
GRAMMAR_TEXTS, REPEATS_TEXTS = 6, 10
"""Texts of each kind in a step; both losses weigh the same."""
RATE, LAST_RATE, WARM_UP = 3e-3, 3e-4, 100
"""Highest and last learning rate, and the steps until the highest."""
DECAY, BETAS, CLIP = 0.01, (0.9, 0.98), 1.0


@dataclass(frozen=True)
class Loss:
    """Nats per token: of grammar text every token but the first, of repeats those that can be told."""

    grammar: float
    repeats: float


@dataclass(frozen=True, eq=False)
class Reading:
    """Texts of one kind with the tokens whose loss counts, True where one does."""

    tokens: Int[Tensor, "text pos"]
    scored: Tensor


def network(vocabulary: int, start: int) -> Any:
    """A GPT-2 of this project's size with random weights, from torch's global generator."""
    config = transformers.GPT2Config(
        vocab_size=vocabulary,
        n_layer=LAYERS,
        n_head=HEADS,
        n_embd=WIDTH,
        n_inner=INNER,
        n_positions=POSITIONS,
        initializer_range=0.05,  # 0.02 is for GPT-2's width: in a narrow network, heads begin too alike
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=start,
        eos_token_id=start,
    )
    return transformers.GPT2LMHeadModel(config)


def grammar_reading(texts: Texts) -> Reading:
    """Every token counts but the first, which nothing precedes."""
    tokens = torch.from_numpy(texts)
    return Reading(tokens, (torch.arange(tokens.shape[1]) > 0).expand_as(tokens))


def repeats_reading(
    count: int, words: Int[np.ndarray, " token"], start: int, generator: np.random.Generator
) -> Reading:
    """New random sequences; those of their tokens count that can be told from what precedes."""
    tokens, foreseen = repeats(count, words, start, POSITIONS, generator)
    return Reading(torch.from_numpy(tokens), torch.from_numpy(foreseen))


def losses(model: Any, *readings: Reading) -> list[Float[Tensor, " scored"]]:
    """The loss of every token that counts, in nats, reading after reading, from one forward pass."""
    tokens = torch.cat([reading.tokens for reading in readings])
    scored = torch.cat([reading.scored for reading in readings])[:, 1:]
    hidden = model.base_model(input_ids=tokens, use_cache=False).last_hidden_state
    logits = model.lm_head(hidden[:, :-1][scored])
    each = cross_entropy(logits, tokens[:, 1:][scored], reduction="none")
    return list(each.split([int(reading.scored[:, 1:].sum()) for reading in readings]))


@torch.inference_mode()
def held_out_loss(model: Any, grammar: Reading, repeated: Reading) -> Loss:
    """The mean loss of texts that had no part in training."""
    ours, theirs = (_by_parts(model, reading) for reading in (grammar, repeated))
    return Loss(ours, theirs)


def fit(
    model: Any,
    sentences: list[list[int]],
    words: Int[np.ndarray, " token"],
    start: int,
    steps: int,
    generator: np.random.Generator,
) -> Iterator[Loss]:
    """Trains in place; gives every step's training loss. The order of sentences and all repeats are the generator's."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, betas=BETAS, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: _rate(step, steps) / RATE)
    grammar = _without_end(sentences, start, generator)
    for _ in range(steps):
        ours = grammar_reading(np.stack([next(grammar) for _ in range(GRAMMAR_TEXTS)]))
        theirs = repeats_reading(REPEATS_TEXTS, words, start, generator)
        of_grammar, of_repeats = (each.mean() for each in losses(model, ours, theirs))
        optimizer.zero_grad()
        (of_grammar + of_repeats).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP)
        optimizer.step()
        schedule.step()
        yield Loss(of_grammar.item(), of_repeats.item())


def _rate(step: int, steps: int) -> float:
    if step < WARM_UP:
        return RATE * (step + 1) / WARM_UP
    done = (step - WARM_UP) / max(1, steps - WARM_UP)
    return LAST_RATE + (RATE - LAST_RATE) * (1 + math.cos(math.pi * done)) / 2


def _without_end(
    sentences: list[list[int]], start: int, generator: np.random.Generator
) -> Iterator[Int[np.ndarray, " pos"]]:
    """Texts of all sentences in a new random order, again and again."""
    while True:
        yield from packed(sentences, start, POSITIONS, generator)


def _by_parts(model: Any, reading: Reading, rows: int = 32) -> float:
    parts = zip(reading.tokens.split(rows), reading.scored.split(rows), strict=True)
    each = torch.cat([losses(model, Reading(tokens, scored))[0] for tokens, scored in parts])
    return each.double().mean().item()
