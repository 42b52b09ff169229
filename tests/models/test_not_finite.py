"""Weights that are NaN or ∞ in models of every backend: the document that meets them is refused by its number."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from interp.api import score
from interp.corpora.encoding import encode
from interp.errors import ModelError
from interp.models import loading
from interp.models.torch_modules.model import from_module
from interp.types import Batch, HeadModel, Output
from tests.conftest import (
    POSITIONS,
    TEXTS,
    bert_config,
    byte_level_tokenizer,
    corpus_of,
    gpt2_config,
    grouped_query_config,
    metaspace_tokenizer,
    seeded,
    word_piece_tokenizer,
)

BAD = 1
"""The one of the texts whose token has an embedding that is not finite."""


class Own(nn.Module):
    """A module of one's own with torch's attention."""

    def __init__(self, vocabulary: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, 16)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)

    def forward(self, batch: Batch) -> Tensor:
        read = self.embedding(batch.tokens)
        return read + self.attention(read, read, read, key_padding_mask=~batch.mask, need_weights=False)[0]


def of_transformers(kind: Any, config: Callable[[int], Any], tokenizer: Any, **options: Any) -> Any:
    def make() -> tuple[Any, Callable[[], HeadModel]]:
        network = seeded(kind, config(len(tokenizer)))
        return network.get_input_embeddings(), lambda: loading.from_transformers(network, tokenizer, **options)

    return make


def of_module() -> tuple[Any, Callable[[], HeadModel]]:
    tokenizer = byte_level_tokenizer()
    torch.default_generator.manual_seed(0)
    network = Own(len(tokenizer)).eval()
    return network.embedding, lambda: from_module(
        network, tokenizer, lambda one, batch: Output(one(batch), None), name="own", positions=POSITIONS
    )


def t5_config(vocabulary: int) -> Any:
    config = transformers.T5Config(
        vocab_size=vocabulary, d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, pad_token_id=0, eos_token_id=2
    )
    config.decoder_start_token_id = 0  # pyright: ignore[reportAttributeAccessIssue] - any setting may be added
    return config


def llama_config(vocabulary: int) -> Any:
    return grouped_query_config(transformers.LlamaConfig, vocabulary)


BACKENDS: dict[str, Callable[[], tuple[Any, Callable[[], HeadModel]]]] = {
    "attention": of_transformers(transformers.GPT2LMHeadModel, gpt2_config, byte_level_tokenizer()),
    "bridge": of_transformers(transformers.LlamaForCausalLM, llama_config, metaspace_tokenizer(), backend="bridge"),
    "bridge, BERT": of_transformers(
        transformers.BertForMaskedLM, bert_config, word_piece_tokenizer(), backend="bridge"
    ),
    "encoder-decoder": of_transformers(transformers.T5ForConditionalGeneration, t5_config, metaspace_tokenizer()),
    "own module": of_module,
}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
@pytest.mark.parametrize("name", BACKENDS)
@pytest.mark.filterwarnings("ignore:In the documents", "ignore:The PyTorch API of nested tensors")
def test_a_token_that_is_not_finite_is_refused_with_its_document_layer_and_heads(name: str, number: float) -> None:
    embedding, make = BACKENDS[name]()
    corpus = corpus_of()
    sound = make()
    own = [set(one.tokens[~one.special].tolist()) for one in encode(sound, corpus).encodings]
    token = min(own[BAD] - set().union(*(tokens for place, tokens in enumerate(own) if place != BAD)))
    score(sound, corpus, roles="positional")
    with torch.no_grad():
        embedding.weight[token] = number
    with pytest.raises(ModelError, match=rf"not finite \(NaN or ∞\) in document {BAD} of the corpus") as refused:
        score(make(), corpus, roles="positional")
    said = str(refused.value)
    assert "layer 0, head" in said and "dtype=float32" in said
    assert TEXTS[BAD][:4].lower() in said.lower()
