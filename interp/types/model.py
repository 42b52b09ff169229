"""The seam between a backend and everything else: what a model is asked for, and what it gives.

A model offers two taps per attention layer: `pattern` (where each head attends) and `z` (what each head writes).
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from interp.documents import Picture
from interp.heads import Head, Place, Site
from interp.types.batch import Batch, EncodedCorpus, Encoding, Grid
from interp.types.output import Output

Pattern = Float[Tensor, "batch head query key"]
"""Attention weights of one layer; rows over `key` sum to one (to less where some goes to no token: `HasSinks`)."""

HeadOutput = Float[Tensor, "batch query head d_head"]
"""What each head of one layer writes, before the output projection mixes heads (`z`)."""

Tap = Callable[[Site, int, Tensor], Tensor | None]
"""Sees (site, layer, activation) during a forward pass: `None` watches, a tensor rewrites."""

Scored = bool | Bool[Tensor, "batch pos"]
"""Where the language head runs: at every position, at none, or at these."""

Look = Callable[[Site, int, int, int, Tensor], None]
"""Sees (site, layer, first head, first query, pattern of these and those after them), a part of a layer at a time.

Keys after the last of these queries may be left out where none of them sees any. What it is shown is overwritten later.
"""

NOWHERE: Mapping[Site, Sequence[int]] = MappingProxyType({})
"""No site's queries are cut into parts."""


@dataclass(frozen=True, eq=False)
class CleanRun:
    """What one undisturbed forward pass leaves behind, so that the network can be run from any attention layer on.

    All by place, in the order in which the places run.
    """

    batch: Batch
    before: dict[Place, Float[Tensor, "batch pos d_model"]]
    """What goes into each block; an encoder-decoder's block of two attention layers is there for both."""
    attention_output: dict[Place, Float[Tensor, "batch pos d_written"]]
    """As wide as the block's input, but for blocks that work in fewer dimensions inside (MobileBERT)."""
    z: dict[Place, HeadOutput]
    value: dict[Place, Float[Tensor, "batch head key d_value"]]
    pattern: dict[Place, Pattern]
    output: Output
    kept: Any
    """Whatever else the model that ran needs to go on from there."""


@dataclass(frozen=True, eq=False)
class Unhooked:
    """What a network makes of a batch with nothing in place that watches or rewrites its heads."""

    output: Output
    z: dict[Place, HeadOutput]
    """What goes into the output projection of each attention layer, cut into heads."""
    attention_output: dict[Place, Float[Tensor, "batch query d_model"]]
    """What comes out of each output projection, less its bias."""


@runtime_checkable
class HeadModel(Protocol):
    """A model whose heads can be watched and rewritten: the whole seam between a backend and everything else."""

    name: str
    heads: Sequence[Head]
    positions: int
    """The longest input, in tokens, special ones included."""
    has_language_head: bool
    """Whether `run` gives logits that were trained: without it no language metric is ever computed."""
    causal: bool
    """Whether its output at a token is of the next one; what an encoder-decoder writes is so."""
    pad_token: int
    device: torch.device
    provenance: dict[str, str]
    """Where the weights came from and their hashes, for the manifest."""

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Raw texts as the tokenizer cuts them, special tokens included, truncated to `positions`."""
        ...

    def visible(self, batch: Batch) -> Bool[Tensor, "batch query key"]:
        """The keys each query may attend to by the model's construction: never padding, never the future if causal.

        A model with several sites, or windows of several widths, takes the site and the layer after the batch.
        """
        ...

    def run(self, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = True) -> Output:
        """One forward pass with the taps in place; afterwards nothing stays hooked, after an exception neither."""
        ...

    def contribution(self, layer: int, z: HeadOutput, site: Site = "self") -> Float[Tensor, "batch query head d_model"]:
        """Each head's share of the layer's output: summed over heads, plus the bias, it is that output."""
        ...


Expansion = Callable[[EncodedCorpus, Sequence[int], HeadModel], Batch]
"""From documents, by their numbers in a corpus, to the rows that a model reads, each document's one after another."""


@runtime_checkable
class Windowed(HeadModel, Protocol):
    """A model whose layers do not all see equally far."""

    windows: Sequence[int | None]
    """How many keys back each layer sees, the query included; None for all."""


