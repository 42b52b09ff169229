"""The way into a transformer through transformers' own attention interface: the model's modules stay as they are."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from interp.buffers import Buffer
from interp.devices import cut, tokens_for
from interp.errors import ModelError
from interp.models.dispatching import at_hand, device_of, refuse_spread
from interp.models.head_weights import LayerSlices, See
from interp.models.hooking_errors import because
from interp.models.hugging_face.embeddings import from_head_to_embedding, position_embeddings
from interp.models.hugging_face.interface import INTERFACE, Ingredients, MaskReader, Watch, Witness, watching
from interp.models.hugging_face.layers import SITE_ORDER, Layer, find_layers, see_each
from interp.models.hugging_face.logits_at import LogitsAt, input_of
from interp.models.hugging_face.packing import Packing
from interp.models.hugging_face.resuming import Resuming, insist_on_gradients
from interp.models.hugging_face.slices import PROBES, trace_slices
from interp.models.hugging_face.written import unembedding_of, written_at
from interp.models.inputs.pictures import PictureReader
from interp.models.inputs.targets import ends, generate
from interp.models.inputs.text import base_of, visible_keys, windows
from interp.models.inputs.tokenizer import TextReader
from interp.models.library_errors import refusing
from interp.models.unhooked import projecting, run_unhooked, without_bias
from interp.types import (
    NOWHERE,
    Batch,
    CleanRun,
    Encoding,
    Head,
    HeadOutput,
    Look,
    Output,
    Picture,
    Place,
    Scored,
    Site,
    Tap,
    Unhooked,
)
from interp.types.describing import describe_model
from interp.types.written import Written

WEIGHTS_AT_ONCE = 2**22
"""Attention weights looked at together (16 MiB): on a processor the best of four sizes."""


class AttentionModel:
    """A `HeadModel` over an unmodified transformers model, grouped queries and encoder-decoders included.

    What it reads, text or pictures, and with what the network is called is its reader's business. Raises `ModelError`
    where the model does not send its attention through the interface.
    """

    def __init__(
        self,
        network: Any,
        reader: TextReader | PictureReader,
        *,
        name: str,
        has_language_head: bool,
        provenance: Mapping[str, str] | None = None,
    ) -> None:
        # gradients are asked for activations only, never for weights
        self.network: Any = network.eval().requires_grad_(False)
        self.reader, self.name, self.has_language_head = reader, name, has_language_head
        self.tokenizer: Any = reader.tokenizer
        self.grid = reader.grid
        self.provenance = dict(provenance or {})
        self.translates, self.causal = reader.translates, reader.causal
        self.base: nn.Module = base_of(network)
        self.device = device_of(network)
        self.positions, self.pad_token = reader.positions, reader.pad_token
        reads = isinstance(reader, TextReader)
        self.mask_token = reader.mask_token(trained_head=has_language_head) if reads else None
        self.target_positions = reader.target_positions if reads else reader.positions
        self.unknown_token = reader.unknown_token
        self._attend_by(INTERFACE)
        self.layers = find_layers(network, self.base, name, partial(reader.call, inputs=reader.probe(self.device)))
        self.windows = windows(network.config, len(self.layers), name)
        # what the last block of the text that is written gives
        self._last: nn.Module = network.get_decoder() if self.translates else self.base
        encoder = network.get_encoder() if self.translates else None
        self._logits_at = LogitsAt(network, self._last, encoder)
        packs = reads and not self.translates and "position_ids" in signature(self.base.forward).parameters
        self._resuming = Resuming(network, self.layers, self._forward, self.reader.inputs, encoder, packs)
        by_site = sorted(self.layers, key=lambda layer: SITE_ORDER.index(layer.site))
        self.heads: Sequence[Head] = [Head(at.site, at.number, head) for at in by_site for head in range(at.heads)]

    def __repr__(self) -> str:
        return describe_model(self)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Raw texts as the tokenizer cuts them, truncated to `positions`; of pictures the names of the patches."""
        return self.reader.encode(texts)

    def pixels(self, pictures: Sequence[Picture]) -> Float[Tensor, "batch channel height width"]:
        """What the network reads of these pictures. Raises `ModelError` for a model of text."""
        if isinstance(self.reader, TextReader):
            raise ModelError(f"{self.name!r} reads text and no pictures. Allowed: a model of pictures (ViT).")
        return self.reader.pixels(pictures).to(self.device)

    def draw(self, symbols: Sequence[Int[np.ndarray, " token"]], seeds: Sequence[int]) -> list[Encoding]:
        """Another random token of the vocabulary for every number of a document, truncated to `positions`."""
        return self._text_reader().draw(symbols, seeds)

    def encode_targets(self, texts: Sequence[str]) -> list[Encoding]:
        """What the decoder of an encoder-decoder reads: its start, the text, and the end."""
        reader = self._text_reader()
        return reader.encode_targets(texts, ends(self.network.config, reader.sizes.written))

    def write(self, encodings: Sequence[Encoding]) -> list[tuple[str, Encoding]]:
        """What an encoder-decoder writes from these sources, at every step the likeliest token."""
        network, between = self.network, ends(self.network.config, self._text_reader().sizes.written)
        with refusing(
            f"{self.name!r} ({type(network).__name__}) could not write what its decoder is to read",
            "Mend its generation_config.json, or give the targets (corpus.target=FILE).",
        ):
            return generate(network, self.tokenizer, encodings, between, self.pad_token, self.target_positions)

    def _text_reader(self) -> TextReader:
        if isinstance(self.reader, TextReader):
            return self.reader
        raise ModelError(f"{self.name!r} reads pictures and has no vocabulary. Allowed: a corpus of pictures.")

    def visible(self, batch: Batch, site: Site = "self", layer: int = 0) -> Bool[Tensor, "batch query key"]:
        """The keys each query may attend to by the model's construction."""
        return visible_keys(batch, site, causal=self.causal, window=self.windows[layer])

    @torch.inference_mode()
    def run(self, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = True) -> Output:
        """One forward pass; `logits` asks for the language head's output, which only a trained head gives."""
        # laid open even where nobody watches: a fused kernel rounds differently, and watching shall change nothing
        return self._forward(self.reader.inputs(batch), pattern or _look, z, logits)

    def run_recorded(self, batch: Batch, *, z: Tap, logits: Scored = True, pieces: bool = False) -> Output:
        """One forward pass whose output can be differentiated with respect to what the tap gives.

        Raises `ModelError` where weights are offloaded.
        """
        insist_on_gradients(self.network, "Training gates (experiment=gates)")
        return self._forward(self.reader.inputs(batch), None, z, logits, pieces=pieces)

    @torch.inference_mode()
    def watch(self, batch: Batch, look: Look, starts: Mapping[Site, Sequence[int]] = NOWHERE) -> None:
        """One forward pass without the language head; `look` sees the patterns of a few heads and queries at a time."""
        order, mask, buffer = iter(self.layers), MaskReader(), Buffer()

        def see(_module: nn.Module, at: Ingredients) -> Tensor:
            layer = next(order)
            at = mask.left_out(at)
            rows, heads, queries, _ = at.query.shape
            z = at.value.new_empty(rows, queries, heads, at.value.shape[-1])
            for start, stop in cut(starts.get(layer.site, (0,)), queries):
                part = at.some(slice(None), slice(start, stop))
                weights = rows * (stop - start) * part.key.shape[2]
                passes = -(-heads * weights // tokens_for(self.device, WEIGHTS_AT_ONCE))
                at_once = -(-heads // min(heads, max(1, passes)))
                for first in range(0, heads, at_once):
                    some = part.some(slice(first, first + at_once))
                    pattern = some.pattern(buffer)
                    look(layer.site, layer.number, first, start, pattern.to(self.device))
                    z[:, start:stop, first : first + at_once] = some.write(pattern)
            return z

        with ExitStack() as stack:
            self._watch_all(stack, see)
            self.reader.call(self.base, self.reader.inputs(batch))
        self._check_seen(order)

    @torch.no_grad()
    def contribution(self, layer: int, z: HeadOutput, site: Site = "self") -> Float[Tensor, "batch query head d_model"]:
        """Each head's z through its slice of the output projection; their sum plus the bias is the layer's output."""
        found = next((at for at in self.layers if (at.site, at.number) == (site, layer)), None)
        if found is None:
            sites = ", ".join(dict.fromkeys(at.site for at in self.layers))
            raise ModelError(f"{self.name!r} has no layer {layer} of {site!r} attention. Its sites: {sites}.")
        with at_hand(found.projection):
            return torch.einsum("bqhd,hdm->bqhm", z, found.output_weights().to(z.device))

    # Its heads laid open

    def slices(self) -> dict[Place, LayerSlices]:
        """Each head's own W_Q, W_K, W_V and W_O, layer by layer. Raises `ModelError` also for a model laid out."""
        refuse_spread(self.network, self.name, "Laying heads open (anatomy, head_weights)")
        tokens = self.reader.single_tokens(self.network, PROBES)
        return trace_slices(partial(self.reader.call, self.base, tokens), self.base, self.layers, self.name)

    @torch.inference_mode()
    def see_layers(self, batch: Batch, see: See) -> None:
        """One forward pass of the base model; `see` is shown what each layer attends with, and gives its z."""
        forward = partial(self.reader.call, self.base, self.reader.inputs(batch))
        see_each(forward, self.layers, lambda layer, at: see(layer.site, layer.number, at))

    def absolute_positions(self, site: Site, length: int) -> Float[Tensor, "pos d_model"] | None:
        """The absolute position embeddings of the stream that a site reads; None without any, and at `cross`."""
        if site == "cross":
            return None
        if isinstance(self.reader, PictureReader):
            return self.reader.position_embeddings()[:length]
        longest = self.positions if site != "decoder" else self.target_positions
        return position_embeddings(self.network, self.base, self._side(site), min(length, longest), self._width)

    def vocabulary_map(self, site: Site) -> Float[Tensor, "d_model d_read"] | None:
        """W_U W_E where a trained language head reads the stream that a site writes into, which `encoder` has not."""
        if site == "encoder" or not self.has_language_head:
            return None
        reads = self._side("encoder" if site == "cross" else site)
        return from_head_to_embedding(self.network, self._last, reads, self._side("decoder"), self._width)

    def _side(self, site: Site) -> Any:
        """The part that reads the tokens of a site."""
        if not self.translates:
            return self.network
        return self.network.get_encoder() if site == "encoder" else self.network.get_decoder()

    @property
    def _width(self) -> int:
        return self.layers[0].output_weights().shape[-1]

    # What the network does by itself

    @torch.inference_mode()
    def unhooked(self, batch: Batch) -> Unhooked:
        """One forward pass with transformers' own attention in place of the interface."""
        self._attend_by("eager")
        try:
            heads: dict[Place, int] = {(layer.site, layer.number): layer.heads for layer in self.layers}
            call = partial(self.reader.call, self.network, self.reader.inputs(batch))
            return self._together(run_unhooked(call, self._last, self._projections(), heads))
        finally:
            self._attend_by(INTERFACE)

    @torch.inference_mode()
    def attention_outputs(self, batch: Batch, *, z: Tap) -> dict[Place, Float[Tensor, "batch query d_model"]]:
        """What comes out of each layer's output projection, less its bias, while the tap is in place."""
        with projecting(self._projections()) as kept:
            self.run(batch, z=z, logits=False)
        return {place: one.to(self.device) for place, one in without_bias(self._projections(), kept).items()}

    def _together(self, found: Unhooked) -> Unhooked:
        """On the device that all else is read on: layers may lie on several."""
        output, logits = found.output, found.output.logits
        there = Output(output.hidden.to(self.device), None if logits is None else logits.to(self.device))
        z, attention = (
            {place: one.to(self.device) for place, one in kept.items()} for kept in (found.z, found.attention_output)
        )
        return replace(found, output=there, z=z, attention_output=attention)

    def modules(self) -> Iterator[nn.Module]:
        """Every module of the network."""
        return self.network.modules()

    def decode(self, tokens: Int[np.ndarray, " pos"]) -> str | None:
        """The text of these tokens; None where the tokenizer cannot say."""
        return self.reader.decode(tokens)

    def _projections(self) -> dict[Place, nn.Module]:
        return {(layer.site, layer.number): layer.projection for layer in self.layers}

    def _attend_by(self, implementation: str) -> None:
        for module in self.network.modules():  # T5's stacks have configurations of their own
            if hasattr(module, "config"):
                module.config._attn_implementation = implementation

    # The rest of the network, from a layer on

    @property
    def resumable(self) -> bool:
        """Whether every layer lies in a block of its own that hands on the stream alone, so that what follows runs.

        The blocks of an encoder-decoder may hand on more, and hold two layers.
        """
        return self._resuming.possible

    def remember(
        self,
        batch: Batch,
        *,
        pattern: bool = False,
        linear: bool = False,
        gradients: bool = False,
        logits: Scored = True,
        pieces: bool = False,
    ) -> CleanRun:
        """One forward pass that keeps what `resume` starts from, and each layer's z, v and (if asked) pattern.

        `linear` keeps what goes into and comes out of every linear map, for `resume` to work on differences; with
        `gradients`, what the model gives can be differentiated with respect to every layer's z. Where positions are
        given for `logits`, the language head runs at those only; with `pieces`, if it can, they are never whole.
        """
        if not self.resumable:
            raise ModelError(
                f"The layers of {self.name!r} do not lie in blocks of their own that hand on the stream alone, so that "
                "the network cannot be run from one of them on. Allowed: ablation.engine=plain."
            )
        return self._resuming.remember(
            batch, pattern=pattern, linear=linear, gradients=gradients, logits=logits, pieces=pieces
        )

    @torch.inference_mode()
    def written(self, batch: Batch, at: Int[Tensor, " batch"]) -> Written:
        """What every component writes at one position of each row. Raises `ModelError` where it does not add up."""
        if self.translates or not self.causal:
            raise ModelError(f"What {self.name!r} writes is no answer. Allowed: causal language models of one text.")
        remember = partial(self.remember, batch, pattern=True, logits=False)
        positions = self.absolute_positions("self", batch.tokens.shape[1])
        return written_at(self.name, self.base, self.layers, remember, positions, at)

    def unembedding(self) -> tuple[Float[Tensor, "vocab d_model"], Float[Tensor, " vocab"] | None]:
        """W_U, a row for each token, and its bias. Raises `ModelError` where the head is no single linear map."""
        refuse_spread(self.network, self.name, "Reading its language head")
        return unembedding_of(self.name, self.network)

    def resume(
        self,
        clean: CleanRun,
        place: Place,
        attention_output: Float[Tensor, "variant batch query d_model"],
        *,
        pattern: Tap | None = None,
        z: Tap | None = None,
        logits: Scored = True,
        pieces: bool = False,
        see: Witness | None = None,
    ) -> Output:
        """The network from `place` on, with other outputs of its attention: all variants of all rows in one batch.

        The taps, and `see`, see the layers after that place. Variants come first: row v · batch + b is document b of
        variant v. Positions for `logits` are those of the clean batch, the same in every variant.
        Where linear maps were remembered, they work in bfloat16 on the difference from the clean run.
        """
        return self._resuming.resume(
            clean, place, attention_output, pattern=pattern, z=z, logits=logits, pieces=pieces, see=see
        )

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

        Variants come first; `see` sees that block's layer and those after it.
        """
        return self._resuming.enter(clean, place, added, logits=logits, see=see)

    def _forward(
        self,
        inputs: dict[str, Any],
        pattern: Tap | None,
        z: Tap | None,
        logits: Scored,
        *,
        after: int = -1,
        pieces: bool = False,
        packing: Packing | None = None,
        masks: Mapping[Place, Tensor | None] | None = None,
        see: Witness | None = None,
    ) -> Output:
        """One pass, its layers watched after that number; with a packing, each under its mask of the padded batch."""
        at = logits if isinstance(logits, Tensor) and self.has_language_head else None
        everywhere = logits is True and self.has_language_head
        tapped = pattern is not None or z is not None or see is not None
        last: list[Any] = []
        order = iter(self.layers[after + 1 :])

        def watch(_module: nn.Module, given: Ingredients) -> Tensor:
            layer = next(order)
            at = given if packing is None or masks is None else packing.ingredients(given, masks[layer.place])
            if see is not None:
                see(layer.place, at)
            written = at.attended() if not tapped else _rewritten(layer, at, pattern, z, self.device)
            return written if packing is None else packing.pack(written)

        with ExitStack() as stack:
            keep = self._last.register_forward_hook(lambda _module, _args, out: last.append(out))
            stack.callback(keep.remove)
            if tapped or packing is not None:
                self._watch_all(stack, watch, after=after)
            out = self._called(inputs, everywhere)
        if tapped:
            self._check_seen(order)
        hidden = last[0][0].to(self.device)
        logits_everywhere = out.logits.to(self.device) if everywhere else None
        if packing is not None:
            hidden = packing.unpack(hidden)
            logits_everywhere = None if logits_everywhere is None else packing.unpack(logits_everywhere)
        if at is None:
            return Output(hidden, logits_everywhere)
        seen = type(last[0])(last_hidden_state=hidden)
        some = self._logits_at.pieces(inputs, seen, at) if pieces else None
        scored = self._logits_at(inputs, seen, at).to(self.device) if some is None else None
        return Output(hidden, scored, at, some)

    def _called(self, inputs: dict[str, Any], everywhere: bool) -> Any:
        """What the network gives, or where logits are not asked for its part without the head."""
        head: Any = self._logits_at.unembedding
        if everywhere or self.base is not self.network or head is None:
            return self.reader.call(self.network if everywhere else self.base, inputs)
        # T5's has no such part, so it is left where the head begins
        return input_of(head, lambda: self.reader.call(self.network, inputs))

    def _watch_all(self, stack: ExitStack, watch: Watch, after: int = -1) -> None:
        # a module that stands for several layers is watched once
        for module in {id(layer.attention): layer.attention for layer in self.layers[after + 1 :]}.values():
            stack.enter_context(watching(module, watch))

    def _check_seen(self, rest: Iterator[Layer]) -> None:
        if missed := [(layer.site, layer.number) for layer in rest]:
            raise ModelError(
                f"In {self.name!r} the taps never saw the layers {missed}. {because(self.network)}"
                "Allowed: models all of whose layers attend in every pass."
            )


def _rewritten(layer: Layer, at: Ingredients, pattern: Tap | None, z: Tap | None, device: torch.device) -> HeadOutput:
    """What a layer writes when both taps were there; they see it on the model's device, wherever the layer lies."""
    seen = at.pattern()
    if pattern is not None:
        replacement = pattern(layer.site, layer.number, seen.to(device))
        seen = seen if replacement is None else replacement.to(seen.device)
    written = at.write(seen)
    replacement = z(layer.site, layer.number, written.to(device)) if z is not None else None
    return written if replacement is None else replacement.to(written.device)


def _look(site: Site, layer: int, activation: Tensor) -> None:  # noqa: ARG001 - a tap that only watches
    return None
