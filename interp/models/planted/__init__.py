"""Transformers with hand-set weights, whose heads carry known roles: what a method finds there can be marked."""

from typing import Any

import numpy as np
import torch

from interp.devices import pick_device, pick_dtype
from interp.errors import ModelError, closest
from interp.models.hugging_face.model import AttentionModel
from interp.models.inputs.tokenizer import TextReader
from interp.models.planted import layout
from interp.models.planted.heads import Plan
from interp.models.planted.networks import bert, fresh, gpt2
from interp.models.planted.stream import tokenizer
from interp.types import Head

KINDS = ("causal", "encoder")


class PlantedModel(AttentionModel):
    """A usual transformer that says what was planted where: `plans`, one for every head (none if random)."""

    def __init__(self, network: Any, words: Any, plans: dict[Head, Plan], *, name: str, **about: Any) -> None:
        super().__init__(network, TextReader(words, network, name), name=name, **about)
        self.plans = plans

    @property
    def truth(self) -> tuple[tuple[Head, str, float | None], ...]:
        """(head, role, strength) of every role planted: the mass on the targets, None where that is up to the text."""
        return tuple((head, role, strength) for head, plan in self.plans.items() for role, strength in plan.roles)


def planted(
    *,
    kind: str = "causal",
    init: str = "pretrained",
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float32",
) -> PlantedModel:
    """4 layers of 4 heads with known roles, of GPT-2's shape (`causal`) or BERT's (`encoder`).

    Which head carries what, how sharply, how noisily, and where the distractors attend is drawn from `seed`. It reads
    the words of the corpus `grammar`, and is no model of any language. With `init="random"` nothing is planted: the
    same architecture with the weights that transformers draws. Raises `ModelError` for another kind or init.
    """
    if kind not in KINDS:
        raise ModelError(f"model.kind={kind} is not known. {closest(kind, KINDS)}")
    if init not in ("pretrained", "random"):
        raise ModelError(f"model.init={init} is not known. {closest(init, ['pretrained', 'random'])}")
    is_causal = kind == "causal"
    words = tokenizer(encoder=not is_causal)
    name, placed = f"planted-{kind}", {}
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        if init == "random":
            network, name = fresh(words, 1e-5, causal=is_causal), f"{name}-random"
        else:
            random = np.random.default_rng(seed)
            placed = (layout.causal if is_causal else layout.encoder)(random)
            network = (gpt2 if is_causal else bert)(words, placed, random)
    return PlantedModel(
        network.to(torch.device(pick_device(device)), pick_dtype(dtype)),
        words,
        {Head("self", *place): plan for place, plan in placed.items()},
        name=name,
        has_language_head=is_causal,
        provenance={"backend": "attention", "weights_sha256": f"{'planted' if placed else 'random'} from seed {seed}"},
    )
