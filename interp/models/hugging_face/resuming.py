"""The rest of a transformers network, from an attention layer on: what a clean pass keeps for it, and how it is run."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.errors import ModelError
from interp.models.dispatching import is_offloaded
from interp.models.hugging_face.hooks import keep_both, keep_input, keep_output, keep_rest
from interp.models.hugging_face.interface import Ingredients, Watch, Witness, watching
from interp.models.hugging_face.layers import (
    Layer,
    answering,
    computing,
    from_clean,
    fused_activations,
    linear_maps,
    low_precision_weight,
)
from interp.models.hugging_face.packing import Packing, packing_of
from interp.types import Batch, CleanRun, Output, Place, Scored, Tap

Forward = Callable[..., Output]
"""One pass of the network, as `AttentionModel.forward` makes it."""

Maps = list[tuple[nn.Module, Tensor, Tensor]]
"""Linear maps with what went in and came out."""


@dataclass(frozen=True, eq=False)
class Kept:
    """What a clean run leaves behind beside what the engine reads."""

    rest: dict[nn.Module, tuple[Any, ...]] = field(default_factory=dict)
    """What each block, and each attention module, returned after the stream."""
    encoder: list[Any] = field(default_factory=list)
    """What the encoder of an encoder-decoder returned, first in the pass itself and then where the head was run."""
    masks: dict[Place, Tensor | None] = field(default_factory=dict)
    linear: dict[nn.Module, Maps] = field(default_factory=dict)
    """Each block's linear maps, where they were asked for."""
    final: list[Tensor] = field(default_factory=list)
    """The stream as the last block left it; first in the pass itself."""
    packing: Packing | None = None
    """How its variants are run without padding; None where they are run with it."""


def insist_on_gradients(network: nn.Module, what: str) -> None:
    """Raises `ModelError` where weights are offloaded, which no pass back would find."""
    if any(is_offloaded(module) for module in network.modules()):
        raise ModelError(
            f"{what} needs all weights from the pass forward to the pass back, and model.device_map has offloaded some "
            "for want of room. Allowed: an experiment without gradients (ablation.estimate=null); or a device_map over "
            "GPUs that hold the model."
        )


