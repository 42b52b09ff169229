"""The models, each held in the three ways that are compared, and the texts they read."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import torch
import transformers
from torch import nn
from transformer_lens.model_bridge import TransformerBridge

from interp.corpora.grammar import grammar
from interp.corpora.text import text_document
from interp.models import loading
from interp.models.bridge import BridgeModel
from interp.models.gguf import smollm2
from interp.models.hugging_face.model import AttentionModel
from interp.models.inputs.text import base_of, inputs_of
from interp.types import Batch, Corpus, HeadModel, Output

SEED = 0


@dataclass(frozen=True, eq=False)
class Subject:
    """The same weights for this project, in TransformerLens's bridge, and in plain transformers with fused attention.

    `projections[layer]` is the module of the plain network that mixes the heads of a layer.
    """

    name: str
    model: AttentionModel
    bridge: TransformerBridge
    plain: Any
    projections: Sequence[nn.Module]

    @property
    def layers(self) -> int:
        """How many layers attend."""
        return len(self.model.layers)

    def width(self, head: int) -> slice:
        """Where a head lies in what goes into its layer's output projection."""
        d_head = self.model.layers[0].output_weights().shape[1]
        return slice(head * d_head, (head + 1) * d_head)

    def forward(self, network: Any, batch: Batch, *, logits: bool) -> Output:
        """A forward pass of a plain network; without its language head where its logits are not asked for."""
        out = (network if logits else base_of(network))(**inputs_of(batch, causal=self.model.causal))
        # the last hidden state comes first, and a network with a head does not return it
        return Output(out.logits, out.logits) if logits else Output(out[0], None)


def load(name: str, device: str = "cpu") -> Subject:
    """MiniLM and SmolLM2 as published; gpt2-small and bert-base in shape only, their weights random from a seed."""
    if name == "smollm2":
        return _of(smollm2(backend="attention", device=device), name)
    minilm = loading.minilm(backend="attention", device=device)
    model = minilm
    if name != "minilm":
        # its 30,522 ids are ids of both
        model = loading.from_transformers(_random(name).to(device), minilm.tokenizer, name=name, backend="attention")
    return _of(model, name)


def _of(model: HeadModel, name: str) -> Subject:
    assert isinstance(model, AttentionModel)
    plain = plain_copy(model, "sdpa")
    bridge = loading.from_transformers(plain, model.tokenizer, name=name, backend="bridge")
    assert isinstance(bridge, BridgeModel)
    paths = {id(module): path for path, module in model.network.named_modules()}
    projections = [plain.get_submodule(paths[id(layer.projection)]) for layer in model.layers]
    return Subject(name, model, bridge.bridge, plain, projections)


def plain_copy(model: AttentionModel, attention: str) -> Any:
    """The network once more, with the attention of transformers that is named."""
    plain = copy.deepcopy(model.network)
    plain.config._attn_implementation = attention
    return plain


def joined(model: HeadModel, documents: int, tokens: int) -> Corpus:
    """Sentences of the grammar, joined to texts of at most so many tokens; without gold."""
    sentences = [document.text for document in grammar()]
    lengths = [int((~encoding.special).sum()) for encoding in model.encode(sentences)]
    (own,) = model.encode([""])
    texts: list[str] = []
    text, length, at = "", len(own.tokens), 0
    while len(texts) < documents:
        number = at % len(sentences)
        if text and length + lengths[number] > tokens:
            texts.append(text)
            text, length = "", len(own.tokens)
        text, length, at = f"{text} {sentences[number]}".strip(), length + lengths[number], at + 1
    digest = sha256("\n".join(texts).encode()).hexdigest()
    return Corpus(f"grammar, joined to {tokens} tokens", tuple(map(text_document, texts)), digest, generated=True)


def _random(name: str) -> Any:
    torch.manual_seed(SEED)
    if name == "gpt2-small":
        return transformers.GPT2LMHeadModel(transformers.GPT2Config())
    return transformers.BertModel(transformers.BertConfig())
