"""Heads silenced together, against plain transformers; and what happens when memory runs out."""

import warnings
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from interp import metrics
from interp.ablation.budget import Budget
from interp.ablation.effects import measure_effects
from interp.ablation.plan import Plan
from interp.ablation.sets import head_sets
from interp.corpora.encoding import encode
from interp.errors import InterpError
from interp.models.hugging_face.model import AttentionModel
from interp.types import Head
from tests.conftest import HEADS, LAYERS, Case, corpus_of, replaced_z
from tests.support.fakes import effects_with

TEXTS = ("The cat sat on the mat.", "There was a park.", "The dog saw the cat, and the cat saw the dog.")


@torch.no_grad()
def log_probability(case: Case, text: str) -> float:
    tokens = case.tokenizer(text, return_tensors="pt")["input_ids"]
    return -cross_entropy(case.plain(tokens).logits[0, :-1], tokens[0, 1:]).item()


def mean_without(case: Case, places: Sequence[tuple[int, int]]) -> float:
    """The mean log-probability with these (layer, head) at zero."""
    with ExitStack() as stack:
        for layer in range(LAYERS):
            here = [head for at, head in places if at == layer]

            def change(z: torch.Tensor, here: list[int] = here) -> torch.Tensor:
                z[:, :, here] = 0.0
                return z

            stack.enter_context(replaced_z(case.plain, layer, change))
        return float(np.mean([log_probability(case, text) for text in TEXTS]))


@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_sets_and_layers_are_silenced_together(engine: Any, tiny_gpt2: Case) -> None:
    encoded = encode(tiny_gpt2.model, corpus_of(TEXTS))
    asked: Any
    for asked, places in (
        ("layers", {f"layer {layer}": [(layer, head) for head in range(HEADS)] for layer in range(LAYERS)}),
        ({"both": ["L0H1", "1.3"], "one": ["0.2"]}, {"both": [(0, 1), (1, 3)], "one": [(0, 2)]}),
    ):
        found = measure_effects(
            tiny_gpt2.model, encoded, Plan(sets=asked, replacement="zero", engine=engine), metrics=[metrics.LOG_PROB]
        )
        assert found.sets is not None
        table = found.sets.set_index("set")
        assert list(table.index) == list(places)
        alone = found.table.set_index(["layer", "head"]).effect
        for name, heads in places.items():
            assert table.ablated[name] == pytest.approx(mean_without(tiny_gpt2, heads), abs=1e-5)
            assert table.sum_of_effects[name] == pytest.approx(sum(alone[place] for place in heads))
            assert table["size"][name] == len(heads)


@pytest.mark.parametrize("asked", ["layer", {"a": []}, {"a": ["2.0.1"]}, {"a": ["L9H0"]}, {"a": [2.1]}, {}])
def test_what_is_no_set_is_refused(asked: Any, tiny_gpt2: Case) -> None:
    with pytest.raises(InterpError, match=r"^ablation\.sets"):
        head_sets(asked, tiny_gpt2.model.heads)


def test_heads_of_several_sites_are_named_with_their_site() -> None:
    heads = [Head(site, layer, head) for site in ("encoder", "cross") for layer in range(2) for head in range(2)]
    assert head_sets({"a": ["cross L1H0", "encoder 0.1"]}, heads) == {"a": (heads[6], heads[1])}
    assert head_sets("layers", heads)["cross layer 1"] == tuple(heads[6:])
    assert len(head_sets("layers", heads)) == 4
    for unclear in ("L1H0", "decoder L1H0"):
        with pytest.raises(InterpError, match=r"no head of this model\. Allowed: cross L0H0 to cross L1H1"):
            head_sets({"a": [unclear]}, heads)


# Memory


def test_out_of_memory_halves_the_budget_and_says_so(tiny_gpt2: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    encoded = encode(tiny_gpt2.model, corpus_of(TEXTS))
    settings: dict[str, Any] = {"replacement": "resample", "metrics": [metrics.LOG_PROB]}
    expected = effects_with(tiny_gpt2.model, encoded, **settings).table
    assert isinstance(tiny_gpt2.model, AttentionModel)
    resuming = tiny_gpt2.model._resuming
    forward = resuming._forward

    def small(inputs: dict[str, Any], *args: Any, **options: Any) -> Any:
        if inputs["input_ids"].numel() > 100:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return forward(inputs, *args, **options)

    monkeypatch.setattr(resuming, "_forward", small)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = effects_with(tiny_gpt2.model, encoded, **settings).table
    assert "Out of memory: going on with 96 tokens at a time." in [str(one.message) for one in told]
    assert found.effect.to_numpy() == pytest.approx(expected.effect.to_numpy(), abs=1e-6)


@pytest.mark.filterwarnings("ignore:Out of memory")
def test_a_document_that_does_not_fit_alone_is_an_error() -> None:
    def never(_tokens: int) -> None:
        raise RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory")

    with pytest.raises(InterpError, match="not enough memory for one document of 40 tokens"):
        Budget(64).within(never, smallest=40)


def test_other_errors_are_not_taken_for_a_lack_of_memory() -> None:
    def broken(_tokens: int) -> None:
        raise RuntimeError("mat1 and mat2 shapes cannot be multiplied")

    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        Budget().within(broken, smallest=1)
