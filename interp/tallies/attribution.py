"""A logit difference as a sum of what every component writes: direct logit attribution (Elhage et al. 2021)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.corpora.batching import batches
from interp.corpora.prompts import END, Prompts
from interp.errors import ModelError
from interp.folds import Collected
from interp.progress import Progress, silent
from interp.types import HeadModel
from interp.types.written import HasStream, Written

NOT_THERE = "elsewhere"
"""The keys of a prompt that are at none of its named positions."""


class Component(NamedTuple):
    """What writes: the embedding, a layer's MLP, a head, …; layer and head are −1 where there is none."""

    name: str
    layer: int = -1
    head: int = -1


@dataclass(frozen=True, eq=False)
class Attribution:
    """`value[c, d]`: what component c adds to logit(right) − logit(wrong) of prompt d, in nats.

    `by_key[p][h, d]`: what head h (in the model's order) adds because it attends to the named position p of prompt d;
    summed over names and `elsewhere`, that is what it adds. NaN where a prompt has no such position.
    """

    components: tuple[Component, ...]
    value: Float[np.ndarray, "component prompt"]
    by_key: dict[str, Float[np.ndarray, "head prompt"]]

    def value_of_heads(self) -> Float[np.ndarray, "head prompt"]:
        """The rows of heads, layer by layer."""
        return self.value[[one.name == "head" for one in self.components]]


def attribute(model: HeadModel, prompts: Prompts, *, progress: Progress = silent) -> Attribution:
    """The final norm keeps the mean and the scale that it has of the whole stream, so that all else is linear.

    Raises `ModelError` for a model whose stream cannot be taken apart.
    """
    if not isinstance(model, HasStream):
        raise ModelError(
            f"What components write is not known of {model.name!r}. Allowed: a causal language model of transformers "
            "(model.backend=attention)."
        )
    kept, groups = Collected(), batches(prompts.clean, model)
    for place, group in progress(list(enumerate(groups)), "attribution", kept, whole=True):
        batch, numbers = group.batch(), list(group.documents)
        at = torch.from_numpy(prompts.named[END][numbers]).to(batch.tokens.device)
        written = model.written(batch, at)
        along, constant = reading_direction(model, written, prompts, numbers)
        parts = _parts(model, written, along) | constant
        places = {name: torch.from_numpy(positions[numbers]) for name, positions in prompts.named.items()}
        by_key = _by_key(model, written, along, places)
        kept.add(
            place,
            names="\n".join(f"{one.name} {one.layer} {one.head}" for one in parts),
            values=_numbers(list(parts.values())),
            by_key=np.stack([_numbers(one) for one in by_key.values()]),
        )
    order = np.argsort([number for group in groups for number in group.documents])
    named = [line.split() for line in kept.texts("names")[0].splitlines()]
    by_key = np.concatenate(kept.arrays("by_key"), axis=2)[:, :, order]
    return Attribution(
        tuple(Component(name, int(layer), int(head)) for name, layer, head in named),
        np.concatenate(kept.arrays("values"), axis=1)[:, order],
        dict(zip((*prompts.named, NOT_THERE), by_key, strict=True)),
    )


def reading_direction(
    model: HasStream, written: Written, prompts: Prompts, numbers: Sequence[int]
) -> tuple[Float[Tensor, "batch d_model"], dict[Component, Float[Tensor, " batch"]]]:
    """The direction in the stream, before the final norm, along which it is read; and what does not depend on it."""
    weights, bias = model.unembedding()
    right, wrong = (torch.from_numpy(one[numbers]).to(weights.device) for one in (prompts.right, prompts.wrong))
    direction = (weights[right] - weights[wrong]).to(written.final)
    constant = {Component("norm_bias"): direction @ written.norm.bias}
    if bias is not None:
        constant[Component("unembedding_bias")] = (bias[right] - bias[wrong]).to(written.final)
    return written.norm.read_along(direction), constant


def _parts(
    model: HasStream, written: Written, along: Float[Tensor, "batch d_model"]
) -> dict[Component, Float[Tensor, " batch"]]:
    """What each component adds, in the order in which they write."""
    found = {Component("embedding"): (written.embedding * along).sum(-1)}
    if written.position is not None:
        found[Component("position")] = (written.position * along).sum(-1)
    for layer, z in written.z.items():
        heads = torch.einsum("bhm,bm->hb", model.contribution(layer, z[:, None])[:, 0], along)
        found |= {Component("head", layer, head): one for head, one in enumerate(heads)}
        bias = written.attention_bias[layer]
        if bias is not None:
            found[Component("attention_bias", layer)] = along @ bias.to(along)
        found[Component("mlp", layer)] = (written.mlp[layer] * along).sum(-1)
    return found


def _by_key(
    model: HasStream,
    written: Written,
    along: Float[Tensor, "batch d_model"],
    named: Mapping[str, Int[Tensor, " batch"]],
) -> dict[str, list[Float[Tensor, " batch"]]]:
    """What each head adds because of the key at each named position, and because of all other keys."""
    found: dict[str, list[Tensor]] = {name: [] for name in (*named, NOT_THERE)}
    for layer, pattern in written.pattern.items():
        brought = pattern[..., None] * written.value[layer].to(pattern)
        added = torch.einsum("bkhm,bm->hbk", model.contribution(layer, brought.transpose(1, 2)), along)
        taken = torch.zeros(added.shape[1:], dtype=torch.bool, device=added.device)
        for name, position in named.items():
            there = torch.nn.functional.one_hot(position.clamp(min=0), added.shape[2]).bool().to(added.device)
            there &= (position >= 0).to(added.device)[:, None]
            # a position with two names counts for the first
            there &= ~taken
            taken |= there
            known = (position >= 0).to(added.device)
            found[name] += list(torch.where(known, (added * there).sum(-1), torch.nan))
        found[NOT_THERE] += list((added * ~taken).sum(-1))
    return found


def _numbers(values: Sequence[Tensor]) -> Float[np.ndarray, "value prompt"]:
    return torch.stack(list(values)).double().cpu().numpy()