@runtime_checkable
class HasSinks(HeadModel, Protocol):
    """A model some of whose attention goes to keys that are no token: learned ones, or zeros."""

    sinks: Collection[Place]
    """The attention layers that have such keys. What a rewritten row leaves of one goes to them, as it did before."""


@runtime_checkable
class EncoderDecoder(HeadModel, Protocol):
    """A model that may be an encoder-decoder, which reads a source and writes a target."""

    translates: bool
    """Whether this one is."""

    def encode_targets(self, texts: Sequence[str]) -> list[Encoding]:
        """What the decoder reads: its start, the text as the tokenizer cuts targets, and the end."""
        ...

    def write(self, encodings: Sequence[Encoding]) -> list[tuple[str, Encoding]]:
        """What the model itself writes from these sources, the likeliest tokens; and that as its decoder reads it."""
        ...


@runtime_checkable
class TokenSampler(HeadModel, Protocol):
    """A model from whose vocabulary tokens can be drawn, with no text between them and the model."""

    def draw(self, symbols: Sequence[Int[np.ndarray, " token"]], seeds: Sequence[int]) -> list[Encoding]:
        """For each document, another random token for every number in it, and the tokenizer's own around them."""
        ...


@runtime_checkable
class VisionModel(HeadModel, Protocol):
    """A model that may read pictures, one token for each patch; its texts are then the names of the patches."""

    grid: Grid | None
    """How this one cuts a picture; None for a model of text."""

    def pixels(self, pictures: Sequence[Picture]) -> Float[Tensor, "batch channel height width"]:
        """What the network reads of these pictures: in its own size, normalised as it was trained."""
        ...


@runtime_checkable
class MaskedModel(HeadModel, Protocol):
    """A model that may fill in masked tokens."""

    mask_token: int | None
    """The mask's id; None where the tokenizer has none."""


@runtime_checkable
class ChunkedPatterns(HeadModel, Protocol):
    """A model that shows its patterns part by part, so that none is ever held whole: faster to look at.

    Of a row that is not finite no weight is: softmax divides all of them by the same sum.
    """

    def watch(self, batch: Batch, look: Look, starts: Mapping[Site, Sequence[int]] = NOWHERE) -> None:
        """One forward pass without the language head, of which nothing is kept; `look` sees every row once.

        A few heads at a time; and of a site for which `starts` has the first query of each part, part by part.
        """
        ...


@runtime_checkable
class Resumable(HeadModel, Protocol):
    """A model that can also be run from any attention layer on: what the fast ablation engine asks for."""

    @property
    def resumable(self) -> bool:
        """Whether this one can, of its kind."""
        ...

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
        """One forward pass that keeps what `resume` starts from; patterns and linear maps only if asked.

        With `gradients`, the output can be differentiated with respect to every layer's z. With `pieces`, logits at
        given positions may come in pieces.
        """
        ...

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
    ) -> Output:
        """The rest of the network from `place` on, all variants in one batch, variants first; taps see what follows.

        Where positions to score are given, they are those of the clean batch, the same in every variant.
        Where linear maps were remembered, they work in bfloat16 on the difference from the clean run.
        """
        ...


@runtime_checkable
class Differentiable(HeadModel, Protocol):
    """A model whose output can be differentiated with respect to what a tap brings in: what gates are trained by."""

    def run_recorded(self, batch: Batch, *, z: Tap, logits: Scored = True, pieces: bool = False) -> Output:
        """One forward pass like `run`, of which torch records what the tap gave wherever the caller records gradients.

        Its weights have none. Positions for `logits`, and `pieces`, are as in `Resumable.remember`, or left unheeded.
        """
        ...


@runtime_checkable
class Provable(HeadModel, Protocol):
    """A model over a network that can also be seen without its taps: what the strongest checks of the gate ask for."""

    unknown_token: int | None
    """The id that stands for a text the tokenizer has no token for; None where there is none."""

    def unhooked(self, batch: Batch) -> Unhooked:
        """One forward pass of the network as it came, its own attention included."""
        ...

    def attention_outputs(self, batch: Batch, *, z: Tap) -> dict[Place, Float[Tensor, "batch query d_model"]]:
        """What comes out of each output projection, less its bias, while the tap is in place."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """Every module on which something could stay hooked."""
        ...

    def decode(self, tokens: Int[np.ndarray, " pos"]) -> str | None:
        """The text of these tokens; None where the tokenizer cannot say."""
        ...
