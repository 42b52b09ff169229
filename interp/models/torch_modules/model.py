"""The way into one's own model: any torch module whose attention is `nn.MultiheadAttention`, recurrent ones too."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from interp.errors import ModelError
from interp.models.head_weights import LayerSlices, See
from interp.models.hugging_face.interface import Ingredients
from interp.models.hugging_face.layers import computing
from interp.models.inputs.targets import special_ends, target_encodings, write_greedily
from interp.models.inputs.text import check_offsets, decoded, encodings, visible_keys
from interp.models.inputs.vocabulary import Vocabulary
from interp.models.torch_modules.attention import as_it_came, ingredients, slow_path, what_is_projected, with_sinks
from interp.models.torch_modules.layers import Layer, find_layers
from interp.models.torch_modules.slices import proven_slices
from interp.types import Batch, Encoding, Head, HeadOutput, Output, Place, Site, Tap, Unhooked
from interp.types.describing import describe_model

Call = Callable[[Any, Batch], Output]
"""How a module is called with a batch, and what of its answer are hidden states and logits."""

Attended = tuple[HeadOutput, Tensor | None]
"""What the heads of a layer write, and their weights where these are not the layer's own pattern."""

Attend = Callable[[Site, int, Ingredients], Attended]
"""How one layer attends."""


