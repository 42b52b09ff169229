"""What a network does by itself: seen at its output projections by hooks that only look."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn

from interp.models.dispatching import at_hand
from interp.types import HeadOutput, Output, Place, Unhooked


@contextmanager
def projecting(
    projections: Mapping[Place, nn.Module],
) -> Iterator[dict[nn.Module, list[tuple[Tensor, Tensor]]]]:
    """While it is open, what each output projection is given, and gives, is kept in the order of its calls."""
    kept: dict[nn.Module, list[tuple[Tensor, Tensor]]] = defaultdict(list)

    def keep(module: nn.Module, args: tuple[Any, ...], output: Tensor) -> None:
        kept[module].append((args[0], output))

    # a module that stands for several layers is watched once
    handles = [module.register_forward_hook(keep) for module in dict.fromkeys(projections.values())]
    try:
        yield kept
    finally:
        for handle in handles:
            handle.remove()


def without_bias(
    projections: Mapping[Place, nn.Module], kept: Mapping[nn.Module, list[tuple[Tensor, Tensor]]]
) -> dict[Place, Float[Tensor, "batch query d_model"]]:
    """What came out of every layer's output projection, less its bias."""
    return {place: _less_bias(module, output) for place, module, (_, output) in _in_order(projections, kept)}


def run_unhooked(
    call: Callable[[], Any],
    last: nn.Module,
    projections: Mapping[Place, nn.Module],
    heads: Mapping[Place, int],
) -> Unhooked:
    """The whole network, language head included if it has one, with nothing on it but hooks that look.

    `call` runs it, `last` is the module that gives the final hidden states, `heads` how many each layer has.
    """
    hidden: list[Tensor] = []
    handle = last.register_forward_hook(lambda _module, _args, out: hidden.append(out[0]))
    try:
        with projecting(projections) as kept:
            out = call()
    finally:
        handle.remove()
    z: dict[Place, HeadOutput] = {
        place: given.unflatten(-1, (heads[place], -1)) for place, _, (given, _) in _in_order(projections, kept)
    }
    return Unhooked(Output(hidden[0], getattr(out, "logits", None)), z, without_bias(projections, kept))


def traces(modules: Iterable[nn.Module]) -> set[tuple[int, str, int]]:
    """Every hook, of torch and of TransformerLens, and every attribute that is in place on any of these modules."""
    found: set[tuple[int, str, int]] = set()
    for module in modules:
        found |= {(id(module), name, 0) for name in module.__dict__}
        for hooks in ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "fwd_hooks"):
            found.add((id(module), hooks, len(getattr(module, hooks, None) or ())))
    return found


def _in_order(
    projections: Mapping[Place, nn.Module], kept: Mapping[nn.Module, list[tuple[Tensor, Tensor]]]
) -> Iterator[tuple[Place, nn.Module, tuple[Tensor, Tensor]]]:
    """Each layer with what its projection was given and gave; layers that share one take its calls in turn."""
    calls = {module: iter(pairs) for module, pairs in kept.items()}
    for place, module in projections.items():
        if (pair := next(calls.get(module, iter(())), None)) is not None:
            yield place, module, pair


def _less_bias(module: nn.Module, output: Tensor) -> Tensor:
    with at_hand(module):
        bias: Any = getattr(module, "bias", None)
        return output if bias is None else output - bias.to(output.device)