class Resuming:
    """Remembers clean passes of a network, and resumes them.

    `layers` are in running order; the `encoder` is that of an encoder-decoder.
    """

    def __init__(
        self,
        network: Any,
        layers: Sequence[Layer],
        forward: Forward,
        inputs: Callable[[Batch], dict[str, Any]],
        encoder: nn.Module | None,
        packs: bool,
    ) -> None:
        self._network, self._layers, self._forward, self._inputs = network, layers, forward, inputs
        self._encoder = encoder
        self._packs: bool | None = None if packs else False  # whether it runs without padding; None until it was tried
        self._rounded: dict[nn.Module, Tensor] = {}

    @property
    def possible(self) -> bool:
        """Whether every layer lies in a block that hands on the stream, so that what follows runs."""
        return all(layer.block is not None for layer in self._layers)

    def remember(
        self, batch: Batch, *, pattern: bool, linear: bool, gradients: bool, logits: Scored, pieces: bool
    ) -> CleanRun:
        """One forward pass that keeps what `resume` starts from, and each layer's z, v and (if asked) pattern.

        Raises `ModelError` where gradients are asked for and weights are offloaded.
        """
        if gradients:
            insist_on_gradients(self._network, "Taking gradients (ablation.estimate)")
        before: dict[nn.Module, Tensor] = {}
        attention_output: dict[Place, Tensor] = {}
        z: dict[Place, Tensor] = {}
        value: dict[Place, Tensor] = {}
        patterns: dict[Place, Tensor] = {}
        kept = Kept()

        def keep(place: Place) -> Watch:
            def watch(_module: nn.Module, at: Ingredients) -> Tensor:
                value[place] = at.value
                if self._packs is not False:
                    kept.masks[place] = at.mask
                if pattern:
                    patterns[place] = at.pattern()
                z[place] = at.write(patterns[place]) if pattern else at.attended()
                if gradients and not z[place].requires_grad:
                    z[place].requires_grad_()
                return z[place]

            return watch

        with ExitStack() as stack:
            stack.enter_context(torch.enable_grad() if gradients else torch.inference_mode())
            for layer in self._layers:
                stack.enter_context(watching(layer.attention, keep(layer.place)))
                stack.callback(keep_output(layer.projection, attention_output, layer.place).remove)
                stack.callback(keep_rest(layer.attention, kept.rest).remove)
            if self._encoder is not None:
                stack.callback(self._encoder.register_forward_hook(lambda *seen: kept.encoder.append(seen[2])).remove)
            for block in blocks_of(self._layers)[-1:]:
                stack.callback(block.register_forward_hook(lambda *seen: kept.final.append(_first(seen[2]))).remove)
            for block in blocks_of(self._layers):
                stack.callback(keep_input(block, before, block).remove)
                stack.callback(keep_rest(block, kept.rest).remove)
                kept.linear[block] = []
                for module in linear_maps(block) if linear else ():
                    stack.callback(keep_both(module, kept.linear[block]).remove)
            output = self._forward(self._inputs(batch), None, None, logits, pieces=pieces)
        of_place = {layer.place: before[layer.block] for layer in self._layers if layer.block is not None}
        clean = CleanRun(batch, of_place, attention_output, z, value, patterns, output, kept)
        return clean if gradients else self._packed(clean)

    @torch.inference_mode()
    def resume(
        self,
        clean: CleanRun,
        place: Place,
        attention_output: Float[Tensor, "variant batch query d_written"],
        *,
        pattern: Tap | None = None,
        z: Tap | None = None,
        logits: Scored = True,
        pieces: bool = False,
        see: Witness | None = None,
    ) -> Output:
        """The network from `place` on, with other outputs of its attention: all variants of all rows in one batch.

        What runs before that place, and an encoder before any place of the decoder, is not run again.
        """
        variants, rows = attention_output.shape[:2]
        number = next(at for at, layer in enumerate(self._layers) if layer.place == place)
        here, kept, packing = self._layers[number], clean.kept, clean.kept.packing

        stacked = partial(_stacked, variants=variants, rows=rows)
        with ExitStack() as stack:
            stream = stacked(clean.before[place]) if packing is None else packing.stacked(clean.before[place], variants)
            for layer in self._before(number):
                if layer.block is here.block:
                    attends, rest = clean.attention_output[layer.place], kept.rest[layer.attention]
                    self._answer_attention(stack, layer, stacked(attends), stacked(rest))
                elif layer.block is not None:
                    rest = stacked(kept.rest[layer.block])
                    stack.enter_context(answering(layer.block, (stream, *rest) if rest else stream))
            if self._encoder is not None and here.site != "encoder":
                read = kept.encoder[0]
                stack.enter_context(answering(self._encoder, type(read)(last_hidden_state=stacked(read[0]))))
            for module, clean_in, clean_out in self._linear(clean, number):
                low = from_clean(self._low_precision(module), clean_in, clean_out)
                stack.enter_context(computing(module, low))
            replaced, inputs = attention_output.flatten(0, 1), self._inputs(clean.batch)
            if packing is None:
                inputs = {name: stacked(value) for name, value in inputs.items()}
            else:
                replaced, inputs = packing.pack(replaced), packing.inputs(inputs, variants)
                stack.callback(giving(here.block, stream).remove)
            self._answer_attention(stack, here, replaced, stacked(kept.rest[here.attention]))
            where = logits.repeat(variants, 1) if isinstance(logits, Tensor) else logits
            stack.enter_context(fused_activations(self._network))
            return self._forward(
                inputs, pattern, z, where, after=number, pieces=pieces, packing=packing, masks=kept.masks, see=see
            )

    @torch.inference_mode()
    def enter(
        self,
        clean: CleanRun,
        place: Place | None,
        added: Float[Tensor, "variant batch pos d_model"],
        *,
        logits: Scored = True,
        see: Witness | None = None,
    ) -> Output:
        """The network from the block of `place` on (None: what follows the last block), with this added to its stream.

        All variants of all rows in one batch, as padded as they came. Blocks before it are not run.
        """
        variants, rows = added.shape[:2]
        places = [layer.place for layer in self._layers]
        number = len(places) if place is None else places.index(place)
        before = clean.kept.final[0] if place is None else clean.before[place]
        stacked, given = partial(_stacked, variants=variants, rows=rows), (before + added).flatten(0, 1)
        with ExitStack() as stack:
            for block in blocks_of(self._layers[:number]):
                rest = stacked(clean.kept.rest[block])
                stack.enter_context(answering(block, (given, *rest) if rest else given))
            if place is not None:
                stack.callback(giving(self._layers[number].block, given).remove)
            inputs = {name: stacked(value) for name, value in self._inputs(clean.batch).items()}
            where = logits.repeat(variants, 1) if isinstance(logits, Tensor) else logits
            return self._forward(inputs, None, None, where, after=number - 1, see=see)

    def _before(self, number: int) -> list[Layer]:
        """The layers of the same stack that run earlier: what the encoder gives is known before the decoder runs."""
        earlier, site = self._layers[:number], self._layers[number].site
        return [layer for layer in earlier if site == "encoder" or layer.site != "encoder"]

    def _answer_attention(self, stack: ExitStack, layer: Layer, output: Tensor, rest: tuple[Any, ...]) -> None:
        """While the stack is open, this layer's projection gives `output`, and its attention what follows from that."""
        stack.enter_context(answering(layer.projection, output))
        if layer.ends_in_projection:
            stack.enter_context(answering(layer.attention, (output, *rest)))
        elif not any(module is layer.projection for module in layer.attention.modules()):
            # the projection lies outside, so what the attention returns is read by nobody
            width = layer.heads * layer.output_weights().shape[1]
            unread = output.new_empty(1).expand(*output.shape[:2], width)
            stack.enter_context(answering(layer.attention, (unread, None)))

    def _linear(self, clean: CleanRun, number: int) -> Iterator[tuple[nn.Module, Tensor, Tensor]]:
        """The linear maps of the blocks from that layer on."""
        return (one for block in blocks_of(self._layers[number:]) for one in clean.kept.linear.get(block, ()))

    def _low_precision(self, module: Any) -> Tensor:
        if module not in self._rounded:
            self._rounded[module] = low_precision_weight(module)
        return self._rounded[module]

    def _packed(self, clean: CleanRun) -> CleanRun:
        """Without padding where there is enough of it; the first time it is seen whether this network can run so."""
        packing = packing_of(clean.batch.mask) if self._packs is not False else None
        if packing is None:
            return clean
        if self._packs is None and torch.is_autocast_enabled(clean.batch.tokens.device.type):
            return clean  # rounding would hide what padding does
        if self._packs is None:
            self._packs = self._packs_well(replace(clean, kept=replace(clean.kept, packing=packing, linear={})))
        if not self._packs:
            return clean
        linear = {
            block: [(module, packing.pack(into), packing.pack(out)) for module, into, out in maps]
            for block, maps in clean.kept.linear.items()
        }
        return replace(clean, kept=replace(clean.kept, packing=packing, linear=linear))

    def _packs_well(self, clean: CleanRun) -> bool:
        """Whether nothing but rounding changes when the network runs from its first layer on without padding."""
        expected, first = clean.output.hidden[clean.batch.mask], self._layers[0].place
        if expected.dtype not in (torch.float32, torch.float64):
            return False
        try:
            found = self.resume(clean, first, clean.attention_output[first][None], logits=False)
        except torch.OutOfMemoryError:
            raise
        except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
            return False
        apart = (found.hidden[clean.batch.mask] - expected).abs().max()
        return bool(apart <= 1e-4 * expected.abs().max())


def _first(output: Any) -> Tensor:
    """What a module gives, or the first of several things."""
    return output[0] if isinstance(output, tuple) else output


def _stacked(value: Any, *, variants: int, rows: int) -> Any:
    """That of every variant, where there is one for each document, which of a position bias there is not."""
    if isinstance(value, tuple):
        return tuple(_stacked(one, variants=variants, rows=rows) for one in value)
    if not (isinstance(value, Tensor) and value.dim() and len(value) == rows):
        return value
    return value.repeat(variants, *[1] * (value.dim() - 1))


def blocks_of(layers: Sequence[Layer]) -> list[nn.Module]:
    """Each block once, in order."""
    return list(dict.fromkeys(layer.block for layer in layers if layer.block is not None))


def giving(block: Any, stream: Tensor) -> Any:
    """From now on this goes into the block, whatever it is given; gives the handle that ends it."""

    def hook(_module: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, Any]:
        return ((stream, *args[1:]), options) if args else ((), options | {"hidden_states": stream})

    return block.register_forward_pre_hook(hook, with_kwargs=True)