class MultiheadModel:
    """A `HeadModel` over any module whose attention is `nn.MultiheadAttention`; see `from_module`."""

    def __init__(
        self,
        network: nn.Module,
        tokenizer: Any,
        call: Call,
        *,
        name: str,
        sites: Mapping[str, str | None],
        causal: bool,
        has_language_head: bool,
        positions: int,
        provenance: Mapping[str, str],
    ) -> None:
        check_offsets(tokenizer, name)
        self.network, self.tokenizer, self.name = network.eval(), tokenizer, name
        self.layers = find_layers(network, sites, name)
        self.heads: Sequence[Head] = [
            Head(at.site, at.number, head) for at in self.layers for head in range(at.attention.num_heads)
        ]
        self.translates = any(layer.site in ("decoder", "cross") for layer in self.layers)
        self.causal, self.has_language_head = causal or self.translates, has_language_head
        self.sinks: Collection[Place] = {
            (at.site, at.number) for at in self.layers if at.attention.bias_k is not None or at.attention.add_zero_attn
        }
        self.positions = positions
        self.pad_token = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else 0
        self.mask_token: int | None = tokenizer.mask_token_id
        self.unknown_token: int | None = tokenizer.unk_token_id
        self._vocabulary = Vocabulary(tokenizer, name)
        self.device = next(network.parameters()).device
        self.provenance = {"backend": "multihead", **provenance}
        self._call_network = call

    def __repr__(self) -> str:
        return describe_model(self)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Raw texts as the tokenizer cuts them, truncated to `positions`."""
        return encodings(self.tokenizer, texts, self.positions)

    def draw(self, symbols: Sequence[Int[np.ndarray, " token"]], seeds: Sequence[int]) -> list[Encoding]:
        """Another random token of the vocabulary for every number of a document, truncated to `positions`."""
        return self._vocabulary.draw(symbols, seeds, self.positions)

    def encode_targets(self, texts: Sequence[str]) -> list[Encoding]:
        """What the decoder reads: the tokenizer's bos token, the text, and its eos token."""
        return target_encodings(self.tokenizer, texts, special_ends(self.tokenizer, self.name), self.positions)

    def write(self, encodings: Sequence[Encoding]) -> list[tuple[str, Encoding]]:
        """What the model writes from these sources, at every step the likeliest token."""
        ends = special_ends(self.tokenizer, self.name)
        return write_greedily(self._call, self.tokenizer, encodings, ends, self.pad_token, self.positions, self.device)

    def visible(self, batch: Batch, site: Site = "self", layer: int = 0) -> Bool[Tensor, "batch query key"]:  # noqa: ARG002 - all layers see alike
        """The keys each query may attend to."""
        return visible_keys(batch, site, causal=self.causal, window=None)

    @torch.inference_mode()
    def run(self, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = True) -> Output:
        """One forward pass; `logits` asks for those that the module gives, if it has a trained language head."""

        def attend(site: Site, layer: int, at: Ingredients) -> Attended:
            attended = at.pattern()
            if pattern is not None:
                tokens = batch.key_side(site).tokens.shape[1]
                replacement = pattern(site, layer, attended[..., :tokens])
                if replacement is not None:
                    attended = with_sinks(replacement, attended[..., tokens:])
            written = at.write(attended)
            replacement = z(site, layer, written) if z is not None else None
            return (written if replacement is None else replacement), attended

        output = self._watched(batch, attend)
        return Output(output.hidden, output.logits if logits and self.has_language_head else None)

    @torch.no_grad()
    def contribution(self, layer: int, z: HeadOutput, site: Site = "self") -> Float[Tensor, "batch query head d_model"]:
        """Each head's z through its slice of the output projection; their sum plus the bias is the layer's output."""
        found = next((at for at in self.layers if (at.site, at.number) == (site, layer)), None)
        if found is None:
            sites = ", ".join(dict.fromkeys(at.site for at in self.layers))
            raise ModelError(f"{self.name!r} has no layer {layer} of {site!r} attention. Its sites: {sites}.")
        weight = found.attention.out_proj.weight.T.unflatten(0, (found.attention.num_heads, -1))
        return torch.einsum("bqhd,hdm->bqhm", z, weight)

    # Its heads laid open

    def slices(self) -> dict[Place, LayerSlices]:
        """Each head's own W_Q, W_K, W_V and W_O, layer by layer, once they are seen to do what torch does."""
        return {(layer.site, layer.number): proven_slices(layer.attention, layer.name) for layer in self.layers}

    @torch.inference_mode()
    def see_layers(self, batch: Batch, see: See) -> None:
        """One forward pass; `see` is shown what each layer attends with, keys that are no token last, and gives z."""
        self._watched(batch, lambda site, layer, at: (see(site, layer, at), None))

    def absolute_positions(self, site: Site, length: int) -> None:  # noqa: ARG002 - the seam's shape
        """None: what a module of one's own does with positions is not known."""
        return

    def vocabulary_map(self, site: Site) -> None:  # noqa: ARG002 - the seam's shape
        """None: which of a module's parts are its embeddings and its language head is not known."""
        return

    # What the network does by itself

    @torch.inference_mode()
    def unhooked(self, batch: Batch) -> Unhooked:
        """One forward pass of the module as it came, fused where torch fuses it; and one to see what it projects."""
        output = self._call(batch)
        weights = self._output_weights()
        with slow_path(), what_is_projected(weights.values()) as kept:
            self._call(batch)
        projected = self._projected(batch, kept)
        heads = {(layer.site, layer.number): layer.attention.num_heads for layer in self.layers}
        z: dict[Place, HeadOutput] = {
            place: given.unflatten(-1, (heads[place], -1)) for place, (given, _) in projected.items()
        }
        without_head = Output(output.hidden, output.logits if self.has_language_head else None)
        return Unhooked(without_head, z, {place: output for place, (_, output) in projected.items()})

    @torch.inference_mode()
    def attention_outputs(self, batch: Batch, *, z: Tap) -> dict[Place, Float[Tensor, "batch query d_model"]]:
        """What comes out of each layer's output projection, less its bias, while the tap is in place."""
        with what_is_projected(self._output_weights().values()) as kept:
            self.run(batch, z=z, logits=False)
        return {place: output for place, (_, output) in self._projected(batch, kept).items()}

    def modules(self) -> Iterator[nn.Module]:
        """Every module of the network."""
        return self.network.modules()

    def decode(self, tokens: Int[np.ndarray, " pos"]) -> str | None:
        """The text of these tokens; None where the tokenizer cannot say."""
        return decoded(self.tokenizer, tokens)

    def _output_weights(self) -> dict[Place, Tensor]:
        return {(layer.site, layer.number): layer.attention.out_proj.weight for layer in self.layers}

    def _projected(
        self, batch: Batch, kept: Mapping[int, tuple[Tensor, Tensor]]
    ) -> dict[Place, tuple[Float[Tensor, "batch query d_model"], Float[Tensor, "batch query d_model"]]]:
        """What each layer's output projection was given and gave, less its bias."""
        found: dict[Place, tuple[Tensor, Tensor]] = {}
        for layer in self.layers:
            projection = layer.attention.out_proj
            if (pair := kept.get(projection.weight.data_ptr())) is None:
                continue
            rows, queries = batch.query_side(layer.site).tokens.shape
            bias = 0.0 if projection.bias is None else projection.bias
            # torch flattens queries first, rows second
            given, gave = (one if one.dim() == 3 else one.unflatten(0, (queries, rows)).transpose(0, 1) for one in pair)
            found[layer.site, layer.number] = (given, gave - bias)
        return found

    def _call(self, batch: Batch) -> Output:
        with as_it_came():
            output = self._call_network(self.network, batch)
        if output.hidden.shape[:2] != batch.written.tokens.shape:
            raise ModelError(
                f"The hidden states that `call` gives of {self.name!r} have the shape {tuple(output.hidden.shape)}. "
                f"Allowed: one for every token that is {'written' if self.translates else 'read'}, "
                f"{tuple(batch.written.tokens.shape)}, and a last axis of any size."
            )
        return output

    def _watched(self, batch: Batch, attend: Attend) -> Output:
        """One forward pass in which the layers attend as `attend` says."""
        seen: list[str] = []
        with ExitStack() as stack:
            stack.enter_context(slow_path())
            for layer in self.layers:
                stack.enter_context(computing(layer.attention, partial(self._attend, layer, batch, attend, seen)))
            output = self._call(batch)
        self._check_seen(seen)
        return output

    def _attend(
        self,
        layer: Layer,
        batch: Batch,
        attend: Attend,
        seen: list[str],
        query: Tensor,
        key: Tensor,
        value: Tensor,
        key_padding_mask: Tensor | None = None,
        need_weights: bool = True,
        attn_mask: Tensor | None = None,
        average_attn_weights: bool = True,
        is_causal: bool = False,  # noqa: ARG002 - a hint; the mask says it
    ) -> tuple[Tensor, Tensor | None]:
        """What `nn.MultiheadAttention` computes, laid open."""
        attention = layer.attention
        seen.append(layer.name)
        at, sinks = ingredients(attention, query, key, value, key_padding_mask, attn_mask)
        self._check_shape(layer, batch, at.query, at.key, sinks)
        written, attended = attend(layer.site, layer.number, at)
        output = nn.functional.linear(written.flatten(-2), attention.out_proj.weight, attention.out_proj.bias)
        output = output if attention.batch_first else output.transpose(0, 1)
        if not need_weights:
            return output, None
        attended = at.pattern() if attended is None else attended
        return output, attended.mean(1) if average_attn_weights else attended

    def _check_shape(self, layer: Layer, batch: Batch, query: Tensor, key: Tensor, sinks: int) -> None:
        asking, asked = batch.query_side(layer.site).tokens.shape, batch.key_side(layer.site).tokens.shape
        found = (query.shape[0], query.shape[2], key.shape[2] - sinks)
        if found != (*asking, asked[1]):
            raise ModelError(
                f"{layer.name!r} of {self.name!r} has {found[1]} queries and {found[2]} keys of {found[0]} documents, "
                f"where site {layer.site!r} has {asking[1]} and {asked[1]} of {asking[0]}. Allowed: attention whose "
                "queries and keys are tokens, all of them in one call. Name another site in `sites`, or None to leave "
                "this layer alone."
            )

    def _check_seen(self, seen: Sequence[str]) -> None:
        names = [layer.name for layer in self.layers]
        if sorted(seen) != sorted(names):
            wrong = [f"{name!r} {seen.count(name)} times" for name in names if seen.count(name) != 1]
            raise ModelError(
                f"In one forward pass {self.name!r} called {', '.join(wrong)}. Allowed: every attention layer once; "
                "leave out those that are not used, or are used again and again, with sites={'NAME': None, …}."
            )


