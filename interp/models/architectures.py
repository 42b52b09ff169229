"""Architectures of known models with random weights: networks that know nothing, in which no head has a role."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
import transformers
from tokenizers import Tokenizer
from tokenizers.processors import TemplateProcessing

from interp.devices import pick_device, pick_dtype
from interp.errors import ModelError, closest
from interp.models.hugging_face.model import AttentionModel
from interp.models.inputs.tokenizer import TextReader
from interp.models.loading import SMALL, Model, minilm, minilm_folder

POSITIONS = 1024


def gpt2(vocabulary: int, layers: int | None) -> transformers.GPT2LMHeadModel:
    """GPT-2 small (Radford et al. 2019): 12 layers of 12 heads, width 768, learned positions."""
    return transformers.GPT2LMHeadModel(
        transformers.GPT2Config(vocab_size=vocabulary, n_layer=layers or 12, bos_token_id=0, eos_token_id=0)
    )


def llama(vocabulary: int, layers: int | None) -> transformers.LlamaForCausalLM:
    """Llama's kind (Touvron et al. 2023) in small: 8 layers of 16 heads (4 of keys), width 1024, rotary positions."""
    return transformers.LlamaForCausalLM(
        transformers.LlamaConfig(
            vocab_size=vocabulary,
            num_hidden_layers=layers or 8,
            num_attention_heads=16,
            num_key_value_heads=4,
            hidden_size=1024,
            intermediate_size=2816,
            max_position_embeddings=POSITIONS,
            bos_token_id=0,
            eos_token_id=0,
        )
    )


DECODERS: dict[str, Callable[[int, int | None], Any]] = {"gpt2": gpt2, "llama": llama}
"""Those that have no tokenizer of their own here, but read one of the `VOCABULARIES`."""

VOCABULARIES = ("minilm", "grammar")
"""MiniLM's pieces of words, for any English text; or the words of `grammar`, for which no package is needed."""

SHAPES = ("minilm", *DECODERS)


def random_model(
    shape: str,
    *,
    seed: int,
    layers: int | None = None,
    vocabulary: str = "minilm",
    device: str = "auto",
    dtype: str = "float32",
) -> Model:
    """A model of that shape whose weights are drawn from `seed` as transformers draws them.

    `minilm` is all-MiniLM-L6-v2 with its own tokenizer (from its package); the others read that `vocabulary`, GPT-2's
    without and Llama's with a start token, as the published ones do. `layers` cuts those two short. Raises `ModelError`
    for an unknown shape or vocabulary.
    """
    if vocabulary not in VOCABULARIES:
        raise ModelError(f"The vocabulary {vocabulary!r} is not known. {closest(vocabulary, VOCABULARIES)}")
    if shape not in SHAPES:
        raise ModelError(f"The shape {shape!r} is not known. {closest(shape, SHAPES)}")
    if shape == "minilm":
        return minilm(init="random", seed=seed, device=device, dtype=dtype)
    folder, start = (SMALL, "<s>") if vocabulary == "grammar" else (_minilm_folder(), "[CLS]")
    words = Tokenizer.from_file(str(folder / "tokenizer.json"))
    first = TemplateProcessing(single=f"{start} $A", special_tokens=[(start, words.token_to_id(start))])
    words.post_processor = first if shape == "llama" else None  # pyright: ignore[reportAttributeAccessIssue] - or nothing
    words.no_truncation()
    words.no_padding()
    special = {"unk_token": "[UNK]", "bos_token": start}
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, model_max_length=POSITIONS, **special)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        network = DECODERS[shape](len(tokenizer), layers)
    name = f"{shape}-random"
    return AttentionModel(
        network.to(torch.device(pick_device(device)), pick_dtype(dtype)),
        TextReader(tokenizer, network, name),
        name=name,
        has_language_head=True,
        provenance={"weights_sha256": f"random from seed {seed}", "backend": "attention"},
    )


def _minilm_folder() -> Path:
    try:
        return minilm_folder()
    except ModelError as error:
        hint = "Or let decoders read the words of grammar: random_init.vocabulary=grammar."
        raise ModelError(f"{error} {hint}") from None
