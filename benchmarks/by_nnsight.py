"""The two pieces of work as one does them with nnsight, where it is installed."""

import warnings
from collections.abc import Callable, Sequence
from importlib import import_module
from importlib.util import find_spec

import torch
from torch import Tensor

from benchmarks.subjects import Subject, plain_copy
from interp.models.inputs.text import base_of, inputs_of
from interp.types import Batch, Head, Output


def installed() -> bool:
    """Whether it is there; says so on the screen where it is not."""
    there = find_spec("nnsight") is not None
    if not there:
        print("nnsight is not installed: skipped (pip install nnsight)")
    return there


def patterns(subject: Subject) -> Callable[[Batch], Sequence[Tensor]]:
    """From a batch to every layer's attention weights, traced in the base model with open attention."""
    nnsight = import_module("nnsight")
    network = base_of(plain_copy(subject.model, "eager"))
    traced, envoys = _wrap(network)
    paths = {id(module): path for path, module in subject.model.base.named_modules()}
    attention = [envoys[id(network.get_submodule(paths[id(layer.attention)]))] for layer in subject.model.layers]

    @torch.inference_mode()
    def see(batch: Batch) -> Sequence[Tensor]:
        with traced.trace(**inputs_of(batch, causal=subject.model.causal)):
            seen = nnsight.save([module.output[1] for module in attention])
        return seen  # noqa: RET504 - a trace hands out names, it does not return

    return see


def runs(subject: Subject, *, logits: bool) -> Callable[[Batch, Head | None], Output]:
    """From a batch and a head, or none, to what the plain network makes of it with that head's z set to zero."""
    nnsight = import_module("nnsight")
    network = plain_copy(subject.model, "sdpa")
    whole = network if logits else base_of(network)
    traced, envoys = _wrap(whole)
    paths = {id(module): path for path, module in subject.plain.named_modules()}
    projections = [envoys[id(network.get_submodule(paths[id(module)]))] for module in subject.projections]

    @torch.inference_mode()
    def run(batch: Batch, head: Head | None) -> Output:
        inputs = inputs_of(batch, causal=subject.model.causal)
        if head is None:
            with traced.trace(**inputs):
                out = nnsight.save(traced.output)
        else:
            place = subject.width(head.head)
            projection = projections[head.layer]
            with traced.trace(**inputs):
                projection.input[:, :, place] = 0
                out = nnsight.save(traced.output)
        return Output(out[0], out[0] if logits else None)

    return run


def _wrap(network: torch.nn.Module) -> tuple:
    """The network in nnsight, and its handle of every module by the module's id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # BERT has modules of the name `output`, which nnsight then calls otherwise
        traced = import_module("nnsight").NNsight(network)
    return traced, {id(envoy._module): envoy for envoy in traced.modules()}