def from_module(
    module: nn.Module,
    tokenizer: Any,
    call: Call,
    *,
    name: str | None = None,
    sites: Mapping[str, str | None] | None = None,
    causal: bool = False,
    has_language_head: bool = False,
    positions: int | None = None,
    provenance: Mapping[str, str] | None = None,
) -> MultiheadModel:
    """One's own torch module whose attention is `nn.MultiheadAttention`; it is put into eval mode and is not copied.

    `call(module, batch)` runs it on `batch.tokens` and `batch.mask` (and, if it has a decoder, `batch.target`) and
    gives `interp.types.Output(hidden, logits or None)`. `sites` says of which site each attention is, by its name
    in `module.named_modules()` or a pattern with `*`, the first that fits: `{"*.multihead_attn": "cross", …}`;
    None leaves one alone; without `sites` all are `self`. `tokenizer` is a fast tokenizer of transformers; a decoder
    begins with its bos token and ends with its eos token. Logits are used if `has_language_head` says that they were
    trained: they are of the next token if `causal`, or where there is a decoder.

    Raises `ModelError` for a module without such attention, or with a kind of it that computes something else.
    """
    label = name or type(module).__name__
    return MultiheadModel(
        module,
        tokenizer,
        call,
        name=label,
        sites={"*": "self"} if sites is None else sites,
        causal=causal,
        has_language_head=has_language_head,
        positions=int(min(tokenizer.model_max_length, 1_000_000)) if positions is None else positions,
        provenance=provenance or {"weights_sha256": "not hashed (in memory)"},
    )
