"""What every component writes into the residual stream, so that it adds up to what the language head reads."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from interp.errors import ModelError
from interp.models.hugging_face.layers import Layer
from interp.models.hugging_face.resuming import blocks_of
from interp.types import CleanRun
from interp.types.written import FinalNorm, Written

CLOSE = 1e-4
"""How far sums may lie from what they stand for, relative to the largest number: rounding in float32 does less."""

Seen = list[tuple[nn.Module, Tensor, Tensor]]
"""Modules with what went in and what came out, of one shape."""


def written_at(
    name: str,
    base: nn.Module,
    layers: Sequence[Layer],
    remember: Callable[[], CleanRun],
    positions: Float[Tensor, "pos d_model"] | None,
    at: Int[Tensor, " batch"],
) -> Written:
    """All at one position of each row of the batch that `remember` runs, patterns kept.

    The last module that gives what a block adds beside its attention is its MLP; that there is one proves that blocks
    add both to the stream, and nothing else. Raises `ModelError` where they do not.
    """
    found: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def note(module: nn.Module, args: tuple[Any, ...], options: dict[str, Any], output: Any) -> None:
        given = args[0] if args else options.get("hidden_states")
        output = output[0] if isinstance(output, tuple) and output else output
        if isinstance(given, Tensor) and isinstance(output, Tensor) and given.shape == output.shape:
            # the pass itself comes first; a trial without padding may follow
            found.setdefault(module, (given, output))

    with ExitStack() as stack:
        for module in base.modules():
            if module is not base:
                stack.callback(module.register_forward_hook(note, with_kwargs=True).remove)
        clean = remember()
    seen: Seen = [(module, *both) for module, both in found.items()]
    blocks = blocks_of(layers)
    before = {module: given for module, given, _ in seen if module in set(blocks)}
    after = {block: before[later] for block, later in pairwise(blocks)}
    after |= {module: output for module, _, output in seen if module is blocks[-1]}
    if len(before) < len(blocks):
        raise _refused(name, "a block gives something else than the stream")
    rows = torch.arange(len(at), device=at.device)
    for layer in layers:
        _insist_on_sum(name, layer, clean, before, after, seen)
    added = {
        layer.number: after[layer.block] - before[layer.block] - clean.attention_output[layer.place]
        for layer in layers
        if layer.block is not None
    }
    first, final = before[blocks[0]][rows, at], after[blocks[-1]]
    position = None if positions is None else positions.to(first)[at]
    return Written(
        embedding=first if position is None else first - position,
        position=position,
        z={layer.number: clean.z[layer.place][rows, at] for layer in layers},
        attention_bias={layer.number: _bias(layer.projection) for layer in layers},
        mlp={number: one[rows, at] for number, one in added.items()},
        final=final[rows, at],
        norm=_final_norm(name, final[rows, at], clean.output.hidden[rows, at], _after(seen, blocks, final)),
        pattern={layer.number: clean.pattern[layer.place][rows, :, at] for layer in layers},
        value={layer.number: clean.value[layer.place] for layer in layers},
    )


def _insist_on_sum(
    name: str, layer: Layer, clean: CleanRun, before: dict[Any, Tensor], after: dict[Any, Tensor], seen: Seen
) -> None:
    block: Any = layer.block
    added = after[block] - before[block] - clean.attention_output[layer.place]
    inside = set(block.modules()) - {block}
    most = CLOSE * float(after[block].abs().max())
    outputs = [output for module, _, output in seen if module in inside and output.shape == added.shape]
    if not any(float((output - added).abs().max()) <= most for output in outputs):
        raise _refused(
            name,
            f"layer {layer.number} adds to the residual stream what is not the sum of what its attention's projection "
            "and one other module give (norms after them, factors, or no MLP)",
        )


def _bias(projection: nn.Module) -> Float[Tensor, " d_model"] | None:
    bias = getattr(projection, "bias", None)
    return None if bias is None else bias.detach()


def _after(seen: Seen, blocks: Sequence[nn.Module], stream: Tensor) -> list[nn.Module]:
    """The modules outside all blocks that are given the stream as the last block left it."""
    within = {module for block in blocks for module in block.modules()}
    return [module for module, given, _ in seen if module not in within and torch.equal(given, stream)]


def _final_norm(
    name: str, x: Float[Tensor, "batch d"], h: Float[Tensor, "batch d"], modules: Sequence[nn.Module]
) -> FinalNorm:
    """The norm that makes h of x, with the scale that it had here: RMSNorm or LayerNorm, or none."""
    ones = torch.ones_like(x[0])
    if torch.equal(x, h):
        return FinalNorm(ones, torch.zeros_like(ones), torch.ones_like(x[:, 0]), centred=False)
    for module in modules:
        weight, bias = (getattr(module, part, None) for part in ("weight", "bias"))
        shift = torch.zeros_like(ones) if bias is None else bias.detach().to(x)
        # some keep the gain less one
        for gain in (ones, *(() if weight is None else (weight.detach().to(x), 1 + weight.detach().to(x)))):
            for centred in (False, True):
                through = gain * (x - x.mean(-1, keepdim=True) if centred else x)
                scale = through.norm(dim=-1) / (h - shift).norm(dim=-1)
                apart = (through / scale[:, None] + shift - h).abs().max()
                if float(apart) <= CLOSE * float(h.abs().max()):
                    return FinalNorm(gain, shift, scale, centred)
    raise _refused(name, "what follows its last block is neither RMSNorm nor LayerNorm")


def unembedding_of(name: str, network: Any) -> tuple[Float[Tensor, "vocab d_model"], Float[Tensor, " vocab"] | None]:
    """W_U, a row for each token, and its bias. Raises `ModelError` where the language head is no linear map."""
    head = network.get_output_embeddings()
    if not isinstance(head, nn.Linear):
        raise _refused(name, "its language head is no single linear map")
    return head.weight.detach(), None if head.bias is None else head.bias.detach()


def _refused(name: str, why: str) -> ModelError:
    return ModelError(
        f"What the components of {name!r} write cannot be added up: {why}. Allowed: causal language models whose "
        "blocks add attention and MLP to the stream, which a norm and a linear language head read."
    )
