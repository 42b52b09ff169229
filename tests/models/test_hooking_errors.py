"""What a refusal says: the cause, and another way only where there is one that was not tried."""

import re
from typing import Any

import pytest

from interp.api import prove
from interp.errors import ModelError
from interp.models import loading
from tests.conftest import corpus_of, seeded
from tests.support import tiny_architectures as tiny

CASES: tuple[tuple[str, str, dict[str, Any], str], ...] = (
    ("causal", "gpt_oss", {}, r"attention sinks.*sinks\)"),
    (
        "causal",
        "gemma3_text",
        {"use_bidirectional_attention": True},
        r"both directions.*use_bidirectional_attention=True",
    ),
    ("translating", "led", {}, r"LEDEncoderSelfAttention.*attention_window="),
    ("masked", "longformer", {}, r"LongformerSelfAttention.*attention_window="),
    ("masked", "big_bird", {}, r"attention_type=block_sparse"),
    ("causal", "llama4_text", {}, r"chunked_attention"),
    ("masked", "mpnet", {}, r"code of its own \(in MPNet"),
    ("causal", "diffllama", {}, r"changed before a linear map mixes them"),
)


def refusal(kind: str, model_type: str, options: dict[str, Any], backend: str) -> str:
    with pytest.raises(ModelError) as caught:  # noqa: PT012 - some are refused at load, some by the gate
        network = tiny.model(kind, model_type, **options)
        model = loading.from_transformers(network, tiny.tokenizer(), name=model_type, backend=backend)
        prove(model, corpus_of())
    return str(caught.value)


@pytest.mark.parametrize(("kind", "model_type", "options", "cause"), CASES)
def test_no_way_leads_back(kind: str, model_type: str, options: dict[str, Any], cause: str) -> None:
    """Whoever follows the advice from any way in comes to an end, and the cause was named."""
    said = {backend: refusal(kind, model_type, options, backend) for backend in ("auto", "attention", "bridge")}
    assert re.search(cause, said["auto"])
    assert re.search(cause, said["attention"])
    leads = {
        backend: {other for other in ("attention", "bridge") if f"model.backend={other}" in text}
        for backend, text in said.items()
    }
    assert leads["auto"] == set()
    assert leads["bridge"] == set() or leads["attention"] == set()


def test_several_networks_in_one_directory_are_named() -> None:
    network = seeded(type(tiny.model("causal", "gemma3")), tiny.configuration("gemma3"))
    with pytest.raises(ModelError, match=r"several networks \(text_config, vision_config\)"):
        loading.from_transformers(network, tiny.tokenizer())
