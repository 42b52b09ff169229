"""Heads that find the governor of a word with a known probability, planted on the tokens of another model."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.attention.candidates import word_candidates
from interp.attention.visibility import mask_groups
from interp.errors import ModelError
from interp.types import Batch, EncodedCorpus, Encoding, Head, HeadModel, HeadOutput, Output, Pattern, Site, Tap
from interp.types.describing import describe_model


def require_one_mask_group(model: HeadModel) -> None:
    """Raises `ModelError` for a model whose heads do not all see the same keys of one text."""
    groups = set(mask_groups(model).values())
    if groups != {("self", 0)}:
        raise ModelError(
            f"{model.name!r} has heads that see different keys ({len(groups)} kinds), and calibration is of heads that "
            "see one. Choose an encoder or a decoder without windows, such as model=minilm."
        )


class KnownAccuracy:
    """One layer of heads without weights: each word attends to its governor or, where it errs, to another word.

    Texts are cut, and keys seen, as by `model`, which does not run. `rates[s, r, h]` is the probability that head h
    finds the governor of a word in relation r (a place in `relations`) in source document s (a place in `sources`); in
    any other relation it errs. Every word's attention is all on one token, so that hits are never shared.

    Raises `ModelError` for a model whose heads do not all see the same keys of one text.
    """

    def __init__(
        self,
        model: HeadModel,
        encoded: EncodedCorpus,
        *,
        sources: Sequence[str],
        relations: Sequence[str],
        rates: Float[np.ndarray, "source relation head"],
        seed: int,
    ) -> None:
        require_one_mask_group(model)
        self.name = f"planted on {model.name}"
        self.heads: Sequence[Head] = [Head("self", 0, head) for head in range(rates.shape[2])]
        self.positions, self.causal, self.pad_token = model.positions, model.causal, model.pad_token
        self.has_language_head = False
        self.device, self.provenance = model.device, dict(model.provenance)
        self._model, self._encoded, self._rates, self._seed = model, encoded, rates, seed
        self._source = {name: place for place, name in enumerate(sources)}
        self._relation = {name: place for place, name in enumerate(relations)}

    def __repr__(self) -> str:
        return describe_model(self)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """As the other model."""
        return self._model.encode(texts)

    def visible(self, batch: Batch) -> Bool[Tensor, "batch query key"]:
        """As the other model."""
        return self._model.visible(batch)

    def drawn(self, document: int) -> Bool[np.ndarray, "word head"]:
        """Which words of a document each head finds the governor of: the same whenever it is asked."""
        gold = self._encoded.corpus.documents[document]
        labels = [self._encoded.corpus.relation(label) for label in gold.relations or ()]
        coins = np.random.default_rng([self._seed, document]).random((len(labels), len(self.heads)))
        asked = np.array([self._relation.get(label, -1) for label in labels], dtype=np.int64)
        return (coins < self._rates[self._source[gold.source], asked]) & (asked >= 0)[:, None]

    def run(self, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = True) -> Output:  # noqa: ARG002 - the seam's shape
        """Shows the planted attention; there is nothing behind it."""
        if pattern:
            pattern("self", 0, self._attend(batch))
        return Output(torch.zeros(*batch.tokens.shape, 1), None)

    def contribution(self, layer: int, z: HeadOutput, site: Site = "self") -> Float[Tensor, "batch query head d_model"]:  # noqa: ARG002 - the seam's shape
        """What there is of it: z itself."""
        return z

    def _attend(self, batch: Batch) -> Pattern:
        view = word_candidates(batch, self.visible(batch))
        words, length = batch.governor.shape[1], batch.tokens.shape[1]
        finds = torch.zeros(len(batch.tokens), words, len(self.heads), dtype=torch.bool)
        for row, document in enumerate(batch.document.tolist()):
            drawn = torch.from_numpy(self.drawn(document)[:words])
            finds[row, : len(drawn)] = drawn
        # a governor beyond the last word that the model reads is not there
        has_one = (batch.governor >= 0) & (batch.governor < words)
        governor = batch.governor.where(has_one, 0)[:, :, None]
        is_governor = torch.zeros_like(view.candidates).scatter_(2, governor, has_one[:, :, None])
        # where it errs, at the first word that is wrong; where none is, there is no query to score
        wrong = (view.candidates & ~is_governor).float().argmax(2, keepdim=True)
        finds = finds.to(governor.device) & (is_governor & view.candidates).any(2, keepdim=True)
        chosen = torch.where(finds, governor, wrong)
        owns = batch.word[:, :, None] == torch.arange(words, device=batch.word.device)
        first_token = owns.float().argmax(1)[:, :, None].expand(-1, -1, len(self.heads))
        key_of_word = first_token.gather(1, chosen)
        query_side = batch.word.clamp(min=0)[:, :, None].expand(-1, -1, len(self.heads))
        key = torch.where(batch.word[:, :, None] >= 0, key_of_word.gather(1, query_side), 0)
        shape = (len(batch.tokens), len(self.heads), length, length)
        return torch.zeros(shape, device=key.device).scatter_(3, key.transpose(1, 2)[..., None], 1.0)
