"""A planted model without its network: every head attends exactly as it is defined to."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.models.planted import PlantedModel
from interp.models.planted.heads import Sentence
from interp.models.planted.stream import class_of_token
from interp.types import Batch, Encoding, Head, HeadOutput, Output, Pattern, Site, Tap
from interp.types.describing import describe_model


class Ideal:
    """A `HeadModel` of patterns alone: what each head of a planted model would do without noise, and utterly sharp.

    What it has a role for follows from the definitions of its heads, and from no weight.
    """

    def __init__(self, planted: PlantedModel) -> None:
        self.planted = planted
        self.name = f"{planted.name}-ideal"
        self.heads: Sequence[Head] = planted.heads
        self.positions, self.pad_token, self.device = planted.positions, planted.pad_token, planted.device
        self.causal, self.has_language_head = planted.causal, False
        self.provenance = {"weights_sha256": "none: patterns by definition"}
        self._classes = class_of_token(planted.tokenizer)

    def __repr__(self) -> str:
        return describe_model(self)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """As the planted model's tokenizer cuts them."""
        return self.planted.encode(texts)

    def draw(self, symbols: Sequence[Int[np.ndarray, " token"]], seeds: Sequence[int]) -> list[Encoding]:
        """As the planted model draws tokens for symbols."""
        return self.planted.draw(symbols, seeds)

    def visible(self, batch: Batch) -> Bool[Tensor, "batch query key"]:
        """As of the planted model."""
        return self.planted.visible(batch)

    def run(self, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = True) -> Output:  # noqa: ARG002
        """Shows every layer's pattern; there is nothing to rewrite, and nothing comes out."""
        if pattern is not None:
            sentences = self.sentences(batch)
            for layer in sorted({head.layer for head in self.heads}):
                pattern("self", layer, self.pattern(layer, sentences, batch))
        return Output(torch.zeros(*batch.tokens.shape, 1, device=batch.tokens.device), None)

    def contribution(self, layer: int, z: HeadOutput, site: Site = "self") -> Float[Tensor, "batch query head d_model"]:
        """As of the planted model."""
        return self.planted.contribution(layer, z, site)

    def sentences(self, batch: Batch) -> list[Sentence]:
        """The rows of a batch without their padding."""
        visible, lengths = self.visible(batch).cpu().numpy(), batch.mask.sum(1).tolist()
        tokens, special = batch.tokens.cpu().numpy(), batch.special.cpu().numpy()
        return [
            Sentence(tokens[row, :n], self._classes[tokens[row, :n]], special[row, :n], visible[row, :n, :n])
            for row, n in enumerate(lengths)
        ]

    def pattern(self, layer: int, sentences: Sequence[Sentence], batch: Batch) -> Pattern:
        """What the heads of a layer attend to, by their definitions; padding attends nowhere."""
        own = [self.planted.plans[head] for head in self.heads if head.layer == layer]
        size = batch.tokens.shape[1]
        found = np.zeros((len(sentences), len(own), size, size), dtype=np.float32)
        for row, sentence in enumerate(sentences):
            n = len(sentence.tokens)
            for number, plan in enumerate(own):
                found[row, number, :n, :n] = plan.ideal(sentence)
        return torch.from_numpy(found).to(batch.tokens.device)
