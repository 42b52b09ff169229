"""Transformers with hand-set weights, whose heads carry known roles: what a method finds there can be marked."""

from typing import Any

import numpy as np
import torch

from interp.errors import ModelError, closest
from interp.models.attention import AttentionModel
from interp.models.devices import pick_device, pick_dtype
from interp.models.planted import layout
from interp.models.planted.heads import Plan
from interp.models.planted.networks import bert, gpt2
from interp.models.planted.stream import tokenizer
from interp.types import Head

KINDS = ("causal", "encoder")


class PlantedModel(AttentionModel):
    """A transformer of the usual kind that also says what was planted where: `plans`, one for every head."""

    def __init__(self, network: Any, words: Any, plans: dict[Head, Plan], **about: Any) -> None:
        super().__init__(network, words, **about)
        self.plans = plans

    @property
    def truth(self) -> tuple[tuple[Head, str, float | None], ...]:
        """(head, role, strength) of every role planted: the mass on the targets, None where that is up to the text."""
        return tuple((head, role, strength) for head, plan in self.plans.items() for role, strength in plan.roles)


def planted(
    *,
    kind: str = "causal",
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float32",
) -> PlantedModel:
    """4 layers of 4 heads with known roles, of GPT-2's shape (`causal`) or BERT's (`encoder`).

    Which head carries what, how sharply, how noisily, and where the distractors look is drawn from `seed`. It reads
    the words of the corpus `grammar`, and is no model of any language. Raises `ModelError` for another kind.
    """
    if kind not in KINDS:
        raise ModelError(f"model.kind={kind} is not known. {closest(kind, KINDS)}")
    random = np.random.default_rng(seed)
    is_causal = kind == "causal"
    placed = (layout.causal if is_causal else layout.encoder)(random)
    words = tokenizer(encoder=not is_causal)
    network = (gpt2 if is_causal else bert)(words, placed, random)
    return PlantedModel(
        network.to(torch.device(pick_device(device)), pick_dtype(dtype)),
        words,
        {Head("self", *place): plan for place, plan in placed.items()},
        name=f"planted-{kind}",
        has_language_head=is_causal,
        provenance={"backend": "attention", "weights_sha256": f"planted from seed {seed}"},
    )
