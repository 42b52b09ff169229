"""The way into a transformer through TransformerLens's bridge: one vocabulary of hooks over many architectures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from transformer_lens.model_bridge import TransformerBridge
from transformer_lens.model_bridge.generalized_components.base import GeneralizedComponent

from interp.errors import ModelError
from interp.models.hooking_errors import because
from interp.models.inputs.text import base_of, inputs_of, is_causal, visible_keys, windows
from interp.models.inputs.tokenizer import TextReader
from interp.models.unhooked import projecting, run_unhooked, without_bias
from interp.types import Batch, Encoding, Head, HeadOutput, Output, Place, Site, Tap, Unhooked
from interp.types.describing import describe_model

Hooks = list[tuple[str, Callable[..., Tensor | None]]]


class BridgeModel:
    """A `HeadModel` over a booted bridge: encoder-only or decoder-only, grouped queries included.

    The bridge's own hooks carry both taps, except where its pattern hook fires after z was made, so that a rewritten
    pattern would be dropped (BERT's family, GPT-J, GPT-Neo): there the pattern is taken, and rewritten, inside.
    """

    def __init__(
        self,
        bridge: TransformerBridge,
        tokenizer: Any,
        *,
        name: str,
        has_language_head: bool,
        provenance: Mapping[str, str] | None = None,
    ) -> None:
        self.bridge, self.tokenizer, self.name = bridge.eval(), tokenizer, name
        self.has_language_head = has_language_head
        self.provenance = dict(provenance or {})
        self.network: nn.Module = bridge.original_model
        # BERT's family can be built as decoders, which the bridge does not record
        self.causal = bridge.cfg.attention_dir == "causal" or is_causal(self.network.config)
        self.layers, self.heads_per_layer = bridge.cfg.n_layers, bridge.cfg.n_heads
        self.heads: Sequence[Head] = [
            Head("self", i, h) for i in range(self.layers) for h in range(self.heads_per_layer)
        ]
        unseen = [layer for layer in range(self.layers) if f"blocks.{layer}.attn.hook_z" not in bridge.hook_dict]
        if unseen:
            raise ModelError(
                f"TransformerLens's bridge shows no heads in the layers {unseen} of {name!r}. {because(self.network)}"
                "Allowed: models whose layers all attend, each by itself."
            )
        self.reader = TextReader(tokenizer, self.network, name)
        self.reader.causal = self.causal
        self.positions, self.pad_token = self.reader.positions, self.reader.pad_token
        self.mask_token = self.reader.mask_token(trained_head=has_language_head)
        self.unknown_token = self.reader.unknown_token
        self.device = next(self.network.parameters()).device
        self.windows = windows(self.network.config, self.layers, name)
        self.base: nn.Module = base_of(self.network)

    def __repr__(self) -> str:
        return describe_model(self)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Raw texts as the tokenizer cuts them, truncated to `positions`."""
        return self.reader.encode(texts)

    def draw(self, symbols: Sequence[Int[np.ndarray, " token"]], seeds: Sequence[int]) -> list[Encoding]:
        """Another random token of the vocabulary for every number of a document, truncated to `positions`."""
        return self.reader.draw(symbols, seeds)

    def visible(self, batch: Batch, site: Site = "self", layer: int = 0) -> Bool[Tensor, "batch query key"]:
        """The keys each query may attend to by the model's construction."""
        return visible_keys(batch, site, causal=self.causal, window=self.windows[layer])

    @torch.inference_mode()
    def run(self, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = True) -> Output:
        """One forward pass; `logits` asks for the language head's output, which only a trained head gives."""
        want_logits = logits and self.has_language_head
        inputs = inputs_of(batch, causal=self.causal)
        hidden: list[Tensor] = []
        fired: list[tuple[str, int]] = []
        with ExitStack() as stack:
            keep = self.base.register_forward_hook(lambda _module, _args, out: hidden.append(out[0]))
            stack.callback(keep.remove)
            hooks: Hooks = []
            for layer in range(self.layers if pattern or z else 0):
                if pattern:
                    hooks += self._pattern_hooks(layer, self._noted("pattern", pattern, fired), stack)
                hooks.append((f"blocks.{layer}.attn.hook_z", self._z_hook(layer, self._noted("z", z, fired))))
            stack.enter_context(self.bridge.hooks(fwd_hooks=hooks))
            out = (self.network if want_logits else self.base)(**inputs)
        for kind in [kind for kind, tap in (("pattern", pattern), ("z", z)) if tap]:
            layers = [layer for name, layer in fired if name == kind]
            if layers != list(range(self.layers)):
                raise ModelError(
                    f"In {self.name!r} the tap {kind!r} saw layers {layers} where it should have seen each of "
                    f"{self.layers} once: TransformerLens's hooks do not reach its attention. "
                    "Allowed: models whose attention the bridge can watch."
                )
        return Output(hidden[0], out.logits if want_logits else None)

    @torch.no_grad()
    def contribution(self, layer: int, z: HeadOutput, site: Site = "self") -> Float[Tensor, "batch query head d_model"]:
        """Each head's z through its slice of the output projection; their sum plus the bias is the layer's output."""
        if site != "self":
            raise ModelError(f"{self.name!r} has no {site!r} attention. Allowed: 'self'.")
        return torch.einsum("bqhd,hdm->bqhm", z, self.bridge.blocks[layer].attn.W_O)

    @torch.inference_mode()
    def unhooked(self, batch: Batch) -> Unhooked:
        """One forward pass of the network as it was before it was bridged: its own modules in the bridge's places."""
        inputs, projections = inputs_of(batch, causal=self.causal), self._projections()
        heads = dict.fromkeys(projections, self.heads_per_layer)
        with unwrapped(self.network):
            return run_unhooked(partial(self.network, **inputs), self.base, projections, heads)

    @torch.inference_mode()
    def attention_outputs(self, batch: Batch, *, z: Tap) -> dict[Place, Float[Tensor, "batch query d_model"]]:
        """What comes out of each layer's output projection, less its bias, while the tap is in place."""
        with projecting(self._projections()) as kept:
            self.run(batch, z=z, logits=False)
        return without_bias(self._projections(), kept)

    def modules(self) -> Iterator[nn.Module]:
        """Every module of the bridge and of the network under it."""
        return iter({id(module): module for root in (self.bridge, self.network) for module in root.modules()}.values())

    def decode(self, tokens: Int[np.ndarray, " pos"]) -> str | None:
        """The text of these tokens; None where the tokenizer cannot say."""
        return self.reader.decode(tokens)

    def _projections(self) -> dict[Place, nn.Module]:
        """The network's own output projections, where the bridge names them."""
        named = {layer: getattr(self.bridge.blocks[layer].attn, "o", None) for layer in range(self.layers)}
        own = {layer: getattr(wrapped, "original_component", None) for layer, wrapped in named.items()}
        return {("self", layer): module for layer, module in own.items() if module is not None}

    def _noted(self, kind: str, tap: Tap | None, fired: list[tuple[str, int]]) -> Tap:
        """The tap, with a note of each layer that it saw: a hook that never fires would be a silent no-op."""

        def note(site: Site, layer: int, activation: Tensor) -> Tensor | None:
            too_late = kind == "pattern" and ("z", layer) in fired
            fired.append((kind, layer))
            replacement = tap(site, layer, activation) if tap else None
            if replacement is not None and too_late:
                raise ModelError(
                    f"In {self.name!r} the pattern is known only after z was made from it, so rewriting it would "
                    "change nothing. Allowed for it: watching patterns, and watching or rewriting z."
                )
            return replacement

        return note

    def _pattern_hooks(self, layer: int, tap: Tap, stack: ExitStack) -> Hooks:
        attention = self.bridge.blocks[layer].attn.original_component
        if hasattr(attention, "_attn"):
            stack.enter_context(_rewritten_inside(attention, lambda tensor: tap("self", layer, tensor)))
            return []
        inner = getattr(attention, "self", None)
        if not isinstance(inner, nn.Module):
            return [(f"blocks.{layer}.attn.hook_pattern", lambda tensor, **_: tap("self", layer, tensor))]
        values: list[Tensor] = []

        def rewrite(_module: nn.Module, _args: Any, output: Any) -> Any:
            replacement = tap("self", layer, output[1])
            if replacement is None:
                return None
            z = torch.einsum("bhqk,bkhd->bqhd", replacement, values[0])
            return (z.flatten(-2), replacement, *output[2:])

        stack.callback(inner.register_forward_hook(rewrite).remove)
        return [(f"blocks.{layer}.attn.hook_v", lambda tensor, **_: values.append(tensor))]

    def _z_hook(self, layer: int, tap: Tap) -> Callable[..., Tensor | None]:
        def hook(tensor: Tensor, **_: Any) -> Tensor | None:
            if tensor.dim() == 4:
                return tap("self", layer, tensor)
            replacement = tap("self", layer, tensor.unflatten(-1, (self.heads_per_layer, -1)))
            return None if replacement is None else replacement.flatten(-2)

        return hook


@contextmanager
def _rewritten_inside(attention: Any, look: Callable[[Tensor], Tensor | None]) -> Iterator[None]:
    """While it is open, the step of GPT-J and GPT-Neo that attends shows its pattern, and goes on with what it gets."""
    attend = attention._attn

    def shown(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None = None) -> tuple[Tensor, Tensor]:
        written, pattern = attend(query, key, value, mask)
        replacement = look(pattern)
        return (written, pattern) if replacement is None else (replacement @ value, replacement)

    attention.__dict__["_attn"] = shown
    try:
        yield
    finally:
        del attention.__dict__["_attn"]


@contextmanager
def unwrapped(network: nn.Module) -> Iterator[None]:
    """While it is open, every module that the bridge wrapped stands in its old place."""
    wrapped: list[tuple[nn.Module, str, nn.Module]] = []

    def unwrap(module: nn.Module) -> None:
        for name, child in list(module._modules.items()):
            own = child.original_component if isinstance(child, GeneralizedComponent) else None
            if child is not None and own is not None:
                wrapped.append((module, name, child))
                module._modules[name] = own
            if (inner := module._modules[name]) is not None:
                unwrap(inner)

    try:
        unwrap(network)
        yield
    finally:
        for module, name, child in wrapped:
            module._modules[name] = child
