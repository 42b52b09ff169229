"""The attention layers of a transformers model, found by running it once on a few tokens."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformers.activations import NewGELUActivation
from transformers.pytorch_utils import Conv1D

from interp.errors import ModelError
from interp.models.dispatching import at_hand
from interp.models.hooking_errors import because, own_code
from interp.models.hugging_face.interface import Ingredients, watching
from interp.types import Place, Site

SITES: dict[tuple[int, int], Site] = {(3, 3): "encoder", (2, 2): "decoder", (2, 3): "cross"}
"""By the numbers of queries and keys, where the encoder reads three tokens and the decoder two."""


SITE_ORDER: tuple[Site, ...] = ("self", "encoder", "decoder", "cross")
"""In which order the heads of several sites are listed."""


@dataclass(frozen=True, eq=False)
class Layer:
    """One attention layer: its module, the projection that mixes its heads, and the block around both, if found.

    `number` counts the layers of one site. A block that hands on more than the stream (T5's position bias) is none, but
    in an encoder-decoder, whose blocks stand for two attention layers each.
    """

    site: Site
    number: int
    heads: int
    attention: nn.Module
    projection: nn.Module
    block: nn.Module | None
    ends_in_projection: bool
    """Whether what the attention module returns is what the projection returned, unchanged."""

    @property
    def place(self) -> Place:
        """Its site and number."""
        return self.site, self.number

    def output_weights(self) -> Float[Tensor, "head d_head d_model"]:
        """W_O, cut into each head's slice."""
        weight = self.projection.weight if isinstance(self.projection, Conv1D) else self.projection.weight.T
        return weight.unflatten(0, (self.heads, -1))  # pyright: ignore[reportCallIssue]


@torch.inference_mode()
def find_layers(network: Any, base: nn.Module, name: str, run: Callable[[nn.Module], object]) -> tuple[Layer, ...]:
    """The attention layers in the order in which they run, found by running the base model once on two tokens.

    An encoder-decoder's encoder reads three, so that a site shows in the numbers of queries and keys. The projection of
    a layer is the first linear map that is given exactly what its heads wrote.
    """
    found: list[tuple[nn.Module, Tensor, Site]] = []
    projections: dict[int, nn.Module] = {}
    projected: dict[int, Tensor] = {}
    returned: dict[int, Any] = {}
    pair = network.config.is_encoder_decoder
    streams: set[nn.Module] = set()  # modules that return one tensor; in an encoder-decoder maybe more after it

    def watch(module: nn.Module, at: Ingredients) -> Tensor:
        written = at.write(at.pattern())
        found.append((module, written, SITES[at.query.shape[2], at.key.shape[2]] if pair else "self"))
        return written

    def look(module: nn.Module, args: tuple[Any, ...], output: Any) -> None:
        number = len(found) - 1
        if number >= 0 and number not in projections and torch.equal(args[0].flatten(), found[number][1].flatten()):
            projections[number], projected[number] = module, output

    def note(module: nn.Module, _args: Any, output: Any) -> None:
        stream = output[0] if pair and isinstance(output, tuple) and output else output
        if isinstance(stream, Tensor):
            streams.add(module)
        if found and found[-1][0] is module:
            returned[len(found) - 1] = output

    with ExitStack() as stack:
        for module in base.modules():
            stack.enter_context(watching(module, watch))
            stack.callback(module.register_forward_hook(note).remove)
            if isinstance(module, nn.Linear | Conv1D):
                stack.callback(module.register_forward_hook(look).remove)
        run(base)
    expected = _layers_expected(network.config)
    if len(found) != expected or len(projections) != expected:
        why = own_code(base, all_seen=len(found) >= expected) + because(network)
        raise ModelError(
            f"Of {expected} layers of {name!r}, {len(found)} were seen to attend through transformers' interface and "
            f"{len(projections)} to project what their heads wrote. {why}".rstrip()
        )
    of_site: dict[Site, Iterator[nn.Module | None]] = {
        each: iter(_blocks(base, [module for module, _, site in found if site == each])) for each in SITE_ORDER
    }
    counted: Counter[Site] = Counter()
    layers: list[Layer] = []
    for order, (module, written, site) in enumerate(found):
        ends = isinstance(returned.get(order), tuple) and _is_same(returned[order][0], projected[order])
        heads = written.shape[2]
        two = pair or not isinstance(returned.get(order), tuple) or len(returned[order]) == 2
        block = next(of_site[site])
        block = block if two and block in streams else None
        layers.append(Layer(site, counted[site], heads, module, projections[order], block, ends))
        counted[site] += 1
    return tuple(layers)


def _layers_expected(config: Any) -> int:
    if not config.is_encoder_decoder:
        return config.num_hidden_layers
    encoder = getattr(config, "encoder_layers", config.num_hidden_layers)
    decoder = getattr(config, "decoder_layers", getattr(config, "num_decoder_layers", None))
    return encoder + 2 * (encoder if decoder is None else decoder)


def _is_same(one: Any, other: Tensor) -> bool:
    return isinstance(one, Tensor) and one.shape == other.shape and torch.equal(one, other)


def _blocks(base: nn.Module, attentions: Sequence[nn.Module]) -> list[nn.Module | None]:
    """The element of the list of blocks that holds each attention module; none where layers share one."""
    for candidate in base.modules():
        if isinstance(candidate, nn.ModuleList) and len(candidate) == len(attentions):
            inside = [
                any(m is attention for m in block.modules())
                for block, attention in zip(candidate, attentions, strict=True)
            ]
            if all(inside):
                return list(candidate)
    return [None] * len(attentions)


def see_each(forward: Callable[[], Any], layers: Sequence[Layer], see: Callable[[Layer, Ingredients], Tensor]) -> None:
    """One forward pass; `see` is shown what each layer attends with, and gives its z. `layers` are all there are."""
    order = iter(layers)

    def watch(_module: nn.Module, at: Ingredients) -> Tensor:
        return see(next(order), at)

    with ExitStack() as stack:
        # a module that stands for several layers is watched once
        for module in {id(layer.attention): layer.attention for layer in layers}.values():
            stack.enter_context(watching(module, watch))
        forward()


@contextmanager
def computing(module: nn.Module, forward: Callable[..., Any]) -> Iterator[None]:
    """While it is open, the module computes `forward` instead of its own."""
    before = module.__dict__.get("forward")
    module.__dict__["forward"] = forward
    try:
        yield
    finally:
        if before is None:
            del module.__dict__["forward"]
        else:
            module.__dict__["forward"] = before


def answering(module: nn.Module, answer: Any) -> AbstractContextManager[None]:
    """While it is open, the module computes nothing and returns `answer`."""
    return computing(module, lambda *_args, **_options: answer)


@contextmanager
def fused_activations(network: nn.Module) -> Iterator[None]:
    """While it is open, GPT-2's GELU is one step of torch instead of eight, seven times faster; rounding may differ."""
    with ExitStack() as stack:
        for module in network.modules():
            if type(module) is NewGELUActivation:
                stack.enter_context(computing(module, partial(nn.functional.gelu, approximate="tanh")))
        yield


def linear_maps(block: nn.Module) -> list[nn.Linear | Conv1D]:
    """Every linear map in it."""
    return [module for module in block.modules() if isinstance(module, nn.Linear | Conv1D)]


def low_precision_weight(module: nn.Linear | Conv1D) -> Tensor:
    """Its weight in bfloat16, [out, in]."""
    with at_hand(module):
        weight = module.weight.T if isinstance(module, Conv1D) else module.weight
        return weight.detach().bfloat16().contiguous()


def from_clean(weight: Tensor, clean_in: Tensor, clean_out: Tensor) -> Callable[[Tensor], Tensor]:
    """A linear map from its clean input and output: only the difference goes through the low-precision weight.

    So the rounding error is a share of the difference, not of the activation. Rows are variants of the clean batch.
    """
    rows_in, rows_out = clean_in.flatten(0, -2), clean_out.flatten(0, -2)

    def forward(given: Tensor) -> Tensor:
        difference = given.flatten(0, -2).unflatten(0, (-1, len(rows_in))) - rows_in
        changed = nn.functional.linear(difference.bfloat16(), weight)
        return (rows_out + changed).view(*given.shape[:-1], -1)

    return forward
