"""Path patching: what one head's change does along one path, to the output or to a head's queries, keys or values.

Algorithm 1 of Wang et al. (2023, section 3.1). The sender's z becomes that of the corrupted text while all other heads
keep what they write on the clean one; what the receiver then reads is put into the clean run, and all that follows is
computed anew.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.ablation.fast_engine import TOKENS_AT_ONCE, variant_of
from interp.ablation.patched_z import other_text, within_rounding
from interp.ablation.sweep import tokens_a_sweep
from interp.answers import LOGIT_DIFFERENCE, answer_metrics, last_positions
from interp.attention.nan_checks import finite_z, insist_on_finite_values
from interp.corpora.batching import batches
from interp.corpora.prompts import END, Prompts
from interp.devices import tokens_for
from interp.errors import InterpError, ModelError
from interp.folds import Collected
from interp.heads import parse_head
from interp.models.hugging_face.interface import Ingredients
from interp.models.ingredients import ShowsIngredients, shows_ingredients
from interp.progress import Progress, silent
from interp.types import Batch, CleanRun, Head, HeadModel, HeadOutput, Metric, Output, Place, Site, Tap
from interp.types.written import HasStream

OUTPUT, STREAM = "output", "stream"
INPUTS: Mapping[str, Literal["query", "key", "value"]] = {"q": "query", "k": "key", "v": "value"}
RECOMPUTED, FROZEN = "recomputed", "frozen"
MLPS = (RECOMPUTED, FROZEN)
"""Whether a path may go through MLPs on its way to the receiver."""


class Receiver(NamedTuple):
    """Who reads the change: one input of a head, or what follows the last block (no head)."""

    head: Head | None
    read: str

    @property
    def name(self) -> str:
        """`23.3`, or `output`."""
        return OUTPUT if self.head is None else self.head.name

    def is_reached_from(self, place: Place, order: Sequence[Place]) -> bool:
        """Whether it lies after that layer."""
        return self.head is None or order.index(self.head.place) > order.index(place)


@dataclass(frozen=True, eq=False)
class Paths:
    """The logit difference of every prompt: of the clean run, and with the path from each head to a receiver patched.

    `after[receiver][sender, prompt]`, senders in the model's order; NaN for heads that have no path to it. A path along
    which nothing changes has the very number of the clean run.
    """

    before: Float[np.ndarray, " prompt"]
    after: dict[Receiver, Float[np.ndarray, "sender prompt"]]


def patch_paths(
    model: HeadModel,
    prompts: Prompts,
    receivers: Sequence[str] = (OUTPUT,),
    *,
    mlps: str = RECOMPUTED,
    progress: Progress = silent,
) -> Paths:
    """Every head as sender, to each receiver: `output`, or a head and its input such as `L23H3.q`.

    Raises `InterpError` for a receiver or a choice of `mlps` that is not known, and `ModelError` for a model that does
    not show what its heads read, or, with frozen MLPs, whose blocks do not add to the stream.
    """
    if mlps not in MLPS:
        raise InterpError(f"path_patching.mlps={mlps} is not known. Allowed: {', '.join(MLPS)}.")
    asked = read_receivers(receivers, model.heads)
    able = shows_ingredients(model, "Path patching")
    metric = next(one for one in answer_metrics(prompts) if one.name == LOGIT_DIFFERENCE)
    kept, groups = Collected(), batches(prompts.clean, model, tokens=tokens_a_sweep(model))
    for item, group in progress(list(enumerate(groups)), "path patching", kept):
        batch = group.batch()
        if mlps == FROZEN:
            insist_on_sums(model, batch, prompts)
        other = other_text(batch, prompts.corrupted, model.pad_token)
        before, after = _of_batch(able, batch, other, asked, metric, mlps)
        values = {f"after {number}": _numbers(one) for number, one in enumerate(after)}
        kept.add(item, before=_numbers(before), **values)
    order = np.argsort([number for group in groups for number in group.documents])
    found = {
        receiver: np.concatenate(kept.arrays(f"after {number}"), axis=1)[:, order]
        for number, receiver in enumerate(asked)
    }
    return Paths(np.concatenate(kept.arrays("before"))[order], found)


def read_receivers(given: Sequence[str], heads: Sequence[Head]) -> list[Receiver]:
    """Receivers as they are written: `output`, `L23H3.q`, `23.3.k`. Raises `InterpError` for anything else."""
    if not given:
        raise InterpError("path_patching.receiver=[] asks for nothing. Allowed: output, L23H3.q, or a list of them.")
    found: dict[Receiver, None] = {}
    order = list(dict.fromkeys(head.place for head in heads))
    for text in given:
        if text == OUTPUT:
            found[Receiver(None, STREAM)] = None
            continue
        name, _, read = str(text).rpartition(".")
        if read not in INPUTS or not name:
            raise InterpError(
                f"path_patching.receiver={text} is no receiver. Allowed: output, or a head and which of its inputs "
                "reads (q, k, v), such as L23H3.q; or a list of them."
            )
        head = parse_head(name, heads, given=f"path_patching.receiver={text}")
        if order.index(head.place) == 0:
            raise InterpError(
                f"path_patching.receiver={text} lies in the first layer, which no head has a path to. "
                "Allowed: a head of a later layer, or output."
            )
        found[Receiver(head, read)] = None
    return list(found)


def insist_on_sums(model: HeadModel, batch: Batch, prompts: Prompts) -> None:
    """Raises `ModelError` where what a head writes is not what is added to the stream, so that MLPs can be frozen."""
    if not isinstance(model, HasStream):
        raise ModelError(
            f"path_patching.mlps=frozen adds to the stream what a head writes, and of {model.name!r} it is not known "
            "whether its blocks do. Allowed: path_patching.mlps=recomputed."
        )
    ends = torch.from_numpy(prompts.named[END])[batch.document.cpu()].to(batch.tokens.device)
    model.written(batch, ends)


class _Enough(Exception):  # noqa: N818 - no error
    """All receivers have been seen: the rest of the pass would be for nothing."""


@dataclass(frozen=True, eq=False)
class _Runs:
    """One batch: the clean run, what its layers attend with, and z of the run on the corrupted texts."""

    model: ShowsIngredients
    clean: CleanRun
    ingredients: Mapping[Place, Ingredients]
    corrupted: Mapping[Place, HeadOutput]
    metric: Metric

    @property
    def batch(self) -> Batch:
        """The clean texts."""
        return self.clean.batch

    def measured(self, output: Output, variants: int) -> Float[Tensor, "variant batch"]:
        """The metric of every variant of an output."""
        rows = len(self.batch.tokens)
        found = [
            self.metric.measure(variant_of(output, one, rows), self.batch, self.clean.output) for one in range(variants)
        ]
        return torch.stack(found)


def _of_batch(
    model: ShowsIngredients, batch: Batch, other: Batch, receivers: Sequence[Receiver], metric: Metric, mlps: str
) -> tuple[Float[Tensor, " batch"], list[Float[Tensor, "sender batch"]]]:
    runs = _both_runs(model, batch, other, receivers, metric)
    before = metric.measure(runs.clean.output, batch, runs.clean.output)
    after = {receiver: before.new_full((len(model.heads), len(before)), torch.nan) for receiver in receivers}
    order, at_once = list(runs.clean.z), max(1, tokens_for(model.device, TOKENS_AT_ONCE) // batch.tokens.numel())
    for place in order:
        reached = [receiver for receiver in receivers if receiver.is_reached_from(place, order)]
        if not reached:
            continue
        site, layer = place
        change = runs.corrupted[place] - runs.clean.z[place]
        added = model.contribution(layer, change, site).permute(2, 0, 1, 3)
        same = within_rounding(change, runs.clean.z[place], batch.mask).T
        senders = [number for number, head in enumerate(model.heads) if head.place == place]
        for start in range(0, len(senders), at_once):
            some = slice(start, start + at_once)
            passes = _frozen_mlps if mlps == FROZEN else _recomputed_mlps
            for receiver, values in passes(runs, place, added[some], reached):
                after[receiver][senders[some]] = torch.where(same[some], before, values.to(before))
    sets = [(head,) for head in model.heads]
    for values in after.values():
        has_path = ~values.isnan().all(1)
        some = [one for one, there in zip(sets, has_path.tolist(), strict=True) if there]
        insist_on_finite_values(model, batch, [metric], some, before[None], values[has_path][None])
    return before, list(after.values())


def _both_runs(
    model: ShowsIngredients, batch: Batch, other: Batch, receivers: Sequence[Receiver], metric: Metric
) -> _Runs:
    wanted = {receiver.head.place for receiver in receivers if receiver.head is not None}
    ingredients: dict[Place, Ingredients] = {}
    corrupted: dict[Place, HeadOutput] = {}

    def see(site: Site, layer: int, at: Ingredients) -> HeadOutput:
        if (site, layer) in wanted:
            ingredients[site, layer] = at
        return at.write(at.pattern())

    def keep(site: Site, layer: int, z: HeadOutput) -> None:
        corrupted[site, layer] = finite_z(model, other, site, layer, z)

    if wanted:
        model.see_layers(batch, see)
    model.run(other, z=keep, logits=False)
    clean = model.remember(batch, logits=last_positions(batch))
    return _Runs(model, clean, ingredients, corrupted, metric)


Values = Iterator[tuple[Receiver, Float[Tensor, "variant batch"]]]
"""The metric of every variant, by receiver."""


def _recomputed_mlps(
    runs: _Runs, place: Place, added: Float[Tensor, "variant batch pos d_model"], receivers: Sequence[Receiver]
) -> Values:
    """One pass with all later heads frozen shows every receiver what it reads."""
    variants, clean = len(added), runs.clean
    heads = [receiver.head for receiver in receivers if receiver.head is not None]
    to_output, last = any(receiver.head is None for receiver in receivers), {head.place for head in heads}
    seen: dict[Place, Ingredients] = {}

    def see(at: Place, ingredients: Ingredients) -> None:
        if at in last:
            seen[at] = ingredients
        if not to_output and len(seen) == len(last):
            raise _Enough

    frozen: Tap = lambda site, layer, z: clean.z[site, layer].repeat(variants, 1, 1, 1).to(z)  # noqa: E731
    logits, output = (last_positions(runs.batch) if to_output else False), None
    with suppress(_Enough):
        changed = clean.attention_output[place] + added
        output = runs.model.resume(clean, place, changed, z=frozen, logits=logits, see=see)
    for receiver in receivers:
        if receiver.head is not None:
            yield receiver, _received(runs, receiver.head, receiver.read, seen[receiver.head.place], variants)
        elif output is not None:
            yield receiver, runs.measured(output, variants)


def _frozen_mlps(
    runs: _Runs,
    place: Place,  # noqa: ARG001 - what is added is the same wherever it comes from
    added: Float[Tensor, "variant batch pos d_model"],
    receivers: Sequence[Receiver],
) -> Values:
    """Where nothing on the way responds, what the sender adds is all that changes in the stream of a receiver."""
    for receiver in receivers:
        if receiver.head is None:
            output = runs.model.enter(runs.clean, None, added, logits=last_positions(runs.batch))
            yield receiver, runs.measured(output, len(added))
            continue
        seen: list[Ingredients] = []

        def see(_place: Place, ingredients: Ingredients, seen: list[Ingredients] = seen) -> None:
            seen.append(ingredients)
            raise _Enough

        with suppress(_Enough):
            runs.model.enter(runs.clean, receiver.head.place, added, logits=False, see=see)
        yield receiver, _received(runs, receiver.head, receiver.read, seen[0], len(added))


def _received(runs: _Runs, head: Head, read: str, seen: Ingredients, variants: int) -> Float[Tensor, "variant batch"]:
    """The metric where a head reads what was seen by one of its inputs, and all that follows is computed anew."""
    clean, place, one = runs.clean, head.place, slice(head.head, head.head + 1)
    own = runs.ingredients[place].some(one)
    mine = replace(
        own,
        query=own.query.repeat(variants, 1, 1, 1),
        key=own.key.repeat(variants, 1, 1, 1),
        value=own.value.repeat(variants, 1, 1, 1),
        mask=_repeated(own.mask, len(own.query), variants),
    )
    # heads that share keys and values each have their own view of them: the others go on with the clean ones
    new = replace(mine, **{INPUTS[read]: getattr(seen, INPUTS[read])[:, one]})
    change = new.write(new.pattern()) - mine.write(mine.pattern())
    every = change.new_zeros(*change.shape[:2], clean.z[place].shape[2], change.shape[3])
    every[:, :, one] = change
    added = runs.model.contribution(head.layer, every, head.site)[:, :, head.head].unflatten(0, (variants, -1))
    changed = clean.attention_output[place] + added
    found = runs.measured(runs.model.resume(clean, place, changed, logits=last_positions(runs.batch)), variants)
    before = runs.metric.measure(clean.output, runs.batch, clean.output)
    same = within_rounding(change, clean.z[place], runs.batch.mask.repeat(variants, 1))
    return torch.where(same.unflatten(0, (variants, -1))[..., 0], before, found)


def _repeated(mask: Tensor | None, rows: int, variants: int) -> Tensor | None:
    return mask.repeat(variants, 1, 1, 1) if mask is not None and len(mask) == rows else mask


def _numbers(values: Tensor) -> np.ndarray:
    return values.double().cpu().numpy()
