"""Layers on two devices without a GPU: torch's fake tensors have no numbers, and refuse to mix devices as real ones do.

The first layer is on `cpu`, the last on `meta`, which stands for a second GPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch._functorch.config as functorch
import transformers
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorDeviceMismatchError, FakeTensorMode

from interp.ablation.fast_engine import _changes
from interp.ablation.replacements import Substitution
from interp.models import loading
from interp.models.hugging_face.interface import MaskReader
from interp.models.hugging_face.packing import Packing
from interp.types import Batch
from tests.conftest import (
    batch_of,
    bert_config,
    byte_level_tokenizer,
    gpt2_config,
    grouped_query_config,
    metaspace_tokenizer,
    seeded,
    word_piece_tokenizer,
)

hooks = pytest.importorskip("accelerate.hooks", reason="accelerate (the extra `large`) is not installed")

KINDS: dict[str, tuple[Any, Any, Any]] = {
    "gpt2": (transformers.GPT2LMHeadModel, gpt2_config, byte_level_tokenizer),
    "llama": (
        transformers.LlamaForCausalLM,
        partial(grouped_query_config, transformers.LlamaConfig),
        metaspace_tokenizer,
    ),
    "bert": (transformers.BertForMaskedLM, bert_config, word_piece_tokenizer),
}

FIRST, SECOND = torch.device("cpu"), torch.device("meta")


@contextmanager
def spread(model: Any) -> Iterator[None]:
    """While it is open, its weights are fake: those of the last block, and of the norm after it, elsewhere."""
    network, last = model.network, model.layers[-1].block
    after = [module for name, module in network.named_modules() if name.endswith(("ln_f", "model.norm"))]
    there = {id(module) for one in (last, *after) for module in one.modules()}
    with functorch.patch(fake_tensor_allow_meta=True), FakeTensorMode():
        for module in network.modules():
            device = SECOND if id(module) in there else FIRST
            for kept in (module._parameters, module._buffers):
                for name, one in list(kept.items()):
                    if one is not None:
                        fake = torch.empty(one.shape, dtype=one.dtype, device=device)
                        kept[name] = nn.Parameter(fake, requires_grad=False) if isinstance(one, nn.Parameter) else fake
            if module is network or module is last or any(module._parameters) or any(module._buffers):
                hook = hooks.AlignDevicesHook(device, io_same_device=module is network)
                hooks.add_hook_to_module(module, hook)
        network.hf_device_map = {"first": FIRST, "second": SECOND}
        # whether it runs without padding is seen in numbers, which there are none of
        model._resuming._packs = False
        yield


@pytest.fixture(params=KINDS)
def model_and_batch(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Any, Batch]]:
    kind, config, tokenizer = KINDS[request.param]
    words = tokenizer()
    transformers.logging.disable_progress_bar()
    seeded(kind, config(len(words))).save_pretrained(tmp_path)
    words.save_pretrained(tmp_path)
    model = loading.local(tmp_path)
    batch = batch_of(model)
    with spread(model):
        tensors = {name: one for name, one in vars(batch).items() if isinstance(one, Tensor)}
        yield model, replace(batch, **{name: torch.empty(one.shape, dtype=one.dtype) for name, one in tensors.items()})


def test_fake_tensors_of_two_devices_do_not_mix(model_and_batch: tuple[Any, Batch]) -> None:
    with pytest.raises(FakeTensorDeviceMismatchError):
        _ = torch.empty(2, device=FIRST) + torch.empty(2, device=SECOND)


def test_taps_see_the_model_s_device_and_layers_get_theirs(model_and_batch: tuple[Any, Batch]) -> None:
    model, batch = model_and_batch
    seen: list[torch.device] = []

    def double(_site: str, _layer: int, activation: Tensor) -> Tensor:
        seen.append(activation.device)
        return 2 * activation

    found = model.run(batch, pattern=double, z=double)
    assert seen == [FIRST] * 4
    assert found.hidden.device == found.logits.device == FIRST


def test_patterns_are_shown_on_the_model_s_device(
    model_and_batch: tuple[Any, Batch], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, batch = model_and_batch
    monkeypatch.setattr(MaskReader, "left_out", lambda _self, at: at)  # which masks hide nothing is seen in numbers
    seen: list[torch.device] = []
    model.watch(batch, lambda _site, _layer, _head, _query, pattern: seen.append(pattern.device))
    assert set(seen) == {FIRST}


def test_the_network_by_itself_is_compared_on_one_device(model_and_batch: tuple[Any, Batch]) -> None:
    model, batch = model_and_batch
    found = model.unhooked(batch)
    of_layers = [*found.z.values(), *found.attention_output.values()]
    assert {one.device for one in (*of_layers, found.output.hidden, found.output.logits)} == {FIRST}
    assert {one.device for one in model.attention_outputs(batch, z=lambda *_: None).values()} == {FIRST}


def test_the_rest_of_the_network_runs_from_any_layer_on(model_and_batch: tuple[Any, Batch]) -> None:
    """What a clean run keeps stays where its layer lies."""
    model, batch = model_and_batch
    clean = model.remember(batch)
    zero = Substitution("z", lambda _site, _layer, z: torch.zeros_like(z))
    for number, device in enumerate((FIRST, SECOND)):
        place = ("self", number)
        assert clean.z[place].device == clean.attention_output[place].device == device
        change = _changes(model, clean, zero, place)
        found = model.resume(clean, place, clean.attention_output[place] + change, z=lambda *_: None)
        assert found.hidden.device == found.logits.device == FIRST


def test_documents_are_packed_where_they_lie() -> None:
    with functorch.patch(fake_tensor_allow_meta=True), FakeTensorMode():
        packing = Packing(torch.empty(5, dtype=torch.long, device=FIRST), 2, 4)
        packed = packing.pack(torch.empty(2, 4, 3, device=SECOND))
        assert packed.device == packing.unpack(packed).device == SECOND
