"""What other heads write when one is replaced: its direct effect, its total effect, and who makes up for the rest."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.ablation.replacements import Substitute, Substitution, tap_of
from interp.answers import answer_metrics
from interp.corpora.batching import batches
from interp.corpora.prompts import END, Prompts
from interp.errors import ModelError
from interp.folds import Collected
from interp.progress import Progress, silent
from interp.tallies.attribution import reading_direction
from interp.types import Batch, Head, HeadModel, HeadOutput, Output, Site
from interp.types.written import HasStream

Measurement = Callable[[Output, Batch, Output], Float[Tensor, " batch"]]


@dataclass(frozen=True, eq=False)
class Repair:
    """In nats of the logit difference, prompt by prompt; `documents` are the prompts' numbers.

    `before[h, d]`: what head h adds directly; `after[a, h, d]`: the same while `replaced[a]` is replaced, through the
    final norm with the scale of the whole model; `total[a, d]`: what the logit difference loses.
    """

    replaced: tuple[Head, ...]
    heads: tuple[Head, ...]
    documents: tuple[int, ...]
    before: Float[np.ndarray, "head prompt"]
    after: Float[np.ndarray, "replaced head prompt"]
    total: Float[np.ndarray, "replaced prompt"]


def measure_repair(
    model: HeadModel,
    prompts: Prompts,
    documents: Sequence[int],
    substitute: Substitute,
    replaced: Sequence[Head],
    *,
    progress: Progress = silent,
) -> Repair:
    """One forward pass for each head that is replaced, and one for what all write otherwise.

    Raises `ModelError` for a model whose stream cannot be taken apart.
    """
    if not isinstance(model, HasStream):
        raise ModelError(
            f"What heads of {model.name!r} write directly is not known. Allowed: a causal language model of "
            "transformers (model.backend=attention)."
        )
    difference, kept = answer_metrics(prompts)[0], Collected()
    groups = batches(prompts.clean, model, documents=documents)
    for place, group in progress(list(enumerate(groups)), "self-repair", kept):
        batch, numbers = group.batch(), list(group.documents)
        at = torch.from_numpy(prompts.named[END][numbers]).to(batch.tokens.device)
        written = model.written(batch, at)
        along, _ = reading_direction(model, written, prompts, numbers)
        intact = model.run(batch)
        substitution = substitute(batch)
        value, after, total = difference.measure(intact, batch, intact), list[Tensor](), list[Tensor]()
        for head in replaced:
            z, left = _replaced(model, batch, at, substitution, head, difference.measure)
            after.append(_direct(model, z, along))
            total.append(value - left)
        before = _direct(model, written.z, along)
        kept.add(place, before=_numbers(before), after=_numbers(torch.stack(after)), total=_numbers(torch.stack(total)))
    order = [number for group in groups for number in group.documents]
    return Repair(
        tuple(replaced),
        tuple(model.heads),
        tuple(order),
        *(np.concatenate(kept.arrays(name), axis=-1) for name in ("before", "after", "total")),
    )


def _replaced(
    model: HasStream, batch: Batch, at: Tensor, substitution: Substitution, head: Head, measure: Measurement
) -> tuple[dict[int, Tensor], Tensor]:
    """What all heads write at these positions while one is replaced, and the logit difference then."""
    rows, found = torch.arange(len(at), device=at.device), dict[int, Tensor]()
    tap = tap_of(substitution, [head])

    def see(site: Site, layer: int, z: HeadOutput) -> HeadOutput | None:
        new = tap(site, layer, z) if substitution.kind == "z" else None
        found[layer] = (z if new is None else new)[rows, at]
        return new

    output = model.run(batch, z=see, pattern=tap if substitution.kind == "pattern" else None)
    return found, measure(output, batch, output)


def _direct(
    model: HasStream, z: dict[int, Float[Tensor, "batch _ _"]], along: Float[Tensor, "batch d_model"]
) -> Float[Tensor, "head batch"]:
    """What each head adds along a direction of the stream, in the model's order."""
    return torch.cat(
        [torch.einsum("bhm,bm->hb", model.contribution(layer, one[:, None])[:, 0], along) for layer, one in z.items()]
    )


def _numbers(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
